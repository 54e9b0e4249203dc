"""Mondrian's run: columns as codes in, classes out; threads share the parts, or models are asked about both halves."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.deid.mondrian.axis import Axis, Between
from unseen.deid.search.problem import Sensitive

__all__ = ["Classes", "classes"]

Ints = NDArray[np.int64]

SHARED = 1 << 16
"""Rows from which on threads share the work."""
MOST_THREADS = 8
CELLS = 1 << 22
"""Counts of sensitive values that are held at once."""


@dataclass(frozen=True)
class Classes:
    """The classes.

    Args:
        of: shape (rows,), each row's class.
        sizes: shape (classes,), their rows.
        between: for each column where the classes lie.
    """

    of: Ints
    sizes: Ints
    between: tuple[Between, ...]


def classes(axes: Sequence[Axis], units: Ints, k: int, demands: Sequence[Sensitive] = ()) -> Classes | None:
    """Part a table at medians until no cut leaves two halves for which everything holds.

    Of the columns the one that is widest in a part is cut first, at its median, before or after all rows that have
    it, whichever is more even; then the other side, then the next column. Equal rows are never parted.

    Args:
        axes: at least one.
        units: shape (rows,), a code of each row's unit; at least one row.
        k: least number of distinct units in a class.
        demands: of sensitive columns what their values in each class have to be like.

    Returns:
        a function of the rows as a multiset; None if the whole table as one class is not enough.

    Source: LeFevre, DeWitt and Ramakrishnan 2006 (strict multidimensional partitioning).
    """
    run = _Run(axes, units, k, demands)
    if not run.possible:
        return None
    if demands:
        run.in_rounds()
    else:
        run.at_once()
    return run.found()


class _Run:
    def __init__(self, axes: Sequence[Axis], units: Ints, k: int, demands: Sequence[Sensitive]) -> None:
        self.k, self.columns, self.rows = k, len(axes), len(units)
        sizes = [len(axis.places) for axis in axes]
        self.codes = np.empty((self.columns, self.rows), np.int32)
        for column, axis in zip(self.codes, axes, strict=True):
            column[:] = axis.codes
        self.order = np.arange(self.rows, dtype=np.int32)
        self.places = np.concatenate([axis.places for axis in axes])
        self.offsets = np.cumsum([0, *sizes[:-1]]).astype(np.int64)
        self.ends = np.zeros(self.rows, np.int32)
        self.sides = np.zeros((2, self.rows), np.int32)
        self.regions = np.zeros((self.rows // k + 1, 2 * self.columns), np.int32)
        known, unit = np.unique(units, return_inverse=True)
        self.alone = len(known) == self.rows
        self.unit = np.empty(0, np.int32) if self.alone else unit.astype(np.int32)
        self.demands, starts = demands, np.cumsum([0, *(int(one.codes.max()) + 1 for one in demands)])
        self.slices = [slice(start, end) for start, end in pairwise(starts.tolist())]
        self.values = np.zeros((len(demands), self.rows), np.int32)
        for row, start, one in zip(self.values, starts, demands, strict=False):
            row[:] = one.codes + start
        self.pairs = np.zeros((len(demands), 0), np.int64)
        table = np.bincount(self.values.reshape(-1), minlength=int(starts[-1]))
        if not self.alone and demands:
            both = self.values.astype(np.int64) * len(known) + unit
            distinct, pairs = np.unique(both, return_inverse=True)
            self.pairs = pairs.reshape(both.shape).astype(np.int64)
            table = np.bincount(distinct // len(known), minlength=int(starts[-1]))
        self.table = table.astype(np.int64)
        self.possible = len(known) >= k and bool(self._hold(self.table[None]).all())

    def _hold(self, counts: Ints) -> NDArray[np.bool_]:
        fine = np.ones(len(counts), dtype=bool)
        for one, part in zip(self.demands, self.slices, strict=True):
            for model in one.models:
                fine &= model.holds(counts[:, part], self.table[part])
        return fine

    # --- k alone ------------------------------------------------------------------------------------

    def at_once(self) -> None:
        """Threads take parts as they come up; each goes to the bottom of its own, but hands large ones back."""
        from unseen.deid.mondrian.kernel import descend

        threads = min(MOST_THREADS, _processors()) if self.rows >= SHARED else 1
        grain = self.rows + 1 if threads == 1 else max(SHARED // 4, self.rows // (8 * threads))

        def below(low: int, high: int, region: Any) -> Any:
            return descend(
                self.codes, self.order, self.unit, self.places, self.offsets, self.k, low, high, region, grain,
                self.ends, self.sides, self.regions,
            )  # fmt: skip

        everything = (0, self.rows, np.full(2 * self.columns, -1, np.int32))
        if threads == 1:
            below(*everything)
            return
        with ThreadPoolExecutor(threads) as pool:
            waiting: set[Future[Any]] = {pool.submit(below, *everything)}
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for one in done:
                    for (low, high), region in zip(*one.result(), strict=True):
                        waiting.add(pool.submit(below, low, high, region))

    # --- with models --------------------------------------------------------------------------------

    def in_rounds(self) -> None:
        """One cut is proposed for each part, the models are asked about all halves together, and so on."""
        step = max(1, CELLS // (2 * len(self.table)))
        waiting = [(
            np.array([[0, self.rows]], dtype=np.int64),
            np.full((1, 2 * self.columns), -1, np.int32),
            np.zeros((1, 2 * self.columns), np.bool_),
        )]  # fmt: skip
        while waiting:
            bounds, regions, tried = (np.concatenate(parts) for parts in zip(*waiting, strict=True))
            waiting = []
            for start in range(0, len(bounds), step):
                some = slice(start, start + step)
                waiting += self._round(bounds[some], regions[some], tried[some])

    def _round(self, bounds: Ints, regions: NDArray[np.int32], tried: NDArray[np.bool_]) -> list[Any]:
        from unseen.deid.mondrian.kernel import carry_out, propose

        found = np.zeros((len(bounds), 4), np.int64)
        halves = np.zeros((len(bounds), 2, len(self.table)), np.int64)
        propose(
            self.codes, self.order, self.unit, self.places, self.offsets, self.k, bounds, tried, self.values,
            self.pairs, found, halves,
        )  # fmt: skip
        whole = found[:, 0] < 0
        self.ends[bounds[whole, 0]] = bounds[whole, 1]
        self.regions[bounds[whole, 0] // self.k] = regions[whole]
        some = np.flatnonzero(~whole)
        fine = self._hold(halves[some].reshape(2 * len(some), len(self.table))).reshape(-1, 2).all(axis=1)
        cut, again = some[fine], some[~fine]
        carry_out(self.codes, self.order, bounds[cut], found[cut], self.sides)
        middle = bounds[cut, 0] + found[cut, 3]
        left, right = regions[cut], regions[cut]
        left[np.arange(len(cut)), 2 * found[cut, 0] + 1] = middle
        right[np.arange(len(cut)), 2 * found[cut, 0]] = middle
        fresh = np.zeros((2 * len(cut), 2 * self.columns), np.bool_)
        parts = np.concatenate([
            np.stack([bounds[cut, 0], middle], axis=1), np.stack([middle, bounds[cut, 1]], axis=1)
        ])  # fmt: skip
        following = [(bounds[again], regions[again], tried[again]), (parts, np.concatenate([left, right]), fresh)]
        return [one for one in following if len(one[0])]

    # --- what came out ------------------------------------------------------------------------------

    def found(self) -> Classes:
        starts = np.flatnonzero(self.ends)
        sizes = self.ends[starts] - starts
        of = np.empty(self.rows, dtype=np.int64)
        of[self.order] = np.repeat(np.arange(len(starts)), sizes)
        between = []
        for at, column in enumerate(self.codes):
            ends = []
            for side in range(2):
                cut = self.regions[starts // self.k, 2 * at + side].astype(np.int64)
                ends.append(np.where(cut[:, None] < 0, -1, self.sides[:, cut].T).astype(np.int64))
            least, most = (reduced.reduceat(column, starts).astype(np.int64) for reduced in (np.minimum, np.maximum))
            between.append(Between(least, most, ends[0], ends[1]))
        return Classes(of, sizes.astype(np.int64), tuple(between))


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1
