"""The owner's secret of which released rows are whose, against which an attack is judged."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unseen.attack.matching import Matching
from unseen.core.errors import InvalidRequest

__all__ = ["Correspondence", "correspondence"]

PAIRS = 1 << 21  # people and rows of theirs that are looked at at once

Positions = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Correspondence:
    """Each person's released rows.

    Args:
        which: shape (people,), which of the sets of rows is a person's.
        starts: shape (sets + 1,), where each set begins in ``rows``.
        rows: positions in the release, none twice in a set.
    """

    which: Positions
    starts: Positions
    rows: Positions

    @property
    def absent(self) -> int:
        """How many people have no released row."""
        return int((np.diff(self.starts)[self.which] == 0).sum())

    def checked(self, people: int, rows: int) -> Correspondence:
        """Itself.

        Raises:
            InvalidRequest: it is about other people, or rows that are not there.
        """
        if len(self.which) != people:
            raise InvalidRequest(
                f"truth has {len(self.which):,} entries", f"one for each of the {people:,} rows of auxiliary"
            )
        least, most = int(self.rows.min(initial=0)), int(self.rows.max(initial=-1))
        if least < 0 or most >= rows:
            raise InvalidRequest(
                f"truth names the rows {least} to {most}", f"positions 0 to {rows - 1} of the release, or -1"
            )
        return self

    def among(self, matching: Matching) -> Positions:
        """For each person how many rows of their own they match: shape (people,)."""
        count = np.diff(self.starts)[self.which]
        ends = np.cumsum(count)
        found = np.zeros(len(count), dtype=np.int64)
        first = 0
        while first < len(count):
            before = ends[first] - count[first]
            last = max(first + 1, int(np.searchsorted(ends, before + PAIRS, side="right")))
            person = np.repeat(np.arange(first, last), count[first:last])
            within = np.arange(len(person)) - (ends - count)[person] + before
            own = self.rows[self.starts[self.which[person]] + within]
            matched = person[matching.contains(person, own)]
            found[first:last] = np.bincount(matched - first, minlength=last - first)
            first = last
        return found


def correspondence(truth: ArrayLike | Sequence[ArrayLike]) -> Correspondence:
    """Read whose rows are which.

    Args:
        truth: for each person the position of their row from 0, or -1; or a list of the positions of all their rows.
            People may share one list, which is then kept once.

    Raises:
        InvalidRequest: anything else.
    """
    listed = isinstance(truth, (list, tuple)) and any(isinstance(one, (list, tuple, np.ndarray)) for one in truth)
    flat = np.zeros(0, dtype=object) if listed else np.asarray(truth)
    if not listed and (flat.ndim == 0 or flat.size == 0 or (flat.ndim == 1 and flat.dtype != object)):
        rows = _positions(flat)
        starts = np.concatenate([[0], np.cumsum(rows != -1)]).astype(np.int64)
        return Correspondence(np.arange(len(rows)), starts, rows[rows != -1])
    entries: list[Any] = list(truth if listed else flat)  # type: ignore[arg-type]
    place: dict[int, int] = {}
    which = np.array([place.setdefault(id(one), len(place)) for one in entries], dtype=np.int64)
    one_of = {id(one): one for one in entries}
    sets = [_own(one_of[mark]) for mark in place]
    starts = np.cumsum([0, *(len(one) for one in sets)], dtype=np.int64)
    return Correspondence(which, starts, np.concatenate(sets))


def _own(entry: Any) -> Positions:
    try:
        rows = np.unique(_positions(np.atleast_1d(np.asarray(entry))))
    except ValueError:  # lists of lists of several lengths
        rows = _positions(np.zeros(1, dtype=object))
    result: Positions = rows[rows != -1]
    return result


def _positions(found: NDArray[Any]) -> Positions:
    if found.ndim != 1 or found.dtype.kind not in "iuf" or not np.array_equal(found, np.floor(found)):
        raise InvalidRequest(
            "truth is not a list of whole numbers, or of lists of them",
            "for each row of auxiliary the released row's position from 0, or -1",
        )
    if len(found) and not (np.abs(found) < 2**53).all():
        raise InvalidRequest("truth holds a number out of range", "positions from 0, or -1")
    return found.astype(np.int64)
