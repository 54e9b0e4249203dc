"""A look at a model on made-up rows: where each layer has its rows, and whether the model mixes or stores them."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils import _pytree as tree

from unseen.core.errors import InvalidRequest
from unseen.train.independence import (
    NEAR,
    left_alone,
    mixing,
    refuse_a_row_alone,
    refuse_mixing,
    shaken,
    without_dropout,
)
from unseen.train.layers.fallback import Instantiated, NotByRow
from unseen.train.layers.layer import Seen
from unseen.train.layout import Axis, Layout, found_layout, owners, telling
from unseen.train.made_up import ROWS, contents, large, shorter, stand_ins, wave
from unseen.train.mirror import mirrored, trained
from unseen.train.rowwise import rowwise_gradients
from unseen.train.slow import SlowModel
from unseen.train.storing import refuse_storing
from unseen.train.tape import LEADING, Place, Record, Tape

__all__ = ["places_of"]

FEWER = 2

WEIGHTS = ((1.0, 100.0, 1.0), (1.0, 1e8, 1.0), (1e-8, 1.0, 1e8))
"""Of the rows' losses: a backward pass that mixes rows may do so only where some gradient is large."""


class _Probe(Tape):
    """Keeps the gradients by what the layers gave, as they are, for each backward pass."""

    def __init__(self, places: dict[str, Place] | None = None) -> None:
        super().__init__(places=places)
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
        told = seen if isinstance(record.layer, Instantiated) else seen[-1:]
        self.passes[-1].setdefault(record.name, []).extend(told)

    def by_row(self, record: Record, inputs: list[Any]) -> tuple[bool, ...]:
        found = super().by_row(record, inputs)
        before = self.inputs.get(record.name, found)
        self.inputs[record.name] = tuple(one and two for one, two in zip(found, before, strict=True))
        return self.inputs[record.name]


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
    with left_alone(model):
        shaken(model, wave)
        # A token's number: 0 is often a padding that a model masks, and 1 may be more than there are. A model may
        # want numbers above zero.
        for whole, positive in ((1, False), (0, True), (0, False)):
            try:
                return _places(model, inputs, whole, positive)
            except InvalidRequest:
                raise
            except (ArithmeticError, IndexError, RuntimeError, ValueError, TypeError) as error:
                problem = error
    raise InvalidRequest(
        f"a model that fails on inputs of shape (rows, {', '.join(map(str, inputs.shape[1:]))}), {inputs.dtype}, "
        f"was given: {problem}",
        "a model that takes the batch's first tensor",
    ) from problem


def _places(model: torch.nn.Module, inputs: torch.Tensor, whole: int, positive: bool) -> dict[str, Place] | None:
    fewer, rows = (stand_ins((inputs,), count, whole)[0] for count in (FEWER, ROWS))
    others = stand_ins((inputs,), 2 * ROWS, 1 - whole)[0][ROWS:]
    if positive:
        fewer, rows, others = fewer.abs(), rows.abs(), others.abs()
    refuse_storing(model, fewer, rows)
    _refuse_nan(model, rows)
    refuse_a_row_alone(model, rows)
    if inputs.is_floating_point():
        hostile = [torch.full_like(rows, math.nan), torch.full_like(rows, math.inf), 1e6 * others, 1e30 * others]
        refuse_mixing(model, rows, [others, others * 5 + 7, others * 0.01 - 3, 1000 * others], hostile)
    else:
        refuse_mixing(model, rows, [*contents(rows), rows.flip(0)], large(rows))
    varied = [*contents(rows), shorter(rows), rows.flip(0), rows.roll(1, 0), rows]
    lifts = _lifts(model, fewer, rows)
    probe = _Probe(lifts)
    mirror = mirrored(model, probe)
    try:
        for made in (fewer, *varied):
            probe.begin(len(made), len(made))
            mirror(made)
    except NotByRow as error:
        _row_by_row(model, rows, str(error))
        return None
    first, *between, last = probe.shapes
    if any(shapes != last for shapes in between):
        _row_by_row(model, rows, "the shapes of what its layers see depend on the values of its inputs")
        return None
    looks: dict[str, list[_Look]] = {}
    for made in varied:
        passes = _by_each_row(probe, mirror, made)
        if passes is None:
            _row_by_row(model, rows, "its output has no row for each of the batch in its first axis")
            return None
        for name in {name for one in passes for name in one}:
            found = [one.get(name, []) for one in passes]
            if len({len(one) for one in found}) > 1:
                _row_by_row(model, rows, f"the module {name!r} is not used for every row")
                return None
            shapes = {tuple(shape) for shape in first.get(name, [])}
            looks.setdefault(name, []).extend(_look(one, shapes, name in lifts) for one in zip(*found, strict=True))
    places = dict(lifts)
    for record in probe.records:
        name, kind = record.name, type(record.layer.module).__name__
        seen = looks.get(name, [])
        layouts = {layout for one in [one for one in seen if one.telling] or seen for layout in one.layouts}
        if name in lifts:
            if any(one.layouts != {Axis(0)} for one in seen):
                _row_by_row(model, rows, f"rows share the parameters of the module {name!r}")
                return None
            continue
        if isinstance(record.layer, Instantiated):
            _slow(f"no family of layers knows the module {name!r}, a {kind}: it is run row by row")
            places[name] = Place(by_row=probe.inputs.get(name))
            continue
        moved = first.get(name, []) != last.get(name, [])
        if None in layouts and moved and any(one.owners > 1 for one in seen):
            raise mixing(f"{name!r}, a {kind},")
        if None in layouts or len(layouts) > 1:
            _row_by_row(model, rows, f"rows have no one place in the module {name!r}, a {kind}")
            return None
        places[name] = Place(next(iter(layouts), None), unused=not layouts)
    if not _agrees(model, rows, places):
        _row_by_row(model, rows, "a parameter is used elsewhere than in its own module")
        return None
    return places


