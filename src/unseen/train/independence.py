"""Whether a model treats each row by itself: it neither mixes rows nor stores them."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils import _pytree as tree

from unseen.core.errors import InvalidRequest
from unseen.train.storing import restore, state

__all__ = ["NEAR", "left_alone", "mixing", "refuse_a_row_alone", "refuse_mixing", "shaken", "without_dropout"]

NEAR = 300
"""Units in the last place that two computations of one row may differ by: they are the same but for rounding."""

MANY = 11
"""How often each row stands in a larger batch."""

DICE = 40
"""How many random numbers a model that draws them is looked at with."""


def refuse_mixing(
    model: torch.nn.Module, inputs: torch.Tensor, others: Sequence[torch.Tensor], hostile: Sequence[torch.Tensor] = ()
) -> None:
    """Refuse a model in which what comes out for a row changes with the rest of its batch, in evaluation or as it is.

    Each row is put beside other contents, alone, at another place, and among many. Where the model draws random
    numbers, the first of these is looked at with many of them. A long sum that nearly cancels out is mostly rounding,
    so what seems to mix in single precision is looked at once more in double.

    Args:
        model: left as it is. One of a half precision is looked at in float32, where less is lost in rounding.
        inputs: rows.
        others: several times as many different ones.
        hostile: the same that a model may well fail on, such as NaN; then nothing is seen by them.
    """
    if any(one.is_floating_point() and torch.finfo(one.dtype).bits < 32 for one in model.parameters()):
        model = copy.deepcopy(model).float()
        inputs, others, hostile = _single(inputs), [*map(_single, others)], [*map(_single, hostile)]
    try:
        _refuse(model, inputs, others, hostile)
    except InvalidRequest:
        if _mixes_in_double(model, inputs, others, hostile):
            raise


def _mixes_in_double(
    model: torch.nn.Module, inputs: torch.Tensor, others: Sequence[torch.Tensor], hostile: Sequence[torch.Tensor]
) -> bool:
    """Whether a model in single precision mixes rows by more than its rounding in double; also where it has none."""
    kinds = {one.dtype for one in model.parameters() if one.is_floating_point()}
    if kinds != {torch.float32}:
        return True
    try:
        wide = copy.deepcopy(model).double()
        _refuse(wide, _double(inputs), [*map(_double, others)], [*map(_double, hostile)], torch.float32)
    except Exception:  # it mixes there too, or has no double precision
        return True
    return False


def _refuse(
    model: torch.nn.Module,
    inputs: torch.Tensor,
    others: Sequence[torch.Tensor],
    hostile: Sequence[torch.Tensor],
    kind: torch.dtype | None = None,
) -> None:
    with without_dropout(model):
        _refuse_all(model, inputs, others, hostile, kind)
    if model.training:
        _refuse_all(model, inputs, others, hostile, kind)


def _single(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def _double(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor


def _refuse_all(
    model: torch.nn.Module,
    inputs: torch.Tensor,
    others: Sequence[torch.Tensor],
    hostile: Sequence[torch.Tensor],
    kind: torch.dtype | None,
) -> None:
    for rest in others:
        _refuse_neighbours(model, inputs, rest, kind)
        _refuse_neighbours(model, rest, inputs, kind)
    for rest in hostile:
        try:
            _refuse_neighbours(model, inputs, rest, kind)
        except InvalidRequest:
            raise
        except (ArithmeticError, IndexError, RuntimeError, TypeError, ValueError):
            continue
    if _draws(model, inputs):
        for dice in range(1, DICE):
            _refuse_neighbours(model, inputs, others[-1], kind, dice)
    else:
        for rows in (inputs, others[0]):  # large ones saturate, and nothing but rounding is left of what comes out
            _refuse_company(model, rows, kind)


def _refuse_neighbours(
    model: torch.nn.Module, base: torch.Tensor, rest: torch.Tensor, kind: torch.dtype | None, dice: int = 0
) -> None:
    """The first and the last row, each beside other contents of the rest."""
    expected = _outputs(model, base, dice)
    for row in (0, len(base) - 1):
        changed = rest.clone()
        changed[row] = base[row]
        for one, two in zip(expected, _outputs(model, changed, dice), strict=True):
            if not (_by_row(one, len(base)) and _by_row(two, len(base))):
                continue
            if not _alike(one, [row], two[row : row + 1], kind):
                raise mixing("the whole model")


def _refuse_company(model: torch.nn.Module, rows: torch.Tensor, kind: torch.dtype | None) -> None:
    """Each row alone, in the opposite order, and each several times."""
    expected, count = _outputs(model, rows), len(rows)
    orders = [*([row] for row in range(count)), list(reversed(range(count))), list(range(count)) * MANY]
    for order in orders:
        for one, two in zip(expected, _lean_outputs(model, rows[order]), strict=True):
            if _by_row(one, count) and not (_by_row(two, len(order)) and _alike(one, order, two, kind)):
                raise mixing("the whole model")


def refuse_a_row_alone(model: torch.nn.Module, inputs: torch.Tensor) -> None:
    """Refuse a model that gives a batch of one row another form than one of several.

    Args:
        model: left as it is.
        inputs: at least two rows.
    """
    forms = []
    for made in (inputs, inputs[:1]):
        try:
            leaves = [one for one in tree.tree_leaves(model(made)) if torch.is_tensor(one)]
        except (IndexError, RuntimeError, TypeError, ValueError):
            if len(made) > 1:
                raise
            leaves = []
        by_row = [one.dim() > 0 and one.shape[0] == len(made) for one in leaves]
        forms.append([(rows, one.shape[int(rows) :]) for rows, one in zip(by_row, leaves, strict=True)])
    if forms[0] != forms[1]:
        raise InvalidRequest(
            "a model was given that gives a batch of one row another form than one of several",
            "a model for any number of rows",
            "squeeze(-1) in place of squeeze()",
        )


def _outputs(model: torch.nn.Module, inputs: torch.Tensor, dice: int = 0) -> list[Any]:
    """What comes out, with the same random numbers for the same dice."""
    (torch.cuda if inputs.is_cuda else torch.default_generator).manual_seed(dice)  # ``left_alone`` puts it back
    return [one.detach() if torch.is_tensor(one) else one for one in tree.tree_leaves(model(inputs))]


def _lean_outputs(model: torch.nn.Module, inputs: torch.Tensor) -> list[Any]:
    """What comes out of a pass as for training, that keeps nothing for a backward pass: many rows take much memory."""
    try:
        with torch.autograd.graph.saved_tensors_hooks(lambda _: None, lambda _: torch.empty(0)):
            return _outputs(model, inputs)
    except RuntimeError:  # a model that takes gradients itself, by torch.func or autograd, has no use for such hooks
        return _outputs(model, inputs)


def _by_row(one: Any, rows: int) -> bool:
    return torch.is_tensor(one) and one.dim() > 0 and one.shape[0] == rows


def _draws(model: torch.nn.Module, inputs: torch.Tensor) -> bool:
    """Whether the model takes anything from torch's generators."""
    generators = [torch.default_generator]
    if inputs.is_cuda:
        generators.append(torch.cuda.default_generators[inputs.device.index or 0])
    before = [one.get_state() for one in generators]
    model(inputs)
    return any(not torch.equal(one.get_state(), state) for one, state in zip(generators, before, strict=True))


