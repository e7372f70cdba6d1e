# SPDX-License-Identifier: Apache-2.0
"""camera_node: frames of any source leave with their capture times, and its end is told."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from support.bundles import empty_image, item_image
from support.ros import BEST_EFFORT, LATCHED, RELIABLE, Harness, stamp_ns, status_values

from recycle_sorter.core.errors import InvalidInputError, SorterError, SourceError
from recycle_sorter.core.ports import FrameSource
from recycle_sorter.core.types import NS_PER_SEC, Frame, Truth
from recycle_sorter.ros import camera_node, conversions, image_outlet
from recycle_sorter.ros.camera_node import CameraNode
from recycle_sorter.sources.bag_writer import BagWriter
from recycle_sorter.sources.fake import FakeSource
from recycle_sorter.sources.usb import UsbSource
from recycle_sorter_msgs.msg import DiverterState, GroundTruth, MaterialClassification, ModelInfo

pytestmark = pytest.mark.node

START_NS = 1_700_000_000 * NS_PER_SEC
PERIOD_NS = 10_000_000


def frames(count: int, period_ns: int = PERIOD_NS, **more: Any) -> list[Frame]:
    pixels = item_image("glass", 64, 48)
    return [Frame(START_NS + i * period_ns, pixels, **more) for i in range(count)]


class Graph:
    """Stands for classifier and actuator, so that the camera's first frame finds its readers."""

    def __init__(self, ros: Harness) -> None:
        self.ros = ros
        self.heard: list[tuple[str, Any]] = []
        self.results = ros.node.create_publisher(
            MaterialClassification, "classifier/classification", RELIABLE
        )
        # What the camera counts as an actuator that listens.
        ros.node.create_subscription(
            MaterialClassification, "classifier/classification", lambda _: None, RELIABLE
        )
        for kind, topic in (
            (Image, "camera/image_raw"),
            (CameraInfo, "camera/camera_info"),
            (GroundTruth, "camera/ground_truth"),
        ):
            self.listen(kind, topic)
        for kind, topic in (
            (ModelInfo, "classifier/model_info"),
            (DiverterState, "actuator/diverter_state"),
        ):
            ros.node.create_publisher(kind, topic, LATCHED).publish(kind())

    def listen(self, kind: Any, topic: str, profile: Any = RELIABLE) -> None:
        name = topic.removeprefix("camera/")
        self.ros.node.create_subscription(
            kind, topic, lambda message: self.heard.append((name, message)), profile
        )

    def of(self, name: str) -> list[Any]:
        return [message for topic, message in self.heard if topic == name]

    @property
    def images(self) -> list[Image]:
        return self.of("image_raw")

    def answer(self, image: Image) -> None:
        self.results.publish(MaterialClassification(header=image.header))

    def play(self, **parameters: Any) -> CameraNode:
        """Runs a camera until its source has ended."""
        node = self.ros.start(CameraNode, **parameters)
        self.ros.wait_for(node.finished.done, "the source's end")
        node.finished.result()
        published = node.pump.counters.published
        for name in ("image_raw", "camera_info"):
            self.ros.wait_for(lambda n=name: len(self.of(n)) >= published, f"every {name}")  # type: ignore[misc]
        return node


@pytest.fixture
def graph(ros: Harness) -> Graph:
    return Graph(ros)


Play = Callable[[FrameSource], FrameSource]


@pytest.fixture
def inject(monkeypatch: pytest.MonkeyPatch) -> Play:
    """Makes the next camera node open the given source."""

    def use(source: FrameSource) -> FrameSource:
        monkeypatch.setattr(camera_node, "open_source", lambda config, clock_ns: source)
        return source

    return use


def write_folder(root: Path, materials: Sequence[str]) -> Path:
    for index, material in enumerate(materials):
        folder = root / material
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{index}.png"), item_image(material, 64, 48))
    return root


def write_bag(path: Path, shown: Sequence[Frame], *, raw: bool = False) -> Path:
    with BagWriter(path, raw=raw) as writer:
        for frame in shown:
            writer.write(frame)
    return path


