"""The whole cost of one Count on 1,000 rows in a running process, fsynced ledger entry included, by part."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import unseen as un
from unseen.core.guard import charge
from unseen.core.noise import scalar
from unseen.query import Count
from unseen.query.bounding import group_sums

CALLS = 200
ROWS = 1000
GOAL = 10.0


def timed(act: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """Milliseconds, and what came out."""
    start = time.perf_counter()
    found = act(*arguments)
    return (time.perf_counter() - start) * 1e3, found


def floor_commit(path: Path) -> Callable[[], None]:
    """One fsynced SQLite commit of an entry's size, with the ledger's own pragmas and an open connection."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.execute("PRAGMA synchronous=EXTRA")
    connection.execute("CREATE TABLE entries (sequence INTEGER PRIMARY KEY, body TEXT, mac TEXT)")

    def commit() -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO entries (body, mac) VALUES (?, ?)", ("x" * 900, "y" * 64))
        connection.execute("COMMIT")

    return commit


def main() -> None:
    """Run the parts, the whole and the floor interleaved, and print one table."""
    with tempfile.TemporaryDirectory() as folder:
        source = np.random.default_rng(0)
        frame = pd.DataFrame({"id": np.arange(ROWS), "age": source.integers(18, 90, ROWS).astype(float)})
        data = un.protect(
            frame,
            unit="id",
            columns={"age": un.Range(0, 110)},
            budget=un.DP(epsilon=1e6),
            ledger=Path(folder) / "bench.ledger",
        )
        commit, draw = floor_commit(Path(folder) / "floor.sqlite"), scalar._mechanism(2.0)
        guard = Count(epsilon=0.5)
        guard.release(data)  # imports, caches and the choice of rows are not what a running process pays
        spent: dict[str, list[float]] = {}

        def note(name: str, act: Callable[..., Any], *arguments: Any) -> Any:
            taken, found = timed(act, *arguments)
            spent.setdefault(name, []).append(taken)
            return found

        for _ in range(CALLS):
            note("whole", lambda: data.count(epsilon=0.5))
            plan = note("plan", guard.plan, data)
            note("charge", charge, data, "Count", plan.event, plan.guarantee)
            exact = note("query", group_sums, data, guard.query(data), None, None)
            mechanism = guard.mechanism(data)
            noised = note("noise", mechanism.noised, exact)
            note("interval", guard.outcome, noised, mechanism, None, data)
            note("floor: fsynced commit", commit)
            note("floor: OpenDP draw", draw, [1000])

    print(f"one Count on {ROWS} rows, median and 95th percentile of {CALLS} calls, milliseconds")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, unseen {un.__version__}")
    middle = {name: statistics.median(values) for name, values in spent.items()}
    for name, values in spent.items():
        print(f"  {name:24} {middle[name]:8.3f} {np.quantile(values, 0.95):8.3f}")
    floor = middle["floor: fsynced commit"] + middle["floor: OpenDP draw"]
    print(f"  {'floor':24} {floor:8.3f}")
    print(f"ratio to the floor: {middle['whole'] / floor:.1f}")
    print(f"goal: median at most {GOAL:g} ms: {'met' if middle['whole'] <= GOAL else 'MISSED'}")


if __name__ == "__main__":
    main()
