"""Whether a model keeps something of what it is given."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import collections
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import torch

from unseen.core.errors import InvalidRequest

__all__ = ["refuse_storing", "restore", "state"]

DEEP = 4
"""How far objects that hold objects are followed."""


def refuse_storing(model: torch.nn.Module, *inputs: torch.Tensor) -> None:
    """Run the model on each of the inputs; refuse it if anything that it holds comes to depend on what it is given."""
    before, after = state(model), []  # of what came after only what changed is kept: models are large
    held = [dict(vars(module)) for module in model.modules()]
    classes = _classes(model)
    lengths = _lengths(held)
    for made in inputs[:2]:
        model(made)  # with gradients, as it will be run: without, some modules take another path
        kept = [_told(one) for one in (*map(_own, model.modules()), *map(_shared, classes))]
        after.append((_changed(model, before), kept))
        restore(model, before)
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


def _classes(model: torch.nn.Module) -> list[type]:
    """The classes of its modules that are nobody's library: torch's own keep nothing."""
    found = {one for module in model.modules() for one in type(module).__mro__ if issubclass(one, torch.nn.Module)}
    return [one for one in found if not one.__module__.startswith("torch.")]


def _own(module: torch.nn.Module) -> dict[str, Any]:
    """What a module holds beside parameters, buffers and children."""
    return {name: value for name, value in vars(module).items() if name not in ("_parameters", "_buffers", "_modules")}


def _shared(kind: type) -> dict[str, Any]:
    """What a class holds for all its instances."""
    kinds = (*_CONTAINERS, torch.Tensor, np.ndarray)
    return {name: value for name, value in vars(kind).items() if isinstance(value, kinds)}


def _told(value: Any, deep: int = DEEP) -> Any:
    """What of an attribute can be compared: numbers, texts and arrays, also in containers and in objects."""
    if torch.is_tensor(value):
        return value.detach().clone()
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy()) if value.dtype.kind in "biufc" else [repr(one) for one in value.flat]
    if isinstance(value, (bool, int, float, complex, str, bytes, type(None), np.generic)):
        return repr(value)
    if deep and isinstance(value, dict):
        return {str(key): _told(one, deep - 1) for key, one in value.items()}
    if deep and isinstance(value, _CONTAINERS):
        return [_told(one, deep - 1) for one in value]
    kept = getattr(value, "__dict__", None)
    if deep and isinstance(kept, dict) and not isinstance(value, (torch.nn.Module, type, FunctionType, ModuleType)):
        return {"": type(value), **{key: _told(one, deep - 1) for key, one in kept.items()}}
    return type(value)


def _equal(one: Any, other: Any) -> bool:
    if torch.is_tensor(one) and torch.is_tensor(other):
        return one.shape == other.shape and torch.allclose(one, other, rtol=0.0, atol=0.0, equal_nan=True)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other) if not torch.is_tensor(one) and not torch.is_tensor(other) else False


def state(model: torch.nn.Module) -> list[torch.Tensor]:
    """Copies of buffers and parameters."""
    return [one.detach().clone() for one in (*model.buffers(), *model.parameters())]


def _changed(model: torch.nn.Module, state: list[torch.Tensor]) -> dict[int, torch.Tensor]:
    held = (*model.buffers(), *model.parameters())
    return {
        place: one.detach().clone()
        for place, (one, value) in enumerate(zip(held, state, strict=True))
        if not torch.equal(one, value)
    }


def restore(model: torch.nn.Module, state: list[torch.Tensor]) -> None:
    """Put them back where they changed."""
    with torch.no_grad():
        for one, value in zip((*model.buffers(), *model.parameters()), state, strict=True):
            if not torch.equal(one, value):
                one.copy_(value)
