# SPDX-License-Identifier: Apache-2.0
"""Between messages and the core's values: pictures are hostile until checked, the rest is exact."""

from __future__ import annotations

import array
import math
from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from hypothesis import example, given
from hypothesis import strategies as st
from sensor_msgs.msg import Image
from support.ros import image_message

from recycle_sorter.core.diverters import DiverterSnapshot
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.core.types import (
    NS_PER_SEC,
    Classification,
    DiverterStatus,
    Frame,
    PlannedCommand,
    Reason,
    SortDecision,
    Truth,
)
from recycle_sorter.ros import conversions
from recycle_sorter.ros.images import image_to_frame
from recycle_sorter.vision.image_checks import ENCODINGS
from recycle_sorter_msgs.msg import DiverterCommand

U32 = st.one_of(st.integers(0, 40), st.integers(0, 2**32 - 1))
STAMP = st.builds(
    Time, sec=st.integers(-(2**31), 2**31 - 1), nanosec=st.integers(0, NS_PER_SEC - 1)
)


def as_bytes(data: bytes) -> array.array[int]:
    found = array.array("B")
    found.frombytes(data)
    return found


def image(
    width: int, height: int, encoding: str, step: int, data: bytes, *, is_bigendian: int = 0
) -> Image:
    return Image(
        width=width,
        height=height,
        encoding=encoding,
        step=step,
        is_bigendian=is_bigendian,
        data=as_bytes(data),
    )


@st.composite
def plausible_images(draw: st.DrawFn) -> Image:
    """Pictures that are right, or nearly."""
    encoding = draw(st.sampled_from(sorted(ENCODINGS)))
    spec = ENCODINGS[encoding]
    width, height = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    row_bytes = width * spec.channels * spec.sample_bytes
    step = row_bytes + draw(st.integers(-1, 7))
    size = max(0, step * height + draw(st.sampled_from([0, 0, 0, 0, -1, 1])))
    data = draw(st.binary(min_size=size, max_size=size))
    return image(width, height, encoding, max(0, step), data, is_bigendian=draw(st.integers(0, 1)))


ANY_IMAGE = st.builds(
    image,
    width=U32,
    height=U32,
    encoding=st.one_of(
        st.sampled_from([*ENCODINGS, "32FC1", "64FC1", "16SC1", "8UC4", "bgr16", "nv21", "jpeg"]),
        st.text(max_size=20),
    ),
    step=U32,
    data=st.binary(max_size=600),
    is_bigendian=st.integers(0, 255),
)


@given(st.one_of(ANY_IMAGE, plausible_images()), STAMP)
@example(image(2, 2, "32FC1", 8, np.full(4, math.nan, np.float32).tobytes()), Time())
@example(image(0, 0, "", 0, b""), Time())
@example(image(2**32 - 1, 2**32 - 1, "mono8", 2**32 - 1, b""), Time())
@example(image(1, 1, "8UC3", 3, b"abc"), Time(sec=-1))
def test_any_picture_is_a_frame_or_named_as_invalid(message: Image, stamp: Time) -> None:
    message.header.stamp = stamp
    try:
        frame = image_to_frame(message)
    except InvalidInputError:
        return
    assert frame.stamp_ns == conversions.time_to_ns(stamp)
    assert frame.pixels.dtype == np.uint8
    assert frame.pixels.shape[:2] == (message.height, message.width)
    assert frame.encoding in ("bgr8", "rgb8", "mono8")
    assert frame.pixels.shape[2:] == (() if frame.encoding == "mono8" else (3,))
    assert int(frame.pixels.astype(np.int64).sum()) >= 0  # every byte can be read


