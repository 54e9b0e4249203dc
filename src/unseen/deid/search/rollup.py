"""Roll-up: rows of equal keys merged through a hash table, one column of the keys one or more levels up."""
# SPDX-License-Identifier: Apache-2.0
# A key is one or more words of codes side by side. A slot of the hash table holds a generation and a row's place:
# slots of an earlier generation count as empty, so nothing is ever cleared.

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.core.compiled import compiled

__all__ = ["NO_FIELD", "Field", "Slots", "Table", "rolled"]

Words = NDArray[np.int64]

NO_MAP = np.zeros(1, dtype=np.int64)


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
