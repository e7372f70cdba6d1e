# SPDX-License-Identifier: Apache-2.0
"""The line: what pictures show is decided once, fired in time, and ends in one record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.belt_lines import TICK_SEC, Belt, FakeDriver, Thing, layout, picture, steady
from support.sorting import START_NS, sec

from recycle_sorter.core.belt.clock import StampClock
from recycle_sorter.core.belt.line import BeltLine, LineConfig
from recycle_sorter.core.belt.motion import EncoderMotion, SpeedMotion
from recycle_sorter.core.belt.motion_choice import choose_motion
from recycle_sorter.core.belt.types import Cause, ItemRecord, LineEvents, Outcome
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import DiverterStatus, Reason

FRAME_TICKS = 8  # 31.25 pictures a second
FLAPS_M = {"flap_1": 1.0, "flap_2": 1.3, "flap_3": 1.6}


@dataclass
class World:
    """A belt with things on it, an encoder, a camera and the line that watches both."""

    things: Sequence[Thing]
    belt: Belt = field(default_factory=steady)
    source: str = "encoder"
    has_encoder: Callable[[float], bool] = lambda _: True
    has_frame: Callable[[int], bool] = lambda _: True
    clock_jump_sec: float = 0.0  # the stamps' clock is set at half a second
    is_stamped: bool = False
    delay_ticks: int = 0
    ticks: int = 0
    events: LineEvents = field(default_factory=LineEvents)
    sent: list[tuple[int, LineEvents]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.layout = layout()
        if self.source != "encoder":
            motion = {"source": self.source, "timeout_sec": 0.5}
            self.layout = layout(motion=motion)
        self.motion = choose_motion(self.layout)
        self.driver = FakeDriver()
        self.line = BeltLine(self.layout, self.motion, self.driver)
        self.clock = StampClock()
        self.late: list[tuple[int, int, float]] = []
        self.shown_m = 0.0

    @property
    def now_ns(self) -> int:
        return START_NS + sec(self.ticks * TICK_SEC)

    def until(self, end_sec: float) -> World:
        while self.ticks * TICK_SEC < end_sec - 1e-9:
            self.ticks += 1
            at_sec = self.ticks * TICK_SEC
            position_m = self.belt.position_at(at_sec)
            if self.has_encoder(at_sec):
                stamp_ns = self.stamped(at_sec)
                if isinstance(self.motion, EncoderMotion):
                    self.motion.on_ticks(round(position_m / 0.0005), stamp_ns)
                elif isinstance(self.motion, SpeedMotion):
                    self.motion.on_speed(self.belt.speed_at(at_sec)[0], stamp_ns)
            if self.ticks % FRAME_TICKS == 0 and self.has_frame(self.ticks // FRAME_TICKS):
                self.late.append((self.ticks, self.now_ns, position_m))
            while self.late and self.late[0][0] + self.delay_ticks <= self.ticks:
                _, seen_ns, seen_m = self.late.pop(0)
                self.show(seen_ns, seen_m)
            self.note(self.line.tick(self.now_ns))
        return self

    def stamped(self, at_sec: float) -> int:
        """A stamp of the sender's clock, mapped as a node would."""
        if not self.is_stamped:
            return self.now_ns
        jump_ns = sec(self.clock_jump_sec) if at_sec >= 0.5 else 0
        found = self.clock.accept(self.now_ns + jump_ns, self.now_ns, "encoder")
        return found if found is not None else 0

    def show(self, seen_ns: int, seen_m: float) -> None:
        shift_m, self.shown_m = seen_m - self.shown_m, seen_m
        seen = picture(self.things, seen_m, seen_ns, shift_m)
        if self.is_stamped:
            jump_ns = sec(self.clock_jump_sec) if seen_ns >= START_NS + sec(0.5) else 0
            seen = replace(seen, stamp_ns=seen_ns + jump_ns)
            found = self.clock.accept(seen.stamp_ns, self.now_ns, "camera")
            if found is None:
                return
            seen_ns = found
        self.note(self.line.on_observation(seen, seen_ns, self.now_ns))

    def note(self, events: LineEvents) -> None:
        self.events.extend(events)

    def flush(self) -> World:
        self.note(self.line.flush(self.now_ns))
        return self

    def only(self) -> ItemRecord:
        assert len(self.events.records) == 1
        return self.events.records[0]

    def thing_of(self, record: ItemRecord) -> Thing:
        """The thing that a record is about, by the place that was tracked."""
        ids = [d.item_id for d in self.events.decisions]
        item = self.events.items[ids.index(record.decision.item_id)]
        return min(self.things, key=lambda t: abs(t.s_m - item.s_m) + abs(t.y_m - item.y_m))


