"""Whether a model treats each row by itself: it neither mixes rows nor stores them."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils import _pytree as tree

from unseen.core.errors import InvalidRequest

__all__ = ["left_alone", "mixing", "refuse_mixing", "refuse_storing", "without_dropout"]


def refuse_storing(model: torch.nn.Module, *inputs: torch.Tensor) -> None:
    """Run the model on each of the inputs, and refuse one whose buffers depend on what it is given."""
    before, after = [buffer.clone() for buffer in model.buffers()], []
    for made in inputs:
        model(made)  # with gradients, as it will be run: without, some modules take another path
        after.append([buffer.detach().clone() for buffer in model.buffers()])
        with torch.no_grad():
            for buffer, value in zip(model.buffers(), before, strict=True):
                buffer.copy_(value)
    if any(not torch.equal(one, two) for one, two in zip(*after[:2], strict=True)):
        raise InvalidRequest(
            "a model that keeps something of its inputs in a buffer was given",
            "modules that store nothing of the data but what their noised gradients say",
            "track_running_stats=False, or a buffer that does not change",
        )


def refuse_mixing(model: torch.nn.Module, inputs: torch.Tensor, others: torch.Tensor) -> None:
    """Refuse a model whose output for the first or the last row changes with the other rows.

    Args:
        model: left as it is.
        inputs: rows.
        others: as many different ones.
    """
    with without_dropout(model):
        for base, rest in ((inputs, others), (others, inputs)):
            expected = tree.tree_leaves(model(base))
            for row in (0, len(base) - 1):
                changed = rest.clone()
                changed[row] = base[row]
                for one, two in zip(expected, tree.tree_leaves(model(changed)), strict=True):
                    if _by_row(one, two, len(base)) and not _alike(one[row], two[row]):
                        raise mixing("the whole model")


def _by_row(one: Any, other: Any, rows: int) -> bool:
    return torch.is_tensor(one) and one.dim() > 0 and one.shape[0] == rows and one.shape == other.shape


def _alike(one: torch.Tensor, other: torch.Tensor) -> bool:
    near = torch.finfo(one.dtype).eps ** 0.5 if one.is_floating_point() else 0.0
    return torch.allclose(one, other, rtol=near, atol=near, equal_nan=True)


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


@contextmanager
def left_alone(model: torch.nn.Module) -> Iterator[None]:
    """Buffers and generators as they were."""
    before = [buffer.clone() for buffer in model.buffers()]
    devices = [one.device.index for one in model.parameters() if one.device.type == "cuda"]
    with torch.random.fork_rng(devices=list(dict.fromkeys(devices))):
        try:
            yield
        finally:
            with torch.no_grad():
                for buffer, value in zip(model.buffers(), before, strict=True):
                    buffer.copy_(value)
