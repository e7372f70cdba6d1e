# SPDX-License-Identifier: Apache-2.0
"""Makers of test data that several suites share; import as ``support.<module>``."""
