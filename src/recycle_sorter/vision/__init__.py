# SPDX-License-Identifier: Apache-2.0
"""From pixels to what the network takes: preprocessing, empty board, image validation."""
