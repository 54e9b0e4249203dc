"""Whatever is done to a ledger's records, its key or its mark is found and named, or changes nothing."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import unseen as un
from unseen.core.errors import InvalidRequest, LedgerCorrupt, LedgerError, LedgerLocked, LedgerMismatch
from unseen.core.ledger.chain import canonical
from unseen.core.ledger.keys import OwnerKey
from unseen.core.release import Receipt

from .ledgers import Place, examples, one_line, pay, told, varied

PRICES = (0.1, 0.2, 0.3, 0.4, 0.5)
BUDGET = un.DP(10, 0, "row")


def filled(place: Place) -> tuple[un.Ledger, list[Receipt]]:
    book = place.make()
    return book, [pay(book, epsilon) for epsilon in PRICES]


# --- the store refuses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["population", "entries", "releases"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET mac = 'x'", "DELETE FROM {}"])
def test_the_store_itself_only_appends(place: Place, table: str, statement: str) -> None:
    book = varied(place)
    before = told(book)
    with pytest.raises(Exception, match="append-only"), place.connected() as connection:
        connection.execute(statement.format(table))
    assert told(place.open()) == before


# --- every byte -------------------------------------------------------------------------------------------------


def test_every_flipped_byte_of_the_file_is_found_or_changes_nothing(
    tmp_path: Path, proof_runs: Callable[[int, int], int]
) -> None:
    place = Place(tmp_path)
    book = varied(place)
    before, path, chance = told(book), book.path, random.Random(3)
    sound = path.read_bytes()
    used = [number for number, byte in enumerate(sound) if byte]  # most of the file is empty space in pages
    many = proof_runs(300, len(sound))
    places = range(len(sound)) if many == len(sound) else chance.sample(used, many)
    found = 0
    for number in places:
        flipped = bytearray(sound)
        flipped[number] ^= chance.randrange(1, 256)
        path.write_bytes(flipped)
        try:
            again = un.Ledger(path)
            again.verify()
        except LedgerError as error:
            assert one_line(error), error
            found += 1
            continue
        assert told(again) == before, number
    path.write_bytes(sound)
    assert told(un.Ledger(path)) == before
    assert found > many / 20


def test_every_flipped_byte_of_the_key_is_found(tmp_path: Path) -> None:
    place = Place(tmp_path)
    varied(place)
    sound = place.key.read_bytes()
    for number in range(len(sound)):
        place.key.write_bytes(sound[:number] + bytes([sound[number] ^ 1 << number % 8]) + sound[number + 1 :])
        with pytest.raises(LedgerCorrupt) as caught:
            place.open()
        assert one_line(caught.value)


@pytest.mark.parametrize("entries", [0, 1, 12])
def test_a_flipped_byte_of_the_mark_leaves_the_ledger_as_it_is_or_locks_it(
    tmp_path: Path, entries: int, proof_runs: Callable[[int, int], int]
) -> None:
    place = Place(tmp_path)
    book = place.make()
    for _ in range(entries):
        pay(book, 0.1)
    before, chance, sound = told(book), random.Random(4), place.mark.read_bytes()
    used = [number for number, byte in enumerate(sound) if byte not in b" \0"]
    for number in chance.sample(used, min(len(used), proof_runs(60, 2000))):
        flipped = bytearray(sound)
        flipped[number] ^= chance.randrange(1, 256)
        place.mark.write_bytes(flipped)
        try:
            assert place.open().verify() == entries
        except LedgerLocked as error:
            assert one_line(error)
        assert told(place.open()) == before
    place.mark.write_bytes(sound)
    assert place.open().verify() == entries


@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b"\xff" * 40_000, b"a b\n" * 9000, None], ids=range(5))
def test_a_ledger_whose_mark_is_no_mark_is_locked(place: Place, content: bytes | None) -> None:
    book, receipts = filled(place)
    place.mark.unlink()
    if content is not None:
        place.mark.write_bytes(content)
    with pytest.raises(LedgerLocked, match="is missing or was changed"):
        place.open().verify()
    with pytest.raises(LedgerLocked):
        pay(book, 0.1)
    book.reconcile(receipts[-1])
    assert pay(book, 0.1).sequence == 7 and book.spent == (1.6, 0)


# --- every character of every record ----------------------------------------------------------------------------


def test_any_changed_character_is_found(place: Place, proof_runs: Callable[[int, int], int]) -> None:
    varied(place)
    place.unguard()
    chance = random.Random(5)
    cells = [
        (table, column, number, row[column_number])
        for table, columns in {"population": ("body", "mac"), "entries": ("sequence", "request", "body", "mac"),
                               "releases": ("sequence", "body", "mac")}.items()
        for number, row in enumerate(place.rows(table))
        for column_number, column in enumerate(columns)
        if isinstance(row[column_number], str)
    ]  # fmt: skip
    for _ in range(proof_runs(40, 2000)):
        table, column, number, old = chance.choice(cells)
        at = chance.randrange(len(old))
        new = old[:at] + chr(ord(old[at]) ^ chance.randrange(1, 32)).replace("\0", "\1") + old[at + 1 :]
        which = f"sequence = {place.rows(table)[number][0]}" if table != "population" else "1 = 1"
        with place.connected() as connection:
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE {which}", (new,))
        with pytest.raises(LedgerCorrupt) as caught:
            place.open()
        assert one_line(caught.value)
        if table != "population":
            assert f"entry {place.rows(table)[number][0]}" in str(caught.value)
        with place.connected() as connection:
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE {which}", (old,))
    assert place.open().verify() == 7


REWRITTEN = {
    "DELETE FROM entries WHERE sequence = 1": "before entry 2",
    "DELETE FROM entries WHERE sequence = 3": "before entry 4",
    "UPDATE entries SET sequence = 6 WHERE sequence = 5": "entry 5 stands as entry 6",
    "UPDATE entries SET sequence = 103 WHERE sequence = 2": "entry 3",
    "UPDATE entries SET sequence = 0 WHERE sequence = 1": "no number",
    "UPDATE entries SET sequence = -7 WHERE sequence = 5": "no number",
    "UPDATE entries SET body = (SELECT body FROM entries WHERE sequence = 2) WHERE sequence = 3": "entry 3 was changed",
    "UPDATE entries SET mac = (SELECT mac FROM entries WHERE sequence = 2) WHERE sequence = 3": "entry 3 was changed",
    "INSERT INTO entries SELECT 6, NULL, body, mac FROM entries WHERE sequence = 5": "entry 5 stands as entry 6",
    "UPDATE entries SET request = 'another' WHERE sequence = 2": "entry 2",
    "UPDATE entries SET mac = 'é' WHERE sequence = 2": "entry 2 was changed",
    "UPDATE entries SET body = '' WHERE sequence = 2": "entry 2 was changed",
    "UPDATE entries SET body = '{}' WHERE sequence = 2": "entry 2 was changed",
    "UPDATE population SET mac = 'é'": "its first record",
    "UPDATE population SET body = replace(body, '10.0', '90.0')": "its first record",
    "DELETE FROM population": "its first record",
    "INSERT INTO population SELECT * FROM population": "its first record",
    "DROP TABLE entries": "cannot be read",
    "DROP TABLE population": "cannot be read",
    "DROP TABLE releases": "cannot be read",
}


@pytest.mark.parametrize("statement", REWRITTEN)
def test_a_past_that_was_rewritten_is_found_and_named(place: Place, statement: str) -> None:
    held, _ = filled(place)
    place.tamper(statement)
    with pytest.raises(LedgerCorrupt, match=REWRITTEN[statement]) as caught:
        place.open()
    assert one_line(caught.value)
    with pytest.raises(LedgerCorrupt, match=REWRITTEN[statement]):
        held.verify()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET mac = X'00' WHERE sequence = 2",
        "UPDATE entries SET body = X'FF' WHERE sequence = 2",
        "UPDATE entries SET body = CAST(X'FF' AS TEXT) WHERE sequence = 2",
        "UPDATE entries SET request = X'00' WHERE sequence = 2",
        "UPDATE population SET body = X'FF'",
        "INSERT INTO releases VALUES (2, X'FF', X'FF')",
        "INSERT INTO releases VALUES (9, '{}', '')",
    ],
)
def test_values_of_other_types_are_found(tmp_path: Path, statement: str) -> None:
    place = Place(tmp_path)
    filled(place)
    place.tamper(statement)
    with pytest.raises(LedgerCorrupt) as caught:
        place.open()
    assert one_line(caught.value)


@examples(8, 120)
@given(order=st.permutations(range(5)))
def test_entries_in_another_order_are_found(tmp_path_factory: pytest.TempPathFactory, order: list[int]) -> None:
    place = Place(tmp_path_factory.mktemp("order"))
    filled(place)
    rows = place.rows("entries")
    place.tamper("DELETE FROM entries")
    with place.connected() as connection:
        for number, which in enumerate(order, 1):
            connection.execute("INSERT INTO entries VALUES (?, ?, ?, ?)", (number, *rows[which][1:]))
    if order == sorted(order):
        assert place.open().verify() == 5
        return
    first = next(number for number, which in enumerate(order, 1) if number != which + 1)
    with pytest.raises(LedgerCorrupt, match=f"entry {first}"):
        place.open()


def test_an_entry_of_another_line_under_the_same_key_does_not_fit_in(place: Place) -> None:
    """A fork with the same prices: number, sums and mac are right, what came before it is not."""
    book = place.make()
    pay(book, 0.1)
    early = place.take()
    for epsilon in PRICES[1:]:
        pay(book, epsilon)
    mine = place.take()
    fork = place.put_back(early, mark=True)
    for epsilon in PRICES[1:]:
        pay(fork, epsilon)
    theirs = place.rows("entries")
    for number in (2, 3, 4, 5):
        place.put_back(mine, mark=True)
        place.tamper("DELETE FROM entries WHERE sequence = ?", number)
        place.tamper("INSERT INTO entries VALUES (?, ?, ?, ?)", *theirs[number - 1])
        if number == 2:  # it follows from entry 1, which both lines have
            with pytest.raises(LedgerCorrupt, match="before entry 3"):
                place.open()
        else:
            with pytest.raises(LedgerCorrupt, match=f"before entry {number}"):
                place.open()


def test_a_record_of_one_kind_does_not_pass_for_another(place: Place) -> None:
    book = place.make()
    receipt = pay(book, 0.1, request=book.requested("k", {}))
    book.keep(receipt, {"value": 1})
    (body, mac), (_, kept, kept_mac) = place.rows("population")[0], place.rows("releases")[0]
    (_, _, entry, entry_mac) = place.rows("entries")[0]
    slot = place.mark.read_text().split("\n")[0]
    mark_mac, _, mark = slot.partition(" ")
    asked = json.loads(entry)["request"]
    others = [
        (body, mac),
        (f"{receipt.head}\n{kept}", kept_mac),
        (mark, mark_mac),
        ("k", asked["key"]),
        (canonical({}), asked["configuration"]),
    ]
    insert = "INSERT INTO entries VALUES (2, NULL, ?, ?)"
    for text, code in others:
        place.tamper(insert, text, code)
        with pytest.raises(LedgerCorrupt):
            place.open()
        place.tamper("DELETE FROM entries WHERE sequence = 2")
    for text, code in [*others[1:], (entry, entry_mac)]:
        place.tamper("UPDATE population SET body = ?, mac = ?", text, code)
        with pytest.raises(LedgerCorrupt):
            place.open()
    place.tamper("UPDATE population SET body = ?, mac = ?", body, mac)
    for text, code in [(body, mac), (entry, entry_mac)]:
        place.mark.write_bytes(f"{code} {text}\n".encode().ljust(4096))
        assert place.open().locked


def test_an_open_ledger_does_not_charge_on_a_last_entry_that_was_changed(place: Place) -> None:
    held, _ = filled(place)
    place.tamper("UPDATE entries SET body = replace(body, '3/2', '1/2') WHERE sequence = 5")
    with pytest.raises(LedgerCorrupt, match="entry 5 was changed"):
        pay(held, 0.1)
    with pytest.raises(LedgerCorrupt):
        held.left  # noqa: B018  asking is enough


def test_a_ledger_without_its_first_record_is_not_made_anew(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0]})

    def protect() -> Any:
        return un.protect(
            frame, unit=un.EachRow(), columns={"x": un.Range(0, 10)}, budget=un.DP(10), ledger=tmp_path / "a.ledger"
        )

    protect().count(epsilon=1)
    place = Place(tmp_path)
    entries = place.rows("entries")
    place.tamper("DELETE FROM population")
    with pytest.raises(LedgerError):
        protect()
    place.tamper("DELETE FROM entries")
    with pytest.raises(LedgerError):
        protect()
    assert len(entries) == 1


def test_a_ledger_that_was_deleted_beside_its_mark_is_not_made_anew(place: Place) -> None:
    """What is lost must be restored or declared: a new one would have the whole budget again."""
    book = place.make()
    book.backup(place.folder / "backup")
    pay(book, 0.5)
    if place.url is None:
        Path(place.location).unlink()
    else:
        with place.connected() as connection:
            connection.execute("DROP TABLE population, entries, releases CASCADE")
    if place.url is None:  # in a database a ledger with another name for its mark is another ledger
        mark = place.mark.read_bytes()
        with pytest.raises(LedgerError) as caught:
            place.make()
        assert one_line(caught.value) and place.mark.read_bytes() == mark
    if place.url is None:
        Path(place.location).unlink(missing_ok=True)
    again = un.Ledger.restore(place.folder / "backup", place.location, place.key)
    assert "entry 1 is missing" in again.locked


# --- a tail, a chain, an older copy -----------------------------------------------------------------------------


def missing(first: int, last: int) -> str:
    return f"entry {last} is missing" if first == last else f"entries {first} to {last} are missing"


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 5])
def test_a_removed_tail_is_found_by_the_mark_and_named(place: Place, cut: int) -> None:
    held, receipts = filled(place)
    place.tamper(f"DELETE FROM entries WHERE sequence > {5 - cut}")
    for book in (held, place.open()):
        uses: list[Callable[[un.Ledger], Any]] = [
            lambda book: book.verify(),
            lambda book: pay(book, 0.1),
            lambda book: book.bind(BUDGET, lambda key: "f"),
        ]
        for use in uses:
            with pytest.raises(LedgerLocked, match=missing(6 - cut, 5)) as caught:
                use(book)
            assert one_line(caught.value) and "reconcile" in str(caught.value)
        assert missing(6 - cut, 5) in book.locked
        with pytest.raises(LedgerLocked):
            book.verify(receipts[0])
    assert len(place.rows("entries")) == 5 - cut


@pytest.mark.parametrize("cut", [1, 3, 5])
def test_a_tail_that_was_removed_with_its_mark_is_found_by_a_receipt_and_named(place: Place, cut: int) -> None:
    book = place.make()
    taken = [place.take()]
    receipts = []
    for epsilon in PRICES:
        receipts.append(pay(book, epsilon))
        taken.append(place.take())
    older = place.put_back(taken[5 - cut], mark=True)
    assert older.verify() == 5 - cut and not older.locked  # nothing here knows better
    for number, receipt in enumerate(receipts, 1):
        if number <= 5 - cut:
            assert older.verify(receipt) == 5 - cut
        else:
            with pytest.raises(LedgerLocked, match=missing(6 - cut, number)):
                older.verify(receipt)


def test_a_tail_that_was_removed_without_the_mark_being_there_is_locked(place: Place) -> None:
    filled(place)
    place.tamper("DELETE FROM entries WHERE sequence > 3")
    place.mark.unlink()
    with pytest.raises(LedgerLocked, match="is missing or was changed"):
        place.open().verify()


def test_a_copy_without_its_mark_is_locked(place: Place, tmp_path: Path) -> None:
    filled(place)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    copied = Place(elsewhere, place.url)
    if place.url is None:
        Path(copied.location).write_bytes(Path(place.location).read_bytes())
    copied.key.write_bytes(place.key.read_bytes())
    book = copied.open()
    for use in (book.verify, lambda: pay(book, 0.1), lambda: book.backup(elsewhere / "b")):
        with pytest.raises(LedgerLocked, match="is missing or was changed"):
            use()
    assert len(copied.rows("entries")) == 5 and not copied.mark.exists()


def rechain(place: Place, key: OwnerKey, change: Callable[[dict[str, Any]], None]) -> None:
    """Write the whole chain anew under a key, after a change to each entry."""
    body = place.rows("population")[0][0]
    rows = place.rows("entries")
    place.tamper("DELETE FROM entries")
    place.tamper("UPDATE population SET mac = ?", key.mac("population", body))
    previous = key.mac("population", body)
    with place.connected() as connection:
        for sequence, request, text, _ in rows:
            entry = json.loads(text)
            change(entry)
            text = canonical({**entry, "previous": previous})
            previous = key.mac("entry", text)
            connection.execute("INSERT INTO entries VALUES (?, ?, ?, ?)", (sequence, request, text, previous))


def test_a_chain_that_was_recomputed_under_another_key_is_found(place: Place) -> None:
    _, receipts = filled(place)
    stranger = OwnerKey.make(place.folder / "stranger")
    rechain(place, stranger, lambda entry: None)
    with pytest.raises(LedgerCorrupt, match="first record"):
        place.open()
    place.key.write_bytes((place.folder / "stranger").read_bytes())
    try:  # the key was put in the place of the owner's, too: only what is outside can tell
        book = place.open()
    except LedgerCorrupt:
        return
    assert book.locked
    for receipt in receipts:
        with pytest.raises(LedgerCorrupt, match="public key"):
            book.verify(receipt)


def test_smaller_prices_do_not_add_up(place: Place) -> None:
    """An insider, who has the key, makes one entry cheaper and forgets the sums that it carries."""
    filled(place)

    def cheaper(entry: dict[str, Any]) -> None:
        if entry["sequence"] == 3:
            entry.update(epsilon="0.1", cost=["1/10", "0"])

    rechain(place, OwnerKey.read(place.key), cheaper)
    with pytest.raises(LedgerCorrupt):
        place.open()


def test_a_chain_that_was_recomputed_with_the_true_key_is_found_by_mark_and_receipt(place: Place) -> None:
    """An insider, who has the key, writes entries 3 to 5 anew, each ten times cheaper, and all adds up."""
    book = place.make()
    receipts = [pay(book, epsilon) for epsilon in PRICES[:2]]
    early = place.take()
    receipts += [pay(book, epsilon) for epsilon in PRICES[2:]]
    mark = place.mark.read_bytes()
    forged = place.put_back(early, mark=True)
    for epsilon in PRICES[2:]:
        pay(forged, epsilon / 10)
    assert forged.verify() == 5
    assert forged.verify(receipts[0]) == forged.verify(receipts[1]) == 5
    for receipt in receipts[2:]:
        with pytest.raises(LedgerLocked, match=f"entry {receipt.sequence} is another"):
            forged.verify(receipt)
    place.mark.write_bytes(mark)
    with pytest.raises(LedgerLocked, match="entry 5 is another"):
        place.open().verify()
    with pytest.raises(LedgerLocked, match="entry 5 is another"):
        pay(forged, 0.1)


def test_a_whole_older_copy_is_found_by_a_receipt(place: Place) -> None:
    book = place.make()
    pay(book, 0.1)
    older = place.take()
    receipts = [pay(book, 0.1) for _ in range(20)]  # many times round the slots of the mark
    book = place.put_back(older, mark=True)
    assert book.verify() == 1
    with pytest.raises(LedgerLocked, match="entries 2 to 21 are missing"):
        book.verify(receipts[-1])
    with pytest.raises(LedgerLocked, match="entry 2 is missing"):
        book.verify(receipts[0])


def test_another_ledger_in_its_place_is_found(place: Place, tmp_path: Path) -> None:
    _, receipts = filled(place)
    other = tmp_path / "other"
    other.mkdir()
    stranger = Place(other)
    filled(stranger)
    with pytest.raises(LedgerMismatch, match="one of ledger"):
        stranger.open().verify(receipts[0])


def test_a_locked_ledger_refuses_protect(tmp_path: Path) -> None:
    told: dict[str, Any] = {
        "unit": un.EachRow(),
        "columns": {"x": un.Range(0, 10)},
        "ledger": tmp_path / "a.ledger",
    }
    frame = pd.DataFrame({"x": [1.0, 2.0]})
    data = un.protect(frame, budget=un.DP(3), **told)
    data.count(epsilon=1)
    Place(tmp_path).tamper("DELETE FROM entries")
    for again in ({}, {"budget": un.DP(3)}, {"changed": un.Change.SAME_PEOPLE}):
        with pytest.raises(LedgerLocked, match="entry 1 is missing"):
            un.protect(frame, **{**told, **again})
    with pytest.raises(LedgerLocked):
        un.protect(frame + 1, changed=un.Change.SAME_PEOPLE, **told)
    with pytest.raises(LedgerLocked):
        data.count(epsilon=1)
    assert Place(tmp_path).rows("entries") == []


# --- receipts ---------------------------------------------------------------------------------------------------


def test_a_forged_receipt_is_refused_and_named(place: Place) -> None:
    book, receipts = filled(place)
    genuine = receipts[2]
    other = OwnerKey(b"x" * 32)
    lies: dict[str, Any] = {
        "sequence": 4, "head": "0" * 64, "epsilon": 0.1, "delta": 1e-9, "epsilon_left": 9.9, "delta_left": 1.0,
        "priced": 9, "releases": 9, "when": "now", "spent": ("0", "0"), "signature": "00" * 64,
    }  # fmt: skip
    changed = [replace(genuine, **{name: value}) for name, value in lies.items()]
    changed += [replace(genuine, signature=text) for text in ("", "zz", "é", genuine.signature[:-2])]
    for forged in changed:
        for use in (book.verify, book.reconcile):
            with pytest.raises(LedgerCorrupt, match=f"receipt {forged.sequence} does not verify") as caught:
                use(forged)
            assert one_line(caught.value)
    signed = replace(genuine, epsilon=0.0, public_key=other.public)
    signed = replace(signed, signature=other.sign(signed.message))
    signed.verify()
    for forged in (signed, replace(genuine, public_key=other.public), replace(genuine, public_key="")):
        for use in (book.verify, book.reconcile):
            with pytest.raises(LedgerCorrupt, match="public key"):
                use(forged)
    with pytest.raises(LedgerMismatch):
        book.verify(replace(genuine, ledger="0" * 16))
    assert book.verify(genuine) == 5 and not book.locked


def test_a_receipt_survives_its_file(tmp_path: Path) -> None:
    book, receipts = filled(Place(tmp_path))
    for number, receipt in enumerate(receipts):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(receipt.to_dict()))
        assert Receipt.read(path) == receipt
        un.Release(1.0, (0.0, 2.0), BUDGET, receipt, "Count").save(path)
        assert Receipt.read(path) == Receipt.read(str(path)) == receipt
        assert book.verify(Receipt.read(path)) == 5


def test_a_receipt_that_went_through_a_tool_that_writes_whole_numbers_short_still_verifies(tmp_path: Path) -> None:
    book = Place(tmp_path).make()
    receipt = pay(book, 1.0)
    short = {name: int(v) if isinstance(v, float) and v == int(v) else v for name, v in receipt.to_dict().items()}
    book.verify(Receipt.of(json.loads(json.dumps(short))))


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"null", b"3", b"[]", b'"x"', b"{}", b'{"receipt": null}', b'{"receipt": {"receipt": {}}}',
        b"\xff\xfe", b"[" * 200_000, b'{"receipt":' * 200_000, b"9" * 10_000, b"NaN", b'{"a": 1' + b"0" * 5000 + b"}",
    ],
    ids=lambda content: repr(content[:20]),
)  # fmt: skip
def test_what_is_no_receipt_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "receipt.json"
    path.write_bytes(content)
    with pytest.raises(InvalidRequest, match="receipt") as caught:
        Receipt.read(path)
    assert one_line(caught.value)


@pytest.mark.parametrize("path", ["nowhere.json", ".", "a\0b"])
def test_a_receipt_that_is_not_there_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidRequest) as caught:
        Receipt.read(path)
    assert one_line(caught.value)


WRONG: list[Any] = [None, [], {}, (), b"x", object(), "text", 1.5, True, 1, [1], float("nan")]


def test_a_receipt_with_a_missing_or_foreign_field_is_refused(tmp_path: Path) -> None:
    good = filled(Place(tmp_path))[1][1].to_dict()
    for name in good:
        with pytest.raises(InvalidRequest, match="no receipt"):
            Receipt.of({key: value for key, value in good.items() if key != name})
        for value in WRONG:
            try:
                made = Receipt.of({**good, name: value})
            except InvalidRequest as error:
                assert one_line(error)
            else:  # of the right type, and so the signature's to refuse
                assert type(value) in (str, float, int, bool, list, tuple)
                with pytest.raises(LedgerCorrupt):
                    made.verify()
    with pytest.raises(InvalidRequest, match="no receipt"):
        Receipt.of({**good, "more": 1})


@pytest.mark.parametrize("content", [b"", b"not a database at all, but long enough to be looked at", bytes(4096)])
def test_a_file_that_is_no_ledger_is_one_clear_line(tmp_path: Path, content: bytes) -> None:
    book = Place(tmp_path).make()
    book.path.write_bytes(content)
    with pytest.raises(LedgerError) as caught:
        un.Ledger(book.path)
    assert one_line(caught.value)


def test_a_file_that_is_cut_short_anywhere_is_found(tmp_path: Path, proof_runs: Callable[[int, int], int]) -> None:
    book = varied(Place(tmp_path))
    sound = book.path.read_bytes()
    for size in random.Random(6).sample(range(len(sound)), proof_runs(40, 1000)):
        book.path.write_bytes(sound[:size])
        with pytest.raises(LedgerError) as caught:
            un.Ledger(book.path).verify()
        assert one_line(caught.value)


def test_pages_that_changed_places_are_found(tmp_path: Path) -> None:
    book = varied(Place(tmp_path))
    sound = book.path.read_bytes()
    size = sqlite3.connect(book.path).execute("PRAGMA page_size").fetchone()[0]
    before = told(book)
    pages = [sound[start : start + size] for start in range(0, len(sound), size)]
    for one, two in pairwise(range(1, len(pages))):
        swapped = [*pages]
        swapped[one], swapped[two] = pages[two], pages[one]
        book.path.write_bytes(b"".join(swapped))
        try:
            again = un.Ledger(book.path)
            again.verify()
        except LedgerError as error:
            assert one_line(error)
        else:
            assert told(again) == before
