"""Gradients that are sums of outer products over positions: what a linear map's weight has, and a convolution's."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from functools import reduce

import torch

from unseen.train.layers.layer import RUN, Dropped, Kept, Norm, Normed, Seen, Way, squared, wide

__all__ = [
    "each_pair",
    "gram",
    "gram_bound",
    "norm_of_pairs",
    "outer",
    "pair_ways",
    "paired",
    "relative",
    "slack",
    "total_pairs",
]

# One unit's weight gradient is the sum over positions p of g[p] ⊗ a[p]; its bias gradient the sum of g[p].
# Everywhere here: a has shape (units, positions, inputs), g has shape (units, positions, outputs).


def paired(seen: Seen, units: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What a linear map saw, by unit and position."""
    a, g = seen
    positions = math.prod(g.shape[:-1]) // max(units, 1)
    return a.reshape(units, positions, a.shape[-1]), g.reshape(units, positions, g.shape[-1])


def pair_ways(norm: Norm, kept: Kept, slack: Norm, seen: Seen, units: int, positions: int) -> list[Way]:
    """The ways of such gradients: the norm's formula, or gradients kept or dropped where there are several positions.

    Args:
        norm: by ``outer`` for one position, by ``gram`` for several.
        kept: the way that keeps them.
        slack: what the sum's product may round.
        seen: what was seen, of ``units`` units with so many positions each.
    """
    if positions <= 1:
        return [Normed(kept.layer, norm)]
    matrices = 2 * units * positions**2 * max(4, seen[-1].element_size())
    return [Normed(kept.layer, norm, matrices), kept, Dropped(kept.layer, kept.each, slack)]


def norm_of_pairs(a: torch.Tensor, g: torch.Tensor, weight: bool, bias: bool) -> torch.Tensor:
    """Upper bounds of the squared norms, by the formula for as many positions as there are."""
    return (outer if a.shape[1] == 1 else gram)(a, g, weight, bias)


def outer(a: torch.Tensor, g: torch.Tensor, weight: bool, bias: bool) -> torch.Tensor:
    """Squared norms where there is one position: |a|² |g|², and |g|² of the bias.

    Source: Goodfellow 2015, section 4.
    """
    of_g = squared(g)
    if not weight:
        return of_g
    return (squared(a) + float(bias)) * of_g


def gram(a: torch.Tensor, g: torch.Tensor, weight: bool, bias: bool) -> torch.Tensor:
    """Squared norms from the two Gram matrices over positions: the sum over p, q of (a[p]·a[q]) (g[p]·g[q]).

    Positions can cancel, and then rounding is larger than the norm: it is bounded by what it would be if nothing
    cancelled, and added.

    Source: Li et al. 2022, section 4; rounding: Higham and Mary 2019, theorem 2.4.
    """
    a, g = wide(a), wide(g)
    of_g = _products(g)
    of_a = _products(a) if weight else torch.ones_like(of_g)
    if weight and bias:
        of_a += 1.0
    return gram_bound(of_a, of_g, a.shape[2], g.shape[2], g.dtype)


def gram_bound(of_a: torch.Tensor, of_g: torch.Tensor, inputs: int, outputs: int, dtype: torch.dtype) -> torch.Tensor:
    """The sum over p, q of two Gram matrices' products, at least as large as in exact arithmetic, shape (units,).

    Args:
        of_a: shape (units, positions, positions), of vectors of ``inputs`` numbers.
        of_g: the same of ``outputs`` numbers.
        dtype: of the vectors, float32 or float64.
    """
    tiny = torch.finfo(dtype).tiny
    total = of_a.mul(of_g).sum(2).double().sum(1)
    of_each = (of_a.diagonal(dim1=1, dim2=2).double().clamp(min=0) + inputs * tiny).sqrt()
    to_each = (of_g.diagonal(dim1=1, dim2=2).double().clamp(min=0) + outputs * tiny).sqrt()
    rounding = relative(inputs, outputs, of_g.shape[1], dtype) * (of_each * to_each).sum(1).square()
    underflow = inputs * tiny * to_each.sum(1).square() + outputs * tiny * of_each.sum(1).square()
    upper: torch.Tensor = total.clamp(min=0) + rounding + underflow
    return upper


def _products(vectors: torch.Tensor) -> torch.Tensor:
    """The products of any two of (units, positions, numbers), at most ``RUN`` numbers being added in float32."""
    if vectors.shape[2] <= RUN:
        return torch.bmm(vectors, vectors.mT)
    runs = (torch.bmm(part, part.mT).double() for part in torch.split(vectors, RUN, dim=2))
    return reduce(torch.add, runs)


def slack(a: torch.Tensor, g: torch.Tensor, weight: bool, bias: bool) -> torch.Tensor:
    """How far, as a norm, rounding may move a unit's gradient between two orders of summation, shape (units,)."""
    g = wide(g)
    lengths = torch.linalg.vector_norm(g, dim=2)
    if weight:
        lengths = lengths * torch.hypot(torch.linalg.vector_norm(wide(a), dim=2), torch.ones((), device=g.device))
    moved: torch.Tensor = relative(a.shape[2], g.shape[2], a.shape[1], g.dtype) * lengths.sum(1).double()
    return moved


def relative(inputs: int, outputs: int, positions: int, dtype: torch.dtype) -> float:
    """Some standard deviations of a sum's rounding, relative to what would be summed if nothing cancelled."""
    eps = torch.finfo(torch.promote_types(dtype, torch.float32)).eps
    return 2 * eps * (math.sqrt(min(inputs, RUN)) + math.sqrt(min(outputs, RUN)) + math.log2(positions) + 2)


def each_pair(a: torch.Tensor, g: torch.Tensor, weight: bool, bias: bool) -> tuple[torch.Tensor, ...]:
    """Each unit's gradients: (units, outputs, inputs), and (units, outputs), in float32 or better."""
    a, g = wide(a), wide(g)
    found: list[torch.Tensor] = []
    if weight:
        found.append(torch.bmm(g.mT, a.to(g.dtype)))
    if bias:
        found.append(g.sum(1))
    return tuple(found)


def total_pairs(
    a: torch.Tensor, g: torch.Tensor, factors: torch.Tensor, weight: bool, bias: bool
) -> tuple[torch.Tensor, ...]:
    """The weighted sums over units: (outputs, inputs), and (outputs,), in float32 or better.

    Source: Bu et al. 2023, algorithm 1.
    """
    a, g = wide(a).flatten(0, 1), wide(g).flatten(0, 1)
    each = factors.to(g.dtype).repeat_interleave(len(g) // max(len(factors), 1))
    found: list[torch.Tensor] = []
    if weight and a.shape[1] < g.shape[1]:
        found.append(g.T @ (a.to(g.dtype) * each[:, None]))
    elif weight:
        found.append((g * each[:, None]).T @ a.to(g.dtype))
    if bias:
        found.append(each @ g)
    return tuple(found)
