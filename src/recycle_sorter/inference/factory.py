# SPDX-License-Identifier: Apache-2.0
"""Which engines there are, and one that is known to fit its bundle."""

from __future__ import annotations

from typing import Final

import numpy as np

from recycle_sorter.core import checks
from recycle_sorter.core.errors import InvalidInputError, ModelError
from recycle_sorter.core.ports import Engine
from recycle_sorter.inference.bundle import ModelBundle

ENGINES: Final = ("openvino", "onnxruntime", "torch")
PRECISIONS: Final = ("auto", "fp32", "bf16", "int8")
MAX_THREADS: Final = 256
MAX_BATCH: Final = 64


def create_engine(
    name: str, bundle: ModelBundle, precision: str = "auto", threads: int = 0, batch: int = 1
) -> Engine:
    """Loads a bundle's network into an engine and runs it once for every size of batch.

    Only the chosen engine's library is imported.

    Args:
        name: One of ``ENGINES``.
        bundle: A verified bundle.
        precision: One of ``PRECISIONS``; only ``openvino`` computes in another than fp32, and its
            ``auto`` chooses among those that the bundle and the CPU have.
        threads: CPU threads for one inference; 0 for the engine's own choice.
        batch: How many pictures will be asked for at once, 1 to ``MAX_BATCH``; an engine that
            prepares for each size is ready for all up to it. More may be asked for, in parts.

    Raises:
        InvalidInputError: If an argument is none of those.
        ModelError: If the engine is not installed, or the network does not load or does not fit
            the bundle's labels and preprocessing.
    """
    if name not in ENGINES:
        raise InvalidInputError("engine", name, f"one of {', '.join(ENGINES)}")
    if precision not in PRECISIONS:
        raise InvalidInputError("precision", precision, f"one of {', '.join(PRECISIONS)}")
    checks.whole("threads", threads, 0, MAX_THREADS)
    checks.whole("batch", batch, 1, MAX_BATCH)
    engine = _build(name, bundle, precision, threads, batch)
    try:
        for count in range(1, batch + 1):
            _warm_up(engine, bundle, count)
    except BaseException:
        engine.close()
        raise
    return engine


def _build(name: str, bundle: ModelBundle, precision: str, threads: int, batch: int) -> Engine:
    if name != "openvino" and precision not in ("auto", "fp32"):
        raise InvalidInputError(
            "precision", precision, f"auto or fp32 with engine {name}", "use engine openvino"
        )
    try:
        if name == "openvino":
            from recycle_sorter.inference.openvino_engine import OpenVinoEngine

            return OpenVinoEngine(bundle, precision, threads, batch)
        if name == "onnxruntime":
            from recycle_sorter.inference.onnx_engine import OnnxRuntimeEngine

            return OnnxRuntimeEngine(bundle, threads)
        from recycle_sorter.inference.torch_engine import TorchEngine

        return TorchEngine(bundle, threads)
    except ImportError as error:
        package = "'recycle_sorter[torch]'" if name == "torch" else name
        raise ModelError(
            f"engine: {name} cannot be imported ({error}). Fix: pip install {package}, "
            f"or choose another of {', '.join(ENGINES)}"
        ) from error


def _warm_up(engine: Engine, bundle: ModelBundle, count: int) -> None:
    """One inference: proves that the shapes fit, and makes the first real one as fast as later."""
    batch = np.zeros((count, *bundle.input_shape), dtype=np.float32)
    scores = engine.infer(batch)
    expected = (count, len(bundle.labels))
    if scores.shape != expected:
        raise ModelError(
            f"{bundle.model_id}: got scores of shape {scores.shape}, expected {expected}, one for "
            f"each of {len(bundle.labels)} labels. Fix: export the bundle again with its own labels"
        )
    if not np.isfinite(scores).all():
        raise ModelError(
            f"{bundle.model_id}: got scores {scores[0].tolist()} for a grey picture, expected "
            f"finite numbers. Fix: export the bundle again"
        )
