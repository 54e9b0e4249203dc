"""Linear maps of several inputs whose outputs are added up."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence

import torch

from unseen.train.layers.layer import Kept, Layer, Seen, Way, wide
from unseen.train.layers.pairs import each_pair, norm_of_pairs, pair_ways, paired, slack

__all__ = ["Joint"]


class Joint(Layer):
    """Linear maps of several inputs whose outputs are added up: one map of the inputs next to each other.

    A bias is a column like others, of an input that is 1. What is saved has the columns of the trained parameters, in
    their order.
    """

    @property
    def _widths(self) -> list[int]:
        return [one.shape[1] if one.dim() == 2 else 1 for one in self.parameters.values()]

    def parted(self, gradients: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Columns, (…, outputs, inputs), as the parameters' gradients."""
        parts = torch.split(gradients, self._widths, -1)
        return tuple(
            part if one.dim() == 2 else part.squeeze(-1)
            for part, one in zip(parts, self.parameters.values(), strict=True)
        )

    def columns(self, seen: Seen, units: int) -> tuple[torch.Tensor]:
        """Each unit's gradient, all parameters' columns next to each other: (units, outputs, columns)."""
        return (each_pair(*paired(seen, units), True, False)[0],)

    def each(self, seen: Seen, units: int) -> tuple[torch.Tensor, ...]:
        """See ``Layer.each``."""
        return self.parted(self.columns(seen, units)[0])

    def total(self, seen: Seen, factors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """See ``Layer.total``."""
        a, g = paired(seen, len(factors))
        g = wide(g)
        a, factors = a.to(g.dtype), factors.to(g.dtype).view(-1, 1, 1)
        if g.transpose(0, 1).is_contiguous():
            # Where time is first in memory nothing is copied; in which order things are added is free.
            a, g, factors = a.transpose(0, 1), g.transpose(0, 1), factors.transpose(0, 1)
        if a.numel() < g.numel():
            a = a * factors
        else:
            g = g * factors
        return self.parted(g.flatten(0, 1).T @ a.flatten(0, 1))

    def _norm(self, seen: Seen, units: int) -> torch.Tensor:
        return norm_of_pairs(*paired(seen, units), True, False)

    def _slack(self, seen: Seen, units: int) -> torch.Tensor:
        return slack(*paired(seen, units), True, False)

    def ways(self, seen: Seen, units: int) -> Sequence[Way]:
        """See ``pair_ways``."""
        return pair_ways(self._norm, _Columns(self), self._slack, seen, units, paired(seen, units)[1].shape[1])


class _Columns(Kept):
    """Kept gradients whose parameters are told apart after they were summed."""

    def __init__(self, layer: Joint) -> None:
        super().__init__(layer, layer.columns)
        self._parted = layer.parted

    def total(self, kept: Seen, factors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """One product for all."""
        return self._parted(super().total(kept, factors)[0])