@pytest.mark.parametrize("padding", [0, 1, 5])
@pytest.mark.parametrize(("encoding", "channels"), [("bgr8", 3), ("rgb8", 3), ("mono8", 1)])
def test_common_pictures_are_viewed_where_they_lie(
    encoding: str, channels: int, padding: int
) -> None:
    width, height = 4, 3
    step = width * channels + padding
    message = image(width, height, encoding, step, bytes(range(step * height)))
    frame = image_to_frame(message)
    assert frame.encoding == encoding
    rows = np.frombuffer(message.data, np.uint8).reshape(height, step)[:, : width * channels]
    np.testing.assert_array_equal(frame.pixels.reshape(height, -1), rows)
    message.data[step] = 255
    assert frame.pixels.flat[width * channels] == 255
    assert np.shares_memory(frame.pixels, np.frombuffer(message.data, np.uint8))


@pytest.mark.parametrize("encoding", sorted(set(ENCODINGS) - {"bgr8", "rgb8", "mono8"}))
def test_row_padding_does_not_change_a_picture(encoding: str) -> None:
    spec = ENCODINGS[encoding]
    width, height = 6, 4
    row_bytes = width * spec.channels * spec.sample_bytes
    rows = np.random.default_rng(1).integers(0, 256, (height, row_bytes), np.uint8)
    padded = np.pad(rows, ((0, 0), (0, 6)), constant_values=77)
    plain = image_to_frame(image(width, height, encoding, row_bytes, rows.tobytes()))
    wide = image_to_frame(image(width, height, encoding, row_bytes + 6, padded.tobytes()))
    np.testing.assert_array_equal(plain.pixels, wide.pixels)


COLOURS = {"red": (200, 20, 10), "green": (20, 200, 10), "blue": (10, 20, 200)}


@pytest.mark.parametrize("rgb", COLOURS.values(), ids=COLOURS)
@pytest.mark.parametrize("encoding", ["bgr8", "rgb8", "bgra8", "rgba8", "8UC3"])
def test_channels_are_not_mixed_up(encoding: str, rgb: tuple[int, int, int]) -> None:
    sample = bytes(rgb) if encoding.startswith("rgb") else bytes(rgb[::-1])
    pixel = sample + (b"\xff" if "a8" in encoding else b"")
    frame = image_to_frame(image(2, 2, encoding, 2 * len(pixel), pixel * 4))
    expected = rgb if frame.encoding == "rgb8" else rgb[::-1]
    assert frame.pixels[0, 0].tolist() == list(expected)


@pytest.mark.parametrize("is_bigendian", [0, 1])
@pytest.mark.parametrize("encoding", ["mono16", "16UC1"])
def test_sixteen_bits_become_their_upper_eight(encoding: str, is_bigendian: int) -> None:
    values = np.array([[0, 0x1234], [0x8000, 0xFFFF]], ">u2" if is_bigendian else "<u2")
    frame = image_to_frame(image(2, 2, encoding, 4, values.tobytes(), is_bigendian=is_bigendian))
    grey = frame.pixels if frame.pixels.ndim == 2 else frame.pixels[..., 0]
    np.testing.assert_allclose(grey, [[0, 0x12], [0x80, 0xFF]], atol=1)


@given(
    st.sampled_from(["bgr8", "rgb8", "mono8"]),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(0, 2**31 * NS_PER_SEC - 1),
)
def test_a_frame_survives_the_way_there_and_back(
    encoding: str, width: int, height: int, stamp_ns: int
) -> None:
    shape = (height, width) if encoding == "mono8" else (height, width, 3)
    pixels = np.random.default_rng(width).integers(0, 256, shape, np.uint8)
    message = conversions.frame_to_image(Frame(stamp_ns, pixels, encoding), "optical")
    assert message.header.frame_id == "optical"
    back = image_to_frame(message)
    assert (back.stamp_ns, back.encoding) == (stamp_ns, encoding)
    np.testing.assert_array_equal(back.pixels, pixels)


def test_pixels_that_do_not_lie_in_a_row_are_sent_right() -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)[:, ::-2]
    message = image_message(pixels, 1)
    np.testing.assert_array_equal(image_to_frame(message).pixels, pixels)


@given(st.integers(-(2**31) * NS_PER_SEC, 2**31 * NS_PER_SEC - 1))
def test_every_stamp_is_kept_to_the_nanosecond(stamp_ns: int) -> None:
    assert conversions.time_to_ns(conversions.ns_to_time(stamp_ns)) == stamp_ns


