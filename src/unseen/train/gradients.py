"""The clipped sum of per-unit gradients: one forward and one backward pass over each physical batch."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import warnings
from typing import Any

import torch

from unseen.core.errors import InvalidRequest
from unseen.train.clipping import Clipping, factors_within
from unseen.train.compiled import Graph, compiled
from unseen.train.fingerprint import Fingerprint
from unseen.train.independence import left_alone
from unseen.train.losses import Loss, refuse_state, row_losses
from unseen.train.made_up import ROWS, stand_ins
from unseen.train.mirror import mirrored
from unseen.train.probe import places_of
from unseen.train.refusals import check_modules, trainable
from unseen.train.rowwise import rowwise_gradients
from unseen.train.sampling import Draw
from unseen.train.slow import SlowModel
from unseen.train.tape import Choice, Place, Tape, first_way
from unseen.train.tuning import Tuner

__all__ = ["ClippedSum"]

OFTEN = 5
"""A model that was looked at so many times is said to be slow."""

LOSSES = 8
"""Losses that are known at a time: a run has few, but a loop may make one anew for each step."""


class ClippedSum:
    """Sums of clipped gradients of one model.

    Book-keeping where rows can be told apart in what the layers see, which is nearly every model: one forward pass,
    one backward pass that computes no weight gradient, norms from what each layer saw, and one weighted product a
    layer. Otherwise the whole model is run row by row.

    Args:
        model: left as it is; nothing is attached to it.
        clipping: the rule that bounds each unit's gradient.
        limit: greatest number of rows in one pass.
        choose: which way each layer takes to its norms; as measured on the first batch if not given.
        compile: whether passes are compiled; each then has ``limit`` rows, some of them of weight 0.

    Source: Bu et al. 2023, "Differentially private optimization on large model at small cost", algorithm 1.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        clipping: Clipping,
        limit: int,
        choose: Choice | None = None,
        compile: bool = False,
    ) -> None:
        self._model, self._clipping, self._limit, self._choose = model, clipping, limit, choose or Tuner()
        self._compile = compile
        self._graphs: dict[Any, Graph | None] = {}
        self._parameters: list[torch.nn.Parameter] = []
        self._places: dict[str, Place] | None = None
        self._known: tuple[Any, ...] | None = None
        self._judged: list[Loss] = []
        self._looks = 0

    def probe(self, inputs: torch.Tensor) -> None:
        """Look where the model has its rows, on made-up ones.

        Args:
            inputs: what the model will be given, of which only shape, dtype and device are read.

        Raises:
            InvalidRequest: the model mixes rows, stores them, or can't be run on such inputs.
        """
        if torch.get_float32_matmul_precision() != "highest":
            raise InvalidRequest(
                f"training under torch.get_float32_matmul_precision() == {torch.get_float32_matmul_precision()!r}",
                "norms in float32 or better",
                'torch.set_float32_matmul_precision("highest"), and torch.autocast around the loop for speed',
            )
        self._parameters = list(trainable(self._model).values())
        known = (inputs.shape[1:], inputs.dtype, inputs.device)
        if (*known, Fingerprint(self._model)) == self._known:
            return
        check_modules(self._model)
        self._graphs.clear()
        self._judged.clear()
        self._places = places_of(self._model, inputs)
        self._known = (*known, Fingerprint(self._model))  # the look itself moves versions
        self._looks += 1
        if self._looks == OFTEN:
            warnings.warn(
                "the model changes from step to step, beside its parameters, and is looked at again each time",
                SlowModel,
                stacklevel=2,
            )

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
        self._judge(loss_fn, batch)
        parameters = self._parameters
        sums: list[torch.Tensor | None] = [None] * len(parameters)
        below = 0.0
        parts = list(draw.physical(self._limit))
        if not parts:
            # Whether model and loss can do this must not depend on whether anybody was drawn.
            self._pass(loss_fn, stand_ins(batch, 1), torch.ones(1, device=batch[0].device), 1, bound)
        for part in (part.filled(self._limit) for part in parts) if self._compile else parts:
            rows = tuple(part.taken(tensor) for tensor in batch)
            weights = torch.from_numpy(part.weights).to(batch[0].device)
            found, inside = self._pass(loss_fn, rows, weights, part.units, bound)
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

    def _judge(self, loss_fn: Loss, batch: tuple[torch.Tensor, ...]) -> None:
        """Look, once, whether a loss treats each row by itself."""
        if any(one is loss_fn for one in self._judged):
            return
        with left_alone(self._model):
            refuse_state(loss_fn, self._model, stand_ins(batch, ROWS))
        self._judged = [*self._judged[1 - LOSSES :], loss_fn]

    def _pass(
        self, loss_fn: Loss, batch: tuple[torch.Tensor, ...], weights: torch.Tensor, units: int, bound: float
    ) -> tuple[dict[torch.nn.Parameter, torch.Tensor], float]:
        """One physical batch: clipped sums, and how many norms are within the bound."""
        if self._compile and self._places is not None:
            found = self._compiled_pass(loss_fn, batch, weights, units, bound)
            if found is not None:
                return found
        tape = self._seen(loss_fn, batch, weights, units)
        if isinstance(self._choose, Tuner):
            self._choose.settle()
        with torch.no_grad():
            squares = tape.squares()
            factors, finite = factors_within(self._clipping, squares, bound, _coarsest(self._parameters))
            within = _within(squares, bound, weights, units)
            return tape.totals(factors, None if bool(finite.all()) else finite), float(within)

    def _seen(self, loss_fn: Loss, batch: tuple[torch.Tensor, ...], weights: torch.Tensor, units: int) -> Tape:
        """One forward and one backward pass."""
        tape = Tape(self._choose, self._places)
        if self._places is None:
            rowwise_gradients(self._model, tape, loss_fn, batch, weights, units)
        else:
            mirror = mirrored(self._model, tape)
            tape.begin(len(batch[0]), units)
            losses = row_losses(loss_fn, mirror(batch[0]), batch[1:])
            tape.backward((losses * weights.to(losses)).sum())
        return tape

    def _compiled_pass(
        self,
        loss_fn: Loss,
        batch: tuple[torch.Tensor, ...],
        weights: torch.Tensor,
        units: int,
        bound: float,
    ) -> tuple[dict[torch.nn.Parameter, torch.Tensor], float] | None:
        """The same by a compiled graph; None where there is none, or a gradient is not finite."""
        parameters = self._parameters
        device = weights.device.type
        casts = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
        key = (loss_fn, units, casts, *((one.shape, one.dtype) for one in batch))
        if key not in self._graphs:
            if self._choose is not first_way and not self._graphs:
                self._seen(loss_fn, stand_ins(batch, len(weights)), weights, units)  # the tuner measures outside
                self._choose.settle() if isinstance(self._choose, Tuner) else None

            def run(
                _: list[torch.nn.Parameter],
                rows: tuple[torch.Tensor, ...],
                weights: torch.Tensor,
                bound: torch.Tensor,
            ) -> tuple[list[torch.Tensor], torch.Tensor, torch.Tensor]:
                tape = self._seen(loss_fn, rows, weights, units)
                squares = tape.squares()
                factors, finite = factors_within(self._clipping, squares, bound, _coarsest(parameters))
                totals = tape.totals(factors.detach(), None)
                made = [totals[one] if one in totals else torch.zeros_like(one) for one in parameters]
                return made, finite.all(), _within(squares, bound, weights, units)

            self._graphs[key] = compiled(run, parameters, batch, weights, bound)
        graph = self._graphs[key]
        if graph is None:
            return None
        with torch.no_grad():
            limit = torch.tensor(bound, dtype=torch.float64, device=weights.device)
            sums, finite, within = graph([one.detach() for one in parameters], batch, weights, limit)
        return (dict(zip(parameters, sums, strict=True)), float(within)) if bool(finite) else None


def _coarsest(parameters: list[torch.nn.Parameter]) -> torch.dtype:
    return max((one.dtype for one in parameters), key=lambda kind: torch.finfo(kind).eps)


def _within(squares: torch.Tensor, bound: float | torch.Tensor, weights: torch.Tensor, units: int) -> torch.Tensor:
    """For how many units that are no filling the norm is at most the bound."""
    return ((squares.sum(0) <= bound**2) & (weights.reshape(units, -1).sum(1) > 0)).sum()
