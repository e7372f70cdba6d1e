# SPDX-License-Identifier: Apache-2.0
"""Sweeps: W&B's sweep files, run by its own agent or here on Optuna."""
