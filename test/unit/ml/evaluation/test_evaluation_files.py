# SPDX-License-Identifier: Apache-2.0
"""``figures.json`` and ``predictions.csv`` survive the way to disk and back."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from support.evaluations import predictions_of, random_predictions

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.evaluation.evaluate import data_digest, evaluate_predictions
from recycle_sorter.ml.evaluation.files import read_json, read_predictions, to_json, write_text
from recycle_sorter.ml.evaluation.metrics import measure
from recycle_sorter.ml.evaluation.predictions import Failure, Predictions
from recycle_sorter.ml.evaluation.report import write_evaluation


def test_predictions_come_back_with_the_same_figures(tmp_path: Path) -> None:
    made = random_predictions(150, temperature=1.7)
    files = write_evaluation(tmp_path, evaluate_predictions(made, "net on data", {}), report=False)
    assert [file.name for file in files] == ["figures.json", "predictions.csv"]
    back = read_predictions(tmp_path / "predictions.csv")
    assert set(back.names) == set(made.names)
    again, before = measure(back).to_dict(), measure(made).to_dict()
    assert again["confusion"] == before["confusion"]
    for name in ("n", "accuracy", "interval", "recall", "top2", "nll", "ece"):
        assert again[name] == pytest.approx(before[name], abs=1e-4), name


def test_the_table_is_for_people_too(tmp_path: Path) -> None:
    made = predictions_of([0, 1, 2], [0, 1, 1], [0.9, 0.6, 0.8], names=["a", "ü, b", "c"])
    write_evaluation(tmp_path, evaluate_predictions(made, "t", {}), report=False)
    with (tmp_path / "predictions.csv").open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    assert [row["picture"] for row in rows] == ["c", "ü, b", "a"], "greatest loss first"
    assert rows[0]["actual"] == "glass"
    assert rows[0]["predicted"] == "metal"
    assert [row["right"] for row in rows] == ["0", "1", "1"]
    assert float(rows[0]["probability"]) == pytest.approx(0.8)
    assert float(rows[0]["loss"]) == pytest.approx(-np.log(0.04), rel=1e-5)
    assert float(rows[0]["p_glass"]) == pytest.approx(0.04)


def test_digests_come_back_or_none_does(tmp_path: Path) -> None:
    made = predictions_of([0, 1], [0, 1])
    known = Predictions(made.names, made.labels, made.logits, made.classes, 1.0, ("12ab", "34cd"))
    for one in (known, made):
        write_evaluation(tmp_path, evaluate_predictions(one, "t", {}), report=False)
        assert read_predictions(tmp_path / "predictions.csv").digests == one.digests


def test_the_json_names_failures_and_origin(tmp_path: Path) -> None:
    made = predictions_of([0, 1], [0, 1])
    known = Predictions(made.names, made.labels, made.logits, made.classes, 1.0, ("12ab", "34cd"))
    evaluation = evaluate_predictions(
        known, "net on data", {"model_id": "net"}, failed=[Failure("x.jpg", "is empty")]
    )
    write_evaluation(tmp_path, evaluation, report=False)
    values = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert values["n"] == 2
    assert values["n_failed"] == 1
    assert values["failed"] == [{"picture": "x.jpg", "error": "is empty"}]
    assert values["about"]["model_id"] == "net"
    assert values["about"]["data_sha256"] == data_digest(known)
    assert read_json(tmp_path / "figures.json") == values


def test_the_digest_of_the_data_knows_labels_and_contents_but_no_order() -> None:
    made = predictions_of([0, 1], [0, 1], names=["a", "b"])

    def digest(order: list[int], labels: list[int], digests: tuple[str, str]) -> str:
        names = tuple(made.names[i] for i in order)
        logits = made.logits[order]
        shown = tuple(digests[i] for i in order)
        return data_digest(
            Predictions(names, np.array(labels)[order], logits, made.classes, 1.0, shown)
        )

    first = digest([0, 1], [0, 1], ("12", "34"))
    assert digest([1, 0], [0, 1], ("12", "34")) == first
    assert digest([0, 1], [0, 2], ("12", "34")) != first
    assert digest([0, 1], [0, 1], ("12", "35")) != first


def test_json_keeps_a_row_of_a_matrix_on_one_line() -> None:
    values = {"n": 1, "confusion": [[1, 2], [3, 4]], "recall": {"a": 0.5}, "text": "ü", "none": []}
    text = to_json(values)
    assert json.loads(text) == values
    assert "    [1, 2],\n" in text
    assert '"recall": {"a": 0.5}' in text


HEADER = "picture,actual,predicted,right,probability,loss,sha256,p_a,p_b\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "columns"),
        ("picture,actual\nx,a\n", "columns"),
        (HEADER, "at least one"),
        (HEADER + "x,a,a,1,0.5,0.1,,0.5\n", "row 2.*8 cells"),
        (HEADER + "x,c,a,1,0.5,0.1,,0.5,0.5\n", "row 2.*known class"),
        (HEADER + "x,a,a,1,0.5,0.1,,0.5,much\n", "row 2.*much"),
        (HEADER + "x,a,a,1,0.5,0.1,,nan,0.5\n", "row 2.*outside 0 to 1"),
        (HEADER + 2 * "x,a,a,1,0.5,0.1,,0.5,0.5\n", "a name twice"),
        (HEADER + '"x,a\n', "a table that can be read"),
    ],
)
def test_a_spoilt_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "predictions.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInputError, match=message):
        read_predictions(tmp_path / "predictions.csv")


@pytest.mark.parametrize("text", ["", "[1]", "{"])
def test_a_spoilt_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "figures.json").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInputError, match=r"figures"):
        read_json(tmp_path / "figures.json")


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(InvalidInputError, match=r"file.x\.json.*Fix: give another path"):
        write_text(tmp_path / "file" / "x.json", "{}")
