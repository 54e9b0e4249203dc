"""Entries, each bound to the one before by a keyed hash, and the state that they carry along."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from typing import Any

from unseen.core.accounting import Event
from unseen.core.errors import LedgerCorrupt
from unseen.core.ledger.composition import Amounts
from unseen.core.ledger.keys import OwnerKey
from unseen.core.ledger.store import Row

__all__ = ["Entry", "Kind", "Part", "State", "canonical", "opened", "verified"]

RESTORE = "the last backup: unseen ledger restore"

Part = tuple[str, str]
"""A partition of the units and the part that a release saw of it: a column's name and its category."""


class Kind(StrEnum):
    """What an entry records."""

    RELEASE = "release"
    BINDING = "binding"
    """The data changed, as the owner says."""
    RECONCILED = "reconciled"
    """Entries were lost, and what they spent was counted."""
    EXHAUSTED = "exhausted"
    """Entries were lost, and everything was declared as spent."""


@dataclass(frozen=True)
class Entry:
    """One line of the ledger.

    Args:
        sequence: from 1; it jumps only where lost entries were reconciled.
        kind: what it records.
        guard: who asked, by class name.
        purpose: why, in the owner's words.
        event: what happened, as a dp-accounting event in JSON.
        guarantee: what was promised.
        epsilon: the price, exactly as charged; 0 if unpriced.
        delta: likewise.
        priced: whether the total covers it.
        part: of which partition it saw which part; None if it saw everybody.
        spent: the ledger's sums after the entry, exactly, one for each thing that its composition counts.
        when: UTC, ISO 8601.
        who: the account that charged.
    """

    sequence: int
    kind: Kind
    guard: str
    purpose: str
    event: Event
    guarantee: dict[str, Any]
    epsilon: float
    delta: float
    priced: bool
    part: Part | None
    spent: tuple[str, ...]
    when: str
    who: str

    @classmethod
    def of(cls, body: dict[str, Any]) -> Entry:
        """The entry that a record in the store tells of."""
        exact = {name: float(Fraction(body[name])) for name in ("epsilon", "delta")}
        part = None if body["part"] is None else (body["part"][0], body["part"][1])
        spent = tuple(map(str, State.of(body["state"]).total))
        told = {name: value for name, value in body.items() if name in cls.__dataclass_fields__}
        return cls(**{**told, **exact, "part": part, "spent": spent, "kind": Kind(body["kind"])})


