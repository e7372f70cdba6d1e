# SPDX-License-Identifier: Apache-2.0
"""The text of a bundle's MODEL_CARD.md, from the run's record and what was measured."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np

from recycle_sorter.credit_file import Credit
from recycle_sorter.inference.thresholds import Thresholds
from recycle_sorter.ml.evaluation.confusion import confused_pairs
from recycle_sorter.ml.provenance import Origin
from recycle_sorter.ml.run_data import Source
from recycle_sorter.ml.training.hyperparameters import Hyperparameters
from recycle_sorter.vision.preprocessing import PreprocessingSpec

_ARCHITECTURES: Final = {
    "resnet18": "torchvision's ResNet-18",
    "resnet34": "torchvision's ResNet-34",
    "resnet50": "torchvision's ResNet-50",
    "resnet50_modnet": "torchvision's ResNet-50 with the head Linear, ReLU, Dropout, Linear",
    "resnet50_thin": "a ResNet-50 of half the width whose batch norms are folded into its "
    "convolutions",
    "efficientnet_lite0": "EfficientNet-Lite0, its own input normalisation folded in",
    "efficientnet_lite2": "EfficientNet-Lite2, its own input normalisation folded in",
}
_SPLIT_WORDS: Final = {
    "picture": "Pictures were drawn into the splits one by one (seed {seed}), so that another "
    "picture of the same object may have been trained on: the figures flatter.",
    "object": "Pictures that look like one object stay in one split (seed {seed}), so that no "
    "object was trained on and measured, as far as near-duplicates are found.",
    "file": "The splits are those of a given file. Whether one object appears in several of them "
    "is not known; where it does, the figures flatter.",
}
# Rarer than this, in pictures trained on, a class is called rare.
_FEW: Final = 150
_WEAK_RECALL: Final = 0.85


@dataclass(frozen=True, slots=True)
class CardFacts:
    """All that the card tells.

    Attributes:
        title: What the model is called.
        config: The run's ``config.json``.
        labels: Names of the outputs.
        spec: Preprocessing.
        parameters: Number of trained numbers.
        temperature: Divides the scores.
        thresholds: Suggested limits, if there are any.
        figures: As in ``bundle.json``.
        licence: SPDX expression of the weights.
        start: What the training started from.
        teacher: Who taught it; empty if nobody did.
        sources: The pictures.
        leaks: Sentences on pictures that were measured though a forerunner learned from them.
        note: A remark.
        remark: A sentence on the temperature.
    """

    title: str
    config: Mapping[str, Any]
    labels: Sequence[str]
    spec: PreprocessingSpec
    parameters: int
    temperature: float
    thresholds: Thresholds | None
    figures: Mapping[str, Any]
    licence: str
    start: Origin
    teacher: str
    sources: Sequence[Source]
    leaks: Sequence[str] = ()
    note: str = ""
    remark: str = ""


def model_card(facts: CardFacts) -> str:
    """Return the card."""
    parts = (_head(facts), _figures(facts), _training(facts), _data(facts), _weaknesses(facts))
    return "\n\n".join(parts) + "\n"


def _head(facts: CardFacts) -> str:
    spec, name = facts.spec, facts.config["architecture"]
    return _fill(
        f"# {facts.title}",
        f"Tells {_list(facts.labels)} apart in a picture of **one** item: one item in view, the "
        "whole frame handed to the network.",
        f"Architecture: `{name}`, {_ARCHITECTURES[name]}, with {len(facts.labels)} outputs and "
        f"{facts.parameters / 1e6:.1f} million parameters.",
        "`model.safetensors` holds the weights; `model.onnx` is only the graph and points into it. "
        f"Input `image`: `[N, 3, {spec.height_px}, {spec.width_px}]` float32, the picture brought "
        f"to {spec.width_px} x {spec.height_px} ({spec.resize}, {spec.interpolation}) and "
        "normalised as `bundle.json` says under `preprocessing`; output `logits`: "
        f"`[N, {len(facts.labels)}]`. Probabilities are `softmax(logits / "
        f"{facts.temperature:.4f})`. bf16 has no file of its own: OpenVINO computes it from the "
        f"fp32 network at load time where the CPU has it. {_int8(facts)}",
    )


def _int8(facts: CardFacts) -> str:
    points = -100 * facts.figures["int8_loss"]
    if facts.figures["int8_kept"]:
        return (
            "`model_int8.xml` is quantised on pictures of `train`; its accuracy on `val` differs "
            f"from fp32's by {points:+.1f} points."
        )
    return f"An int8 network changed the accuracy on `val` by {points:+.1f} points: not enclosed."


def _figures(facts: CardFacts) -> str:
    figures = facts.figures
    header = ["pictures (n)", "engine", "accuracy (95 %)", *facts.labels, "ECE", "at 90 %"]
    rows = [
        [
            f"{name} ({found['n']})",
            f"{row['engine']} {row['precision']}",
            f"**{_percent(found['accuracy'])}** ({_range(found['interval'])})",
            *(_percent(found["recall"].get(label)) for label in facts.labels),
            _percent(found["ece"]),
            _percent(found["accuracy_at_coverage"]["0.9"]),
        ]
        for name in figures["measured"][0]["sets"]
        for row in figures["measured"]
        for found in [row["sets"][name]]
    ]
    bf16 = any(row["precision"] == "bf16" for row in figures["measured"])
    unmeasured = "" if bf16 else " bf16 was not measured: the CPU of the export lacks it."
    parity = ", ".join(f"{name} {value:.1g}" for name, value in figures["parity"].items())
    return _fill(
        "## Figures",
        f"Measured {figures['date']} with the engines and the preprocessing of the node. Columns "
        "after the accuracy: recall by material, expected calibration error, accuracy of the "
        f"surest 90 % of the answers. Intervals are bootstrapped.{unmeasured}",
        _table(header, rows),
        "The temperature was fitted on `val`, so the calibration errors on it flatter a little. "
        + (f"{facts.remark} " if facts.remark else "")
        + _thresholds(facts.thresholds),
        f"Largest difference in logits from the trained network, on real pictures: {parity}.",
    )


def _thresholds(limits: Thresholds | None) -> str:
    if limits is None:
        return "No minimum confidence makes 97 % of the accepted answers on `val` right."
    return (
        f"Suggested for a routing, from `val`: `min_confidence` {limits.min_confidence:g} and "
        f"`min_margin` {limits.min_margin:g}; {_percent(limits.coverage)} of {limits.n} answers "
        f"pass both, and {_percent(limits.accuracy)} of those are right."
    )


def _training(facts: CardFacts) -> str:
    config = facts.config
    hardware = config.get("hardware") or {}
    cores = f"{hardware.get('cores', '?')} x {hardware.get('cpu', 'unknown')}"
    place = ", ".join([cores, *hardware.get("gpus", ())])
    minutes = config.get("minutes")
    took = "An unrecorded time" if minutes is None else f"{minutes:g} minutes"
    taught = f" Taught by {facts.teacher}." if facts.teacher else ""
    versions = ", ".join(f"{name} {it}" for name, it in (config.get("versions") or {}).items())
    split = config["split"]
    share = config.get("start_share") or 0.0
    kept = f", with {share:.0%} of what the first of them started from" if share else ""
    # The commit above is of the averaging; each run was trained at one of its own.
    soup = [
        f"- {one['run']} (commit {one.get('commit') or 'not recorded'}): `{one.get('command')}`"
        for one in config.get("soup_of", ())
    ]
    return _fill(
        "## Training",
        f"Started from {facts.start.text}.{taught}",
        f"{took} on {place}; commit {config.get('commit') or 'not recorded'}; {versions}. "
        f"Settings other than the defaults: {_settings(config['hyperparameters'])}.",
        *([f"The weights are the mean of these runs'{kept}:", "\n".join(soup)] if soup else ()),
        *([facts.note] if facts.note else ()),
        _SPLIT_WORDS[split["by"]].format(seed=split["seed"])
        + " `val` chose settings and temperature; it was never trained on."
        + "".join(f" {line}" for line in facts.leaks),
        "```sh\n"
        f"{config.get('command') or '# the command of the training is not recorded'}\n"
        f"{facts.figures['command']}\n```",
    )


def _settings(hyperparameters: Mapping[str, Any]) -> str:
    defaults = {field.name: field.default for field in fields(Hyperparameters)}
    changed = [
        f"`{name}={value}`"
        for name, value in hyperparameters.items()
        if value != defaults.get(name) and name != "architecture"
    ]
    return ", ".join(changed) or "none"


def _data(facts: CardFacts) -> str:
    pictures = [
        [
            source.use,
            source.name + (f" ({source.credit.what})" if _adds(source) else ""),
            "not there any more" if source.count is None else f"{source.count}",
            ", ".join(f"{name} {count}" for name, count in source.counts.items()) or "unlabelled",
        ]
        for source in facts.sources
    ]
    owed = [
        Credit("these weights", facts.licence, facts.title),
        *facts.start.credits,
        *dict.fromkeys(source.credit for source in facts.sources),
    ]
    rows = [[credit.what, credit.licence, credit.whose] for credit in owed]
    notice = " `NOTICE` repeats what the licences of these demand." if facts.start.credits else ""
    return _fill(
        "## Data and licences",
        _table(["use", "pictures", "n", "by class"], pictures),
        _table(["what", "licence", "credit"], rows),
        f"No picture is part of this bundle.{notice}",
    )


def _adds(source: Source) -> bool:
    """Whether the credit tells more than the folder's name."""
    return source.credit.what.lower() not in source.name.lower()


