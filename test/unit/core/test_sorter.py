# SPDX-License-Identifier: Apache-2.0
"""The deciding half as a whole: classifications in, commands and diverter states out."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fakes import TRAVEL_NS, FakeDriver
from support.sorting import FRAME_NS, START_NS, empty, item, routing, routing_data, sec, sure

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.core.routing_file import parse_routing
from recycle_sorter.core.sorter import Sorter, SorterConfig
from recycle_sorter.core.station import StationConfig
from recycle_sorter.core.types import Classification, DiverterStatus, PlannedCommand, Reason


class Line:
    """A sorter on a line whose camera shows a frame every 1/30 s.

    The steady clock starts at 0 when the stamps' clock stands at ``START_NS``.
    """

    def __init__(self, config: SorterConfig | None = None, delay_sec: float = 0.0) -> None:
        self.driver = FakeDriver(routing().diverters)
        self.sorter = Sorter(routing(delay_sec), self.driver, config or SorterConfig())
        self.steady_ns = 0

    @property
    def now_ns(self) -> int:
        return START_NS + self.steady_ns

    def wait(self, seconds: float) -> None:
        """Lets time pass, with a tick every 10 ms."""
        end_ns = self.steady_ns + sec(seconds)
        while self.steady_ns < end_ns:
            self.steady_ns = min(end_ns, self.steady_ns + sec(0.01))
            self.sorter.tick(self.steady_ns)

    def show(
        self, scene: str, material: str = "glass", confidence: float = 0.95
    ) -> list[PlannedCommand]:
        """Shows frames: ``#`` an item, ``.`` the empty board."""
        found = []
        for sign in scene:
            self.steady_ns += FRAME_NS
            self.sorter.tick(self.steady_ns)
            is_item = sign == "#"
            found += self.take(item(self.now_ns, material, confidence) if is_item
                               else empty(self.now_ns))  # fmt: skip
        return found

    def take(self, seen: Classification) -> list[PlannedCommand]:
        return self.sorter.on_classification(seen, self.now_ns, self.steady_ns)

    def statuses(self) -> set[DiverterStatus]:
        return {s.status for s in self.sorter.states(self.steady_ns)}


@pytest.mark.parametrize("field", ["stale_timeout_sec", "max_age_sec"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -0.1])
def test_limits_that_would_never_apply_are_refused(field: str, value: float) -> None:
    fields: dict[str, Any] = {field: value}
    with pytest.raises(InvalidInputError) as caught:
        SorterConfig(**fields)
    assert caught.value.field == field


def test_an_item_becomes_one_command_and_one_movement() -> None:
    line = Line()
    (command,) = line.show("..##########..")
    decision = command.decision
    assert (decision.item_id, decision.material, decision.bin) == (1, "glass", "glass")
    assert (decision.reason, decision.evidence_frames) == (Reason.ACCEPTED, 5)
    assert decision.confidence == pytest.approx(0.95)
    assert sum(decision.probabilities.values()) == pytest.approx(1.0)
    assert decision.stamp_ns == START_NS + 7 * FRAME_NS
    assert (command.diverter, command.position_rad, command.fire_ns, command.dwell_sec) == (
        "flap_1", 0.6, decision.stamp_ns, 0.3,
    )  # fmt: skip
    assert [(m.diverter, m.position_rad) for m in line.driver.moves] == [("flap_1", 0.6)]
    assert line.sorter.counts()["commands"] == 1


def test_an_unsure_item_is_rejected_and_moves_nothing() -> None:
    line = Line()
    (command,) = line.show("#####..", "glass", 0.6)
    assert (command.decision.reason, command.decision.bin) == (Reason.LOW_CONFIDENCE, "residue")
    assert (command.diverter, command.position_rad) == ("", 0.0)
    assert line.driver.moves == []
    counts = line.sorter.counts()
    assert (counts["commands"], counts["rejected"], counts["refused"]) == (1, 1, 0)


def test_an_item_seen_too_briefly_is_rejected() -> None:
    line = Line(SorterConfig(StationConfig(min_evidence_frames=4)))
    (command,) = line.show("###..")
    assert (command.decision.reason, command.decision.bin) == (Reason.TOO_FEW_FRAMES, "residue")
    assert command.decision.detail == "seen in 3 frames, fewer than 4"
    assert command.decision.material == "glass"


def test_a_material_that_routing_lacks_is_rejected() -> None:
    line = Line()
    commands = []
    for _ in range(5):
        line.steady_ns += FRAME_NS
        commands += line.take(Classification(line.now_ns, True, ("wood",), (1.0,)))
    assert [c.decision.reason for c in commands] == [Reason.UNKNOWN_MATERIAL]


