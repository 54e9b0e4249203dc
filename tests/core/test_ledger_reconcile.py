"""A ledger that lost entries charges nothing until they are counted, and never counts less than anybody bore."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from fractions import Fraction
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import unseen as un
from unseen.core import accounting
from unseen.core.errors import BudgetExceeded, InvalidRequest, LedgerError, LedgerLocked
from unseen.core.ledger.composition import Amounts
from unseen.core.release import Receipt

from .ledgers import Place, examples, pay

PARTS = {"ill": ("no", "yes"), "zone": ("north", "south")}
PROFILES = [dict(zip(PARTS, values, strict=True)) for values in product(*PARTS.values())]
"""Every way in which a unit can lie in both partitions."""


def lost(place: Place) -> tuple[un.Ledger, list[Receipt]]:
    """A ledger at ε 0.3 of 1 whose place knows that another 0.3 were spent."""
    book = place.make(1)
    pay(book, 0.3)
    early = place.take()
    receipts = [pay(book, 0.1), pay(book, 0.2)]
    return place.put_back(early, mark=False), receipts


def test_a_locked_ledger_is_unlocked_by_the_mark_alone(place: Place) -> None:
    book, receipts = lost(place)
    head = book.reconcile()
    assert book.spent == (0.9, 0)  # what this one spent and what the lost line spent: true whatever happened
    assert (head.sequence, head.epsilon, book.locked) == (4, 0, "") and head == book.head == place.open().head
    assert [(entry.sequence, entry.kind) for entry in book.entries()] == [(1, "release"), (4, "reconciled")]
    assert book.verify(head) == book.verify(receipts[1]) == 2
    with pytest.raises(BudgetExceeded):
        pay(book, 0.2)
    assert pay(book, 0.1).sequence == 5 and place.open().left == (0, 0)


def test_an_older_copy_counts_the_highest_head(place: Place) -> None:
    book, receipts = lost(place)
    book.reconcile(older_copy=True)
    assert book.spent == (0.6, 0) and not book.locked
    for receipt in receipts:  # of the one line, all that came before the highest is counted with it
        assert book.verify(receipt) == 2
    assert pay(book, 0.4).sequence == 5 and book.left == (0, 0)


def test_everything_can_be_declared_as_spent(place: Place) -> None:
    book, receipts = lost(place)
    place.mark.unlink()
    with pytest.raises(LedgerError, match="no receipt tells"):
        book.reconcile()
    head = book.reconcile(exhausted=True)
    assert book.spent == (1, 0) and book.left == (0, 0) and head.epsilon_left == 0
    with pytest.raises(BudgetExceeded):
        pay(book, 1e-9)
    assert book.entries()[-1].kind == "exhausted" and not place.open().locked
    for receipt in receipts:  # nothing tells that it was these that were lost
        with pytest.raises(LedgerLocked):
            book.verify(receipt)
    book.reconcile(receipts[1])
    assert book.verify(receipts[1]) == 3 and book.left == (0, 0)


def test_what_is_known_to_be_lost_is_covered_where_everything_is_declared_as_spent(place: Place) -> None:
    book, receipts = lost(place)
    book.reconcile(exhausted=True)
    assert book.spent == (1, 0) and [entry.sequence for entry in book.entries()] == [1, 4]
    for receipt in receipts:
        assert book.verify(receipt) == 2


def test_the_head_that_unlocks_may_come_from_receipts(place: Place) -> None:
    book, receipts = lost(place)
    place.mark.unlink()
    assert "missing" in book.locked
    book.reconcile(receipts[1])
    assert book.spent == (0.9, 0) and book.verify(receipts[1]) == 2


def test_reconciling_again_counts_nothing_again(place: Place) -> None:
    book, receipts = lost(place)
    for _ in range(3):
        book.reconcile(receipts[1])
        assert book.spent == (0.9, 0)


def test_nothing_is_given_back_where_nothing_was_lost(place: Place) -> None:
    book = place.make(1)
    receipt = pay(book, 0.3, part=("ill", "no"))
    book.reconcile(receipt)
    assert book.spent == (0.3, 0) and pay(book, 0.7).epsilon_left == 0


def test_a_fork_is_counted_on_both_sides(place: Place) -> None:
    book = place.make(1)
    pay(book, 0.1)
    early = place.take()
    theirs = [pay(book, 0.2), pay(book, 0.2)]
    book = place.put_back(early, mark=True)
    mine = pay(book, 0.3)
    for receipt in theirs:
        with pytest.raises(LedgerLocked):
            book.verify(receipt)
    with pytest.raises(InvalidRequest, match="one line"):
        book.reconcile(theirs[0], older_copy=True)
    assert book.spent == (0.4, 0)
    book.reconcile(theirs[1])
    assert book.spent == (0.9, 0)  # the first entry is in both
    assert book.verify(theirs[1]) == book.verify(mine) == 3
    with pytest.raises(LedgerLocked, match="entry 2 is another"):
        book.verify(theirs[0])  # nobody can tell whether it is of the line that was counted
    book.reconcile(theirs[0])
    assert book.verify(theirs[0]) == 4


def test_lines_that_were_lost_one_after_another_are_all_counted(place: Place) -> None:
    book = place.make(10)
    empty = place.take()
    receipts = []
    for _ in range(3):
        receipts.append(pay(book, 1))
        book = place.put_back(empty, mark=True)
    book.reconcile(*receipts)
    assert book.spent == (3, 0)
    with pytest.raises(InvalidRequest, match="one line"):
        place.put_back(empty, mark=True).reconcile(*receipts, older_copy=True)


def test_what_a_fork_spent_beyond_the_budget_is_told_as_nothing_left(place: Place) -> None:
    book = place.make(1)
    early = place.take()
    receipt = pay(book, 1)
    book = place.put_back(early, mark=True)
    pay(book, 0.5)
    head = book.reconcile(receipt)
    assert book.spent == (1.5, 0) and book.left == (0, 0) and head.epsilon_left == 0
    with pytest.raises(BudgetExceeded, match="ε 0, δ 0 of"):
        pay(book, 0.1)


@pytest.mark.parametrize("exhausted", [False, True])
def test_a_tail_that_is_cut_after_a_reconciliation_is_found(place: Place, exhausted: bool) -> None:
    book, _ = lost(place)
    head = book.reconcile(exhausted=exhausted)
    after = book.charge("KAnonymize", accounting.unpriced(), un.KAnonymity(5, ("x",)))
    place.tamper(f"DELETE FROM entries WHERE sequence = {after.sequence}")
    assert f"entry {after.sequence} is missing" in book.locked
    with pytest.raises(LedgerLocked, match=f"entry {after.sequence} is missing"):
        book.verify(after)
    book.reconcile()
    assert book.verify(after) == book.verify(head) == 3


def test_a_fork_of_a_copy_older_than_the_reconciliation_is_counted(place: Place) -> None:
    """Its entries have numbers below those that were counted, but were not among them."""
    book = place.make(100)
    pay(book, 1)
    early = place.take()
    for _ in range(4):
        pay(book, 1)
    place.put_back(early, mark=False).reconcile(older_copy=True)
    late = place.take()
    book = place.put_back(early, mark=True)
    pay(book, 1)
    theirs = pay(book, 7)
    assert theirs.sequence == 3
    assert "entry 3" in place.put_back(late, mark=False).locked
    book = place.put_back(late, mark=True)
    assert book.spent == (5, 0)
    book.reconcile(theirs)
    assert book.spent[0] >= 13 and book.verify(theirs) == 3


# --- an independent count ---------------------------------------------------------------------------------------


class World:
    """One ledger with all its copies, and a count of what every kind of unit has truly borne in all of them."""

    def __init__(self, place: Place, composition: Any) -> None:
        self.place = place
        self.book = place.make(1e6, 1e-3, composition)
        self.borne: list[Amounts] = [self.zero for _ in PROFILES]
        self.taken = [(place.take(), self.book.head)]
        self.ends: list[Receipt] = []

    @property
    def zero(self) -> Amounts:
        return (Fraction(0),) * len(self.book.filter.limits)

    def charge(self, epsilon: float, delta: float, part: tuple[str, str] | None) -> None:
        if self.book.locked:
            with pytest.raises(LedgerLocked):
                pay(self.book, epsilon, delta, part)
            return
        pay(self.book, epsilon, delta, part)
        cost = self.book.filter.cost(accounting.laplace(1 / epsilon), un.DP(epsilon, delta, "row"))
        for number, profile in enumerate(PROFILES):
            if part is None or profile[part[0]] == part[1]:
                self.borne[number] = tuple(a + b for a, b in zip(self.borne[number], cost, strict=True))

    def take(self) -> None:
        self.taken.append((self.place.take(), self.book.head))

    def roll_back(self, which: int, mark: bool) -> None:
        taken, _ = self.taken[which % len(self.taken)]
        self.ends.append(self.book.head)
        self.book = self.place.put_back(taken, mark=mark)

    def reconcile(self) -> None:
        self.book.reconcile(*self.ends)
        assert not self.book.locked
        total = self.book._records.now().total
        for borne in self.borne:
            assert all(true <= counted for true, counted in zip(borne, total, strict=True))
        for end in self.ends:
            self.book.verify(end)


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("charge"),
            st.sampled_from([0.1, 0.25, 1.5]),
            st.sampled_from([0.0, 1e-9]),
            st.sampled_from([None, *((name, part) for name, parts in PARTS.items() for part in parts)]),
        ),
        st.tuples(st.just("take")),
        st.tuples(st.just("roll_back"), st.integers(0, 5), st.booleans()),
        st.tuples(st.just("reconcile")),
    ),
    min_size=3,
    max_size=14,
)


CHARGES = st.tuples(st.sampled_from([0.1, 0.3]), st.sampled_from([None, ("ill", "no"), ("ill", "yes")]))


@pytest.mark.parametrize("composition", [un.Basic(), un.Renyi()], ids=repr)
@examples(12, 300)
@given(steps=STEPS)
def test_no_unit_bore_more_than_a_reconciled_ledger_counts(composition: Any, steps: list[tuple[Any, ...]]) -> None:
    """Any history of charges, copies, rollbacks with and without the mark, and reconciliations."""
    with TemporaryDirectory() as folder:
        world = World(Place(Path(folder)), composition)
        for name, *told in steps:
            getattr(world, name)(*told)
        world.reconcile()


@examples(8, 200)
@given(
    before=st.lists(CHARGES, max_size=5),
    after=st.lists(CHARGES, max_size=5),
    mark=st.booleans(),
)
def test_an_older_copy_counts_exactly_what_the_dearest_unit_bore(
    before: list[Any], after: list[Any], mark: bool
) -> None:
    with TemporaryDirectory() as folder:
        world = World(Place(Path(folder)), un.Basic())
        for epsilon, part in before:
            world.charge(epsilon, 0, part)
        world.take()
        for epsilon, part in after:
            world.charge(epsilon, 0, part)
        world.roll_back(1, mark)
        world.book.reconcile(*world.ends, older_copy=True)
        assert world.book._records.now().total == tuple(map(max, zip(*world.borne, strict=True)))
