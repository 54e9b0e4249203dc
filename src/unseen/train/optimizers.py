"""Which optimizers can step by a gradient that was noised once."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from unseen.core.errors import InvalidRequest

if TYPE_CHECKING:
    import torch

__all__ = ["check_optimizer"]


def check_optimizer(optimizer: torch.optim.Optimizer) -> None:
    """Refuse, before anything is charged, what would fail at its first step.

    Raises:
        InvalidRequest: it wants the loss again, sparse gradients, or to be differentiated itself.
    """
    import torch

    _, *arguments = inspect.signature(type(optimizer).step).parameters.values()  # a scheduler wraps the instance's own
    if any(one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD for one in arguments):
        why = "wants a closure that gives the loss again"
    elif isinstance(optimizer, torch.optim.SparseAdam):
        why = "wants sparse gradients, while noise is in every element"
    elif any(group.get("differentiable") for group in optimizer.param_groups):
        why = "is to be differentiated itself"
    else:
        return
    raise InvalidRequest(
        f"an optimizer of type {type(optimizer).__name__!r} was given, which {why}",
        "one that steps by a gradient that was noised once",
        "torch.optim.SGD or Adam",
    )
