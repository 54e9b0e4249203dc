"""Linear maps of several inputs whose outputs are added up."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from unseen.train.layers.layer import Dropped, Kept, Layer, Normed, Seen, Way
from unseen.train.layers.pairs import each_pair, gram, outer, slack

if TYPE_CHECKING:
    import torch

__all__ = ["Joint"]


class Joint(Layer):
    """Linear maps of several inputs whose outputs are added up: one map of the inputs next to each other.

    A bias is a column like others, of an input that is 1. What is saved has the columns of the trained parameters, in
    their order.
    """

    @property
    def _widths(self) -> list[int]:
        return [one.shape[1] if one.dim() == 2 else 1 for one in self.parameters.values()]

    def _pairs(self, seen: Seen, units: int) -> tuple[torch.Tensor, torch.Tensor]:
        a, g = seen
        positions = math.prod(g.shape[:-1]) // max(units, 1)
        return a.reshape(units, positions, a.shape[-1]), g.reshape(units, positions, g.shape[-1])

    def parted(self, gradients: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Columns, (…, outputs, inputs), as the parameters' gradients."""
        import torch

        parts = torch.split(gradients, self._widths, -1)
        return tuple(
            part if one.dim() == 2 else part.squeeze(-1)
            for part, one in zip(parts, self.parameters.values(), strict=True)
        )

    def columns(self, seen: Seen, units: int) -> tuple[torch.Tensor]:
        """Each unit's gradient, all parameters' columns next to each other: (units, outputs, columns)."""
        return (each_pair(*self._pairs(seen, units), True, False)[0],)

    def each(self, seen: Seen, units: int) -> tuple[torch.Tensor, ...]:
        """See ``Layer.each``."""
        return self.parted(self.columns(seen, units)[0])

    def total(self, seen: Seen, factors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """See ``Layer.total``."""
        import torch

        a, g = self._pairs(seen, len(factors))
        kind = torch.promote_types(g.dtype, torch.float32)
        a, g, factors = a.to(kind), g.to(kind), factors.to(kind).view(-1, 1, 1)
        if g.transpose(0, 1).is_contiguous():
            # Where time is first in memory nothing is copied; in which order things are added is free.
            a, g, factors = a.transpose(0, 1), g.transpose(0, 1), factors.transpose(0, 1)
        if a.numel() < g.numel():
            a = a * factors
        else:
            g = g * factors
        return self.parted(g.flatten(0, 1).T @ a.flatten(0, 1))

    def _norm(self, seen: Seen, units: int) -> torch.Tensor:
        a, g = self._pairs(seen, units)
        return (outer if a.shape[1] == 1 else gram)(a, g, True, False)

    def _slack(self, seen: Seen, units: int) -> torch.Tensor:
        return slack(*self._pairs(seen, units), True, False)

    def ways(self, seen: Seen, units: int) -> Sequence[Way]:
        """Gram matrices, or gradients kept or dropped."""
        positions = math.prod(seen[-1].shape[:-1]) // max(units, 1)
        if positions <= 1:
            return [Normed(self, self._norm)]
        return [
            Normed(self, self._norm, 2 * units * positions**2 * max(4, seen[-1].element_size())),
            _Columns(self),
            Dropped(self, self.columns, self._slack, max(1, (1 << 24) // max(1, self.elements * 4))),
        ]


class _Columns(Kept):
    """Kept gradients whose parameters are told apart after they were summed."""

    def __init__(self, layer: Joint) -> None:
        super().__init__(layer, layer.columns)
        self._parted = layer.parted

    def total(self, kept: Seen, factors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """One product for all."""
        return self._parted(super().total(kept, factors)[0])
