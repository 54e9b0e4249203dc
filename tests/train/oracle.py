"""The clipped sum the slow way: one row at a time by ordinary autograd, for comparison with the engine's."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from unseen.train.clipping import Clipping, Flat
from unseen.train.gradients import ClippedSum
from unseen.train.layers.layer import Seen, Way
from unseen.train.sampling import Draw
from unseen.train.tape import Record

Loss = Callable[..., torch.Tensor]
BOUND = 0.5


def summed_loss(output: torch.Tensor, *others: torch.Tensor) -> torch.Tensor:
    """A loss for outputs of any shape: no two elements count alike."""
    weights = torch.linspace(0.5, 1.5, output[0].numel(), dtype=output.dtype, device=output.device)
    return (output.flatten(1).tanh() * weights + 0.1 * output.flatten(1).square()).sum()


def loop(
    model: torch.nn.Module, loss: Loss, batch: tuple[torch.Tensor, ...], counts: Sequence[int], bound: float = BOUND
) -> list[torch.Tensor]:
    """For each trained parameter the sum over units of min(1, C / norm) times the mean gradient of the unit's rows."""
    return conditioned_loop(model, loss, batch, counts, bound)[0]


def conditioned_loop(
    model: torch.nn.Module, loss: Loss, batch: tuple[torch.Tensor, ...], counts: Sequence[int], bound: float = BOUND
) -> tuple[list[torch.Tensor], float]:
    """That sum; and how far the rows of a unit cancel, which multiplies the rounding of norms: 1 where none do."""
    parameters = [one for one in model.parameters() if one.requires_grad]
    totals = [torch.zeros_like(one) for one in parameters]
    start, condition = 0, 1.0
    for count in counts:
        lengths = 0.0
        unit = [torch.zeros_like(one) for one in parameters]
        for row in range(start, start + count):
            value = loss(model(batch[0][row : row + 1]), *(one[row : row + 1] for one in batch[1:])).sum() / count
            found = torch.autograd.grad(value, parameters, allow_unused=True)
            lengths += float(torch.stack([one.square().sum() for one in found if one is not None]).sum().sqrt())
            for total, one in zip(unit, found, strict=True):
                if one is not None:
                    total += one
        start += count
        norm = float(torch.stack([one.square().sum() for one in unit]).sum().sqrt())
        condition = max(condition, (lengths / norm) ** 2 if norm > 0 else 1.0)
        for total, one in zip(totals, unit, strict=True):
            total += one * (min(1.0, bound / norm) if norm > 0 else 1.0)
    return totals, condition


def numbered(number: int) -> Callable[[Record, Seen, int], Way]:
    """Every layer takes its way of that number, or its last."""

    def choose(record: Record, seen: Seen, units: int) -> Way:
        ways = record.layer.ways(seen, units)
        return ways[min(number, len(ways) - 1)]

    return choose


def engine(
    model: torch.nn.Module,
    loss: Loss,
    batch: tuple[torch.Tensor, ...],
    counts: Sequence[int],
    bound: float = BOUND,
    *,
    way: int = 0,
    limit: int = 64,
    clipping: Clipping | None = None,
) -> list[torch.Tensor]:
    """The same by the engine."""
    draw = Draw(np.arange(sum(counts)), np.array(counts, dtype=np.intp))
    return ClippedSum(model, clipping or Flat(), limit, numbered(way))(loss, batch, draw, bound)[0]


def assert_same(
    model: torch.nn.Module,
    batch: tuple[torch.Tensor, ...],
    counts: Sequence[int] | None = None,
    loss: Loss = summed_loss,
    *,
    ways: int = 3,
    limit: int = 64,
    relative: float = 1e-12,
) -> None:
    """Every way gives the loop's sum, in float64, within ``relative`` of each parameter's norm, times the condition."""
    counts = counts or [1] * len(batch[0])
    expected, condition = conditioned_loop(model, loss, batch, counts)
    scale = max(float(one.norm()) for one in expected)
    for way in range(ways):
        found = engine(model, loss, batch, counts, way=way, limit=limit)
        for one, other in zip(found, expected, strict=True):
            assert one.dtype == torch.float64
            assert float((one - other).norm()) <= relative * condition * max(float(other.norm()), 1e-3 * scale), (
                f"way {way}"
            )
