"""Whether a model treats each row by itself: it neither mixes rows nor stores them."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import collections
import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils import _pytree as tree

from unseen.core.errors import InvalidRequest

__all__ = ["left_alone", "mixing", "refuse_a_row_alone", "refuse_mixing", "refuse_storing", "shaken", "without_dropout"]

NEAR = 300
"""Units in the last place that two computations of one row may differ by: they are the same but for rounding."""


def refuse_storing(model: torch.nn.Module, *inputs: torch.Tensor) -> None:
    """Run the model on each of the inputs; refuse it if anything that it holds comes to depend on what it is given."""
    before, after = _state(model), []  # of what came after only what changed is kept: models are large
    held = [dict(vars(module)) for module in model.modules()]
    lengths = _lengths(held)
    for made in inputs[:2]:
        model(made)  # with gradients, as it will be run: without, some modules take another path
        after.append((_changed(model, before), [_told(vars(module)) for module in model.modules()]))
        _restore(model, before)
        for module, variables in zip(model.modules(), held, strict=True):
            vars(module).clear()
            vars(module).update(variables)
        if _lengths(held) != lengths:
            raise _stores("an attribute")
    (one, told), (two, other) = after
    if not _equal(told, other):
        raise _stores("an attribute")
    if one.keys() != two.keys() or any(not torch.equal(value, two[place]) for place, value in one.items()):
        raise _stores("a buffer or a parameter")


def _stores(where: str) -> InvalidRequest:
    return InvalidRequest(
        f"a model that keeps something of its inputs in {where} was given",
        "modules that store nothing of the data but what their noised gradients say",
        "track_running_stats=False, or a buffer that does not change",
    )


_CONTAINERS = (list, tuple, dict, set, collections.deque)


def _lengths(held: list[dict[str, Any]]) -> list[int]:
    return [len(value) for one in held for value in one.values() if isinstance(value, _CONTAINERS)]


def _told(value: Any) -> Any:
    """What of an attribute can be compared: numbers, texts and tensors, also in containers."""
    if torch.is_tensor(value):
        return value.detach().clone()
    if isinstance(value, dict):
        return {str(key): _told(one) for key, one in value.items()}
    if isinstance(value, _CONTAINERS):
        return [_told(one) for one in value]
    return repr(value) if isinstance(value, (bool, int, float, complex, str, bytes, type(None))) else type(value)


def _equal(one: Any, other: Any) -> bool:
    if torch.is_tensor(one) and torch.is_tensor(other):
        return one.shape == other.shape and bool(torch.equal(one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other) if not torch.is_tensor(one) and not torch.is_tensor(other) else False


def refuse_mixing(model: torch.nn.Module, inputs: torch.Tensor, others: Sequence[torch.Tensor]) -> None:
    """Refuse a model whose output for the first or the last row changes with the other rows, in evaluation or as it is.

    Args:
        model: left as it is. One of a half precision is looked at in float32, where less is lost in rounding.
        inputs: rows.
        others: several times as many different ones.
    """
    if any(one.is_floating_point() and torch.finfo(one.dtype).bits < 32 for one in model.parameters()):
        model = copy.deepcopy(model).float()
        inputs, *others = (one.float() if one.is_floating_point() else one for one in (inputs, *others))
    for rest in others:
        for base, changed in ((inputs, rest), (rest, inputs)):
            with without_dropout(model):
                _refuse_mixing(model, base, changed)
            if model.training:
                _refuse_mixing(model, base, changed)


def _refuse_mixing(model: torch.nn.Module, base: torch.Tensor, rest: torch.Tensor) -> None:
    expected = _same_dice(model, base)
    for row in (0, len(base) - 1):
        changed = rest.clone()
        changed[row] = base[row]
        for one, two in zip(expected, _same_dice(model, changed), strict=True):
            if _by_row(one, two, len(base)) and not _alike(one[row], two[row]):
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


def _same_dice(model: torch.nn.Module, inputs: torch.Tensor) -> list[Any]:
    """The outputs, with the same random numbers each time."""
    (torch.cuda if inputs.is_cuda else torch.default_generator).manual_seed(0)  # ``left_alone`` puts it back
    leaves = [one.detach() if torch.is_tensor(one) else one for one in tree.tree_leaves(model(inputs))]
    return leaves


def _state(model: torch.nn.Module) -> list[torch.Tensor]:
    return [one.detach().clone() for one in (*model.buffers(), *model.parameters())]


def _changed(model: torch.nn.Module, state: list[torch.Tensor]) -> dict[int, torch.Tensor]:
    held = (*model.buffers(), *model.parameters())
    return {
        place: one.detach().clone()
        for place, (one, value) in enumerate(zip(held, state, strict=True))
        if not torch.equal(one, value)
    }


def _restore(model: torch.nn.Module, state: list[torch.Tensor]) -> None:
    with torch.no_grad():
        for one, value in zip((*model.buffers(), *model.parameters()), state, strict=True):
            if not torch.equal(one, value):
                one.copy_(value)


def _by_row(one: Any, other: Any, rows: int) -> bool:
    return torch.is_tensor(one) and one.dim() > 0 and one.shape[0] == rows and one.shape == other.shape


def _alike(one: torch.Tensor, other: torch.Tensor) -> bool:
    if not one.is_floating_point():
        return torch.equal(one, other)
    near = NEAR * torch.finfo(one.dtype).eps
    size = float(torch.nan_to_num(one, posinf=0.0, neginf=0.0).abs().max()) if one.numel() else 0.0
    return torch.allclose(one, other, rtol=near, atol=near * size, equal_nan=True)


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
    before = _state(model)
    devices = [one.device.index for one in model.parameters() if one.device.type == "cuda"]
    with torch.random.fork_rng(devices=list(dict.fromkeys(devices))):
        try:
            yield
        finally:
            _restore(model, before)