def test_a_folder_of_pictures_plays_to_its_end(graph: Graph, tmp_path: Path) -> None:
    folder = write_folder(tmp_path, ["glass", "metal"])
    before_ns = graph.ros.node.get_clock().now().nanoseconds
    node = graph.play(
        uri=str(folder), width_px=64, height_px=48, rate=20.0, show_sec=0.2, gap_sec=0.1
    )
    after_ns = graph.ros.node.get_clock().now().nanoseconds
    stamps = [stamp_ns(m) for m in graph.images]
    assert len(stamps) == node.pump.counters.published > 20
    assert all(b > a for a, b in itertools.pairwise(stamps))
    assert before_ns < stamps[0] < stamps[-1] < after_ns
    assert {(m.width, m.height, m.encoding, m.step) for m in graph.images} == {
        (64, 48, "bgr8", 192)
    }
    assert {m.header.frame_id for m in graph.images} == {"camera_optical_frame"}
    assert {m.material for m in graph.of("ground_truth")} == {"glass", "metal"}


def test_camera_info_goes_with_each_picture(graph: Graph, inject: Play) -> None:
    inject(FakeSource(frames(5)))
    graph.play(frame_id="left_optical")
    infos = graph.of("camera_info")
    assert [m.header for m in infos] == [m.header for m in graph.images]
    assert {(m.header.frame_id, m.width, m.height) for m in infos} == {("left_optical", 64, 48)}
    # Zeros say "uncalibrated"; anything else would be a lie.
    assert {tuple(m.k) for m in infos} == {(0.0,) * 9}


def test_pixels_arrive_as_they_were(graph: Graph, inject: Play) -> None:
    sent = frames(1)[0]
    inject(FakeSource([sent]))
    graph.play()
    (image,) = graph.images
    pixels = np.frombuffer(image.data, np.uint8).reshape(48, 64, 3)
    np.testing.assert_array_equal(pixels, sent.pixels)


def test_mono_frames_stay_mono(graph: Graph, inject: Play) -> None:
    grey = np.ascontiguousarray(item_image("glass", 64, 48)[..., 0])
    inject(FakeSource([Frame(START_NS, grey, "mono8")]))
    graph.listen(CompressedImage, "camera/image_raw/compressed")
    graph.play()
    (image,) = graph.images
    assert (image.encoding, image.step, len(image.data)) == ("mono8", 64, 64 * 48)
    (jpeg,) = graph.ros.wait_for(lambda: graph.of("image_raw/compressed"), "the JPEG")
    assert jpeg.format == "mono8; jpeg compressed mono8"


def test_nothing_is_compressed_unless_somebody_listens(
    graph: Graph, inject: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_outlet, "encode_jpeg", lambda *_: pytest.fail("compressed a frame"))
    inject(FakeSource(frames(5)))
    graph.play()
    assert len(graph.images) == 5


