"""Convolutions and transposed convolutions over one, two or three axes."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from unseen.core.errors import InvalidRequest
from unseen.train.layers.correlation import Geometry, gram, gram_cost, gram_scratch, grouped, slack, summed, unfolded
from unseen.train.layers.layer import Dropped, Kept, Layer, Normed, Seen, Way, squared, weighted

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Convolution", "TransposedConvolution"]

Instantiation = Callable[["Tensor", "Tensor", Geometry, int], "Tensor"]


class Convolution(Layer):
    """``torch.nn.Conv1d``, ``Conv2d`` and ``Conv3d`` with all their options.

    Args:
        module: one of these.
        parameters: ``weight``, ``bias`` or both.
    """

    def __init__(self, module: torch.nn.Module, parameters: dict[str, torch.nn.Parameter]) -> None:
        super().__init__(module, parameters)
        options: Any = module
        self._channels: tuple[int, int] = options.in_channels, options.out_channels
        kernel, dilation = tuple(options.kernel_size), tuple(options.dilation)
        if options.padding == "same":
            whole = [step * (size - 1) for size, step in zip(kernel, dilation, strict=True)]
            ends = [(one // 2, one - one // 2) for one in whole]
        elif options.padding == "valid":
            ends = [(0, 0)] * len(kernel)
        else:
            ends = [(one, one) for one in options.padding]
        # Padded beforehand, where the padding isn't as many zeros at both ends.
        self._mode = "constant" if options.padding_mode == "zeros" else options.padding_mode
        before = self._mode != "constant" or any(first != last for first, last in ends)
        self._ends = [end for both in reversed(ends) for end in both] if before else []
        padding = (0,) * len(kernel) if before else tuple(first for first, _ in ends)
        self._geometry = Geometry(kernel, tuple(options.stride), padding, dilation, options.groups)

    def _sides(self, seen: Seen, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """What is wide and what is narrow."""
        a, g = self._checked(seen, dtype)
        return (F.pad(a, self._ends, mode=self._mode) if any(self._ends) else a), g

    def _checked(self, seen: Seen, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        a, g = seen
        axes = len(self._geometry.kernel)
        for one, channels in zip((a, g), self._channels, strict=True):
            if one.dim() != axes + 2 or one.shape[1] != channels:
                raise InvalidRequest(
                    f"a {type(self.module).__name__} was called in which one row of the batch has the shape "
                    f"{tuple(one.shape[1:])}",
                    f"inputs of shape (rows, {self._channels[0]} channels, {axes} more)",
                    "torch.nn.Linear where each row is one position",
                )
        return a.to(dtype), g.to(dtype)

    def _each(self, seen: Seen, units: int, instantiate: Instantiation, dtype: torch.dtype) -> tuple[Tensor, ...]:
        found = []
        if "weight" in self.parameters:
            found.append(instantiate(*self._sides(seen, dtype), self._geometry, units))
        if "bias" in self.parameters:
            found.append(self._bias(seen, units, dtype))
        return tuple(found)

    def _bias(self, seen: Seen, units: int, dtype: torch.dtype) -> Tensor:
        _, g = self._checked(seen, dtype)
        return g.reshape(units, len(g) // units, g.shape[1], -1).sum((1, 3))

    def each(self, seen: Seen, units: int) -> tuple[Tensor, ...]:
        """See ``Layer.each``."""
        return self._each(seen, units, self._guess(seen), seen[-1].dtype)

    def _guess(self, seen: Seen) -> Instantiation:
        """What is mostly the quicker: oneDNN is good at many groups, cuDNN is not."""
        return unfolded if seen[-1].is_cuda else grouped

    def total(self, seen: Seen, factors: Tensor) -> tuple[Tensor, ...]:
        """See ``Layer.total``."""
        dtype = _wide(seen)
        found = []
        if "weight" in self.parameters:
            wide, narrow = self._sides(seen, dtype)
            by_row = factors.to(dtype).repeat_interleave(len(narrow) // len(factors))
            scaled = narrow * by_row.view(-1, *[1] * (narrow.dim() - 1))
            found.append(summed(wide, scaled, self._geometry))
        if "bias" in self.parameters:
            found.append(weighted(self._bias(seen, len(factors), dtype), factors))
        return tuple(found)

    def ways(self, seen: Seen, units: int) -> Sequence[Way]:
        """Gradients kept, instantiated by grouping or by unfolding; Gram matrices where positions are few; dropped."""
        if "weight" not in self.parameters:
            return [Kept(self, self.each)]
        guess = self._guess(seen)
        other = unfolded if guess is grouped else grouped
        room = (1 << 28) if seen[-1].is_cuda else (1 << 21)  # bytes: more is slower on a processor
        found: list[Way] = [
            Kept(self, self._by(guess)),
            Kept(self, self._by(other)),
            Dropped(self, self._by(guess, widen=True), self._slack, room),
        ]
        wide, narrow = self._sides(seen, _wide(seen))
        positions = len(narrow) // max(1, units) * math.prod(narrow.shape[2:])
        instantiated = (positions + 8) * self.elements  # multiplications, and writing and reading the gradient
        multiplied = gram_cost(wide, narrow, self._geometry, units)
        if multiplied < 2 * instantiated:
            scratch = gram_scratch(wide, narrow, self._geometry, units, 1)
            first = multiplied < instantiated
            found.insert(0 if first else 2, Normed(self, self._gram, scratch))
        return found

    def _by(self, instantiate: Instantiation, widen: bool = False) -> Callable[[Seen, int], tuple[Tensor, ...]]:
        def each(seen: Seen, units: int) -> tuple[Tensor, ...]:
            return self._each(seen, units, instantiate, _wide(seen) if widen else seen[-1].dtype)

        return each

    def _gram(self, seen: Seen, units: int) -> Tensor:
        found = gram(*self._sides(seen, _wide(seen)), self._geometry, units)
        return found + squared(self._bias(seen, units, _wide(seen))) if "bias" in self.parameters else found

    def _slack(self, seen: Seen, units: int) -> Tensor:
        return slack(*self._sides(seen, _wide(seen)), self._geometry, units, "bias" in self.parameters)


class TransposedConvolution(Convolution):
    """``torch.nn.ConvTranspose1d``, ``ConvTranspose2d`` and ``ConvTranspose3d``.

    Its weight gradient is that of the convolution that goes from its output to its input.
    """

    def __init__(self, module: torch.nn.Module, parameters: dict[str, torch.nn.Parameter]) -> None:
        super().__init__(module, parameters)
        options: Any = module
        # An output padding of a stride or more adds pixels that the convolution would make further positions of.
        self._beyond = any(more >= step for more, step in zip(options.output_padding, options.stride, strict=True))
        self._first = self._geometry.padding
        if self._beyond:
            self._geometry = replace(self._geometry, padding=(0,) * len(self._first))

    def _sides(self, seen: Seen, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        a, g = self._checked(seen, dtype)
        return (F.pad(g, self._trimming(a, g)) if self._beyond else g), a

    def _trimming(self, a: Tensor, g: Tensor) -> list[int]:
        """At both ends of each axis, the last axis first, what makes an output the pixels that are met."""
        ends: list[int] = []
        one = self._geometry
        axes = zip(a.shape[2:], g.shape[2:], one.kernel, one.stride, one.dilation, self._first, strict=True)
        for positions, pixels, size, stride, dilation, first in reversed(list(axes)):
            ends += [first, (positions - 1) * stride + dilation * (size - 1) + 1 - first - pixels]
        return ends


def _wide(seen: Seen) -> torch.dtype:
    return torch.promote_types(seen[-1].dtype, torch.float32)
