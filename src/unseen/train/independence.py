"""Whether a model treats each row by itself: it neither mixes rows, nor stores them, nor routes them by content."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils import _pytree as tree
from torch.utils._python_dispatch import TorchDispatchMode

from unseen.core.errors import InvalidRequest

__all__ = ["left_alone", "refuse_mixing", "refuse_storing", "selects", "without_dropout"]

_SELECTING = ("nonzero", "masked_select", "_unique", "_unique2", "unique_dim", "unique_consecutive")


def refuse_storing(model: torch.nn.Module, *inputs: torch.Tensor) -> None:
    """Run the model on each of the inputs, and refuse one whose buffers depend on what it is given."""
    before, after = [buffer.clone() for buffer in model.buffers()], []
    with torch.no_grad():
        for made in inputs:
            model(made)
            after.append([buffer.clone() for buffer in model.buffers()])
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
    with torch.no_grad(), without_dropout(model):
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


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes operations whose result has a shape that depends on values, where they pick real numbers or places."""

    seen = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name == "index":
            by_mask = any(one is not None and one.dtype in (torch.bool, torch.uint8) for one in args[1])
            self.seen |= by_mask and args[0].is_floating_point()
        self.seen |= name in _SELECTING
        return func(*args, **(kwargs or {}))


def selects(model: torch.nn.Module, inputs: torch.Tensor) -> bool:
    """Whether a model picks some of what it computes by its values, so that rows may be anywhere."""
    watch = _Watch()  # type: ignore[no-untyped-call]
    with torch.no_grad(), watch:
        model(inputs)
    return bool(watch.seen)


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
