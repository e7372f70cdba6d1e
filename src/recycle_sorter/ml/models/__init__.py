# SPDX-License-Identifier: Apache-2.0
"""The networks that can be trained: one builder, one way to name stages and to load weights."""
