"""Per-unit gradients of a whole model by torch.func, row by row: slow, and right for whatever torch.func can run."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from unseen.train.layers.fallback import Instantiated
from unseen.train.tape import Tape

__all__ = ["rowwise_gradients"]


def rowwise_gradients(
    model: torch.nn.Module,
    tape: Tape,
    loss_fn: Callable[..., torch.Tensor],
    batch: tuple[torch.Tensor, ...],
    weights: torch.Tensor,
    units: int,
) -> None:
    """Give a tape the gradients of each row as if the whole model were one layer.

    Args:
        model: any module that torch.func can run on one row.
        tape: takes the gradients.
        loss_fn: of the output and the other tensors of one row.
        batch: tensors of shape (rows, …).
        weights: what each row counts in its unit, shape (rows,).
        units: how many units the rows are of.
    """
    parameters = {name: one for name, one in model.named_parameters() if one.requires_grad}
    detached = {name: one.detach() for name, one in parameters.items()}

    def row_loss(values: dict[str, torch.Tensor], weight: torch.Tensor, *row: torch.Tensor) -> torch.Tensor:
        first, *others = (tensor.unsqueeze(0) for tensor in row)
        loss: torch.Tensor = loss_fn(torch.func.functional_call(model, values, (first,)), *others).sum()
        return loss * weight.to(loss)

    per_row: Callable[..., dict[str, torch.Tensor]] = torch.func.vmap(
        torch.func.grad(row_loss), in_dims=(None, 0, *[0] * len(batch)), randomness="different"
    )
    found: dict[str, Any] = per_row(detached, weights, *batch)
    record = tape.record(Instantiated(model, parameters), "")
    tape.begin(len(weights), units)
    record.calls = 1
    tape.receive(record, tuple(found[name].detach() for name in parameters))
