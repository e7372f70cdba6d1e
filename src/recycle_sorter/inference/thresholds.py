# SPDX-License-Identifier: Apache-2.0
"""From which confidence and margin on a model may be believed."""

from __future__ import annotations

from dataclasses import dataclass, fields

from recycle_sorter.core.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Suggested for a routing's defaults; measured on ``val``, both limits together.

    Attributes:
        min_confidence: Least probability of the answer, 0 to 1.
        min_margin: Least lead of the answer over the runner-up, 0 to 1.
        accuracy: Share of right answers among those that pass, 0 to 1.
        coverage: Share of the pictures whose answer passes, 0 to 1.
        n: Number of pictures, those that do not pass included.
    """

    min_confidence: float
    min_margin: float
    accuracy: float
    coverage: float
    n: int

    @classmethod
    def from_dict(cls, value: object) -> Thresholds:
        """Builds them from a decoded JSON object.

        Raises:
            InvalidInputError: For an unknown, missing or bad field.
        """
        names = [field.name for field in fields(cls)]
        if not isinstance(value, dict) or value.keys() != set(names):
            raise InvalidInputError(
                "thresholds", value, f"the fields {', '.join(names)} and no others", "leave it out"
            )
        for name, number in value.items():
            if isinstance(number, bool) or not isinstance(number, (int, float)):
                raise InvalidInputError(f"thresholds.{name}", number, "a number")
            if name == "n" and (not isinstance(number, int) or number < 1):
                raise InvalidInputError("thresholds.n", number, "a number of pictures")
            if name != "n" and not 0.0 <= number <= 1.0:
                raise InvalidInputError(f"thresholds.{name}", number, "a number from 0 to 1")
        return cls(**value)
