"""A ledger that is backed up, restored, exported is whole or not there at all, and an older copy stays locked."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import base64
import json
import multiprocessing
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import unseen as un
from unseen.core.errors import LedgerCorrupt, LedgerError, LedgerLocked
from unseen.core.ledger.store import Store
from unseen.core.release import Receipt

from .ledgers import TABLES, Place, charge_often, names, one_line, pay, told, varied


def lose(place: Place) -> None:
    """The store is gone; the key and what lies beside it are still there."""
    if place.url is None:
        Path(place.location).unlink()
    else:
        with place.connected() as connection:
            connection.execute(f"DROP TABLE {', '.join(TABLES)} CASCADE")


def restore(place: Place, backup: Path) -> un.Ledger:
    return un.Ledger.restore(backup, place.location, place.key)


def forms(key: bytes) -> Iterator[bytes]:
    """How a key could stand in a file."""
    yield from (
        key,
        key.hex().encode(),
        key.hex().upper().encode(),
        base64.b64encode(key),
        base64.urlsafe_b64encode(key),
    )
    yield json.dumps(list(key)).encode()


def test_a_restored_backup_tells_what_the_ledger_told(place: Place, tmp_path: Path) -> None:
    book = varied(place)
    before = told(book)
    assert book.backup(tmp_path / "backup") == tmp_path / "backup"
    lose(place)
    again = restore(place, tmp_path / "backup")
    assert told(again) == before and again.verify() == 7 and not again.locked
    found = again.recall(again.requested("k", {"guard": "Count"}))
    assert found is not None and found[1] == {"value": 3, "interval": [1, 5]}
    assert pay(again, 0.5).sequence == 8 and again.spent == (1.5, 0)
    with pytest.raises(Exception, match="append-only"), place.connected() as connection:
        connection.execute("DELETE FROM entries")


def test_a_backup_can_be_read_by_the_owner_where_it_is(place: Place, tmp_path: Path) -> None:
    book = varied(place)
    before = told(book)
    book.backup(tmp_path / "backup")
    assert told(un.Ledger(tmp_path / "backup", place.key)) == before


def test_neither_backup_nor_export_holds_the_key(place: Place, tmp_path: Path) -> None:
    book = varied(place)
    book.backup(tmp_path / "backup")
    book.export(tmp_path / "export")
    for name in ("backup", "export"):
        content = (tmp_path / name).read_bytes()
        assert not any(form in content for form in forms(place.key.read_bytes()))
        assert book.derive("signed heads").hex().encode() not in content


def test_an_older_backup_stays_locked_until_it_is_reconciled(place: Place, tmp_path: Path) -> None:
    book = varied(place)
    book.backup(tmp_path / "backup")
    last = [pay(book, 0.25), pay(book, 0.25)][-1]
    lose(place)
    again = restore(place, tmp_path / "backup")
    assert "entries 8 to 9 are missing" in again.locked
    for use in (again.verify, lambda: pay(again, 0.1), lambda: again.bind(again.budget, lambda key: "g")):
        with pytest.raises(LedgerLocked, match="entries 8 to 9 are missing"):
            use()
    assert len(again.entries()) == 7
    again.reconcile(last, older_copy=True)
    assert again.spent == book.spent == (1.5, 0) and not again.locked
    assert again.verify(last) == 8 and pay(again, 0.1).sequence == 11


def test_a_backup_restored_where_only_the_key_is_stays_locked(place: Place, tmp_path: Path) -> None:
    book = varied(place)
    head = book.head
    book.backup(tmp_path / "backup")
    (tmp_path / "new").mkdir()
    elsewhere = tmp_path / "new" / "b.ledger"
    elsewhere.with_name("b.ledger.key").write_bytes(place.key.read_bytes())
    again = un.Ledger.restore(tmp_path / "backup", elsewhere)
    assert again.locked and again.location == str(elsewhere)
    with pytest.raises(LedgerError, match="no receipt tells"):
        again.reconcile()
    again.reconcile(head)
    assert not again.locked and again.spent == book.spent


def test_a_ledger_moves_between_databases(core_database: str, tmp_path: Path) -> None:
    place = Place(tmp_path, core_database)
    with place.connected() as connection:
        connection.execute(f"DROP TABLE IF EXISTS {', '.join(TABLES)} CASCADE")
    first = varied(place)
    before, head = told(first), first.head
    first.backup(tmp_path / "backup")
    lose(place)
    (tmp_path / "file").mkdir()
    file = Place(tmp_path / "file")
    file.key.write_bytes(place.key.read_bytes())
    second = un.Ledger.restore(tmp_path / "backup", file.location)
    assert told(second) == before
    second.reconcile(head)
    pay(second, 0.5)
    second.backup(tmp_path / "again")
    third = un.Ledger.restore(tmp_path / "again", core_database, file.key)
    assert told(third) == told(second) and third.spent == (1.5, 0)


@pytest.mark.parametrize("at", ["a.ledger.key", "there", ".", "no/such/folder", "x" * 300])
def test_a_backup_overwrites_nothing(place: Place, tmp_path: Path, at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    book = varied(place)
    (tmp_path / "there").write_text("precious")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for make in (book.backup, book.export):
        with pytest.raises(LedgerError) as caught:
            make(tmp_path / at)
        assert one_line(caught.value)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert book.verify() == 7


def test_neither_backup_nor_export_is_written_over_the_ledger(tmp_path: Path) -> None:
    book = varied(Place(tmp_path))
    for make in (book.backup, book.export):
        for path in (book.path, book.key_path, book._records.heads.mark.path):
            with pytest.raises(LedgerError):
                make(path)
    assert book.verify() == 7


def test_a_restore_overwrites_no_ledger(place: Place, tmp_path: Path) -> None:
    book = varied(place)
    book.backup(tmp_path / "backup")
    pay(book, 0.5)
    before = told(book)
    with pytest.raises(LedgerError, match="was asked for") as caught:
        restore(place, tmp_path / "backup")
    assert one_line(caught.value) and told(place.open()) == before


def test_a_restore_overwrites_no_other_file(tmp_path: Path) -> None:
    place = Place(tmp_path)
    varied(place).backup(tmp_path / "backup")
    lose(place)
    Path(place.location).write_text("precious")
    with pytest.raises(LedgerError):
        restore(place, tmp_path / "backup")
    assert Path(place.location).read_text() == "precious"


def test_a_corrupt_ledger_gives_neither_backup_nor_export(place: Place, tmp_path: Path) -> None:
    book = varied(place)
    place.tamper("UPDATE entries SET mac = 'x' WHERE sequence = 3")
    before = names(tmp_path)
    for make in (book.backup, book.export):
        with pytest.raises(LedgerCorrupt, match="entry 3 was changed"):
            make(tmp_path / "copy")
    assert names(tmp_path) == before


def test_a_locked_ledger_gives_neither_backup_nor_export(place: Place, tmp_path: Path) -> None:
    book = varied(place)
    place.tamper("DELETE FROM entries WHERE sequence = 7")
    before = names(tmp_path)
    for make in (book.backup, book.export):
        with pytest.raises(LedgerLocked, match="entry 7 is missing"):
            make(tmp_path / "copy")
    assert names(tmp_path) == before


@pytest.mark.parametrize("harm", ["another key", "no key", "a short key", "no backup", "no ledger", "changed", "cut"])
def test_a_restore_that_fails_leaves_nothing_behind(place: Place, tmp_path: Path, harm: str) -> None:
    book = varied(place)
    backup = book.backup(tmp_path / "backup")
    lose(place)
    match harm:
        case "another key":
            place.key.write_bytes(b"x" * 32)
        case "no key":
            place.key.unlink()
        case "a short key":
            place.key.write_bytes(b"x")
        case "no backup":
            backup.unlink()
        case "no ledger":
            backup.write_bytes(b"not a ledger" * 1000)
        case "changed":
            copy = Place(tmp_path)
            copy.location = backup
            copy.tamper("UPDATE entries SET mac = 'x' WHERE sequence = 3")
        case "cut":
            backup.write_bytes(backup.read_bytes()[:-4096])
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(LedgerError) as caught:
        restore(place, backup)
    assert one_line(caught.value)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert not un.Ledger.exists(place.location)


class Interrupted(BaseException):
    pass


@pytest.mark.parametrize("after", [0, 1, 6])
def test_a_copy_that_is_interrupted_leaves_nothing_behind(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    book = varied(place)
    append, done = Store.append, list[Any]()

    def interrupted(self: Store, *told: Any) -> None:
        if len(done) == after:
            raise Interrupted
        done.append(told)
        append(self, *told)

    before = names(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(Store, "append", interrupted)
        with pytest.raises(Interrupted):
            book.backup(tmp_path / "backup")
        assert names(tmp_path) == before
    backup = book.backup(tmp_path / "backup")
    lose(place)
    done.clear()
    before = names(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(Store, "append", interrupted)
        with pytest.raises(Interrupted):
            restore(place, backup)
        assert names(tmp_path) == before and not un.Ledger.exists(place.location)
    assert restore(place, backup).verify() == 7


FULL_DISK = """
import resource, signal, sys
import unseen as un
from unseen.core.errors import LedgerError
book = un.Ledger(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
try:
    getattr(book, sys.argv[4])(sys.argv[2])
except LedgerError as error:
    print(error)
    sys.exit(3)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="wants a limit on the size of files")
