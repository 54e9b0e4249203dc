"""A convolution's weight gradient, unit by unit: the correlation of what is wide with what is narrow."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from unseen.train.layers.layer import squared
from unseen.train.layers.pairs import gram_bound, relative

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Geometry", "gram", "gram_cost", "gram_scratch", "grouped", "slack", "summed", "unfolded"]

# Everywhere here: wide has shape (rows, inputs, *pixels) and narrow (rows, outputs, *positions); position p meets the
# pixels p · stride + offset · dilation - padding. A convolution reads wide and has narrow as its output's gradient; a
# transposed one reads narrow and has wide as its output's gradient.


@dataclass(frozen=True)
class Geometry:
    """Which pixels a position meets.

    Args:
        kernel: offsets along each axis.
        stride: pixels from one position to the next.
        padding: zeros before the first pixel and after the last.
        dilation: pixels from one offset to the next.
        groups: of channels that don't meet another's.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    @property
    def offsets(self) -> int:
        """How many."""
        return math.prod(self.kernel)

    def shape(self, wide: Tensor, narrow: Tensor) -> tuple[int, ...]:
        """The weight's."""
        return narrow.shape[1], wide.shape[1] // self.groups, *self.kernel

    def sizes(self, wide: Tensor, narrow: Tensor) -> tuple[int, int]:
        """Numbers that a position meets, and that it gives, in a group."""
        return wide.shape[1] // self.groups * self.offsets, narrow.shape[1] // self.groups

    def phases(self) -> list[list[tuple[int, list[int]]]]:
        """Along each axis: the phases of pixels that are met, and the shifts at which positions meet them."""
        axes = []
        for size, stride, padding, dilation in zip(self.kernel, self.stride, self.padding, self.dilation, strict=True):
            met: dict[int, list[int]] = {}
            for offset in range(size):
                shift, phase = divmod(offset * dilation - padding, stride)
                met.setdefault(phase, []).append(shift)
            axes.append(list(met.items()))
        return axes


