# SPDX-License-Identifier: Apache-2.0
"""Which pictures show one object: photographed again, turned, moved, or from its other side.

A random split puts one photograph of an object into training and the next into the test, and the
figure flatters. A split by the groups found here does not, as far as the groups go: prints and
colours find most objects, but two sides of a thing that look nothing alike stay two objects, and
two things that look the same (bottles of one brand) become one. File names are not looked at.

Three kinds of evidence join two pictures of one class, the strongest first:

* *print*: enough keypoints agree on how the object moved between the pictures;
* *features*: of a network, if the caller has any; each the nearest to the other;
* *colours*: of picture and item; each among the two nearest to the other.

The same file twice is one object whatever its labels. No group grows beyond a fifth of its class:
a chain of lookalikes must not become one object that no small split could hold.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.dataset.descriptors import Descriptor, count_common_prints, describe
from recycle_sorter.ml.dataset.reading import Progress, look_at
from recycle_sorter.ml.dataset.records import Picture

Floats = NDArray[np.float32]

# Thresholds: looked at on pairs of TrashNet's photographs, above them nearly all show one object.
_MANY_PRINTS: Final = 8
_SOME_PRINTS: Final = 6  # if the colours are alike as well
_FAIRLY_ALIKE: Final = 0.85
_ALIKE: Final = 0.94
_MUTUAL_COLOURS: Final = 2
_FEATURE_COSINE: Final = 0.75
_MUTUAL_FEATURES: Final = 1
_CANDIDATES: Final = 16
_MAX_SHARE: Final = 0.2
_SMALL_GROUP: Final = 12  # allowed in classes of any size
_BLOCK: Final = 512


@dataclass(frozen=True, slots=True)
class Link:
    """Why two pictures are of one object.

    Attributes:
        one: Index of a picture.
        other: Index of another.
        reason: ``"file"``, ``"print"``, ``"features"`` or ``"colours"``.
        strength: Keypoints for a print, otherwise a likeness up to 1.
    """

    one: int
    other: int
    reason: str
    strength: float


@dataclass(frozen=True, slots=True)
class ObjectGroups:
    """A partition of pictures into objects.

    Attributes:
        ids: Group of each picture, in the order of the pictures: 0, 1, ... by first appearance.
        links: What joined them, the strongest first.
        refused: How many links were left out because the group would have grown too large.
        names: The pictures' names, same order.
    """

    ids: tuple[int, ...]
    links: tuple[Link, ...]
    refused: int
    names: tuple[str, ...]

    def members(self) -> list[list[int]]:
        """Indices of the pictures of each group of more than one, the largest group first."""
        groups: dict[int, list[int]] = defaultdict(list)
        for index, group in enumerate(self.ids):
            groups[group].append(index)
        several = [group for group in groups.values() if len(group) > 1]
        return sorted(several, key=lambda group: (-len(group), group))

    @property
    def shared(self) -> float:
        """Share of the pictures that have company, 0 to 1."""
        return sum(map(len, self.members())) / len(self.ids) if self.ids else 0.0

    def to_dict(self) -> dict[str, Any]:
        """For JSON: figures, and the names in each group of more than one."""
        members = self.members()
        return {
            "pictures": len(self.ids),
            "objects": len(set(self.ids)),
            "share_in_groups": round(self.shared, 4),
            "largest": max(map(len, members), default=1 if self.ids else 0),
            "links": dict(Counter(link.reason for link in self.links)),
            "refused_links": self.refused,
            "groups": [[self.names[index] for index in group] for group in members],
        }


def find_groups(
    pictures: Sequence[Picture],
    *,
    features: Floats | None = None,
    progress: Progress | None = None,
) -> ObjectGroups:
    """Finds the pictures that show one object.

    Args:
        pictures: Whose files are read; an unreadable one is an object of its own.
        features: ``[N, D]`` float32, e.g. pooled features of any network, a row a picture. They
            are centred here and compared by cosine.
        progress: Called with how many pictures were read, and of how many.

    Raises:
        InvalidInputError: If ``features`` do not fit the pictures.
    """
    if features is not None and (features.ndim != 2 or len(features) != len(pictures)):
        raise InvalidInputError("features", features.shape, f"[{len(pictures)}, D], row a picture")
    if features is not None and not np.isfinite(features).all():
        raise InvalidInputError("features", "NaN or infinity", "finite numbers")
    described = list(look_at([picture.path for picture in pictures], describe, progress))
    centred = None if features is None or not len(features) else _centre(features)
    labels: dict[int, list[int]] = defaultdict(list)
    links = _same_files(described)
    for index, (picture, found) in enumerate(zip(pictures, described, strict=True)):
        if found is not None:
            labels[picture.label].append(index)
    for members in labels.values():
        links += _links_within(members, described, centred)
    return _join(pictures, links)


def count_shared(groups: ObjectGroups, here: Iterable[str], there: Iterable[str]) -> int:
    """How many pictures named ``here`` show an object that is also ``there``: what leaks."""
    group = dict(zip(groups.names, groups.ids, strict=True))
    known = {group[name] for name in there}
    return sum(group[name] in known for name in here)


def _centre(features: Floats) -> Floats:
    centred = features.astype(np.float32) - features.mean(axis=0, dtype=np.float64)
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    return np.asarray(centred / np.maximum(norms, 1e-12), np.float32)


def _same_files(described: Sequence[Descriptor | None]) -> list[Link]:
    first: dict[str, int] = {}
    links = []
    for index, found in enumerate(described):
        if found is not None and first.setdefault(found.digest, index) != index:
            links.append(Link(first[found.digest], index, "file", 1.0))
    return links


def _links_within(
    members: Sequence[int], described: Sequence[Descriptor | None], features: Floats | None
) -> list[Link]:
    """Links among the pictures of one class; ``members`` are readable."""
    known = [found for index in members if (found := described[index]) is not None]
    whole = np.stack([found.whole for found in known])
    item = np.stack([found.item for found in known])
    both = np.concatenate([whole, item], axis=1) * np.float32(np.sqrt(0.5))
    candidates = _pairs(_nearest(whole, _CANDIDATES)) | _pairs(_nearest(item, _CANDIDATES))
    links = []
    if features is not None:
        own = features[list(members)]
        candidates |= _pairs(_nearest(own, _CANDIDATES))
        for one, other in _mutual(_nearest(own, _MUTUAL_FEATURES)):
            cosine = float(own[one] @ own[other])
            if cosine >= _FEATURE_COSINE:
                links.append(Link(members[one], members[other], "features", cosine))
    for one, other in _mutual(_nearest(both, _MUTUAL_COLOURS)):
        alike = float(both[one] @ both[other])
        if alike >= _ALIKE:
            links.append(Link(members[one], members[other], "colours", alike))
    for one, other in sorted(candidates):
        count = count_common_prints(known[one], known[other])
        if count >= _MANY_PRINTS or (
            count >= _SOME_PRINTS and float(both[one] @ both[other]) >= _FAIRLY_ALIKE
        ):
            links.append(Link(members[one], members[other], "print", float(count)))
    return links


def _nearest(vectors: Floats, count: int) -> NDArray[np.int64]:
    """Indices of each row's nearest others by dot product, ``[N, min(count, N - 1)]``."""
    total = len(vectors)
    count = min(count, total - 1)
    found = np.empty((total, count), np.int64)
    for start in range(0, total, _BLOCK):
        likeness = vectors[start : start + _BLOCK] @ vectors.T
        rows = np.arange(len(likeness))
        likeness[rows, start + rows] = -np.inf
        # Stable, so that equal pictures come in the same order every time.
        found[start : start + _BLOCK] = np.argsort(-likeness, axis=1, kind="stable")[:, :count]
    return found


