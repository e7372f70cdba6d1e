# SPDX-License-Identifier: Apache-2.0
"""Labelled pictures: reading, checking, splitting, and proving that they are the same as before."""
