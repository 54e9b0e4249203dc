"""Normalisations within one row: LayerNorm, RMSNorm, GroupNorm, InstanceNorm."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

import torch

from unseen.train.layers.layer import Dropped, Kept, Layer, Seen, Way, sum_of, weighted
from unseen.train.layers.pieces import pieces

__all__ = ["Channelwise", "GroupNorm", "InstanceNorm", "LayerNorm", "RMSNorm", "Scaled"]


class Scaled(Layer):
    """A layer that gives weight · scaled + bias, element by element, where ``scaled`` has no parameters.

    The weight's gradient is the sum of g · scaled over all places that share an element of the weight, the bias's
    the sum of g. What is scaled is had again from the input, in float32 or better, a few units at a time.
    """

    @abstractmethod
    def scaled(self, inputs: torch.Tensor) -> torch.Tensor:
        """What the weight multiplies, a fresh tensor, for inputs of shape (rows, …)."""

    @abstractmethod
    def added(self, products: torch.Tensor, units: int) -> torch.Tensor:
        """Products of shape (rows, …), summed to (units, *shape of the weight)."""

    def _parts(self, seen: Seen, units: int) -> list[tuple[slice, tuple[torch.Tensor, ...]]]:
        """Gradients of all units; no more than a few units' products are there at a time."""
        kind = torch.promote_types(seen[-1].dtype, torch.float32)
        size = seen[-1].numel() // max(1, units) * kind.itemsize
        found = []
        for part, (x, g) in pieces(seen, units, size):
            count, g = part.stop - part.start, g.to(kind)
            one = []
            if "weight" in self.parameters:
                one.append(self.added(self.scaled(x.to(kind)).mul_(g), count))
            if "bias" in self.parameters:
                one.append(self.added(g, count))
            found.append((part, tuple(one)))
        return found

    def each(self, seen: Seen, units: int) -> tuple[torch.Tensor, ...]:
        """See ``Layer.each``."""
        parts = [one for _, one in self._parts(seen, units)]
        return parts[0] if len(parts) == 1 else tuple(torch.cat(ones) for ones in zip(*parts, strict=True))

    def total(self, seen: Seen, factors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """See ``Layer.total``."""
        parts = self._parts(seen, len(factors))
        sums = [tuple(weighted(gradient, factors[part]) for gradient in one) for part, one in parts]
        return tuple(sum_of(ones) for ones in zip(*sums, strict=True))

    def ways(self, seen: Seen, units: int) -> Sequence[Way]:
        """Kept: mostly it is much smaller than what was seen. Where no two places are added, dropped too."""

        def nothing(seen: Seen, units: int) -> torch.Tensor:
            return torch.zeros(units, dtype=torch.float64, device=seen[-1].device)

        kept = Kept(self, self.each)
        if any(units * one.numel() < seen[-1].numel() for one in self.parameters.values()):
            return [kept]
        return [kept, Dropped(self, self.each, nothing, max(1, (1 << 22) // max(1, self.elements * 4)))]


class LayerNorm(Scaled):
    """``torch.nn.LayerNorm`` over inputs of shape (rows, …, *shape of the weight)."""

    def scaled(self, inputs: torch.Tensor) -> torch.Tensor:
        """Mean 0 and variance 1 over the normalised axes."""
        module = self.module
        return torch.nn.functional.layer_norm(inputs, module.normalized_shape, None, None, module.eps)  # type: ignore[arg-type]

    def added(self, products: torch.Tensor, units: int) -> torch.Tensor:
        """Over all axes but the normalised ones."""
        shape: tuple[int, ...] = self.module.normalized_shape  # type: ignore[assignment]
        places = math.prod(products.shape[: products.dim() - len(shape)]) // max(1, units)
        return products.reshape(units, places, *shape).sum(1)


class RMSNorm(LayerNorm):
    """``torch.nn.RMSNorm`` over inputs of shape (rows, …, *shape of the weight)."""

    def scaled(self, inputs: torch.Tensor) -> torch.Tensor:
        """Mean square 1 over the normalised axes."""
        # Unless it is given, ε is that of float32 for half precision too.
        module = self.module
        return torch.nn.functional.rms_norm(inputs, module.normalized_shape, None, module.eps)  # type: ignore[arg-type]


class Channelwise(Scaled):
    """A weight for each channel, over inputs of shape (rows, channels, …)."""

    def added(self, products: torch.Tensor, units: int) -> torch.Tensor:
        """Over places, and over the rows of a unit."""
        channels = products.flatten(2).sum(2) if products.dim() > 2 else products
        return channels.reshape(units, products.shape[0] // max(1, units), products.shape[1]).sum(1)


class GroupNorm(Channelwise):
    """``torch.nn.GroupNorm`` over inputs of shape (rows, channels, …)."""

    def scaled(self, inputs: torch.Tensor) -> torch.Tensor:
        """Mean 0 and variance 1 over each group of channels."""
        module = self.module
        return torch.nn.functional.group_norm(inputs, module.num_groups, None, None, module.eps)  # type: ignore[arg-type]


class InstanceNorm(Channelwise):
    """``torch.nn.InstanceNorm1d``, ``2d`` and ``3d`` over inputs of shape (rows, channels, …)."""

    def scaled(self, inputs: torch.Tensor) -> torch.Tensor:
        """Mean 0 and variance 1 over each channel."""
        return torch.nn.functional.instance_norm(inputs, eps=self.module.eps)  # type: ignore[arg-type]
