# SPDX-License-Identifier: Apache-2.0
"""The one definition of how a picture becomes a network's input.

Training, evaluation, calibration of the int8 network and the classifier node all call
:func:`preprocess` with the :class:`PreprocessingSpec` that the model bundle carries, so they
cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any, Final, Literal, cast

import cv2
import numpy as np
import numpy.typing as npt

from recycle_sorter.core.checks import is_finite
from recycle_sorter.core.errors import InvalidInputError

ChannelOrder = Literal["bgr", "rgb"]
Interpolation = Literal["area", "linear", "cubic", "nearest"]
ResizeMode = Literal["stretch", "letterbox", "center_crop"]

CHANNEL_ORDERS: Final = ("bgr", "rgb")
RESIZE_MODES: Final = ("stretch", "letterbox", "center_crop")
_CV_INTERPOLATION: Final[dict[str, int]] = {
    "area": cv2.INTER_AREA,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "nearest": cv2.INTER_NEAREST,
}
_MAX_SIDE_PX: Final = 4096

# Channel statistics of ImageNet in RGB order, as torchvision's ResNets use them.
IMAGENET_MEAN_RGB: Final = (0.485, 0.456, 0.406)
IMAGENET_STD_RGB: Final = (0.229, 0.224, 0.225)


def _check_int(field: str, value: object, fix: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MAX_SIDE_PX:
        raise InvalidInputError(
            field, value, f"a whole number of pixels from 1 to {_MAX_SIDE_PX}", fix
        )


def _check_choice(field: str, value: object, choices: Sequence[str]) -> None:
    if value not in choices:
        raise InvalidInputError(field, value, f"one of {', '.join(choices)}", "choose one of these")


@dataclass(frozen=True, slots=True)
class PreprocessingSpec:
    """Everything that decides the values of the input tensor.

    ``tensor = (pixel * scale - mean) / std`` after the resize, with ``mean`` and ``std`` in the
    network's own ``channel_order``.

    Attributes:
        width_px: Width of the network's input, 1 to 4096.
        height_px: Height of the network's input, 1 to 4096.
        resize: ``stretch`` to the input size; ``letterbox`` inside it, padded with ``mean``; or
            ``center_crop`` out of a picture whose shorter side was made ``resize_shorter_px``.
        interpolation: ``area`` (best when shrinking), ``linear``, ``cubic`` or ``nearest``.
        channel_order: Channel order of the tensor, ``rgb`` or ``bgr``.
        scale: Factor from an 8-bit pixel to the range of ``mean``, greater than 0.
        mean: One number a channel, in ``channel_order``.
        std: One number greater than 0 a channel, in ``channel_order``.
        resize_shorter_px: Only for ``center_crop``, at least as large as both input sides.
    """

    width_px: int = 224
    height_px: int = 224
    resize: ResizeMode = "stretch"
    interpolation: Interpolation = "area"
    channel_order: ChannelOrder = "rgb"
    scale: float = 1.0 / 255.0
    mean: tuple[float, float, float] = IMAGENET_MEAN_RGB
    std: tuple[float, float, float] = IMAGENET_STD_RGB
    resize_shorter_px: int | None = None

    def __post_init__(self) -> None:
        """Validate every field.

        Raises:
            InvalidInputError: Naming the field, its value, what was expected and the fix.
        """
        _check_int("preprocessing.width_px", self.width_px, "use the network's input width")
        _check_int("preprocessing.height_px", self.height_px, "use the network's input height")
        _check_choice("preprocessing.resize", self.resize, RESIZE_MODES)
        _check_choice("preprocessing.interpolation", self.interpolation, tuple(_CV_INTERPOLATION))
        _check_choice("preprocessing.channel_order", self.channel_order, CHANNEL_ORDERS)
        if not is_finite(self.scale) or self.scale <= 0:
            raise InvalidInputError(
                "preprocessing.scale", self.scale, "a number > 0", "use 1/255 for 8 bits"
            )
        for name, values in (("mean", self.mean), ("std", self.std)):
            if (
                not isinstance(values, tuple)
                or len(values) != 3
                or not all(is_finite(value) for value in values)
            ):
                raise InvalidInputError(
                    f"preprocessing.{name}", values, "three finite numbers", "give one a channel"
                )
        if min(self.std) <= 0:
            raise InvalidInputError(
                "preprocessing.std", self.std, "numbers > 0", "use 1.0 to leave one alone"
            )
        if self.resize == "center_crop":
            _check_int(
                "preprocessing.resize_shorter_px",
                self.resize_shorter_px,
                "center_crop needs the length of the shorter side before the crop",
            )
            if cast(int, self.resize_shorter_px) < max(self.width_px, self.height_px):
                raise InvalidInputError(
                    "preprocessing.resize_shorter_px",
                    self.resize_shorter_px,
                    f"at least {max(self.width_px, self.height_px)} (the longer input side)",
                    "enlarge it or shrink width_px and height_px",
                )
        elif self.resize_shorter_px is not None:
            raise InvalidInputError(
                "preprocessing.resize_shorter_px",
                self.resize_shorter_px,
                f"nothing, because resize is {self.resize!r}",
                "remove it or use resize 'center_crop'",
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PreprocessingSpec:
        """Build a spec from a decoded JSON object; every field but the crop's must be there.

        Raises:
            InvalidInputError: For an unknown, missing or bad field.
        """
        if not isinstance(values, Mapping):
            raise InvalidInputError(
                "preprocessing", values, "an object of fields", "export the bundle again"
            )
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise InvalidInputError(
                    f"preprocessing.{name}",
                    values[name],
                    f"only the fields {', '.join(known)}",
                    "remove it or correct its spelling",
                )
        for name in known:
            if name not in values and name != "resize_shorter_px":
                raise InvalidInputError(
                    f"preprocessing.{name}", None, "a value", "add the missing field"
                )
        given = dict(values)
        for name in ("mean", "std"):
            if isinstance(given[name], list):
                given[name] = tuple(given[name])
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-serialisable object that :meth:`from_dict` reads back unchanged."""
        values = asdict(self)
        values["mean"], values["std"] = list(self.mean), list(self.std)
        if self.resize_shorter_px is None:
            del values["resize_shorter_px"]
        return values


