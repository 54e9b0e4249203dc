"""How many people are alone with their values, on pairs, triples and ever larger sets of columns."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from unseen.core.snapshot import quoted
from unseen.deid.risk.keys import alone, joined, one_each

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
    people = one_each(_codes(connection, unit)) if unit else None
    count = rows if people is None else int(people.max()) + 1
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
        found[columns], _ = alone(joined([codes[name] for name in columns]), people)
    found.update(_greedy(codes, people, count, rows))
    ordered = sorted(found.items(), key=lambda item: (-item[1], len(item[0])))
    kept = dict(ordered[:MOST_SHOWN])
    kept.update({(name,): found[name,] for name in used if (name,) in found})
    listed = [
        {"columns": list(columns), "unique": few / count, "units": few}
        for columns, few in sorted(kept.items(), key=lambda item: (-item[1], len(item[0])))
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


def _greedy(
    codes: dict[str, NDArray[np.int64]], people: NDArray[np.int64] | None, count: int, rows: int
) -> dict[tuple[str, ...], int]:
    """Larger sets: the column that makes most people unique is added, until nobody more is."""
    chosen: tuple[str, ...] = ()
    whole, best = np.zeros(rows, dtype=np.int64), 0
    found: dict[tuple[str, ...], int] = {}
    while len(chosen) < len(codes):
        tried = {name: alone(joined([whole, part]), people)[0] for name, part in codes.items() if name not in chosen}
        name = max(tried, key=lambda one: tried[one])
        if tried[name] <= best and len(chosen) >= 2:
            break
        chosen, best = (*chosen, name), tried[name]
        whole = joined([whole, codes[name]])
        if len(chosen) > 1:
            found[tuple(one for one in codes if one in chosen)] = best
        if best >= ENOUGH * count:
            break
    return found
