"""The clipped sum of per-unit gradients, by torch.func over one physical batch at a time."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from unseen.core.errors import InvalidRequest
from unseen.train.clipping import Clipping
from unseen.train.sampling import Draw

if TYPE_CHECKING:
    import torch

__all__ = ["check_model", "clipped_sum", "trainable"]


def trainable(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """The parameters that are trained, each once, tied ones under their first name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def check_model(model: Any, optimizer: Any) -> None:
    """Refuse what has no per-unit gradient, before anything is charged.

    Raises:
        InvalidRequest: not a module, nothing to train, a layer that mixes rows or records them, or an optimizer
            of other parameters.
    """
    import torch

    if not isinstance(model, torch.nn.Module):
        raise InvalidRequest(f"a model of type {type(model).__name__!r} was given", "a torch.nn.Module")
    batch_norm = (
        torch.nn.BatchNorm1d,
        torch.nn.BatchNorm2d,
        torch.nn.BatchNorm3d,
        torch.nn.SyncBatchNorm,
    )
    for name, module in model.named_modules():
        if isinstance(module, batch_norm):
            raise InvalidRequest(
                f"the module {name!r} is a {type(module).__name__}",
                "modules that treat each row by itself: batch statistics mix people and are stored unnoised",
                f"torch.nn.GroupNorm(1, {module.num_features})",
            )
        if getattr(module, "track_running_stats", False):
            raise InvalidRequest(
                f"the module {name!r} records statistics of its inputs",
                "modules that store nothing of the data but their gradients",
                "track_running_stats=False",
            )
    parameters = {id(parameter) for parameter in trainable(model).values()}
    if not parameters:
        raise InvalidRequest("a model without trainable parameters was given", "at least one parameter")
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise InvalidRequest(f"an optimizer of type {type(optimizer).__name__!r} was given", "a torch.optim.Optimizer")
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    if not parameters & held:
        raise InvalidRequest(
            "the optimizer holds none of the model's parameters",
            "an optimizer of this model",
            "torch.optim.SGD(model.parameters(), lr=0.1)",
        )


def clipped_sum(
    model: torch.nn.Module,
    loss_fn: Callable[..., torch.Tensor],
    batch: tuple[torch.Tensor, ...],
    draw: Draw,
    clipping: Clipping,
    limit: int,
) -> list[torch.Tensor]:
    """The sum over units of their clipped gradients; a unit's gradient is the mean over its rows in the draw.

    Args:
        model: the module; its training mode is left as it is.
        loss_fn: maps ``model(first)`` and the other tensors of one row, each with a leading axis of length 1,
            to that row's loss.
        batch: tensors of the drawn rows, in the draw's order; the first is the model's input.
        draw: which rows belong to one unit.
        clipping: bounds each unit's gradient.
        limit: greatest number of rows whose gradients are held at once.

    Returns:
        one float64 tensor for each trainable parameter.
    """
    import torch

    parameters = trainable(model)
    detached = {name: parameter.detach() for name, parameter in parameters.items()}

    def row_loss(values: dict[str, torch.Tensor], *row: torch.Tensor) -> torch.Tensor:
        first, *others = (tensor.unsqueeze(0) for tensor in row)
        return loss_fn(torch.func.functional_call(model, values, (first,)), *others).sum()

    per_row: Callable[..., dict[str, torch.Tensor]] = torch.func.vmap(
        torch.func.grad(row_loss), in_dims=(None, *[0] * len(batch)), randomness="different"
    )
    sums = [
        torch.zeros_like(parameter, dtype=torch.float64)  # in float32 one unit may flip how all later ones are rounded
        for parameter in detached.values()
    ]
    parts = list(draw.chunks(limit))
    if not parts:
        # Whether model and loss can do this must not depend on whether anybody was drawn.
        per_row(detached, *(torch.zeros((1, *tensor.shape[1:])).to(tensor) for tensor in batch))
    for part, counts in parts:
        found = per_row(detached, *(tensor[part] for tensor in batch))
        rows = [found[name].detach().to(total.dtype) for name, total in zip(parameters, sums, strict=True)]
        for total, clipped in zip(sums, clipping.clipped(_unit_means(rows, counts)), strict=True):
            total += clipped.sum(0)
    return sums


def _unit_means(rows: list[torch.Tensor], counts: np.ndarray[Any, np.dtype[np.intp]]) -> list[torch.Tensor]:
    import torch

    if counts.max() == 1:
        return rows
    device = rows[0].device
    sizes = torch.from_numpy(counts.astype(np.int64)).to(device)
    owner = torch.repeat_interleave(torch.arange(len(counts), device=device), sizes)
    means = []
    for gradient in rows:
        shape = (len(counts), *gradient.shape[1:])
        total = torch.zeros(shape, dtype=gradient.dtype, device=device).index_add_(0, owner, gradient)
        means.append(total / sizes.to(gradient.dtype).view(-1, *[1] * (gradient.dim() - 1)))
    return means
