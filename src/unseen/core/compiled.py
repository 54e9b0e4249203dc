"""Functions compiled by Numba."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

__all__ = ["compiled"]

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """The function compiled, free of the interpreter's lock, and kept on disk where there is a folder for it."""
    try:
        kept: Any = numba.njit(nogil=True, error_model="numpy", cache=True)(function)
    except RuntimeError:  # there is no folder to keep it in
        kept = numba.njit(nogil=True, error_model="numpy")(function)
    found: F = kept
    return found