@pytest.mark.parametrize("source", ["encoder", "speed", "picture"])
def test_an_item_is_followed_decided_and_fired(source: str) -> None:
    world = World([Thing(-0.1)], source=source).until(3.0)
    record = world.only()
    assert world.events.decisions == [record.decision]
    assert world.events.items[0].item_id == record.decision.item_id
    # A motion counts from where it first hears of the belt: here the first picture.
    start_m = 0.016 if source == "picture" else 0.002
    assert world.events.items[0].s_m == pytest.approx(-0.1 + start_m, abs=0.001)
    assert (record.outcome, record.diverter) == (Outcome.FIRED, "flap_1")
    assert record.decision.reason is Reason.ACCEPTED
    # It crosses the line at 1.6 s and is at the flap at 2.2 s.
    assert record.decision.stamp_ns == pytest.approx(START_NS + sec(1.6), abs=sec(0.033))
    assert record.scheduled_ns == pytest.approx(START_NS + sec(2.2 - 0.04), abs=sec(0.004))
    assert abs(record.issued_ns - record.scheduled_ns) <= sec(TICK_SEC / 2)
    assert world.events.commands[0].fire_ns == record.scheduled_ns
    assert world.driver.moves[-2:] == [
        ("flap_1", 0.6, record.issued_ns),
        ("flap_1", 0.0, record.issued_ns + sec(0.072)),
    ]
    counts = world.line.counts()
    assert counts["decisions"] == counts["fired"] == counts["items"] == 1
    assert world.line.in_flight == 0


@pytest.mark.parametrize("source", ["encoder", "speed", "picture"])
def test_a_belt_faster_than_its_maximum_is_told_and_fired_for_in_time(source: str) -> None:
    fast = World([Thing(-0.1), Thing(-0.4, "metal")], steady(1.3), source=source).until(3.0)
    start_sec = 0.0  # a motion counts from the first it hears; items are placed by pictures
    for record, place_m, s_m in zip(fast.events.records, (1.0, 1.3), (-0.1, -0.4), strict=True):
        assert record.outcome is Outcome.FIRED
        there_sec = start_sec + (place_m - s_m) / 1.3 - 0.04
        assert record.issued_ns == pytest.approx(START_NS + sec(there_sec), abs=sec(0.006))
    assert fast.line.over_speed.speed_m_per_sec == pytest.approx(1.3, abs=0.01)
    slow = World([Thing(-0.1)], steady(1.0), source=source).until(3.0)
    assert slow.line.over_speed.speed_m_per_sec is None


def test_the_diverters_states_are_told() -> None:
    world = World([Thing(0.2)]).until(3.0)
    flap = [s.status for s in world.events.states if s.diverter == "flap_1" and s.item_id == 1]
    assert flap == [DiverterStatus.MOVING, DiverterStatus.DIVERTING, DiverterStatus.MOVING]
    assert [s.status for s in world.line.states(world.now_ns)] == [DiverterStatus.NEUTRAL] * 3


def test_several_items_in_flight_each_get_their_own() -> None:
    materials = ["glass", "metal", "plastic", "paper", "trash", "glass"]
    things = [Thing(-0.12 * i, material) for i, material in enumerate(materials)]
    world = World(things).until(6.0)
    got = {world.thing_of(r).s_m: (r.outcome, r.diverter) for r in world.events.records}
    flaps = {"glass": "flap_1", "paper": "flap_1", "metal": "flap_2", "plastic": "flap_3"}
    assert got == {
        t.s_m: (Outcome.FIRED, flaps[t.material]) if t.material in flaps else (Outcome.PASSED, "")
        for t in things
    }


def test_observations_that_come_late_cost_nothing_while_there_is_time() -> None:
    prompt, slow = (World([Thing(0.0)], delay_ticks=n).until(3.0).only() for n in (0, 40))
    assert slow.outcome is Outcome.FIRED
    assert slow.scheduled_ns == pytest.approx(prompt.scheduled_ns, abs=sec(0.001))


def test_an_item_first_seen_beyond_the_line_is_decided_at_once() -> None:
    world = World([Thing(0.74)]).until(2.0)
    assert world.only().outcome is Outcome.FIRED
    assert world.events.decisions[0].stamp_ns < START_NS + sec(0.1)


