# SPDX-License-Identifier: Apache-2.0
"""Settings of every suite."""

from __future__ import annotations

from hypothesis import settings

# No deadlines: a loaded machine must not fail a test. Timing belongs to the benchmarks.
settings.register_profile("recycle_sorter", deadline=None, print_blob=True)
settings.load_profile("recycle_sorter")
