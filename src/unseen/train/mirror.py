"""A second tree of modules over the same parameters whose layers are watched; the model itself is left alone."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch

from unseen.train.layers import composite_of, layer_of
from unseen.train.layers.fallback import Fallback, Instantiated
from unseen.train.tape import Record, Tape

__all__ = ["mirrored", "shadow", "trained"]

_HOOKS = ("_forward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_forward_pre_hooks")


def trained(module: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """A module's own parameters that are trained: without its children's, but with those in its lists of parameters."""
    lists = (torch.nn.ParameterList, torch.nn.ParameterDict)
    named = dict(module.named_parameters(recurse=False))
    for key, child in module.named_children():
        if isinstance(child, lists):
            named |= {f"{key}.{name}": one for name, one in child.named_parameters()}
    return {name: one for name, one in named.items() if one.requires_grad}


def mirrored(model: torch.nn.Module, tape: Tape) -> torch.nn.Module:
    """The mirror of a model: shallow copies of its modules, with a tap after each that has trained parameters.

    It is made anew for each physical batch, so that it follows whatever was done to the model in between. The
    parameters of a module of no known family are lifted to one for each row where that was found to give the same;
    otherwise the module, and whatever stands below it, is run row by row (``Fallback``).

    Args:
        model: any module; a compiled one stands for what was compiled.
        tape: watches the mirror.
    """
    return _mirrored(model, tape, "", {})


def shadow(model: torch.nn.Module) -> torch.nn.Module:
    """Shallow copies of a model's modules: it computes the same, and keeps what the modules set on themselves."""
    made: dict[int, torch.nn.Module] = {}

    def copied(module: torch.nn.Module) -> torch.nn.Module:
        if id(module) not in made:
            made[id(module)] = twin = type(module).__new__(type(module))
            twin.__dict__.update(module.__dict__)
            children = module.__dict__["_modules"].items()
            twin.__dict__["_modules"] = {key: None if one is None else copied(one) for key, one in children}
        return made[id(module)]

    return copied(model)


def _mirrored(module: torch.nn.Module, tape: Tape, name: str, made: dict[int, torch.nn.Module]) -> torch.nn.Module:
    if id(module) in made:
        return made[id(module)]
    original = getattr(module, "_orig_mod", None)
    if isinstance(original, torch.nn.Module):
        return _mirrored(original, tape, name, made)
    made[id(module)] = found = _one(module, tape, name, made)
    return found


def _one(module: torch.nn.Module, tape: Tape, name: str, made: dict[int, torch.nn.Module]) -> torch.nn.Module:
    trains = any(parameter.requires_grad for parameter in module.parameters())
    computed = hasattr(module, "parametrizations")
    composite = composite_of(module, tape, name) if trains else None
    if composite is not None:
        return composite
    own = trained(module)
    layer = layer_of(module, own) if own else None
    lifted = bool(own) and layer is None and tape.place(name).lift is not None
    if (own and layer is None and not lifted) or (computed and trains):
        return Fallback(module, tape, name)
    twin = type(module).__new__(type(module))
    twin.__dict__.update(module.__dict__)
    made[id(module)] = twin
    for hooks in _HOOKS:
        twin.__dict__[hooks] = OrderedDict(module.__dict__[hooks])
    if layer is not None:
        _watch(twin, tape, tape.record(layer, name))
    if lifted:
        _lift(twin, tape, tape.record(Instantiated(module, own), name))
    twin.__dict__["_modules"] = {
        key: None if child is None else _mirrored(child, tape, f"{name}.{key}" if name else key, made)
        for key, child in module.__dict__["_modules"].items()
    }
    return twin


def _watch(twin: torch.nn.Module, tape: Tape, record: Record) -> None:
    def hook(_: torch.nn.Module, args: tuple[Any, ...], keywords: dict[str, Any], output: Any) -> Any:
        return tape.tap(record, record.layer.saves(args, keywords), output)

    twin.register_forward_hook(hook, prepend=True, with_kwargs=True)


def _lift(twin: torch.nn.Module, tape: Tape, record: Record) -> None:
    def hook(*_: Any) -> None:
        made = tape.expand(record, list(record.layer.parameters.values()))
        twin.__dict__["_parameters"] |= dict(zip(record.layer.parameters, made, strict=True))

    twin.__dict__["_parameters"] = dict(twin.__dict__["_parameters"])
    twin.register_forward_pre_hook(hook, prepend=True)