def grouped(wide: Tensor, narrow: Tensor, geometry: Geometry, units: int) -> Tensor:
    """Each unit's weight gradient, (units, *shape), by one ordinary one in which each unit is a group of channels."""

    def side_by_side(tensor: Tensor) -> Tensor:
        by_unit = tensor.reshape(units, len(tensor) // units, *tensor.shape[1:]).transpose(0, 1)
        return by_unit.reshape(by_unit.shape[0], units * tensor.shape[1], *tensor.shape[2:])

    shape = geometry.shape(wide, narrow)
    found = _backward(
        side_by_side(wide), side_by_side(narrow), geometry, (units * shape[0], *shape[1:]), units * geometry.groups
    )
    return found.reshape(units, *shape)


def unfolded(wide: Tensor, narrow: Tensor, geometry: Geometry, units: int) -> Tensor:
    """The same by laying out the pixels that each position meets, a few units at a time, and batched products."""
    shape, patch = geometry.shape(wide, narrow), geometry.offsets * wide.shape[1]
    positions = len(narrow) // units * math.prod(narrow.shape[2:])
    found = narrow.new_empty(units * geometry.groups, shape[0] // geometry.groups, patch // geometry.groups)
    seen, of_narrow = _windows(wide, narrow, geometry, units), _by_group(narrow, geometry, units)
    room = (1 << 28) if wide.is_cuda else (1 << 21)  # bytes: on a processor what a core's cache holds
    at_once = max(1, room // max(1, patch * positions * wide.element_size()))
    for first in range(0, units, at_once):
        part = seen[first : first + at_once]
        count = len(part) * geometry.groups
        rows = slice(first * geometry.groups, first * geometry.groups + count)
        torch.bmm(of_narrow[rows], part.reshape(count, -1, positions).mT, out=found[rows])
    return found.view(units, *shape)


def summed(wide: Tensor, narrow: Tensor, geometry: Geometry) -> Tensor:
    """The sum of all rows' weight gradients."""
    shape = geometry.shape(wide, narrow)
    if not wide.is_cuda:
        return _backward(wide, narrow, geometry, shape, geometry.groups)
    # cuDNN rounds float32 to ten bits unless it is told not to, which is more than the norms allow for.
    patch = geometry.offsets * wide.shape[1] * math.prod(narrow.shape[2:]) * wide.element_size()
    at_once = max(1, (1 << 28) // max(1, patch))
    total = torch.zeros(shape, dtype=narrow.dtype, device=narrow.device)
    for part, other in zip(torch.split(wide, at_once), torch.split(narrow, at_once), strict=True):
        total += unfolded(part, other, geometry, 1)[0]
    return total


def gram(wide: Tensor, narrow: Tensor, geometry: Geometry, units: int) -> Tensor:
    """Upper bounds of the squared norms, (units,), from Gram matrices over pixels and over positions; in wide's dtype.

    The weight gradient's squared norm is the sum over pairs of positions of the product of what they met by what they
    gave. What two positions met, multiplied, is a sum over offsets of what two pixels are, multiplied: so the pixels'
    Gram matrix is made once, and summed over shifts, one axis after the other. Pixels of different phases of
    the stride meet no position at the same offset.

    What cancels is rounded: a bound of that, as in ``pairs.gram``, is added.

    Source: Li et al. 2022, section 4, for the pairs of positions.
    """
    bound = torch.zeros(units, dtype=torch.float64, device=wide.device)
    at_once = max(
        1, ((1 << 30) if wide.is_cuda else (1 << 23)) // max(1, gram_scratch(wide, narrow, geometry, units, 1))
    )
    rows = len(wide) // units
    for first in range(0, units, at_once):
        count = min(at_once, units - first)
        chosen = slice(first * rows, (first + count) * rows)
        bound[first : first + count] = _gram(wide[chosen], narrow[chosen], geometry, count)
    return bound


def _gram(wide: Tensor, narrow: Tensor, geometry: Geometry, units: int) -> Tensor:
    met, given = _met(wide, narrow, geometry, units), _products(_as_group(narrow, geometry, units))
    places = math.prod(given.shape[1 : 1 + (given.dim() - 1) // 2])
    met, given = met.reshape(-1, places, places), given.reshape(-1, places, places)
    bound = gram_bound(met, given, *geometry.sizes(wide, narrow), wide.dtype)
    return bound.view(units, geometry.groups).sum(1)


def _met(wide: Tensor, narrow: Tensor, geometry: Geometry, units: int) -> Tensor:
    """What two positions of a unit met, multiplied: (units · groups, *positions, *positions), a unit's rows first."""
    image, places = _as_group(wide, geometry, units), narrow.shape[2:]
    axes = len(places)
    total: Tensor | None = None
    for combination in itertools.product(*geometry.phases()):
        steps = zip(combination, geometry.stride, strict=True)
        every = (slice(None),) * 3
        pixels = image[every + tuple(slice(phase, None, stride) for (phase, _), stride in steps)]
        ends = [
            (-min(shifts), max(shifts) + count - size)
            for (_, shifts), count, size in zip(combination, places, pixels.shape[3:], strict=True)
        ]
        part = _products(pixels)
        if any(end for both in ends for end in both):
            flat = [end for both in reversed(ends) for end in both] + [0, 0]
            part = F.pad(part, flat + flat)
        for axis, ((_, shifts), count) in enumerate(zip(combination, places, strict=True)):
            first = 2 + axis  # after the groups and the unit's rows
            second = first + axes + 1
            shifted = [
                part.narrow(first, shift - min(shifts), count).narrow(second, shift - min(shifts), count)
                for shift in shifts
            ]
            part = shifted[0] if len(shifted) == 1 else shifted[0] + shifted[1]
            for more in shifted[2:]:
                part += more
        total = part if total is None else total + part
    return torch.zeros((), device=wide.device) if total is None else total


def _products(image: Tensor) -> Tensor:
    """The products over channels of any two places of (groups, channels, *places): (groups, *places, *places)."""
    flat = image.flatten(2)
    return torch.bmm(flat.mT, flat).view(len(image), *image.shape[2:], *image.shape[2:])


def _as_group(tensor: Tensor, geometry: Geometry, units: int) -> Tensor:
    """(rows, channels, *places) as (units · groups, channels of a group, rows of a unit, *places)."""
    by_unit = tensor.reshape(units, len(tensor) // units, geometry.groups, -1, *tensor.shape[2:])
    return by_unit.permute(0, 2, 3, 1, *range(4, by_unit.dim())).flatten(0, 1)


def _by_group(narrow: Tensor, geometry: Geometry, units: int) -> Tensor:
    """(rows, outputs, *positions) as (units · groups, outputs of a group, positions of all of a unit's rows)."""
    return _as_group(narrow, geometry, units).flatten(2)


def _windows(wide: Tensor, narrow: Tensor, geometry: Geometry, units: int) -> Tensor:
    """A view of the pixels that positions meet: (units, groups, inputs, *offsets, rows of a unit, *positions)."""
    if any(geometry.padding):
        wide = F.pad(wide, [end for padding in reversed(geometry.padding) for end in (padding, padding)])
    rows, inputs = len(wide) // units, wide.shape[1] // geometry.groups
    row, channel, *pixel = wide.stride()
    return wide.as_strided(
        (units, geometry.groups, inputs, *geometry.kernel, rows, *narrow.shape[2:]),
        (
            rows * row,
            inputs * channel,
            channel,
            *(one * step for one, step in zip(pixel, geometry.dilation, strict=True)),
            row,
            *(one * step for one, step in zip(pixel, geometry.stride, strict=True)),
        ),
    )


def _backward(wide: Tensor, narrow: Tensor, geometry: Geometry, shape: Sequence[int], groups: int) -> Tensor:
    """torch's own weight gradient, for which it reads only the weight's shape."""
    weight = narrow.new_empty(1).expand(shape)
    none = [0] * len(geometry.kernel)
    found: Tensor = torch.ops.aten.convolution_backward(
        narrow,
        wide,
        weight,
        None,
        geometry.stride,
        geometry.padding,
        geometry.dilation,
        False,
        none,
        groups,
        (False, True, False),
    )[1]
    return found


def gram_cost(wide: Tensor, narrow: Tensor, geometry: Geometry, units: int) -> int:
    """About how many multiplications ``gram`` takes for one unit."""
    rows = len(narrow) // max(1, units)
    places = (rows * math.prod(narrow.shape[2:])) ** 2
    pixels = (rows * math.prod(wide.shape[2:])) ** 2 * wide.shape[1]
    met = math.prod(len(phases) for phases in geometry.phases())
    shifts = sum(geometry.kernel) * met * geometry.groups * 8  # additions of short rows are slow
    return places * (narrow.shape[1] + shifts) + pixels * met // math.prod(geometry.stride) ** 2


def gram_scratch(wide: Tensor, narrow: Tensor, geometry: Geometry, units: int, at_once: int) -> int:
    """Bytes of the matrices that ``gram`` makes for so many units."""
    rows = len(narrow) // max(1, units)
    padded = [
        -(-(size + 2 * padding) // stride)
        for size, padding, stride in zip(wide.shape[2:], geometry.padding, geometry.stride, strict=True)
    ]
    places = (rows * math.prod(narrow.shape[2:])) ** 2 + (rows * math.prod(padded)) ** 2
    return 2 * at_once * geometry.groups * places * wide.element_size()


def slack(wide: Tensor, narrow: Tensor, geometry: Geometry, units: int, bias: bool) -> Tensor:
    """How far, as a norm, rounding may move a unit's gradient between two orders of summation, shape (units,)."""
    places = len(narrow) // units * math.prod(narrow.shape[2:])
    of_wide, of_narrow = (squared(tensor.reshape(units, -1)) for tensor in (wide, narrow))
    # Cauchy and Schwarz over positions; a pixel is met at most once at each offset.
    return relative(*geometry.sizes(wide, narrow), places, wide.dtype) * (geometry.offsets * of_wide * of_narrow).sqrt()
