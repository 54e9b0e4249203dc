"""The ledger adds up exactly, admits what fits and nothing more, and notices every change to its past."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import multiprocessing
import os
import pickle
import stat
import threading
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import unseen as un
from unseen.core import accounting
from unseen.core.errors import BudgetExceeded, InvalidRequest, LedgerError, LedgerMismatch
from unseen.core.guarantee import price

from .ledgers import charge_often, pay

FRAME = pd.DataFrame({"x": [1.0, 2.0, 3.0]})
COLUMNS = {"x": un.Range(0, 10)}


def ledger(path: Path, epsilon: float = 3, delta: float = 0) -> un.Ledger:
    return un.Ledger.create(path, un.DP(epsilon, delta, "row"), lambda key: "f")


def protect(path: Path, frame: pd.DataFrame = FRAME, **changed: Any) -> Any:
    told = {"unit": un.EachRow(), "columns": COLUMNS, "budget": un.DP(3, 1e-6), "ledger": path, **changed}
    return un.protect(frame, **told)


def test_thirty_tenths_are_three_and_the_thirty_first_is_refused(tmp_path: Path) -> None:
    book = ledger(tmp_path / "a.ledger")
    for _ in range(30):
        pay(book, 0.1)
    assert book.spent == (3, 0) and book.left == (0, 0)
    with pytest.raises(BudgetExceeded, match="ε 0, δ 0 of ε 3"):
        pay(book, 0.1)
    with pytest.raises(BudgetExceeded):
        pay(book, 5e-324)
    assert book.verify() == 30


@settings(max_examples=15)
@given(prices=st.lists(st.decimals("0.001", "1.5", places=3), min_size=1, max_size=8))
def test_sums_are_exact_decimals_and_never_exceed_the_budget(prices: list[Decimal]) -> None:
    with TemporaryDirectory() as folder:
        sums_are_exact(ledger(Path(folder) / "a.ledger", 2), prices)


def sums_are_exact(book: un.Ledger, prices: list[Decimal]) -> None:
    total = Fraction(0)
    for asked in prices:
        fits = total + Fraction(asked) <= 2
        if fits:
            receipt = pay(book, float(asked))
            total += Fraction(asked)
            assert price(receipt.epsilon_left) <= 2 - total  # rounded down
        else:
            with pytest.raises(BudgetExceeded):
                pay(book, float(asked))
        assert price(book.spent[0]) >= total  # rounded up
    assert sum(Fraction(str(entry.epsilon)) for entry in book.entries()) == total


def test_what_a_refusal_says_would_fit_fits(tmp_path: Path) -> None:
    book = ledger(tmp_path / "a.ledger", 1)
    pay(book, 0.7)
    with pytest.raises(BudgetExceeded) as told:
        pay(book, 0.5)
    pay(book, float(told.value.fits.removeprefix("epsilon=")))
    assert book.left == (0, 0)


def test_delta_is_a_budget_too(tmp_path: Path) -> None:
    book = ledger(tmp_path / "a.ledger", 3, 1e-6)
    for _ in range(10):
        pay(book, 0.1, 1e-7)
    with pytest.raises(BudgetExceeded):
        pay(book, 0.1, 1e-12)
    pay(book, 0.1)


def test_two_processes_admit_exactly_what_the_budget_holds(tmp_path: Path) -> None:
    path = tmp_path / "a.ledger"
    ledger(path, 3)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        admitted = pool.starmap(charge_often, [(path, 25)] * 2)
    assert sum(admitted) == 30
    book = un.Ledger(path)
    assert book.verify() == 30 and book.spent == (3, 0)


def test_threads_share_one_ledger_as_processes_do(tmp_path: Path) -> None:
    book, admitted = ledger(tmp_path / "a.ledger", 1), []

    def charge() -> None:
        for _ in range(5):
            try:
                admitted.append(pay(book, 0.1).sequence)
            except BudgetExceeded:
                continue

    threads = [threading.Thread(target=charge) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(admitted) == list(range(1, 11))


def test_two_that_make_one_ledger_together_do_not_share_it_for_different_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unseen.core.ledger.keys import OwnerKey

    meet, make = threading.Barrier(2), OwnerKey.make

    def both(path: Path) -> OwnerKey:
        key = make(path)
        meet.wait()
        return key

    monkeypatch.setattr(OwnerKey, "make", both)
    found: list[Any] = []

    def one(frame: pd.DataFrame) -> None:
        try:
            found.append(protect(tmp_path / "a.ledger", frame))
        except LedgerMismatch as error:
            found.append(error)

    threads = [threading.Thread(target=one, args=(frame,)) for frame in (FRAME, FRAME + 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(isinstance(result, LedgerMismatch) for result in found) == [False, True]


# --- the key ----------------------------------------------------------------------------------------------------


def test_the_key_is_the_owners_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        book = ledger(tmp_path / "a.ledger")
    finally:
        os.umask(old)
    assert stat.S_IMODE(book.key_path.stat().st_mode) == 0o600
    assert len(book.key_path.read_bytes()) == 32
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "a.ledger",
        "a.ledger.head",
        "a.ledger.key",
    ]


@pytest.mark.parametrize("key", [None, b"", b"x" * 32, b"x" * 31])
def test_a_ledger_does_not_open_under_another_key_or_none(tmp_path: Path, key: bytes | None) -> None:
    path = ledger(tmp_path / "a.ledger").key_path
    path.unlink()
    if key is not None:
        path.write_bytes(key)
    with pytest.raises(LedgerError):
        un.Ledger(tmp_path / "a.ledger")


def test_the_key_leaves_by_no_door_of_the_ledger(tmp_path: Path) -> None:
    book = ledger(tmp_path / "a.ledger")
    receipt = pay(book, 0.1)
    key = book.key_path.read_bytes()
    for text in (repr(book), book._repr_html_(), str(receipt), repr(receipt), repr(book.entries())):
        assert key.hex() not in text and repr(key)[2:-1] not in text
    with pytest.raises(Exception):  # noqa: B017  any refusal will do
        pickle.dumps(book)


# --- what it is for ---------------------------------------------------------------------------------------------


def test_a_ledger_opens_again_for_the_same_table_in_any_order(tmp_path: Path) -> None:
    protect(tmp_path / "a.ledger").count(epsilon=1)
    again = protect(tmp_path / "a.ledger", FRAME.iloc[::-1])
    assert again.ledger.left == (2, 1e-6)
    assert protect(tmp_path / "a.ledger", budget=None).ledger.left == (2, 1e-6)


@pytest.mark.parametrize(
    "changed",
    [
        {"frame": FRAME + 1},
        {"frame": FRAME.iloc[:2]},
        {"frame": pd.concat([FRAME, FRAME.iloc[:1]])},
        {"frame": FRAME.assign(id=[1, 2, 3]), "unit": "id"},
        {"columns": {"x": un.Range(0, 11)}},
        {"columns": {"x": un.Range(0, 10, missing=1)}},
        {"quasi_identifiers": ["x"]},
        {"budget": un.DP(4, 1e-6)},
        {"budget": un.DP(3, 1e-5)},
        {"budget": un.DP(3)},
    ],
)
def test_a_ledger_of_another_table_or_declaration_is_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    protect(tmp_path / "a.ledger")
    with pytest.raises(LedgerMismatch):
        protect(tmp_path / "a.ledger", **changed)
    assert un.Ledger(tmp_path / "a.ledger").spent == (0, 0)


@pytest.mark.parametrize(
    "changed",
    [
        {"budget": None},
        {"budget": 3},
        {"budget": un.DP(3, unit="patient")},
        {"budget": un.DP(3, neighbours=un.Neighbours.REPLACE_ONE)},
        {"ledger": None},
        {"ledger": "nowhere/at/all.ledger"},
        {"ledger": "a\0b.ledger"},
        {"ledger": 3},
        {"ledger": "."},
    ],
    ids=repr,
)
def test_a_budget_or_ledger_that_cannot_be_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(un.UnseenError) as told:
        protect(tmp_path / "a.ledger", **changed)
    assert "\n" not in str(told.value)
    assert list(tmp_path.iterdir()) == []


def test_a_guarantee_for_another_unit_is_not_charged(tmp_path: Path) -> None:
    book = ledger(tmp_path / "a.ledger")
    for guarantee in (un.DP(1, unit="patient"), un.DP(1), un.DP(1, unit="row", neighbours=un.Neighbours.ZERO_OUT)):
        with pytest.raises(InvalidRequest):
            book.charge("Count", accounting.laplace(1), guarantee)
    assert book.verify() == 0


@pytest.mark.parametrize("purpose", [3, None, b"x", ["x"], object()])
def test_a_purpose_that_is_no_text_is_refused_before_anything_is_charged(tmp_path: Path, purpose: Any) -> None:
    data = protect(tmp_path / "a.ledger")
    with pytest.raises(InvalidRequest):
        un.query.Count(epsilon=1).release(data, purpose=purpose)
    assert data.ledger.verify() == 0


@pytest.mark.parametrize("purpose", ["", "é 漢 🙂", 'a "b"\n\\', "\ud800", "\0", "x" * 10_000])
def test_any_text_is_a_purpose(tmp_path: Path, purpose: str) -> None:
    data = protect(tmp_path / "a.ledger")
    un.query.Count(epsilon=1).release(data, purpose=purpose)
    assert data.ledger.entries()[0].purpose == purpose and data.ledger.verify() == 1


def test_a_receipt_tells_what_was_charged_and_what_is_left(tmp_path: Path) -> None:
    book = ledger(tmp_path / "a.ledger", 3, 1e-6)
    first, second = pay(book, 0.5, 1e-7), book.charge("KAnonymize", accounting.unpriced(), un.KAnonymity(5, ("x",)))
    third = pay(book, 1)
    assert (first.sequence, first.epsilon, first.delta, first.epsilon_left, first.ledger) == (
        1,
        0.5,
        1e-7,
        2.5,
        book.id,
    )
    assert str(first) == "ε 0.5, δ 1e-07 charged · 2.5 left"
    assert second.epsilon == 0 and "recorded, not charged" in str(second)
    assert (third.priced, third.releases) == (2, 3) and "ε covers 2 of 3 releases" in str(third)
    assert book.total == "ε covers 2 of 3 releases; not covered: KAnonymize (entry 2)"
    assert len({first.head, second.head, third.head}) == 3


def test_entries_tell_the_story_first_to_last(tmp_path: Path) -> None:
    data = protect(tmp_path / "a.ledger")
    data.count(epsilon=0.25)
    un.query.Mean("x", epsilon=0.5).release(data, purpose="yearly report")
    first, second = data.ledger.entries()
    assert (first.guard, first.epsilon, first.priced) == ("Count", 0.25, True)
    assert (second.guard, second.purpose) == ("Mean", "yearly report")
    assert second.guarantee["kind"] == "DP" and second.guarantee["unit"] == "row"
    accounting.interpret(second.event)


def test_a_pragma_that_promises_durability_is_in_force(tmp_path: Path) -> None:
    book = ledger(tmp_path / "a.ledger")
    with book._records.store.writing() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 3
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "delete"
