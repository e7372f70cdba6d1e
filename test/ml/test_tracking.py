# SPDX-License-Identifier: Apache-2.0
"""Tracking with W&B offline, switched off, without an account, not installed, or failing.

What an offline run leaves is read back record by record, and uploaded by W&B's own ``wandb sync``
to a stand-in for its server on loopback.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.bundles import make_tiny_bundle
from support.learning import CLASSES, make_job, tiny_network, write_folders
from support.wandb_files import history_of, records_of, updates_of
from support.wandb_server import Upload, serve

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml import tracking
from recycle_sorter.ml.artifacts import ArtifactRef
from recycle_sorter.ml.record_reader import read_record
from recycle_sorter.ml.tracking import Tracker, open_tracker
from recycle_sorter.ml.training import run, run_folder
from recycle_sorter.ml.training.tracked import run_jobs

pytestmark = pytest.mark.ml

KEY = "a" * 40


@pytest.fixture(autouse=True)
def wandb_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No account, no settings and no folder of the user's; W&B starts anew in each test."""
    for name in [name for name in os.environ if name.startswith(("WANDB_", "XDG_"))]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("WANDB_SILENT", "true")
    # A server would be asked here, if one were.
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(tracking, "_SAID", set())
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    yield
    if "wandb" in sys.modules and sys.modules["wandb"] is not None:
        sys.modules["wandb"].teardown()


@pytest.fixture
def said() -> list[str]:
    return []


def track(folder: Path, job: str = "resnet18_v1_train", **changes: Any) -> Tracker:
    settings: dict[str, Any] = {
        "job_type": job.rsplit("_", 1)[1],
        "config": {"learn_rate": 0.001, "data": Path("trashnet")},
        **changes,
    }
    return open_tracker(folder, job_name=job, **settings)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def train_and_test(root: Path, said: list[str]) -> tuple[str, str]:
    """A training with everything there is to track, and a test of its model; their names."""
    run = root / "run"
    pictures = [write(root / "data" / f"glass/{n}.jpg", f"picture {n}") for n in range(4)]
    plot = run / "finder.png"
    run.mkdir()
    cv2.imwrite(str(plot), np.zeros((8, 8, 3), np.uint8))
    with track(run, group="study", report=said.append) as job:
        job.use_artifact(job.describe_artifact("trashnet", "raw_data", pictures, {"seed": 0}))
        split = job.log_artifact("split", "split_data", [write(run / "split.csv", "path,split\n")])
        weights = write(run / "untrained.bin", "weights")
        job.log_artifact("resnet18_untrained", "model", [weights])
        for epoch in range(3):
            job.log({"val/loss": np.float32(1 / (epoch + 1)), "seconds": 3}, step=epoch)
            job.image("plots/finder", plot)
            job.image("plots/again", plot)
        job.summary({"accuracy": np.float64(0.9)})
        weights.write_text("trained weights", encoding="utf-8")  # the same file, written again
        model = job.log_artifact("resnet18", "model", [weights], {"accuracy": 0.9})
        train_id = job.record.run_id
    with track(run / "evaluation", "resnet18_v1_test", report=said.append) as job:
        job.use_artifact(split)
        job.use_artifact(model)
        job.table("predictions", ["picture", "p"], [["glass/1.jpg", 0.5], ["none", None]])
        job.confusion("confusion", [[3, 1], [0, 2]], ["glass", "paper"])
        job.summary({"accuracy": 0.88})
        test_id = job.record.run_id
    return train_id, test_id


def written(run: Path) -> list[Any]:
    """What W&B wrote into a run's folder; its service may still write when a run has finished."""
    sys.modules["wandb"].teardown()
    return list(records_of(run / "wandb"))


def artifacts_in(records: list[Any]) -> dict[str, Any]:
    return {
        record.artifact.name: record.artifact
        for record in records
        if record.WhichOneof("record_type") == "artifact"
    }


