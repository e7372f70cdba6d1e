# SPDX-License-Identifier: Apache-2.0
"""The project's figures, each measured beside its reference in the same run.

``python -m benchmarks`` (or ``make bench``) runs them; ``--help`` lists them.
"""