def test_a_delayed_command_waits_and_fires_once() -> None:
    line = Line(delay_sec=0.5)
    (command,) = line.show("#####")
    assert command.fire_ns == command.decision.stamp_ns + sec(0.5)
    line.wait(0.49)
    assert line.driver.moves == []
    line.wait(0.02)
    assert len(line.driver.moves) == 1
    line.show("#" * 30)
    assert [m.position_rad for m in line.driver.moves] == [0.6, 0.0]  # there and home


def test_the_delay_counts_from_the_picture_not_from_its_arrival() -> None:
    line = Line(delay_sec=0.5)
    stamps = [START_NS + n * FRAME_NS for n in range(1, 6)]
    late_ns = stamps[-1] + sec(0.3)
    for stamp_ns in stamps:
        line.sorter.on_classification(item(stamp_ns), late_ns, sec(7))
    line.sorter.tick(sec(7.2) - 1)
    assert line.driver.moves == []
    line.sorter.tick(sec(7.2))
    assert len(line.driver.moves) == 1


@pytest.mark.parametrize("ahead_sec", [0.3, 3600.0])
def test_a_senders_clock_that_is_ahead_does_not_put_a_movement_off(ahead_sec: float) -> None:
    line = Line(delay_sec=0.5)
    for n in range(1, 6):
        stamp_ns = START_NS + n * FRAME_NS + sec(ahead_sec)
        commands = line.take(item(stamp_ns))
    assert len(commands) == 1
    line.sorter.tick(line.steady_ns + sec(0.5))
    assert len(line.driver.moves) == 1


def test_a_picture_that_is_too_old_is_refused_and_counted() -> None:
    line = Line()
    line.wait(10)
    for n in range(10):
        assert line.take(item(line.now_ns - sec(1.01) + n)) == []
    assert line.sorter.counts()["too_old"] == 10
    assert line.sorter.counts()["frames"] == 0


def test_any_age_is_taken_where_the_limit_is_off() -> None:
    line = Line(SorterConfig(max_age_sec=0.0))
    commands = []
    for n in range(1, 6):
        commands += line.take(item(n))
    assert len(commands) == 1
    assert len(line.driver.moves) == 1


def test_evidence_from_before_a_long_pause_is_recorded_but_moves_nothing() -> None:
    line = Line(SorterConfig(stale_timeout_sec=0.0))
    line.show("###")
    line.wait(10)
    (command,) = line.show(".")
    assert (command.decision.item_id, command.decision.bin) == (1, "glass")
    assert line.driver.moves == []
    assert line.sorter.counts()["refused"] == 1


def test_silence_sends_diverters_home_and_says_why() -> None:
    line = Line(delay_sec=2.0)
    line.show("#####")
    line.wait(0.99)
    assert not line.sorter.is_stale
    line.wait(0.02)
    assert line.sorter.is_stale
    for state in line.sorter.states(line.steady_ns):
        assert (state.status, state.position_rad) == (DiverterStatus.STALE, 0.0)
        assert state.detail == "no usable classification for 1.0 s"
    line.wait(5)
    counts = line.sorter.counts()
    assert (counts["stale_periods"], counts["refused"]) == (1, 1)
    assert [m.position_rad for m in line.driver.moves] == [0.0, 0.0]  # home; what waited is gone


def test_the_first_usable_classification_ends_the_silence() -> None:
    line = Line()
    line.show(".")
    line.wait(2)
    assert line.statuses() == {DiverterStatus.STALE}
    line.show(".")
    assert not line.sorter.is_stale
    assert line.statuses() == {DiverterStatus.NEUTRAL}
    assert [s.detail for s in line.sorter.states(line.steady_ns)] == [
        "classifications arrive again"
    ] * 2
    assert len(line.show("#####")) == 1
    assert len(line.driver.moves) == 3


def test_before_the_first_classification_nothing_is_stale() -> None:
    line = Line()
    line.wait(5)
    assert line.statuses() == {DiverterStatus.NEUTRAL}


def refused_frames(line: Line) -> dict[str, Classification]:
    return {
        "too old": item(line.now_ns - sec(2)),
        "malformed": replace(item(line.now_ns), probabilities=(math.nan,) * 6),
        "same stamp": item(START_NS + FRAME_NS),
        "no stamp": item(0),
    }


@pytest.mark.parametrize("kind", ["too old", "malformed", "same stamp", "no stamp"])
def test_classifications_that_are_refused_are_no_sign_of_life(kind: str) -> None:
    line = Line(SorterConfig(max_age_sec=100.0 if kind == "same stamp" else 1.0))
    line.show(".")
    for _ in range(60):
        line.steady_ns += FRAME_NS
        line.take(refused_frames(line)[kind])
        line.sorter.tick(line.steady_ns)
    assert line.statuses() == {DiverterStatus.STALE}


