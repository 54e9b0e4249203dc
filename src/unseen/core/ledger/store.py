"""Where a ledger's rows lie: a SQLite file or a PostgreSQL database, in serialised, durable transactions."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, CursorResult, Engine, TextClause, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError
from sqlalchemy.pool import NullPool

from unseen.core.errors import LedgerCorrupt, LedgerError, extra

__all__ = ["Row", "Store", "without_password"]

TABLES = ("population", "entries", "releases")
SQLITE_TABLES = (
    "CREATE TABLE population (body TEXT NOT NULL, mac TEXT NOT NULL)",
    "CREATE TABLE entries (sequence INTEGER PRIMARY KEY, request TEXT UNIQUE, body TEXT NOT NULL, mac TEXT NOT NULL)",
    "CREATE TABLE releases (sequence INTEGER PRIMARY KEY, body TEXT NOT NULL, mac TEXT NOT NULL)",
    *(
        f"CREATE TRIGGER {table}_{act.lower()} BEFORE {act} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        for table in TABLES
        for act in ("UPDATE", "DELETE")
    ),
)
POSTGRES_TABLES = (
    *(statement for statement in SQLITE_TABLES if "TRIGGER" not in statement),
    "CREATE OR REPLACE FUNCTION unseen_append_only() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$",
    *(
        f"CREATE TRIGGER {table}_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION unseen_append_only()"
        for table in TABLES
    ),
)
ENTRY = "SELECT sequence, request, body, mac FROM entries"
POPULATION = text("SELECT body, mac FROM population")
POPULATION_LOCKED = text("SELECT body, mac FROM population FOR UPDATE")
LAST = text(f"{ENTRY} ORDER BY sequence DESC LIMIT 1")
ALL = text(f"{ENTRY} ORDER BY sequence")
AT = text(f"{ENTRY} WHERE sequence = :sequence")
OF_REQUEST = text(f"{ENTRY} WHERE request = :request")
APPEND = text("INSERT INTO entries (sequence, request, body, mac) VALUES (:sequence, :request, :body, :mac)")
WRITE_POPULATION = text("INSERT INTO population (body, mac) VALUES (:body, :mac)")
KEPT = text("SELECT sequence, body, mac FROM releases ORDER BY sequence")
KEPT_AT = text("SELECT body, mac FROM releases WHERE sequence = :sequence")
KEEP = text("INSERT INTO releases (sequence, body, mac) VALUES (:sequence, :body, :mac)")
IDLE = 5.0
# What a store says of itself when it, and not the way to it, is broken: of SQLite primary result codes (an error in
# a statement, a corrupt file, a constraint, a wrong type, no database), of PostgreSQL classes of SQLSTATE.
SQLITE_CORRUPT = (1, 11, 19, 20, 24, 26)
POSTGRES_CORRUPT = ("22", "23", "42P01", "42703", "P0", "XX")
LOCK = threading.RLock()
"""Held by whoever uses SQLite in this process, and over each fork: a child would inherit its inner locks as taken."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=LOCK.acquire, after_in_parent=LOCK.release, after_in_child=LOCK.release)


@dataclass(frozen=True)
class Row:
    """An entry as it lies in the store: its number, its request, its text, its mac."""

    sequence: int
    request: str | None
    body: str
    mac: str


