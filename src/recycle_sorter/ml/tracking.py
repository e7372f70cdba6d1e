# SPDX-License-Identifier: Apache-2.0
"""Tracking of jobs: always in a local record, and in Weights & Biases where that is wanted.

Nothing else imports wandb. Without it, without an account, or with ``WANDB_MODE=disabled`` the
local record is all there is; with ``WANDB_MODE=offline`` nothing is sent, and ``wandb sync -n 1
RUN/wandb`` uploads the run later, links included (jobs in the order in which they ran). A failure
of W&B is reported once and ends no training.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, cast, get_args

from recycle_sorter.core.checks import one_of
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.artifacts import ArtifactRef, describe
from recycle_sorter.ml.record import Record, plain
from recycle_sorter.ml.wandb_run import WandbRun

__all__ = ["ArtifactRef", "Mode", "Tracker", "mode_of", "open_tracker"]

Mode = Literal["auto", "online", "offline", "disabled"]
Report = Callable[[str], None]
# From quiet to talkative; the older words that W&B still takes stand beside the newer ones.
_LOUDNESS = {"disabled": 0, "offline": 1, "dryrun": 1, "online": 2, "run": 2, "auto": 3}
_INIT_TIMEOUT_SEC, _FINISH_TIMEOUT_SEC = 60.0, 600.0
_SAID: set[str] = set()
# How W&B's agent tells a training which run of which sweep it is.
_AGENT = ("WANDB_SWEEP_ID", "WANDB_RUN_ID", "WANDB_SWEEP_PARAM_PATH")
_NO_LETTER = re.compile(r"[^A-Za-z0-9_.-]+")


def mode_of(name: str, value: str) -> Mode:
    """Returns a word of the command line as a mode.

    Raises:
        InvalidInputError: If it is none.
    """
    return cast(Mode, one_of(name, value, get_args(Mode)))


def open_tracker(
    folder: Path,
    *,
    job_name: str,
    job_type: str,
    config: Mapping[str, Any],
    project: str = "recycle_sorter",
    mode: Mode = "auto",
    group: str | None = None,
    resume_id: str | None = None,
    report: Report = print,
) -> Tracker:
    """Starts to track a job, or goes on with one that was interrupted.

    Args:
        folder: The job's own folder. The record goes to ``record`` in it and what W&B writes to
            ``wandb``; a second job, such as the test of a model, needs a folder of its own.
        job_name: Such as ``resnet18_v1_train``; W&B shows it as the run's name.
        job_type: Such as ``train``.
        config: What the job was told to do.
        project: W&B's project; ``WANDB_PROJECT`` counts more.
        mode: ``auto`` is W&B if it is installed and has an account. Of this and ``WANDB_MODE``
            the quieter one counts.
        group: W&B's group of runs.
        resume_id: Name of the run to go on with; by default what the record says.
        report: Takes the lines that a person should see.

    Raises:
        InvalidInputError: If a mode is unknown, or the folder holds another job's record.
    """
    chosen = _quieter(mode)
    project = os.environ.get("WANDB_PROJECT") or project
    agent_id = os.environ.get("WANDB_RUN_ID") if "WANDB_SWEEP_ID" in os.environ else None
    record = Record(
        folder,
        job_name=job_name,
        job_type=job_type,
        config=config,
        project=project,
        group=group,
        run_id=resume_id or agent_id,
    )
    told = {"name": job_name, "job_type": job_type, "group": group, "config": plain(config)}
    if agent_id is None:
        # Below W&B's own agent it chooses these two, and warns of any other choice.
        told |= {"id": record.run_id, "project": project}
    try:
        remote = _start(folder.absolute(), chosen, record.is_resumed, told, report)
    except Exception as error:  # noqa: BLE001 - whatever W&B raises, the job goes on
        report(f"tracking: W&B failed to start ({_short(error)}); recorded in {record.folder}")
        remote = None
    if agent_id is not None:
        # The agent means one run: a second job of this process, the test, is one of its own.
        for name in _AGENT:
            os.environ.pop(name, None)
    return Tracker(record, remote, report)


class Tracker:
    """Tells the local record, and W&B if it is there, what a job does.

    Made by `open_tracker`; leaving its ``with`` block finishes the job.

    Attributes:
        record: The local record.
        is_remote: Whether W&B is told too.
    """

    def __init__(self, record: Record, remote: WandbRun | None, report: Report) -> None:
        self.record = record
        self._remote = remote
        self._report = report
        self._broken: set[str] = set()
        self._is_open = True

    def __enter__(self) -> Tracker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.finish("finished" if error is None else "failed")

    @property
    def is_remote(self) -> bool:
        """Whether W&B is told too."""
        return self._remote is not None

    def log(self, metrics: Mapping[str, Any], step: int) -> None:
        """Adds the figures of a step; steps only go up."""
        self.record.metrics(metrics, step)
        self._tell("metrics", lambda remote: remote.metrics(metrics, step))

    def summary(self, values: Mapping[str, Any]) -> None:
        """Sets figures of the whole job."""
        self.record.summary(values)
        self._tell("summary", lambda remote: remote.summary(plain(values)))

    def image(self, name: str, path: Path) -> None:
        """Keeps an image, such as a plot; an equal name replaces it in the local record."""
        copy = self.record.image(name, path)
        self._tell("images", lambda remote: remote.image(name, copy))

    def table(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Keeps a table; an equal name replaces it in the local record."""
        cells = [[plain(cell) for cell in row] for row in rows]
        self.record.table(name, columns, cells)
        self._tell("tables", lambda remote: remote.table(name, columns, cells))

    def confusion(self, name: str, matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> None:
        """Keeps a confusion matrix: counts, rows predicted, columns actual."""
        counts = self.record.confusion(name, matrix, classes)
        self._tell("plots", lambda remote: remote.confusion(name, counts, classes))

    def describe_artifact(
        self,
        name: str,
        type: str,  # noqa: A002 - what W&B calls it
        files: Sequence[Path],
        metadata: Mapping[str, Any] | None = None,
        root: Path | None = None,
    ) -> ArtifactRef:
        """Returns the reference to what no job of ours made, such as raw data; to be used.

        W&B gets its checksums, never its files.

        Args:
            name: Letters, digits, dots, dashes, underscores; of others it gets an underscore.
            type: ``raw_data``, ``split_data``, ``model`` or a word of one's own.
            files: All files that belong to it.
            metadata: What else is worth knowing; must fit into JSON.
            root: Files are named relative to it; by default to the folder they share.
        """
        ref = self.record.describe(describe(_as_name(name), type, files, metadata, root))
        return replace(ref, is_foreign=True)

    def use_artifact(self, ref: ArtifactRef) -> None:
        """Links an artifact to this job as something that it works with."""
        self.record.use(ref)
        self._tell("artifacts", lambda remote: remote.use_artifact(ref))

    def log_artifact(
        self,
        name: str,
        type: str,  # noqa: A002 - what W&B calls it
        files: Sequence[Path],
        metadata: Mapping[str, Any] | None = None,
        root: Path | None = None,
    ) -> ArtifactRef:
        """Links files to this job as something that it made (see `describe_artifact`)."""
        ref = self.record.log(describe(_as_name(name), type, files, metadata, root))
        self._tell("artifacts", lambda remote: remote.log_artifact(ref))
        return ref

    def finish(self, state: str = "finished") -> None:
        """Ends the job; a second call does nothing."""
        if not self._is_open:
            return
        self._is_open = False
        self.record.finish(state)
        self._tell("end", lambda remote: remote.finish(state))

    def _tell(self, what: str, how: Callable[[WandbRun], object]) -> None:
        if self._remote is None or what in self._broken:
            return
        try:
            how(self._remote)
        except Exception as error:  # noqa: BLE001 - whatever W&B raises, the job goes on
            self._broken.add(what)
            text = f"tracking: W&B takes no {what} of this job any more ({_short(error)})"
            self.record.note(text)
            self._report(f"{text}; all of it is in {self.record.folder}")


def _start(
    folder: Path, mode: str, is_resumed: bool, told: Mapping[str, Any], report: Report
) -> WandbRun | None:
    if mode == "disabled":
        return None
    if mode == "offline":
        # Its reports of its own errors and use would go over the network.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    if not os.environ.get("WANDB_MODE", "unset"):
        del os.environ["WANDB_MODE"]  # empty means unset to us, and is an error to W&B
    try:
        import wandb
    except ImportError:
        _say_once(report, "tracking: W&B is not installed; jobs are recorded in their folders only")
        return None
    settings = wandb.sdk.wandb_setup.singleton().settings
    if settings.sweep_id and "WANDB_SWEEP_ID" not in os.environ:
        wandb.teardown()  # lets it forget the agent
        settings = wandb.sdk.wandb_setup.singleton().settings
    if mode == "auto" and settings.mode == "offline":
        mode = "offline"  # as `wandb offline` left it
    # Looks for an account without asking for one: a prompt would hold up a training.
    if mode in ("auto", "online") and not wandb.login(prompt=False):
        hint = "jobs are recorded in their folders only; WANDB_MODE=offline keeps W&B runs too"
        _say_once(report, f"tracking: no W&B account; {hint}")
        return None
    is_offline = mode == "offline"
    (folder / "wandb").mkdir(parents=True, exist_ok=True)
    run = wandb.init(
        **told,
        mode="offline" if is_offline else "online",
        dir=str(folder),
        resume="allow" if is_resumed and not is_offline else None,
        reinit="create_new",
        settings=wandb.Settings(
            init_timeout=_INIT_TIMEOUT_SEC,
            finish_timeout=_FINISH_TIMEOUT_SEC,
            finish_timeout_raises=True,
        ),
    )
    return WandbRun(wandb, run, folder)


def _quieter(mode: str) -> str:
    """Returns the quieter of a mode and ``WANDB_MODE``."""
    if mode not in get_args(Mode):
        raise InvalidInputError("mode", mode, f"one of {', '.join(get_args(Mode))}")
    of_user = os.environ.get("WANDB_MODE") or "auto"
    if of_user not in _LOUDNESS:
        raise InvalidInputError("WANDB_MODE", of_user, "online, offline or disabled")
    chosen = min(mode, of_user, key=_LOUDNESS.__getitem__)
    return {"dryrun": "offline", "run": "online"}.get(chosen, chosen)


def _say_once(report: Report, line: str) -> None:
    if line not in _SAID:
        _SAID.add(line)
        report(line)


def _as_name(text: str) -> str:
    """Returns a name that an artifact can have: folders of data are called anything."""
    return _NO_LETTER.sub("_", text)[:128] or "_"


def _short(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__
