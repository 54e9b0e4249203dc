"""Charges a second, SQLite and PostgreSQL, by one process and by eight clients at once, next to bare synced commits."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import unseen as un
from unseen.core import accounting

Maker = Callable[[dict[str, str]], Callable[[], None]]

CLIENTS = 8
ROUNDS = 5  # charges and bare commits take turns, so that both see the same disk
SECONDS = 1.0  # of each turn
GOALS = {("SQLite", 1): 150.0, ("PostgreSQL", CLIENTS): 300.0}
BODY, MAC = 1500, 64  # an entry's size, about; the table says what it was


def sqlite_floor(place: dict[str, str]) -> Callable[[], None]:
    """One synced commit of an entry's size, with the ledger's own pragmas and an open connection."""
    connection = sqlite3.connect(place["floor"], isolation_level=None, timeout=60)
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.execute("PRAGMA synchronous=EXTRA")
    connection.execute("CREATE TABLE IF NOT EXISTS entries (sequence INTEGER PRIMARY KEY, body TEXT, mac TEXT)")

    def commit() -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO entries (body, mac) VALUES (?, ?)", ("x" * BODY, "y" * MAC))
        connection.execute("COMMIT")

    return commit


def postgres_floor(place: dict[str, str]) -> Callable[[], None]:
    """One insert and commit of an entry's size on an open connection; eight of them need not wait for one another."""
    import psycopg

    connection = psycopg.connect(place["ledger"])
    connection.execute("SET synchronous_commit = on")
    connection.commit()

    def commit() -> None:
        connection.execute("INSERT INTO floor (body, mac) VALUES (%s, %s)", ("x" * BODY, "y" * MAC))
        connection.commit()

    return commit


def charges(place: dict[str, str]) -> Callable[[], None]:
    """One charge."""
    ledger = un.Ledger(place["ledger"], key=place["key"])

    def charge() -> None:
        ledger.charge("Count", accounting.laplace(2.0), un.DP(0.5, unit="row"))

    return charge


def client(place: dict[str, str], floor: Maker, start: Barrier, out: Any) -> None:
    """Charge and commit in turns, each beginning when all are there, and tell how often a second."""
    acts = [make(place) for make in (charges, floor)]
    for act in acts:
        act()
    for _ in range(ROUNDS):
        for which, act in enumerate(acts):
            start.wait()
            begun, count = time.perf_counter(), 0
            while (taken := time.perf_counter() - begun) < SECONDS:
                act()
                count += 1
            out.put((which, count / taken))


def measured(place: dict[str, str], floor: Maker, clients: int) -> tuple[float, float]:
    """Charges and bare commits a second of all clients together: medians over the rounds."""
    context = multiprocessing.get_context("spawn")
    start, out = context.Barrier(clients), context.SimpleQueue()
    workers = [context.Process(target=client, args=(place, floor, start, out)) for _ in range(clients)]
    for worker in workers:
        worker.start()
    found: tuple[list[float], list[float]] = [], []
    for _ in range(ROUNDS):
        for _ in range(2):
            turn = [out.get() for _ in workers]  # all of a turn are told before the next can begin
            found[turn[0][0]].append(sum(rate for _, rate in turn))
    for worker in workers:
        worker.join()
    return statistics.median(found[0]), statistics.median(found[1])


@contextmanager
def postgres() -> Iterator[Any]:
    """The server that the tests use; None where its wheel is not installed."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from postgres import Postgres, why_no_postgres

    reason = why_no_postgres()
    if reason:
        print(f"no PostgreSQL: {reason}")
        yield None
        return
    with Postgres() as server:
        yield server


def main() -> None:
    """Run all four and print one table."""
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as folder, postgres() as server:
        root = Path(folder)
        places = {"SQLite": {"ledger": str(root / "a.ledger"), "floor": str(root / "floor.sqlite")}}
        if server:
            places["PostgreSQL"] = {"ledger": server.url()}
            server.execute("CREATE TABLE floor (sequence BIGSERIAL PRIMARY KEY, body TEXT, mac TEXT)")
        for kind, place in places.items():
            place["key"] = str(root / f"{kind}.key")
            un.Ledger.create(place["ledger"], un.DP(1e7, unit="row"), lambda key: "nobody's", key=place["key"])
            for clients in (1, CLIENTS):
                found, bare = measured(place, sqlite_floor if kind == "SQLite" else postgres_floor, clients)
                goal = GOALS.get((kind, clients))
                told = "" if goal is None else f"   goal {goal:g}: {'met' if found >= goal else 'MISSED'}"
                lines.append(f"  {kind:10} {clients:8} {found:10.0f} {bare:12.0f} {bare / found:8.1f}{told}")
        entry = un.Ledger(places["SQLite"]["ledger"], key=places["SQLite"]["key"]).entries()[-1]
        size = len(json.dumps({**vars(entry)}, default=str))
        version = server.execute("SHOW server_version")[0][0] if server else "none"
    print(f"charges a second, median of {ROUNDS} rounds of {SECONDS:g} s, all clients together")
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, unseen {un.__version__}, "
          f"SQLite {sqlite3.sqlite_version}, PostgreSQL {version}")  # fmt: skip
    print(f"  {'store':10} {'clients':>8} {'charges/s':>10} {'floor: commits/s':>12} {'ratio':>6}")
    print("\n".join(lines))
    print(f"floor: a bare insert and synced commit of {BODY + MAC} bytes on an open connection (an entry tells {size})")


if __name__ == "__main__":
    main()
