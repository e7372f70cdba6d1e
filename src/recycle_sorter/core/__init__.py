# SPDX-License-Identifier: Apache-2.0
"""Deciding and timing a sort: standard library and numpy only, no clock, no ROS."""