def test_an_item_that_shows_up_at_the_flap_is_seen_too_late() -> None:
    # No picture came while it lay upstream; the motion was known all along.
    world = World([Thing(-0.2)], Belt([(0.0, 1.0)]), has_frame=lambda n: not 10 < n < 37)
    world.until(2.0)
    assert [r.outcome for r in world.events.records] == [Outcome.FIRED]
    tall = World([Thing(-0.2)], Belt([(0.0, 1.0)]), delay_ticks=300)
    tall.until(3.0)
    assert tall.only().cause is Cause.SEEN_TOO_LATE


def test_a_belt_that_stands_fires_nothing_and_decides_once() -> None:
    belt = Belt([(0.0, 0.5), (1.6, 0.5), (1.7, 0.0), (5.0, 0.0), (5.1, 0.5)])
    world = World([Thing(0.0)], belt).until(5.0)
    assert len(world.events.decisions) == 1
    assert world.events.records == []
    world.until(7.0)
    assert world.only().outcome is Outcome.FIRED


def test_an_item_jogged_over_the_line_and_back_is_decided_once() -> None:
    jog = [(0.0, 0.5), (1.5, 0.5), (1.6, -0.5), (2.0, -0.5), (2.1, 0.5)]
    world = World([Thing(0.0)], Belt(jog)).until(5.0)
    assert len(world.events.decisions) == 1
    assert world.only().outcome is Outcome.FIRED


def test_an_item_carried_back_out_of_the_view_is_decided_and_removed() -> None:
    world = World([Thing(0.0)], Belt([(0.0, 0.5), (0.5, 0.5), (0.6, -1.0)])).until(3.0)
    assert world.only().cause is Cause.REMOVED
    assert len(world.events.decisions) == 1


def test_motion_that_falls_silent_sends_the_flaps_home_and_misses_what_is_due() -> None:
    # Silent from 1.0 s on: stale at 1.5 s. The first would fire at 1.76 s, the second at 3.16 s.
    world = World(
        [Thing(0.1), Thing(-0.6)], has_encoder=lambda at_sec: not 1.0 < at_sec < 2.0
    ).until(1.6)
    assert world.line.is_motion_lost
    assert world.events.states[-1].status is DiverterStatus.STALE
    world.until(2.1)
    assert not world.line.is_motion_lost
    assert world.only().cause is Cause.MOTION_LOST
    world.until(4.0)
    assert world.events.records[1].outcome is Outcome.FIRED
    counts = world.line.counts()
    assert counts["missed_motion_lost"] == counts["motion_lost"] == 1
    assert counts["observations_without_motion"] > 0


def test_without_any_motion_nothing_is_decided_until_the_end() -> None:
    world = World([Thing(0.3)], has_encoder=lambda _: False).until(1.0)
    assert world.line.is_motion_lost
    world.flush()
    assert world.events.records == []
    assert world.line.counts()["observations_without_motion"] == 31


def test_what_is_due_while_the_line_is_disabled_is_missed() -> None:
    world = World([Thing(0.3), Thing(-0.2)]).until(1.0)
    assert world.line.set_enabled(False, "test", world.now_ns) == "disabled: test"
    assert world.line.set_enabled(False, "test", world.now_ns) == "already disabled"
    assert not world.line.is_enabled
    world.until(1.5)
    assert world.only().cause is Cause.DISABLED
    assert {s.status for s in world.line.states(world.now_ns)} == {DiverterStatus.DISABLED}
    assert world.line.set_enabled(True, "", world.now_ns) == "enabled: on request"
    world.until(3.0)
    assert world.events.records[1].outcome is Outcome.FIRED


def test_enabling_without_motion_keeps_the_flaps_home() -> None:
    world = World([], has_encoder=lambda at_sec: at_sec < 0.2).until(0.1)
    world.line.set_enabled(False, "", world.now_ns)
    world.until(1.0)
    world.line.set_enabled(True, "", world.now_ns)
    assert {s.status for s in world.line.states(world.now_ns)} == {DiverterStatus.STALE}


def test_a_driver_that_fails_is_recorded_and_recovers() -> None:
    world = World([Thing(0.3), Thing(-0.2)]).until(1.0)
    world.driver.is_broken = True
    world.until(1.5)
    assert world.only().cause is Cause.DRIVER_FAULT
    assert world.line.states(world.now_ns)[0].status is DiverterStatus.FAULT
    world.driver.is_broken = False
    world.until(4.0)
    assert world.events.records[1].outcome is Outcome.FIRED


