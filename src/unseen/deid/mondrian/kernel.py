"""Mondrian's cuts: a table of integer codes is parted at medians, over and over, in place."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from typing import Any

import numpy as np

from unseen.core.compiled import compiled

__all__ = ["carry_out", "descend", "median", "propose"]

SHORT = 32
"""Up to so many rows a median is found by insertion."""


@compiled
def median(column: Any, low: int, high: int, least: int, most: int, counts: Any, spare: Any) -> Any:
    """The lower median of rows low … high-1, and what lies around it.

    Returns:
        the median, rows below it, rows with it, the code before it and the one after it (-1 where there is none).
    """
    size, span = high - low, most - least + 1
    rank = (size - 1) // 2
    if size <= SHORT:
        for i in range(size):
            value = column[low + i]
            j = i
            while j > 0 and spare[j - 1] > value:
                spare[j] = spare[j - 1]
                j -= 1
            spare[j] = value
        first = last = rank
        while first > 0 and spare[first - 1] == spare[rank]:
            first -= 1
        while last < size - 1 and spare[last + 1] == spare[rank]:
            last += 1
        before: Any = np.int64(spare[first - 1]) if first else np.int64(-1)
        after: Any = np.int64(spare[last + 1]) if last < size - 1 else np.int64(-1)
        return np.int64(spare[rank]), first, last - first + 1, before, after
    if span <= 2 * size:
        for i in range(span):
            counts[i] = 0
        for i in range(low, high):
            counts[np.int64(column[i]) - least] += 1
        below, at = 0, 0
        while below + counts[at] <= rank:
            below += counts[at]
            at += 1
        one, other = at - 1, at + 1
        while one >= 0 and counts[one] == 0:
            one -= 1
        while other < span and counts[other] == 0:
            other += 1
        before = least + one if one >= 0 else np.int64(-1)
        after = least + other if other < span else np.int64(-1)
        return least + at, below, np.int64(counts[at]), before, after
    # Eight bits at a time from the highest down: no order of the rows makes it slow.
    shift = 0
    while (span - 1) >> (shift + 8):
        shift += 8
    start, left = np.int64(0), rank
    while True:
        for i in range(256):
            counts[i] = 0
        for i in range(low, high):
            value = np.int64(column[i]) - least
            if value >> (shift + 8) == start >> (shift + 8):
                counts[(value >> shift) & 255] += 1
        at = 0
        while counts[at] <= left:
            left -= counts[at]
            at += 1
        start += np.int64(at) << shift
        if shift == 0:
            break
        shift -= 8
    found = start + least
    below, equal, before, after = 0, 0, np.int64(-1), np.int64(1) << 62
    for i in range(low, high):
        code = np.int64(column[i])
        if code < found:
            below += 1
            before = max(before, code)
        elif code > found:
            after = min(after, code)
        else:
            equal += 1
    return found, below, equal, before, after if below + equal < size else np.int64(-1)


@compiled
def _enough(column: Any, rows: Any, units: Any, low: int, high: int, code: int, k: int, seen: Any, turn: Any) -> bool:
    """Whether both sides of a cut hold k distinct units: those with at most that code, and the others."""
    turn[0] += 2
    one = other = 0
    for i in range(low, high):
        unit = units[rows[i]]
        if np.int64(column[i]) <= code:
            if seen[0, unit] != turn[0]:
                seen[0, unit] = turn[0]
                one += 1
        elif seen[1, unit] != turn[0]:
            seen[1, unit] = turn[0]
            other += 1
        if one >= k and other >= k:
            return True
    return False


@compiled
def _next(
    codes: Any, rows: Any, units: Any, places: Any, offsets: Any, low: int, high: int, k: int, tried: Any,
    least: Any, most: Any, width: Any, counts: Any, spare: Any, seen: Any, turn: Any,
) -> Any:  # fmt: skip
    """The next cut of rows low … high-1 that leaves k units on each side, of the column that is widest, or none.

    Args:
        tried: shape (2 columns,), which cuts were proposed already: for each column the more even one of its two
            at the median, then the other.

    Returns:
        the column (-1 if there is none), the greatest code of the left side, the least of the right, rows on the left.
    """
    size = high - low
    if size < 2 * k:
        return -1, np.int64(0), np.int64(0), 0
    for c in range(codes.shape[0]):
        column = codes[c]
        smallest = greatest = column[low]
        for i in range(low + 1, high):
            smallest = min(smallest, column[i])
            greatest = max(greatest, column[i])
        least[c], most[c] = smallest, greatest
        width[c] = places[offsets[c] + most[c]] - places[offsets[c] + least[c]] if greatest > smallest else -1.0
        if tried[2 * c] and tried[2 * c + 1]:
            width[c] = -1.0
    while True:
        c, widest = -1, -1.0
        for j in range(len(width)):
            if width[j] > widest:
                c, widest = j, width[j]
        if c < 0:
            return -1, np.int64(0), np.int64(0), 0
        width[c] = -1.0
        found, below, equal, before, after = median(codes[c], low, high, least[c], most[c], counts, spare)
        upper = size - below - equal
        even = min(below + equal, upper) >= min(below, equal + upper)
        for attempt in range(2):
            if tried[2 * c + attempt]:
                continue
            tried[2 * c + attempt] = True
            left = below + equal if even == (attempt == 0) else below
            if min(left, size - left) < k:
                continue
            one, other = (found, after) if left > below else (before, found)
            if len(units) == 0 or _enough(codes[c], rows, units, low, high, one, k, seen, turn):
                return c, one, other, left


@compiled
def _part(codes: Any, rows: Any, low: int, high: int, cut: int, code: int, goes: Any, spare: Any, moved: Any) -> None:
    """Bring the rows of low … high-1 with at most that code in a column before the others, both in their order."""
    column = codes[cut]
    for i in range(low, high):
        goes[i - low] = np.int64(column[i]) <= code
    for c in range(codes.shape[0]):
        column = codes[c]
        left, right = np.int64(low), np.int64(0)
        for i in range(low, high):
            value, go = column[i], np.int64(goes[i - low])
            column[left] = value
            spare[right] = value
            left += go
            right += 1 - go
        for i in range(right):
            column[left + i] = spare[i]
    left, right = np.int64(low), np.int64(0)
    for i in range(low, high):
        row, go = rows[i], np.int64(goes[i - low])
        rows[left] = row
        moved[right] = row
        left += go
        right += 1 - go
    for i in range(right):
        rows[left + i] = moved[i]


@compiled
def descend(
    codes: Any, rows: Any, units: Any, places: Any, offsets: Any, k: int, low: int, high: int, region: Any, grain: int,
    ends: Any, sides: Any, regions: Any,
) -> Any:  # fmt: skip
    """Part rows low … high-1 until no cut leaves k units on both sides.

    Args:
        codes: shape (columns, rows), int32, reordered in place.
        rows: shape (rows,), int32, which row each place holds, reordered alongside.
        units: shape (rows,), int32, a code of each original row's unit; empty where every row is another one.
        places: where each code lies in its column's domain, in [0, 1], one column after the other.
        offsets: shape (columns,), where each column begins in ``places``.
        k: least number of units on each side.
        low: the first place.
        high: one past the last place.
        region: shape (2 columns,), int32: for each column the place of the cut below it and above it, or -1.
        grain: parts of at least that many rows are handed back instead of parted further, so that threads share them.
        ends: shape (rows,), int32: for each class, at its first place, one past its last place.
        sides: shape (2, rows), int32: for each cut, at its place, the greatest code before and the least after it.
        regions: shape (rows // k + 1, 2 columns): for each class, at its first place divided by k, its region.

    Returns:
        bounds of shape (parts, 2) and regions of shape (parts, 2 columns) of the parts that are handed back.

    Source: LeFevre, DeWitt and Ramakrishnan 2006, strict partitioning (figure 4).
    """
    columns, size = codes.shape[0], high - low
    width, least, most = np.empty(columns), np.empty(columns, np.int64), np.empty(columns, np.int64)
    tried = np.empty(2 * columns, np.bool_)
    counts, spare = np.empty(max(256, 2 * size), np.int32), np.empty(max(size, SHORT), codes.dtype)
    goes, moved = np.empty(size, np.uint8), np.empty(size, np.int32)
    seen, turn = np.zeros((2, units.max() + 1 if len(units) else 0), np.int64), np.zeros(1, np.int64)
    # The larger part waits while the smaller one is parted: no more than log2 of the rows wait at once.
    waiting, places_of = np.empty((64, 2), np.int64), np.empty((64, 2 * columns), np.int32)
    given, given_regions = np.empty((2, 2), np.int64), np.empty((2, 2 * columns), np.int32)
    here, top, out = region.copy(), 0, 0
    while True:
        tried[:] = False
        c, one, other, left = _next(
            codes, rows, units, places, offsets, low, high, k, tried, least, most, width, counts, spare, seen, turn
        )
        if c >= 0:
            _part(codes, rows, low, high, c, one, goes, spare, moved)
            middle = low + left
            sides[0, middle], sides[1, middle] = one, other
            if middle - low >= grain or high - middle >= grain:
                for side in range(2):
                    given[out, 0], given[out, 1] = (low, middle) if side == 0 else (middle, high)
                    given_regions[out] = here
                    given_regions[out, 2 * c + 1 - side] = middle
                    out += 1
                break
            larger = left > high - middle
            waiting[top, 0], waiting[top, 1] = (low, middle) if larger else (middle, high)
            places_of[top] = here
            places_of[top, 2 * c + larger] = middle
            top += 1
            here[2 * c + 1 - larger] = middle
            if larger:
                low = middle
            else:
                high = middle
            continue
        ends[low] = high
        regions[low // k] = here
        if top == 0:
            break
        top -= 1
        low, high = waiting[top, 0], waiting[top, 1]
        here[:] = places_of[top]
    return given[:out], given_regions[:out]


@compiled
def propose(
    codes: Any, rows: Any, units: Any, places: Any, offsets: Any, k: int, bounds: Any, tried: Any, values: Any,
    pairs: Any, found: Any, halves: Any,
) -> None:  # fmt: skip
    """For each of several parts the next cut that leaves k units on both sides, and the sensitive values there.

    Args:
        bounds: shape (parts, 2), the places of each part.
        tried: shape (parts, 2 columns), which cuts were proposed before; those proposed now are added.
        values: shape (sensitive columns, rows), int32, a code of each original row's value, another one in each column.
        pairs: of the same shape, int64, a code of unit and value together, another one in each column; of shape
            (sensitive columns, 0) where every row is another unit.
        found: shape (parts, 4), int64: the column or -1, the greatest code on the left, the least on the right, rows
            on the left.
        halves: shape (parts, 2, values), int64, all 0: for each side the number of units with each value.

    The other arguments are those of ``descend``.
    """
    columns, largest = codes.shape[0], 0
    for i in range(len(bounds)):
        largest = max(largest, bounds[i, 1] - bounds[i, 0])
    width, least, most = np.empty(columns), np.empty(columns, np.int64), np.empty(columns, np.int64)
    counts, spare = np.empty(max(256, 2 * largest), np.int32), np.empty(max(largest, SHORT), codes.dtype)
    seen, turn = np.zeros((2, units.max() + 1 if len(units) else 0), np.int64), np.zeros(1, np.int64)
    met = np.zeros((2, pairs.max() + 1 if pairs.shape[1] else 0), np.int64)
    for i in range(len(bounds)):
        low, high = bounds[i, 0], bounds[i, 1]
        c, one, other, left = _next(
            codes, rows, units, places, offsets, low, high, k, tried[i], least, most, width, counts, spare, seen, turn
        )
        found[i, 0], found[i, 1], found[i, 2], found[i, 3] = c, one, other, left
        if c < 0:
            continue
        for j in range(low, high):
            side, row = np.int64(np.int64(codes[c, j]) > one), rows[j]
            for s in range(values.shape[0]):
                if pairs.shape[1]:
                    if met[side, pairs[s, row]] == i + 1:
                        continue
                    met[side, pairs[s, row]] = i + 1
                halves[i, side, values[s, row]] += 1


@compiled
def carry_out(codes: Any, rows: Any, bounds: Any, found: Any, sides: Any) -> None:
    """Part each of several parts by the cut that was found for it, as ``propose`` gave it, and note the cut."""
    largest = 0
    for i in range(len(bounds)):
        largest = max(largest, bounds[i, 1] - bounds[i, 0])
    goes, spare, moved = np.empty(largest, np.uint8), np.empty(largest, codes.dtype), np.empty(largest, np.int32)
    for i in range(len(bounds)):
        _part(codes, rows, bounds[i, 0], bounds[i, 1], found[i, 0], found[i, 1], goes, spare, moved)
        middle = bounds[i, 0] + found[i, 3]
        sides[0, middle], sides[1, middle] = found[i, 1], found[i, 2]
