# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime, fp32 on the CPU."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from recycle_sorter.core.errors import ModelError
from recycle_sorter.inference.batches import check_batch, one_line
from recycle_sorter.inference.bundle import ModelBundle


class OnnxRuntimeEngine:
    """Runs the bundle's ONNX graph as it is; any batch size."""

    name = "onnxruntime"
    precision = "fp32"

    def __init__(self, bundle: ModelBundle, threads: int = 0) -> None:
        """Loads the network.

        Args:
            bundle: A verified bundle.
            threads: CPU threads for one inference; 0 for all cores.

        Raises:
            ModelError: If ONNX Runtime cannot load it, or its input or output has another name.
        """
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3  # errors; they also come as exceptions
        graph = bundle.networks["fp32"].graph
        try:
            session = ort.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the binding's exceptions share no base but Exception
            raise ModelError(
                f"{graph}: ONNX Runtime {ort.__version__} cannot load it: {one_line(error)}. "
                f"Fix: export the bundle again, or update onnxruntime"
            ) from error
        names = ([i.name for i in session.get_inputs()], [o.name for o in session.get_outputs()])
        expected = ([bundle.input_name], [bundle.output_name])
        if names != expected:
            raise ModelError(
                f"{graph}: got inputs and outputs {names}, expected {expected} as bundle.json "
                f"says. Fix: export the bundle again"
            )
        self._input_shape = bundle.input_shape
        self._input_name = bundle.input_name
        self._output_names = [bundle.output_name]
        self._session: ort.InferenceSession | None = session

    def infer(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See :class:`recycle_sorter.core.ports.Engine`."""
        check_batch(batch, self._input_shape)
        if self._session is None:
            raise ModelError("engine onnxruntime: used after close")
        try:
            outputs = self._session.run(self._output_names, {self._input_name: batch})
        except Exception as error:  # as above
            raise ModelError(f"engine onnxruntime: inference failed: {one_line(error)}") from error
        scores: NDArray[np.float32] = outputs[0]
        return scores

    def close(self) -> None:
        """Frees the network."""
        self._session = None
