"""Passes over the rows of a table of keys: sums, histograms, other levels; compiled."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from typing import Any

import numpy as np

from unseen.core.compiled import compiled

__all__ = ["accumulate", "histogram", "lacking", "mapped", "spread", "weigh"]

BLOCK = 1024
"""Rows whose sums are made at once."""


@compiled
def lacking(counts: Any, kind: int, k: int, lost: Any) -> Any:
    """Rows in classes with fewer than k of a kind, and which they are.

    Args:
        counts: shape (n, kinds), rows first.
        kind: which of them has to reach k.
        k: the least number.
        lost: shape (at least n,), filled with the rows of each class that does not.
    """
    total = 0
    for row in range(len(counts)):
        lost[row] = counts[row, 0] if counts[row, kind] < k else 0
        total += lost[row]
    return total


@compiled
def weigh(keys: Any, lost: Any, words: Any, shifts: Any, masks: Any, starts: Any, gaps: Any) -> Any:
    """What suppressing some rows of each class costs beyond keeping them.

    Args:
        keys: shape (n, words).
        lost: shape (n,), rows of each that are suppressed.
        words: shape (columns,), with ``shifts`` and ``masks`` the fields.
        starts: shape (columns,), where a column's gaps begin in ``gaps``.
        gaps: what suppressing a cell of a code costs, for all columns and levels.
    """
    total, sums = 0.0, np.empty(BLOCK, np.float64)
    for start in range(0, len(keys), BLOCK):
        block = keys[start : start + BLOCK]
        sums[:] = 0.0
        for column in range(len(words)):  # one column of many rows at once is turned into vectors
            word, shift, mask, first = words[column], shifts[column], masks[column], starts[column]
            for row in range(len(block)):
                sums[row] += gaps[np.uint64(first + ((block[row, word] >> shift) & mask))]
        for row in range(len(block)):
            total += lost[start + row] * sums[row]
    return total


@compiled
def histogram(places: Any, codes: Any, counts: Any, rows: Any, found: Any) -> None:
    """Add counts of sensitive values to the rows of a histogram.

    Args:
        places: shape (n,), the class of each entry.
        codes: shape (n,), its sensitive value.
        counts: shape (n,), what it counts.
        rows: shape (classes,), the row of ``found`` for each class, or -1.
        found: shape (chosen classes, values).
    """
    for entry in range(len(codes)):
        row = rows[places[entry]]
        if row >= 0:
            found[row, codes[entry]] += counts[entry]


@compiled
def mapped(keys: Any, words: Any, shifts: Any, masks: Any, starts: Any, codes: Any, low: Any, into: Any) -> None:
    """Keys with all columns at other levels.

    Args:
        keys: shape (n, words).
        words: shape (columns,), with ``shifts`` and ``masks`` the fields.
        starts: shape (columns,), where a column's new codes begin in ``codes``.
        codes: the new code of each code, column by column, already where it stands in its word.
        low: shape (words,), the bits that stay as they are.
        into: shape (n, words), filled with the new keys.
    """
    for start in range(0, len(keys), BLOCK):
        block, new = keys[start : start + BLOCK], into[start : start + BLOCK]
        for at in range(keys.shape[1]):
            for row in range(len(block)):
                new[row, at] = block[row, at] & low[at]
        for column in range(len(words)):  # one column of many rows at once is turned into vectors
            word, shift, mask, first = words[column], shifts[column], masks[column], starts[column]
            for row in range(len(block)):
                new[row, word] |= codes[np.uint64(first + ((block[row, word] >> shift) & mask))]


@compiled
def spread(keys: Any, words: Any, shifts: Any, masks: Any, starts: Any, steps: Any, counts: Any, found: Any) -> None:
    """Add up counts by the sum of what a key's codes stand for.

    Args:
        keys: shape (n, words).
        words: shape (columns,), with ``shifts`` and ``masks`` the fields.
        starts: shape (columns,), where a column's steps begin in ``steps``.
        steps: what each code stands for, column by column.
        counts: shape (n,), what to add.
        found: shape (largest sum + 1,), added to.
    """
    sums = np.empty(BLOCK, np.int64)
    for start in range(0, len(keys), BLOCK):
        block = keys[start : start + BLOCK]
        sums[:] = 0
        for column in range(len(words)):  # one column of many rows at once is turned into vectors
            word, shift, mask, first = words[column], shifts[column], masks[column], starts[column]
            for row in range(len(block)):
                sums[row] += steps[np.uint64(first + ((block[row, word] >> shift) & mask))]
        for row in range(len(block)):
            found[np.uint64(sums[row])] += counts[start + row]


@compiled
def accumulate(found: Any, step: Any, levels: Any) -> None:
    """Running sums along one axis of an array that lies flat.

    Args:
        found: changed in place.
        step: from one level of the axis to the next.
        levels: how many there are.
    """
    for start in range(0, len(found), step * levels):
        for at in range(start + step, start + step * levels):
            found[at] += found[at - step]
