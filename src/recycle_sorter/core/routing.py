# SPDX-License-Identifier: Apache-2.0
"""Routing: material -> bin -> diverter, and when to trust the classifier.

``recycle_sorter.core.routing_file.parse_routing`` builds a ``Routing`` from a file's mapping.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import Reason


@dataclass(frozen=True, slots=True)
class DiverterSpec:
    """One diverter.

    Attributes:
        name: Unique name.
        home_rad: Neutral angle, radians.
        min_rad: Lowest angle it reaches, radians.
        max_rad: Highest angle it reaches, radians.
        stroke_sec: Time from one end to the other, seconds, above 0.
        dwell_sec: How long it holds for an item before it returns home, seconds.
        delay_sec: Time between decision and movement, seconds; 0 moves at once.
    """

    name: str
    home_rad: float
    min_rad: float
    max_rad: float
    stroke_sec: float
    dwell_sec: float
    delay_sec: float


@dataclass(frozen=True, slots=True)
class BinSpec:
    """One bin: the diverter that fills it (empty: the bin at the end) and the angle for it."""

    name: str
    diverter: str
    position_rad: float


@dataclass(frozen=True, slots=True)
class MaterialRule:
    """Where a material goes and how sure the classifier must be.

    Attributes:
        material: Name.
        bin: Name of its bin.
        min_confidence: Lowest probability that is trusted, 0 to 1.
        min_margin: Least lead over the runner-up, 0 to 1.
    """

    material: str
    bin: str
    min_confidence: float
    min_margin: float


@dataclass(frozen=True, slots=True)
class CostMatrix:
    """What it costs to put a material into a bin; any unit, the same for all.

    Attributes:
        costs: By material, then by bin, each 0 or more; every rule's material and every bin.
        contamination: Cost in any bin but the reject bin of a material without a rule; in the
            reject bin it costs nothing.
    """

    costs: Mapping[str, Mapping[str, float]]
    contamination: float

    def expected(
        self, probabilities: Mapping[str, float], bins: Iterable[str], reject_bin: str
    ) -> dict[str, float]:
        """Expected cost of each bin for an item of which only probabilities are known.

        Args:
            probabilities: By material, each 0 to 1.
            bins: Names of the bins.
            reject_bin: Which of them takes what is not sorted.

        Returns:
            By bin, in the order given; independent of the order of the materials.
        """
        found = {}
        for name in bins:
            unruled = 0.0 if name == reject_bin else self.contamination
            # fsum is exact: no order of the materials changes a digit.
            found[name] = math.fsum(
                p * (self.costs[m][name] if m in self.costs else unruled)
                for m, p in probabilities.items()
            )
        return found


@dataclass(frozen=True, slots=True)
class Verdict:
    """What routing says to a set of probabilities."""

    material: str
    confidence: float
    bin: BinSpec
    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Routing:
    """A checked routing; ``routing_file.parse_routing`` builds it.

    Attributes:
        rules: By material.
        bins: By name.
        diverters: By name.
        reject_bin: Takes everything unsure.
        costs: What faults cost; None to go by the rules alone.
    """

    rules: Mapping[str, MaterialRule]
    bins: Mapping[str, BinSpec]
    diverters: Mapping[str, DiverterSpec]
    reject_bin: str
    costs: CostMatrix | None = None

    @property
    def materials(self) -> tuple[str, ...]:
        """Materials that have a rule."""
        return tuple(self.rules)

    def judge(self, probabilities: Mapping[str, float]) -> Verdict:
        """Decides bin or reject for the probabilities of one item.

        Where there are costs, what passes its rule's limits goes to the bin with the lowest
        expected cost: its own bin, the reject bin, or another. Its own wins a tie, then reject.

        Args:
            probabilities: By material, each 0 to 1. At least one.

        Returns:
            The verdict; everything unsure goes to the reject bin.

        Raises:
            InvalidInputError: If there is no probability or one is not within 0 to 1.
        """
        if not probabilities:
            raise InvalidInputError("probabilities", {}, "one or more materials")
        for name, value in probabilities.items():
            if not (math.isfinite(value) and -1e-6 <= value <= 1 + 1e-6):
                raise InvalidInputError(f"probabilities.{name}", value, "a number from 0 to 1")
        ranked = _ranked(probabilities)
        material, confidence = ranked[0]
        margin = confidence - (ranked[1][1] if len(ranked) > 1 else 0.0)
        rule = self.rules.get(material)
        if rule is None:
            return self.reject(
                material, confidence, Reason.UNKNOWN_MATERIAL, f"no rule for {material}"
            )
        if confidence < rule.min_confidence:
            text = f"confidence {confidence:.2f} < {rule.min_confidence:.2f} for {material}"
            return self.reject(material, confidence, Reason.LOW_CONFIDENCE, text)
        if margin < rule.min_margin:
            text = f"margin {margin:.2f} < {rule.min_margin:.2f} ({material} over {ranked[1][0]})"
            return self.reject(material, confidence, Reason.LOW_MARGIN, text)
        detail = f"{material} {confidence:.2f}, margin {margin:.2f}"
        if self.costs is not None:
            return self._by_cost(self.costs, probabilities, rule, confidence, detail)
        return Verdict(material, confidence, self.bins[rule.bin], Reason.ACCEPTED, detail)

    def _by_cost(
        self,
        costs: CostMatrix,
        probabilities: Mapping[str, float],
        rule: MaterialRule,
        confidence: float,
        detail: str,
    ) -> Verdict:
        expected = costs.expected(probabilities, self.bins, self.reject_bin)
        own, reject = rule.bin, self.reject_bin
        best = min(expected, key=lambda name: (expected[name], name != own, name != reject, name))
        if best == reject != own:
            # The rival is the cheapest of the others: none of them is worth the risk.
            rival = min((n for n in expected if n != reject), key=lambda n: (expected[n], n))
            text = (
                f"expected cost {expected[reject]:.3g} in {reject} < {expected[rival]:.3g} in "
                f"{rival} ({detail})"
            )
            return self.reject(rule.material, confidence, Reason.COST, text)
        text = f"{detail}, expected cost {expected[best]:.3g} in {best}"
        if best != own:
            text += f" < {expected[own]:.3g} in {own}"
        return Verdict(rule.material, confidence, self.bins[best], Reason.ACCEPTED, text)

    def reject(self, material: str, confidence: float, why: Reason, detail: str) -> Verdict:
        """A verdict for the reject bin."""
        return Verdict(material, confidence, self.bins[self.reject_bin], why, detail)


def best_material(probabilities: Mapping[str, float]) -> tuple[str, float]:
    """The most probable material and its probability; the first by name wins a tie.

    Raises:
        IndexError: If there is none.
    """
    return _ranked(probabilities)[0]


def _ranked(probabilities: Mapping[str, float]) -> list[tuple[str, float]]:
    # Sorting by name too makes ties fall the same way on every machine.
    return sorted(probabilities.items(), key=lambda item: (-item[1], item[0]))
