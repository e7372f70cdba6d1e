# SPDX-License-Identifier: Apache-2.0
"""Errors that tell a person which field is wrong, what was expected, and the fix."""

from __future__ import annotations

import reprlib


# Values come from outside: a YAML file of a few lines can describe gigabytes (aliases of aliases).
class _Short(reprlib.Repr):
    """Cuts values short."""

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to write out thousands of digits; YAML reads them from hexadecimal.
        if x.bit_length() > _LONG_BITS:
            return f"a whole number of {x.bit_length()} bits"
        return super().repr_int(x, level)


_LONG_BITS = 4096
_SHORT = _Short()
_SHORT.maxstring = _SHORT.maxother = 100
_SHORT.maxlevel = 3


class SorterError(Exception):
    """Base of every error this project raises on purpose."""


class InvalidInputError(SorterError, ValueError):
    """Something from outside (picture, bag, model, config, parameter) is not as it must be.

    Attributes:
        field: Name of the faulty field or key, e.g. ``"materials.glass.bin"``.
        value: The value that was found.
        expected: What would have been right.
        fix: What to do about it; may be empty.
    """

    def __init__(self, field: str, value: object, expected: str, fix: str = "") -> None:
        self.field = field
        self.value = value
        self.expected = expected
        self.fix = fix
        # All four, so that the error survives the way out of a worker process (pickle).
        super().__init__(field, value, expected, fix)

    def __str__(self) -> str:
        shown = _SHORT.repr(self.value)
        if len(shown) > 120:
            shown = shown[:117] + "..."
        text = f"{self.field}: got {shown}, expected {self.expected}"
        return f"{text}. Fix: {self.fix}" if self.fix else text


class SourceError(SorterError):
    """A frame source cannot deliver: no such device or file, or the device was lost."""


class DriverError(SorterError):
    """A diverter driver failed: no link, no answer, or a position out of reach."""


class ModelError(SorterError):
    """A model bundle is unusable: wrong hash, labels, shape or missing engine."""