@lru_cache(maxsize=16)
def _lookup_tables(spec: PreprocessingSpec) -> tuple[npt.NDArray[np.float32], ...]:
    """One table of 256 normalised values a channel: normalising is a lookup, not arithmetic."""
    pixels = np.arange(256, dtype=np.float64) * spec.scale
    return tuple(
        ((pixels - mean) / std).astype(np.float32)
        for mean, std in zip(spec.mean, spec.std, strict=True)
    )


def _check_image(image: npt.NDArray[np.uint8]) -> None:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        raise InvalidInputError(
            "image dtype",
            str(getattr(image, "dtype", type(image).__name__)),
            "a numpy array of uint8",
            "convert the picture to 8 bits a channel first",
        )
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise InvalidInputError(
            "image shape",
            image.shape,
            "(height, width, 3), none of them 0",
            "convert the picture to three channels first",
        )


def _pad_value(spec: PreprocessingSpec, order: ChannelOrder) -> tuple[int, ...]:
    # Floats, and bounded before they are rounded: a tiny scale makes them infinite.
    levels = [float(mean) / float(spec.scale) for mean in spec.mean]
    values = [round(min(255.0, max(0.0, level))) for level in levels]
    return tuple(values if order == spec.channel_order else values[::-1])


def resize_image(
    image: npt.NDArray[np.uint8], spec: PreprocessingSpec, *, order: ChannelOrder = "bgr"
) -> npt.NDArray[np.uint8]:
    """Bring a picture to the network's input size, still 8 bits and in its own channel order.

    Args:
        image: ``[H, W, 3]`` uint8 in channel order ``order``.
        spec: What the network expects.
        order: Channel order of ``image``; only the colour of letterbox padding depends on it.

    Returns:
        ``[spec.height_px, spec.width_px, 3]`` uint8 in channel order ``order``.
    """
    height, width = image.shape[:2]
    size = (spec.width_px, spec.height_px)
    method = _CV_INTERPOLATION[spec.interpolation]
    if spec.resize == "stretch":
        resized = (
            image if (width, height) == size else cv2.resize(image, size, interpolation=method)
        )
        return cast("npt.NDArray[np.uint8]", resized)
    if spec.resize == "letterbox":
        factor = min(size[0] / width, size[1] / height)
    else:
        factor = cast(int, spec.resize_shorter_px) / min(height, width)
    inner = (max(1, round(width * factor)), max(1, round(height * factor)))
    resized = cv2.resize(image, inner, interpolation=method)
    left, top = abs(size[0] - inner[0]) // 2, abs(size[1] - inner[1]) // 2
    if spec.resize == "center_crop":
        crop = resized[top : top + size[1], left : left + size[0]]
        return cast("npt.NDArray[np.uint8]", crop)
    canvas = np.empty((size[1], size[0], 3), dtype=np.uint8)
    canvas[:] = _pad_value(spec, order)
    canvas[top : top + inner[1], left : left + inner[0]] = resized
    return canvas


def preprocess_batch(
    images: Sequence[npt.NDArray[np.uint8]],
    spec: PreprocessingSpec,
    *,
    order: ChannelOrder = "bgr",
) -> npt.NDArray[np.float32]:
    """Turn pictures of any sizes into one input batch.

    Args:
        images: Pictures ``[H, W, 3]`` uint8 in channel order ``order``.
        spec: What the network expects.
        order: Channel order of the pictures: ``bgr`` as OpenCV decodes, or ``rgb``.

    Returns:
        ``[N, 3, spec.height_px, spec.width_px]`` float32, C-contiguous, in the network's order.

    Raises:
        InvalidInputError: For a picture of another type or shape.
    """
    _check_choice("order", order, CHANNEL_ORDERS)
    tables = _lookup_tables(spec)
    channels = (0, 1, 2) if order == spec.channel_order else (2, 1, 0)
    batch = np.empty((len(images), 3, spec.height_px, spec.width_px), dtype=np.float32)
    for planes, image in zip(batch, images, strict=True):
        _check_image(image)
        resized = resize_image(image, spec, order=order)
        for plane, channel, table in zip(planes, channels, tables, strict=True):
            cv2.LUT(cv2.extractChannel(resized, channel), table, dst=plane)
    return batch


def preprocess(
    image: npt.NDArray[np.uint8], spec: PreprocessingSpec, *, order: ChannelOrder = "bgr"
) -> npt.NDArray[np.float32]:
    """Turn one picture into an input batch of one; see :func:`preprocess_batch`.

    Args:
        image: ``[H, W, 3]`` uint8 in channel order ``order``.
        spec: What the network expects.
        order: Channel order of ``image``: ``bgr`` as OpenCV decodes, or ``rgb``.

    Returns:
        ``[1, 3, spec.height_px, spec.width_px]`` float32, C-contiguous.

    Raises:
        InvalidInputError: For a picture of another type or shape.
    """
    return preprocess_batch([image], spec, order=order)
