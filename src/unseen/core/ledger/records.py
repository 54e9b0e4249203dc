"""A ledger's records on their store: read, checked against the key, appended."""
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
from unseen.core.errors import LedgerCorrupt, LedgerError
from unseen.core.guarantee import DP, Guarantee, Neighbours
from unseen.core.ledger.chain import Kind, Part, State, canonical, opened, verified
from unseen.core.ledger.composition import Amounts, Composition, Filter
from unseen.core.ledger.heads import Counted, First, Heads
from unseen.core.ledger.keys import OwnerKey
from unseen.core.ledger.store import Row, Store
from unseen.core.release import Receipt

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["FORMAT", "Line", "Records", "now"]

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


class Records:
    """The records of one ledger, under its owner's key.

    Args:
        store: where they lie.
        key: the owner's key.
        key_path: where it lies; beside it the highest head is kept that this place has seen.
    """

    def __init__(self, store: Store, key: OwnerKey, key_path: Path) -> None:
        self.store, self.key = store, key
        self._first: First | None = None
        self.heads = Heads(store, key, key_path, lambda: self.first)

    def begin(self, connection: Connection, body: dict[str, Any]) -> None:
        """Write the first record; the mark is there before it can be seen."""
        text = canonical(body)
        self._first = body, self.key.mac("population", text)
        self.heads.mark.begin(self.receipt(None, self._start))
        self.store.write_population(connection, text, self._first[1])

    @property
    def first(self) -> First:
        """The first record, with its mac."""
        if self._first is None:
            with self.store.reading() as connection:
                self._first = self._population(connection)
        return self._first

    def _population(self, connection: Connection, *, lock: bool = False) -> First:
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
        mark = self.heads.mark.highest()  # before the transaction: what is committed later is not held against it
        with self.store.writing() as connection:
            self._population(connection, lock=True)
            last = self.store.last(connection)
            if not locked:
                self.heads.check(connection, mark, last)
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


def now() -> str:
    """UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
