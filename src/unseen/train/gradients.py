"""The clipped sum of per-unit gradients: one forward and one backward pass over each physical batch."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils import _pytree as tree

from unseen.core.errors import InvalidRequest
from unseen.train.clipping import Clipping, factors_within
from unseen.train.mirror import mirrored
from unseen.train.probe import places_of, stand_ins
from unseen.train.rowwise import rowwise_gradients
from unseen.train.sampling import Draw
from unseen.train.tape import Choice, Place, Tape

__all__ = ["ClippedSum", "check_model", "trainable"]

Loss = Callable[..., torch.Tensor]


def trainable(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """The parameters that are trained, each once, tied ones under their first name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def check_model(model: Any, optimizer: Any) -> None:
    """Refuse what has no per-unit gradient, before anything is charged.

    Raises:
        InvalidRequest: not a module, nothing to train, a layer that mixes rows or records them, or an optimizer
            of other parameters.
    """

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


class ClippedSum:
    """Sums of clipped gradients of one model.

    Book-keeping where rows can be told apart in what the layers see, which is nearly every model: one forward pass,
    one backward pass that computes no weight gradient, norms from what each layer saw, and one weighted product a
    layer. Otherwise the whole model is run row by row.

    Args:
        model: left as it is; nothing is attached to it.
        clipping: the rule that bounds each unit's gradient.
        limit: greatest number of rows in one pass.
        choose: which way each layer takes to its norms.

    Source: Bu et al. 2023, "Differentially private optimization on large model at small cost", algorithm 1.
    """

    def __init__(self, model: torch.nn.Module, clipping: Clipping, limit: int, choose: Choice | None = None) -> None:
        self._model, self._clipping, self._limit, self._choose = model, clipping, limit, choose
        self._places: dict[str, Place] | None = None
        self._known: tuple[Any, ...] | None = None

    def probe(self, inputs: torch.Tensor) -> None:
        """Look where the model has its rows, on made-up ones.

        Args:
            inputs: what the model will be given, of which only shape, dtype and device are read.

        Raises:
            InvalidRequest: the model mixes rows, stores them, or can't be run on such inputs.
        """
        kind = (inputs.shape[1:], inputs.dtype, inputs.device)
        if kind != self._known:
            self._places, self._known = places_of(self._model, inputs), kind

    def __call__(
        self, loss_fn: Loss, batch: tuple[torch.Tensor, ...], draw: Draw, bound: float
    ) -> tuple[list[torch.Tensor], float]:
        """The sum over units of their clipped gradients; a unit's gradient is the mean over its rows in the draw.

        Args:
            loss_fn: maps ``model(first)`` and the other tensors of one row, each with a leading axis of length 1,
                to that row's loss.
            batch: tensors of the drawn rows, in the draw's order; the first is the model's input.
            draw: which rows belong to one unit.
            bound: C > 0.

        Returns:
            a tensor in float32 or better for each trained parameter; and for how many units the norm was at most
            the bound.
        """
        self.probe(batch[0])
        parameters = list(trainable(self._model).values())
        sums: list[torch.Tensor | None] = [None] * len(parameters)
        below = 0.0
        parts = list(draw.physical(self._limit))
        if not parts:
            # Whether model and loss can do this must not depend on whether anybody was drawn.
            self._pass(loss_fn, stand_ins(batch, 1), torch.ones(1), 1, bound)
        for part in parts:
            rows = tuple(tensor[part.rows.to(tensor.device)] for tensor in batch)
            found, inside = self._pass(loss_fn, rows, part.weights, part.units, bound)
            below += inside
            for place, parameter in enumerate(parameters):
                more, total = found.get(parameter), sums[place]
                if more is not None:
                    sums[place] = more if total is None else total.add_(more)
        kinds = [torch.promote_types(parameter.dtype, torch.float32) for parameter in parameters]
        return [
            torch.zeros_like(parameter, dtype=kind) if total is None else total.to(kind)
            for parameter, kind, total in zip(parameters, kinds, sums, strict=True)
        ], below

    def _pass(
        self, loss_fn: Loss, batch: tuple[torch.Tensor, ...], weights: torch.Tensor, units: int, bound: float
    ) -> tuple[dict[torch.nn.Parameter, torch.Tensor], float]:
        """One physical batch: clipped sums, and how many norms are within the bound."""
        weights = weights.to(batch[0].device)
        tape = Tape(self._choose, self._places)
        if self._places is None:
            rowwise_gradients(self._model, tape, loss_fn, batch, weights, units)
        else:
            mirror = mirrored(self._model, tape)
            tape.begin(len(batch[0]), units)
            losses = row_losses(loss_fn, mirror(batch[0]), batch[1:])
            tape.backward((losses * weights.to(losses)).sum())
        with torch.no_grad():
            squares = tape.squares()
            kind = next(iter(trainable(self._model).values())).dtype
            factors, finite = factors_within(self._clipping, squares, bound, kind)
            whole = bool(finite.all())
            totals: dict[torch.nn.Parameter, torch.Tensor] = {}
            for block, factor in zip(tape.blocks, factors, strict=True):
                totals |= block.total(factor, None if whole else finite)
            counted = weights.reshape(units, -1).sum(1) > 0
            below = float(((squares.sum(0) <= bound**2) & counted).sum())
        return totals, below


def row_losses(loss_fn: Loss, output: Any, others: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Each row's loss, shape (rows,), as if each row were a batch of its own."""

    def one(output: Any, *others: torch.Tensor) -> torch.Tensor:
        alone = tree.tree_map(lambda leaf: leaf.unsqueeze(0) if torch.is_tensor(leaf) else leaf, output)
        return loss_fn(alone, *(other.unsqueeze(0) for other in others)).sum()

    losses: torch.Tensor = torch.func.vmap(one, randomness="different")(output, *others)
    return losses
