"""Counting what was spent in entries that a ledger no longer holds, so that it may charge again."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from unseen.core.errors import InvalidRequest, LedgerError
from unseen.core.guarantee import Nothing
from unseen.core.ledger.chain import Kind
from unseen.core.ledger.composition import Amounts
from unseen.core.ledger.heads import Counted
from unseen.core.ledger.records import Line, Records
from unseen.core.release import Receipt

__all__ = ["missing", "reconcile"]

COUNTED = Nothing("this entry is no release; it counts entries that were lost")


def missing(records: Records, receipts: Sequence[Receipt]) -> list[Receipt]:
    """The heads that receipts or this place tell of and the ledger does not hold."""
    known = _known(records, receipts)
    with records.store.reading() as connection:
        last = records.store.last(connection)
        return [head for head in known if records.heads.behind(connection, head, last)]


def _known(records: Records, receipts: Sequence[Receipt]) -> list[Receipt]:
    for receipt in receipts:
        records.heads.check_ours(receipt)
    mark = records.heads.mark.highest()
    here = [mark] if mark is not None and mark.ledger == records.first[0]["id"] else []
    return list({head.head: head for head in (*receipts, *here)}.values())


def reconcile(
    records: Records, receipts: Sequence[Receipt], older_copy: bool, nothing_lost: bool, exhausted: bool
) -> Receipt:
    """Write the entry that counts what was lost; see ``Ledger.reconcile``."""
    name = f"ledger {records.store.name!r}"
    records.check_chain()
    known, mark = _known(records, receipts), records.heads.mark.highest()
    with records.appending(locked=True) as (connection, last, state):
        lost = [head for head in known if records.heads.behind(connection, head, last)]
        if not lost and not records.heads.behind(connection, mark, last):
            if exhausted:
                raise LedgerError(f"all of {name} was declared as spent", "one that has lost entries")
            return records.receipt(last, state)
        end, numbers = last.sequence if last else 0, [head.sequence for head in lost]
        if lost and nothing_lost:
            raise InvalidRequest(
                f"{name} was declared to have lost nothing", f"one that holds entry {max(numbers)}, which is known"
            )
        if not (lost or nothing_lost or exhausted or any(head.sequence == end for head in known)):
            raise LedgerError(
                f"no receipt tells what {name} has lost after its last entry",
                "the highest receipt that it gave; or a declaration that nothing was lost, or that all is spent",
                "unseen ledger reconcile LEDGER --against RECEIPT --older-copy",
            )
        if older_copy and (len(set(numbers)) < len(numbers) or min(numbers, default=end + 1) <= end):
            raise InvalidRequest(
                "an older copy was declared", "heads of one line; these have entries of one number that differ"
            )
        total = _counting(state.total, records.filter.limits, lost, older_copy, exhausted)
        top = max([end, *numbers])
        line = Line(
            Kind.EXHAUSTED if exhausted else Kind.RECONCILED,
            COUNTED,
            purpose=_told(end, top) if top > end else "another line" if lost else "nothing was lost",
            cost=total,
            counted=Counted(tuple((head.sequence, head.head) for head in known), older_copy),
        )
        after = state.raised(total)
        row = records.append(connection, last, line, after, top + 1)
    head = records.receipt(row, after)
    records.heads.mark.begin(head)
    return head


def _told(end: int, top: int) -> str:
    return f"entry {top}" if top == end + 1 else f"entries {end + 1} to {top}"


def _counting(total: Amounts, limits: Amounts, lost: Sequence[Receipt], older_copy: bool, exhausted: bool) -> Amounts:
    """No less than what any unit has borne here and in the lost entries together."""
    if exhausted:
        return tuple(map(max, zip(total, limits, strict=True)))
    beyond = [tuple(map(Fraction, head.spent)) for head in lost]
    return tuple((max if older_copy else sum)(parts) for parts in zip(total, *beyond, strict=True))
