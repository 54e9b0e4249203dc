"""Which heads are known of a ledger, here and by receipts, and whether the ledger still holds them."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unseen.core.errors import InvalidRequest, LedgerError, LedgerLocked, LedgerMismatch
from unseen.core.ledger.chain import Kind, opened
from unseen.core.ledger.high_water import HighWater
from unseen.core.ledger.keys import OwnerKey
from unseen.core.ledger.store import Row, Store
from unseen.core.release import Receipt

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["Counted", "First", "Heads", "key_path"]

First = tuple[dict[str, Any], str]
"""A ledger's first record, and its mac."""


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


class Heads:
    """What is known of a ledger's highest head.

    Args:
        store: where the ledger lies.
        key: the owner's key.
        key_path: where it lies; beside it the highest head is kept that this place has seen.
        first: gives the ledger's first record.
    """

    def __init__(self, store: Store, key: OwnerKey, key_path: Path, first: Callable[[], First]) -> None:
        self.store, self.key, self.key_path, self._first = store, key, key_path, first

    @cached_property
    def mark(self) -> HighWater:
        """The highest head that this place has seen; one key may serve several ledgers."""
        own = self.key_path.resolve() == self._default_key()
        name = self.key_path.name.removesuffix(".key") + ("" if own else f".{self._first()[0]['id']}") + ".head"
        return HighWater(self.key_path.with_name(name), self.key)

    def check_unknown(self) -> None:
        """Raise if a ledger with entries is known to have been in this place, where there is none.

        Raises:
            LedgerLocked: one is known.
        """
        if self.key_path.resolve() != self._default_key():
            return  # the mark is named by a ledger's number
        mark = HighWater(self.key_path.with_name(self.key_path.name.removesuffix(".key") + ".head"), self.key)
        held = mark.highest()
        told = mark.path.exists() and (held is None or held.sequence > 0)
        if told and not self.store.holds_ledger():  # asked after the mark was read: another may just have made it
            raise LedgerLocked(
                f"a ledger at {self.store.name!r} was asked for where one with entries is missing",
                "that ledger, back in its place; another place for a new population",
                "the last backup: unseen ledger restore",
            )

    def _default_key(self) -> Path | None:
        return None if self.store.path is None else default_key(self.store.path).resolve()

    def check_ours(self, receipt: Receipt) -> None:
        """Raise unless a receipt is this ledger's and as it gave it.

        Raises:
            InvalidRequest: it is no receipt.
            LedgerMismatch: it is another ledger's.
            LedgerCorrupt: it was changed.
        """
        if not isinstance(receipt, Receipt):
            raise InvalidRequest(f"a receipt of type {type(receipt).__name__!r} was given", "un.Receipt.read(path)")
        if receipt.ledger != self._first()[0]["id"]:
            raise LedgerMismatch(
                f"a receipt of ledger {receipt.ledger} was given", f"one of ledger {self._first()[0]['id']}"
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
            self.check(connection, mark, last)
            for head in known:
                self.check(connection, head, last, lenient=True)

    def locked(self) -> str:
        """Why nothing can be charged, in words; empty if it can."""
        mark = self.mark.highest()
        with self.store.reading() as connection:
            return self.behind(connection, mark, self.store.last(connection))

    def check(self, connection: Connection, known: Receipt | None, last: Row | None, *, lenient: bool = False) -> None:
        """Raise unless a head is there; see ``behind``."""
        if reason := self.behind(connection, known, last, lenient=lenient):
            what = f"does not account for receipt {known.sequence}" if lenient and known else "is locked"
            raise LedgerLocked(
                f"ledger {self.store.name!r} {what}: {reason}",
                "the ledger with all its entries; else count what was lost from the highest receipt, or declare all as "
                "spent",
                "unseen ledger reconcile, which says how",
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
        if known.ledger != self._first()[0]["id"]:
            return f"the highest head that is known here, in {str(self.mark.path)!r}, is another ledger's"
        if known.sequence == 0:
            return "" if known.head == self._first()[1] else "it is another ledger than the one that is known"
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
