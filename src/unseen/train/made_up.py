"""Made-up rows, on which a model is looked at before it sees real ones."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math

import torch

__all__ = ["ROWS", "contents", "large", "shorter", "stand_ins", "wave"]

ROWS = 3
LOT = 1 << 16
"""Numbers that are computed at a time."""


def stand_ins(batch: tuple[torch.Tensor, ...], rows: int, whole: int = 0) -> tuple[torch.Tensor, ...]:
    """Made-up rows like a batch's: numbers around zero where those are real, ``whole`` and zeros where they are whole.

    Args:
        batch: tensors of shape (any, …), of which only shape, dtype and device are read.
        rows: how many to make.
        whole: the whole number. All rows but the last end in zeros, the first in most.
    """
    made = []
    for one in batch:
        shape = (rows, *one.shape[1:])
        if one.is_floating_point():
            made.append(wave(shape, one, rows))
            continue
        filled = torch.full(shape, whole).to(one)
        if len(shape) > 1:
            for row in range(rows):
                filled[row, ..., max(1, shape[-1] - (rows - 1 - row)) :] = 0
        made.append(filled)
    return tuple(made)


def wave(shape: tuple[int, ...], like: torch.Tensor, start: float = 0) -> torch.Tensor:
    """Numbers between -1.5 and 1.5 of which no two are alike, from somewhere on, of a tensor's dtype and device."""
    found = torch.empty(math.prod(shape), dtype=like.dtype, device=like.device)
    for first in range(0, len(found), LOT):  # in double precision only for a moment
        place = torch.arange(first, min(first + LOT, len(found)), dtype=torch.float64)
        found[first : first + LOT] = place.mul_(2.399963).add_(start).sin_().mul_(1.5)
    return found.reshape(shape)


def contents(rows: torch.Tensor) -> list[torch.Tensor]:
    """Rows of the same shape and other values, of which some are picked wherever a model picks by value."""
    place = torch.arange(rows.numel(), device=rows.device).reshape(rows.shape)
    if rows.is_floating_point():
        return [
            scale * rows.roll(1, -1).where(place % step > 0, -rows.abs()) for scale, step in ((1, 2), (10, 3), (0.1, 5))
        ]
    return [rows.where(place % step > 0, torch.zeros_like(rows)) for step in (2, 3, 5)]


def shorter(rows: torch.Tensor) -> torch.Tensor:
    """The same rows, each ending in more zeros than the one before."""
    made = rows.clone()
    if rows.dim() > 1:
        for row in range(len(rows)):
            made[row, ..., max(1, rows.shape[-1] - 1 - row) :] = 0
    return made


def large(rows: torch.Tensor) -> list[torch.Tensor]:
    """Large whole numbers; none where a wrong index would end the device's process."""
    if rows.dtype == torch.bool or (rows.is_cuda and rows.dtype in (torch.int32, torch.int64)):
        return []
    most = torch.iinfo(rows.dtype).max
    return [torch.full_like(rows, value) for value in (2, 7, 100, 255) if value <= most]
