"""What review found once stays mended: forks, foreign tables, old receipts, keys that must not leave, salts."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import unseen as un
from unseen.core import accounting
from unseen.core.errors import InvalidRequest, LedgerError, LedgerLocked
from unseen.core.guarantee import price
from unseen.core.guard import default_delta
from unseen.core.ledger.store import Store
from unseen.query import Count

COLUMNS = {"age": un.Range(0, 110), "ill": un.Categorical("no", "yes")}
BUDGET = un.DP(3, 1e-6, "row")


def ledger(path: Path, **more: Any) -> un.Ledger:
    return un.Ledger.create(path, BUDGET, lambda key: "f", **more)


def pay(book: un.Ledger, epsilon: float = 0.1, **more: Any) -> un.Receipt:
    return book.charge("Count", accounting.laplace(1 / epsilon), un.DP(epsilon, 0, "row"), **more)


def protect(path: Path, ages: list[float], **more: Any) -> Any:
    frame = pd.DataFrame({"age": ages, "ill": ["no"] * len(ages)})
    return un.protect(frame, unit=un.EachRow(), columns=COLUMNS, budget=un.DP(3, 1e-6), ledger=path, **more)


def test_a_dataset_keeps_the_same_rows_each_time_it_is_opened_with_its_ledger(tmp_path: Path) -> None:
    rows = pd.DataFrame({"id": ["p", "p"], "age": [30.0, 40.0], "ill": ["yes", "no"]})
    schema = un.Schema("id", COLUMNS)
    told = {"unit": "id", "columns": COLUMNS, "budget": un.DP(3), "ledger": tmp_path / "a.ledger"}
    first = un.protect(rows, **told)
    again = [first, *(un.Dataset(rows, schema, un.Ledger(tmp_path / "a.ledger")) for _ in range(8))]
    held = [[len(part.arrays(["age"], bounded=True)["age"]) for part in data.parts("ill").values()] for data in again]
    assert all(one == held[0] for one in held) and sum(held[0]) == 1


def test_parts_of_more_categories_than_an_entry_should_hold_are_refused(tmp_path: Path) -> None:
    many = {"zip": un.Categorical(*map(str, range(201)))}
    data = un.protect(pd.DataFrame({"zip": ["1"]}), unit=un.EachRow(), columns=many)
    with pytest.raises(InvalidRequest, match="at most 200 parts"):
        data.parts("zip")


def test_an_old_receipt_does_not_unlock_a_copy_that_lost_later_entries(tmp_path: Path) -> None:
    book = ledger(tmp_path / "a.ledger")
    receipts = [pay(book) for _ in range(3)]
    backup = book.backup(tmp_path / "b")
    receipts += [pay(book, 0.5) for _ in range(2)]
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a.ledger.key").write_bytes(book.key_path.read_bytes())
    copy = un.Ledger.restore(backup, tmp_path / "there" / "a.ledger")
    with pytest.raises(LedgerError, match="no receipt tells"):
        copy.reconcile(receipts[0])
    with pytest.raises(LedgerLocked):
        pay(copy)
    copy.reconcile(receipts[4], older_copy=True)
    assert copy.spent == book.spent


def test_a_whole_ledger_is_neither_reconciled_nor_declared_as_spent(tmp_path: Path) -> None:
    book = ledger(tmp_path / "a.ledger")
    pay(book)
    assert book.reconcile().sequence == book.verify() == 1
    with pytest.raises(LedgerError, match="lost entries"):
        book.reconcile(exhausted=True)
    assert book.verify() == 1


def test_an_empty_backup_does_not_give_the_budget_back(tmp_path: Path) -> None:
    book = ledger(tmp_path / "a.ledger")
    backup = book.backup(tmp_path / "b")
    pay(book, 2)
    for path in (book.path, tmp_path / "a.ledger.head"):
        path.unlink()
    again = un.Ledger.restore(backup, book.path)
    assert again.locked
    with pytest.raises(LedgerLocked):
        pay(again)


def test_a_refusal_leaves_no_empty_file_behind(tmp_path: Path) -> None:
    data = protect(tmp_path / "a.ledger", [30.0])
    data.count(epsilon=0.1)
    backup = data.ledger.backup(tmp_path / "b")
    data.ledger.path.unlink()
    with pytest.raises(LedgerLocked, match="restore"):
        protect(tmp_path / "a.ledger", [30.0])
    assert not (tmp_path / "a.ledger").exists()
    assert not un.Ledger.restore(backup, tmp_path / "a.ledger").locked


@pytest.mark.parametrize("moment", [1, 2])
def test_a_ledger_that_another_makes_and_charges_meanwhile_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    """The other one comes between an answer to whether there is a ledger, the first or the second, and its use."""
    path, real, answers = tmp_path / "a.ledger", Store.holds_ledger, []

    def overtaken(store: Store) -> bool:
        answers.append(real(store))
        if len(answers) == moment:
            there = answers[-1]
            pay(ledger(path))
            return there
        return answers[-1]

    monkeypatch.setattr(Store, "holds_ledger", overtaken)
    assert not ledger(path).locked


def test_ten_releases_at_the_default_delta_fit_whatever_the_budget_s_is(tmp_path: Path) -> None:
    for number, delta in enumerate((1e-6, 3.3333333333333333e-7, 1.2345678901234567e-5)):
        frame = pd.DataFrame({"age": [1.0]})
        told = {"unit": un.EachRow(), "columns": {"age": un.Range(0, 9)}, "ledger": tmp_path / f"{number}.ledger"}
        data = un.protect(frame, budget=un.DP(1, delta), **told)
        assert 10 * price(default_delta(data, None, "DPSGD")) <= price(delta)


def test_two_backups_to_one_place_leave_one_whole_and_refuse_the_other(tmp_path: Path) -> None:
    book = ledger(tmp_path / "a.ledger")
    pay(book)
    for attempt in range(10):
        target, told = tmp_path / f"b{attempt}", []

        def copy(target: Path = target, told: list[bool] = told) -> None:
            try:
                un.Ledger(book.path).backup(target)
                told.append(True)
            except LedgerError:
                told.append(False)

        threads = [threading.Thread(target=copy) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(told) == [False, True]
        assert un.Ledger(target, book.key_path).spent == (0.1, 0)


def test_tables_of_somebody_else_are_left_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "theirs.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE releases (title TEXT)")
    connection.execute("INSERT INTO releases VALUES ('first')")
    connection.commit()
    with pytest.raises(LedgerError, match="tables of other things"):
        ledger(path)
    connection.execute("UPDATE releases SET title = 'second'")
    connection.commit()
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("releases",)]
    connection.close()


def test_what_is_derived_for_others_is_neither_the_key_nor_the_signing_key(tmp_path: Path) -> None:
    seen: list[bytes] = []
    book = un.Ledger.create(tmp_path / "a.ledger", BUDGET, lambda key: seen.append(key) or "f")
    assert seen and book.key_path.read_bytes() not in seen
    seed = book.derive("signed heads")
    assert Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw().hex() != book.public_key


def test_a_request_key_is_not_answered_with_what_was_asked_of_other_data(tmp_path: Path) -> None:
    protect(tmp_path / "a.ledger", [30.0]).count(epsilon=0.1, request="k")
    data = protect(tmp_path / "a.ledger", [30.0, 40.0], changed=un.Change.APPENDED_ROWS)
    with pytest.raises(InvalidRequest, match="another request"):
        data.count(epsilon=0.1, request="k")
    assert data.ledger.spent == (0.1, 0)


class Above(Count):
    """A count of its own with an argument that its configuration does not tell of."""

    def __init__(self, epsilon: float, threshold: int) -> None:
        super().__init__(epsilon)
        self.threshold = threshold


def test_a_guard_whose_configuration_forgets_an_argument_has_no_request_keys(tmp_path: Path) -> None:
    data = protect(tmp_path / "a.ledger", [30.0])
    with pytest.raises(InvalidRequest, match="configuration"):
        Above(0.1, 3).release(data, request="k")
    assert data.ledger.verify() == 0


def test_a_share_for_a_guard_that_ignores_its_epsilon_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="does not depend on ε"):
        un.calibrate_for(lambda epsilon: Count(0.1), protect(tmp_path / "a.ledger", [30.0]), 0.1)


def test_bookkeeping_is_never_below_what_one_part_bore(tmp_path: Path) -> None:
    book = ledger(tmp_path / "a.ledger")
    for _ in range(100):
        pay(book, 0.01, part=("ill", "yes"))
    pay(book, 0.95, part=("ill", "no"))
    assert book.bookkeeping() >= 0.95 * (1 - 1e-9)


def test_a_ledger_of_another_format_or_composition_says_so(tmp_path: Path) -> None:
    import json

    from unseen.core.ledger.keys import OwnerKey

    for name, value in (("format", 9), ("composition", {"name": "zcdp"})):
        book = ledger(tmp_path / f"{name}.ledger")
        connection = sqlite3.connect(book.path)
        connection.execute("DROP TRIGGER population_update")
        (body,) = connection.execute("SELECT body FROM population").fetchone()
        text = json.dumps({**json.loads(body), name: value}, sort_keys=True, separators=(",", ":"))
        mac = OwnerKey.read(book.key_path).mac("population", text)
        connection.execute("UPDATE population SET body = ?, mac = ?", (text, mac))
        connection.commit()
        connection.close()
        with pytest.raises(LedgerError, match=f"{name} |zcdp"):
            un.Ledger(book.path)


@pytest.mark.parametrize("wrong", ["mean.json", None, 3])
def test_what_is_no_receipt_is_one_clear_line(tmp_path: Path, wrong: Any) -> None:
    book = ledger(tmp_path / "a.ledger")
    for act in (book.reconcile, *([book.verify] if wrong is not None else [])):
        with pytest.raises(InvalidRequest, match=r"Receipt.read"):
            act(wrong)


def test_an_export_ends_in_a_receipt_of_the_present_head(tmp_path: Path) -> None:
    book = ledger(tmp_path / "a.ledger")
    pay(book)
    assert un.Receipt.read(book.export(tmp_path / "a.jsonl")) == book.head
    assert book.verify(un.Receipt.read(tmp_path / "a.jsonl")) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="wants fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_child_of_a_process_whose_threads_charge_can_charge_too(tmp_path: Path) -> None:
    book, stop = ledger(tmp_path / "a.ledger"), threading.Event()

    def busy() -> None:
        while not stop.is_set():
            pay(book, 0.0001)

    threads = [threading.Thread(target=busy) for _ in range(3)]
    for thread in threads:
        thread.start()
    children = []
    try:
        for _ in range(6):
            child = multiprocessing.get_context("fork").Process(target=pay, args=(book, 0.0001))
            child.start()
            children.append(child)
            time.sleep(0.02)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        for child in children:
            child.join(30)
            if child.is_alive():
                os.kill(child.pid or 0, signal.SIGKILL)
    assert [child.exitcode for child in children] == [0] * 6
    assert book.verify() >= 6
