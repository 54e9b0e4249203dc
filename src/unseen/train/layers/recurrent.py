"""Recurrent networks and their cells."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from unseen.core.errors import InvalidRequest
from unseen.train.layers.composite import Watch, become
from unseen.train.layers.layer import Dropped, Kept, Layer, Normed, Seen, Way
from unseen.train.layers.pairs import each_pair, gram, outer, slack
from unseen.train.layers.recurrence import Gated, LongShort, Plain, before

if TYPE_CHECKING:
    from unseen.train.tape import Tape

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "Joint", "LSTMCell", "RNNCell"]

Pair = tuple[torch.Tensor, torch.Tensor]
INPUT, STATE, PROJECT = ("weight_ih", "bias_ih"), ("weight_hh", "bias_hh"), ("weight_hr",)


class Joint(Layer):
    """Linear maps of several inputs whose outputs are added up: one map of the inputs next to each other.

    A bias is a column like others, of an input that is 1. What is saved has the columns of the trained parameters, in
    their order.
    """

    @property
    def _widths(self) -> list[int]:
        return [one.shape[1] if one.dim() == 2 else 1 for one in self.parameters.values()]

    def _pairs(self, seen: Seen, units: int) -> Pair:
        a, g = seen
        positions = math.prod(g.shape[:-1]) // max(units, 1)
        return a.reshape(units, positions, a.shape[-1]), g.reshape(units, positions, g.shape[-1])

    def parted(self, gradients: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Columns, (…, outputs, inputs), as the parameters' gradients."""
        parts = gradients.split(self._widths, -1)
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
        a, g = self._pairs(seen, len(factors))
        kind = torch.promote_types(g.dtype, torch.float32)
        scaled = g.to(kind) * factors.to(kind).view(-1, 1, 1)
        if scaled.mT.is_contiguous() or not scaled.is_contiguous():
            # Time is first in memory, and the order of summation is free: nothing is copied.
            a, scaled = a.transpose(0, 1), scaled.transpose(0, 1)
        return self.parted(scaled.flatten(0, 1).T @ a.to(kind).flatten(0, 1))

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


class _Map:
    """Linear maps of an input and of a state, added up, of one layer in one direction.

    Args:
        module: holds the parameters.
        tape: watches.
        name: of the maps.
        suffix: of the parameters' names.
        kinds: which parameters.
    """

    def __init__(self, module: torch.nn.Module, tape: Tape, name: str, suffix: str, kinds: tuple[str, ...]) -> None:
        parameters = {kind: getattr(module, kind + suffix, None) for kind in kinds}
        self._watch = Watch(tape, Joint, module, f"{name}.{kinds[0]}{suffix}", parameters)

    def __call__(self, inputs: dict[str, torch.Tensor], output: torch.Tensor) -> torch.Tensor:
        """Watch a fresh output of inputs by the names of the weights."""
        trained = self._watch.trained
        if not trained or not torch.is_grad_enabled():
            return output
        with torch.no_grad():
            one = output.new_ones(()).expand(*output.shape[:-1], 1)
            parts = [inputs.get(kind, one) for kind in trained]
            return self._watch((parts[0] if len(parts) == 1 else torch.cat(parts, -1),), output)


def _sum(one: torch.Tensor | None, other: torch.Tensor | None) -> torch.Tensor | None:
    return one if other is None else other if one is None else one + other
