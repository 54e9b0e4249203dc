"""A look at a model on made-up rows: where each layer has its rows, and whether the model mixes or stores them."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils import _pytree as tree

from unseen.core.errors import InvalidRequest
from unseen.train.layers.fallback import Instantiated
from unseen.train.layers.layer import Seen
from unseen.train.layout import found_layout, owners
from unseen.train.mirror import mirrored
from unseen.train.rowwise import rowwise_gradients
from unseen.train.tape import Place, Record, Tape

__all__ = ["SlowModel", "places_of", "stand_ins"]

ROWS, FEWER = 3, 2


class SlowModel(UserWarning):
    """A model, or a part of it, has to be run row by row."""


class _Probe(Tape):
    """Keeps the gradients by what the layers gave, as they are, for each backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.passes: list[dict[str, list[torch.Tensor]]] = []
        self.shapes: list[dict[str, list[torch.Size]]] = []
        self.inputs: dict[str, tuple[bool, ...]] = {}

    def begin(self, rows: int, units: int) -> None:
        super().begin(rows, units)
        self.shapes.append({})

    def tap(self, record: Record, inputs: Seen, output: torch.Tensor) -> torch.Tensor:
        self.shapes[-1].setdefault(record.name, []).append(output.shape)
        return super().tap(record, inputs, output)

    def receive(self, record: Record, seen: Seen) -> None:
        if not isinstance(record.layer, Instantiated):
            self.passes[-1].setdefault(record.name, []).append(seen[-1])

    def by_row(self, record: Record, inputs: list[Any]) -> tuple[bool, ...]:
        found = super().by_row(record, inputs)
        before = self.inputs.get(record.name, found)
        self.inputs[record.name] = tuple(one and two for one, two in zip(found, before, strict=True))
        return self.inputs[record.name]


def stand_ins(batch: tuple[torch.Tensor, ...], rows: int, whole: int = 0) -> tuple[torch.Tensor, ...]:
    """Made-up rows like a batch's: numbers around zero where those are real, ``whole`` where they are whole.

    Args:
        batch: tensors of shape (any, …), of which only shape, dtype and device are read.
        rows: how many to make.
        whole: the whole number.
    """
    return tuple(
        _wave((rows, *one.shape[1:]), rows).to(one)
        if one.is_floating_point()
        else torch.full((rows, *one.shape[1:]), whole).to(one)
        for one in batch
    )


def _wave(shape: tuple[int, ...], start: float = 0) -> torch.Tensor:
    """Numbers between -1.5 and 1.5 of which no two are alike, from somewhere on."""
    count = math.prod(shape)
    return (1.5 * torch.sin(start + 2.399963 * torch.arange(count, dtype=torch.float64))).reshape(shape)


def places_of(model: torch.nn.Module, inputs: torch.Tensor) -> dict[str, Place] | None:
    """Where each layer of a model has its rows.

    Each element of what a layer gives must matter to one row's output at most. That is found by running made-up
    rows, and so it is no proof: a model may mix rows in a way that these don't show.

    Args:
        model: left as it is.
        inputs: what it will be given, of which only shape, dtype and device are read.

    Returns:
        each layer's place by its module's name; None if only the whole model can be run row by row. Warns
        (``SlowModel``) of every part that is.

    Raises:
        InvalidRequest: the model mixes rows, stores something of them, or can't be run on rows like these.
    """
    with _left_alone(model):
        # A token's number: 0 is often a padding that a model masks, and 1 may be more than there are.
        for whole in (1, 0):
            try:
                return _places(model, inputs, whole)
            except InvalidRequest:
                raise
            except (IndexError, RuntimeError, ValueError, TypeError) as error:
                problem = error
    raise InvalidRequest(
        f"a model that fails on inputs of shape (rows, {', '.join(map(str, inputs.shape[1:]))}), {inputs.dtype}, "
        f"was given: {problem}",
        "a model that takes the batch's first tensor",
    ) from problem