class Store:
    """The three tables of one ledger.

    Args:
        location: the path of a SQLite file, or a PostgreSQL URL such as ``postgresql://user@host/database``.

    **Guarantee**: transactions in ``writing`` are serialised between threads, processes and machines; when one
    has ended, its rows survive a crash of the process, of the database and of the power. SQLite: ``BEGIN IMMEDIATE``,
    rollback journal, ``synchronous=EXTRA``, which also syncs the folder (FULL does not). PostgreSQL:
    a row lock on the population, ``synchronous_commit=on``.

    Source: sqlite.org/pragma.html (synchronous); PostgreSQL documentation, sections 13.3.2 and 20.5.1.
    """

    def __init__(self, location: str | Path) -> None:
        self.url = str(location) if "://" in str(location) else None
        self.path = None if self.url else Path(location)
        self._engines: dict[int, Engine] = {}
        if self.url and not _is_postgres(self.url):
            raise LedgerError(
                f"a ledger at {self.name!r} was asked for",
                "the path of a SQLite file, or a PostgreSQL URL",
                '"postgresql://user@host/database"',
            )

    @cached_property
    def name(self) -> str:
        """Where it lies, in words that hold no password."""
        return without_password(self.url or str(self.path))

    def holds_ledger(self) -> bool:
        """Whether a ledger was made here; a file whose making was cut short holds none."""
        if self.path is not None and not self.path.exists():
            return False
        with self._connected() as connection:
            return connection.execute(self._exists("population")).scalar() is not None and bool(
                self.population(connection)
            )

    @property
    def _engine(self) -> Engine:
        """One engine a process: a connection must not be used on both sides of a fork."""
        mine = os.getpid()
        if mine not in self._engines:
            engine = self._engines[mine] = self._postgres() if self.url else self._sqlite()
            weakref.finalize(self, _close, engine, mine)
        return self._engines[mine]

    def close(self) -> None:
        """Give back this process's connections; the next use opens others."""
        _close(self._engine, os.getpid())

    def _sqlite(self) -> Engine:
        engine = create_engine(
            URL.create("sqlite", database=str(self.path)), poolclass=NullPool, connect_args={"timeout": 60}
        )

        @event.listens_for(engine, "connect")
        def prepare(connection: Any, _record: Any) -> None:
            connection.isolation_level = None  # BEGIN is ours
            connection.execute("PRAGMA journal_mode=DELETE")
            connection.execute("PRAGMA synchronous=EXTRA")
            connection.execute("PRAGMA fullfsync=ON")  # macOS alone heeds it

        return engine

    def _postgres(self) -> Engine:
        extra("psycopg", "postgres")
        url = make_url(str(self.url)).set(drivername="postgresql+psycopg")
        engine = create_engine(url, isolation_level="READ COMMITTED", pool_size=4, max_overflow=-1)

        @event.listens_for(engine, "checkout")
        def alive(connection: Any, record: Any, _proxy: Any) -> None:
            now = time.monotonic()
            if now - record.info.get("used", now) > IDLE:
                try:
                    connection.execute("SELECT 1")
                    connection.rollback()
                except engine.dialect.loaded_dbapi.Error as error:
                    raise DisconnectionError from error  # the pool makes another
            record.info["used"] = now

        return engine

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One serialised transaction; what it wrote is durable once it has ended."""
        with self._connected() as connection:
            connection.exec_driver_sql("SET LOCAL synchronous_commit = on" if self.url else "BEGIN IMMEDIATE")
            yield connection
            connection.commit()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view."""
        with self._connected() as connection:
            connection.exec_driver_sql(
                "BEGIN" if self.url is None else "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
            )
            yield connection

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        try:
            with nullcontext() if self.url else LOCK, self._engine.connect() as connection:
                yield connection
        except UnicodeDecodeError:
            raise LedgerCorrupt(f"ledger {self.name!r} cannot be read", "a store that un.protect made") from None
        except DBAPIError as error:
            told = " ".join(str(error.orig).split())
            if self._is_corrupt(error.orig):
                raise LedgerCorrupt(
                    f"ledger {self.name!r} cannot be read", f"a store that un.protect made ({told})"
                ) from None
            raise LedgerError(f"ledger {self.name!r} cannot be used", f"a store that answers ({told})") from None

    def _is_corrupt(self, error: Any) -> bool:
        """Whether the store itself is broken; a driver that gives no code could not decode what it read, or connect."""
        if self.url:
            return str(getattr(error, "sqlstate", None)).startswith(POSTGRES_CORRUPT)
        code = getattr(error, "sqlite_errorcode", None)
        return code is None or code & 0xFF in SQLITE_CORRUPT

    def make_tables(self, connection: Connection) -> bool:
        """Make the tables, unless there is a ledger; whether they were made. One process at a time does so.

        Raises:
            LedgerError: there are tables of these names that are no ledger's.
        """
        if self.url:
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(8243719865)")
        there = [table for table in TABLES if connection.execute(self._exists(table)).scalar() is not None]
        if there:
            if len(there) < len(TABLES) or not self.population(connection):
                raise LedgerError(
                    f"a ledger at {self.name!r} was asked for, where tables of other things lie ({', '.join(there)})",
                    "a place of its own: a new file, an empty database or schema",
                )
            return False
        for statement in POSTGRES_TABLES if self.url else SQLITE_TABLES:
            connection.exec_driver_sql(statement.replace("%", "%%") if self.url else statement)
        return True

    def _exists(self, table: str) -> TextClause:
        if self.url:  # by a query: to_regclass may answer from before a lock was waited for
            return text(
                f"SELECT 1 FROM pg_catalog.pg_tables WHERE tablename = '{table}' "
                "AND schemaname = ANY (current_schemas(false))"
            )
        return text(f"SELECT name FROM sqlite_master WHERE name = '{table}'")

    def population(self, connection: Connection, *, lock: bool = False) -> list[tuple[str, str]]:
        """The first record with its mac; on PostgreSQL its row is the lock that serialises charges."""
        found = connection.execute(POPULATION_LOCKED if lock and self.url else POPULATION)
        return [(body, mac) for body, mac in found]

    def last(self, connection: Connection) -> Row | None:
        """The entry with the highest number."""
        return _one(connection.execute(LAST))

    def rows(self, connection: Connection) -> list[Row]:
        """All entries, by number."""
        return [Row(*row) for row in connection.execute(ALL)]

    def at(self, connection: Connection, sequence: int) -> Row | None:
        """The entry with this number."""
        return _one(connection.execute(AT, {"sequence": sequence}))

    def of_request(self, connection: Connection, request: str) -> Row | None:
        """The entry with this request."""
        return _one(connection.execute(OF_REQUEST, {"request": request}))

    def append(self, connection: Connection, row: Row) -> None:
        """Write one entry."""
        connection.execute(APPEND, row.__dict__)

    def write_population(self, connection: Connection, body: str, mac: str) -> None:
        """Write the first record."""
        connection.execute(WRITE_POPULATION, {"body": body, "mac": mac})

    def kept(self, connection: Connection) -> list[tuple[int, str, str]]:
        """All releases that were kept for their requests: entry, text, mac."""
        return [(sequence, body, mac) for sequence, body, mac in connection.execute(KEPT)]

    def kept_at(self, connection: Connection, sequence: int) -> tuple[str, str] | None:
        """The release that was kept for an entry: text, mac."""
        found = connection.execute(KEPT_AT, {"sequence": sequence}).fetchone()
        return None if found is None else (found[0], found[1])

    def keep(self, connection: Connection, sequence: int, body: str, mac: str) -> None:
        """Keep a release for its request."""
        connection.execute(KEEP, {"sequence": sequence, "body": body, "mac": mac})


def _is_postgres(url: str) -> bool:
    try:
        return make_url(url).drivername in ("postgresql", "postgresql+psycopg", "postgres")
    except (ValueError, ArgumentError):
        return False


def _close(engine: Engine, process: int) -> None:
    """Close an engine's connections, in the process that opened them alone."""
    if os.getpid() == process:
        engine.dispose()


def _one(found: CursorResult[Any]) -> Row | None:
    row = found.fetchone()
    return None if row is None else Row(*tuple(row))


def without_password(location: str | Path) -> str:
    """A ledger's place for messages: a path as it is, of a URL neither password nor options."""
    scheme, found, rest = str(location).partition("://")
    if not found:
        return scheme
    account, at, place = rest.rpartition("@")
    return f"{scheme}://{account.partition(':')[0]}{at}{place.partition('?')[0]}"
