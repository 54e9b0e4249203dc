"""A ledger's records on their store: read, checked against the key and against known heads, appended."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unseen.core.accounting import Event, unpriced
from unseen.core.errors import InvalidRequest, LedgerCorrupt, LedgerError, LedgerLocked, LedgerMismatch
from unseen.core.guarantee import DP, Guarantee, Neighbours
from unseen.core.ledger.chain import Kind, Part, State, canonical, opened, verified
from unseen.core.ledger.composition import Amounts, Composition, Filter
from unseen.core.ledger.high_water import HighWater
from unseen.core.ledger.keys import OwnerKey
from unseen.core.ledger.store import Row, Store
from unseen.core.release import Receipt

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["FORMAT", "Counted", "Line", "Records", "key_path", "now"]

FORMAT = 2


@dataclass(frozen=True)
class Line:
    """What one new entry says, beside its place in the chain.

    Args:
        kind: what it records.
        guarantee: what is promised.
        guard: who asked.
        purpose: why.
        cost: what it adds to the sums; of a reconciliation, what they become.
        event: what happens.
        part: which units it sees, if not all.
        request: the caller's request key, as keyed hashes.
        counted: of a reconciliation, the lost heads that it counts.
    """

    kind: Kind
    guarantee: Guarantee
    guard: str = ""
    purpose: str = ""
    cost: Amounts = ()
    event: Event | None = None
    part: Part | None = None
    request: dict[str, str] | None = None
    counted: Counted | None = None


@dataclass(frozen=True)
class Counted:
    """Heads that a reconciliation relies on: those that were lost, and those that are there.

    Args:
        heads: number and mac of each.
        one_line: whether all of them, and all entries that are still there, are declared to be of one line, so that
            whatever comes before the highest is counted with it.
    """

    heads: tuple[tuple[int, str], ...]
    one_line: bool

    def holds(self, head: Receipt, lenient: bool) -> bool:
        """Whether a head was counted; if lenient, so is any before one of them on what was declared as one line."""
        before = self.one_line and head.sequence < max((number for number, _ in self.heads), default=0)
        return (lenient and before) or (head.sequence, head.head) in self.heads


class Records:
    """The records of one ledger, under its owner's key.

    Args:
        store: where they lie.
        key: the owner's key.
        key_path: where it lies; beside it the highest head is kept that this place has seen.
    """

    def __init__(self, store: Store, key: OwnerKey, key_path: Path) -> None:
        self.store, self.key, self.key_path = store, key, key_path
        self._first: tuple[dict[str, Any], str] | None = None

    def check_unknown(self) -> None:
        """Raise if a ledger with entries is known to have been in this place, where there is none.

        Raises:
            LedgerLocked: one is known.
        """
        if self.key_path.resolve() != self._default_key():
            return  # the mark is named by a ledger's number
        mark = HighWater(self.key_path.with_name(self.key_path.name.removesuffix(".key") + ".head"), self.key)
        held = mark.highest()
        if mark.path.exists() and (held is None or held.sequence > 0):
            raise LedgerLocked(
                f"a ledger at {self.store.name!r} was asked for where one with entries is missing",
                "that ledger, back in its place; another place for a new population",
                "the last backup: unseen ledger restore",
            )

    def _default_key(self) -> Path | None:
        return None if self.store.path is None else default_key(self.store.path).resolve()

    def begin(self, connection: Connection, body: dict[str, Any]) -> None:
        """Write the first record; the mark is there before it can be seen."""
        text = canonical(body)
        self._first = body, self.key.mac("population", text)
        self.mark.begin(self.receipt(None, self._start))
        self.store.write_population(connection, text, self._first[1])

    @cached_property
    def mark(self) -> HighWater:
        """The highest head that this place has seen; one key may serve several ledgers."""
        own = self.key_path.resolve() == self._default_key()
        name = self.key_path.name.removesuffix(".key") + ("" if own else f".{self.first[0]['id']}") + ".head"
        return HighWater(self.key_path.with_name(name), self.key)

    @property
    def first(self) -> tuple[dict[str, Any], str]:
        """The first record, with its mac."""
        if self._first is None:
            with self.store.reading() as connection:
                self._first = self._population(connection)
        return self._first

    def _population(self, connection: Connection, *, lock: bool = False) -> tuple[dict[str, Any], str]:
        rows = self.store.population(connection, lock=lock)
        if len(rows) != 1 or not self.key.holds("population", *rows[0]):
            raise LedgerCorrupt(
                f"ledger {self.store.name!r} does not verify",
                "the owner's key of this ledger, and its first record as made",
            )
        found = json.loads(rows[0][0])
        if found["format"] != FORMAT:
            raise LedgerError(f"ledger {self.store.name!r} has format {found['format']}", f"format {FORMAT}")
        return found, rows[0][1]

    @cached_property
    def budget(self) -> DP:
        """The whole budget."""
        found = self.first[0]
        return DP(float(found["epsilon"]), float(found["delta"]), found["unit"], Neighbours(found["neighbours"]))

    @cached_property
    def filter(self) -> Filter:
        """The filter that admits charges."""
        return Composition.filter(self.budget, self.first[0]["composition"])

    @property
    def _start(self) -> State:
        return State((Fraction(0),) * len(self.filter.limits), {}, 0, 0, str(self.first[0]["fingerprint"]))

    def state(self, last: Row | None) -> State:
        """What all entries up to one come to."""
        return self._start if last is None else State.of(opened(last, self.key, self.store.name)["state"])

    def now(self) -> State:
        """What all entries come to."""
        with self.store.reading() as connection:
            return self.state(self.store.last(connection))

    # --- appending ----------------------------------------------------------------------------------------------

    @contextmanager
    def appending(self, *, locked: bool = False) -> Iterator[tuple[Connection, Row | None, State]]:
        """A serialised transaction: the last entry, and what all come to.

        Args:
            locked: go on although entries are known to be missing.
        """
        mark = self.mark.highest()  # before the transaction: what is committed later is not held against it
        with self.store.writing() as connection:
            self._population(connection, lock=True)
            last = self.store.last(connection)
            if not locked:
                self._reach(connection, mark, last)
            yield connection, last, self.state(last)

    def append(
        self, connection: Connection, last: Row | None, line: Line, after: State, sequence: int | None = None
    ) -> Row:
        """Write one entry after the last; durable once the transaction has ended."""
        priced = line.guarantee if isinstance(line.guarantee, DP) else None
        number = (last.sequence if last else 0) + 1 if sequence is None else sequence
        body = canonical(
            {
                "sequence": number,
                "previous": last.mac if last else self.first[1],
                "kind": line.kind.value,
                "guard": line.guard,
                "purpose": line.purpose,
                "event": unpriced() if line.event is None else line.event,
                "guarantee": line.guarantee.to_dict(),
                "epsilon": repr(priced.epsilon) if priced else "0",
                "delta": repr(priced.delta) if priced else "0",
                "priced": priced is not None,
                "cost": list(map(str, line.cost)),
                "part": line.part,
                "request": line.request,
                "counted": None
                if line.counted is None
                else {"heads": line.counted.heads, "one_line": line.counted.one_line},
                "state": after.to_dict(),
                "when": now(),
                "who": _who(),
            }
        )
        row = Row(number, line.request["key"] if line.request else None, body, self.key.mac("entry", body))
        self.store.append(connection, row)
        return row

    def receipt(self, row: Row | None, state: State) -> Receipt:
        """The signed receipt of an entry; of none, of the first record."""
        body = json.loads(row.body) if row else {"epsilon": "0", "delta": "0", "when": self.first[0]["created"]}
        left = self.filter.left(state.total)
        receipt = Receipt(
            ledger=str(self.first[0]["id"]),
            sequence=row.sequence if row else 0,
            head=row.mac if row else self.first[1],
            epsilon=float(body["epsilon"]),
            delta=float(body["delta"]),
            epsilon_left=left[0],
            delta_left=left[1],
            priced=state.priced,
            releases=state.releases,
            when=body["when"],
            spent=tuple(map(str, state.total)),
            public_key=self.key.public,
        )
        return replace(receipt, signature=self.key.sign(receipt.message))

    # --- checking -----------------------------------------------------------------------------------------------

    def check_chain(self) -> int:
        """Check every record and give the number of entries.

        Raises:
            LedgerCorrupt: naming the first that does not verify.
        """
        with self.store.reading() as connection:
            _, first = self._population(connection)
            rows = self.store.rows(connection)
            for _ in verified(rows, first, self._start, self.key, self.store.name):
                pass
            macs = {row.sequence: row.mac for row in rows}
            for sequence, body, mac in self.store.kept(connection):
                self.check_kept(sequence, macs.get(sequence, ""), body, mac)
        return len(rows)

    def check_kept(self, sequence: int, entry: str, body: str, mac: str) -> None:
        """Raise unless a release is the one that was kept for its entry."""
        if not self.key.holds("release", f"{entry}\n{body}", mac):
            raise LedgerCorrupt(
                f"ledger {self.store.name!r} does not verify: the release of entry {sequence} was changed",
                f"the release of entry {sequence} as it was kept under this key",
            )

    def check_ours(self, receipt: Receipt) -> None:
        """Raise unless a receipt is this ledger's and as it gave it."""
        if not isinstance(receipt, Receipt):
            raise InvalidRequest(f"a receipt of type {type(receipt).__name__!r} was given", "un.Receipt.read(path)")
        if receipt.ledger != self.first[0]["id"]:
            raise LedgerMismatch(
                f"a receipt of ledger {receipt.ledger} was given", f"one of ledger {self.first[0]['id']}"
            )
        receipt.verify(self.key.public)

    def check_reaches(self, *known: Receipt) -> None:
        """Raise unless the ledger holds the highest head known here, and these.

        Raises:
            LedgerLocked: saying what is missing.
        """
        mark = self.mark.highest()
        with self.store.reading() as connection:
            last = self.store.last(connection)
            self._reach(connection, mark, last)
            for head in known:
                self._reach(connection, head, last, lenient=True)

    def locked(self) -> str:
        """Why nothing can be charged, in words; empty if it can."""
        mark = self.mark.highest()
        with self.store.reading() as connection:
            return self.behind(connection, mark, self.store.last(connection))

    def _reach(self, connection: Connection, known: Receipt | None, last: Row | None, *, lenient: bool = False) -> None:
        if reason := self.behind(connection, known, last, lenient=lenient):
            what = f"does not account for receipt {known.sequence}" if lenient and known else "is locked"
            raise LedgerLocked(
                f"ledger {self.store.name!r} {what}: {reason}",
                "the ledger with all its entries; else count what was lost from the highest receipt, or declare all as "
                "spent",
                "unseen ledger reconcile",
            )

    def behind(self, connection: Connection, known: Receipt | None, last: Row | None, *, lenient: bool = False) -> str:
        """What is missing of a head that is known, in words; empty if it is there. None knows of no entry at all.

        Args:
            connection: a transaction.
            known: the head.
            last: the last entry.
            lenient: take a lost head for counted that was not named, on what was declared as one line.
        """
        top = last.sequence if last else 0
        if known is None:
            return f"its highest head, in {str(self.mark.path)!r}, is missing or was changed"
        if known.ledger != self.first[0]["id"]:
            return f"the highest head that is known here, in {str(self.mark.path)!r}, is another ledger's"
        if known.sequence == 0:
            return "" if known.head == self.first[1] else "it is another ledger than the one that is known"
        found = last if top == known.sequence else self.store.at(connection, known.sequence)
        if found is not None and found.mac == known.head:
            return ""
        if self._counted(connection, known, lenient):
            return ""
        if found is not None:
            return f"entry {known.sequence} is another than the one that is known"
        if top > known.sequence:
            return f"entry {known.sequence} was lost and is not among those that were counted since"
        missing = f"entry {top + 1} is" if top + 1 == known.sequence else f"entries {top + 1} to {known.sequence} are"
        return f"{missing} missing from its end; it is an older copy, or was cut"

    def _counted(self, connection: Connection, known: Receipt, lenient: bool) -> bool:
        """Whether a head that is not there was counted by a reconciliation."""
        for row in self.store.rows(connection):
            found = opened(row, self.key, self.store.name)
            if found["kind"] == Kind.EXHAUSTED and known.sequence < row.sequence:
                return True  # no lost entry spent more than everything
            if found["kind"] == Kind.RECONCILED:
                heads = tuple((number, mac) for number, mac in found["counted"]["heads"])
                if Counted(heads, found["counted"]["one_line"]).holds(known, lenient):
                    return True
        return False


def key_path(store: Store, key: str | Path | None) -> Path:
    """Where a ledger's key lies."""
    if key is not None:
        return Path(key)
    if store.path is None:
        raise LedgerError(
            f"ledger {store.name!r} was asked for without its key", "the owner's key file", 'key="patients.key"'
        )
    return default_key(store.path)


def default_key(ledger: Path) -> Path:
    """Where the key of a SQLite ledger lies if nothing else is said."""
    return ledger.with_name(ledger.name + ".key")


def now() -> str:
    """UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
