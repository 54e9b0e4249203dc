"""Gradients that are sums of outer products over positions: what a linear map's weight has, and a convolution's."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["each_pair", "gram", "outer", "slack", "total_pairs"]

# One unit's weight gradient is the sum over positions p of g[p] ⊗ a[p]; its bias gradient the sum of g[p].
# Everywhere here: a has shape (units, positions, inputs), g has shape (units, positions, outputs).


def _wide(tensor: torch.Tensor) -> torch.Tensor:
    import torch

    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def outer(a: torch.Tensor, g: torch.Tensor, weight: bool, bias: bool) -> torch.Tensor:
    """Squared norms where there is one position: |a|² |g|², and |g|² of the bias.

    Source: Goodfellow 2015, section 4.
    """
    from unseen.train.layers.layer import squared

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
    import torch

    a, g = _wide(a), _wide(g)
    of_g = torch.bmm(g, g.mT)
    if weight:
        of_a = torch.bmm(a, a.mT)
        if bias:
            of_a += 1.0
    else:
        of_a = torch.ones_like(of_g)
    total = torch.linalg.vecdot(of_a.flatten(1), of_g.flatten(1)).double()
    lengths = (of_a.diagonal(dim1=1, dim2=2).clamp(min=0) * of_g.diagonal(dim1=1, dim2=2).clamp(min=0)).sqrt()
    spread = lengths.sum(1).double() + a.shape[1] * math.sqrt(torch.finfo(g.dtype).tiny)
    upper: torch.Tensor = total.clamp(min=0) + _relative(a, g) * spread.square()
    return upper


def slack(a: torch.Tensor, g: torch.Tensor, weight: bool, bias: bool) -> torch.Tensor:
    """How far, as a norm, rounding may move a unit's gradient between two orders of summation, shape (units,)."""
    import torch

    g = _wide(g)
    lengths = torch.linalg.vector_norm(g, dim=2)
    if weight:
        lengths = lengths * torch.hypot(torch.linalg.vector_norm(_wide(a), dim=2), torch.ones((), device=g.device))
    moved: torch.Tensor = _relative(a, g) * lengths.sum(1).double()
    return moved


def _relative(a: torch.Tensor, g: torch.Tensor) -> float:
    """Some standard deviations of a sum's rounding, relative to what would be summed if nothing cancelled."""
    import torch

    wide = torch.finfo(torch.promote_types(g.dtype, torch.float32)).eps
    return 2 * wide * (math.sqrt(a.shape[2]) + math.sqrt(g.shape[2]) + math.log2(a.shape[1]) + 2)


def each_pair(a: torch.Tensor, g: torch.Tensor, weight: bool, bias: bool) -> tuple[torch.Tensor, ...]:
    """Each unit's gradients: (units, outputs, inputs), and (units, outputs), in float32 or better."""
    import torch

    a, g = _wide(a), _wide(g)
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
    a, g = _wide(a).flatten(0, 1), _wide(g).flatten(0, 1)
    each = factors.to(g.dtype).repeat_interleave(len(g) // max(len(factors), 1))
    found: list[torch.Tensor] = []
    if weight and a.shape[1] < g.shape[1]:
        found.append(g.T @ (a.to(g.dtype) * each[:, None]))
    elif weight:
        found.append((g * each[:, None]).T @ a.to(g.dtype))
    if bias:
        found.append(each @ g)
    return tuple(found)
