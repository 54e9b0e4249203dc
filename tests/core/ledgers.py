"""Places for ledgers, in SQLite and PostgreSQL, and what somebody who holds the store but not the key can do there."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import settings

import unseen as un
from unseen.core import accounting
from unseen.core.errors import BudgetExceeded
from unseen.core.release import Receipt

__all__ = ["TABLES", "Place", "Taken", "charge_often", "examples", "names", "one_line", "pay", "told", "varied"]

TABLES = ("population", "entries", "releases")


@dataclass(frozen=True)
class Taken:
    """A copy of everything that a place holds but the key."""

    store: Any
    mark: bytes


class Place:
    """Where one ledger is, or will be.

    Args:
        folder: for the key, the mark and a SQLite file.
        url: an empty PostgreSQL database; None for SQLite.
    """

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.folder, self.url = folder, url
        self.location: str | Path = url or folder / "a.ledger"
        self.key, self.mark = folder / "a.ledger.key", folder / "a.ledger.head"

    def make(self, epsilon: float = 10, delta: float = 0, composition: Any = None) -> un.Ledger:
        """A new ledger."""
        budget = un.DP(epsilon, delta, "row")
        book = un.Ledger.create(self.location, budget, lambda key: "f", composition=composition, key=self.key)
        return self._seen(book)

    def open(self) -> un.Ledger:
        """The ledger that is there."""
        return self._seen(un.Ledger(self.location, self.key))

    def _seen(self, book: un.Ledger) -> un.Ledger:
        self.mark = book._records.heads.mark.path
        return book

    @contextmanager
    def connected(self) -> Iterator[Any]:
        """A connection that goes around the ledger: ``execute`` with ``?`` for values, committed in the end."""
        if self.url is None:
            connection = sqlite3.connect(self.location)
            try:
                yield connection
                connection.commit()
            finally:
                connection.close()
        else:
            import psycopg

            with psycopg.connect(self.url) as found:
                yield _Marked(found)

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        """A table's rows."""
        with self.connected() as connection:
            found = connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
            return list(found)

    def unguard(self) -> None:
        """Drop the triggers, as whoever owns the store can."""
        with self.connected() as connection:
            if self.url is None:
                names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
                for (name,) in names:
                    connection.execute(f"DROP TRIGGER {name}")
            else:
                for table in TABLES:
                    connection.execute(f"DROP TRIGGER IF EXISTS {table}_stays ON {table}")

    def tamper(self, statement: str, *values: Any) -> None:
        """Run one statement without the triggers."""
        self.unguard()
        with self.connected() as connection:
            connection.execute(statement, values)

    def take(self) -> Taken:
        """Copy records and mark."""
        store = Path(self.location).read_bytes() if self.url is None else {name: self.rows(name) for name in TABLES}
        return Taken(store, self.mark.read_bytes())

    def put_back(self, taken: Taken, *, mark: bool) -> un.Ledger:
        """Put an older copy in the place of what is there, with the mark or without, and open it."""
        if self.url is None:
            Path(self.location).write_bytes(taken.store)
        else:
            self.unguard()
            with self.connected() as connection:
                for name, rows in taken.store.items():
                    connection.execute(f"DELETE FROM {name}")
                    for row in rows:
                        connection.execute(f"INSERT INTO {name} VALUES ({', '.join('?' * len(row))})", row)
        if mark:
            self.mark.write_bytes(taken.mark)
        return self.open()


class _Marked:
    """Psycopg's connection with SQLite's marks for values."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def execute(self, statement: str, values: Any = ()) -> Any:
        marked = statement.replace("?", "%s").encode()
        return self._connection.execute(marked, values) if values else self._connection.execute(statement.encode())


def pay(book: un.Ledger, epsilon: float, delta: float = 0, part: tuple[str, str] | None = None, **more: Any) -> Receipt:
    """Charge one count."""
    return book.charge("Count", accounting.laplace(1 / epsilon), un.DP(epsilon, delta, "row"), part=part, **more)


def charge_often(location: str | Path, times: int) -> int:
    """How many of these charges of 0.1 were admitted; for other processes."""
    book, admitted = un.Ledger(location), 0
    for _ in range(times):
        try:
            pay(book, 0.1)
            admitted += 1
        except BudgetExceeded:
            continue
    return admitted


def told(book: un.Ledger) -> tuple[Any, ...]:
    """Everything that a ledger tells, its kept releases too."""
    with book._records.store.reading() as connection:
        kept = book._records.store.kept(connection)
    return (
        book.id, book.budget, book.composition, book.filter.limits, book.fingerprint, book.public_key,
        book.entries(), book.spent, book.left, book.total, book.head, kept,
    )  # fmt: skip


def names(folder: Path) -> list[str]:
    """What a folder holds."""
    return sorted(path.name for path in folder.iterdir())


def one_line(error: Exception) -> bool:
    """Whether an error tells something in one line."""
    return "\n" not in str(error) and len(str(error)) > 20


def varied(place: Place) -> un.Ledger:
    """A ledger with an entry of every kind and a release that was kept; ε 1 is spent."""
    book = place.make()
    pay(book, 0.1)
    book.keep(pay(book, 0.2, request=book.requested("k", {"guard": "Count"})), {"value": 3, "interval": (1, 5)})
    pay(book, 0.3, part=("ill", "yes"))
    book.charge("KAnonymize", accounting.unpriced(), un.KAnonymity(5, ("x",)))
    book.bind(book.budget, lambda key: "g", changed=un.Change.APPENDED_ROWS)
    head = book.head
    book._records.heads.mark.path.unlink()
    book.reconcile(head)
    pay(book, 0.4)
    return book


def examples(reduced: int, full: int) -> settings:
    """How many examples a property is tried on."""
    return settings(max_examples=full if os.environ.get("UNSEEN_PROOF") == "full" else reduced)