@dataclass(frozen=True)
class _Look:
    """What one call of a layer showed; its gradients are large and not kept.

    Args:
        telling: whether anything mattered.
        layouts: where the rows may be; None where there is no such place.
        owners: the greatest number of rows to which one element mattered.
    """

    telling: bool
    layouts: frozenset[Layout | None]
    owners: int


def _look(gradients: tuple[torch.Tensor, ...], shapes: set[tuple[int, ...]], lifted: bool) -> _Look:
    shape = gradients[0].shape
    fewer = {(FEWER, *shape[1:])} if lifted else {one for one in shapes if _with_other_rows(one, shape)}
    layouts = frozenset(found_layout(gradients, one, FEWER) for one in fewer)
    return _Look(telling(gradients), layouts, owners(gradients))


def _with_other_rows(fewer: tuple[int, ...], shape: torch.Size) -> bool:
    """Whether two shapes may be of one call, with ``FEWER`` and with ``ROWS`` rows."""
    pairs = list(zip(fewer, shape, strict=False))
    return len(fewer) == len(shape) and all(one == two or one * ROWS == two * FEWER for one, two in pairs)


def _by_each_row(
    probe: _Probe, mirror: torch.nn.Module, rows: torch.Tensor
) -> list[dict[str, list[torch.Tensor]]] | None:
    """What each layer sees in the backward pass of each row's own loss; None if the output has no rows.

    Raises:
        InvalidRequest: what they see for all losses together is not the sum of it.
    """
    probe.begin(len(rows), len(rows))
    outputs = [one for one in tree.tree_leaves(mirror(rows)) if torch.is_tensor(one) and one.requires_grad]
    if any(one.dim() == 0 or one.shape[0] != len(rows) for one in outputs):
        return None
    probe.passes = []
    losses = [_told([one[row] for one in outputs]) for row in range(len(rows))]
    weighted = [sum(weight * loss for weight, loss in zip(weights, losses, strict=True)) for weights in WEIGHTS]
    for loss in (*losses, *weighted):
        probe.passes.append({})
        if torch.is_tensor(loss) and loss.requires_grad:
            probe.backward(loss, again=True)
    each = probe.passes[: len(losses)]
    for weights, together in zip(WEIGHTS, probe.passes[len(losses) :], strict=True):
        _refuse_otherwise(each, weights, together)
    return each


def _refuse_otherwise(
    each: list[dict[str, list[torch.Tensor]]], weights: tuple[float, ...], together: dict[str, list[torch.Tensor]]
) -> None:
    """Refuse gradients of several weighted losses that are not the weighted sum of each loss's, but for rounding.

    A gradient that others nearly cancel out in is rounded as they are, so the largest counts too.
    """
    pairs: list[tuple[str, torch.Tensor, torch.Tensor]] = []
    for name, found in together.items():
        for place, gradient in enumerate(found):
            own = [one[name][place] for one in each if len(one.get(name, [])) == len(found)]
            if len(own) == len(each):
                expected = torch.stack([weight * one for weight, one in zip(weights, own, strict=True)]).sum(0)
                pairs.append((name, _finite(gradient), _finite(expected)))
    largest = max((float(expected.norm()) for _, _, expected in pairs), default=0.0)
    for name, gradient, expected in pairs:
        eps = torch.finfo(gradient.dtype).eps
        allowed = 10 * eps**0.5 * float(expected.norm()) + NEAR * eps * largest + 1e-20
        if float((gradient - expected).norm()) > allowed:
            raise mixing(f"the backward pass of {name!r}")


def _finite(tensor: torch.Tensor) -> torch.Tensor:
    return torch.nan_to_num(tensor, posinf=0.0, neginf=0.0)


