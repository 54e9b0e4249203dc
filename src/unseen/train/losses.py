"""Each row's loss, from a loss function that is asked as if each row were a batch of its own."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch.utils import _pytree as tree

from unseen.core.errors import InvalidRequest

__all__ = ["Loss", "refuse_state", "row_losses"]

Loss = Callable[..., torch.Tensor]
"""Maps a model's output and the other tensors of one row, each with a leading axis of length 1, to its loss."""

F = torch.nn.functional
# Of these a batch of one gives the mean over the row's own elements, so that the rows can be had together.
_MEANS: tuple[Any, ...] = (F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss, F.binary_cross_entropy_with_logits)


def row_losses(loss_fn: Loss, output: Any, others: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Each row's loss, shape (rows,).

    Args:
        loss_fn: the loss of one row; what it gives is summed.
        output: of the model for all rows: a tensor, or tensors in lists, tuples or dictionaries, rows first.
        others: further tensors, rows first.
    """
    if torch.is_tensor(output) and len(others) == 1 and len(output):
        (target,) = others
        if loss_fn is F.cross_entropy and output.dim() == 2 and target.dim() == 1:
            return F.cross_entropy(output, target, reduction="none")
        if loss_fn in _MEANS and output.shape == target.shape:
            return loss_fn(output, target, reduction="none").reshape(len(output), -1).mean(1)

    def one(output: Any, *others: torch.Tensor) -> torch.Tensor:
        alone = tree.tree_map(lambda leaf: leaf.unsqueeze(0) if torch.is_tensor(leaf) else leaf, output)
        return loss_fn(alone, *(other.unsqueeze(0) for other in others)).sum()

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
        try:
            losses: torch.Tensor = torch.func.vmap(one, randomness="different")(output, *others)
        except RuntimeError:  # what looks at values can't be asked for all rows together
            rows = range(len(tree.tree_leaves(output)[0]))
            taken = [tree.tree_map(lambda leaf, row=row: leaf[row], (output, *others)) for row in rows]
            losses = torch.stack([one(*row) for row in taken])
    return losses


def refuse_state(loss_fn: Loss, model: torch.nn.Module, rows: tuple[torch.Tensor, ...]) -> None:
    """Refuse a loss whose value for a row changes with the rows before it: it keeps something of them.

    Args:
        loss_fn: asked about made-up rows, in two orders. What fails on them is left to the real ones.
        model: gives its first argument.
        rows: made-up ones, of the model's input and of the other tensors.
    """
    with torch.no_grad():
        try:
            given = (model(rows[0]), *rows[1:])
            turned = tree.tree_map(lambda leaf: leaf.flip(0) if torch.is_tensor(leaf) and leaf.dim() else leaf, given)
            found = []
            for output, *others in (given, given, turned):
                torch.manual_seed(0)
                found.append(row_losses(loss_fn, output, tuple(others)))
            torch.manual_seed(1)
            draws = not torch.allclose(row_losses(loss_fn, given[0], given[1:]), found[0], equal_nan=True)
        except (ArithmeticError, AttributeError, IndexError, RuntimeError, TypeError, ValueError):
            return
    first, second, other = found
    same = torch.allclose(first, second, equal_nan=True)
    if not same or not (draws or torch.allclose(first, other.flip(0), rtol=1e-3, atol=1e-5, equal_nan=True)):
        raise InvalidRequest(
            "a loss that keeps something of the rows that it was asked about was given",
            "a loss of one row at a time, that depends on nothing but its arguments",
            "torch.nn.functional.cross_entropy",
        )
