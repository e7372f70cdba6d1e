# SPDX-License-Identifier: Apache-2.0
"""The local record of a job: nothing is lost to a kill, and all of it is read back."""

from __future__ import annotations

import hashlib
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.artifacts import (
    ArtifactRef,
    changed_files,
    checksums,
    describe,
    read_manifest,
)
from recycle_sorter.ml.record import EVENTS, Record
from recycle_sorter.ml.record_reader import find_records, logged_artifacts, read_record


def start(folder: Path, job_name: str = "resnet18_v1_train", **changes: Any) -> Record:
    settings = {"job_type": "train", "config": {"learn_rate": 0.001}, **changes}
    return Record(folder, job_name=job_name, **settings)


def some_files(folder: Path, count: int = 3) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"glass{number}.bin" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]) * 100)
    return paths


def test_all_of_it_is_read_back(tmp_path: Path) -> None:
    picture = tmp_path / "confusion.png"
    picture.write_bytes(b"not really a picture")
    record = start(tmp_path / "run", group="study", config={"out": Path("a/b"), "seeds": (1, 2)})
    record.metrics({"val/loss": 0.5, "val/accuracy": np.float32(0.25)}, step=0)
    record.metrics({"val/loss": math.nan, "train/loss": math.inf}, step=1)
    record.metrics({"seconds": 3}, step=1)
    record.summary({"accuracy": 0.5, "minutes": 2})
    record.summary({"accuracy": 0.75})
    record.image("plots/confusion", picture)
    record.table("predictions", ["name", "p"], [["glass/1.png", 0.5], ["paper, 2.png", None]])
    counts = record.confusion("val", np.array([[3, 1], [0, 2]]).tolist(), ["glass", "paper"])
    data = record.describe(describe("trashnet", "raw_data", some_files(tmp_path / "data")))
    record.use(data)
    model = record.log(describe("resnet18", "model", some_files(tmp_path / "run" / "weights", 1)))
    record.note("the last epoch was shorter")
    record.finish()

    back = read_record(tmp_path / "run")
    assert (back.job_name, back.job_type, back.group) == ("resnet18_v1_train", "train", "study")
    assert back.config == {"out": "a/b", "seeds": [1, 2]}
    assert back.history[0] == {"step": 0, "val/loss": 0.5, "val/accuracy": 0.25}
    assert math.isnan(back.history[1]["val/loss"])
    assert back.history[1]["train/loss"] == math.inf
    assert back.history[1]["seconds"] == 3
    assert back.summary == {"accuracy": 0.75, "minutes": 2}
    assert json.loads((back.folder / "summary.json").read_text("utf-8")) == back.summary
    assert back.images["plots/confusion"].read_bytes() == b"not really a picture"
    assert back.read_table("predictions") == (
        ["name", "p"],
        [["glass/1.png", 0.5], ["paper, 2.png", None]],
    )
    csv = back.tables["predictions"].with_suffix(".csv").read_text("utf-8")
    assert csv.splitlines()[2] == '"paper, 2.png",'
    assert (
        back.confusion["val"]
        == (["glass", "paper"], counts)
        == (["glass", "paper"], [[3, 1], [0, 2]])
    )
    assert (back.used, back.logged) == ([data], [model])
    assert back.notes == ["the last epoch was shorter"]
    assert (back.state, back.starts) == ("finished", 1)
    assert logged_artifacts(tmp_path / "run", "model") == [model]
    assert logged_artifacts(tmp_path / "run", "raw_data") == []


