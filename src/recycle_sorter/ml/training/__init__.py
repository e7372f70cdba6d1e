# SPDX-License-Identifier: Apache-2.0
"""Training a classifier with Lightning: settings, batches, the module, the run folder."""
