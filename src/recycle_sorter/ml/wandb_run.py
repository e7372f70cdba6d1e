# SPDX-License-Identifier: Apache-2.0
"""What a job tells W&B; `tracking` decides whether there is a W&B to tell.

Links in offline mode: W&B's ``Run.use_artifact`` asks the server for the artifact, and so refuses
to work offline. What it does with an artifact of one's own that the server has not seen works:
log its content marked "use after commit" and "made by the user". The server knows equal content
by its digest, so the upload creates nothing when the job that made the artifact was uploaded
before, and draws the link. The same way serves online: it needs no name and no version.

Large data never leave the machine by accident: of ``raw_data``, and of whatever else no job here
made, W&B gets the checksums only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.artifacts import RAW_DATA, ArtifactRef, changed_files, read_manifest

_BY_CHECKSUM = frozenset({RAW_DATA})


class WandbRun:
    """One run of W&B.

    Args:
        wandb: The package, which only `tracking` imports.
        run: What its ``init`` returned.
        folder: The job's folder.
    """

    def __init__(self, wandb: Any, run: Any, folder: Path) -> None:
        self._wandb = wandb
        self._run = run
        self._folder = folder
        self._step = 0

    def metrics(self, values: Mapping[str, Any], step: int) -> None:
        """Sends the figures of a step."""
        self._step = step
        numbers = {name: v if isinstance(v, int) else float(v) for name, v in values.items()}
        self._run.log(numbers, step=step)

    def summary(self, values: Mapping[str, Any]) -> None:
        """Sets figures of the whole run."""
        self._run.summary.update(dict(values))

    def image(self, name: str, path: Path) -> None:
        """Sends an image."""
        self._show(name, self._wandb.Image(str(path)))

    def table(self, name: str, columns: Sequence[str], rows: list[list[Any]]) -> None:
        """Sends a table."""
        self._show(name, self._table(columns, rows))

    def confusion(self, name: str, counts: list[list[int]], classes: Sequence[str]) -> None:
        """Sends a confusion matrix (rows predicted, columns actual) as W&B's own chart."""
        columns = ["Actual", "Predicted", "nPredictions"]
        rows = [
            [actual, predicted, counts[row][column]]
            for column, actual in enumerate(classes)
            for row, predicted in enumerate(classes)
        ]
        chart = self._wandb.plot_table(
            "wandb/confusion_matrix/v1",
            self._table(columns, rows),
            {column: column for column in columns},
            {"title": name},
        )
        self._show(name, chart)

    def log_artifact(self, ref: ArtifactRef) -> None:
        """Sends an artifact that the job made."""
        with self._data_folder():
            # Copied, because a later epoch may write the same file before it is uploaded.
            self._run.log_artifact(self._artifact(ref, "mutable"))

    def use_artifact(self, ref: ArtifactRef) -> None:
        """Links an artifact that the job works with (see the top of this file)."""
        with self._data_folder():
            # Not copied: as a rule the job that made it has uploaded it, or will.
            artifact = self._artifact(ref, "immutable")
            self._run._log_artifact(artifact, is_user_created=True, use_after_commit=True)

    def finish(self, state: str) -> None:
        """Ends the run, when everything is sent."""
        self._run.finish(0 if state == "finished" else 1)

    def _show(self, name: str, medium: Any) -> None:
        with self._data_folder():
            # Without a step W&B would count one up for each, and drop the metrics that follow.
            self._run.log({name: medium}, step=self._step)

    def _table(self, columns: Sequence[str], rows: list[list[Any]]) -> Any:
        return self._wandb.Table(columns=list(columns), data=rows, allow_mixed_types=True)

    def _artifact(self, ref: ArtifactRef, policy: str) -> Any:
        if ref.manifest is None:
            raise InvalidInputError(f"artifact {ref.name}", "no manifest", "what its job recorded")
        manifest = read_manifest(ref.manifest)
        size = {"files": len(manifest.files), "bytes": manifest.size, "sha256": ref.digest}
        artifact = self._wandb.Artifact(ref.name, ref.type, metadata={**manifest.metadata, **size})
        if ref.is_foreign or ref.type in _BY_CHECKSUM:
            sums = ref.manifest.with_suffix(".sha256")
            artifact.add_file(str(sums), name="SHA256SUMS", skip_cache=True)
            return artifact
        if changed := changed_files(manifest):
            raise InvalidInputError(f"artifact {ref.name}", changed, "files as they were recorded")
        for entry in manifest.files:
            path = str(entry.path.absolute())
            artifact.add_file(path, name=entry.name, skip_cache=True, policy=policy)
        return artifact

    @contextmanager
    def _data_folder(self) -> Iterator[None]:
        """Lets W&B keep what waits for its upload in the run's folder, not in the home folder."""
        with _environment("WANDB_DATA_DIR", str(self._folder / "wandb" / "data")):
            yield


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    former = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if former is None:
            del os.environ[name]
        else:
            os.environ[name] = former
