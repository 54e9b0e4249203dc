"""The durable record of what was spent on one population: append-only, chained, safe between processes."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import getpass
import hashlib
import hmac
import json
import math
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unseen.core.accounting import Event
from unseen.core.errors import BudgetExceeded, InvalidRequest, LedgerCorrupt, LedgerError, LedgerMismatch
from unseen.core.guarantee import DP, Guarantee, Neighbours, price
from unseen.core.release import Receipt

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

__all__ = ["Entry", "Ledger"]

FORMAT = 1
TABLES = (
    "CREATE TABLE IF NOT EXISTS population (body TEXT NOT NULL, mac TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS entries (sequence INTEGER PRIMARY KEY, body TEXT NOT NULL, mac TEXT NOT NULL)",
)
PRAGMAS = ("PRAGMA journal_mode=DELETE", "PRAGMA synchronous=EXTRA")


@dataclass(frozen=True)
class Entry:
    """One line of the ledger.

    Args:
        sequence: from 1.
        guard: who asked, by class name.
        purpose: why, in the owner's words.
        event: what happened, as a dp-accounting event in JSON.
        guarantee: what was promised.
        epsilon: the price, exactly as charged; 0 if unpriced.
        delta: likewise.
        priced: whether the total covers it.
        when: UTC, ISO 8601.
        who: the account that charged.
    """

    sequence: int
    guard: str
    purpose: str
    event: Event
    guarantee: dict[str, Any]
    epsilon: float
    delta: float
    priced: bool
    when: str
    who: str


class Ledger:
    """A budget of (ε, δ) for one population, and every release that was charged to it.

    Args:
        path: the SQLite file. The owner's key lies beside it, in ``PATH.key``, readable by the owner alone.

    **Guarantee**: a charge is committed and synced to the disk before ``charge`` returns; sums are exact
    decimals; the sum of all charges never exceeds the budget, also between processes. Adaptively chosen
    (ε, δ) add up (basic composition as a privacy filter).

    Source: Rogers, Roth, Ullman and Vadhan 2016, theorem 3.6 (the filter for basic composition).

    Raises:
        LedgerError: no such file, not a ledger, or its key is missing.
        LedgerCorrupt: the chain does not verify.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise LedgerError(f"no ledger at {str(path)!r}", "the path of a ledger that un.protect made")
        if not self.key_path.is_file():
            raise LedgerError(
                f"the key of ledger {str(path)!r} is missing", f"its owner's key at {str(self.key_path)!r}"
            )
        self._key = self.key_path.read_bytes()
        self.verify()

    @classmethod
    def create(cls, path: str | Path, budget: DP, fingerprint: Callable[[bytes], str]) -> Ledger:
        """Make a ledger, or open the one that another process made in the same moment.

        Args:
            path: where the file shall be; its folder must exist.
            budget: ε and δ, with unit and neighbouring relation.
            fingerprint: maps the new key to the keyed fingerprint of the data.

        Raises:
            LedgerError: the folder does not exist or cannot be written.
        """
        ledger = cls.__new__(cls)
        ledger.path = Path(path)
        if budget.unit is None:
            raise InvalidRequest(
                "a ledger for a budget without unit was asked for",
                "a budget whose unit is declared",
                "un.protect(..., unit=...)",
            )
        try:
            ledger._key = _make_key(ledger.key_path)
        except OSError as error:
            raise LedgerError(
                f"a ledger at {str(path)!r} was asked for",
                f"a folder that exists and can be written ({error.strerror})",
            ) from None
        body = _canonical(
            {
                "format": FORMAT,
                "id": secrets.token_hex(8),
                "epsilon": repr(budget.epsilon),
                "delta": repr(budget.delta),
                "unit": budget.unit,
                "neighbours": budget.neighbours.value,
                "composition": "basic",
                "fingerprint": fingerprint(ledger._key),
                "created": _now(),
            }
        )
        with ledger._transaction() as connection:
            for statement in TABLES:
                connection.exec_driver_sql(statement)
            if connection.exec_driver_sql("SELECT COUNT(*) FROM population").scalar() == 0:
                connection.exec_driver_sql("INSERT INTO population VALUES (?, ?)", (body, ledger._mac("", body)))
        ledger.verify()
        ledger.bind(budget, fingerprint)  # another process may have made it in this moment, for other data
        return ledger

    @property
    def key_path(self) -> Path:
        """Where the owner's key lies."""
        return self.path.with_name(self.path.name + ".key")

    @cached_property
    def _engine(self) -> Engine:
        from sqlalchemy import create_engine, event
        from sqlalchemy.engine import URL
        from sqlalchemy.pool import NullPool

        engine = create_engine(
            URL.create("sqlite", database=str(self.path)), poolclass=NullPool, connect_args={"timeout": 60}
        )

        @event.listens_for(engine, "connect")
        def prepare(connection: Any, _record: Any) -> None:
            connection.isolation_level = None
            for pragma in PRAGMAS:
                connection.execute(pragma)

        @event.listens_for(engine, "begin")
        def begin(connection: Any) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

        return engine

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        from sqlalchemy.exc import DatabaseError

        try:
            with self._engine.begin() as connection:
                yield connection
        except DatabaseError as error:
            raise LedgerCorrupt(
                f"ledger {str(self.path)!r} cannot be read",
                f"a SQLite file that un.protect made ({error.orig})",
            ) from None

    def _mac(self, previous: str, body: str) -> str:
        return hmac.new(self._key, f"{previous}\n{body}".encode(), hashlib.sha256).hexdigest()

    @cached_property
    def _population(self) -> dict[str, Any]:
        with self._transaction() as connection:
            return self._read_population(connection)[0]

    def _read_population(self, connection: Connection) -> tuple[dict[str, Any], str]:
        rows = connection.exec_driver_sql("SELECT body, mac FROM population").fetchall()
        if len(rows) != 1 or not _same(self._mac("", rows[0][0]), rows[0][1]):
            raise LedgerCorrupt(
                f"ledger {str(self.path)!r} does not verify", "its first record as it was made under this key"
            )
        return json.loads(rows[0][0]), rows[0][1]

    @property
    def id(self) -> str:
        """The ledger's random identifier."""
        return str(self._population["id"])

    @property
    def fingerprint(self) -> str:
        """Keyed fingerprint of the data that the ledger is bound to."""
        return str(self._population["fingerprint"])

    @property
    def budget(self) -> DP:
        """The whole budget."""
        found = self._population
        return DP(float(found["epsilon"]), float(found["delta"]), found["unit"], Neighbours(found["neighbours"]))

    def bind(self, budget: DP, fingerprint: Callable[[bytes], str]) -> None:
        """Check that this ledger is for these data and this declaration.

        Raises:
            LedgerMismatch: it is for others.
        """
        held = self.budget
        if (budget.unit, budget.neighbours) != (held.unit, held.neighbours):
            raise LedgerMismatch(
                f"ledger {str(self.path)!r} was opened for unit {budget.unit!r} ({budget.neighbours.value})",
                f"it was made for unit {held.unit!r} ({held.neighbours.value})",
            )
        if (budget.epsilon, budget.delta) != (held.epsilon, held.delta):
            raise LedgerMismatch(
                f"ledger {str(self.path)!r} was opened with a budget of ε {budget.epsilon:g}, δ {budget.delta:g}",
                f"it was made with ε {held.epsilon:g}, δ {held.delta:g}, and a budget never changes",
            )
        if not hmac.compare_digest(fingerprint(self._key), self.fingerprint):
            raise LedgerMismatch(
                f"ledger {str(self.path)!r} was opened for other data or another declaration of columns",
                "exactly the rows and the schema that it was made for",
                "a new ledger for a new population",
            )

    def derive(self, purpose: str) -> bytes:
        """A key for one purpose, derived from the owner's key."""
        return hmac.new(self._key, b"derive " + purpose.encode(), hashlib.sha256).digest()

    def charge(self, guard: str, event: Event, guarantee: Guarantee, purpose: str = "") -> Receipt:
        """Record a release and charge it, durably, before any of its noise is drawn.

        Args:
            guard: the guard's class name.
            event: what will happen, as a dp-accounting event in JSON.
            guarantee: what will be promised; a ``DP`` is charged, anything else is recorded uncharged.
            purpose: why, in a few words.

        Raises:
            BudgetExceeded: more is asked than is left; nothing was charged.
            InvalidRequest: the guarantee is for another unit or relation; nothing was charged.
        """
        budget = self.budget
        cost = (Fraction(0), Fraction(0))
        if isinstance(guarantee, DP):
            if (guarantee.unit, guarantee.neighbours) != (budget.unit, budget.neighbours):
                raise InvalidRequest(
                    f"a guarantee for {guarantee.unit!r} ({guarantee.neighbours.value}) was charged",
                    f"this ledger counts {budget.unit!r} ({budget.neighbours.value})",
                )
            cost = price(guarantee.epsilon), price(guarantee.delta)
        with self._transaction() as connection:
            head, spent, priced, releases = self._head(connection)
            total = spent[0] + cost[0], spent[1] + cost[1]
            limit = price(budget.epsilon), price(budget.delta)
            if isinstance(guarantee, DP) and (total[0] > limit[0] or total[1] > limit[1]):
                left = _down(limit[0] - spent[0]), _down(limit[1] - spent[1])
                raise BudgetExceeded(
                    f"{guard} was asked for ε {guarantee.epsilon:g}, δ {guarantee.delta:g}",
                    f"ε {left[0]:.6g}, δ {left[1]:.6g} of ε {budget.epsilon:g}, δ {budget.delta:g} are left",
                    "epsilon=" + repr(left[0]) if total[1] <= limit[1] and left[0] > 0 else "",
                )
            entry = {
                "sequence": releases + 1,
                "guard": guard,
                "purpose": purpose,
                "event": event,
                "guarantee": guarantee.to_dict(),
                "epsilon": str(cost[0]),
                "delta": str(cost[1]),
                "priced": isinstance(guarantee, DP),
                "spent": [str(total[0]), str(total[1])],
                "total_priced": priced + isinstance(guarantee, DP),
                "when": _now(),
                "who": _who(),
            }
            body = _canonical(entry)
            mac = self._mac(head, body)
            connection.exec_driver_sql("INSERT INTO entries VALUES (?, ?, ?)", (releases + 1, body, mac))
        return Receipt(
            ledger=self.id,
            sequence=releases + 1,
            head=mac,
            epsilon=float(cost[0]),
            delta=float(cost[1]),
            epsilon_left=_down(limit[0] - total[0]),
            delta_left=_down(limit[1] - total[1]),
            priced=priced + isinstance(guarantee, DP),
            releases=releases + 1,
            when=str(entry["when"]),
        )

    def _head(self, connection: Connection) -> tuple[str, tuple[Fraction, Fraction], int, int]:
        rows = connection.exec_driver_sql(
            "SELECT sequence, body, mac FROM entries ORDER BY sequence DESC LIMIT 2"
        ).fetchall()
        previous = rows[1][2] if len(rows) > 1 else self._read_population(connection)[1]
        if not rows:
            return previous, (Fraction(0), Fraction(0)), 0, 0
        sequence, body, mac = rows[0]
        entry = json.loads(body) if _same(self._mac(previous, body), mac) else {}
        if entry.get("sequence") != sequence:
            raise LedgerCorrupt(
                f"ledger {str(self.path)!r} does not verify",
                f"entry {sequence} as it was written under this key",
            )
        return (
            mac,
            (Fraction(entry["spent"][0]), Fraction(entry["spent"][1])),
            entry["total_priced"],
            sequence,
        )

    def verify(self) -> int:
        """Check the whole chain and give the number of entries.

        Raises:
            LedgerCorrupt: naming the first entry that does not verify.
        """
        with self._transaction() as connection:
            _, previous = self._read_population(connection)
            rows = connection.exec_driver_sql("SELECT sequence, body, mac FROM entries ORDER BY sequence").fetchall()
        spent, priced = (Fraction(0), Fraction(0)), 0
        for index, (sequence, body, mac) in enumerate(rows, start=1):
            if sequence != index or not _same(self._mac(previous, body), mac):
                raise LedgerCorrupt(
                    f"ledger {str(self.path)!r} does not verify",
                    f"entry {index} as it was written under this key",
                )
            entry = json.loads(body)
            spent = spent[0] + Fraction(entry["epsilon"]), spent[1] + Fraction(entry["delta"])
            priced += entry["priced"]
            if [str(part) for part in spent] != entry["spent"] or priced != entry["total_priced"]:
                raise LedgerCorrupt(
                    f"ledger {str(self.path)!r} does not add up",
                    f"entry {index} with the sum of all before it",
                )
            previous = mac
        return len(rows)

    def entries(self) -> list[Entry]:
        """All entries, first to last."""
        with self._transaction() as connection:
            rows = connection.exec_driver_sql("SELECT body FROM entries ORDER BY sequence").fetchall()
        names = Entry.__dataclass_fields__
        bodies = [{name: value for name, value in json.loads(body).items() if name in names} for (body,) in rows]
        return [
            Entry(
                **{
                    **body,
                    "epsilon": float(Fraction(body["epsilon"])),
                    "delta": float(Fraction(body["delta"])),
                }
            )
            for body in bodies
        ]

    @property
    def spent(self) -> tuple[float, float]:
        """ε and δ spent so far, rounded up."""
        with self._transaction() as connection:
            _, (epsilon, delta), _, _ = self._head(connection)
        return _up(epsilon), _up(delta)

    @property
    def left(self) -> tuple[float, float]:
        """ε and δ left, rounded down."""
        with self._transaction() as connection:
            _, (epsilon, delta), _, _ = self._head(connection)
        return _down(price(self.budget.epsilon) - epsilon), _down(price(self.budget.delta) - delta)

    @property
    def total(self) -> str:
        """The total in words: what ε covers, and what it does not."""
        entries = self.entries()
        bare = [f"{entry.guard} (entry {entry.sequence})" for entry in entries if not entry.priced]
        cover = f"ε covers {len(entries) - len(bare)} of {len(entries)} releases"
        return cover + (f"; not covered: {', '.join(bare)}" if bare else "")

    def __repr__(self) -> str:
        return f"<Ledger {self.path.name}: ε {self.spent[0]:g} of {self.budget.epsilon:g} spent; {self.total}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{e.sequence}<td>{escape(e.guard)}<td>{escape(e.purpose)}<td>{e.epsilon:g}<td>{e.delta:g}<td>{e.when}"
            for e in self.entries()
        )
        head = "<tr><th>#<th>guard<th>purpose<th>ε<th>δ<th>when"
        return f"<p><b>{escape(repr(self)[1:-1])}</b></p><table>{head}{rows}</table>"


def _make_key(path: Path) -> bytes:
    """Make the key file whole or not at all, and give whichever key is there in the end."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(32))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    key = path.read_bytes()
    if len(key) != 32:
        raise LedgerError(f"the key {str(path)!r} has {len(key)} bytes", "a key of 32 bytes")
    return key


def _same(mac: str, found: object) -> bool:
    return isinstance(found, str) and hmac.compare_digest(mac.encode(), found.encode(errors="replace"))


def _canonical(value: dict[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _down(exact: Fraction) -> float:
    value = float(exact)
    return value if price(value) <= exact else _step(value, -1)


def _up(exact: Fraction) -> float:
    value = float(exact)
    return value if price(value) >= exact else _step(value, 1)


def _step(value: float, sign: int) -> float:
    return math.nextafter(value, sign * math.inf)
