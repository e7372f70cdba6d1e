# SPDX-License-Identifier: Apache-2.0
"""The belt's classifier alone: one observation a picture, under the picture's own header."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
from support.belt_graphs import write_parts
from support.ros import LATCHED, Harness, image_message, stamp_ns, status_values

from recycle_sorter.belt_run.picture_size import PATIENCE
from recycle_sorter.config_files import load_yaml
from recycle_sorter.core.errors import SorterError
from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.ros import belt_conversions
from recycle_sorter.ros.belt_classifier_node import BeltClassifierNode
from recycle_sorter.twin.library import load_library
from recycle_sorter.twin.scenario_file import load_scenario
from recycle_sorter.twin.twin import Twin
from recycle_sorter_msgs.msg import BeltObservation, BeltState, ModelInfo

pytestmark = pytest.mark.node


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return write_parts(tmp_path_factory.mktemp("belt"), items__count=2)


@pytest.fixture(scope="session")
def pictures(parts: dict[str, Any]) -> list[NDArray[np.uint8]]:
    """Of an empty belt, then of two items."""
    twin = Twin(load_scenario(parts["scenario"]), load_library(parts["cutouts"]))
    return [twin.frame(index).pixels for index in range(60)]


class Lane:
    """The node with a camera's and an actuator's side of its topics."""

    def __init__(self, ros: Harness, parts: dict[str, Any], model: Path, **more: Any) -> None:
        self.ros = ros
        chosen = {"layout": parts["layout"], "engine": "onnxruntime", "lossless": True, **more}
        self.node = ros.start(BeltClassifierNode, model=str(model), **chosen)
        self.answers = ros.collect(BeltObservation, "belt/observation")
        self.images = ros.publisher(Image, "camera/image_raw")
        self._stamps = iter(range(10**9, 10**12, 50_000_000))

    def ask(self, pixels: NDArray[np.uint8], encoding: str = "bgr8") -> BeltObservation:
        sent = image_message(pixels, next(self._stamps), encoding)
        self.images.publish(sent)
        self.ros.wait_for(
            lambda: self.answers and self.answers[-1].header == sent.header, "the answer"
        )
        return self.answers[-1]

    def send(self, pixels: NDArray[np.uint8], **changes: Any) -> None:
        self.images.publish(image_message(pixels, next(self._stamps), **changes))


@pytest.fixture
def lane(ros: Harness, parts: dict[str, Any], tiny_bundle: Path) -> Lane:
    return Lane(ros, parts, tiny_bundle)


def test_items_are_found_placed_and_named(lane: Lane, pictures: list[NDArray[np.uint8]]) -> None:
    answers = [lane.ask(pixels) for pixels in pictures]
    assert not answers[0].detections
    seen = [each for answer in answers for each in answer.detections if each.is_whole]
    assert seen
    for answer in answers:
        assert tuple(answer.materials) == MATERIALS
        assert answer.model_id == lane.node.model_id
        assert math.isnan(answer.shift_m), "the layout asks for an encoder"
        assert answer.inference_time_sec > 0.0
        assert belt_conversions.message_to_observation(answer)
    for each in seen:
        assert sum(each.probabilities) == pytest.approx(1.0, abs=1e-5)
        assert 0.0 <= each.from_m < each.x_m < each.to_m <= 0.8
        assert each.length_m == pytest.approx(0.08, abs=0.02)
    assert lane.node.counts["answered"] == len(pictures)
    assert lane.node.counts["items"] == sum(len(answer.detections) for answer in answers)


def test_a_shift_is_measured_where_the_layout_asks_for_it(
    ros: Harness, parts: dict[str, Any], tiny_bundle: Path, tmp_path: Path,
    pictures: list[NDArray[np.uint8]],
) -> None:  # fmt: skip
    text = Path(parts["layout"]).read_text(encoding="utf-8").replace("encoder", "picture")
    lines = [line for line in text.splitlines() if "m_per_tick" not in line]
    lines = [line for line in lines if "wrap_bits" not in line]
    layout = tmp_path / "layout.yaml"
    layout.write_text("\n".join(lines), encoding="utf-8")
    lane = Lane(ros, {**parts, "layout": str(layout)}, tiny_bundle)
    shifts = [lane.ask(pixels).shift_m for pixels in pictures]
    measured = [shift for shift in shifts if not math.isnan(shift)]
    assert math.isnan(shifts[0])
    assert measured
    assert np.median(measured) == pytest.approx(0.5 / 20.0, abs=0.002)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "camera.yaml"),
        ("width_px: 640", "height_px"),
        ("{width_px: 64, height_px: 48, homography: [[0.001, 0, 0], [0, -0.001, 0.03], [0, 0, 1]]}",
         "decision_line_m"),
    ],
)  # fmt: skip
def test_a_bad_calibration_is_refused_at_the_start(
    ros: Harness, parts: dict[str, Any], tiny_bundle: Path, tmp_path: Path,
    content: str | None, message: str,
) -> None:  # fmt: skip
    layout = load_yaml(parts["layout"])
    layout["camera"].pop("px_per_m")
    layout["camera"].pop("direction", None)
    layout["camera"]["calibration"] = str(tmp_path / "camera.yaml")
    if content is not None:
        (tmp_path / "camera.yaml").write_text(content, encoding="utf-8")
    path = tmp_path / "layout.yaml"
    path.write_text(yaml.safe_dump(layout), encoding="utf-8")
    with pytest.raises(SorterError, match=message):
        Lane(ros, {**parts, "layout": str(path)}, tiny_bundle)


def test_one_picture_of_another_size_does_not_cost_what_was_learnt(
    lane: Lane, pictures: list[NDArray[np.uint8]]
) -> None:
    for pixels in pictures[:-1]:
        lane.ask(pixels)
    lane.send(np.concatenate([pictures[0], pictures[0]], axis=1))
    lane.ros.wait_for(lambda: lane.node.counts["refused"] == 1, "a refusal")
    assert lane.ask(pictures[-1]).detections, "the belt is still known"


def test_a_size_that_lasts_is_taken(lane: Lane, pictures: list[NDArray[np.uint8]]) -> None:
    for pixels in pictures[:20]:
        lane.ask(pixels)
    wide = [np.concatenate([pixels, pixels], axis=1) for pixels in pictures[:2]]
    for count in range(1, PATIENCE):
        lane.send(wide[0])
        lane.ros.wait_for(lambda n=count: lane.node.counts["refused"] == n, "a refusal")
    assert lane.ask(wide[1]).header


def test_a_size_that_does_not_fit_the_layout_is_refused(
    lane: Lane, pictures: list[NDArray[np.uint8]]
) -> None:
    # The layout's px_per_m makes the view of a smaller picture too short for its decision line.
    lane.send(np.ascontiguousarray(pictures[0][:, :200]))
    lane.ros.wait_for(lambda: lane.node.counts["refused"] == 1, "a refusal")
    assert lane.ask(pictures[20]).header


@pytest.mark.parametrize(
    "changes",
    [{"encoding": "nonsense"}, {"step": 3}, {"data": b""}, {"width": 0}, {"height": 4_000_000_000}],
)
def test_a_malformed_picture_is_refused_and_counted(
    lane: Lane, pictures: list[NDArray[np.uint8]], changes: dict[str, Any]
) -> None:
    lane.send(pictures[0], **changes)
    lane.ros.wait_for(lambda: lane.node.counts["refused"] == 1, "a refusal")
    assert lane.ask(pictures[0]).materials
    arrays = lane.ros.diagnostics()
    lane.ros.wait_for(lambda: arrays and status_values(arrays[-1])["refused"] == "1", "its count")


@pytest.mark.parametrize("encoding", ["rgb8", "mono8"])
def test_other_encodings_are_taken(
    lane: Lane, pictures: list[NDArray[np.uint8]], encoding: str
) -> None:
    for pixels in pictures[:5]:
        shown = pixels[..., ::-1] if encoding == "rgb8" else pixels[..., 1]
        assert stamp_ns(lane.ask(np.ascontiguousarray(shown), encoding)) > 0


def test_the_belt_can_be_learnt_anew(lane: Lane, pictures: list[NDArray[np.uint8]]) -> None:
    response = lane.ros.call(Trigger, "classifier/learn_belt", Trigger.Request())
    assert (response.success, response.message) == (False, "no picture has arrived yet")
    lane.ask(pictures[0])
    assert lane.ros.call(Trigger, "classifier/learn_belt", Trigger.Request()).success


def test_the_model_is_told_and_the_belts_place_is_heard(lane: Lane) -> None:
    (info,) = lane.ros.wait_count(lane.ros.collect(ModelInfo, "classifier/model_info", LATCHED), 1)
    assert info.model_id == lane.node.model_id
    states = lane.ros.publisher(BeltState, "belt/state")
    for position_m, known_m in ((1.5, 1.5), (math.nan, None)):
        states.publish(BeltState(position_m=position_m))
        lane.ros.wait_for(lambda known_m=known_m: lane.node._position_m == known_m, "the place")


def test_pictures_are_best_effort_unless_in_lock_step(
    ros: Harness, parts: dict[str, Any], tiny_bundle: Path
) -> None:
    Lane(ros, parts, tiny_bundle, lossless=False)
    (info,) = ros.node.get_subscriptions_info_by_topic("camera/image_raw")
    assert info.qos_profile.reliability is ReliabilityPolicy.BEST_EFFORT


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"layout": "/nowhere.yaml"}, "/nowhere"), ({"background": "pink"}, "background")],
)
def test_what_cannot_be_is_refused_at_the_start(
    ros: Harness, tiny_bundle: Path, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(SorterError, match=message):
        ros.start(BeltClassifierNode, model=str(tiny_bundle), engine="onnxruntime", **parameters)
