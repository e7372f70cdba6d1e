# SPDX-License-Identifier: Apache-2.0
"""What a classifier tells of its model."""

from __future__ import annotations

import math

from recycle_sorter.core.ports import Engine
from recycle_sorter.inference.bundle import ModelBundle
from recycle_sorter_msgs.msg import ModelInfo


def model_info(bundle: ModelBundle, engine: Engine) -> ModelInfo:
    """The message for a bundle that an engine runs; its stamp is the caller's to set."""
    accuracy = bundle.figures.get("accuracy")
    return ModelInfo(
        model_id=bundle.model_id,
        architecture=bundle.architecture,
        engine=engine.name,
        precision=engine.precision,
        materials=list(bundle.labels),
        input_width_px=bundle.preprocessing.width_px,
        input_height_px=bundle.preprocessing.height_px,
        temperature=bundle.temperature,
        manifest_sha256=bundle.manifest_sha256,
        accuracy=float(accuracy) if isinstance(accuracy, (int, float)) else math.nan,
        accuracy_on=str(bundle.figures.get("dataset", "")),
    )
