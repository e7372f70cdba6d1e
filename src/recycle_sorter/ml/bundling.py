# SPDX-License-Identifier: Apache-2.0
"""Puts a model bundle together from a run, and measures what it puts in."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.inference.bundle import ModelBundle
from recycle_sorter.inference.openvino_core import computes_bf16
from recycle_sorter.inference.thresholds import Thresholds
from recycle_sorter.ml import engine_figures, provenance, run_data
from recycle_sorter.ml.artifacts import MODEL
from recycle_sorter.ml.card import CardFacts, model_card
from recycle_sorter.ml.dataset.splits import Splits
from recycle_sorter.ml.evaluation.metrics import fit_temperature, sharpening_remark
from recycle_sorter.ml.evaluation.predictions import Predictions
from recycle_sorter.ml.export import INT8_PICTURES, write_description, write_graph, write_int8
from recycle_sorter.ml.held_out import check_data, leaks_of
from recycle_sorter.ml.record import EVENTS, FOLDER
from recycle_sorter.ml.record_reader import logged_artifacts
from recycle_sorter.ml.thresholds import suggest_thresholds
from recycle_sorter.ml.training.run_folder import TrainedRun, load_run, write_weights
from recycle_sorter.output_files import require_folder
from recycle_sorter.paths import share_roots

INT8_MAX_LOSS: Final = 0.003
_APACHE: Final = "Apache-2.0"
_EXPORT_FOLDER: Final = "export"  # of the run folder: each tracked job needs its own
_TRAINED: Final = ("command", "commit", "versions", "hardware", "minutes", "split")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ExportJob:
    """What to export.

    Attributes:
        run: Folder of a finished run.
        out: The bundle's folder; an older bundle there is replaced.
        data: The data set, if it has moved since. Its ``val`` (and ``test``, if the run has one)
            are measured, ``train`` calibrates int8.
        measure: Class folders to measure as well, none of them trained on.
        name: What the card calls the model; the run folder's name if empty.
        note: A remark on the training for the card.
        licence: SPDX name of the licence that the weights get.
        licence_file: Its text; needed for any but Apache-2.0.
    """

    run: Path
    out: Path
    data: Path | None = None
    measure: Sequence[Path] = ()
    name: str = ""
    note: str = ""
    licence: str = _APACHE
    licence_file: Path | None = None

    @property
    def command(self) -> str:
        """The command line that does this; without the note, which the card has anyway."""
        words: list[object] = ["recycle-sorter", "export", self.run, self.out]
        words += ["--data", self.data] if self.data is not None else []
        for folder in self.measure:
            words += ["--measure", folder]
        words += ["--name", self.name] if self.name else []
        words += ["--licence", self.licence] if self.licence != _APACHE else []
        words += ["--licence-file", self.licence_file] if self.licence_file is not None else []
        return shlex.join(map(str, words))

    @property
    def title(self) -> str:
        """What the model is called."""
        return self.name or self.run.resolve().name


@dataclass(frozen=True, slots=True)
class _Measured:
    """What a bundle says of its network beside the network itself."""

    temperature: float
    remark: str  # on the temperature
    thresholds: Thresholds | None
    figures: dict[str, Any]


def export_bundle(job: ExportJob, say: Say = print) -> ModelBundle:
    """Write, check and measure a bundle; an older one is only replaced by a whole one.

    Args:
        job: What to export.
        say: Told lines for people.

    Raises:
        InvalidInputError: If the run, the data or the licence is missing, the data is not what the
            run began with, or ``out`` is no bundle or cannot be written.
        ModelError: If an engine cannot load the network or disagrees with torch.
    """
    is_bundle = (job.out / "bundle.json").is_file()
    if job.out.exists() and not is_bundle and (job.out.is_file() or any(job.out.iterdir())):
        raise InvalidInputError(
            "bundle", str(job.out), "a new folder or an older bundle", "choose another folder"
        )
    licence = _licence_text(job)
    run = load_run(job.run)
    splits = run_data.splits_of(run, job.data)
    data = check_data(run, splits)
    sets = run_data.measured_sets(run, splits, job.measure, data)
    start, teacher = provenance.start_of(run.config), provenance.teacher_of(run.config)
    if not start.is_known:
        say(f"started from {start.text}; tell in --note what it was, and its licence")

    leaks = leaks_of(run.folder, run.config, data)
    for line in leaks:
        say(line)
    folder = job.out.with_name(job.out.name + ".partial")
    shutil.rmtree(folder, ignore_errors=True)
    require_folder("bundle", folder, shown=job.out)
    (folder / "LICENSE").write_text(licence, encoding="utf-8")
    if notice := provenance.notice_text(start.credits):
        (folder / "NOTICE").write_text(notice, encoding="utf-8")
    write_weights(run.model, folder / "model.safetensors")
    write_graph(run.model, run.spec, folder / "model.onnx", folder / "model.safetensors")
    about: dict[str, Any] = {
        "architecture": run.config["architecture"],
        "labels": run.classes,
        "spec": run.spec,
        "licence": provenance.licence_of(job.licence, start.credits),
        "started_from": f"{start.text}; taught by {teacher}" if teacher else start.text,
    }

    def describe(**more: Any) -> ModelBundle:
        write_description(folder, **about, **more)
        return ModelBundle.load(folder)

    measured = _measure(run, splits, sets, describe, say)
    measured.figures["command"] = job.command
    facts = CardFacts(
        title=job.title,
        config=run.config,
        labels=run.classes,
        spec=run.spec,
        parameters=sum(value.numel() for value in run.model.parameters()),
        temperature=measured.temperature,
        remark=measured.remark,
        thresholds=measured.thresholds,
        figures=measured.figures,
        licence=about["licence"],
        start=start,
        teacher=teacher,
        sources=run_data.sources_of(run, splits, job.measure),
        leaks=leaks,
        note=job.note,
    )
    (folder / "MODEL_CARD.md").write_text(model_card(facts), encoding="utf-8")
    describe(
        temperature=measured.temperature,
        thresholds=measured.thresholds,
        figures=measured.figures,
    )
    _replace(job.out, folder)
    return ModelBundle.load(job.out)


def track_export(job: ExportJob, bundle: ModelBundle, say: Say = print) -> None:
    """Record the export and its bundle beside the training's record, if there is one."""
    if not (job.run / FOLDER / EVENTS).is_file():
        return
    from recycle_sorter.ml.tracking import open_tracker

    figures = bundle.figures
    folder = job.run / _EXPORT_FOLDER
    name = job.run.resolve().name
    with open_tracker(
        folder, job_name=f"{name}_export", job_type="export",
        config={"command": job.command, "model_id": bundle.model_id}, report=say,
    ) as tracker:  # fmt: skip
        for trained in logged_artifacts(job.run, MODEL)[-1:]:
            tracker.use_artifact(trained)
        shares = {"accuracy", "ece", "n", "int8_loss"}
        tracker.summary({key: value for key, value in figures.items() if key in shares})
        files = sorted(path for path in job.out.iterdir() if path.is_file())
        tracker.log_artifact(f"{name}_bundle", MODEL, files, {"model_id": bundle.model_id})


