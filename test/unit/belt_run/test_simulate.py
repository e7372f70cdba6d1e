# SPDX-License-Identifier: Apache-2.0
"""The whole line on a twin: found, decided, fired, recorded, and the same each time."""

from __future__ import annotations

import json
import math
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.belt_twins import make_cutouts, make_twin, tiny_perception
from support.bundles import COLOURS_RGB, make_tiny_bundle
from support.source_data import write_bag

from recycle_sorter.belt_run.overlay import FilmWriter, Overlay
from recycle_sorter.belt_run.parts import make_perception, scenario_calibration
from recycle_sorter.belt_run.replay import replay
from recycle_sorter.belt_run.result import RunResult
from recycle_sorter.belt_run.runner import RunnerConfig
from recycle_sorter.belt_run.simulate import simulate
from recycle_sorter.belt_run.watchers import Bag, CropFolder, Film, Watchers
from recycle_sorter.core.belt.layout import MotionLayout
from recycle_sorter.core.errors import InvalidInputError, SourceError
from recycle_sorter.sources.bag import BagSource
from recycle_sorter.sources.belt_bag import BeltRecording, EncoderSample, read_belt
from recycle_sorter.sources.belt_bag_writer import TOPICS, BeltBagWriter


def no_clock() -> int:
    """A run must not need one."""
    return 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("belt")


@pytest.fixture(scope="module")
def cutouts(folder: Path) -> Path:
    return make_cutouts(folder / "cutouts")


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Path:
    return make_tiny_bundle(folder / "bundle")


@pytest.fixture(scope="module")
def recorded(folder: Path, cutouts: Path, bundle: Path) -> RunResult:
    """A run that is recorded, filmed and written out."""
    twin, layout = make_twin(cutouts)
    perception = tiny_perception(twin, layout, bundle)
    overlay = Overlay(perception.finder.calibration, layout.decision_line_m)
    with (
        BeltBagWriter(folder / "bag") as writer,
        FilmWriter(folder / "run.avi", 30.0) as film,
    ):
        bag = Bag(writer, twin)
        watchers = Watchers([bag, Film(film, overlay), CropFolder(folder / "crops")])
        result = simulate(twin, layout, perception, no_clock, watcher=watchers)
        bag.finish()
    return result


def test_every_item_is_found_decided_once_and_recorded(recorded: RunResult) -> None:
    items, records = recorded.summary["items"], recorded.summary["records"]
    assert items["true"] >= 6
    assert items["found_separate"] == items["separate"]
    assert items["doubled"] == items["phantoms"] == 0
    assert records["written"] == items["decided"]
    assert records["lost"] == records["doubled"] == records["fired_late"] == 0
    assert records["fired"] > 0
    assert recorded.summary["classifier"]["fused_accuracy"] == 1.0


def test_items_fall_where_they_belong(recorded: RunResult) -> None:
    sorting = recorded.summary["sorting"]
    assert sorting["items"] >= 3
    assert sorting["decided_right"] == sorting["sorted_right"] == 1.0
    assert sorting["wrong_place"] == 0
    assert recorded.summary["position_error_mm"]["max"] < 10.0
    assert recorded.summary["timing_error_ms"]["max"] <= 2.6, "half a tick"


def test_two_runs_log_the_same_bytes(recorded: RunResult, cutouts: Path, bundle: Path) -> None:
    twin, layout = make_twin(cutouts)
    again = simulate(twin, layout, tiny_perception(twin, layout, bundle), no_clock)
    assert again.log == recorded.log
    assert again.summary == recorded.summary
    other, layout = make_twin(cutouts, seed=2)
    assert (
        simulate(other, layout, tiny_perception(other, layout, bundle), no_clock).log != again.log
    )


def test_the_log_is_canonical_json(recorded: RunResult) -> None:
    lines = recorded.log.splitlines()
    events = [json.loads(line) for line in lines]
    for line, event in zip(lines, events, strict=True):
        assert json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False) == line
    decided = [e["item_id"] for e in events if e["event"] == "decision"]
    ended = [e["item_id"] for e in events if e["event"] == "record"]
    assert sorted(decided) == sorted(ended) == list(range(1, len(decided) + 1))


def test_the_bag_holds_the_run(recorded: RunResult, folder: Path) -> None:
    from rosbags.rosbag2 import Reader

    with Reader(folder / "bag") as reader:
        counts = {topic: info.msgcount for topic, info in reader.topics.items()}
    decisions = recorded.summary["items"]["decided"]
    assert counts["/camera/image_raw/compressed"] == recorded.summary["frames"] == 210
    assert counts[TOPICS["recycle_sorter_msgs/msg/BeltObservation"]] == 210
    assert counts[TOPICS["recycle_sorter_msgs/msg/SortDecision"]] == decisions
    assert counts[TOPICS["recycle_sorter_msgs/msg/ItemRecord"]] == decisions
    assert counts[TOPICS["recycle_sorter_msgs/msg/BeltEncoder"]] == 700
    found = read_belt(folder / "bag", "/camera/image_raw/compressed")
    assert len(found.truths) >= recorded.summary["items"]["true"]
    assert found.landings
    assert found.notices == []


