# SPDX-License-Identifier: Apache-2.0
"""Runs the belt without ROS: perception, a stamp-driven runner, replay, and the run's report."""
