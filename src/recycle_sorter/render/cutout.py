# SPDX-License-Identifier: Apache-2.0
"""An item alone: its part of the picture, with what is not the item see-through."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.render import place, scene

_MARGIN = 0.09  # board around the item, of its size: the exposure is metered against it
_MARGIN_PX = 4
_COVER_SAMPLES = 32


def render_cutout(
    shot: scene.Shot, width_px: int, height_px: int, samples: int
) -> NDArray[np.uint8]:
    """Render the part of a shot that shows its item.

    Args:
        shot: what to render: an item on a plain board, metered against it.
        width_px: width of the whole picture, at least 8.
        height_px: height of the whole picture, at least 8.
        samples: samples a pixel, at least `scene.PASSES`.

    Returns:
        uint8 ``(h, w, 4)``, channels red, green, blue and how much of the pixel is the item. The
        colours are those of the whole picture: they include what is seen through the item.

    Raises:
        InvalidInputError: if the shot has no item or a camera that is not metered, or a size or
            the sample count is too small.
        MitsubaMissingError: if Mitsuba is not installed.
    """
    if shot.item is None or shot.sensor is not None:
        raise InvalidInputError("scene", shot.kind, "an item in a scene free or station")
    if width_px < 8 or height_px < 8:
        raise InvalidInputError("size_px", (width_px, height_px), "at least 8 x 8")
    if samples < scene.PASSES:
        raise InvalidInputError("samples", samples, f"at least {scene.PASSES}")
    mi = scene.load_mitsuba()
    crop = _crop(shot, width_px, height_px)
    whole = scene.scene_dict(shot, mi, width_px, height_px)
    whole["sensor"]["film"].update(crop)
    loaded = mi.load_dict(whole)
    passes = []
    for index in range(scene.PASSES):
        seed = (shot.seed * scene.PASSES + index) % 2**31
        image = mi.render(loaded, spp=samples // scene.PASSES, seed=seed)
        passes.append(np.asarray(image, dtype=np.float32)[..., :3])
    colour = scene.develop(np.stack(passes), shot)
    # Rays meet the item or nothing: what they meet is all that is asked.
    alone = {key: part for key, part in whole.items() if not key.startswith(("board", "room"))}
    alone["integrator"] = {"type": "depth"}
    alone["sensor"]["film"]["pixel_format"] = "rgba"
    for key in [key for key in alone if key.startswith("lamp")]:
        del alone[key]
    seen = mi.render(mi.load_dict(alone), spp=_COVER_SAMPLES, seed=shot.seed % 2**31)
    cover = np.clip(np.asarray(seen, dtype=np.float32)[..., 3:], 0.0, 1.0)
    return np.dstack([colour, np.rint(cover * 255.0).astype(np.uint8)])


def _crop(shot: scene.Shot, width_px: int, height_px: int) -> dict[str, int]:
    """Return the film's window around the item, whole pixels within the picture."""
    seen = shot.camera.project(place.points(shot.item))
    x = (seen[:, 0] + 1.0) / 2.0 * width_px
    y = (1.0 - seen[:, 1]) / 2.0 * height_px
    margin = _MARGIN_PX + _MARGIN * max(float(np.ptp(x)), float(np.ptp(y)))
    left, top = (max(0, int(np.floor(low.min() - margin))) for low in (x, y))
    right = min(width_px, int(np.ceil(x.max() + margin)))
    bottom = min(height_px, int(np.ceil(y.max() + margin)))
    return {
        "crop_offset_x": left,
        "crop_offset_y": top,
        "crop_width": max(1, right - left),
        "crop_height": max(1, bottom - top),
    }