def _places(model: torch.nn.Module, inputs: torch.Tensor, whole: int) -> dict[str, Place] | None:
    fewer, rows = (stand_ins((inputs,), count, whole)[0] for count in (FEWER, ROWS))
    _refuse_storing(model, fewer, rows)
    probe = _Probe()
    mirror = mirrored(model, probe)
    try:
        for made in (fewer, rows):
            probe.begin(len(made), len(made))
            output = mirror(made)
    except InvalidRequest as error:
        _row_by_row(model, rows, str(error))
        return None
    outputs = [one for one in tree.tree_leaves(output) if torch.is_tensor(one) and one.requires_grad]
    if any(one.dim() == 0 or one.shape[0] != ROWS for one in outputs):
        _row_by_row(model, rows, "its output has no row for each of the batch in its first axis")
        return None
    for row in range(ROWS):
        probe.passes.append({})
        loss = sum((one[row] * _wave(one[row].shape).to(one)).sum() for one in outputs)
        if torch.is_tensor(loss):
            probe.backward(loss, again=True)
    places: dict[str, Place] = {}
    for record in probe.records:
        name, kind = record.name, type(record.layer.module).__name__
        if isinstance(record.layer, Instantiated):
            _slow(f"no family of layers knows the module {name!r}, a {kind}: it is run row by row")
            places[name] = Place(by_row=probe.inputs.get(name))
            continue
        calls = list(zip(*(one.get(name, []) for one in probe.passes), strict=False))
        layouts = {found_layout(gradients) for gradients in calls}
        shared = [one.get(name) for one in probe.shapes]
        if None in layouts and shared[0] != shared[1] and any(owners(one) > 1 for one in calls):
            raise InvalidRequest(
                f"a model that mixes rows was given: what {name!r}, a {kind}, computes for one row changes another's "
                "output",
                "a model that treats each row by itself",
                "a norm over the features of one row, as torch.nn.LayerNorm or GroupNorm",
            )
        if None in layouts or len(layouts) > 1 or len({len(one.get(name, [])) for one in probe.passes}) > 1:
            _row_by_row(model, rows, f"rows have no one place in the module {name!r}, a {kind}")
            return None
        places[name] = Place(next(iter(layouts), None))
    return places


def _slow(why: str) -> None:
    warnings.warn(why, SlowModel, stacklevel=2)


def _refuse_storing(model: torch.nn.Module, *inputs: torch.Tensor) -> None:
    """Refuse a model whose buffers depend on what it is given."""
    before, after = [buffer.clone() for buffer in model.buffers()], []
    with torch.no_grad():
        for made in inputs:
            model(made)
            after.append([buffer.clone() for buffer in model.buffers()])
            for buffer, value in zip(model.buffers(), before, strict=True):
                buffer.copy_(value)
    if any(not torch.equal(one, two) for one, two in zip(*after, strict=True)):
        raise InvalidRequest(
            "a model that keeps something of its inputs in a buffer was given",
            "modules that store nothing of the data but what their noised gradients say",
            "track_running_stats=False, or a buffer that does not change",
        )


def _row_by_row(model: torch.nn.Module, inputs: torch.Tensor, why: str) -> None:
    """Warn that the whole model is run row by row, if it can be.

    Raises:
        InvalidRequest: torch.func can't run it.
    """
    try:
        rowwise_gradients(model, Tape(), _total, (inputs,), torch.ones(len(inputs)).to(inputs.device), len(inputs))
    except RuntimeError as error:
        raise InvalidRequest(
            f"a model was given that can't be trained as it is: {why}; and torch.func can't run it row by row: {error}",
            "a model of which torch.func.vmap can run one row by itself",
            "layers of torch.nn",
        ) from error
    _slow(f"the whole model is run row by row, which is slow: {why}")


def _total(output: Any) -> torch.Tensor:
    return torch.stack(
        [one.sum() for one in tree.tree_leaves(output) if torch.is_tensor(one) and one.requires_grad]
    ).sum()


@contextmanager
def _left_alone(model: torch.nn.Module) -> Iterator[None]:
    """Buffers and generators as they were."""
    before = [buffer.clone() for buffer in model.buffers()]
    devices = [one.device for one in model.parameters() if one.device.type == "cuda"]
    with torch.random.fork_rng(devices=list(dict.fromkeys(one.index for one in devices))):
        try:
            yield
        finally:
            with torch.no_grad():
                for buffer, value in zip(model.buffers(), before, strict=True):
                    buffer.copy_(value)