@pytest.mark.parametrize(("make", "size"), [("backup", 20_000), ("export", 3_000)])
def test_a_copy_to_a_full_disk_leaves_nothing_behind(tmp_path: Path, make: str, size: int) -> None:
    book = varied(Place(tmp_path))
    before = names(tmp_path)
    call = [sys.executable, "-c", FULL_DISK, str(book.path), str(tmp_path / "copy"), str(size), make]
    done = subprocess.run(call, capture_output=True, text=True)
    assert done.returncode == 3 and done.stdout.count("\n") == 1, done.stderr
    assert names(tmp_path) == before and book.verify() == 7


def test_a_backup_while_another_process_charges_is_one_moment_of_the_ledger(tmp_path: Path) -> None:
    place = Place(tmp_path)
    book = place.make(100)
    pay(book, 0.1)
    child = multiprocessing.get_context("spawn").Process(target=charge_often, args=(place.location, 60))
    child.start()
    copies: list[Path] = []
    while child.is_alive() or len(copies) < 3:
        copies.append(book.backup(tmp_path / f"{len(copies)}.backup"))
        child.join(0.05)
    assert child.exitcode == 0
    whole = book.entries()
    assert len(whole) == 61
    for path in copies:
        found = un.Ledger(path, place.key)
        entries = found.entries()
        assert entries == whole[: len(entries)] and found.spent[0] == round(0.1 * len(entries), 1)
        assert book.verify(found.head) == 61
    lengths = [len(un.Ledger(path, place.key).entries()) for path in copies]
    assert lengths == sorted(lengths) and lengths[-1] <= 61


