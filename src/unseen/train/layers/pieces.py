"""Whole units, a few at a time, so that what is made of them for a moment is small."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Iterator

import torch

from unseen.train.layers.layer import Seen

__all__ = ["pieces"]

# A core's share of the cache; on an accelerator each call costs more than its memory.
CACHE, DEVICE = 1 << 20, 1 << 26


def pieces(seen: Seen, units: int, each: int) -> Iterator[tuple[slice, Seen]]:
    """Cut what was seen into whole units, at least one at a time.

    Args:
        seen: tensors with the rows first.
        units: whose rows they are.
        each: how many bytes are made of one unit.

    Yields:
        which units, and what was seen of them.
    """
    room = CACHE if seen[-1].device.type == "cpu" else DEVICE
    step = max(1, room // max(1, each))
    for first in range(0, units, step):
        last = min(units, first + step)
        yield slice(first, last), tuple(_rows(one, units, first, last) for one in seen)


def _rows(tensor: torch.Tensor, units: int, first: int, last: int) -> torch.Tensor:
    rows = tensor.shape[0] // units
    return tensor[first * rows : last * rows]