@dataclass(frozen=True)
class State:
    """What all entries up to one come to.

    Args:
        everybody: sums of what was charged to all units.
        parts: for each partition and part of it, sums of what was charged to that part's units alone.
        priced: releases that the sums cover.
        releases: all releases.
        fingerprint: keyed fingerprint of the data that the ledger is bound to.

    One unit is in one part of each partition, so that it bears at most the total: everybody's sums and, of each
    partition, the dearest part's.
    """

    everybody: Amounts
    parts: dict[str, dict[str, Amounts]]
    priced: int
    releases: int
    fingerprint: str

    @property
    def total(self) -> Amounts:
        """The sums that no unit exceeds."""
        found = self.everybody
        for sums in self.parts.values():
            found = _plus(found, tuple(map(max, zip(*sums.values(), strict=True))))
        return found

    def borne_by(self, part: Part | None) -> Amounts:
        """The sums that no unit of a part exceeds, as far as the part's own prices go; None: those of everybody."""
        if part is None or part[0] not in self.parts:
            return self.total
        name, which = part
        own = self.parts[name].get(which)
        others = {key: sums for key, sums in self.parts.items() if key != name}
        return replace(self, parts={**others, name: {which: own}} if own else others).total

    def plus(self, cost: Amounts, part: Part | None, priced: bool) -> State:
        """After one more release."""
        counted = replace(self, priced=self.priced + priced, releases=self.releases + 1)
        if part is None:
            return replace(counted, everybody=_plus(self.everybody, cost))
        name, which = part
        sums = self.parts.get(name, {})
        grown = {**sums, which: _plus(sums[which], cost) if which in sums else cost}
        return replace(counted, parts={**self.parts, name: grown})

    def bound(self, fingerprint: str) -> State:
        """After the data changed: a unit may now be in another part than before, so that all have borne the total."""
        return replace(self.raised(self.total), fingerprint=fingerprint)

    def raised(self, total: Amounts) -> State:
        """After everybody is taken to have borne this much."""
        return replace(self, everybody=total, parts={})

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values; exact."""
        return {
            "everybody": list(map(str, self.everybody)),
            "parts": {
                name: {part: list(map(str, sums)) for part, sums in parts.items()} for name, parts in self.parts.items()
            },
            "priced": self.priced,
            "releases": self.releases,
            "fingerprint": self.fingerprint,
        }

    @classmethod
    def of(cls, told: dict[str, Any]) -> State:
        """The state that ``to_dict`` told of."""
        return cls(
            tuple(map(Fraction, told["everybody"])),
            {
                name: {part: tuple(map(Fraction, sums)) for part, sums in parts.items()}
                for name, parts in told["parts"].items()
            },
            told["priced"],
            told["releases"],
            told["fingerprint"],
        )


def canonical(value: dict[str, Any]) -> str:
    """One text for one value: sorted keys, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def opened(row: Row, key: OwnerKey, name: str) -> dict[str, Any]:
    """The record in a row.

    Raises:
        LedgerCorrupt: it is not what was written there under this key.
    """
    found = json.loads(row.body) if key.holds("entry", row.body, row.mac) else {}
    if not found:
        raise LedgerCorrupt(
            f"ledger {name!r} does not verify: entry {row.sequence} was changed",
            f"entry {row.sequence} as it was written under this key",
            RESTORE,
        )
    if (found["sequence"], found["request"] and found["request"]["key"]) != (row.sequence, row.request):
        raise LedgerCorrupt(
            f"ledger {name!r} does not verify: entry {found['sequence']} stands as entry {row.sequence}",
            "all entries in their order",
            RESTORE,
        )
    return found


def verified(rows: Iterable[Row], first: str, start: State, key: OwnerKey, name: str) -> Iterator[dict[str, Any]]:
    """Each record, once it is seen to follow from all before it.

    Args:
        rows: all entries by number.
        first: mac of the ledger's first record.
        start: the state before the first entry.
        key: the owner's key.
        name: the ledger's, for messages.

    Raises:
        LedgerCorrupt: naming the first entry that does not verify.
    """
    previous, sequence, state = first, 0, start
    for row in rows:
        # A damaged schema gives numbers that are none.
        if not isinstance(row.sequence, int) or row.sequence <= sequence:
            raise LedgerCorrupt(f"ledger {name!r} does not verify: an entry has no number", "entries from 1", RESTORE)
        found = opened(row, key, name)
        jumps = found["kind"] in (Kind.RECONCILED, Kind.EXHAUSTED)
        if found["previous"] != previous or (row.sequence != sequence + 1 and not jumps):
            raise LedgerCorrupt(
                f"ledger {name!r} does not verify: entries are missing or in another order before entry {row.sequence}",
                f"entry {sequence + 1} after entry {sequence}",
                RESTORE,
            )
        previous, sequence, state = row.mac, row.sequence, _after(found, state)
        if state.to_dict() != found["state"]:
            raise LedgerCorrupt(
                f"ledger {name!r} does not add up", f"entry {row.sequence} with the sum of all before it", RESTORE
            )
        yield found


def _after(found: dict[str, Any], state: State) -> State:
    cost = tuple(map(Fraction, found["cost"]))
    match Kind(found["kind"]):
        case Kind.RELEASE:
            part = None if found["part"] is None else (found["part"][0], found["part"][1])
            return state.plus(cost, part, found["priced"])
        case Kind.BINDING:
            return state.bound(found["state"]["fingerprint"])
        case _:
            return state.raised(cost)


def _plus(one: Amounts, other: Amounts) -> Amounts:
    return tuple(a + b for a, b in zip(one, other, strict=True))