@pytest.mark.parametrize(
    ("materials", "probabilities"),
    [
        (MATERIALS, ()),
        (MATERIALS, (1.0,)),
        (MATERIALS, (*sure("glass"), 0.0)),
        (MATERIALS, (math.nan, *sure("glass")[1:])),
        (MATERIALS, (math.nan,) * 6),
        (MATERIALS, (math.inf, 0.0, 0.0, 0.0, 0.0, 0.0)),
        (MATERIALS, (math.inf, -math.inf, 0.0, 0.0, 0.0, 1.0)),
        (MATERIALS, (-0.1, 1.1, 0.0, 0.0, 0.0, 0.0)),
        (MATERIALS, (0.0,) * 6),
        (MATERIALS, (1.0,) * 6),
        ((), ()),
        (("glass", "glass"), (0.5, 0.5)),
    ],
)
def test_malformed_probabilities_are_counted_and_the_line_goes_on(
    materials: tuple[str, ...], probabilities: tuple[float, ...]
) -> None:
    line = Line()
    line.show("##")
    line.steady_ns += FRAME_NS
    assert line.take(Classification(line.now_ns, True, materials, probabilities)) == []
    assert line.sorter.counts()["malformed"] == 1
    (command,) = line.show("###")
    assert command.decision.evidence_frames == 5


ANYTHING = st.lists(st.floats() | st.sampled_from([0.0, 1.0, 0.5, 1.0 + 1e-6]), max_size=7)


