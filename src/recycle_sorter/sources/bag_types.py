# SPDX-License-Identifier: Apache-2.0
"""The message types in our bags, as rosbags needs them: no ROS installation is involved."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from recycle_sorter.sources.belt_bag_types import BELT_DEFINITIONS

IMAGE: Final = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE: Final = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO: Final = "sensor_msgs/msg/CameraInfo"
GROUND_TRUTH: Final = "recycle_sorter_msgs/msg/GroundTruth"

# The fields of src/recycle_sorter_msgs/msg/GroundTruth.msg; a test compares the two.
GROUND_TRUTH_DEFINITION: Final = """\
std_msgs/Header header
uint64 item_id
string material
string source
"""


@lru_cache(maxsize=1)
def typestore() -> Typestore:
    """Returns the types of ROS 2 with ours; the picture types are the same in all of ROS 2."""
    store = get_typestore(Stores.ROS2_JAZZY)
    for name, definition in {GROUND_TRUTH: GROUND_TRUTH_DEFINITION, **BELT_DEFINITIONS}.items():
        store.register(get_types_from_msg(definition, name))
    return store
