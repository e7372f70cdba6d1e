# SPDX-License-Identifier: Apache-2.0
"""A belt that is not there: frames, encoder ticks and truth for people without hardware."""