def _weaknesses(facts: CardFacts) -> str:
    figures = facts.figures
    found: list[str] = []
    train = next(source for source in facts.sources if source.use == "train")
    rare = [f"{name} ({n})" for name, n in train.counts.items() if n < _FEW]
    if rare:
        found.append(f"Few pictures to learn from: {_list(rare)}.")
    for name, measured in figures["measured"][0]["sets"].items():
        weak = [
            f"{label} {_percent(share)}"
            for label, share in sorted(measured["recall"].items(), key=lambda item: item[1])
            if share < _WEAK_RECALL
        ]
        if weak:
            found.append(f"On {name}, recall is lowest for {_list(weak[:3])}.")
    confusion = np.asarray(figures["confusion"])
    pairs = [
        f"{pair.actual} as {pair.predicted} ({pair.count})"
        for pair in confused_pairs(confusion, tuple(facts.labels))[:3]
    ]
    if pairs:
        found.append(f"Most often mistaken on {figures['split']}: {_list(pairs)}.")
    others = [name for name in figures["measured"][0]["sets"] if name not in ("val", "test")]
    if not others:
        found.append(
            "Measured only on pictures of the kind it was trained on: other cameras, backgrounds "
            "and light cost accuracy. Measure on your own pictures before you trust it."
        )
    found.append(
        f"It always answers one of its {len(facts.labels)} classes. What is none of them, or more "
        "than one item, has to be caught by the limits of the routing."
    )
    lines = (_wrap(f"- {line}", "  ") for line in [*facts.leaks, *found])
    return "## Known weaknesses\n\n" + "\n".join(lines)


def _fill(*paragraphs: str) -> str:
    """Join paragraphs; prose is wrapped, tables, lists and code are left alone."""
    return "\n\n".join(
        text if text.startswith(("|", "```", "- ")) else _wrap(text) for text in paragraphs
    )


def _wrap(text: str, indent: str = "") -> str:
    return textwrap.fill(
        text, 100, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _range(interval: Sequence[float]) -> str:
    return f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"


def _list(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