def test_two_replays_of_the_bag_log_the_same_and_find_the_same(
    recorded: RunResult, folder: Path, cutouts: Path, bundle: Path
) -> None:
    runs = []
    for _ in range(2):
        twin, layout = make_twin(cutouts)
        with closing(BagSource(folder / "bag")) as source:
            recording = read_belt(folder / "bag", source.topic)
            perception = tiny_perception(twin, layout, bundle)
            runs.append(replay(source, recording, layout, perception, no_clock))
    assert runs[0].log == runs[1].log
    assert runs[0].page("t") == runs[1].page("t")
    items = runs[0].summary["items"]
    assert items["found_separate"] == items["separate"] >= 6
    assert items["doubled"] == items["phantoms"] == 0
    assert runs[0].summary["records"]["fired"] == recorded.summary["records"]["fired"]


def test_a_line_that_hears_its_speed_can_be_recorded_replayed_and_recorded_again(
    tmp_path: Path, cutouts: Path, bundle: Path
) -> None:
    twin, encoder_layout = make_twin(cutouts, duration_sec=5.0)
    motion = MotionLayout("speed", speed_m_per_sec=None, timeout_sec=0.5)
    layout = replace(encoder_layout, motion=motion)
    with BeltBagWriter(tmp_path / "first") as writer:
        perception = tiny_perception(twin, layout, bundle)
        watcher = Bag(writer, twin)
        first = simulate(twin, layout, perception, no_clock, watcher=watcher)
        watcher.finish()
    with closing(BagSource(tmp_path / "first")) as source:
        recording = read_belt(tmp_path / "first", source.topic)
        with BeltBagWriter(tmp_path / "again") as writer:
            perception = tiny_perception(twin, layout, bundle)
            watcher = Bag(writer)
            second = replay(source, recording, layout, perception, no_clock, watcher=watcher)
    assert second.summary["records"]["fired"] == first.summary["records"]["fired"] > 0
    again = read_belt(tmp_path / "again", "/camera/image_raw/compressed")
    assert again.speeds == recording.speeds
    assert len(again.speeds) == 500
    assert again.encoder == recording.encoder
    assert again.truths == recording.truths
    assert again.truths


def test_a_counts_wild_stamp_in_a_bag_moves_nothing(
    recorded: RunResult, folder: Path, tmp_path: Path
) -> None:
    from rosbags.rosbag2 import Reader

    topic = TOPICS["recycle_sorter_msgs/msg/BeltEncoder"]
    entries: list[tuple[str, str, int, bytes]] = []
    with Reader(folder / "bag") as reader:
        for connection, record_ns, data in reader.messages(
            [c for c in reader.connections if c.topic == topic]
        ):
            entries.append((topic, connection.msgtype, record_ns, bytes(data)))
    clean = write_bag(tmp_path / "clean", entries)
    wild = bytearray(entries[300][3])
    wild[4:8] = (2**31 - 1).to_bytes(4, "little")  # the stamp's seconds
    entries[300] = (*entries[300][:3], bytes(wild))
    spoilt = write_bag(tmp_path / "spoilt", entries)
    found = read_belt(spoilt, "/camera/image_raw")
    assert found.encoder == read_belt(clean, "/camera/image_raw").encoder
    assert found.notices == [f"1 stamps on {topic} that leapt were replaced"]


def test_motion_that_the_line_does_not_use_ends_no_replay(
    recorded: RunResult, folder: Path, cutouts: Path, bundle: Path
) -> None:
    twin, encoder_layout = make_twin(cutouts)
    layout = replace(encoder_layout, motion=MotionLayout("picture", 0.5))
    with closing(BagSource(folder / "bag")) as source:
        recording = read_belt(folder / "bag", source.topic)
    # The camera broke off three seconds before the encoder.
    last = recording.encoder[-1]
    longer = [
        EncoderSample(last.stamp_ns + index * 10_000_000, last.ticks) for index in range(1, 300)
    ]
    logs = []
    for encoder in (recording.encoder[:300], [*recording.encoder, *longer]):
        with closing(BagSource(folder / "bag")) as source:
            told = replace(recording, encoder=encoder)
            perception = tiny_perception(twin, layout, bundle)
            logs.append(replay(source, told, layout, perception, no_clock).log)
    assert logs[0] == logs[1]


def test_film_and_crops_are_written(recorded: RunResult, folder: Path) -> None:
    film = cv2.VideoCapture(str(folder / "run.avi"))
    assert int(film.get(cv2.CAP_PROP_FRAME_COUNT)) == recorded.summary["frames"]
    film.release()
    crops = list((folder / "crops").iterdir())
    numbers = {int(path.name.split("_")[0]) for path in crops}
    assert len(numbers) >= recorded.summary["items"]["found"]


