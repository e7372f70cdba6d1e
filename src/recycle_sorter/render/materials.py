# SPDX-License-Identifier: Apache-2.0
"""Surfaces as plain data, and their translation to Mitsuba BSDF dictionaries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.errors import InvalidInputError

Picture = NDArray[np.uint8]
Colour = tuple[float, float, float]
Kind = Literal["matte", "glossy", "printed_metal", "metal", "glass", "film", "frosted"]

IOR_GLASS, IOR_PLASTIC = 1.52, 1.49


@dataclass(frozen=True)
class Surface:
    """What a part is made of.

    Attributes:
        kind: ``matte`` (paper, board), ``glossy`` (paint, plastic, glaze), ``printed_metal``
            (ink on metal), ``metal`` (bare), ``glass`` (refracts; needs a closed wall),
            ``film`` (a clear thin wall that does not bend light), ``frosted`` (a thin wall
            that lets light through diffusely).
        colour: linear RGB in [0, 1]; the tint of what passes, for glass and film.
        texture: uint8 ``(H, W, 3)`` sRGB picture used instead of the colour.
        roughness: microfacet roughness in [0, 1]; 0 is a mirror.
        back: the surface of the other side of a sheet; the same when not given.
        conductor: Mitsuba's name of the bare metal.
    """

    kind: Kind
    colour: Colour = (0.8, 0.8, 0.8)
    texture: Picture | None = None
    roughness: float = 0.2
    back: Surface | None = None
    conductor: str = "Al"

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            InvalidInputError: if a colour or the roughness lies outside [0, 1], or the texture is
                not uint8 ``(H, W, 3)``.
        """
        if not all(0.0 <= part <= 1.0 for part in self.colour):
            raise InvalidInputError("colour", self.colour, "three numbers within [0, 1]")
        if not 0.0 <= self.roughness <= 1.0:
            raise InvalidInputError("roughness", self.roughness, "a number within [0, 1]")
        texture = self.texture
        if texture is not None and (texture.ndim != 3 or texture.dtype != np.uint8):
            found = f"{texture.dtype} {texture.shape}"
            raise InvalidInputError("texture", found, "uint8 (H, W, 3), RGB")


def linear(red: int, green: int, blue: int) -> Colour:
    """Return the linear colour of an 8-bit sRGB triple (IEC 61966-2-1)."""

    def part(value: int) -> float:
        c = value / 255.0
        return c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4

    return part(red), part(green), part(blue)


def bsdf(surface: Surface, mi: Any) -> dict[str, Any]:
    """Translate a surface for ``mi.load_dict``.

    Args:
        surface: the surface.
        mi: the mitsuba module, its variant set (only its `Bitmap` is used).
    """
    front = _one_sided(surface, mi)
    if surface.kind in ("glass", "film", "frosted"):
        return front
    if surface.back is None:
        return {"type": "twosided", "front": front}
    return {"type": "twosided", "front": front, "rear": _one_sided(surface.back, mi)}


def _one_sided(surface: Surface, mi: Any) -> dict[str, Any]:
    colour = _colour(surface, mi)
    alpha = max(surface.roughness**2, 1e-3)
    match surface.kind:
        case "matte":
            return {"type": "diffuse", "reflectance": colour}
        case "glossy":
            return {
                "type": "roughplastic",
                "diffuse_reflectance": colour,
                "int_ior": IOR_PLASTIC,
                "alpha": max(alpha, 0.01),
                "nonlinear": True,
            }
        case "printed_metal":
            return {
                "type": "principled",
                "base_color": colour,
                "metallic": 0.75,
                "roughness": max(surface.roughness, 0.05),
                "clearcoat": 0.6,
                "clearcoat_gloss": 0.95,
            }
        case "metal":
            return {
                "type": "roughconductor",
                "material": surface.conductor,
                "alpha": max(alpha, 0.01),
                "specular_reflectance": colour,
            }
        case "glass":
            return {
                "type": "dielectric",
                "int_ior": IOR_GLASS,
                "specular_transmittance": colour,
            }
        case "film":
            return {
                "type": "thindielectric",
                "int_ior": 1.57,
                "specular_transmittance": colour,
            }
        case "frosted":
            return {
                "type": "principledthin",
                "base_color": colour,
                "roughness": max(surface.roughness, 0.05),
                "diff_trans": 0.9,
                "spec_trans": 0.15,
                "eta": IOR_PLASTIC,
            }


def _colour(surface: Surface, mi: Any) -> dict[str, Any]:
    if surface.texture is None:
        return {"type": "rgb", "value": list(surface.colour)}
    bitmap = mi.Bitmap(np.ascontiguousarray(surface.texture))
    return {"type": "bitmap", "bitmap": bitmap, "wrap_mode": "mirror"}
