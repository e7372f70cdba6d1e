# SPDX-License-Identifier: Apache-2.0
"""Random changes to training pictures. Evaluation never imports this package.

Everything works on 8-bit BGR pictures and draws from a generator that the caller seeds, so that a
run can be repeated and resumed exactly.
"""
