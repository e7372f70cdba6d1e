# SPDX-License-Identifier: Apache-2.0
"""What moves the diverters."""
