"""The table that the search works on: keys of all columns' codes, distinct and in order, with what they count."""
# SPDX-License-Identifier: Apache-2.0
# A key ends with two codes that no roll-up changes. The tag is 0 for units all of whose rows have one key: they add
# up. A unit with several keys has a tag of its own, so that its rows count once wherever they meet. Then comes the
# code of the sensitive value.

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unseen.deid.search.rollup import NO_FIELD, Field, Slots, Table, rolled

__all__ = ["ROWS", "Layout", "bits", "grouped", "packed"]

Codes = NDArray[np.int64]

WORD = 63
"""Bits of a key that one signed 64-bit word holds."""

ROWS = 0
"""The place of the rows among a table's counts."""


@dataclass(frozen=True)
class Layout:
    """Where everything lies.

    Args:
        columns: the fields of the columns, the first in the highest bits.
        tag: the field of the tag; of no bits if no unit has several keys.
        value: the field of the sensitive value; of no bits if there is none.
        words: words of a key.
        units: the place of the units among the counts.
        pairs: the place of the pairs of unit and sensitive value.
        people: the place of the people of the population; -1 if there is none.
    """

    columns: tuple[Field, ...]
    tag: Field
    value: Field
    words: int
    units: int
    pairs: int
    people: int

    def kept(self, columns: int, *lower: Field) -> Codes:
        """The bits of the first columns and of some fields below."""
        found = np.zeros(self.words, dtype=np.int64)
        for field in (*self.columns[:columns], *lower):
            if field.bits:
                found[field.word] |= field.span
        return found


def bits(codes: int) -> int:
    """How many bits hold so many codes."""
    return max(1, (codes - 1).bit_length())


def _fields(sizes: Sequence[int]) -> tuple[list[Field], int]:
    """Fields of so many bits, one after the other; one of no bits lies nowhere."""
    groups: list[list[int]] = [[]]
    for size in sizes:
        if sum(groups[-1]) + size > WORD:
            groups.append([])
        groups[-1].append(size)
    found = [
        Field(word, sum(group[place + 1 :]), size) if size else NO_FIELD
        for word, group in enumerate(groups)
        for place, size in enumerate(group)
    ]
    return found, len(groups)


def packed(codes: Sequence[Codes], fields: Sequence[Field], words: int) -> Codes:
    """Keys of shape (rows, words)."""
    keys = np.zeros((len(codes[0]), words), dtype=np.int64)
    for code, field in zip(codes, fields, strict=True):
        if field.bits:
            keys[:, field.word] |= code << field.shift
    return keys


def grouped(
    columns: Sequence[Codes],
    sizes: Sequence[int],
    units: Codes,
    values: Codes | None = None,
    people: Sequence[Codes] | None = None,
) -> tuple[Layout, Table, Slots]:
    """Rows merged by key.

    Args:
        columns: for each column the codes of the rows.
        sizes: how many codes each has.
        units: shape (rows,), a code of each row's unit.
        values: shape (rows,), the code of each row's sensitive value, if there is one.
        people: for each column the codes of the population, if there is one.

    Returns:
        the layout, the distinct keys in order, and a hash table large enough for them.
    """
    count, sensitive = len(units), np.zeros(len(units), dtype=np.int64) if values is None else values
    ranked = bool((units[1:] > units[:-1]).all())  # as where every row is a unit of its own
    unit: Codes = units if ranked else np.unique(units, return_inverse=True)[1]
    alone = ranked or int(unit.max()) + 1 == count
    tags, kinds = np.zeros(0, dtype=np.int64), [np.ones(count, dtype=np.int64)]
    if not alone:
        columns, sensitive, tags, kinds = _by_unit(columns, sizes, unit, sensitive)
    widths = [bits(size) for size in sizes]
    widths.append(int(tags.max()).bit_length() if len(tags) else 0)
    widths.append(0 if values is None else bits(int(values.max()) + 1))
    (*fields, tag, value), words = _fields(widths)
    keys = packed(
        [*columns, tags, sensitive] if len(tags) else [*columns, sensitive], _given(fields, tag, value, tags), words
    )
    counts = np.stack(kinds, axis=1)
    layout = Layout(tuple(fields), tag, value, words, int(len(kinds) > 1), 2 * int(len(kinds) > 1), -1)
    if people is not None:
        layout = Layout(tuple(fields), tag, value, words, layout.units, layout.pairs, len(kinds))
        strangers = packed(people, fields, words)
        keys = np.concatenate([keys, strangers])
        counts = np.pad(counts, ((0, len(strangers)), (0, 1)))
        counts[len(counts) - len(strangers) :, -1] = 1
    if keys.shape[1] == counts.shape[1] == 1:
        keys.sort(axis=0)  # much faster than to ask for the order
        starts = np.flatnonzero(np.diff(keys[:, 0], prepend=keys[0, 0] - 1))
        table = Table(keys[starts], np.diff(np.append(starts, len(keys)))[:, None])
        return layout, table, Slots(len(table))
    order = np.lexsort(tuple(reversed(keys.T)))
    whole, slots = Table(keys[order], counts[order]), Slots(len(keys))
    merged = rolled(whole, slots, whole, layout.kept(len(fields), tag, value), tag)
    return layout, Table(merged.keys.copy(), merged.counts.copy()), slots


def _given(fields: list[Field], tag: Field, value: Field, tags: Codes) -> list[Field]:
    return [*fields, tag, value] if len(tags) else [*fields, value]


def _by_unit(
    columns: Sequence[Codes], sizes: Sequence[int], unit: Codes, values: Codes
) -> tuple[list[Codes], Codes, Codes, list[Codes]]:
    """One entry for each unit, key and value, with a tag, its rows, units (the first of a unit and key) and pairs."""
    fields, words = _fields([bits(size) for size in sizes])
    keys = packed(columns, fields, words)
    order = np.lexsort((values, *reversed(keys.T), unit))
    keys, unit, values = keys[order], unit[order], values[order]
    first = np.ones(len(order), dtype=bool)  # of a unit and key
    first[1:] = (unit[1:] != unit[:-1]) | (keys[1:] != keys[:-1]).any(axis=1)
    pair = first.copy()
    pair[1:] |= values[1:] != values[:-1]
    starts = np.flatnonzero(pair)
    several = np.bincount(unit[first]) > 1
    tags = np.where(several, np.cumsum(several), 0)[unit[starts]]
    rows = np.diff(np.append(starts, len(order)))
    counts = [rows, first[starts].astype(np.int64), np.ones(len(starts), dtype=np.int64)]
    return [column[order][starts] for column in columns], values[starts], tags, counts
