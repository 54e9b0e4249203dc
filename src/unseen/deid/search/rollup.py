"""Roll-up: rows of equal keys merged through a hash table, one column of the keys one or more levels up."""
# SPDX-License-Identifier: Apache-2.0
# A key is one or more words of codes side by side. A slot of the hash table holds a generation and a row's place:
# slots of an earlier generation count as empty, so nothing is ever cleared.

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from unseen.core.errors import extra

__all__ = ["Field", "Slots", "Table", "accumulate", "histogram", "lacking", "mapped", "rolled", "spread", "weigh"]

numba: Any = extra("numba", "deid")

F = TypeVar("F", bound=Callable[..., Any])

Words = NDArray[np.int64]

BLOCK = 1024
"""Rows whose sums are made at once."""

NO_MAP = np.zeros(1, dtype=np.int64)


def compiled(function: F) -> F:
    """The function compiled, and kept on disk where there is a folder for it."""
    try:
        kept: F = numba.njit(nogil=True, error_model="numpy", cache=True)(function)
    except RuntimeError:  # there is no folder to keep it in
        kept = numba.njit(nogil=True, error_model="numpy")(function)
    return kept


@dataclass(frozen=True)
class Field:
    """Where a code lies in a key: its word, and its place and width there in bits."""

    word: int
    shift: int
    bits: int

    @property
    def mask(self) -> int:
        """As many ones as it has bits."""
        return (1 << self.bits) - 1

    @property
    def span(self) -> int:
        """The bits that it takes in its word."""
        return self.mask << self.shift

    def of(self, keys: Words) -> Words:
        """The codes in keys of shape (n, words)."""
        codes: Words = (keys[:, self.word] >> self.shift) & self.mask
        return codes


NO_FIELD = Field(-1, 0, 0)
"""It lies nowhere; its one code, 0, stays what it is."""


@dataclass(frozen=True)
class Table:
    """Distinct keys with what they count.

    Args:
        keys: shape (n, words).
        counts: shape (n, kinds): rows, then whatever else adds up.
    """

    keys: Words
    counts: Words

    def __len__(self) -> int:
        return len(self.keys)

    def like(self) -> Table:
        """Room for as many."""
        return Table(np.empty_like(self.keys), np.empty_like(self.counts))


class Slots:
    """The hash table's memory, and for each row that went in the place that it went to.

    Args:
        rows: how many rows there are at most.
    """

    def __init__(self, rows: int) -> None:
        self.slots = np.zeros(1 << max(4, (4 * rows - 1).bit_length()), dtype=np.uint64)
        self.places = np.empty(rows, dtype=np.uint32)
        self.generation = 0


def rolled(
    table: Table, slots: Slots, into: Table, keep: Words, tag: Field, field: Field = NO_FIELD, up: Words = NO_MAP
) -> Table:
    """The table with a field mapped, and only some bits of the keys kept.

    Args:
        table: what goes in.
        slots: the hash table; afterwards ``slots.places`` says where each row went.
        into: room for the result, which is a view of it; may be the room that ``table`` lies in.
        keep: shape (words,), the bits to keep.
        tag: a key in which this field is not 0 counts at most 1 of everything but rows.
        field: the field to map; none by default.
        up: shape (codes,), the new code of each.
    """
    slots.generation += 1
    if table.keys.shape[1] == table.counts.shape[1] == 1 and not tag.bits:
        found = int(_single(
            table.keys.reshape(-1), table.counts.reshape(-1), max(field.shift, 0), field.mask, up, keep[0],
            into.keys.reshape(-1), into.counts.reshape(-1), slots.places, slots.slots, slots.generation,
        ))  # fmt: skip
    else:
        found = int(_several(
            table.keys, table.counts, field.word, field.shift, field.mask, up, keep, max(tag.word, 0), tag.span,
            into.keys, into.counts, slots.places, slots.slots, slots.generation,
        ))  # fmt: skip
    return Table(into.keys[:found], into.counts[:found])


@compiled
def _bits(rows: Any) -> Any:
    """Four times as many slots as rows, as a power of two: few keys meet."""
    bits = 4
    while 1 << bits < 4 * rows:
        bits += 1
    return bits


@compiled
def _single(
    keys: Any, counts: Any, shift: Any, mask: Any, up: Any, keep: Any,
    new_keys: Any, new_counts: Any, places: Any, slots: Any, generation: Any,
) -> Any:  # fmt: skip
    """Keys of one word that count rows only.

    Whether a key is new is as random as can be, so nothing branches on it. Unsigned indices save a test each.
    """
    bits = _bits(len(keys))
    last, down = np.uint64((1 << bits) - 1), np.uint64(64 - bits)
    one, half, low, now = np.uint64(1), np.uint64(32), np.uint64(0xFFFFFFFF), np.uint64(generation)
    found = np.uint64(0)
    for row in range(len(keys)):
        key = keys[row]
        code = (key >> shift) & mask
        key = (key + ((up[np.uint64(code)] - code) << shift)) & keep
        mixed = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
        slot = ((mixed ^ (mixed >> half)) * np.uint64(0xD6E8FEB86659FD93)) >> down
        while True:
            held = slots[slot]
            new = np.int64((held >> half) - now) >> np.int64(63)  # all ones where the slot is of earlier, else zero
            place = (held & low) ^ (((held & low) ^ found) & np.uint64(new))
            if (new_keys[place] ^ key) & ~new == 0:
                break
            slot = (slot + one) & last
        slots[slot] = (now << half) | place
        count = counts[row] + (new_counts[place] & ~new)
        new_keys[place], new_counts[place], places[row] = key, count, place
        found += np.uint64(new) & one
    return found


@compiled
def _several(
    keys: Any, counts: Any, word: Any, shift: Any, mask: Any, up: Any, keep: Any, tag_word: Any, tag_mask: Any,
    new_keys: Any, new_counts: Any, places: Any, slots: Any, generation: Any,
) -> Any:  # fmt: skip
    """Keys of several words, several counts, tags."""
    rows, words = keys.shape
    kinds = counts.shape[1]
    bits = _bits(rows)
    last, down = np.uint64((1 << bits) - 1), np.uint64(64 - bits)
    one, half, low, now = np.uint64(1), np.uint64(32), np.uint64(0xFFFFFFFF), np.uint64(generation)
    found = np.uint64(0)
    key = np.empty(words, np.int64)
    for row in range(rows):
        mixed = np.uint64(0)
        for at in range(words):
            part = keys[row, at]
            if at == word:
                code = (part >> shift) & mask
                part += (up[np.uint64(code)] - code) << shift
            part &= keep[at]
            key[at] = part
            mixed = (mixed ^ np.uint64(part)) * np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> half
        slot = (mixed * np.uint64(0xD6E8FEB86659FD93)) >> down
        while True:
            held = slots[slot]
            if held >> half != now:
                slots[slot] = (now << half) | found
                for at in range(words):
                    new_keys[found, at] = key[at]
                for kind in range(kinds):
                    new_counts[found, kind] = counts[row, kind]
                places[row] = found
                found += one
                break
            place = held & low
            same = True
            for at in range(words):
                same &= new_keys[place, at] == key[at]
            if same:
                for kind in range(kinds):
                    new_counts[place, kind] += counts[row, kind]
                if tag_mask and key[tag_word] & tag_mask:
                    for kind in range(1, kinds):
                        new_counts[place, kind] = min(new_counts[place, kind], 1)
                places[row] = place
                break
            slot = (slot + one) & last
    return found


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
