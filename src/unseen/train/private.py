"""What a run's owner may ask of its last step: figures that are as private as the data."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from unseen.train.losses import Loss

__all__ = ["Private", "mean_loss"]


@dataclass(frozen=True)
class Private:
    """Figures of one step that no noise was added to: **no guarantee covers them**.

    They are as private as the rows that they were computed from. Nobody but the owner may see them, nor what was
    decided by them: a learning rate that was chosen by them, or a run that was stopped by them, is not covered either.
    They print as nothing and are not pickled.

    Args:
        units: how many were drawn.
        loss: mean over the drawn rows, before the step; None of an empty draw.
        clipped: share of the drawn units whose gradient's norm exceeded the bound; None of an empty draw.
    """

    units: int = field(repr=False)
    loss: float | None = field(repr=False)
    clipped: float | None = field(repr=False)

    def __reduce__(self) -> Any:
        raise TypeError("private figures of a run do not leave its process")


def mean_loss(
    model: torch.nn.Module, loss_fn: Loss, batch: tuple[torch.Tensor, ...], most: int, devices: list[int]
) -> float | None:
    """The mean loss over a batch's rows by a forward pass of its own, which moves no generator.

    Args:
        model: see ``Session.step``.
        loss_fn: see ``Session.step``.
        batch: tensors of equally many rows.
        most: rows of one pass.
        devices: the numbers of the model's CUDA devices.
    """
    import torch

    from unseen.train.losses import row_losses
    from unseen.train.mirror import shadow

    rows = len(batch[0])
    if not rows:
        return None
    total, model = 0.0, shadow(model)  # what its modules keep of the rows is not the model's
    with torch.random.fork_rng(devices=devices), torch.no_grad():
        for start in range(0, rows, most):
            part = tuple(tensor[start : start + most] for tensor in batch)
            total += float(row_losses(loss_fn, model(part[0]), part[1:]).double().sum())
    return total / rows