def test_an_offline_run_holds_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    train_id, test_id = train_and_test(tmp_path, said)
    assert said == []
    train = written(tmp_path / "run")
    (told,) = (record.run for record in train if record.WhichOneof("record_type") == "run")
    assert (told.run_id, told.display_name, told.job_type) == (
        train_id,
        "resnet18_v1_train",
        "train",
    )
    assert (told.project, told.run_group) == ("recycle_sorter", "study")
    config = updates_of(train, "config")
    assert (config["learn_rate"], config["data"]) == (0.001, "trashnet")
    history = history_of(train)
    assert [row["_step"] for row in history] == [0, 1, 2]
    assert [row["val/loss"] for row in history] == pytest.approx([1, 1 / 2, 1 / 3])
    assert {row["plots/finder"]["_type"] for row in history} == {"image-file"}
    assert {row["plots/again"]["_type"] for row in history} == {"image-file"}
    assert updates_of(train, "summary")["accuracy"] == 0.9

    made = artifacts_in(train)
    kinds = {name: (a.type, a.use_after_commit, a.user_created) for name, a in made.items()}
    assert kinds == {
        "trashnet": ("raw_data", True, True),
        "split": ("split_data", False, False),
        "resnet18_untrained": ("model", False, False),
        "resnet18": ("model", False, False),
    }
    assert {a.run_id for a in made.values()} == {train_id}
    assert all(a.finalize for a in made.values())
    metadata = json.loads(made["trashnet"].metadata)
    record = read_record(tmp_path / "run")
    assert metadata == {"seed": 0, "files": 4, "bytes": 36, "sha256": record.used[0].digest}
    # Of the pictures W&B gets a list of checksums and nothing more.
    assert [entry.path for entry in made["trashnet"].manifest.contents] == ["SHA256SUMS"]

    test = written(tmp_path / "run" / "evaluation")
    used = artifacts_in(test)
    links = {
        name: (a.use_after_commit, a.user_created)
        for name, a in used.items()
        if a.type != "run_table"
    }
    assert links == {"split": (True, True), "resnet18": (True, True)}
    assert {a.run_id for a in used.values()} == {test_id}
    # Equal digests are how the server knows that this is what the training made.
    assert {name: used[name].digest for name in links} == {
        name: made[name].digest for name in links
    }
    assert made["resnet18"].digest != made["resnet18_untrained"].digest
    shown = history_of(test)[0]
    assert shown["predictions"]["_type"] == "table-file"
    assert "confusion_table" in shown


def test_sync_uploads_the_whole_lineage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    train_id, test_id = train_and_test(tmp_path, said)
    with serve() as upload:
        sync(upload, tmp_path / "run" / "wandb")
        sync(upload, tmp_path / "run" / "evaluation" / "wandb")
    assert {run["displayName"] for run in upload.runs.values()} == {
        "resnet18_v1_train",
        "resnet18_v1_test",
    }
    ours = {a["name"]: a for a in upload.artifacts.values() if a["type"] != "run_table"}
    assert {name: a["made_by"] for name, a in ours.items()} == {
        "trashnet": None,
        "split": train_id,
        "resnet18_untrained": train_id,
        "resnet18": train_id,
    }
    assert upload.links == {("trashnet", train_id), ("split", test_id), ("resnet18", test_id)}
    assert all(a["is_committed"] for a in ours.values())
    # Each version has its content as it was when it was logged, though one file held both.
    content = {name: ours[name]["files"] for name in ours}
    assert content["resnet18_untrained"] == {"untrained.bin": b"weights"}
    assert content["resnet18"] == {"untrained.bin": b"trained weights"}
    assert set(content["trashnet"]) == {"SHA256SUMS"}, "no picture was uploaded"
    assert b"glass/0.jpg" not in b"".join(
        file
        for a in upload.artifacts.values()
        if a["name"] != "trashnet"
        for file in a["files"].values()
    )
    assert [row["val/loss"] for row in upload.history[train_id]] == pytest.approx([1, 1 / 2, 1 / 3])


def test_of_models_that_no_job_here_made_only_checksums_are_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setattr(run, "build_model", tiny_network)
    monkeypatch.setattr(run_folder, "build_model", tiny_network)
    data = write_folders(tmp_path / "set", each=5)
    first = make_job(data, tmp_path / "first", {"epoch_qty": 1})
    run_jobs(first, said.append)
    loose = tmp_path / "loose.safetensors"
    shutil.copy(first.out / run_folder.WEIGHTS_NAME, loose)
    bundle = make_tiny_bundle(tmp_path / "teacher", labels=CLASSES)
    for name, weights, teacher in (
        ("foreign", loose, bundle),
        ("own", first.out / run_folder.WEIGHTS_NAME, first.out),
    ):
        settings = {"epoch_qty": 1, "weights": str(weights), "teacher": str(teacher)}
        run_jobs(make_job(data, tmp_path / name, settings), said.append)
    assert not [line for line in said if "W&B" in line]

    foreign = artifacts_in(written(tmp_path / "foreign"))
    used = {ref.name: ref for ref in read_record(tmp_path / "foreign").used}
    for name in ("loose", "teacher_bundle"):
        assert [entry.path for entry in foreign[name].manifest.contents] == ["SHA256SUMS"]
        assert (foreign[name].use_after_commit, foreign[name].user_created) == (True, True)
        assert json.loads(foreign[name].metadata)["sha256"] == used[name].digest
    # What another job here made is known by its content, so that W&B draws the link.
    own = artifacts_in(written(tmp_path / "own"))["first_trained"]
    made = artifacts_in(written(tmp_path / "first"))["first_trained"]
    assert (own.digest, own.use_after_commit, made.use_after_commit) == (made.digest, True, False)
    assert len(own.manifest.contents) == 2