@given(
    st.lists(
        st.tuples(
            ANYTHING.map(tuple),
            st.sampled_from([MATERIALS, ("glass",), ("glass", "glass"), ("wood", "glass"), ()]),
            st.sampled_from([FRAME_NS, FRAME_NS, FRAME_NS, 0, -FRAME_NS, sec(5), -sec(3600)]),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_no_classification_makes_it_raise_and_every_item_has_one_record(
    frames: list[tuple[tuple[float, ...], tuple[str, ...], int, bool]],
) -> None:
    line = Line()
    commands = []
    stamp_ns = START_NS
    for values, names, step_ns, present in frames:
        stamp_ns += step_ns
        line.steady_ns += FRAME_NS
        seen = Classification(stamp_ns, present, names, values)
        commands += line.sorter.on_classification(seen, line.now_ns, line.steady_ns)
        line.sorter.tick(line.steady_ns)
    commands += line.sorter.flush(line.now_ns, line.steady_ns)
    counts = line.sorter.counts()
    assert [c.decision.item_id for c in commands] == list(range(1, counts["items"] + 1))
    assert counts["commands"] == len(commands)
    taken = counts["malformed"] + counts["too_old"] + counts["stamps_refused"] + counts["frames"]
    assert taken == len(frames)
    for command in commands:
        assert 0.0 <= command.decision.confidence <= 1.0
        assert command.decision.bin in line.sorter.routing.bins
        assert command.decision.detail


def test_while_disabled_each_item_is_recorded_as_rejected_and_nothing_moves() -> None:
    line = Line()
    assert line.sorter.set_enabled(False, "belt is being cleaned", 0) == (
        "disabled: belt is being cleaned; 0 waiting commands dropped"
    )
    line.driver.moves.clear()
    commands = line.show("..#####..#######..###..")
    assert [c.decision.item_id for c in commands] == [1, 2, 3]
    assert {c.decision.reason for c in commands} == {Reason.DISABLED}
    assert {(c.decision.bin, c.diverter) for c in commands} == {("residue", "")}
    assert "disabled" in commands[0].decision.detail
    assert line.driver.moves == []
    assert line.statuses() == {DiverterStatus.DISABLED}
    assert line.sorter.states(0)[0].detail == "disabled: belt is being cleaned"


def test_disabling_drops_what_waits_and_enabling_does_not_bring_it_back() -> None:
    line = Line(delay_sec=0.5)
    line.show("#####")
    message = line.sorter.set_enabled(False, "", line.steady_ns)
    assert message == "disabled: on request; 1 waiting commands dropped"
    assert line.sorter.counts()["refused"] == 1
    line.driver.moves.clear()
    assert line.sorter.set_enabled(True, "clean", line.steady_ns) == "enabled: clean"
    line.wait(0.9)
    assert line.driver.moves == []
    assert line.sorter.is_enabled
    assert line.statuses() == {DiverterStatus.NEUTRAL}


@pytest.mark.parametrize(("enabled", "word"), [(True, "enabled"), (False, "disabled")])
def test_switching_twice_says_so_and_changes_nothing(enabled: bool, word: str) -> None:
    line = Line()
    line.sorter.set_enabled(enabled, "once", 0)
    line.sorter.tick(0)
    assert line.sorter.set_enabled(enabled, "twice", 0) == f"already {word}"
    assert line.sorter.tick(0) == []


def test_disabled_outranks_stale_and_stale_shows_again_once_enabled() -> None:
    line = Line()
    line.show(".")
    line.sorter.set_enabled(False, "pause", line.steady_ns)
    line.wait(2)
    assert line.sorter.is_stale
    assert line.statuses() == {DiverterStatus.DISABLED}
    line.sorter.set_enabled(True, "go", line.steady_ns)
    assert line.statuses() == {DiverterStatus.STALE}
    line.show(".")
    assert line.statuses() == {DiverterStatus.NEUTRAL}


def test_classifications_do_not_enable_what_was_disabled() -> None:
    line = Line()
    line.show(".")
    line.wait(2)
    line.sorter.set_enabled(False, "pause", line.steady_ns)
    line.show("..")
    assert line.statuses() == {DiverterStatus.DISABLED}


def test_the_end_decides_the_item_in_view() -> None:
    line = Line()
    assert line.show("###") == []
    (command,) = line.sorter.flush(line.now_ns, line.steady_ns)
    assert command.decision.evidence_frames == 3
    assert len(line.driver.moves) == 1
    assert line.sorter.flush(line.now_ns, line.steady_ns) == []


def test_tick_reports_only_what_changed() -> None:
    line = Line()
    line.show("####")
    line.steady_ns += FRAME_NS
    line.take(item(line.now_ns))
    (moving,) = line.sorter.tick(line.steady_ns)
    assert (moving.diverter, moving.status, moving.item_id) == (
        "flap_1", DiverterStatus.MOVING, 1,
    )  # fmt: skip
    assert line.sorter.tick(line.steady_ns) == []
    (there,) = line.sorter.tick(line.steady_ns + TRAVEL_NS)
    assert there.status is DiverterStatus.DIVERTING


def test_a_broken_driver_stops_no_decision() -> None:
    line = Line()
    line.driver.broken.update(line.driver.diverters)
    assert len(line.show("#####..#####..")) == 2
    assert line.sorter.counts()["refused"] == 2
    assert {s.status for s in line.sorter.states(0) if s.diverter == "flap_1"} == {
        DiverterStatus.FAULT
    }


def test_another_routing_counts_for_the_items_decided_from_now_on() -> None:
    line = Line()
    line.show("###")
    data = routing_data()
    data["materials"]["glass"]["bin"] = "plastic"
    assert line.sorter.replace_routing(parse_routing(data)) == "6 materials into 5 bins"
    (command,) = line.show("##")
    assert (command.decision.bin, command.diverter) == ("plastic", "flap_2")


@pytest.mark.parametrize("name", ["dropped", "slower", "added"])
def test_another_set_of_diverters_is_refused_and_the_routing_stays(name: str) -> None:
    line = Line()
    before = line.sorter.routing
    data = routing_data()
    if name == "dropped":
        data["diverters"].pop()
        data["bins"] = [b for b in data["bins"] if b["diverter"] != "flap_2"]
        for material in ("metal", "plastic"):
            data["materials"][material]["bin"] = "residue"
        changed = ["flap_2"]
    elif name == "slower":
        data["diverters"][0]["stroke_sec"] = 9.0
        changed = ["flap_1"]
    else:
        data["diverters"].append({**data["diverters"][0], "name": "flap_3"})
        changed = ["flap_3"]
    with pytest.raises(InvalidInputError) as caught:
        line.sorter.replace_routing(parse_routing(data))
    assert (caught.value.field, caught.value.value) == ("diverters", changed)
    assert line.sorter.routing is before


def test_other_limits_apply_from_the_next_frame_and_counters_stay() -> None:
    line = Line()
    line.show("#####..")
    station = StationConfig(evidence_frames=8)
    line.sorter.reconfigure(SorterConfig(station, stale_timeout_sec=5.0, max_age_sec=2.0))
    assert line.show("#######") == []
    assert len(line.show("#")) == 1
    line.wait(4.9)
    assert not line.sorter.is_stale
    line.wait(0.2)
    assert line.sorter.is_stale
    line.take(item(line.now_ns - sec(1.9)))
    assert line.sorter.counts()["too_old"] == 0
    assert line.sorter.counts()["commands"] == 2


def test_counts_hold_every_counter() -> None:
    assert set(Line().sorter.counts()) == {
        "clock_resets", "commands", "frames", "frames_with_item", "glimpses", "items",
        "malformed", "refused", "rejected", "stale_periods", "stamps_refused", "too_old",
    }  # fmt: skip


def test_closing_frees_the_driver() -> None:
    line = Line()
    line.sorter.close()
    assert line.driver.closed == 1
