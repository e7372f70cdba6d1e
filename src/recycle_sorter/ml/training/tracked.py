# SPDX-License-Identifier: Apache-2.0
"""A training and its test as tracked jobs, NAME_train and NAME_test, linked by artifacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.artifacts import MODEL
from recycle_sorter.ml.dataset.manifest import make_manifest, read_manifest
from recycle_sorter.ml.dataset.store import PictureStore
from recycle_sorter.ml.evaluation.calibration import fit_temperature, sharpening_remark
from recycle_sorter.ml.evaluation.coverage import coverage_curve
from recycle_sorter.ml.evaluation.evaluate import Evaluation, evaluate_predictions
from recycle_sorter.ml.evaluation.gradcam import make_explainer
from recycle_sorter.ml.evaluation.plots import save_plots
from recycle_sorter.ml.evaluation.predictions import predict, predict_files, torch_network
from recycle_sorter.ml.evaluation.report import write_evaluation
from recycle_sorter.ml.held_out import leaks_of
from recycle_sorter.ml.models.zoo import gradcam_layer
from recycle_sorter.ml.record_reader import logged_artifacts
from recycle_sorter.ml.tracking import ArtifactRef, Mode, Tracker, open_tracker
from recycle_sorter.ml.training import run_folder
from recycle_sorter.ml.training.callbacks import read_metrics
from recycle_sorter.ml.training.hyperparameters import Hyperparameters
from recycle_sorter.ml.training.job import is_trained, open_folder
from recycle_sorter.ml.training.material import list_material
from recycle_sorter.ml.training.run import Say, TrainingJob, train
from recycle_sorter.ml.training.trainer import is_first_process

if TYPE_CHECKING:
    from recycle_sorter.ml.dataset.records import Picture

EVALUATION_NAME: Final = "evaluation"
TEST_JOB_NAME: Final = "test"


def run_jobs(job: TrainingJob, say: Say = print, *, mode: Mode = "auto", bar: bool = False) -> None:
    """Train and test, both recorded; a call after a kill goes on.

    Args:
        job: What to train.
        say: Told lines for people.
        mode: How to track (see ``open_tracker``).
        bar: Show a progress bar.
    """
    if not is_first_process():
        train(job, say)  # the first process records, and tests
        return
    open_folder(job)  # before its record is touched: it may be another job's
    name = job.out.name
    tracker = open_tracker(
        job.out, job_name=f"{name}_train", job_type="train", config=asdict(job.settings),
        mode=mode, report=say,
    )  # fmt: skip
    with tracker:
        used, about = data_artifacts(tracker, job)
        for one in used:
            tracker.use_artifact(one)

        def report(epoch: int, figures: Mapping[str, float]) -> bool:
            tracker.log(figures, epoch)
            return False

        train(job, say, report, bar=bar)
        # Both are of the same files in any later call, so a resumed run logs them once.
        split = tracker.log_artifact(
            f"{job.data.name}_split",
            "split_data",
            [job.out / name for name in (run_folder.SPLIT_NAME, run_folder.MANIFEST_NAME)],
            about,
        )
        start = job.out / run_folder.UNTRAINED_NAME
        if start.is_file():
            ref = tracker.log_artifact(f"{name}_untrained", "model", [start])
            tracker.use_artifact(ref)
        files = [job.out / run_folder.WEIGHTS_NAME, job.out / run_folder.CONFIG_NAME]
        model = tracker.log_artifact(f"{name}_trained", "model", files, root=job.out)
        rows = read_metrics(job.out / run_folder.METRICS_NAME)
        if rows:
            best = max(rows, key=lambda row: row["val/accuracy"])
            last = {f"last/{key}": value for key, value in rows[-1].items() if key != "epoch"}
            shipped = {
                f"shipped/{key}": value
                for key, value in _shipped_row(job.out, rows).items()
                if key == "epoch" or key.startswith("val/")
            }
            tracker.summary({**last, "best/val/accuracy": best["val/accuracy"], **shipped})
    path = job.out / run_folder.MANIFEST_NAME
    hashes = read_manifest(path) if path.is_file() else make_manifest(job.splits)
    for line in leaks_of(job.out, run_folder.read_config(job.out), hashes):
        say(line)
    test(job, model, [split], say, mode=mode)


def _shipped_row(folder: Path, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The figures of the epoch whose weights a run holds; older runs hold the last one's."""
    epoch = run_folder.read_config(folder).get("shipped_epoch")
    return next((row for row in rows if row["epoch"] == epoch), rows[-1])


def data_artifacts(tracker: Tracker, job: TrainingJob) -> tuple[list[ArtifactRef], dict[str, Any]]:
    """Describe all that is learned from by checksums: nobody uploads gigabytes by accident.

    A model that a job here made is that job's own artifact, which it has uploaded already.

    Returns:
        The data set, then what there is beside it (pictures, start, teacher); and the split.
    """
    pictures = [*job.splits.train, *job.splits.val, *job.splits.test]
    files = sorted(picture.path for picture in pictures)
    refs = [
        tracker.describe_artifact(
            job.data.resolve().stem, "raw_data", files, {"pictures": len(files)}
        )
    ]
    # A trained run has linked the rest when it learned from it; by now it may be gone.
    for one in [] if is_trained(job) else list_material(job):
        about = {"option": one.option, "files": len(one.members)}
        ref = tracker.describe_artifact(one.artifact, one.type, one.members, about)
        made = _made_in(one.members[0].parent) if one.type == MODEL else []
        refs.append(replace(ref, is_foreign=ref not in made))
    counts = {part: len(getattr(job.splits, part)) for part in ("train", "val", "test")}
    return refs, {**counts, "by": job.splits.by, "seed": job.splits.seed}