def sync(upload: Upload, folder: Path) -> None:
    """Uploads as a user does, with W&B's own command."""
    sys.modules["wandb"].teardown()
    environment = {
        **os.environ,
        "WANDB_BASE_URL": upload.url,
        "WANDB_API_KEY": KEY,
        "WANDB_ERROR_REPORTING": "false",
        "WANDB_MODE": "online",
    }
    command = [sys.executable, "-m", "wandb", "sync", "--yes", "-n", "1", str(folder)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr


def test_online_the_same_lineage_arrives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    with serve() as upload:
        monkeypatch.setenv("WANDB_BASE_URL", upload.url)
        train_id, test_id = train_and_test(tmp_path, said)
        sys.modules["wandb"].teardown()
    assert said == []
    made_by = {a["name"]: a["made_by"] for a in upload.artifacts.values() if a["type"] == "model"}
    assert made_by == {"resnet18_untrained": train_id, "resnet18": train_id}
    assert upload.links == {("trashnet", train_id), ("split", test_id), ("resnet18", test_id)}
    assert len(upload.history[train_id]) == 3


def test_nothing_is_asked_of_a_server_and_nothing_left_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    with serve() as upload:
        monkeypatch.setenv("WANDB_BASE_URL", upload.url)
        monkeypatch.setenv("WANDB_MODE", "offline")
        train_and_test(tmp_path, said)
        sys.modules["wandb"].teardown()
    assert upload.requests == []
    assert list((tmp_path / "elsewhere").iterdir()) == []
    left = {
        path.relative_to(tmp_path).parts[:4]
        for path in (tmp_path / "home").rglob("*")
        if path.is_file()
    }
    assert left <= {("home", ".cache", "wandb", "logs")}, "only the service's own log"


@pytest.mark.parametrize("mode", ["disabled", "hidden", "no account", "empty variable"])
def test_the_local_record_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str], mode: str
) -> None:
    expected = []
    if mode == "disabled":
        monkeypatch.setenv("WANDB_MODE", "disabled")
    elif mode == "hidden":
        monkeypatch.setitem(sys.modules, "wandb", None)
        expected = ["tracking: W&B is not installed; jobs are recorded in their folders only"]
    else:
        hint = "jobs are recorded in their folders only; WANDB_MODE=offline keeps W&B runs too"
        expected = [f"tracking: no W&B account; {hint}"]
        if mode == "empty variable":
            monkeypatch.setenv("WANDB_MODE", "")
        # A prompt would read from here, and fail.
        monkeypatch.setattr("sys.stdin", None)
    train_and_test(tmp_path, said)
    assert said == expected  # once, for two jobs
    assert list(tmp_path.rglob("*.wandb")) == []
    train, test = read_record(tmp_path / "run"), read_record(tmp_path / "run" / "evaluation")
    assert [ref.name for ref in train.logged] == ["split", "resnet18_untrained", "resnet18"]
    assert test.used == [train.logged[0], train.logged[2]]
    assert test.confusion["confusion"] == (["glass", "paper"], [[3, 1], [0, 2]])
    assert (train.state, test.state) == ("finished", "finished")


def test_disabled_does_not_even_import_it(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from recycle_sorter.ml.tracking import open_tracker\n"
        "with open_tracker(Path(sys.argv[1]), job_name='a', job_type='train', config={},"
        " mode='disabled') as job: job.log({'val/loss': 1.0}, 0)\n"
        "print(sorted({'wandb', 'torch'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


class Failing:
    """A run of W&B whose server is gone."""

    def __init__(self) -> None:
        self.calls = 0
        self.summary: dict[str, Any] = {}

    def log(self, values: dict[str, Any], step: int) -> None:
        self.calls += 1
        raise ConnectionResetError("the server is gone")

    def finish(self, exit_code: int) -> None:
        raise TimeoutError


def test_a_failure_of_wandb_is_told_once_and_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    import wandb

    failing = Failing()
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setattr(wandb, "init", lambda **_: failing)
    with track(tmp_path / "run", report=said.append) as job:
        for epoch in range(5):
            job.log({"val/loss": 1.0}, step=epoch)
        job.summary({"accuracy": 0.5})
    record = read_record(tmp_path / "run")
    assert len(record.history) == 5
    assert record.state == "finished"
    assert failing.calls == 1
    assert failing.summary == {"accuracy": 0.5}, "what works is still told"
    assert [line.split(";")[0] for line in said] == [
        "tracking: W&B takes no metrics of this job any more (the server is gone)",
        "tracking: W&B takes no end of this job any more (TimeoutError)",
    ]
    assert len(record.notes) == 2


def test_a_failing_start_leaves_the_local_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "too short")
    with track(tmp_path / "run", report=said.append) as job:
        job.log({"val/loss": 1.0}, step=0)
    assert len(said) == 1
    assert "W&B failed to start (WANDB_API_KEY invalid" in said[0]
    assert len(read_record(tmp_path / "run").history) == 1


