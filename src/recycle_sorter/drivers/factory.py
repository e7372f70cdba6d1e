# SPDX-License-Identifier: Apache-2.0
"""Which drivers there are."""

from __future__ import annotations

from collections.abc import Mapping

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.ports import DiverterDriver
from recycle_sorter.core.routing import DiverterSpec
from recycle_sorter.drivers.simulated import SimulatedDriver

DRIVERS = ("simulated",)


def open_driver(name: str, diverters: Mapping[str, DiverterSpec]) -> DiverterDriver:
    """Opens a driver for the routing's diverters.

    Args:
        name: One of ``DRIVERS``.
        diverters: What it shall move.

    Raises:
        InvalidInputError: If there is no such driver.
        DriverError: If its hardware cannot be reached.
    """
    if name not in DRIVERS:
        raise InvalidInputError("driver", name, f"one of: {', '.join(DRIVERS)}")
    return SimulatedDriver(diverters)
