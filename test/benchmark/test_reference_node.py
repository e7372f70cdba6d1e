# SPDX-License-Identifier: Apache-2.0
"""The afternoon's sorter runs whatever network ships."""

from __future__ import annotations

import numpy as np
import pytest

from recycle_sorter.inference.bundle import ModelBundle
from recycle_sorter.inference.factory import create_engine
from recycle_sorter.paths import shipped_model


def test_it_answers_as_the_shipped_bundle_does() -> None:
    pytest.importorskip("cv_bridge", reason="no cv_bridge here: `make test` installs it")
    import torch
    from benchmarks.reference_node import load_network

    bundle = ModelBundle.load(shipped_model())
    batch = np.random.default_rng(0).normal(size=(1, *bundle.input_shape)).astype(np.float32)
    with torch.no_grad():
        found = load_network(bundle)(torch.from_numpy(batch)).numpy()
    engine = create_engine("onnxruntime", bundle, "fp32")
    np.testing.assert_allclose(found, engine.infer(batch), atol=1e-3)
    engine.close()
