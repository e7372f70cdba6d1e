# SPDX-License-Identifier: Apache-2.0
"""OpenVINO on the CPU, tuned for the latency of one picture."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import properties as props
from openvino.properties import hint

from recycle_sorter.core.errors import ModelError
from recycle_sorter.inference.batches import check_batch, one_line
from recycle_sorter.inference.bundle import ModelBundle
from recycle_sorter.inference.openvino_core import DEVICE, computes_bf16, shared_core

# bf16 runs the fp32 network in a narrower type; it has no files of its own.
_NETWORK_OF: Final = {"fp32": "fp32", "bf16": "fp32", "int8": "int8"}


class OpenVinoEngine:
    """Runs a bundle's network, compiled once for every batch size up to a limit.

    A fixed shape lets OpenVINO plan memory once. On two cores with AMX, four pictures of the
    shipped network at once take two thirds of four in turn, and no less a picture beyond four. What
    is larger than the limit goes in parts.
    """

    name = "openvino"

    def __init__(
        self, bundle: ModelBundle, precision: str = "auto", threads: int = 0, batch: int = 1
    ) -> None:
        """Loads and compiles the network.

        Args:
            bundle: A verified bundle.
            precision: ``"fp32"``, ``"bf16"``, ``"int8"``; or ``"auto"`` for the fastest that
                gives the same probabilities to about 1e-2: bf16 where the CPU computes it natively,
                else fp32. int8 keeps the accuracy, but single probabilities move by up to 0.13.
            threads: CPU threads for one inference; 0 for all physical cores.
            batch: How many pictures are computed at once at most, 1 or more.

        Raises:
            ModelError: If the precision is not to be had here, or the network does not load or
                does not fit ``bundle.json``.
        """
        core = shared_core()
        self.precision = _choose_precision(bundle, core, precision)
        graph = bundle.networks[_NETWORK_OF[self.precision]].graph
        config: dict[str, Any] = {
            hint.performance_mode: hint.PerformanceMode.LATENCY,
            hint.inference_precision: ov.Type.bf16 if self.precision == "bf16" else ov.Type.f32,
            hint.num_requests: 1,
            # Pinned threads wait for their own core while another is free: beside cameras and DDS
            # on two busy cores that doubled both the median and the 99th percentile.
            hint.enable_cpu_pinning: False,
        }
        if threads > 0:
            config[props.inference_num_threads] = threads
        try:
            model = core.read_model(graph)
            _require_names(model, bundle)
            compiled = []
            for count in range(1, batch + 1):
                model.reshape([count, *bundle.input_shape])
                compiled.append(core.compile_model(model, DEVICE, config))
        except RuntimeError as error:
            raise ModelError(
                f"{graph}: OpenVINO {ov.__version__} cannot load it for an input of "
                f"{bundle.input_shape}: {one_line(error)}. "
                f"Fix: export the bundle again, or update openvino"
            ) from error
        self._input_shape = bundle.input_shape
        self._requests: list[ov.InferRequest] = [one.create_infer_request() for one in compiled]

    def infer(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See :class:`recycle_sorter.core.ports.Engine`."""
        check_batch(batch, self._input_shape)
        if not self._requests:
            raise ModelError("engine openvino: used after close")
        most, rows = len(self._requests), []
        try:
            for start in range(0, len(batch), most):
                part = batch[start : start + most]
                request = self._requests[len(part) - 1]
                # The network reads straight from the batch; its output is copied, because the
                # request writes the next one into the same memory.
                request.infer([part], share_inputs=True, share_outputs=True)
                rows.append(request.get_output_tensor(0).data.copy())
        except RuntimeError as error:
            raise ModelError(f"engine openvino: inference failed: {one_line(error)}") from error
        return rows[0] if len(rows) == 1 else np.concatenate(rows)

    def close(self) -> None:
        """Frees the network."""
        self._requests = []


def _choose_precision(bundle: ModelBundle, core: ov.Core, precision: str) -> str:
    has_bf16 = computes_bf16(core)
    if precision == "auto":
        return "bf16" if has_bf16 else "fp32"
    if precision == "bf16" and not has_bf16:
        raise ModelError(
            "precision: got 'bf16', expected one that this CPU computes natively (fp32, int8). "
            "Fix: set precision to auto"
        )
    if _NETWORK_OF[precision] not in bundle.networks:
        raise ModelError(
            f"precision: got {precision!r}, expected one that {bundle.model_id} has a network for "
            f"({', '.join(bundle.networks)}). Fix: set precision to auto"
        )
    return precision


def _require_names(model: ov.Model, bundle: ModelBundle) -> None:
    names = ([i.any_name for i in model.inputs], [o.any_name for o in model.outputs])
    expected = ([bundle.input_name], [bundle.output_name])
    if names != expected:
        raise ModelError(
            f"{bundle.path}: got inputs and outputs {names}, expected {expected} as bundle.json "
            f"says. Fix: export the bundle again"
        )
