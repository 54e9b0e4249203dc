"""The warning that a model is trained more slowly than it might be."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

__all__ = ["SlowModel"]


class SlowModel(UserWarning):
    """A model, or a part of it, has to be run row by row, or its step is not compiled."""
