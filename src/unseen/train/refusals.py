"""What can't be trained, said before anything is charged."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from unseen.core.errors import InvalidRequest, shown

__all__ = ["check_coverage", "check_model", "check_modules", "trainable"]


def trainable(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """The parameters that are trained, each once, tied ones under their first name."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def check_modules(model: Any) -> None:
    """Refuse what has no per-unit gradient.

    Raises:
        InvalidRequest: not a module, or one with a layer that mixes rows, records them or has no shape yet.
    """
    if not isinstance(model, torch.nn.Module):
        raise InvalidRequest(f"a model of type {type(model).__name__!r} was given", "a torch.nn.Module")
    for name, module in model.named_modules():
        kind = type(module).__name__
        if _fixed(module):
            continue
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            raise InvalidRequest(
                f"the module {name!r} is a {kind}",
                "modules that treat each row by itself: batch statistics mix people and are stored unnoised; one that "
                "was trained on public data stays, frozen and in evaluation mode: requires_grad_(False).eval()",
                f"torch.nn.GroupNorm(1, {module.num_features or 'channels'})",
            )
        if any(torch.nn.parameter.is_lazy(one) for one in module.parameters(recurse=False)):
            raise InvalidRequest(
                f"the module {name!r} is a {kind} whose parameters have no shape yet",
                "modules that know their shapes",
                f"torch.nn.{kind.removeprefix('Lazy')}, or one call on made-up rows: model(torch.zeros(1, ...))",
            )
        if getattr(module, "max_norm", None) is not None:
            raise InvalidRequest(
                f"the module {name!r} is a {kind} whose max_norm rewrites what is looked up",
                "modules whose parameters only the optimizer changes",
                "max_norm=None",
            )
        if isinstance(module, torch.nn.AdaptiveLogSoftmaxWithLoss):
            raise InvalidRequest(
                f"the module {name!r}, a {kind}, sends rows to clusters by their labels",
                "modules that treat each row by itself",
                "torch.nn.Linear, with torch.nn.CrossEntropyLoss",
            )
        if getattr(module, "track_running_stats", False):
            raise InvalidRequest(
                f"the module {name!r} records statistics of its inputs",
                "modules that store nothing of the data but their gradients",
                "track_running_stats=False",
            )


def _fixed(module: torch.nn.Module) -> bool:
    """Whether it is a normalisation by stored statistics that nothing changes: a fixed map of each row."""
    kinds = (torch.nn.modules.batchnorm._BatchNorm, torch.nn.modules.instancenorm._InstanceNorm)
    frozen = not any(one.requires_grad for one in module.parameters(recurse=False))
    return isinstance(module, kinds) and frozen and not module.training and module.running_mean is not None


def check_coverage(model: torch.nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> None:
    """Refuse trained parameters that no optimizer steps: they would take up clipping norm, and compute, for nothing.

    Raises:
        InvalidRequest: naming some of them.
    """
    held = {id(one) for optimizer in optimizers for group in optimizer.param_groups for one in group["params"]}
    missing = [name for name, one in trainable(model).items() if id(one) not in held]
    if missing:
        raise InvalidRequest(
            f"no optimizer holds the parameters {shown(missing)}",
            "every parameter that requires a gradient in an optimizer, and the others frozen",
            f"model.get_parameter({missing[0]!r}).requires_grad_(False)",
        )


def check_model(model: Any, optimizer: Any) -> None:
    """Refuse what has no per-unit gradient, and an optimizer of something else.

    Raises:
        InvalidRequest: see ``check_modules``; or nothing to train, or an optimizer of other parameters.
    """
    check_modules(model)
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