def test_the_end_decides_what_is_in_view_and_ends_what_is_on_its_way() -> None:
    world = World([Thing(0.3), Thing(-0.2), Thing(-2.0)]).until(1.2).flush()
    assert [r.cause for r in world.events.records] == [Cause.RUN_ENDED, Cause.RUN_ENDED]
    assert len(world.events.decisions) == 2
    world.flush()
    assert len(world.events.records) == 2


def test_touching_items_are_rejected() -> None:
    world = World([Thing(0.0, is_touching=True)]).until(4.0)
    assert world.only().outcome is Outcome.PASSED
    assert world.only().decision.reason is Reason.OVERLAPPING


@pytest.mark.parametrize("jump_sec", [3600.0, -3600.0])
def test_a_clock_that_is_set_by_an_hour_changes_nothing(jump_sec: float) -> None:
    things = [Thing(0.3 - 0.15 * i, m) for i, m in enumerate(["glass", "metal", "paper", "trash"])]
    plain = World(things, is_stamped=True).until(4.0)
    jumped = World(things, is_stamped=True, clock_jump_sec=jump_sec).until(4.0)

    def ends(world: World) -> list[tuple[int, Outcome, str, int]]:
        return [
            (r.decision.item_id, r.outcome, r.diverter, r.issued_ns) for r in world.events.records
        ]

    assert jumped.clock.clock_resets == 1
    assert ends(jumped) == ends(plain)
    assert [r[1] for r in ends(plain)].count(Outcome.FIRED) == 3


def test_the_line_is_made_for_its_layout() -> None:
    with pytest.raises(InvalidInputError) as caught:
        BeltLine(layout(), SpeedMotion(0.5), FakeDriver(), LineConfig(tick_hz=20.0))
    assert caught.value.field == "tick_sec"
    with pytest.raises(InvalidInputError) as caught:
        BeltLine(layout(), SpeedMotion(0.5), FakeDriver(diverters=("flap_1",)))
    assert caught.value.field == "diverters"
    for tick_hz in (0.0, -1.0, float("nan")):
        with pytest.raises(InvalidInputError) as caught:
            LineConfig(tick_hz=tick_hz)
        assert caught.value.field == "tick_hz"


def test_closing_frees_the_driver() -> None:
    driver = FakeDriver()
    BeltLine(layout(), SpeedMotion(0.5), driver).close()
    assert driver.is_closed


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(0.09, 0.3),  # metres behind the one before
            st.sampled_from(["glass", "metal", "plastic", "paper", "trash"]),
            st.floats(-0.2, 0.2),
        ),
        min_size=1,
        max_size=8,
    ),
    st.lists(
        st.tuples(st.floats(0.3, 1.0), st.sampled_from([0.5, 1.0, 0.2, 0.0, -0.3])), max_size=4
    ),
    st.sets(st.integers(0, 200), max_size=30),
    st.integers(0, 20),
)
def test_on_any_belt_every_item_ends_once_and_none_is_fired_late(
    gaps: list[tuple[float, str, float]],
    speeds: list[tuple[float, float]],
    dropped: set[int],
    delay_ticks: int,
) -> None:
    s_m, things = 0.0, []
    for gap_m, material, y_m in gaps:
        s_m -= gap_m
        things.append(Thing(s_m, material, y_m))
    points, at_sec = [(0.0, 0.5)], 0.0
    for duration_sec, speed in speeds:
        at_sec += duration_sec
        points.append((at_sec, speed))
    points.append((at_sec + 0.5, 0.7))
    world = World(
        things, Belt(points), has_frame=lambda n: n not in dropped, delay_ticks=delay_ticks
    )
    world.until(at_sec + 0.5 + (1.8 - s_m) / 0.7).flush()
    decided = Counter(d.item_id for d in world.events.decisions)
    ended = Counter(r.decision.item_id for r in world.events.records)
    assert decided == ended
    assert set(decided.values()) <= {1}
    fired = [r for r in world.events.records if r.outcome is Outcome.FIRED]
    assert len(fired) == len(world.events.commands)
    for record in fired:
        assert record.issued_ns - record.scheduled_ns <= sec(0.01)
    # Nobody is doubled, and nobody is lost but for what left the view backwards.
    if all(speed >= 0 for _, speed in speeds) and len(dropped) < 10:
        assert len(decided) == len(things)
        assert {world.thing_of(r).s_m for r in world.events.records} == {t.s_m for t in things}
