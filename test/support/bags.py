# SPDX-License-Identifier: Apache-2.0
"""Small bags of coloured items that the tiny bundle sorts right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from recycle_sorter.core.types import NS_PER_SEC, Frame, Truth
from recycle_sorter.sources.bag_writer import BagWriter
from support.bundles import empty_image, item_image

START_NS = 1_700_000_000 * NS_PER_SEC
WIDTH_PX, HEIGHT_PX = 160, 120


def item_frames(
    materials: Sequence[str], *, shown: int = 8, gap: int = 5, fps_hz: float = 30.0
) -> Iterator[Frame]:
    """An empty board, then each item for ``shown`` frames and a gap of ``gap``."""
    index = 0

    def frame(material: str = "", truth: Truth | None = None) -> Frame:
        nonlocal index
        stamp_ns = START_NS + round(index * NS_PER_SEC / fps_hz)
        size = (WIDTH_PX, HEIGHT_PX)
        pixels = (
            item_image(material, *size, seed=index) if material else empty_image(*size, seed=index)
        )
        index += 1
        return Frame(stamp_ns, pixels, truth=truth)

    yield from (frame() for _ in range(gap))
    for number, material in enumerate(materials, start=1):
        yield frame(material, Truth(number, material, f"{material}.png"))
        yield from (frame(material) for _ in range(shown - 1))
        yield from (frame() for _ in range(gap))


def write_item_bag(path: Path, materials: Sequence[str], **timing: float) -> Path:
    """Writes them as a bag of JPEGs with their truth."""
    with BagWriter(path) as writer:
        for frame in item_frames(materials, **timing):  # type: ignore[arg-type]
            writer.write(frame)
    return path