def _pairs(nearest: NDArray[np.int64]) -> set[tuple[int, int]]:
    return {
        (min(one, other), max(one, other))
        for one, others in enumerate(nearest.tolist())
        for other in others
    }


def _mutual(nearest: NDArray[np.int64]) -> list[tuple[int, int]]:
    chosen = [set(others) for others in nearest.tolist()]
    return [(one, other) for one, other in sorted(_pairs(nearest))
            if other in chosen[one] and one in chosen[other]]  # fmt: skip


_RANKS: Final = {"file": 0, "print": 1, "features": 2, "colours": 3}


def _join(pictures: Sequence[Picture], links: list[Link]) -> ObjectGroups:
    """Unites along the links, the strongest first, while the groups stay small enough."""
    links.sort(key=lambda link: (_RANKS[link.reason], -link.strength, link.one, link.other))
    parents = list(range(len(pictures)))
    sizes = [1] * len(pictures)
    counts = Counter(picture.label for picture in pictures)

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    refused = 0
    for link in links:
        one, other = sorted((root(link.one), root(link.other)))
        if one == other:
            continue
        limit = max(_SMALL_GROUP, int(_MAX_SHARE * counts[pictures[link.one].label]))
        if link.reason != "file" and sizes[one] + sizes[other] > limit:
            refused += 1
            continue
        parents[other] = one
        sizes[one] += sizes[other]
    numbers: dict[int, int] = {}
    ids = tuple(numbers.setdefault(root(index), len(numbers)) for index in range(len(pictures)))
    return ObjectGroups(ids, tuple(links), refused, tuple(one.name for one in pictures))
