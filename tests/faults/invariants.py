"""What must hold of a ledger whatever befell it."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import unseen as un
from unseen.core.errors import BudgetExceeded
from unseen.core.guarantee import price
from unseen.core.release import Receipt

from .child import charge, protect

__all__ = ["Place", "check"]


@dataclass(frozen=True)
class Place:
    """Where a ledger lies and what it may spend.

    Args:
        ledger: path or URL.
        key: the owner's key file; None for the one beside a SQLite file.
        budget: ε of the whole.
        price: ε of one charge.
    """

    ledger: str
    key: str | None = None
    budget: float = 4.0
    price: float = 0.1

    @property
    def most(self) -> int:
        """How many charges the budget holds."""
        return int(price(self.budget) // price(self.price))

    def open(self) -> un.Ledger:
        """The ledger, opened anew."""
        return un.Ledger(self.ledger, **self._key())

    def create(self) -> None:
        """Make the ledger, or find that it is there, as its owner does."""
        protect(vars(self))

    def _key(self) -> dict[str, Path]:
        return {} if self.key is None else {"key": Path(self.key)}


def check(place: Place, receipts: Iterable[Receipt], *, more: bool = False) -> int:
    """No overspend, no receipt without its entry, a chain that verifies, and no false lock.

    Args:
        place: where the ledger is; it must be there.
        receipts: those of charges and releases that had returned.
        more: charge once more, as its owner would.

    Returns:
        the number of entries.
    """
    ledger, known = place.open(), list(receipts)
    count = ledger.verify()
    entries = ledger.entries()
    assert [entry.sequence for entry in entries] == list(range(1, count + 1))
    spent = sum((price(entry.epsilon) for entry in entries), Fraction(0))
    assert spent <= price(place.budget) and price(ledger.spent[0]) == spent
    assert len({receipt.sequence for receipt in known}) == len(known), "two releases share an entry"
    for receipt in known:
        assert receipt.sequence <= count, f"a release has no entry: {receipt.sequence} of {count}"
        ledger.verify(receipt)
    if more:
        try:
            assert charge(ledger, place.price).sequence == count + 1 == ledger.verify()
        except BudgetExceeded:
            assert spent + price(place.price) > price(place.budget)
    return count
