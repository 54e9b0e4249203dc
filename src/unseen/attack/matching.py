"""Who can a row be: for each person, how many released rows cover all that is known about them."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from unseen.attack.cells import key, number, text
from unseen.core.generalised import Anything, Cover, Either, Interval, Prefix

__all__ = ["Column", "Matching"]

Ids = NDArray[np.int64]

SUPPRESSED: Final = "*"

_PEOPLE = 1 << 15  # people's distinct tuples that are handled at once: 4 KiB of bits for each class
_CLASSES = 128  # classes of rows that are handled at once
_CACHED = 4096  # a column with more labels than that has its bits computed anew for each batch of classes


class Column:
    """One column: the labels of released rows, the values of people, and which label covers which value.

    Args:
        labels: released cells, one a row.
        values: what the attacker knows, one a person.
        covers: what generalised labels stand for; a label without an entry stands for itself,
            and ``"*"`` for everything. A missing value is a value of its own:
            only a missing label and ``"*"`` cover it.
    """

    def __init__(self, labels: Sequence[Any], values: Sequence[Any], covers: Mapping[Any, Cover]) -> None:
        known, self.values = _numbered(values)
        named, self.labels = _numbered(labels)
        self._named = named
        texts = [text(value) for value in known]
        self._missing = np.array([written is None for written in texts], dtype=bool)
        width = _width(covers)
        self._texts = np.array([written or "" for written in texts], dtype=str)
        self._codes = np.array(
            [
                (written or "") if isinstance(value, str) else (written or "").zfill(width)
                for value, written in zip(known, texts, strict=True)
            ],
            dtype=str,
        )
        self._numbers = np.array([number(value) for value in known], dtype=np.float64)
        ids: dict[Any, list[int]] = {}
        for index, value in enumerate(known):
            ids.setdefault(key(value), []).append(index)
        # Values that say the same become one, so that a label stands for at most one of them.
        first = np.array([ids[key(value)][0] for value in known], dtype=np.int64)
        self.values = first[self.values] if len(known) else self.values
        covering = {text(label): cover for label, cover in covers.items()}
        self._exact = np.full(len(named), -1, dtype=np.int64)
        self._covers: dict[int, Cover] = {}
        for index, label in enumerate(named):
            written = text(label)
            cover = covering.get(written) or (Anything() if written == SUPPRESSED else None)
            if cover is None:
                self._exact[index] = ids.get(key(label), [-1])[0]
            elif isinstance(cover, Interval) and cover.whole is not None:
                self._exact[index] = ids.get(cover.whole, [-1])[0]
            else:
                self._covers[index] = cover
        self.wild = np.array([isinstance(self._covers.get(index), Anything) for index in range(len(named))], dtype=bool)
        self._masks: dict[int, NDArray[np.bool_]] = {}

    def of(self, rows: Ids) -> Column:
        """The same column of these rows alone."""
        part = copy(self)
        part.labels = self.labels[rows]
        return part

    def exact(self, labels: Ids) -> Ids | None:
        """The one value that each label stands for, -1 for a value nobody has; None if a label covers more."""
        return None if any(int(label) in self._covers for label in np.unique(labels)) else self._exact[labels]

    def covered(self, label: int) -> NDArray[np.bool_]:
        """Which of the distinct values a label covers."""
        if label not in self._covers:
            mask = np.zeros(len(self._missing), dtype=bool)
            if self._exact[label] >= 0:
                mask[self._exact[label]] = True
            return mask
        if label in self._masks:
            return self._masks[label]
        mask = self._mask(self._covers[label])
        if len(self._masks) * len(mask) < 1 << 26:
            self._masks[label] = mask
        return mask

    def _mask(self, cover: Cover) -> NDArray[np.bool_]:
        if isinstance(cover, Anything):
            return np.ones(len(self._missing), dtype=bool)
        if isinstance(cover, Either):
            found: NDArray[np.bool_] = np.logical_or.reduce([self._mask(one) for one in cover.covers])
            return found
        known = (
            self._numbers if isinstance(cover, Interval) else self._codes if isinstance(cover, Prefix) else self._texts
        )
        mask: NDArray[np.bool_] = cover.mask(known) & ~self._missing
        return mask

    def unfit(self) -> list[Any]:
        """The labels that are texts and cover nobody's value."""
        return [
            label for index, label in enumerate(self._named) if isinstance(label, str) and not self.covered(index).any()
        ]

    def covers(self, labels: Ids, values: Ids) -> NDArray[np.bool_]:
        """For pairs of a label and a value, whether the one covers the other. Shapes (n,)."""
        result: NDArray[np.bool_] = self._exact[labels] == values
        order = np.argsort(labels, kind="stable")
        distinct, starts = np.unique(labels[order], return_index=True)
        ends = [*starts[1:].tolist(), len(order)]
        for label, start, end in zip(distinct.tolist(), starts.tolist(), ends[: len(starts)], strict=True):
            if label in self._covers:
                members = order[start:end]
                result[members] = self.covered(label)[values[members]]
        return result

    def bits(self, labels: Ids, values: Ids) -> NDArray[np.uint8]:
        """For each label, a bit for each of the values: shape (labels, values / 8)."""
        result = np.empty((len(labels), (len(values) + 7) // 8), dtype=np.uint8)
        for index, label in enumerate(labels.tolist()):
            result[index] = np.packbits(self.covered(label)[values])
        return result


class Matching:
    """People against released rows.

    Rows of equal labels are one class and people of equal values one tuple, so that 30,000 people against
    30,000 rows need no table of 9·10^8 entries. If each label stands for one value it is a join.

    Args:
        columns: at least one, all with the same rows and people.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        tuples, self._tuple_of = _distinct([column.values for column in columns])
        classes, class_of = _distinct([column.labels for column in columns])
        weights = np.bincount(class_of, minlength=len(classes)).astype(np.int64)
        wild = np.ones(len(classes), dtype=bool)
        for index, column in enumerate(columns):
            wild &= column.wild[classes[:, index]]
        counts = np.full(len(tuples), weights[wild].sum(), dtype=np.int64)
        classes, weights = classes[~wild], weights[~wild]
        exact = [column.exact(classes[:, index]) for index, column in enumerate(columns)]
        joined = [values for values in exact if values is not None]
        if len(classes):
            counts += (
                _join(tuples, joined, weights)
                if len(joined) == len(columns)
                else self._overlaps(tuples, classes, weights)
            )
        self.sizes: Ids = counts[self._tuple_of]
        """For each person the number of rows that they can be."""

    def contains(self, people: Ids, rows: Ids) -> NDArray[np.bool_]:
        """For pairs of a person and a row, whether the row can be the person's. Positions, shapes (n,)."""
        result = np.ones(len(people), dtype=bool)
        for column in self._columns:
            result &= column.covers(column.labels[rows], column.values[people])
        return result

    def _overlaps(self, tuples: Ids, classes: Ids, weights: Ids) -> Ids:
        counts = np.zeros(len(tuples), dtype=np.int64)
        for start in range(0, len(tuples), _PEOPLE):
            block = tuples[start : start + _PEOPLE]
            cached = [
                column.bits(np.arange(len(column.wild)), block[:, index]) if len(column.wild) <= _CACHED else None
                for index, column in enumerate(self._columns)
            ]
            found = np.zeros((len(block) + 7) // 8 * 8, dtype=np.int64)
            for first in range(0, len(classes), _CLASSES):
                batch = classes[first : first + _CLASSES]
                both: NDArray[np.uint8] | None = None
                for index, column in enumerate(self._columns):
                    table = cached[index]
                    bits = (
                        table[batch[:, index]] if table is not None else column.bits(batch[:, index], block[:, index])
                    )
                    both = bits if both is None else np.bitwise_and(both, bits, out=bits)
                if both is None:
                    continue
                which, where = np.nonzero(both)
                single = np.unpackbits(both[which, where][:, None], axis=1)
                pair, offset = np.nonzero(single)
                np.add.at(found, where[pair] * 8 + offset, weights[first + which[pair]])
            counts[start : start + _PEOPLE] = found[: len(block)]
        return counts


def _join(tuples: Ids, classes: Sequence[Ids], weights: Ids) -> Ids:
    stacked = [np.concatenate([tuples[:, index], values]) for index, values in enumerate(classes)]
    _, code = _distinct(stacked)
    rows = np.zeros(code.max() + 1, dtype=np.int64)
    np.add.at(rows, code[len(tuples) :], weights)
    result: Ids = rows[code[: len(tuples)]]
    return result


def _distinct(columns: Sequence[Ids]) -> tuple[Ids, Ids]:
    """The distinct rows of equally long columns of small ids, and which of them each row is."""
    code = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        _, narrow = np.unique(column, return_inverse=True)
        _, code = np.unique(code * (int(narrow.max(initial=0)) + 1) + narrow, return_inverse=True)
    _, first = np.unique(code, return_index=True)
    return np.stack([column[first] for column in columns], axis=1), code.astype(np.int64)


def _numbered(cells: Sequence[Any]) -> tuple[list[Any], Ids]:
    """Distinct cells, apart by type as well, and which of them each cell is."""
    found: dict[Any, int] = {}
    ids = np.empty(len(cells), dtype=np.int64)
    for index, cell in enumerate(cells):
        mark = None if cell is None or cell != cell else (type(cell), cell)
        ids[index] = found.setdefault(mark, len(found))
    return [None if mark is None else mark[1] for mark in found], ids


def _width(covers: Mapping[Any, Cover]) -> int:
    """How many digits a code has, told by its generalised labels: a reader of types lost leading zeros of 02139."""
    widths = {len(str(label)) for label, cover in covers.items() if _of_codes(cover)}
    return widths.pop() if len(widths) == 1 else 0


def _of_codes(cover: Cover) -> bool:
    return isinstance(cover, Prefix) or (isinstance(cover, Either) and any(map(_of_codes, cover.covers)))
