# SPDX-License-Identifier: Apache-2.0
"""classifier_node: one honest answer for each picture it takes, whatever arrives in between."""

from __future__ import annotations

import array
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from rclpy.publisher import Publisher
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import Image
from std_srvs.srv import Trigger
from support.bundles import empty_image, item_image, make_tiny_bundle
from support.ros import (
    BEST_EFFORT,
    LATCHED,
    RELIABLE,
    Harness,
    image_message,
    stamp_ns,
    status_values,
)

from recycle_sorter.core.errors import SorterError
from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.core.ports import Engine
from recycle_sorter.inference import factory
from recycle_sorter.paths import share_file
from recycle_sorter.ros import answering_node
from recycle_sorter.ros.classifier_node import ClassifierNode
from recycle_sorter_msgs.msg import MaterialClassification, ModelInfo

pytestmark = pytest.mark.node

WIDTH_PX, HEIGHT_PX = 160, 120


def item(material: str) -> NDArray[np.uint8]:
    return item_image(material, WIDTH_PX, HEIGHT_PX)


def board() -> NDArray[np.uint8]:
    return empty_image(WIDTH_PX, HEIGHT_PX)


class Lane:
    """A classifier node with a camera's and a listener's side of its topics."""

    def __init__(self, ros: Harness, model: Path, **parameters: Any) -> None:
        self.ros = ros
        self.node = ros.start(
            ClassifierNode, model=str(model), **{"engine": "onnxruntime", **parameters}
        )
        self.answers: list[MaterialClassification] = ros.collect(
            MaterialClassification, "classifier/classification"
        )
        self.images: Publisher[Any] = ros.publisher(Image, "camera/image_raw")
        self._stamp_ns = 1_000_000_000

    def send(self, pixels: NDArray[np.uint8], encoding: str = "bgr8", **changes: Any) -> Image:
        self._stamp_ns += 33_000_000
        message = image_message(pixels, self._stamp_ns, encoding, **changes)
        self.images.publish(message)
        return message

    def ask(self, pixels: NDArray[np.uint8], encoding: str = "bgr8") -> MaterialClassification:
        """Sends one picture and waits for its answer."""
        sent = self.send(pixels, encoding)
        self.ros.wait_for(
            lambda: self.answers and self.answers[-1].header == sent.header, "the picture's answer"
        )
        return self.answers[-1]


@pytest.fixture
def lane(ros: Harness, tiny_bundle: Path) -> Lane:
    return Lane(ros, tiny_bundle)


def test_every_material_is_named_with_all_its_probabilities(lane: Lane) -> None:
    for material in MATERIALS:
        answer = lane.ask(item(material))
        assert answer.item_present
        assert answer.material == material
        assert tuple(answer.materials) == MATERIALS
        assert len(answer.probabilities) == len(MATERIALS)
        assert sum(answer.probabilities) == pytest.approx(1.0, abs=1e-6)
        assert answer.confidence == max(answer.probabilities)
        assert answer.probabilities[MATERIALS.index(material)] == answer.confidence
        assert answer.model_id == lane.node.model_id
        assert answer.inference_time_sec > 0.0
    assert lane.node.counts == {"frames": 6, "answered": 6, "refused": 0, "failed": 0}


def test_the_header_is_the_pictures_own(lane: Lane) -> None:
    message = image_message(item("glass"), -5_000_000_001)
    message.header.frame_id = "left eye / ü"
    lane.images.publish(message)
    (answer,) = lane.ros.wait_count(lane.answers, 1, "answer")
    assert answer.header == message.header


def test_an_empty_board_is_no_item(lane: Lane) -> None:
    answer = lane.ask(board())
    assert not answer.item_present
    assert answer.material == ""
    assert answer.confidence == 0.0
    assert list(answer.probabilities) == []
    assert tuple(answer.materials) == MATERIALS
    assert answer.model_id
    assert lane.ask(item("paper")).item_present
    assert not lane.ask(board()).item_present


def test_without_board_detection_every_picture_shows_an_item(
    ros: Harness, tiny_bundle: Path
) -> None:
    lane = Lane(ros, tiny_bundle, detect_board=False)
    assert lane.ask(board()).item_present


@pytest.mark.parametrize("encoding", ["bgr8", "rgb8", "mono8"])
def test_what_lies_in_view_can_be_taught_as_the_board(lane: Lane, encoding: str) -> None:
    def shown(material: str) -> NDArray[np.uint8]:
        bgr = item(material)
        if encoding == "mono8":
            return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), np.uint8)
        return bgr if encoding == "bgr8" else np.ascontiguousarray(bgr[..., ::-1])

    response = lane.ros.call(Trigger, "classifier/learn_board", Trigger.Request())
    assert (response.success, response.message) == (False, "no picture has arrived yet")
    assert lane.ask(shown("cardboard"), encoding).item_present
    assert lane.ros.call(Trigger, "classifier/learn_board", Trigger.Request()).success
    assert not lane.ask(shown("cardboard"), encoding).item_present
    assert lane.ask(shown("paper"), encoding).item_present


