"""How many people are alone with their values, on pairs, triples and ever larger sets of columns."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from unseen.core.snapshot import quoted

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

__all__ = ["uniqueness"]

MOST_COLUMNS = 12
WORK = 40_000_000
"""Rows times sets that may be counted: some seconds."""
MOST_SHOWN = 40
ENOUGH = 0.9999


def uniqueness(
    connection: duckdb.DuckDBPyConnection, names: Sequence[str], rows: int, unit: str | None
) -> tuple[list[dict[str, Any]], list[str]]:
    """The share of people who are unique on sets of columns, most revealing first.

    Args:
        connection: has the table ``seen``.
        names: columns that may be known to others.
        rows: of the table.
        unit: the column that names the person; None where each row is one.

    Returns:
        ``{"columns", "unique", "units"}`` for each set, and notes on what was left out.
    """
    notes: list[str] = []
    if not rows or not names:
        return [], ["No column looks as if others knew it, so nobody was counted as unique."] if rows else []
    people = _codes(connection, unit) if unit else np.arange(rows)
    count = len(np.unique(people))
    used = list(names[:MOST_COLUMNS])
    if len(names) > len(used):
        notes.append(f"Sets of columns were tried among {', '.join(used)} only: {len(names)} columns look known.")
    codes = {name: _codes(connection, name) for name in used}
    budget = max(30, WORK // rows)
    found: dict[tuple[str, ...], int] = {}
    for columns in _sets(used):
        if len(found) == budget:
            notes.append("Not all pairs and triples were tried: the table is large.")
            break
        found[columns] = _alone([codes[name] for name in columns], people)
    found.update(_greedy(codes, people, count))
    ordered = sorted(found.items(), key=lambda item: (-item[1], len(item[0])))
    kept = dict(ordered[:MOST_SHOWN])
    kept.update({(name,): found[name,] for name in used if (name,) in found})
    listed = [
        {"columns": list(columns), "unique": alone / count, "units": alone}
        for columns, alone in sorted(kept.items(), key=lambda item: (-item[1], len(item[0])))
    ]
    return listed, notes


def _codes(connection: duckdb.DuckDBPyConnection, name: str) -> NDArray[np.int64]:
    found = connection.execute(
        f"SELECT dense_rank() OVER (ORDER BY {quoted(name)}) AS c FROM seen ORDER BY rowid"
    ).fetchnumpy()["c"]
    return np.asarray(found, dtype=np.int64) - 1


def _sets(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for size in (1, 2, 3):
        yield from combinations(names, size)


def _joined(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    whole = parts[0]
    for part in parts[1:]:
        whole = np.unique(whole * (int(part.max()) + 1) + part, return_inverse=True)[1]
    return whole


def _alone(parts: Sequence[NDArray[np.int64]], people: NDArray[np.int64]) -> int:
    """How many people have a combination that nobody else has."""
    pairs = np.unique(np.stack([_joined(parts), people]), axis=1) if len(np.unique(people)) < len(people) else None
    keys, owners = (_joined(parts), people) if pairs is None else (pairs[0], pairs[1])
    _, place, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return len(np.unique(owners[counts[place] == 1]))


def _greedy(codes: dict[str, NDArray[np.int64]], people: NDArray[np.int64], count: int) -> dict[tuple[str, ...], int]:
    """Larger sets: the column that makes most people unique is added, until nobody more is."""
    chosen: tuple[str, ...] = ()
    whole, best = np.zeros(len(people), dtype=np.int64), 0
    found: dict[tuple[str, ...], int] = {}
    while len(chosen) < len(codes):
        tried = {name: _alone([whole, part], people) for name, part in codes.items() if name not in chosen}
        name = max(tried, key=lambda one: tried[one])
        if tried[name] <= best and len(chosen) >= 2:
            break
        chosen, best = (*chosen, name), tried[name]
        whole = _joined([whole, codes[name]])
        if len(chosen) > 1:
            found[tuple(one for one in codes if one in chosen)] = best
        if best >= ENOUGH * count:
            break
    return found