def test_crops_of_a_twin_are_sorted_by_what_they_show(
    cutouts: Path, bundle: Path, tmp_path: Path
) -> None:
    twin, layout = make_twin(cutouts)
    all_of, some_of = tmp_path / "all", tmp_path / "some"
    watcher = Watchers([CropFolder(all_of, twin), CropFolder(some_of, twin, every=5)])
    simulate(twin, layout, tiny_perception(twin, layout, bundle), no_clock, watcher=watcher)
    crops = list(all_of.glob("*/*.jpg"))
    passed = [item for item in twin.items if (twin.arrival_ns(item, 0.6) or math.inf) < twin.end_ns]
    assert {path.parent.name for path in crops} >= {item.material for item in passed}
    assert len({path.name.split("_")[0] for path in crops}) >= len(passed) >= 6
    for path in crops:
        picture = cv2.imread(str(path))
        assert picture is not None
        middle_rgb = picture[picture.shape[0] // 2, picture.shape[1] // 2, ::-1].astype(float)
        off = {name: np.abs(middle_rgb - rgb).sum() for name, rgb in COLOURS_RGB.items()}
        assert min(off, key=lambda name: off[name]) == path.parent.name
    assert 0 < len(list(some_of.glob("*/*.jpg"))) <= len(crops) / 3


def test_stop_and_go_loses_nobody(cutouts: Path, bundle: Path) -> None:
    twin, layout = make_twin(
        cutouts, duration_sec=9.0, speed__kind="stop_and_go", speed__go_sec=1.5, speed__stop_sec=0.7
    )
    found = simulate(twin, layout, tiny_perception(twin, layout, bundle), no_clock).summary
    assert found["items"]["true"] >= 5
    assert found["items"]["found_separate"] == found["items"]["separate"]
    assert found["items"]["doubled"] == 0
    assert found["records"]["lost"] == found["records"]["fired_late"] == 0


def test_a_belt_measured_by_its_picture_sorts_too(cutouts: Path, bundle: Path) -> None:
    twin, layout = make_twin(cutouts, belt__texture="rubber")
    motion = replace(layout.motion, source="picture", m_per_tick=None, wrap_bits=0)
    layout = replace(layout, motion=motion)
    found = simulate(twin, layout, tiny_perception(twin, layout, bundle), no_clock).summary
    assert found["items"]["found_separate"] == found["items"]["separate"] >= 6
    assert found["items"]["doubled"] == 0
    assert found["sorting"]["sorted_right"] == 1.0


def test_a_bag_without_the_motion_that_is_asked_for_is_refused(
    recorded: RunResult, folder: Path, cutouts: Path, bundle: Path
) -> None:
    twin, layout = make_twin(cutouts)
    perception = tiny_perception(twin, layout, bundle)
    with (
        closing(BagSource(folder / "bag")) as source,
        pytest.raises(SourceError, match="BeltEncoder"),
    ):
        replay(source, BeltRecording(), layout, perception, no_clock)


@pytest.mark.parametrize(
    ("field", "value"),
    [("tick_sec", 0.0), ("tick_sec", float("nan")), ("latency_sec", -1.0), ("latency_sec", 99.0)],
)
def test_limits_are_checked(field: str, value: float) -> None:
    with pytest.raises(InvalidInputError, match=field):
        RunnerConfig(**{field: value})


def test_a_decision_line_outside_of_the_view_is_refused(cutouts: Path) -> None:
    twin, layout = make_twin(cutouts)
    with pytest.raises(InvalidInputError, match="decision_line_m"):
        scenario_calibration(twin.scenario, replace(layout, decision_line_m=0.9))


def test_a_belt_that_is_wider_than_the_view_is_refused(cutouts: Path) -> None:
    twin, layout = make_twin(cutouts)
    seen_m = scenario_calibration(twin.scenario, layout).view_m[1]
    wide = replace(layout, camera=replace(layout.camera, view_width_m=1.05 * seen_m))
    with pytest.raises(InvalidInputError, match=r"camera\.view_width_m"):
        scenario_calibration(twin.scenario, wide)


def test_a_background_that_is_none_is_refused(cutouts: Path, bundle: Path) -> None:
    from recycle_sorter.inference.bundle import ModelBundle
    from recycle_sorter.inference.fake_engine import FakeEngine

    twin, layout = make_twin(cutouts)
    calibration = scenario_calibration(twin.scenario, layout)
    engine = FakeEngine((3, 32, 32), lambda batch: batch[:, :, 0, 0])
    with pytest.raises(InvalidInputError, match="background"):
        make_perception(layout, calibration, ModelBundle.load(bundle), engine, "pink")
