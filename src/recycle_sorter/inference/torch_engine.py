# SPDX-License-Identifier: Apache-2.0
"""PyTorch, eager fp32 on the CPU: the reference that the other engines are compared with."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from recycle_sorter.core.errors import ModelError
from recycle_sorter.inference.batches import check_batch, one_line
from recycle_sorter.inference.bundle import ModelBundle
from recycle_sorter.inference.torch_networks import ARCHITECTURES

__all__ = ["ARCHITECTURES", "TorchEngine"]


class TorchEngine:
    """Builds the bundle's architecture and loads its safetensors into it."""

    name = "torch"
    precision = "fp32"

    def __init__(self, bundle: ModelBundle, threads: int = 0) -> None:
        """Loads the network.

        Args:
            bundle: A verified bundle.
            threads: CPU threads for the whole process; 0 leaves torch's own choice.

        Raises:
            ModelError: If the architecture is none of ``ARCHITECTURES`` or the weights do not fit.
        """
        build = ARCHITECTURES.get(bundle.architecture)
        if build is None:
            raise ModelError(
                f"architecture: got {bundle.architecture!r}, expected one of "
                f"{', '.join(ARCHITECTURES)} with engine torch. Fix: use another engine"
            )
        if threads > 0:
            torch.set_num_threads(threads)
        weights = bundle.networks["fp32"].weights
        try:
            # On the meta device nothing is initialised that the weights replace anyway.
            with torch.device("meta"):
                model = build(len(bundle.labels))
            model.load_state_dict(load_file(weights), strict=True, assign=True)
        except (RuntimeError, SafetensorError) as error:
            raise ModelError(
                f"{weights}: cannot be loaded into a {bundle.architecture} with "
                f"{len(bundle.labels)} outputs: {one_line(error)}. Fix: export the bundle again"
            ) from error
        self._input_shape = bundle.input_shape
        self._model: torch.nn.Module | None = model.eval().requires_grad_(False)

    def infer(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See :class:`recycle_sorter.core.ports.Engine`."""
        check_batch(batch, self._input_shape)
        if self._model is None:
            raise ModelError("engine torch: used after close")
        try:
            with torch.inference_mode():
                scores: NDArray[np.float32] = self._model(torch.from_numpy(batch)).numpy()
        except RuntimeError as error:
            raise ModelError(f"engine torch: inference failed: {one_line(error)}") from error
        return scores

    def close(self) -> None:
        """Frees the network."""
        self._model = None
