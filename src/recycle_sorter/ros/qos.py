# SPDX-License-Identifier: Apache-2.0
"""Quality of service of every topic, in one place (REP-2003).

Sensor data is published reliable, so that any subscriber matches, and subscribed best-effort with
depth 1, so that a slow reader always gets the newest frame. All of it can be overridden by
parameters ``qos_overrides.<topic>.<publisher|subscription>.<policy>``.
"""

from __future__ import annotations

from copy import copy
from typing import Any

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

IMAGE_OUT = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=5, reliability=ReliabilityPolicy.RELIABLE
)
IMAGE_IN = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.BEST_EFFORT
)
IMAGE_IN_LOSSLESS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=5, reliability=ReliabilityPolicy.RELIABLE
)
RESULT = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=100, reliability=ReliabilityPolicy.RELIABLE
)
LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=16,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


def overridable(profile: QoSProfile) -> dict[str, Any]:
    """Arguments for a topic whose history, depth and reliability a user may override."""
    # A copy, because rclpy writes the overrides into the profile that it is given.
    return {
        "qos_profile": copy(profile),
        "qos_overriding_options": QoSOverridingOptions.with_default_policies(),
    }


def image_in(lossless: bool) -> QoSProfile:
    """What the classifier subscribes pictures with."""
    return IMAGE_IN_LOSSLESS if lossless else IMAGE_IN