def test_who_asks_for_compressed_pictures_gets_them(graph: Graph, inject: Play) -> None:
    graph.listen(CompressedImage, "camera/image_raw/compressed")
    inject(FakeSource(frames(5)))
    graph.play(jpeg_quality=95)
    graph.ros.wait_for(lambda: len(graph.of("image_raw/compressed")) == 5, "the JPEGs")
    jpegs = graph.of("image_raw/compressed")
    assert [m.header for m in jpegs] == [m.header for m in graph.images]
    assert {m.format for m in jpegs} == {"bgr8; jpeg compressed bgr8"}
    decoded = cv2.imdecode(np.frombuffer(jpegs[0].data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    raw = item_image("glass", 64, 48).astype(int)
    assert np.abs(decoded.astype(int) - raw).mean() < 8


def test_a_jpeg_that_the_source_has_is_passed_on_untouched(
    graph: Graph, inject: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_outlet, "encode_jpeg", lambda *_: pytest.fail("compressed again"))
    graph.listen(CompressedImage, "camera/image_raw/compressed")
    jpeg = b"\xff\xd8\xff the camera's own"
    inject(FakeSource(frames(2, jpeg=jpeg)))
    graph.play()
    graph.ros.wait_for(lambda: len(graph.of("image_raw/compressed")) == 2, "the JPEGs")
    assert {bytes(m.data) for m in graph.of("image_raw/compressed")} == {jpeg}


def test_the_truth_goes_before_the_picture_that_shows_it(graph: Graph, inject: Play) -> None:
    shown = frames(4)
    shown[2] = Frame(shown[2].stamp_ns, shown[2].pixels, truth=Truth(1, "glass", "a.jpg"))
    inject(FakeSource(shown))
    graph.play()
    (truth,) = graph.of("ground_truth")
    assert (truth.item_id, truth.material, truth.source) == (1, "glass", "a.jpg")
    assert truth.header == graph.images[2].header
    order = [name for name, m in graph.heard if m.header == truth.header]
    assert order[0] == "ground_truth"


@pytest.mark.parametrize("raw", [True, False])
def test_a_bag_plays_with_its_truth(graph: Graph, tmp_path: Path, raw: bool) -> None:
    shown = frames(6)
    shown[1] = Frame(shown[1].stamp_ns, shown[1].pixels, truth=Truth(3, "glass"))
    node = graph.play(uri=str(write_bag(tmp_path / "bag", shown, raw=raw)))
    assert node.pump.counters.published == 6
    steps = [b - a for a, b in itertools.pairwise(map(stamp_ns, graph.images))]
    assert steps == [PERIOD_NS] * 5
    (truth,) = graph.of("ground_truth")
    assert (truth.item_id, truth.header) == (3, graph.images[1].header)


@pytest.mark.parametrize("rate", [0.5, 1.0, 4.0])
def test_a_recording_keeps_its_timing_at_any_rate(graph: Graph, inject: Play, rate: float) -> None:
    inject(FakeSource(frames(5, period_ns=40_000_000)))
    graph.play(rate=rate)
    steps = [b - a for a, b in itertools.pairwise(map(stamp_ns, graph.images))]
    assert steps == [round(40_000_000 / rate)] * 4


def test_a_loop_goes_on_with_growing_stamps(graph: Graph, inject: Play) -> None:
    source = inject(FakeSource(frames(3)))
    node = graph.ros.start(CameraNode, loop=True, rate=5.0)
    graph.ros.wait_for(lambda: len(graph.images) >= 10, "the fourth round")
    assert not node.finished.done()
    steps = {b - a for a, b in itertools.pairwise(map(stamp_ns, graph.images))}
    assert steps == {PERIOD_NS // 5}
    assert isinstance(source, FakeSource)
    assert source.reopens >= 3
    node.stop()
    assert node.finished.done()
    assert node.finished.result() is None


def test_lossless_sends_each_frame_after_the_answer_to_the_one_before(
    graph: Graph, inject: Play
) -> None:
    inject(FakeSource(frames(4, period_ns=NS_PER_SEC)))
    node = graph.ros.start(CameraNode, lossless=True)
    for count in range(1, 5):
        graph.ros.wait_for(lambda n=count: len(graph.images) >= n, f"frame {count}")  # type: ignore[misc]
        # The camera's thread counts a frame once it has been sent.
        graph.ros.wait_for(lambda n=count: node.pump.counters.published == n, f"count {count}")  # type: ignore[misc]
        assert len(graph.images) == count
        graph.answer(graph.images[-1])
    graph.ros.wait_for(node.finished.done, "the source's end")
    # Nor is it paced or stamped anew: two runs must be the same.
    assert [stamp_ns(m) for m in graph.images] == [START_NS + i * NS_PER_SEC for i in range(4)]
    assert node.pump.counters.unanswered == 0


def test_lossless_gives_up_on_a_frame_in_the_end_and_says_so(
    graph: Graph, inject: Play, capfd: pytest.CaptureFixture[str]
) -> None:
    inject(FakeSource(frames(2)))
    node = graph.play(lossless=True, ack_timeout_sec=0.1)
    assert node.pump.counters.unanswered == 2
    assert f"no result for the frame of {START_NS} ns" in capfd.readouterr().err


def test_a_frame_is_not_missed_when_the_run_is_ended_meanwhile(
    graph: Graph, inject: Play, capfd: pytest.CaptureFixture[str]
) -> None:
    inject(FakeSource(frames(3)))
    node = graph.ros.start(CameraNode, lossless=True)
    graph.ros.wait_for(lambda: graph.images, "the first frame")
    node.stop()
    assert node.finished.done()
    assert (node.pump.counters.published, node.pump.counters.unanswered) == (1, 0)
    assert "no result" not in capfd.readouterr().err


def test_a_recording_waits_for_its_listeners(ros: Harness, inject: Play) -> None:
    inject(FakeSource(frames(3)))
    node = ros.start(CameraNode, rate=100.0)
    infos = ros.collect(CameraInfo, "camera/camera_info")
    # Discovery is done, the rest of the graph is missing: nothing may go out yet.
    assert node.pump.counters.published == 0
    graph = Graph(ros)
    ros.wait_for(node.finished.done, "the source's end")
    ros.wait_count(infos, 3, "camera_infos")
    ros.wait_for(lambda: len(graph.images) == 3, "all pictures")


def test_it_does_not_wait_for_listeners_for_ever(
    ros: Harness, inject: Play, capfd: pytest.CaptureFixture[str]
) -> None:
    inject(FakeSource(frames(2)))
    node = ros.start(CameraNode, wait_for_graph_sec=0.05)
    ros.wait_for(node.finished.done, "the source's end")
    assert "nobody listens to camera/image_raw" in capfd.readouterr().err
    assert node.pump.counters.published == 2


def test_readers_of_either_reliability_are_served(graph: Graph, inject: Play) -> None:
    best_effort: list[Image] = []
    graph.ros.node.create_subscription(Image, "camera/image_raw", best_effort.append, BEST_EFFORT)
    inject(FakeSource(frames(5)))
    graph.play()
    graph.ros.wait_for(lambda: len(best_effort) == 5, "the best-effort reader's frames")
    assert best_effort == graph.images


def test_quality_of_service_can_be_overridden(ros: Harness, inject: Play) -> None:
    inject(FakeSource(frames(1)))
    name = "qos_overrides./camera/image_raw.publisher.reliability"
    ros.start(CameraNode, **{name: "best_effort"})
    (image,) = ros.node.get_publishers_info_by_topic("/camera/image_raw")
    assert image.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
    # That topic only.
    (info,) = ros.node.get_publishers_info_by_topic("/camera/camera_info")
    assert info.qos_profile.reliability == ReliabilityPolicy.RELIABLE


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "uri: got '', expected a camera index"),
        ({"uri": "/nowhere"}, "uri: got '/nowhere', expected an existing"),
        ({"uri": "/nowhere", "source": "bag"}, "/nowhere"),
        ({"uri": "/nowhere", "source": "images"}, "/nowhere"),
        ({"uri": "/nowhere", "source": "video"}, "/nowhere"),
        ({"uri": "/dev/video99"}, "no camera at /dev/video99; (no camera found|cameras found)"),
        ({"uri": "98", "source": "usb"}, "no camera at /dev/video98"),
        ({"source": "webcam", "uri": "0"}, "source: got 'webcam', expected one of: auto, usb"),
        ({"uri": 0}, "uri"),
        ({"fps_hz": 0.0}, "fps_hz"),
        ({"rate": float("nan")}, "rate"),
        ({"width_px": 15}, "width_px"),
        ({"jpeg_quality": 101}, "jpeg_quality"),
        ({"seed": -1}, "seed"),
    ],
)
def test_it_refuses_to_start(ros: Harness, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(SorterError, match=message):
        ros.start(CameraNode, **parameters)


def test_an_empty_folder_and_a_damaged_bag_are_named(ros: Harness, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(SorterError, match="empty"):
        ros.start(CameraNode, uri=str(empty))
    damaged = tmp_path / "damaged.mcap"
    damaged.write_bytes(b"\x89MCAP0\r\n and nothing more")
    with pytest.raises(SorterError, match=r"damaged\.mcap"):
        ros.start(CameraNode, uri=str(damaged))


def test_a_source_that_fails_for_good_is_the_run_s_error(graph: Graph, inject: Play) -> None:
    inject(FakeSource(frames(5), lost_after=2))
    node = graph.ros.start(CameraNode)
    graph.ros.wait_for(node.finished.done, "the failure")
    error = node.finished.exception()
    assert isinstance(error, SorterError)
    assert "lost, as scripted" in str(error)
    assert node.pump.counters.published == 2


def test_a_frame_that_cannot_be_sent_is_left_out(
    graph: Graph, inject: Play, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    shown = frames(3)
    prepare = conversions.frame_to_image

    def refuse_second(frame: Frame, frame_id: str) -> Image:
        if frame.pixels is bad:
            raise InvalidInputError("pixels", "odd", "a picture")
        return prepare(frame, frame_id)

    bad = empty_image(64, 48)
    shown[1] = Frame(shown[1].stamp_ns, bad)
    monkeypatch.setattr(conversions, "frame_to_image", refuse_second)
    inject(FakeSource(shown))
    node = graph.play()
    assert node.pump.counters.published == 2
    assert "frame left out: pixels: got 'odd'" in capfd.readouterr().err


def test_what_a_source_put_up_with_is_told(
    graph: Graph, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = write_folder(tmp_path, ["glass"])
    (folder / "glass" / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    diagnostics = graph.ros.diagnostics(publishers=0)
    node = graph.play(uri=str(folder), width_px=64, height_px=48, rate=50.0, show_sec=0.1)
    assert node.pump.counters.published > 0
    assert "broken.jpg skipped" in capfd.readouterr().err
    graph.ros.wait_for(
        lambda: diagnostics and status_values(diagnostics[-1]).get("notices") == "1",
        "the count on /diagnostics",
    )


class ScriptedCamera:
    """A ``cv2.VideoCapture`` that gives so many frames at its own pace, then is gone."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._exposure = threading.Event()  # never set

    def isOpened(self) -> bool:
        return True

    def grab(self) -> bool:
        self._exposure.wait(0.005)
        self._left -= 1
        return self._left >= 0

    def retrieve(self) -> tuple[bool, Any]:
        return True, item_image("glass", 64, 48)

    def get(self, prop: int, /) -> float:
        return 0.0

    def set(self, prop: int, value: float, /) -> bool:
        return True

    def release(self) -> None:
        self._left = 0


def test_a_lost_usb_camera_is_reported_and_opened_again(graph: Graph, inject: Play) -> None:
    plugged_in = threading.Event()
    openings: list[int] = []

    def open_capture(device: int | str) -> ScriptedCamera:
        openings.append(len(openings))
        if len(openings) == 1:
            return ScriptedCamera(5)
        if not plugged_in.is_set():
            raise SourceError(f"no camera at /dev/video{device}")
        return ScriptedCamera(10_000)

    clock = graph.ros.node.get_clock()
    inject(UsbSource(7, lambda: int(clock.now().nanoseconds), open_capture=open_capture))
    diagnostics = graph.ros.diagnostics(publishers=0)
    node = graph.ros.start(CameraNode, reconnect_initial_sec=0.05, reconnect_max_sec=0.1)
    graph.ros.wait_for(lambda: len(graph.images) == 5, "the frames before the loss")
    graph.ros.wait_for(
        lambda: diagnostics and diagnostics[-1].status[0].level == diagnostics[-1].status[0].ERROR,
        "an error on /diagnostics",
    )
    (status,) = diagnostics[-1].status
    assert "no camera at /dev/video7" in status.message
    assert status.hardware_id == "/dev/video7"
    assert len(openings) > 2
    plugged_in.set()
    graph.ros.wait_for(lambda: len(graph.images) >= 8, "frames after the loss")
    graph.ros.wait_for(
        lambda: diagnostics[-1].status[0].level == diagnostics[-1].status[0].OK, "the all-clear"
    )
    assert status_values(diagnostics[-1])["reopened"] == "1"
    stamps = [stamp_ns(m) for m in graph.images]
    assert all(b > a for a, b in itertools.pairwise(stamps))
    assert not node.finished.done()
