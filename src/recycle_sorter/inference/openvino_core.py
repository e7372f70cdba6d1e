# SPDX-License-Identifier: Apache-2.0
"""The one OpenVINO of a process.

Its CPU plugin gives the thread that loads it a signal stack of its own, and puts the one before
back when it is unloaded. Two of them that do not end in the reverse order leave that thread with a
stack that is freed already: the next signal, Ctrl-C for one, ends the process with SIGSEGV. So all
engines share one, which stays to the end.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import Final

import openvino as ov
from openvino import properties as props

DEVICE: Final = "CPU"
_making = threading.Lock()


def shared_core() -> ov.Core:
    """This process's OpenVINO, with the CPU plugin loaded."""
    with _making:  # a cache alone would let two threads make one each
        return _make()


@cache
def _make() -> ov.Core:
    core = ov.Core()
    core.get_property(DEVICE, props.device.capabilities)
    return core


def computes_bf16(core: ov.Core | None = None) -> bool:
    """Whether this CPU computes bfloat16 natively."""
    found = (core or shared_core()).get_property(DEVICE, props.device.capabilities)
    return "BF16" in found
