# SPDX-License-Identifier: Apache-2.0
"""A ROS domain of its own for every test, on loopback."""

from __future__ import annotations

import itertools
import os
import types
from collections.abc import Iterator
from pathlib import Path

import domain_coordinator
import pytest
import rclpy
from rclpy.signals import SignalHandlerOptions
from support.bundles import make_tiny_bundle
from support.ros import Harness

from recycle_sorter.ros.transport import DISCOVERY, shipped_environment

# The coordinator tries the first numbers first, which people use by hand, too. Going on from the
# last one keeps a test from hearing what the one before it left behind.
_numbers = itertools.count(os.getpid())


def _next_domain() -> int:
    return next(_numbers) % 100 + 1


@pytest.fixture(scope="session", autouse=True)
def _loopback() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(DISCOVERY, "LOCALHOST")
        for name, value in shipped_environment().items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session", autouse=True)
def _crash_reports() -> Iterator[None]:
    """Lets pytest's own crash report stand.

    The events executor would send it to the captured stderr, where a crash takes it along.
    """
    try:
        from rclpy.experimental import events_executor
    except ImportError:  # of an older rclpy, which has none
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(events_executor, "faulthandler", types.SimpleNamespace(enable=lambda: None))
        yield


@pytest.fixture
def domain(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A ROS domain that nobody else on this machine uses now; also that of child processes."""
    with domain_coordinator.domain_id(selector=_next_domain) as number:
        monkeypatch.setenv("ROS_DOMAIN_ID", str(number))
        yield number


@pytest.fixture
def ros(domain: int) -> Iterator[Harness]:
    """A harness in its own domain."""
    # pytest's own signal handlers stay: Ctrl-C ends the tests, not a context amid one.
    # A session that ran in this process before leaves its log level behind.
    args = ["--ros-args", "--log-level", "info"]
    rclpy.init(args=args, domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
    try:
        harness = Harness()
        try:
            yield harness
        finally:
            harness.close()
    finally:
        rclpy.try_shutdown()


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model bundle that knows materials by their colours."""
    return make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")