def test_a_job_that_raises_is_marked_as_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    with pytest.raises(ZeroDivisionError), track(tmp_path / "run"):
        _ = 1 / 0
    assert read_record(tmp_path / "run").state == "failed"
    exits = [r.exit.exit_code for r in written(tmp_path / "run") if r.HasField("exit")]
    assert exits == [1]


def test_a_resumed_job_is_the_same_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    run = tmp_path / "run"
    first = track(run, report=said.append)
    for epoch in range(3):
        first.log({"val/loss": 1.0 + epoch}, step=epoch)
    sys.modules["wandb"].teardown()  # ends like a job that was killed: it never said so
    with track(run, report=said.append) as second:
        second.log({"val/loss": 9.0}, step=2)
        second.log({"val/loss": math.nan}, step=3)
    assert second.record.run_id == first.record.run_id
    assert [row["val/loss"] for row in read_record(run).history[:3]] == [1.0, 2.0, 9.0]
    files = list((run / "wandb").glob("offline-run-*/*.wandb"))
    assert {path.name for path in files} == {f"run-{first.record.run_id}.wandb"}
    with serve() as upload:
        sync(upload, run / "wandb")
    assert list(upload.runs) == [first.record.run_id]
    assert said == []


def test_an_artifact_that_has_changed_is_not_passed_off_as_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    with track(tmp_path / "run") as job:
        model = job.log_artifact("resnet18", "model", [write(tmp_path / "weights", "old")])
    write(tmp_path / "weights", "new")
    with track(tmp_path / "test", "resnet18_v1_test", report=said.append) as job:
        job.use_artifact(model)
        job.use_artifact(ArtifactRef("other", "model", "0" * 64))
    assert len(said) == 1
    assert "['weights']" in said[0]
    assert len(read_record(tmp_path / "test").used) == 2
    assert artifacts_in(written(tmp_path / "test")) == {}


@pytest.mark.parametrize(
    ("mode", "variable", "chosen"),
    [
        ("auto", "", "auto"),
        ("auto", "offline", "offline"),
        ("auto", "dryrun", "offline"),
        ("online", "offline", "offline"),
        ("online", "", "online"),
        ("online", "run", "online"),
        ("offline", "online", "offline"),
        ("disabled", "online", "disabled"),
        ("auto", "disabled", "disabled"),
    ],
)
def test_the_quieter_mode_counts(
    monkeypatch: pytest.MonkeyPatch, mode: str, variable: str, chosen: str
) -> None:
    monkeypatch.setenv("WANDB_MODE", variable)
    assert tracking._quieter(mode) == chosen


def test_an_unknown_mode_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInputError, match="mode: got 'loud'"):
        track(tmp_path, mode="loud")
    monkeypatch.setenv("WANDB_MODE", "off")
    with pytest.raises(InvalidInputError, match="WANDB_MODE: got 'off'"):
        track(tmp_path)
    assert not (tmp_path / "record").exists()


def test_below_the_agent_its_own_choices_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep123")
    monkeypatch.setenv("WANDB_RUN_ID", "agent123")
    monkeypatch.setenv("WANDB_PROJECT", "studies")
    with track(tmp_path / "run", report=said.append) as job:
        assert job.record.run_id == "agent123"
    with track(tmp_path / "test", "resnet18_v1_test", report=said.append) as job:
        test_id = job.record.run_id
    told = [
        (run.run_id, run.sweep_id, run.project)
        for folder in ("run", "test")
        for run in (r.run for r in written(tmp_path / folder) if r.HasField("run"))
    ]
    # The agent gave one run; the test that follows the training in the same process is another.
    assert told == [("agent123", "sweep123", "studies"), (test_id, "", "studies")]
    assert read_record(tmp_path / "run").project == "studies"
    assert said == []


def test_data_may_be_called_anything(tmp_path: Path, said: list[str]) -> None:
    with track(tmp_path / "run", mode="disabled") as job:
        data = [write(tmp_path / "Müll, 2. Teil" / "1.jpg", "x")]
        assert job.describe_artifact("Müll, 2. Teil", "raw_data", data).name == "M_ll_2._Teil"
        assert job.log_artifact("", "model", data).name == "_"