def test_no_board_can_be_taught_where_none_is_looked_for(ros: Harness, tiny_bundle: Path) -> None:
    lane = Lane(ros, tiny_bundle, detect_board=False)
    lane.ask(board())
    response = ros.call(Trigger, "classifier/learn_board", Trigger.Request())
    assert not response.success
    assert "detect_board" in response.message


def test_a_picture_of_the_board_can_be_given(
    ros: Harness, tiny_bundle: Path, tmp_path: Path
) -> None:
    path = tmp_path / "board.png"
    cv2.imwrite(str(path), item("metal"))
    lane = Lane(ros, tiny_bundle, board_image=str(path))
    assert not lane.ask(item("metal")).item_present
    assert lane.ask(item("trash")).item_present


def bytes_of(length: int) -> array.array[int]:
    return array.array("B", bytes(length))


NAN_PIXELS = array.array("B", np.full(WIDTH_PX * HEIGHT_PX, math.nan, np.float32).tobytes())


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"step": WIDTH_PX * 3 - 1}, "step: got 479, expected at least 480"),
        ({"step": 0}, "step: got 0"),
        ({"step": 2**32 - 1}, "data: got '57600 bytes', expected 515396075400"),
        ({"encoding": "bgr9"}, "encoding: got 'bgr9', expected one of bgr8"),
        ({"encoding": ""}, "encoding: got ''"),
        ({"encoding": "\x00\n;drop"}, "encoding: got"),
        ({"width": 0, "height": 0, "step": 0, "data": bytes_of(0)}, "width: got 0, expected 1 to"),
        ({"height": 0}, "height: got 0"),
        ({"width": 2**32 - 1, "height": 2**32 - 1}, "width: got 4294967295"),
        ({"data": bytes_of(0)}, "data: got '0 bytes', expected 57600"),
        ({"data": bytes_of(WIDTH_PX * HEIGHT_PX * 3 + 1)}, "data: got '57601 bytes'"),
        ({"encoding": "mono16"}, "data: got '57600 bytes'|trailing"),
        ({"encoding": "mono16", "step": WIDTH_PX}, "step: got 160, expected at least 320"),
        ({"encoding": "32FC1", "step": 640, "data": NAN_PIXELS}, "encoding: got '32FC1'"),
    ],
)
def test_a_bad_picture_is_named_counted_and_survived(
    lane: Lane, capfd: pytest.CaptureFixture[str], changes: dict[str, Any], field: str
) -> None:
    if field.endswith("trailing"):  # 16 bits a pixel in the step, 24 in the data
        changes = {**changes, "step": WIDTH_PX * 2}
        field = "expected 38400, step 320 x height 120"
    lane.send(item("glass"), **changes)
    lane.ros.wait_for(lambda: lane.node.counts["refused"], "the refusal")
    assert field in capfd.readouterr().err
    assert lane.answers == []
    assert lane.ask(item("glass")).material == "glass"
    assert lane.node.counts == {"frames": 2, "answered": 1, "refused": 1, "failed": 0}


def test_bad_pictures_show_on_diagnostics_until_a_good_one_comes(lane: Lane) -> None:
    diagnostics = lane.ros.diagnostics()
    for _ in range(3):
        lane.send(item("glass"), step=7)
        refused = lane.node.counts["refused"]
        lane.ros.wait_for(lambda n=refused: lane.node.counts["refused"] > n, "the refusal")  # type: ignore[misc]
    first = len(diagnostics)
    lane.ros.wait_for(
        lambda: len(diagnostics) > first and status_values(diagnostics[-1])["refused"] == "3",
        "the count on /diagnostics",
    )
    (status,) = diagnostics[-1].status
    assert status.level == status.WARN
    assert status.name == "/classifier_node"
    assert status.hardware_id == lane.node.model_id
    assert "step: got 7" in status.message
    lane.ask(item("glass"))
    lane.ros.wait_for(lambda: diagnostics[-1].status[0].level == status.OK, "the all-clear")