def _lifts(model: torch.nn.Module, fewer: torch.Tensor, rows: torch.Tensor) -> dict[str, Place]:
    """The modules of no known family whose parameters can be lifted to one for each row."""
    tape = Tape()
    mirrored(model, tape)
    found: dict[str, Place] = {}
    tried: list[int] = [LEADING, 0, 1, 2, 3]
    waiting = [record.name for record in tape.records if isinstance(record.layer, Instantiated)]
    while waiting:
        name = waiting.pop(0)
        own = trained(model.get_submodule(name))
        if not own or any("." in key for key in own):
            continue  # its parameters are its children's
        for lift in tried:
            leads = all(one.dim() > 0 and one.shape[0] == 1 for one in own.values())
            if (lift != LEADING or leads) and _lifts_well(model, (fewer, rows), found | {name: Place(lift=lift)}, name):
                found[name] = Place(lift=lift)
                tried = [lift, *(one for one in tried if one != lift)]
                fresh = Tape(places=found)
                mirrored(model, fresh)  # what stands below it shows now
                below = [one.name for one in fresh.records if isinstance(one.layer, Instantiated)]
                waiting += [one for one in below if one not in found and one not in waiting and one.startswith(name)]
                break
    return found


def _lifts_well(model: torch.nn.Module, inputs: tuple[torch.Tensor, ...], places: dict[str, Place], name: str) -> bool:
    """Whether a mirror with a lifted module gives the model's output, each row by its own parameters."""
    try:
        with without_dropout(model):
            for made in inputs:
                probe = _Probe(places)
                probe.begin(len(made), len(made))
                output, expected = mirrored(model, probe)(made), model(made)
                pairs = list(zip(tree.tree_leaves(output), tree.tree_leaves(expected), strict=True))
                if any(
                    one.shape != two.shape or not torch.allclose(one, two, rtol=1e-3, atol=1e-5) for one, two in pairs
                ):
                    return False
                for row in range(len(made)):
                    probe.passes.append({})
                    probe.backward(_told([one[row] for one, _ in pairs]), again=True)
                for gradients in zip(*(one.get(name, []) for one in probe.passes), strict=True):
                    if found_layout(gradients, (FEWER, *gradients[0].shape[1:]), FEWER) != Axis(0):
                        return False
    except (RuntimeError, InvalidRequest, ValueError, IndexError, TypeError, AttributeError):
        return False
    return True


def _agrees(model: torch.nn.Module, inputs: torch.Tensor, places: dict[str, Place]) -> bool:
    """Whether the layers' gradients of all rows together are the model's ordinary ones, without dropout."""
    parameters = [one for one in model.parameters() if one.requires_grad]
    tape = Tape(places=places)
    with without_dropout(model):  # whoever drops in another order can't be compared
        mirror = mirrored(model, tape)
        tape.begin(len(inputs), len(inputs))
        tape.backward(_told(mirror(inputs)))
        loss = _told(model(inputs))
        ordinary = torch.autograd.grad(loss, parameters, allow_unused=True) if loss.requires_grad else ()
    ones = torch.ones(len(tape.blocks), len(inputs), device=inputs.device)
    ordinary_of = dict(zip(parameters, ordinary, strict=False))
    with torch.no_grad():
        for block, factors in zip(tape.blocks, ones.to(parameters[0].dtype), strict=True):
            made = block.total(factors, None)  # one block's at a time: whole gradients are large
            for parameter in block.parameters:
                if parameter in ordinary_of and not _near(made.get(parameter), ordinary_of.pop(parameter), parameter):
                    return False
        return all(_near(None, expected, parameter) for parameter, expected in ordinary_of.items())


def _near(made: torch.Tensor | None, expected: torch.Tensor | None, parameter: torch.Tensor) -> bool:
    """Whether two gradients are the same but for rounding; None is zero."""
    nothing = torch.zeros((), dtype=parameter.dtype, device=parameter.device)
    wanted = nothing if expected is None else expected
    difference = wanted if made is None else made.to(wanted) - wanted
    return bool(difference.norm() <= torch.finfo(parameter.dtype).eps ** 0.5 * (float(wanted.norm()) + 1e-3))


def _told(output: Any) -> torch.Tensor:
    """A loss in which every element of an output counts differently."""
    leaves = [one for one in tree.tree_leaves(output) if torch.is_tensor(one) and one.requires_grad]
    return torch.stack([(one * wave(one.shape, one)).sum().float() for one in leaves] or [torch.zeros(())]).sum()


def _slow(why: str) -> None:
    warnings.warn(why, SlowModel, stacklevel=2)


def _refuse_nan(model: torch.nn.Module, inputs: torch.Tensor) -> None:
    with torch.no_grad():
        leaves = [one for one in tree.tree_leaves(model(inputs)) if torch.is_tensor(one) and one.is_floating_point()]
    if any(bool(one.isnan().any()) for one in leaves):
        raise ArithmeticError("it gives NaN for every kind of made-up rows")


def _row_by_row(model: torch.nn.Module, inputs: torch.Tensor, why: str) -> None:
    """Warn that the whole model is run row by row, if it can be.

    Raises:
        InvalidRequest: torch.func can't run it.
    """
    try:
        rowwise_gradients(model, Tape(), _told, (inputs,), torch.ones(len(inputs)).to(inputs.device), len(inputs))
    except RuntimeError as error:
        raise InvalidRequest(
            f"a model was given that can't be trained as it is: {why}; and torch.func can't run it row by row: {error}",
            "a model of which torch.func.vmap can run one row by itself",
            "layers of torch.nn",
        ) from error
    _slow(f"the whole model is run row by row, which is slow: {why}")
