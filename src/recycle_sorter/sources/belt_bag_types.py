# SPDX-License-Identifier: Apache-2.0
"""The message types of a belt's bags beside the pictures, for those who write them without ROS.

The fields are those of ``src/recycle_sorter_msgs/msg``; a test compares the two.
"""

from __future__ import annotations

from typing import Final

BELT_ENCODER: Final = "recycle_sorter_msgs/msg/BeltEncoder"
BELT_DETECTION: Final = "recycle_sorter_msgs/msg/BeltDetection"
BELT_OBSERVATION: Final = "recycle_sorter_msgs/msg/BeltObservation"
BELT_STATE: Final = "recycle_sorter_msgs/msg/BeltState"
BELT_TRUTH: Final = "recycle_sorter_msgs/msg/BeltTruth"
BELT_LANDING: Final = "recycle_sorter_msgs/msg/BeltLanding"
SORT_DECISION: Final = "recycle_sorter_msgs/msg/SortDecision"
ITEM_RECORD: Final = "recycle_sorter_msgs/msg/ItemRecord"
DIVERTER_COMMAND: Final = "recycle_sorter_msgs/msg/DiverterCommand"
BELT_SPEED: Final = "geometry_msgs/msg/TwistStamped"  # its ``twist.linear.x``

# In the order in which one needs another.
BELT_DEFINITIONS: Final[dict[str, str]] = {
    BELT_ENCODER: """\
std_msgs/Header header
int64 ticks
""",
    BELT_DETECTION: """\
uint32 left_px
uint32 top_px
uint32 width_px
uint32 height_px
float64 x_m
float64 y_m
float64 from_m
float64 to_m
float64 length_m
float64 width_m
float64 area_m2
bool is_whole
bool is_touching
float32[] probabilities
""",
    BELT_OBSERVATION: """\
std_msgs/Header header
BeltDetection[] detections
string[] materials
string model_id
float64 shift_m
float32 inference_time_sec
""",
    BELT_STATE: """\
std_msgs/Header header
string source
float64 position_m
float64 speed_m_per_sec
bool is_stale
bool is_enabled
uint32 items
""",
    BELT_TRUTH: """\
std_msgs/Header header
uint64 item_id
string material
float64 x_m
float64 y_m
float64 length_m
float64 width_m
float64 position_m
bool is_overlapping
string source
""",
    BELT_LANDING: """\
std_msgs/Header header
uint64 item_id
string material
string bin
string diverter
float32 position_rad
float64 x_m
""",
    SORT_DECISION: """\
std_msgs/Header header
uint64 item_id
float64 x_m
float64 y_m
float64 length_m
float64 width_m
string material
float32 confidence
string bin
uint8 REASON_ACCEPTED=0
uint8 REASON_LOW_CONFIDENCE=1
uint8 REASON_LOW_MARGIN=2
uint8 REASON_TOO_FEW_FRAMES=3
uint8 REASON_UNKNOWN_MATERIAL=4
uint8 REASON_DISABLED=5
uint8 REASON_OVERLAPPING=6
uint8 REASON_COST=7
uint8 reason
string detail
string[] materials
float32[] probabilities
uint32 evidence_frames
builtin_interfaces/Time best_time
string best_material
float32 best_confidence
""",
    ITEM_RECORD: """\
std_msgs/Header header
uint64 item_id
string material
string bin
uint8 OUTCOME_FIRED=0
uint8 OUTCOME_PASSED=1
uint8 OUTCOME_MISSED=2
uint8 outcome
uint8 CAUSE_NONE=0
uint8 CAUSE_LATE=1
uint8 CAUSE_CONFLICT=2
uint8 CAUSE_SEEN_TOO_LATE=3
uint8 CAUSE_MOTION_LOST=4
uint8 CAUSE_DISABLED=5
uint8 CAUSE_DRIVER_FAULT=6
uint8 CAUSE_RUN_ENDED=7
uint8 CAUSE_REMOVED=8
uint8 cause
string diverter
builtin_interfaces/Time scheduled_time
builtin_interfaces/Time issued_time
float64 x_m
uint64 rival_id
string detail
""",
    DIVERTER_COMMAND: """\
std_msgs/Header header
uint64 item_id
string material
float32 confidence
string bin
string diverter
float32 position_rad
builtin_interfaces/Time fire_time
float32 dwell_sec
uint32 evidence_frames
uint8 REASON_ACCEPTED=0
uint8 REASON_LOW_CONFIDENCE=1
uint8 REASON_LOW_MARGIN=2
uint8 REASON_TOO_FEW_FRAMES=3
uint8 REASON_UNKNOWN_MATERIAL=4
uint8 REASON_DISABLED=5
uint8 REASON_OVERLAPPING=6
uint8 REASON_COST=7
uint8 reason
string detail
""",
}
