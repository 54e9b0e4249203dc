"""Linear maps."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from unseen.train.layers.layer import Dropped, Kept, Layer, Normed, Seen, Way
from unseen.train.layers.pairs import each_pair, gram, outer, slack, total_pairs

if TYPE_CHECKING:
    import torch

__all__ = ["Linear"]


class Linear(Layer):
    """``torch.nn.Linear`` over inputs of shape (rows, …, inputs), and other maps of the same form.

    Its parameters are called ``weight``, (outputs, inputs), and ``bias``, (outputs,); each may be frozen.
    """

    def _pairs(self, seen: Seen, units: int) -> tuple[torch.Tensor, torch.Tensor]:
        a, g = seen
        positions = math.prod(g.shape[:-1]) // max(units, 1)
        return a.reshape(units, positions, a.shape[-1]), g.reshape(units, positions, g.shape[-1])

    @property
    def _trained(self) -> tuple[bool, bool]:
        return "weight" in self.parameters, "bias" in self.parameters

    def each(self, seen: Seen, units: int) -> tuple[torch.Tensor, ...]:
        """See ``Layer.each``."""
        return each_pair(*self._pairs(seen, units), *self._trained)

    def total(self, seen: Seen, factors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """See ``Layer.total``."""
        a, g = self._pairs(seen, len(factors))
        return total_pairs(a, g, factors, *self._trained)

    def _outer(self, seen: Seen, units: int) -> torch.Tensor:
        a, g = self._pairs(seen, units)
        return outer(a, g, *self._trained)

    def _gram(self, seen: Seen, units: int) -> torch.Tensor:
        return gram(*self._pairs(seen, units), *self._trained)

    def _slack(self, seen: Seen, units: int) -> torch.Tensor:
        return slack(*self._pairs(seen, units), *self._trained)

    def ways(self, seen: Seen, units: int) -> Sequence[Way]:
        """One position: the outer product's norm. Several: Gram matrices, or gradients kept or dropped."""
        positions = math.prod(seen[-1].shape[:-1]) // max(units, 1)
        if positions <= 1:
            return [Normed(self, self._outer)]
        return [
            Normed(self, self._gram, 2 * units * positions**2 * max(4, seen[-1].element_size())),
            Kept(self, self.each),
            Dropped(self, self.each, self._slack, max(1, (1 << 24) // max(1, self.elements * 4))),
        ]
