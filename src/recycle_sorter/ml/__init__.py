# SPDX-License-Identifier: Apache-2.0
"""Training, evaluation and export; never imports ROS and the running graph never imports it."""