@pytest.mark.parametrize("encoding", ["mono16", "bgra8", "rgba8", "8UC3", "yuv422"])
def test_other_encodings_are_answered_too(lane: Lane, encoding: str) -> None:
    bgr = item("glass")
    pixels: NDArray[Any] = {
        "mono16": cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY).astype(np.uint16) * 257,
        "bgra8": cv2.cvtColor(bgr, cv2.COLOR_BGR2BGRA),
        "rgba8": cv2.cvtColor(bgr, cv2.COLOR_BGR2RGBA),
        "8UC3": bgr,
        "yuv422": cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_UYVY),
    }[encoding]
    answer = lane.ask(np.asarray(pixels), encoding)
    assert answer.item_present
    if encoding != "mono16":
        assert answer.material == "glass"


class Wrapped:
    """An engine in front of another, so that a test is told of each inference."""

    def __init__(self, engine: Engine, before: Callable[[], None]) -> None:
        self.name, self.precision = engine.name, engine.precision
        self._engine = engine
        self._before = before
        self.answer: NDArray[np.float32] | None = None

    def infer(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        self._before()
        return self._engine.infer(batch) if self.answer is None else self.answer

    def close(self) -> None:
        self._engine.close()


def wrap_engine(monkeypatch: pytest.MonkeyPatch, before: Callable[[], None]) -> list[Wrapped]:
    wrapped: list[Wrapped] = []
    create = factory.create_engine

    def create_wrapped(*args: Any) -> Wrapped:
        wrapped.append(Wrapped(create(*args), before))
        return wrapped[-1]

    monkeypatch.setattr(answering_node, "create_engine", create_wrapped)
    return wrapped


def test_frames_that_came_while_it_was_busy_are_passed_over_for_the_newest(
    ros: Harness, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    burst: list[Image] = []

    def while_busy() -> None:
        if not burst:
            burst.extend(busy.send(item("paper")) for _ in range(5))
            burst.append(busy.send(item("metal")))

    wrap_engine(monkeypatch, while_busy)
    busy = Lane(ros, tiny_bundle, detect_board=False)
    first = busy.send(item("glass"))
    ros.wait_for(
        lambda: busy.answers and stamp_ns(busy.answers[-1]) == stamp_ns(burst[-1]), "the newest"
    )
    assert [m.header for m in busy.answers] == [first.header, burst[-1].header]
    assert busy.answers[-1].material == "metal"


def test_lossless_answers_every_frame_in_order(ros: Harness, tiny_bundle: Path) -> None:
    lane = Lane(ros, tiny_bundle, lossless=True)
    sent = [lane.send(item(material)) for material in MATERIALS[:5]]
    ros.wait_count(lane.answers, 5, "answers")
    assert [m.header for m in lane.answers] == [m.header for m in sent]
    assert [m.material for m in lane.answers] == list(MATERIALS[:5])


@pytest.mark.parametrize(
    ("lossless", "expected"),
    [(False, ReliabilityPolicy.BEST_EFFORT), (True, ReliabilityPolicy.RELIABLE)],
)
def test_it_subscribes_best_effort_unless_lossless(
    ros: Harness, tiny_bundle: Path, lossless: bool, expected: ReliabilityPolicy
) -> None:
    Lane(ros, tiny_bundle, lossless=lossless)
    (info,) = ros.node.get_subscriptions_info_by_topic("/camera/image_raw")
    assert info.qos_profile.reliability == expected


@pytest.mark.parametrize("profile", [BEST_EFFORT, RELIABLE])
def test_cameras_of_either_reliability_are_heard(
    ros: Harness, tiny_bundle: Path, profile: Any
) -> None:
    lane = Lane(ros, tiny_bundle)
    ros.publisher(Image, "camera/image_raw", profile).publish(image_message(item("metal"), 5))
    assert ros.wait_count(lane.answers, 1, "answer")[0].material == "metal"


def test_quality_of_service_can_be_overridden(ros: Harness, tiny_bundle: Path) -> None:
    name = "qos_overrides./camera/image_raw.subscription.reliability"
    Lane(ros, tiny_bundle, **{name: "reliable"})
    (info,) = ros.node.get_subscriptions_info_by_topic("/camera/image_raw")
    assert info.qos_profile.reliability == ReliabilityPolicy.RELIABLE


def test_a_network_that_fails_is_reported_and_survived(
    ros: Harness,
    tiny_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    wrapped = wrap_engine(monkeypatch, lambda: None)
    lane = Lane(ros, tiny_bundle)
    wrapped[0].answer = np.full((1, 6), math.nan, np.float32)
    lane.send(item("glass"))
    ros.wait_for(lambda: lane.node.counts["failed"], "the failure")
    assert "expected finite numbers" in capfd.readouterr().err
    assert lane.answers == []
    wrapped[0].answer = None
    assert lane.ask(item("glass")).material == "glass"


def test_the_model_says_what_it_is_also_to_who_comes_late(lane: Lane, tiny_bundle: Path) -> None:
    lane.ask(item("glass"))
    infos = lane.ros.collect(ModelInfo, "classifier/model_info", LATCHED)
    (info,) = lane.ros.wait_count(infos, 1, "model_info")
    assert info.model_id == lane.node.model_id
    assert info.architecture == "mean_colour"
    assert (info.engine, info.precision) == ("onnxruntime", "fp32")
    assert tuple(info.materials) == MATERIALS
    assert (info.input_width_px, info.input_height_px) == (32, 32)
    assert info.temperature == 1.0
    assert len(info.manifest_sha256) == 64
    assert (info.accuracy, info.accuracy_on) == (1.0, "none")
    assert stamp_ns(info) > 0


@pytest.mark.parametrize("figures", [{}, {"accuracy": None}, {"accuracy": "high"}])
def test_figures_that_a_bundle_does_not_state_are_unset(
    ros: Harness, tmp_path: Path, figures: dict[str, Any]
) -> None:
    Lane(ros, make_tiny_bundle(tmp_path / "modest", figures=figures))
    infos = ros.collect(ModelInfo, "classifier/model_info", LATCHED)
    (info,) = ros.wait_count(infos, 1, "model_info")
    assert math.isnan(info.accuracy)
    assert info.accuracy_on == ""


def test_the_default_engine_answers(ros: Harness, tiny_bundle: Path) -> None:
    lane = Lane(ros, tiny_bundle, engine="openvino", precision="fp32", threads=1)
    assert lane.ask(item("plastic")).material == "plastic"


def without_glass(folder: Path) -> Path:
    routing = yaml.safe_load(share_file("config/routing.yaml").read_text(encoding="utf-8"))
    del routing["materials"]["glass"]
    path = folder / "routing.yaml"
    path.write_text(yaml.safe_dump(routing), encoding="utf-8")
    return path


def spoilt(bundle: Path, folder: Path) -> Path:
    """A copy of the bundle with one bit of its weights flipped."""
    copy = shutil.copytree(bundle, folder / "spoilt")
    weights = copy / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    return copy


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (lambda bundle, tmp: {"model": str(tmp / "none")}, "none"),
        (lambda bundle, tmp: {"model": str(spoilt(bundle, tmp))}, "model.safetensors.*sha256"),
        (lambda bundle, tmp: {"routing": str(without_glass(tmp))}, "glass"),
        (lambda bundle, tmp: {"routing": "/nowhere.yaml"}, "/nowhere.yaml"),
        (lambda bundle, tmp: {"engine": "tensorflow"}, "engine: got 'tensorflow', expected one of"),
        (lambda bundle, tmp: {"precision": "int4"}, "precision: got 'int4', expected one of"),
        (lambda bundle, tmp: {"precision": "int8"}, "precision: got 'int8'"),
        (lambda bundle, tmp: {"threads": -1}, "threads"),
        (lambda bundle, tmp: {"threads": 257}, "threads"),
        (lambda bundle, tmp: {"relearn_sec": -0.1}, "relearn_sec"),
        (lambda bundle, tmp: {"relearn_sec": math.nan}, "relearn_sec"),
        (lambda bundle, tmp: {"detect_board": "yes"}, "detect_board"),
        (lambda bundle, tmp: {"board_image": str(tmp / "none.png")}, "board_image.*none.png"),
    ],
)
def test_it_refuses_to_start(
    ros: Harness,
    tiny_bundle: Path,
    tmp_path: Path,
    parameters: Callable[[Path, Path], dict[str, Any]],
    message: str,
) -> None:
    chosen = {
        "model": str(tiny_bundle),
        "engine": "onnxruntime",
        **parameters(tiny_bundle, tmp_path),
    }
    with pytest.raises(SorterError, match=message):
        ros.start(ClassifierNode, **chosen)
    # Nothing of it stays: no answer may come from a node that refused.
    assert ros.node.get_publishers_info_by_topic("/classifier/model_info") == []


def test_a_material_that_the_model_cannot_tell_is_worth_a_warning(
    ros: Harness, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lane = Lane(ros, make_tiny_bundle(tmp_path / "five", labels=MATERIALS[:5]))
    assert "cannot tell trash" in capfd.readouterr().err
    assert tuple(lane.ask(item("glass")).materials) == MATERIALS[:5]


def test_its_parameters_are_fixed_while_it_runs(lane: Lane) -> None:
    successful, reason = lane.ros.set_parameter("classifier_node", "engine", "openvino")
    assert not successful
    assert "read-only" in reason
