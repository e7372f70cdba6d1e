# SPDX-License-Identifier: Apache-2.0
"""What the commands' help texts have in common."""

from __future__ import annotations

import inspect
from collections.abc import Callable


def with_examples(command: Callable[..., object], examples: str) -> str:
    """The help of a command: its docstring without the source's indentation, then examples."""
    return f"{inspect.getdoc(command) or ''}\n\n{examples.strip()}\n"
