"""A module that no family knows: run row by row under torch.func, with a copy of its parameters for each row."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from typing import Any

import torch

from unseen.core.errors import InvalidRequest
from unseen.train.layers.layer import Layer, Seen
from unseen.train.layers.watcher import Watcher

__all__ = ["Fallback", "Instantiated", "NotByRow"]


class NotByRow(InvalidRequest):
    """A module can't be run row by row inside its model."""


class Instantiated(Layer):
    """A layer whose per-row gradients are what was seen: a tensor of shape (rows, *shape) for each parameter."""

    def each(self, seen: Seen, units: int) -> tuple[torch.Tensor, ...]:
        """Each unit's rows added up."""
        shapes = [parameter.shape for parameter in self.parameters.values()]
        return tuple(
            one.reshape(units, one.shape[0] // units, *shape).sum(1) for one, shape in zip(seen, shapes, strict=True)
        )

    def total(self, seen: Seen, factors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The weighted sum."""
        from unseen.train.layers.layer import weighted

        return tuple(weighted(one, factors) for one in self.each(seen, len(factors)))


class Fallback(torch.nn.Module):
    """Stands for a module in a mirror.

    Each row is run by itself, with a first axis of length 1, under ``torch.func.vmap``; the parameters are expanded
    to one for each row, so that the ordinary backward pass gives each row's gradient.

    Args:
        module: stands in the model and is not changed.
        tape: watches.
        name: of the module, for errors.

    Raises:
        NotByRow: the module can't be run so; the error names it.
    """

    def __init__(self, module: torch.nn.Module, tape: Watcher, name: str) -> None:
        super().__init__()
        self._of, self._name, self._tape = (module,), name, tape
        self._trained = {key: one for key, one in module.named_parameters() if one.requires_grad}
        self._record = tape.record(Instantiated(module, self._trained), name)

    def forward(self, *args: Any, **keywords: Any) -> Any:
        """The module's output."""
        module = self._of[0]
        flat, shape = torch.utils._pytree.tree_flatten((args, keywords))
        by_row = self._tape.by_row(self._record, flat)
        if not any(by_row):
            raise self._refused("no input of it has a row for each of the batch in its first axis")
        expanded = self._tape.expand(self._record, list(self._trained.values()))

        def one_row(values: list[torch.Tensor], *leaves: Any) -> Any:
            given = [leaf.unsqueeze(0) if inside else leaf for leaf, inside in zip(leaves, by_row, strict=True)]
            row_args, row_keywords = torch.utils._pytree.tree_unflatten(given, shape)
            own = dict(zip(self._trained, values, strict=True))
            output = torch.func.functional_call(module, own, row_args, row_keywords)
            return torch.utils._pytree.tree_map(lambda one: one.squeeze(0) if torch.is_tensor(one) else one, output)

        places = tuple(0 if inside else None for inside in by_row)
        try:
            return torch.func.vmap(one_row, in_dims=([0] * len(expanded), *places), randomness="different")(
                expanded, *flat
            )
        except RuntimeError as error:
            raise self._refused(f"torch.func can't run it row by row ({error})") from error

    def _refused(self, why: str) -> NotByRow:
        return NotByRow(
            f"the module {self._name!r}, a {type(self._of[0]).__name__}, was given",
            f"modules that are known or that run on one row by itself; {why}",
            "layers of torch.nn, or frozen parameters (requires_grad_(False))",
        )
