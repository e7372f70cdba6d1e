# SPDX-License-Identifier: Apache-2.0
"""The account of a belt's run: each figure on a run whose figures are known by hand."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recycle_sorter.core.belt.account import BeltAccount
from recycle_sorter.core.belt.judged import TrueItem
from recycle_sorter.core.belt.matching import Place, distance_m, pair
from recycle_sorter.core.belt.types import Cause, ItemRecord, Outcome
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import Reason, SortDecision

SEC = 1_000_000_000
START_NS = 100 * SEC
MS = 1_000_000
BIN_OF = {"glass": "glass", "metal": "metal", "paper": "fibre", "cardboard": "fibre",
          "trash": "residue"}  # fmt: skip


def truth(number: int, material: str, *, separate: bool = True, counts: bool = True) -> TrueItem:
    """Items lie 0.3 m apart, upstream of each other."""
    return TrueItem(
        number, material, -0.3 * number, 0.05, START_NS + number * SEC, separate, counts
    )


def decide(number: int, material: str, bin_name: str, reason: Reason = Reason.ACCEPTED,
           item_id: int = 0) -> SortDecision:  # fmt: skip
    stamp_ns = START_NS + number * SEC + SEC
    return SortDecision(stamp_ns, item_id or number, material, 0.9, bin_name, reason, "because", 5)


def end(decision: SortDecision, outcome: Outcome = Outcome.FIRED, cause: Cause = Cause.NONE,
        late_ns: int = 0) -> ItemRecord:  # fmt: skip
    due_ns = decision.stamp_ns + SEC
    if outcome is not Outcome.FIRED:
        return ItemRecord(decision, outcome, cause, ended_ns=due_ns, detail="so")
    return ItemRecord(
        decision, outcome, cause, "valve", due_ns, due_ns + late_ns, ended_ns=due_ns, detail="so"
    )


@pytest.fixture
def account() -> BeltAccount:
    return BeltAccount(BIN_OF, "residue")


def run_one(account: BeltAccount, number: int, true: str, said: str, bin_name: str,
            landed: str | None = None) -> None:  # fmt: skip
    account.on_truth(truth(number, true))
    decision = decide(number, said, bin_name)
    account.on_decision(decision, -0.3 * number + 0.004, 0.052, latency_ns=number * MS)
    account.on_record(end(decision))
    if landed is not None:
        account.on_landing(number, landed)


def test_an_empty_run_has_an_account(account: BeltAccount) -> None:
    found = account.summary(model_id="m")
    assert found["model_id"] == "m"
    assert found["items"]["true"] == found["items"]["decided"] == found["records"]["lost"] == 0
    assert found["items"]["found_separate_share"] is None
    assert [row["bin"] for row in found["bins"]] == ["glass", "metal", "fibre", "residue"]
    assert all(row["purity"] is None and row["recovery"] is None for row in found["bins"])
    assert found["timing_error_ms"] == {"n": 0, "p50": None, "p95": None, "p99": None, "max": None}
    json.dumps(found, allow_nan=False)


def test_purity_recovery_and_contamination(account: BeltAccount) -> None:
    run_one(account, 1, "glass", "glass", "glass", "glass")
    run_one(account, 2, "glass", "metal", "metal", "metal")  # the classifier was wrong
    run_one(account, 3, "metal", "metal", "metal", "metal")
    run_one(account, 4, "paper", "paper", "fibre", "fibre")
    run_one(account, 5, "cardboard", "paper", "fibre", "fibre")  # wrong, but the right bin
    run_one(account, 6, "metal", "metal", "metal", "residue")  # the diverter was not there
    found = account.summary()
    rows = {row["bin"]: row for row in found["bins"]}
    assert (rows["glass"]["purity"], rows["glass"]["recovery"]) == (1.0, 0.5)
    assert (rows["metal"]["items"], rows["metal"]["purity"]) == (2, 0.5)
    assert (rows["metal"]["due"], rows["metal"]["recovery"]) == (2, 0.5)
    assert (rows["metal"]["recovery_decided"], rows["metal"]["purity_decided"]) == (1.0, 0.6667)
    assert (rows["fibre"]["purity"], rows["fibre"]["recovery"]) == (1.0, 1.0)
    assert (rows["residue"]["items"], rows["residue"]["purity"]) == (1, 0.0)
    assert found["contamination"]["metal"] == {
        "cardboard": 0, "glass": 1, "metal": 1, "paper": 0, "trash": 0,
    }  # fmt: skip
    assert found["contamination"]["residue"]["metal"] == 1
    assert found["sorting"] == {
        "items": 6, "decided_right": 0.8333, "sorted_right": 0.6667, "lost_points": 16.67,
        "wrong_place": 1,
    }  # fmt: skip


def test_without_landings_the_record_tells_the_bin(account: BeltAccount) -> None:
    for number, outcome, cause in (
        (1, Outcome.FIRED, Cause.NONE),
        (2, Outcome.MISSED, Cause.CONFLICT),
        (3, Outcome.PASSED, Cause.NONE),
    ):
        account.on_truth(truth(number, "glass"))
        decision = decide(number, "glass", "glass")
        account.on_decision(decision, -0.3 * number)
        account.on_record(end(decision, outcome, cause))
    account.on_truth(truth(4, "glass"))  # nobody found it: it fell off the end
    found = account.summary()
    counts = {name: row["glass"] for name, row in found["contamination"].items()}
    assert counts == {"glass": 1, "metal": 0, "fibre": 0, "residue": 3}
    assert found["records"]["causes"] == {"conflict": 1}


def test_items_that_are_under_way_fell_nowhere(account: BeltAccount) -> None:
    run_one(account, 1, "glass", "glass", "glass", "glass")
    run_one(account, 2, "glass", "glass", "glass")  # fired, and the run ended
    account.on_truth(truth(3, "glass"))
    decision = decide(3, "glass", "glass")
    account.on_decision(decision, -0.9)
    account.on_record(end(decision, Outcome.MISSED, Cause.RUN_ENDED))
    found = account.summary()
    assert found["items"]["found"] == 3
    assert [row["due"] for row in found["bins"]] == [1, 0, 0, 0]
    assert found["sorting"]["items"] == 1


def test_missed_doubled_and_phantom_items(account: BeltAccount) -> None:
    run_one(account, 1, "glass", "glass", "glass")
    account.on_decision(decide(1, "glass", "glass", item_id=9), -0.3 + 0.01, 0.05)  # the same again
    account.on_decision(decide(3, "glass", "glass", item_id=10), 7.0, 0.05)  # nothing lay there
    account.on_truth(truth(2, "metal"))
    account.on_truth(truth(3, "metal", separate=False))
    account.on_truth(truth(4, "metal", counts=False))
    items = account.summary()["items"]
    assert items["true"] == 3
    assert (items["separate"], items["found_separate"]) == (2, 1)
    assert items["found_separate_share"] == 0.5
    assert (items["found"], items["missed"], items["doubled"], items["phantoms"]) == (1, 2, 1, 1)
    assert items["decided"] == 3


def test_an_item_decided_though_the_run_ended_is_counted(account: BeltAccount) -> None:
    account.on_truth(truth(1, "glass", counts=False))
    account.on_decision(decide(1, "glass", "glass"), -0.3)
    assert account.summary()["items"]["found"] == 1


def test_without_truth_nothing_is_a_phantom(account: BeltAccount) -> None:
    account.on_decision(decide(1, "glass", "glass"), -0.3)
    items = account.summary()["items"]
    assert (items["decided"], items["phantoms"], items["doubled"]) == (1, 0, 0)
    assert items["found_share"] is None


def test_lost_doubled_and_stray_records(account: BeltAccount) -> None:
    for number in (1, 2, 3):
        account.on_decision(decide(number, "glass", "glass"), -0.3 * number)
    for number in (1, 1, 2, 7):
        account.on_record(end(decide(number, "glass", "glass")))
    records = account.summary()["records"]
    assert (records["lost"], records["doubled"], records["stray"]) == (1, 1, 1)
    assert records["written"] == records["fired"] == 4


def test_timing_is_counted_with_its_sign_left_out(account: BeltAccount) -> None:
    for number, late_ns in enumerate((-2 * MS, 0, 3 * MS, 11 * MS), 1):
        decision = decide(number, "glass", "glass")
        account.on_decision(decision, -0.3 * number)
        account.on_record(end(decision, late_ns=late_ns))
    found = account.summary()
    assert found["timing_error_ms"] == {
        "n": 4, "p50": 2.5, "p95": 9.8, "p99": 10.76, "max": 11.0,
    }  # fmt: skip
    assert found["records"]["fired_late"] == 1, "the tolerance is 10 ms"


def test_position_error_and_latency(account: BeltAccount) -> None:
    run_one(account, 1, "glass", "glass", "glass")
    run_one(account, 2, "metal", "metal", "metal")
    account.on_pass(1, -0.004)
    account.on_pass(2, 0.002)
    found = account.summary()
    assert found["position_error_mm"]["max"] == 4.0
    assert found["position_error_mm"]["n"] == 2
    assert found["latency_ms"]["p50"] == 1.5


def test_the_classifier_beside_the_belt(account: BeltAccount) -> None:
    """Three pictures: the surest is wrong, the middle one right, all together right."""
    glass, metal = {"glass": 0.8, "metal": 0.2}, {"glass": 0.05, "metal": 0.95}
    account.on_truth(truth(1, "glass"))
    account.on_decision(
        decide(1, "glass", "glass"), -0.3, 0.05, crops=(glass, metal, glass), centre=2
    )
    account.on_truth(truth(2, "metal", separate=False))
    account.on_decision(decide(2, "metal", "metal"), -0.6, 0.05, crops=(metal,), centre=0)
    found = account.summary()["classifier"]
    assert (found["items"], found["crops"], found["crop_accuracy"]) == (2, 4, 0.75)
    assert (found["best_accuracy"], found["centre_accuracy"]) == (0.5, 1.0)
    assert (found["fused_accuracy"], found["fusion_gain_points"]) == (1.0, 50.0)
    assert found["separate"]["items"] == 1
    assert found["separate"]["fusion_gain_points"] == 100.0


@pytest.mark.parametrize("field", ["gate_m", "tolerance_sec"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_limits_are_checked(field: str, value: float) -> None:
    with pytest.raises(InvalidInputError, match=field):
        BeltAccount(BIN_OF, "residue", **{field: value})


PLACES = st.lists(
    st.builds(
        Place,
        st.floats(-1.0, 1.0),
        st.one_of(st.none(), st.floats(-0.2, 0.2)),
        st.integers(0, 3),
    ),
    max_size=12,
)


@given(PLACES, PLACES, st.floats(0.001, 0.5))
def test_pairs_are_one_to_one_near_and_in_time(
    found: list[Place], truths: list[Place], gate_m: float
) -> None:
    pairs = pair(found, truths, gate_m)
    assert len(set(pairs.values())) == len(pairs)
    for number, index in pairs.items():
        assert distance_m(found[number], truths[index]) <= gate_m
        assert found[number].time_ns >= truths[index].time_ns
    # Greedy pairing leaves no pair that both could still take.
    for number, place in enumerate(found):
        for index, true in enumerate(truths):
            if number not in pairs and index not in pairs.values():
                assert distance_m(place, true) > gate_m or place.time_ns < true.time_ns


def test_the_nearest_pair_is_taken_first() -> None:
    truths = [Place(0.0, 0.0, 0), Place(0.05, 0.0, 0)]
    found = [Place(0.03, 0.0, 1), Place(0.06, 0.0, 1)]
    assert pair(found, truths, 0.1) == {1: 1, 0: 0}


def test_order_of_entry_does_not_matter(account: BeltAccount) -> None:
    other = BeltAccount(BIN_OF, "residue")
    for numbers, one in (((1, 2, 3), account), ((3, 1, 2), other)):
        for number in numbers:
            run_one(one, number, "glass", "glass", "glass", "glass")
    assert account.summary() == other.summary()
