"""What the engine wants of a layer family: norms of per-unit gradients, and their weighted sum."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch

__all__ = [
    "Dropped",
    "Each",
    "Kept",
    "Layer",
    "Norm",
    "Normed",
    "Seen",
    "Way",
    "grouped",
    "size_of",
    "squared",
    "sum_of",
    "weighted",
    "wide",
]

Seen = tuple["torch.Tensor", ...]
"""What a layer saw: what went in, then last the gradient of what came out. Each has shape (rows, …), rows first.

The rows are those of ``units`` units, one unit's next to each other and equally many of each: a multiple of the
units, since a unit may have several rows and a model may fold further axes into the first."""

Norm = Callable[["Seen", int], "torch.Tensor"]
"""From what was seen and the number of units to an upper bound of each unit's squared norm, shape (units,)."""

Each = Callable[["Seen", int], "tuple[torch.Tensor, ...]"]
"""From what was seen and the number of units to each unit's gradient, (units, *shape) for each trained parameter."""


class Layer(ABC):
    """One module's trained parameters, and how their per-unit gradients are had from what the module saw.

    Args:
        module: read for its options and never changed.
        parameters: its trained parameters in the order of their names; at least one.
    """

    def __init__(self, module: torch.nn.Module, parameters: dict[str, torch.nn.Parameter]) -> None:
        self.module = module
        self.parameters = parameters

    def saves(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[torch.Tensor, ...]:
        """What of a call has to be remembered, each with the rows first as the output has them."""
        return (args[0] if args else next(iter(keywords.values())),)

    @abstractmethod
    def each(self, seen: Seen, units: int) -> tuple[torch.Tensor, ...]:
        """Each unit's gradient, instantiated: a tensor of shape (units, *shape) for each trained parameter."""

    @abstractmethod
    def total(self, seen: Seen, factors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The sum over units of factor times gradient, for each trained parameter.

        Args:
            seen: what was seen; no unit's gradient is infinite or NaN.
            factors: shape (units,), in the gradients' dtype.
        """

    def ways(self, seen: Seen, units: int) -> Sequence[Way]:
        """The ways that can be taken for tensors of these shapes; the first is a good guess."""
        return [Kept(self, self.each)]

    @property
    def elements(self) -> int:
        """How many numbers one unit's gradient has."""
        return sum(parameter.numel() for parameter in self.parameters.values())


class Way(ABC):
    """One way to the norms and, once the factors are known, to the sum.

    Args:
        layer: whose.
    """

    def __init__(self, layer: Layer) -> None:
        self.layer = layer

    @abstractmethod
    def squares(self, seen: Seen, units: int) -> tuple[torch.Tensor, Seen]:
        """Upper bounds of the units' squared norms, shape (units,), float64; and what ``total`` will want."""

    @abstractmethod
    def total(self, kept: Seen, factors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """See ``Layer.total``."""

    def keeps(self, seen: Seen, units: int) -> int:
        """Bytes that are kept until ``total``."""
        return size_of(seen)

    def scratch(self, seen: Seen, units: int) -> int:
        """Bytes that ``squares`` needs for a moment, beside what it gives."""
        return 0


class Kept(Way):
    """Instantiate each unit's gradient and keep it for the sum.

    What is weighted is what was measured, so that rounding moves no norm.
    """

    def __init__(self, layer: Layer, each: Each) -> None:
        super().__init__(layer)
        self.each = each

    def squares(self, seen: Seen, units: int) -> tuple[torch.Tensor, Seen]:
        """The norms of the kept gradients."""
        found = self.each(seen, units)
        return sum_of([squared(gradient) for gradient in found]), found

    def total(self, kept: Seen, factors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """One product for each parameter."""
        return tuple(weighted(gradient, factors) for gradient in kept)

    def keeps(self, seen: Seen, units: int) -> int:
        """The gradients, and not what they were made of."""
        return units * self.layer.elements * seen[-1].element_size()


class Normed(Way):
    """Norms by a formula that instantiates no gradient; the sum by the layer's product."""

    def __init__(self, layer: Layer, norm: Norm, scratch: int = 0) -> None:
        super().__init__(layer)
        self._norm, self._scratch = norm, scratch

    def squares(self, seen: Seen, units: int) -> tuple[torch.Tensor, Seen]:
        """The formula's."""
        return self._norm(seen, units).double(), seen

    def total(self, kept: Seen, factors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The layer's product."""
        return self.layer.total(kept, factors)

    def scratch(self, seen: Seen, units: int) -> int:
        """As it was said when the way was made."""
        return self._scratch


ROOM = 1 << 24
"""Bytes of gradients that are instantiated together where they are dropped."""


class Dropped(Way):
    """Instantiate each unit's gradient for its norm, as many units at a time as there is room for, and drop it.

    The sum is the layer's product. It rounds otherwise than the gradients did: ``slack`` bounds by how much, as a norm.
    """

    def __init__(self, layer: Layer, each: Each, slack: Norm, room: int = ROOM) -> None:
        super().__init__(layer)
        self._each, self._slack = each, slack
        self._at_once = max(1, room // max(1, 4 * layer.elements))

    def squares(self, seen: Seen, units: int) -> tuple[torch.Tensor, Seen]:
        """The norms of the gradients that are dropped."""
        parts = []
        for first in range(0, units, self._at_once):
            count = min(self._at_once, units - first)
            part = tuple(grouped(one, units)[first : first + count].flatten(0, 1) for one in seen)
            exact = sum_of([squared(gradient) for gradient in self._each(part, count)])
            parts.append((exact.sqrt() + self._slack(part, count)).square())
        return torch.cat(parts), seen

    def total(self, kept: Seen, factors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The layer's product."""
        return self.layer.total(kept, factors)

    def scratch(self, seen: Seen, units: int) -> int:
        """The gradients of the units that are looked at together."""
        return min(units, self._at_once) * self.layer.elements * seen[-1].element_size()


def grouped(tensor: torch.Tensor, units: int) -> torch.Tensor:
    """Shape (rows, …) as (units, rows of a unit, …)."""
    return tensor.reshape(units, -1 if tensor.numel() else tensor.shape[0] // max(units, 1), *tensor.shape[1:])


RUN = 4096
"""Numbers that are squared and added in float32 before they are added in float64."""


def squared(tensor: torch.Tensor) -> torch.Tensor:
    """An upper bound of the squared norm of each ``tensor[i]``, shape (len(tensor),), float64.

    Squares are added in float32 or better, a run at a time, and runs in float64. What underflows when it is squared is
    added back: at most the least normal number for each element. A run's rounding is left to the margin that clipping
    takes.
    """
    flat = wide(tensor.reshape(tensor.shape[0], math.prod(tensor.shape[1:])))
    kind, length = flat.dtype, flat.shape[1]
    upper: torch.Tensor
    if length <= RUN or kind == torch.float64:
        upper = torch.linalg.vector_norm(flat, dim=1).double().square()
    else:
        whole = length // RUN * RUN
        runs = torch.linalg.vector_norm(flat[:, :whole].reshape(len(flat), -1, RUN), dim=2).double()
        upper = runs.square().sum(1) + torch.linalg.vector_norm(flat[:, whole:], dim=1).double().square()
    return upper + length * torch.finfo(kind).tiny


def sum_of(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """The sum of at least one tensor."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def weighted(gradients: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """The sum of ``factors[i] * gradients[i]``, in float32 or better."""
    flat = wide(gradients.reshape(len(gradients), math.prod(gradients.shape[1:])))
    return (factors.to(flat.dtype) @ flat).reshape(gradients.shape[1:])


def wide(tensor: torch.Tensor) -> torch.Tensor:
    """In float32 or better."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def size_of(tensors: Sequence[torch.Tensor]) -> int:
    """Bytes."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