def _made_in(folder: Path) -> list[ArtifactRef]:
    """What the job of a folder made, as far as its record can be read: only a link hangs on it."""
    try:
        return logged_artifacts(folder, MODEL)
    except InvalidInputError:
        return []


def test(
    job: TrainingJob, model: ArtifactRef, data: Sequence[ArtifactRef], say: Say, *, mode: Mode
) -> Evaluation:
    """Measure a finished run as a tracked job of its own and write its report."""
    result = evaluate_run(job.out, job.splits.val, job.splits.test, job.data.resolve().stem)
    folder = job.out / EVALUATION_NAME
    run = run_folder.load_run(job.out)
    explain = make_explainer(run.model, gradcam_layer(run.model), run.spec)
    files = write_evaluation(folder, result, explain=explain)
    with open_tracker(
        job.out / TEST_JOB_NAME, job_name=f"{job.out.name}_test", job_type="test",
        config=asdict(job.settings), mode=mode, report=say,
    ) as tracker:  # fmt: skip
        tracker.use_artifact(model)
        for ref in data:
            tracker.use_artifact(ref)
        figures = result.figures.to_dict()
        tracker.summary({k: v for k, v in figures.items() if isinstance(v, (int, float, dict))})
        tracker.confusion("confusion", figures["confusion"], run.classes)
        predictions = result.predictions
        curve = coverage_curve(predictions.confidence, predictions.right)
        plots = save_plots(folder / "plots", result.figures, curve, result.history)
        for name, path in plots.items():
            tracker.image(f"plots/{name}", path)
        rows = [
            [picture, run.classes[actual], run.classes[told], float(probability)]
            for picture, actual, told, probability in zip(
                predictions.names, predictions.labels, predictions.predicted,
                predictions.probabilities.max(axis=1), strict=True,
            )
        ]  # fmt: skip
        columns = ["picture", "actual", "predicted", "probability"]
        tracker.table("predictions", columns, rows)
    say(f"{result.title}: {result.figures.accuracy:.1%} of {result.figures.n}")
    say(f"report: {files[-1]}")
    return result


def evaluate_run(
    folder: Path, val: Sequence[Picture], held_out: Sequence[Picture], data: str
) -> Evaluation:
    """Measure a run on its test split (on ``val`` where there is none); temperature from ``val``.

    Raises:
        InvalidInputError: If the run is not finished or there is nothing to measure on.
    """
    run = run_folder.load_run(folder)
    network = torch_network(run.model)
    store = PictureStore.load(val, spec=run.spec)
    answers = predict(network, store, run.classes, run.spec)
    temperature = fit_temperature(answers.logits, answers.labels)
    remark = sharpening_remark(answers.logits, answers.labels, temperature)
    part = "test" if held_out else "val"
    predictions, failed = predict_files(
        network, held_out or val, run.classes, run.spec, temperature
    )
    split = run.config["split"]
    about = {
        "model_id": folder.name,
        "architecture": run.config["architecture"],
        "engine": "torch",
        "precision": "fp32",
        "input": f"{run.spec.width_px} x {run.spec.height_px} px, {run.spec.resize}",
        "data": f"{data} ({part}), split by {split['by']}, seed {split['seed']}",
        "temperature fitted on": f"val ({len(store)}). {remark}".removesuffix(". "),
    }
    return evaluate_predictions(
        predictions,
        f"{folder.name} on {data} ({part})",
        about,
        paths={picture.name: picture.path for picture in held_out or val},
        failed=failed,
        history=read_metrics(folder / run_folder.METRICS_NAME),
    )


def make_trial(job: TrainingJob, metric: str, say: Say, *, mode: Mode = "auto") -> Any:
    """Return what a sweep calls: trains one set of hyperparameters in the sweep's own folder.

    Args:
        job: What is common to all trials; its settings are the ones that a trial does not choose.
        metric: Figure of an epoch that counts, such as ``val/accuracy``.
        say: Told lines for people.
        mode: How to track.
    """

    def trial(hyperparameters: dict[str, Any], told: Any) -> float:
        settings = Hyperparameters.from_mapping({**asdict(job.settings), **hyperparameters})
        # One process a trial: Lightning would start the sweep itself again for each of several.
        own = replace(job, out=told.folder, settings=settings, devices="1", num_nodes=1)
        values: dict[int, float] = {}

        def report(epoch: int, figures: Mapping[str, float]) -> bool:
            if metric not in figures:
                names = ", ".join(sorted(figures))
                raise InvalidInputError("metric.name", metric, f"one of {names}")
            values[epoch] = figures[metric]
            tracker.log(figures, epoch)
            is_last = epoch + 1 == settings.epoch_qty
            return bool(told(epoch, figures[metric], is_last=is_last))

        with open_tracker(
            own.out, job_name=f"{settings.architecture}_{own.out.name}_train", job_type="train",
            config=asdict(settings), mode=mode, group=own.out.parent.name, report=say,
        ) as tracker:  # fmt: skip
            train(own, say, report)
        row = _shipped_row(own.out, read_metrics(own.out / run_folder.METRICS_NAME))
        return float(values.get(row["epoch"], row[metric]))

    return trial
