# SPDX-License-Identifier: Apache-2.0
"""What every benchmark is given: how long to measure, which model, which photographs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from recycle_sorter.inference.bundle import ModelBundle
from recycle_sorter.paths import shipped_model

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Context:
    """Settings of a run of benchmarks.

    Attributes:
        quick: Measure for seconds only, to see that everything works.
        model: Folder of a model bundle, None for the shipped one.
        photos: Folder of real photographs (TrashNet's, or one folder a material).
    """

    quick: bool
    model: Path | None
    photos: Path

    @cached_property
    def bundle(self) -> ModelBundle:
        """The verified model bundle.

        Raises:
            SorterError: If it is not there or damaged.
        """
        return ModelBundle.load(self.model or shipped_model())

    def model_facts(self) -> dict[str, Any]:
        """Which model was measured, for the JSON."""
        figures = self.bundle.figures
        return {
            "model_id": self.bundle.model_id,
            "precisions": sorted(self.bundle.networks),
            "accuracy_stated": figures.get("accuracy"),
        }

    def pick(self, full: float, quick: float) -> float:
        """The value for this run: a duration or a count."""
        return quick if self.quick else full

    def say(self, text: str) -> None:
        """Tells people what is being measured now; stdout is left to the results."""
        sys.stderr.write(f"  {text}\n")
        sys.stderr.flush()
