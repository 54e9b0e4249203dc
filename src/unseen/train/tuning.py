"""Which way each layer takes to its norms: the fastest, as measured, that one memory budget for all layers allows."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch

from unseen.train.layers.layer import Seen, Way, size_of
from unseen.train.tape import Record

__all__ = ["Tuner"]

ROUNDS = 3
WORTH_A_SECOND_LOOK = 2.0
"""A way that takes so many times the fastest one's time on some of the units is not measured on all."""
SHARE = 1.1
"""What layers may keep by default, as a share of their inputs and output gradients."""
LEAST = 8
"""Units on which ways are measured, or a quarter of the batch if that is more."""
NOTICEABLE = 0.01
"""Of the time of all layers: a way that saves memory may cost so much more."""


@dataclass(frozen=True)
class _Measured:
    """One way of one layer.

    Args:
        place: among the layer's ways.
        seconds: of norms and sum together.
        retained: bytes that it keeps until the sum.
    """

    place: int
    seconds: float
    retained: int


class Tuner:
    """Measures the ways on the first batch and chooses among them; further batches of the same shapes follow it.

    What layers keep until the norms are known, summed over layers, stays within the budget if any choice allows it,
    and otherwise is as small as can be. Only times and shapes decide, and choices change nothing but rounding.

    Args:
        budget: bytes; None allows a tenth more than each layer's input and output gradient take.
    """

    def __init__(self, budget: int | None = None) -> None:
        self._budget = budget
        self._measured: dict[Any, list[_Measured]] = {}
        self._plain: dict[Any, int] = {}
        self._chosen: dict[Any, int] = {}

    def __call__(self, record: Record, seen: Seen, units: int) -> Way:
        """The chosen way; where nothing is chosen yet, the leanest of those that were just measured."""
        ways = record.layer.ways(seen, units)
        if len(ways) == 1:
            return ways[0]
        key = (record.name, len(ways), *(one.shape[1:] for one in seen))
        if key not in self._chosen:
            if key not in self._measured:
                self._plain[key] = size_of(seen)
                self._measured[key] = _measured(ways, seen, units, max(4 * size_of(seen), 1 << 26))
            return ways[min(self._measured[key], key=lambda one: one.retained).place]
        return ways[self._chosen[key]]

    def settle(self) -> None:
        """Choose for all layers that were measured: fastest first, then leaner ones where the budget wants it."""
        fresh = [key for key in self._measured if key not in self._chosen]
        if not fresh:
            return
        budget = SHARE * sum(self._plain.values()) if self._budget is None else self._budget
        chosen = {key: min(found, key=lambda one: one.seconds) for key, found in self._measured.items()}
        spare = NOTICEABLE * sum(one.seconds for one in chosen.values())
        while steps := [
            ((leaner.seconds - now.seconds) / (now.retained - leaner.retained), key, leaner)
            for key, now in chosen.items()
            for leaner in self._measured[key]
            if leaner.retained < now.retained
        ]:
            _, key, leaner = min(steps, key=lambda step: step[0])
            dearer = leaner.seconds - chosen[key].seconds
            if sum(one.retained for one in chosen.values()) <= budget and dearer > spare:
                break
            spare -= max(dearer, 0.0) if dearer <= spare else 0.0
            chosen[key] = leaner
        self._chosen = {key: one.place for key, one in chosen.items()}


def _measured(ways: Any, seen: Seen, units: int, limit: int) -> list[_Measured]:
    """Every way that doesn't want more memory than the limit; the leanest if all do.

    On some of the units at first, then the faster ones on all, since what a call costs by itself is not the same.
    """
    wants = [way.keeps(seen, units) + way.scratch(seen, units) for way in ways]
    tried = [place for place, want in enumerate(wants) if want <= max(limit, min(wants))]
    keeps = [way.keeps(seen, units) for way in ways]
    some = min(units, max(LEAST, units // 4))
    part = tuple(one[: len(one) // units * some] for one in seen)
    seconds = {place: _seconds(ways[place], part, some) * units / some for place in tried}
    most = WORTH_A_SECOND_LOOK * min(seconds.values())
    for place in [place for place in tried if len(tried) > 1 and some < units and seconds[place] <= most]:
        seconds[place] = _seconds(ways[place], seen, units)
    return [_Measured(place, seconds[place], keeps[place]) for place in tried]


def _seconds(way: Way, seen: Seen, units: int) -> float:
    best, factors = float("inf"), torch.ones(units, dtype=seen[-1].dtype, device=seen[-1].device)
    for _ in range(ROUNDS):
        start = _now(seen[-1])
        _, kept = way.squares(seen, units)
        way.total(kept, factors)
        best = min(best, _now(seen[-1]) - start)
    return best


def _now(tensor: torch.Tensor) -> float:
    if tensor.device.type == "cuda":
        torch.cuda.synchronize(tensor.device)
    return time.perf_counter()
