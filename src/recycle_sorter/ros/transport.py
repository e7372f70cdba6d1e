# SPDX-License-Identifier: Apache-2.0
"""Which network the graph uses: this machine only, through shared memory, unless told otherwise.

Set before rclpy starts; whatever the user has set stays.
"""

from __future__ import annotations

import os

from recycle_sorter.paths import share_file

DISCOVERY = "ROS_AUTOMATIC_DISCOVERY_RANGE"
PROFILES = "FASTDDS_DEFAULT_PROFILES_FILE"


def use_shipped_transport() -> None:
    """Keeps discovery on loopback and gives Fast DDS room for whole pictures.

    With its default of 512 KB of shared memory Fast DDS cuts each picture to pieces and sends them
    over UDP, where best-effort loses most frames.
    """
    os.environ.setdefault(DISCOVERY, "LOCALHOST")
    if PROFILES not in os.environ and "FASTRTPS_DEFAULT_PROFILES_FILE" not in os.environ:
        os.environ[PROFILES] = str(share_file("config/fastdds.xml"))
