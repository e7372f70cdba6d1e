# SPDX-License-Identifier: Apache-2.0
"""The options that ``simulate`` and ``replay`` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

LayoutFile = Annotated[Path | None, typer.Option(help="Layout file. Default: config/belt.yaml.")]
ModelFolder = Annotated[
    Path | None, typer.Option(help="Model bundle. Default: the one that ships.")
]
EngineName = Annotated[str, typer.Option(help="openvino, onnxruntime or torch.")]
Precision = Annotated[str, typer.Option(help="auto, fp32, bf16 or int8.")]
Background = Annotated[
    str, typer.Option(help="Around an item in what the classifier sees: keep or plain.")
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", help="Write the figures; - for standard output.")
]
ReportFile = Annotated[
    Path | None, typer.Option(help="Write the run as one HTML page with its timeline.")
]
LogFile = Annotated[Path | None, typer.Option(help="Write every decision as a line of JSON.")]
RecordFolder = Annotated[
    Path | None, typer.Option(help="Record the run as a bag (MCAP) to this new folder.")
]
VideoFile = Annotated[
    Path | None, typer.Option(help="Write an .mp4 with boxes, numbers and diverters.")
]
CropsFolder = Annotated[
    Path | None, typer.Option(help="Write what the classifier was shown to this folder.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a bag of that name.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
