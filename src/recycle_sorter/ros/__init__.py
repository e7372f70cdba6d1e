# SPDX-License-Identifier: Apache-2.0
"""The thin ROS 2 adapters: the only folder that imports rclpy or messages."""
