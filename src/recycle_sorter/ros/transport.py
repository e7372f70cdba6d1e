# SPDX-License-Identifier: Apache-2.0
"""Which network the graph uses: this machine only, through shared memory, unless told otherwise.

Set before rclpy starts; whatever the user has set stays.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from recycle_sorter.paths import share_file

DISCOVERY = "ROS_AUTOMATIC_DISCOVERY_RANGE"
PROFILES = "FASTDDS_DEFAULT_PROFILES_FILE"
# Its name before Fast DDS 3; a user may still set it.
OLD_PROFILES = "FASTRTPS_DEFAULT_PROFILES_FILE"


def shipped_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables that the user has left unset.

    They keep discovery on loopback and give Fast DDS room for whole pictures: with its default of
    512 KB of shared memory it cuts each picture to pieces and sends them over UDP, where
    best-effort loses most frames. Whoever opens discovery to other machines gets the profile
    without the loopback limit.
    """
    reach = environment.get(DISCOVERY, "LOCALHOST")
    found = {} if DISCOVERY in environment else {DISCOVERY: reach}
    if PROFILES not in environment and OLD_PROFILES not in environment:
        name = "fastdds.xml" if reach == "LOCALHOST" else "fastdds_open.xml"
        found[PROFILES] = str(share_file(f"config/{name}"))
    return found


def use_shipped_transport() -> None:
    """Sets ``shipped_environment`` for this process and those it starts."""
    os.environ.update(shipped_environment())
