# SPDX-License-Identifier: Apache-2.0
"""When a difference between two runs is noise, and when not."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.evaluations import predictions_of

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.evaluation.compare import Difference, compare, holm, mcnemar
from recycle_sorter.ml.evaluation.evaluate import evaluate_predictions
from recycle_sorter.ml.evaluation.predictions import Predictions
from recycle_sorter.ml.evaluation.report import write_evaluation
from recycle_sorter.ml.evaluation.runs import Run, load_run, load_runs


def run_of(name: str, wrong: set[int], count: int = 200, **changes: Any) -> Run:
    """A run on the same pictures that has ``wrong`` of them wrong."""
    actual = [i % 6 for i in range(count)]
    predicted = [(a + 1) % 6 if i in wrong else a for i, a in enumerate(actual)]
    names = changes.get("names") or [f"{i:04d}.jpg" for i in range(count)]
    made = predictions_of(predicted, actual, names=names)
    made = Predictions(
        made.names, made.labels, made.logits, made.classes, 1.0, changes.get("digests", ())
    )
    return Run(name, evaluate_predictions(made, name, {}).to_dict(), made)


def only(runs: list[Run], **options: Any) -> Difference:
    (difference,) = compare(runs, **options).differences
    return difference


def test_the_same_answers_are_equal() -> None:
    one = only([run_of("a", {1, 2}), run_of("b", {1, 2})])
    assert (one.verdict, one.p_value, one.interval) == ("equal", 1.0, (0.0, 0.0))


def test_a_few_pictures_are_noise_and_many_are_not() -> None:
    base = run_of("base", set(range(20)))
    noise = only([base, run_of("new", set(range(4, 22)))], reference="base")
    assert (noise.better, noise.worse, noise.n) == (4, 2, 200)
    assert noise.accuracy == pytest.approx(0.01)
    assert noise.verdict == "noise"
    assert noise.interval[0] < 0 < noise.interval[1]
    better = only([base, run_of("new", set(range(15, 20)))], reference="base")
    assert (better.better, better.worse) == (15, 0)
    assert better.verdict == "better"
    assert better.interval[0] > 0
    assert "15 right that base has wrong, 0 the other way, of 200" in better.reason


def test_the_most_accurate_is_the_reference_unless_named() -> None:
    runs = [run_of("a", set(range(60))), run_of("b", {1}), run_of("c", set(range(5)))]
    found = compare(runs)
    assert found.reference.name == "b"
    assert [(one.run, one.verdict) for one in found.differences] == [("a", "worse"), ("c", "noise")]
    assert compare(runs, "a").reference.name == "a"
    assert found.difference_of(runs[1]) is None
    with pytest.raises(InvalidInputError, match="one of a, b, c"):
        compare(runs, "d")


def test_pairing_finds_what_intervals_cannot() -> None:
    # Both intervals overlap widely; on the same pictures one is better nine times out of nine.
    a, b = run_of("a", set(range(30))), run_of("b", set(range(21)))
    paired = only([a, b], reference="a")
    loose = only([Run("a", a.figures), Run("b", b.figures)], reference="a")
    assert a.interval[1] > b.interval[0]
    assert (paired.paired, paired.verdict) == (True, "better")
    assert (loose.paired, loose.verdict, loose.better) == (False, "noise", None)
    assert "unpaired" in loose.reason
    assert loose.accuracy == pytest.approx(paired.accuracy)


def test_unpaired_differences_are_found_too() -> None:
    a, b = run_of("a", set(range(80))), run_of("b", set(range(20)))
    loose = only([Run("a", a.figures), Run("b", b.figures)], reference="a")
    assert loose.verdict == "better"
    # Two-proportion z-test by hand: 120 and 180 of 200.
    z = 0.3 / math.sqrt(0.75 * 0.25 * (2 / 200))
    assert loose.p_value == pytest.approx(math.erfc(z / math.sqrt(2)))
    assert 0.2 < loose.interval[0] < 0.3 < loose.interval[1] < 0.4


def test_two_perfect_runs_on_other_pictures_do_not_divide_by_zero() -> None:
    a, b = run_of("a", set()), run_of("b", set(), 100)
    loose = only([Run("a", a.figures), Run("b", b.figures)])
    assert (loose.p_value, loose.verdict) == (1.0, "noise")


@pytest.mark.parametrize(
    "changes",
    [
        {"names": [f"other{i}.jpg" for i in range(200)]},
        {"names": [f"{i:04d}.jpg" for i in range(50)] + [f"x{i}.jpg" for i in range(150)]},
        {"digests": tuple("b" for _ in range(200))},
    ],
    ids=["other names", "too few in common", "same names, other contents"],
)
def test_other_pictures_are_not_paired(changes: dict[str, Any]) -> None:
    base = run_of("a", {1, 2}, digests=tuple("a" for _ in range(200)))
    assert not only([base, run_of("b", {3}, **changes)]).paired


def test_other_labels_are_not_paired() -> None:
    actual = [(i + 1) % 6 for i in range(200)]
    made = predictions_of(actual, actual, names=[f"{i:04d}.jpg" for i in range(200)])
    other = Run("b", evaluate_predictions(made, "b", {}).to_dict(), made)
    assert not only([run_of("a", {1}), other]).paired


def test_pictures_in_another_order_and_some_unreadable_are_paired() -> None:
    whole, part = run_of("a", {1, 2, 150}), run_of("b", {1}, 190)
    assert part.predictions is not None
    turned = part.predictions
    back = Predictions(turned.names[::-1], turned.labels[::-1], turned.logits[::-1], turned.classes)
    one = only([whole, Run("b", part.figures, back)], reference="a")
    assert (one.paired, one.n, one.better, one.worse) == (True, 190, 2, 0)


def test_mcnemar_against_the_textbook() -> None:
    # scipy.stats.binomtest(k, n) gives these.
    assert mcnemar(5, 15) == pytest.approx(0.04138947)
    assert mcnemar(0, 5) == pytest.approx(0.0625)
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(7, 7) == 1.0
    assert mcnemar(3000, 3200) == pytest.approx(0.0115, abs=2e-4)


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_is_symmetric_and_a_probability(a: int, b: int) -> None:
    assert mcnemar(a, b) == mcnemar(b, a)
    assert 0 < mcnemar(a, b) <= 1


def test_equal_models_differ_in_one_test_of_twenty_at_most() -> None:
    rng = np.random.default_rng(0)
    found = [mcnemar(int(k), 40 - int(k)) < 0.05 for k in rng.binomial(40, 0.5, 4000)]
    assert np.mean(found) < 0.05


def test_holm_keeps_the_order_and_grows_with_the_number_of_runs() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.2]) == [0.2]
    assert holm([0.9, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_many_runs_make_a_small_difference_noise() -> None:
    base = run_of("base", set(range(20)))
    good = run_of("good", set(range(6, 20)))  # p = 0.031 alone
    assert only([base, good], reference="base").verdict == "better"
    others = [run_of(f"other{i}", set(range(20)) | {30 + i}) for i in range(3)]
    crowded = compare([base, good, *others], "base")
    assert crowded.differences[0].verdict == "noise"


def write_run(folder: Path, wrong: set[int], *, below: str = "evaluation") -> Path:
    run = run_of("x", wrong)
    assert run.predictions is not None
    evaluation = evaluate_predictions(run.predictions, "x", {})
    write_evaluation(folder / below, evaluation, report=False)
    return folder


def test_runs_are_read_from_folders_and_files(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one", {1, 2, 3})
    two = write_run(tmp_path / "two", {1}, below=".")
    alone = tmp_path / "alone.json"
    alone.write_bytes((two / "figures.json").read_bytes())
    runs = load_runs([one, two, alone])
    assert [run.name for run in runs] == ["one", "two", "alone"]
    assert [run.predictions is not None for run in runs] == [True, True, False]
    assert runs[0].accuracy == pytest.approx(197 / 200)
    assert (runs[0].right, runs[2].right) == (197, 199)
    assert runs[0].interval[0] < runs[0].accuracy < runs[0].interval[1]
    assert load_run(two / "figures.json").predictions is not None


def test_runs_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    paths = [write_run(tmp_path / day / "run", {1}) for day in ("mon", "tue")]
    assert [run.name for run in load_runs(paths)] == ["mon/run", "tue/run"]
    with pytest.raises(InvalidInputError, match="each run once"):
        load_runs([paths[0], paths[0]])


def test_a_table_of_another_evaluation_is_left_aside(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", {1}, below=".")
    values = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
    (folder / "other.json").write_text(json.dumps({**values, "n": 50}), encoding="utf-8")
    assert load_run(folder / "other.json").predictions is None


@pytest.mark.parametrize("wrong", [{1, 2}, {2}])
def test_a_table_of_another_model_on_the_same_pictures_is_left_aside(
    tmp_path: Path, wrong: set[int]
) -> None:
    # As `evaluate --model OTHER --json` writes it into the folder of a report.
    folder = write_run(tmp_path / "run", {1}, below=".")
    other = write_run(tmp_path / "other", wrong, below=".")
    (folder / "other.json").write_bytes((other / "figures.json").read_bytes())
    read = load_run(folder / "other.json")
    assert read.predictions is None
    assert read.right == 200 - len(wrong)
    assert load_run(folder).predictions is not None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": 0}, "n: got 0"),
        ({"n": 10**400}, "n: got 1000"),
        ({"n": "many"}, "n: got 'many'"),
        ({"accuracy": 87.8}, "accuracy: got 87.8, expected a share"),
        ({"ece": None}, "ece: got None"),
        ({"recall": [1]}, "recall"),
        ({"recall": {"glass": True}}, "recall"),
        ({"accuracy_at_coverage": {"0.9": 2}}, "accuracy_at_coverage"),
    ],
)
def test_spoilt_figures_are_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    folder = write_run(tmp_path / "run", {1})
    file = folder / "evaluation" / "figures.json"
    values = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(values | change), encoding="utf-8")
    with pytest.raises(InvalidInputError, match=message):
        load_run(folder)


def test_a_folder_without_figures_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"Fix: run `recycle-sorter evaluate --report`"):
        load_run(tmp_path)
    with pytest.raises(InvalidInputError, match="can be read"):
        load_run(tmp_path / "none.json")


def test_one_run_has_nothing_to_be_compared_with() -> None:
    with pytest.raises(InvalidInputError, match="two or more"):
        compare([run_of("a", {1})])
