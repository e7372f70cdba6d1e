# SPDX-License-Identifier: Apache-2.0
"""Subscription callbacks that also want to know when a message was published."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rclpy.subscription import MessageInfo  # Jazzy has no such name


def with_info(callback: Callable[[Any, MessageInfo], None]) -> Callable[..., None]:
    """Makes a callback of message and ``MessageInfo`` work on every executor.

    rclpy's executors call it with two arguments, but the events executor of rclpy 9 (Kilted) with
    one, the pair of them, and then fails with "null argument to internal routine".

    Args:
        callback: Takes the message and its info.
    """

    # rclpy tells by the signature whether the info is wanted: `wraps` shows it the callback's.
    @wraps(callback)
    def either(*arguments: Any) -> None:
        message, info = arguments if len(arguments) == 2 else arguments[0]
        callback(message, info)

    return either