def _measure(
    run: TrainedRun,
    splits: Splits,
    sets: engine_figures.Sets,
    describe: Callable[..., ModelBundle],
    say: Say,
) -> _Measured:
    """Check and measure every network of the draft; an int8 network that costs too much goes."""
    draft = describe()
    differences = engine_figures.parity(run.model, draft, splits.val)
    for name, difference in differences.items():
        say(f"{name} differs from the trained network by {difference:.1g} in logits")
    answers = engine_figures.ask(draft, "onnxruntime", "fp32", sets)
    # On val only: a temperature or a threshold that knew the test would flatter itself.
    known = answers["val"].logits, answers["val"].labels
    temperature = round(fit_temperature(*known), 4)
    remark = sharpening_remark(*known, temperature)
    if remark:
        say(remark)
    thresholds = suggest_thresholds(replace(answers["val"], temperature=temperature))
    rows = [engine_figures.figures_of("onnxruntime", "fp32", answers, temperature)]

    def add(precision: str, found: Mapping[str, Predictions]) -> None:
        rows.append(engine_figures.figures_of("openvino", precision, found, temperature))

    if computes_bf16():
        add("bf16", engine_figures.ask(draft, "openvino", "bf16", sets))
    calibration = engine_figures.inputs(
        engine_figures.spread(splits.train, INT8_PICTURES), run.spec
    )
    say(f"quantising to int8 on {len(calibration)} pictures of train")
    write_int8(draft.path / "model.onnx", draft.path / "model_int8.xml", calibration)
    narrow = engine_figures.ask(describe(), "openvino", "int8", sets)
    loss = float(answers["val"].right.mean() - narrow["val"].right.mean())
    # To a tenth of a point: one picture of the 328 of TrashNet's val is 0.305 points.
    is_kept = round(loss, 3) <= INT8_MAX_LOSS
    if is_kept:
        add("int8", narrow)
    else:
        say(f"int8 costs {100 * loss:.1f} points on val, at most 0.3 are allowed: left out")
        for path in draft.path.glob("model_int8.*"):
            path.unlink()
    for row in rows:
        shares = (f"{name} {found['accuracy']:.1%}" for name, found in row["sets"].items())
        say(f"{row['precision']} on {row['engine']}: {', '.join(shares)}")
    headline = "test" if "test" in sets else "val"
    figures = {
        "dataset": provenance.data_credit(Path(run.config["data"])).what,
        "split": headline,
        **rows[0]["sets"][headline],
        "measured": rows,
        "parity": differences,
        "int8_kept": is_kept,
        "int8_loss": round(loss, 4),
        "date": datetime.now(timezone.utc).date().isoformat(),
        "trained": {name: run.config.get(name) for name in _TRAINED},
    }
    return _Measured(temperature, remark, thresholds, figures)


def _licence_text(job: ExportJob) -> str:
    if job.licence_file is None and job.licence != _APACHE:
        raise InvalidInputError(
            "--licence-file", None, f"a file with the text of {job.licence}", "give it"
        )
    try:
        return (job.licence_file or _apache_text()).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(
            "--licence-file", str(job.licence_file), f"a text file ({error})", "check the path"
        ) from error


def _apache_text() -> Path:
    # At the top of a checkout; in an install, beside the model that ships.
    for root in share_roots():
        for path in (root / "LICENSE", *sorted(root.glob("models/*/LICENSE"))):
            if path.is_file() and "Apache License" in path.read_text(encoding="utf-8"):
                return path
    raise InvalidInputError("--licence-file", None, "the text of Apache-2.0", "give it")


def _replace(out: Path, folder: Path) -> None:
    """Put a whole bundle where an older one may be."""
    older = out.with_name(out.name + ".older")
    shutil.rmtree(older, ignore_errors=True)
    if out.exists():
        out.rename(older)
    folder.rename(out)
    shutil.rmtree(older, ignore_errors=True)
