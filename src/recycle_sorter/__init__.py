# SPDX-License-Identifier: Apache-2.0
"""recycle_sorter: an open ROS 2 control stack for a robotic recyclable sorter."""

__version__ = "0.4.4"
