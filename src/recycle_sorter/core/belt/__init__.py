# SPDX-License-Identifier: Apache-2.0
"""A moving belt: items followed, decided once and fired on time. No clock, no ROS, no OpenCV."""
