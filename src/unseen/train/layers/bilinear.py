"""Bilinear maps."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from typing import Any

import torch

from unseen.train.layers.layer import Seen
from unseen.train.layers.linear import Linear
from unseen.train.layers.pairs import paired

__all__ = ["Bilinear"]


class Bilinear(Linear):
    """``torch.nn.Bilinear``: a linear map of all products of an element of one input and one of the other."""

    def saves(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[torch.Tensor, ...]:
        """Both inputs."""
        first, second = (*args, *(keywords[name] for name in ("input1", "input2")[len(args) :]))
        return first, second

    def _pairs(self, seen: Seen, units: int) -> tuple[torch.Tensor, torch.Tensor]:
        first, second, g = seen
        return paired(((first.unsqueeze(-1) * second.unsqueeze(-2)).flatten(-2), g), units)

    def each(self, seen: Seen, units: int) -> tuple[torch.Tensor, ...]:
        """See ``Layer.each``."""
        return self._shaped(super().each(seen, units), (units,))

    def total(self, seen: Seen, factors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """See ``Layer.total``."""
        return self._shaped(super().total(seen, factors), ())

    def _shaped(self, found: tuple[torch.Tensor, ...], lead: tuple[int, ...]) -> tuple[torch.Tensor, ...]:
        shapes = [parameter.shape for parameter in self.parameters.values()]
        return tuple(one.reshape(*lead, *shape) for one, shape in zip(found, shapes, strict=True))