@pytest.mark.parametrize("beyond_ns", [1, NS_PER_SEC, 10**30])
def test_a_stamp_out_of_range_becomes_the_nearest_in_range(beyond_ns: int) -> None:
    last_ns = 2**31 * NS_PER_SEC - 1
    assert conversions.time_to_ns(conversions.ns_to_time(last_ns + beyond_ns)) == last_ns
    first_ns = -(2**31) * NS_PER_SEC
    assert conversions.time_to_ns(conversions.ns_to_time(first_ns - beyond_ns)) == first_ns


def f32(values: list[float]) -> tuple[float, ...]:
    return tuple(float(np.float32(value)) for value in values)


def test_a_classification_survives_the_way_there_and_back() -> None:
    found = Classification(
        stamp_ns=123 * NS_PER_SEC + 5,
        item_present=True,
        materials=MATERIALS,
        probabilities=f32([0.05, 0.1, 0.5, 0.2, 0.1, 0.05]),
        model_id="m-1",
        inference_time_sec=float(np.float32(0.0024)),
    )
    message = conversions.classification_to_message(
        found, conversions.header(found.stamp_ns, "optical")
    )
    assert (message.material, message.confidence) == ("metal", 0.5)
    assert conversions.message_to_classification(message) == found


def test_an_empty_board_leaves_the_fields_unset() -> None:
    found = Classification(5, False, MATERIALS, (), "m-1")
    message = conversions.classification_to_message(found, conversions.header(5, ""))
    assert (message.material, message.confidence, list(message.probabilities)) == ("", 0.0, [])
    assert conversions.message_to_classification(message) == found


def decision(**changes: Any) -> SortDecision:
    fields: dict[str, Any] = {
        "stamp_ns": 7 * NS_PER_SEC,
        "item_id": 3,
        "material": "glass",
        "confidence": 0.75,
        "bin": "glass",
        "reason": Reason.ACCEPTED,
        "detail": "glass 0.75, margin 0.50",
        "evidence_frames": 5,
    }
    return SortDecision(**{**fields, **changes})


@pytest.mark.parametrize("reason", list(Reason))
def test_a_command_carries_the_whole_decision(reason: Reason) -> None:
    planned = PlannedCommand(decision(reason=reason), "flap_1", 0.5, 8 * NS_PER_SEC, 0.3)
    message = conversions.command_to_message(planned, "optical")
    assert message.header.frame_id == "optical"
    assert (message.diverter, message.position_rad) == ("flap_1", 0.5)
    assert conversions.time_to_ns(message.fire_time) == 8 * NS_PER_SEC
    assert conversions.message_to_decision(message) == planned.decision


def test_an_unknown_reason_is_named() -> None:
    with pytest.raises(InvalidInputError, match=r"reason: got 99, expected one of REASON_\*"):
        conversions.message_to_decision(DiverterCommand(reason=99))


def test_a_sum_a_little_above_one_is_no_confidence_above_one() -> None:
    planned = PlannedCommand(decision(confidence=1.0000001), "", 0.0, 0, 0.0)
    assert conversions.command_to_message(planned, "").confidence == 1.0


def test_truth_survives_the_way_there_and_back() -> None:
    truth = Truth(4, "paper", "a b/ü.jpg")
    message = conversions.truth_to_message(truth, 9, "optical")
    assert conversions.time_to_ns(message.header.stamp) == 9
    assert conversions.message_to_truth(message) == truth


@pytest.mark.parametrize("status", list(DiverterStatus))
def test_a_state_says_everything(status: DiverterStatus) -> None:
    snapshot = DiverterSnapshot("flap_2", status, math.nan, 6, 11, "why")
    message = conversions.snapshot_to_message(snapshot, 5)
    assert (message.diverter, message.state, message.item_id) == ("flap_2", int(status), 6)
    assert (message.actuations, message.detail) == (11, "why")
    assert math.isnan(message.position_rad)
    assert conversions.time_to_ns(message.header.stamp) == 5
