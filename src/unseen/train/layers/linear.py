"""Linear maps."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from unseen.train.layers.layer import Kept, Layer, Seen, Way
from unseen.train.layers.pairs import each_pair, norm_of_pairs, pair_ways, paired, slack, total_pairs

__all__ = ["Linear"]


class Linear(Layer):
    """``torch.nn.Linear`` over inputs of shape (rows, …, inputs), and other maps of the same form.

    Its parameters are called ``weight``, (outputs, inputs), and ``bias``, (outputs,); each may be frozen.
    """

    def _pairs(self, seen: Seen, units: int) -> tuple[torch.Tensor, torch.Tensor]:
        return paired(seen, units)

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

    def _norm(self, seen: Seen, units: int) -> torch.Tensor:
        return norm_of_pairs(*self._pairs(seen, units), *self._trained)

    def _slack(self, seen: Seen, units: int) -> torch.Tensor:
        return slack(*self._pairs(seen, units), *self._trained)

    def ways(self, seen: Seen, units: int) -> Sequence[Way]:
        """See ``pair_ways``."""
        positions = math.prod(seen[-1].shape[:-1]) // max(units, 1)
        return pair_ways(self._norm, Kept(self, self.each), self._slack, seen, units, positions)