# --- export -----------------------------------------------------------------------------------------------------


def test_an_export_is_the_whole_chain_as_lines_that_anybody_can_read(place: Place, tmp_path: Path) -> None:
    book = varied(place)
    path = book.export(tmp_path / "ledger.jsonl")
    text = path.read_text("ascii")
    first, *entries, last = [json.loads(line) for line in text.splitlines()]
    assert text.endswith("\n") and len(entries) == 7
    assert first["population"]["id"] == book.id and first["population"]["public_key"] == book.public_key
    macs = [first["mac"], *(line["mac"] for line in entries)]
    assert [line["entry"]["previous"] for line in entries] == macs[:-1]
    numbers = [line["entry"]["sequence"] for line in entries]
    assert all(before < after for before, after in pairwise(numbers)) and numbers == [
        e.sequence for e in book.entries()
    ]
    head = Receipt.of(last["head"])
    head.verify(book.public_key)
    assert (head, head.head) == (book.head, macs[-1])


def test_an_export_of_a_ledger_without_entries_has_two_lines(place: Place, tmp_path: Path) -> None:
    lines = place.make().export(tmp_path / "e").read_text().splitlines()
    assert [next(iter(json.loads(line))) for line in lines] == ["population", "head"]


def test_an_export_while_another_process_charges_ends_with_its_last_entry(tmp_path: Path) -> None:
    place = Place(tmp_path)
    book = place.make(100)
    pay(book, 0.1)
    child = multiprocessing.get_context("spawn").Process(target=charge_often, args=(place.location, 60))
    child.start()
    made = 0
    while child.is_alive() or made < 3:
        lines = [json.loads(line) for line in book.export(tmp_path / f"{made}.jsonl").read_text().splitlines()]
        assert lines[-1]["head"]["head"] == lines[-2]["mac"]
        made += 1
        child.join(0.02)
    assert child.exitcode == 0
