# SPDX-License-Identifier: Apache-2.0
"""A mean of runs and its test as tracked jobs, NAME_soup and NAME_test, linked to those runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.artifacts import MODEL
from recycle_sorter.ml.held_out import check_data, leaks_of
from recycle_sorter.ml.record_reader import read_record
from recycle_sorter.ml.tracking import ArtifactRef, Mode, Tracker, open_tracker
from recycle_sorter.ml.training import run_folder
from recycle_sorter.ml.training.hyperparameters import Hyperparameters
from recycle_sorter.ml.training.job import TrainingJob
from recycle_sorter.ml.training.run import Say
from recycle_sorter.ml.training.soup import make_soup
from recycle_sorter.ml.training.tracked import test


def run_soup(
    runs: Sequence[Path],
    out: Path,
    say: Say = print,
    *,
    command: str = "",
    start_share: float = 0.0,
    data: Path | None = None,
    mode: Mode = "auto",
) -> None:
    """Average runs and test the result, both recorded.

    Args:
        runs: Run folders (see ``make_soup``).
        out: The new run folder; must not exist.
        say: Told lines for people.
        command: The command line, for the record.
        start_share: Share of the weights that the first run started from.
        data: The data set, if it has moved since the training.
        mode: How to track (see ``open_tracker``).

    Raises:
        InvalidInputError: If the runs do not fit together, their data is not as it was, or
            nothing can be written.
        ModelError: If a run cannot be read.
    """
    # Before anything is written: a soup that nobody can measure would only be in the way.
    first = run_folder.load_run(runs[0])
    splits = first.splits(data)
    hashes = check_data(first, splits)
    make_soup(runs, out, command, start_share)
    made = run_folder.load_run(out)
    with open_tracker(
        out, job_name=f"{out.name}_soup", job_type="soup", mode=mode, report=say,
        config={"runs": [run.name for run in runs], "start_share": start_share},
    ) as tracker:  # fmt: skip
        for run in runs:
            tracker.use_artifact(
                _weights(tracker, run, f"{run.name}_trained", run_folder.WEIGHTS_NAME)
            )
        if start_share:
            name = f"{runs[0].name}_untrained"
            tracker.use_artifact(_weights(tracker, runs[0], name, run_folder.UNTRAINED_NAME))
        files = [out / run_folder.WEIGHTS_NAME, out / run_folder.CONFIG_NAME]
        model = tracker.log_artifact(f"{out.name}_trained", MODEL, files, root=out)
    for line in leaks_of(out, made.config, hashes):
        say(line)
    job = TrainingJob(
        data=data or Path(made.config["data"]),
        splits=splits,
        classes=made.classes,
        out=out,
        settings=Hyperparameters.from_mapping(made.config["hyperparameters"]),
    )
    test(job, model, [ref for ref in _logged(runs[0]) if ref.type == "split_data"], say, mode=mode)


def _weights(tracker: Tracker, run: Path, name: str, file: str) -> ArtifactRef:
    """What the run itself logged under a name; a run without a record is told by checksums."""
    for ref in reversed(_logged(run)):
        if ref.name == name and ref.type == MODEL:
            return ref
    return tracker.describe_artifact(name, MODEL, [run / file])


def _logged(run: Path) -> list[ArtifactRef]:
    try:
        return read_record(run).logged
    except InvalidInputError:  # older than records, or moved without it: only links hang on it
        return []