def _alike(rows: torch.Tensor, order: list[int], found: torch.Tensor, kind: torch.dtype | None) -> bool:
    """Whether rows came out as they are elsewhere, but for rounding.

    Rounding is in proportion to a number, and to how far it varies between rows: what is large and the same for all,
    such as the mark of a mask, says nothing of it.

    Args:
        rows: as they came out together.
        order: which of them to compare.
        found: shape (order, …).
        kind: whose rounding is allowed for; None for that of the numbers themselves.
    """
    expected = rows[order]
    if expected.shape != found.shape:
        return False
    if not rows.is_floating_point() or not rows.numel():
        return torch.equal(expected, found)
    near = NEAR * torch.finfo(kind or rows.dtype).eps
    spread = torch.nan_to_num((rows - rows[:1]).abs(), posinf=0.0, neginf=0.0).amax(0)
    allowed = near * (torch.maximum(spread, spread.median()) + expected.abs())
    alike = (expected == found) | (expected.isnan() & found.isnan()) | ((expected - found).abs() <= allowed)
    return bool(alike.all())


def mixing(what: str) -> InvalidRequest:
    """The error for a model in which one row changes another's output."""
    return InvalidRequest(
        f"a model that mixes rows was given: what {what} computes for one row changes another's output",
        "a model that treats each row by itself",
        "a norm over the features of one row, as torch.nn.LayerNorm or GroupNorm",
    )


@contextmanager
def without_dropout(model: torch.nn.Module) -> Iterator[None]:
    """The model in evaluation mode, and back."""
    modes = [module.training for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in zip(model.modules(), modes, strict=True):
            module.training = mode


def shaken(model: torch.nn.Module, wave: Callable[[tuple[int, ...], torch.Tensor], torch.Tensor]) -> None:
    """Change each parameter a little: one that is zero, as of a last layer or a gate, hides what lies before it.

    Args:
        model: is changed; ``left_alone`` puts it back.
        wave: numbers between -1.5 and 1.5 for a shape, of a tensor's dtype and device.
    """
    with torch.no_grad():
        for one in model.parameters():
            if one.is_floating_point():
                move = wave(tuple(one.shape), one)
                one.addcmul_(one, move, value=0.1)  # leaves zero at zero
                if bool((one == 0).any()):
                    one.copy_(torch.where(one == 0, move.abs_().mul_(0.05).add_(0.05), one))


@contextmanager
def left_alone(model: torch.nn.Module) -> Iterator[None]:
    """Buffers, parameters and generators as they were."""
    before = state(model)
    devices = [one.device.index for one in model.parameters() if one.device.type == "cuda"]
    with torch.random.fork_rng(devices=list(dict.fromkeys(devices))):
        try:
            yield
        finally:
            restore(model, before)