KILLED = """
import os, signal, sys
from pathlib import Path
from recycle_sorter.ml.record import Record
record = Record(Path(sys.argv[1]), job_name="resnet18_v1_train", job_type="train", config={})
for step in range(1000):
    record.metrics({"val/loss": 1.0 / (step + 1)}, step)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_job_has_lost_nothing(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    back = read_record(tmp_path)
    assert [row["step"] for row in back.history] == list(range(1000))
    assert back.state == "running"


@pytest.mark.parametrize("left", [1, 7, 40])
def test_a_line_that_a_kill_cut_off_is_dropped(tmp_path: Path, left: int) -> None:
    record = start(tmp_path)
    record.metrics({"val/loss": 0.5}, step=0)
    events = tmp_path / "record" / EVENTS
    whole = events.read_bytes()
    record.metrics({"val/loss": 0.25}, step=1)
    os.truncate(events, len(whole) + left)

    assert [row["step"] for row in read_record(tmp_path).history] == [0]
    resumed = start(tmp_path)
    assert resumed.is_resumed
    assert resumed.run_id == record.run_id
    resumed.metrics({"val/loss": 0.125}, step=1)
    assert [row["val/loss"] for row in read_record(tmp_path).history] == [0.5, 0.125]


def test_steps_that_were_repeated_after_a_kill_count_once(tmp_path: Path) -> None:
    record = start(tmp_path)
    for step in range(4):
        record.metrics({"val/loss": 1.0 + step, "only_then": 1.0}, step)
    record.summary({"best": 0.5})
    resumed = start(tmp_path, config={"learn_rate": 0.002})  # from the checkpoint of step 1
    resumed.summary({"minutes": 3})
    resumed.metrics({"val/loss": 9.0}, step=2)
    back = read_record(tmp_path)
    assert [row["val/loss"] for row in back.history] == [1.0, 2.0, 9.0]
    assert "only_then" not in back.history[2]
    assert back.config == {"learn_rate": 0.002}
    assert back.summary == {"best": 0.5, "minutes": 3}
    told = json.loads((tmp_path / "record" / "summary.json").read_text("utf-8"))
    assert told == back.summary
    assert back.starts == 2


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    record = start(tmp_path)
    record.metrics({"val/loss": 0.5}, step=0)
    events = tmp_path / "record" / EVENTS
    lines = events.read_text("utf-8").splitlines(keepends=True)
    events.write_text(lines[0] + '{"kind": "met\n' + lines[1], "utf-8")
    with pytest.raises(InvalidInputError, match="line 2"):
        read_record(tmp_path)


def test_an_event_without_its_values_is_named(tmp_path: Path) -> None:
    start(tmp_path)
    with (tmp_path / "record" / EVENTS).open("a", encoding="utf-8") as stream:
        stream.write('{"kind": "metrics", "step": 3}\n')
    with pytest.raises(InvalidInputError, match=r"event 2.*values.*a whole metrics event"):
        read_record(tmp_path)


@pytest.mark.parametrize(
    "event",
    [
        {"kind": "summary", "values": []},
        {"kind": "metrics", "step": 1, "values": 3},
        {"kind": "metrics", "step": math.inf, "values": {}},
        {"kind": "metrics", "step": 1, "values": {"val/loss": 10**400}},
        {"kind": "note", "text": 5},
        {"kind": "table", "name": ["a"], "file": "a.json"},
        {"kind": "log", "name": 1, "type": "model", "digest": "", "manifest": None},
        {"kind": "confusion", "name": "val", "classes": "glass", "matrix": [[1]]},
    ],
)
def test_an_event_of_other_content_is_named(tmp_path: Path, event: dict[str, Any]) -> None:
    start(tmp_path)
    with (tmp_path / "record" / EVENTS).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(event) + "\n")
    with pytest.raises(InvalidInputError, match=f"event 2: .*a whole {event['kind']} event"):
        read_record(tmp_path)


def test_a_summary_of_other_content_is_named_when_the_job_goes_on(tmp_path: Path) -> None:
    start(tmp_path)
    with (tmp_path / "record" / EVENTS).open("a", encoding="utf-8") as stream:
        stream.write('{"kind": "summary", "values": []}\n')
    with pytest.raises(InvalidInputError, match="summary: got"):
        start(tmp_path)


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    start(tmp_path).table("answers", ["name"], [["glass/1.png"]])
    record = read_record(tmp_path)
    record.tables["answers"].write_text("[]", encoding="utf-8")
    with pytest.raises(InvalidInputError, match=r"answers\.json: .*columns and rows"):
        record.read_table("answers")


def test_another_jobs_record_is_refused(tmp_path: Path) -> None:
    start(tmp_path)
    with pytest.raises(InvalidInputError, match="choose another output folder"):
        start(tmp_path, "resnet34_v1_train")


@pytest.mark.parametrize("name", ["../out", "a/../../b", "", "a\\b", "...", "/etc/x"])
def test_a_table_stays_in_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInputError, match="tables: name"):
        start(tmp_path).table(name, ["a"], [])


def test_a_row_that_does_not_fit_is_named(tmp_path: Path) -> None:
    record = start(tmp_path)
    with pytest.raises(InvalidInputError, match=r"table t.*2 cells a row"):
        record.table("t", ["a", "b"], [[1, 2], [3]])
    with pytest.raises(InvalidInputError, match=r"confusion c: got \[2, 1\], expected 2 x 2"):
        record.confusion("c", [[1, 2], [3]], ["glass", "paper"])


def test_the_digest_is_what_sha256sum_gives(tmp_path: Path) -> None:
    files = some_files(tmp_path / "data", 2)
    manifest = describe("trashnet", "raw_data", files)
    listed = "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files
    )
    assert checksums(manifest.files) == listed
    assert manifest.digest == hashlib.sha256(listed.encode()).hexdigest()


def test_the_digest_knows_content_and_names_and_nothing_else(tmp_path: Path) -> None:
    one = describe("a", "model", some_files(tmp_path / "one"))
    two = describe("b", "raw_data", some_files(tmp_path / "two")[::-1], {"note": 1})
    assert one.digest == two.digest
    (tmp_path / "two" / "glass1.bin").rename(tmp_path / "two" / "paper1.bin")
    assert describe("b", "raw_data", sorted((tmp_path / "two").iterdir())).digest != one.digest
    below = describe("c", "raw_data", some_files(tmp_path / "one"), root=tmp_path)
    assert [entry.name for entry in below.files] == [f"one/glass{n}.bin" for n in range(3)]


@pytest.mark.parametrize("bit", [0, 399, 799])
def test_a_manifest_catches_one_flipped_bit(tmp_path: Path, bit: int) -> None:
    record = start(tmp_path / "run")
    ref = record.log(describe("split", "split_data", some_files(tmp_path / "data")))
    assert ref.manifest is not None
    manifest = read_manifest(ref.manifest)
    assert changed_files(manifest) == []
    path = tmp_path / "data" / "glass1.bin"
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    assert changed_files(manifest) == ["glass1.bin"]
    path.unlink()
    assert changed_files(manifest) == ["glass1.bin"]


def test_a_manifest_that_was_altered_is_refused(tmp_path: Path) -> None:
    ref = start(tmp_path).log(describe("split", "split_data", some_files(tmp_path / "data")))
    assert ref.manifest is not None
    content = json.loads(ref.manifest.read_text("utf-8"))
    content["files"][0]["sha256"] = "0" * 64
    ref.manifest.write_text(json.dumps(content), "utf-8")
    with pytest.raises(InvalidInputError, match="digest"):
        read_manifest(ref.manifest)


def test_a_run_and_its_data_can_be_moved_together(tmp_path: Path) -> None:
    here = tmp_path / "here"
    start(here / "run").log(describe("split", "split_data", some_files(here / "data")))
    here.rename(tmp_path / "there")
    (ref,) = read_record(tmp_path / "there" / "run").logged
    assert ref.manifest is not None
    assert changed_files(read_manifest(ref.manifest)) == []


def test_an_artifact_that_cannot_be_is_refused(tmp_path: Path) -> None:
    files = some_files(tmp_path / "data")
    for arguments, told in (
        (("a name", "model", files), "artifact.name"),
        (("name", "", files), "artifact.type"),
        (("name", "model", []), "no files"),
        (("name", "model", [tmp_path / "missing"]), "No such file"),
        (("name", "model", [files[0], files[0]]), "1 names twice"),
    ):
        with pytest.raises(InvalidInputError, match=told):
            describe(*arguments)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="below"):
        describe("name", "model", files, root=tmp_path / "elsewhere")


def test_records_are_found_below_a_folder(tmp_path: Path) -> None:
    start(tmp_path / "runs" / "one")
    start(tmp_path / "runs" / "one" / "evaluation", "resnet18_v1_test")
    start(tmp_path / "runs" / "two")
    found = find_records([tmp_path / "runs" / "one", tmp_path / "runs", tmp_path / "runs" / "two"])
    assert [str(path.relative_to(tmp_path / "runs")) for path in found] == [
        "one/evaluation/record",
        "one/record",
        "two/record",
    ]
    assert find_records([tmp_path / "runs" / "two" / "record"]) == found[2:]
    with pytest.raises(InvalidInputError, match="no record"):
        find_records([tmp_path / "runs", tmp_path / "elsewhere"])


def test_an_artifact_is_known_by_what_it_is(tmp_path: Path) -> None:
    assert ArtifactRef("a", "model", "0" * 64, tmp_path) == ArtifactRef("a", "model", "0" * 64)
