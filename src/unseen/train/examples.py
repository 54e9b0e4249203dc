"""What a run trains on: tensors of rows and each row's unit, checked before the charge and read after it."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unseen.core.dataset import Dataset
from unseen.core.errors import InvalidRequest, InvalidSchema
from unseen.core.schema import Digits
from unseen.core.snapshot import UNIT
from unseen.train.features import Features, targets

if TYPE_CHECKING:
    import torch

__all__ = ["Examples", "Source"]

Source = Dataset | Sequence[Any]
"""A dataset, or a sequence of the caller's own tensors with equally many rows."""


class Examples:
    """The rows of a dataset that priced guards may see, or the caller's own tensors, each row its own unit.

    Args:
        data: see ``Source``.
        target: of a dataset, the column to predict.
        features: of a dataset, the columns that the model sees.

    Raises:
        InvalidSchema: an undeclared column, or a target that is neither Categorical nor Range.
        InvalidRequest: tensors of different lengths, or columns asked of tensors.
    """

    def __init__(self, data: Source, target: str | None = None, features: Sequence[str] | None = None) -> None:
        self._data, self._target = data, target
        self._features: Features | None = None
        if isinstance(data, Dataset):
            if target is not None:
                data.schema.known([target], "target")
                if isinstance(data.schema.columns[target], Digits):
                    raise InvalidSchema(
                        f"the target {target!r} was asked for", "a column declared as Categorical or Range"
                    )
            self._features = Features.of(data.schema, target, features)
            return
        if target is not None or features is not None:
            raise InvalidRequest("target or features of tensors was asked for", "columns of a Dataset only")
        if not isinstance(data, (tuple, list)) or not data or not all(hasattr(part, "shape") for part in data):
            raise InvalidRequest(
                f"data of type {type(data).__name__!r} was given", "an un.Dataset or tensors", "(X, y)"
            )
        if len({len(part) for part in data}) > 1:
            raise InvalidRequest("tensors of different lengths were given", "one row for each unit in each")

    def like(self, model: torch.Tensor) -> torch.Tensor | None:
        """A row like those of a dataset's features, made up; None of tensors of the caller's own.

        Args:
            model: one of the model's parameters, for dtype and device.
        """
        return None if self._features is None else model.new_zeros((1, self._features.width))

    def read(self, dtype: torch.dtype | None = None) -> tuple[tuple[torch.Tensor, ...], NDArray[np.int64]]:
        """The tensors, and each row's unit, shape (rows,).

        Args:
            dtype: of a dataset's features; float32 if not given.
        """
        import torch

        if not isinstance(self._data, Dataset) or self._features is None:
            tensors = tuple(torch.as_tensor(part) for part in self._data)  # type: ignore[union-attr]
            return tensors, np.arange(len(tensors[0]), dtype=np.int64)
        named = [*self._features.names] + ([] if self._target is None else [self._target])
        arrays = self._data.arrays(named, bounded=True)
        inputs = torch.from_numpy(self._features.encode(arrays)).to(dtype or torch.float32)
        units = arrays[UNIT].astype(np.int64)
        if self._target is None:
            return (inputs,), units
        wanted = targets(self._data.schema, self._target, arrays[self._target])
        return (inputs, torch.from_numpy(wanted)), units
