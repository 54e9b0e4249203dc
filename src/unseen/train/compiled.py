"""One physical batch's pass as one compiled graph: forward, backward, norms, factors and products."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.fx.experimental.proxy_tensor import make_fx

from unseen.train.made_up import stand_ins
from unseen.train.slow import SlowModel

__all__ = ["Graph", "Pass", "compiled"]

Pass = Callable[..., tuple[Sequence[torch.Tensor], torch.Tensor, torch.Tensor]]
"""From parameters, tensors of rows, their weights and the bound to sums, "all finite", and the norms within it."""

Graph = Callable[..., Any]


def compiled(
    run: Pass,
    parameters: list[torch.nn.Parameter],
    batch: tuple[torch.Tensor, ...],
    weights: torch.Tensor,
    bound: float,
) -> Graph | None:
    """The pass, traced on made-up rows of these shapes and compiled; what it is given later must have them too.

    The trace goes through everything: custom autograd functions and gradients included. It is compared with the pass
    on other rows before it is used, since a value that was computed outside torch would have become a constant.

    Args:
        run: takes the parameters, the tensors, the weights and the bound.
        parameters: the very ones that the pass uses.
        batch: tensors whose shapes, dtypes and devices count.
        weights: of the rows.
        bound: C, as a tensor of no dimension.

    Returns:
        None where it can't be traced or the trace is not the same; it warns then.
    """
    limit = torch.tensor(bound, dtype=torch.float64, device=batch[0].device)
    made = stand_ins(batch, len(weights))
    other = tuple(-0.7 * one.flip(0) if one.is_floating_point() else one.flip(0) for one in made)
    devices = [] if batch[0].device.type != "cuda" else [batch[0].device]
    try:
        with torch.random.fork_rng(devices=devices):
            traced = make_fx(run)(parameters, made, weights, limit)
            found = []
            for one in (run, traced):
                (torch.cuda if devices else torch.default_generator).manual_seed(0)
                found.append(one(parameters, other, weights, limit))
    except Exception as error:
        _eager(f"it can't be traced ({type(error).__name__}: {error})")
        return None
    for one, two in zip(found[0][0], found[1][0], strict=True):
        if not torch.allclose(one, two, rtol=1e-4, atol=1e-6 * bound):
            _eager("its trace gives something else")
            return None
    graph: Graph = torch.compile(traced, dynamic=False, fullgraph=True)
    return graph


def _eager(why: str) -> None:
    warnings.warn(f"the step is not compiled: {why}", SlowModel, stacklevel=3)
