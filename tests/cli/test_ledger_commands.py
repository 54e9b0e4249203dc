"""unseen ledger: every command on good and on bad input, its words, its JSON and its exit code."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import unseen as un
from unseen import datasets
from unseen.core.ledger import Change, Ledger

from .conftest import RECIPE, Ended, Workplace, table

RECEIPT = {
    *("ledger", "sequence", "head", "epsilon", "delta", "epsilon_left", "delta_left", "priced", "releases", "when"),
    *("spent", "public_key", "signature"),
}


WAYS = ("--older-copy", "--fork", "--nothing-lost", "--exhausted")


@dataclass(frozen=True)
class Book:
    """A ledger with two releases; after the first, a backup was made; the receipt of each lies beside it."""

    folder: Path
    unseen: Callable[..., Ended]

    @property
    def ledger(self) -> Path:
        return self.folder / "a.ledger"

    def run(self, command: str, *arguments: str | Path, place: str | Path | None = None) -> Ended:
        return self.unseen("ledger", command, str(place or self.ledger), *map(str, arguments))

    def json(self, command: str, *arguments: str | Path, place: str | Path | None = None) -> Any:
        ended = self.run(command, *arguments, "--json", place=place)
        assert ended.code == 0, ended
        return json.loads(ended.out)

    def older(self) -> None:
        """Put the backup in the ledger's place."""
        shutil.copy(self.folder / "backup", self.ledger)


def protected(ledger: Path | str, **more: Any) -> Any:
    declared: dict[str, Any] = {
        "unit": "patient_id",
        "columns": {"age": un.Range(0, 110), "ill": un.Categorical("no", "yes"), "zip": un.Digits(5)},
        "quasi_identifiers": ["age", "zip"],
        "budget": un.DP(epsilon=3, delta=1e-6),
    }
    return un.protect(datasets.patients(120, seed=3), **{**declared, **more}, ledger=ledger)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("book")
    data = protected(folder / "a.ledger")
    data.mean("age", epsilon=0.5).save(folder / "first.json")
    data.ledger.backup(folder / "backup")
    data.count(epsilon=0.25).save(folder / "second.json")
    return folder


@pytest.fixture
def book(written: Path, tmp_path: Path, unseen: Callable[..., Ended]) -> Book:
    folder = tmp_path / "book"
    shutil.copytree(written, folder)
    return Book(folder, unseen)


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal in which no cell is folded."""
    monkeypatch.setenv("COLUMNS", "160")


def refused(ended: Ended, *expected: str) -> None:
    """One clear line, exit code 2, and nothing else."""
    assert ended.code == 2 and not ended.out, ended
    lines = ended.err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("unseen: ") and len(lines[0]) < 700, ended.err
    for part in expected:
        assert part in lines[0], ended.err


# --- show ------------------------------------------------------------------------------------------------------------


def test_show_says_composition_sum_head_and_public_key(book: Book) -> None:
    shown = book.run("show")
    assert shown.code == 0 and not shown.err
    for part in ("basic composition", "patient_id", "Spent ε 0.75", "left ε 2.25", "2 of 2 releases", "entry 2"):
        assert part in shown.out, shown.out
    assert Ledger(book.ledger).public_key in shown.out
    for absent in ("kind", "part", "bookkeeping", "Locked"):
        assert absent not in shown.out, absent


def test_show_names_kind_and_part_only_where_they_say_something(book: Book) -> None:
    data = protected(book.ledger)
    un.query.Count(epsilon=0.1).release(data.parts("ill")["yes"])
    un.deid.KAnonymize(k=2, suppress_at_most=0.9).release(data)
    data.ledger.bind(data.ledger.budget, lambda key: "other", changed=Change.APPENDED_ROWS)
    out = book.run("show").out
    for part in ("kind", "part", "ill = yes", "data changed", "appended rows", "unpriced", "KAnonymize (entry 4)"):
        assert part in out, out


def test_show_as_json_has_this_shape(book: Book) -> None:
    told = book.json("show")
    assert set(told) == {
        *("ledger", "id", "budget", "unit", "neighbours", "composition", "spent", "left", "share", "total"),
        *("bookkeeping, not a guarantee", "locked", "head", "entries"),
    }
    assert told["ledger"] == str(book.ledger)
    assert told["spent"] == {"epsilon": 0.75, "delta": 0.0} and told["left"] == {"epsilon": 2.25, "delta": 1e-6}
    assert told["composition"] == "basic" and told["share"] == 0.25 and told["locked"] == ""
    assert set(told["head"]) == RECEIPT and told["head"]["sequence"] == 2
    assert [entry["kind"] for entry in told["entries"]] == ["release", "release"]
    assert told["entries"][1]["spent"] == ["3/4", "0"]


def test_show_says_what_bookkeeping_is_only_where_it_differs(book: Book) -> None:
    data = protected(book.folder / "many.ledger")
    for _ in range(20):
        data.count(epsilon=0.1)
    out = " ".join(book.run("show", place=book.folder / "many.ledger").out.split())
    assert "bookkeeping, not a guarantee: ε 1.7" in out and "had all been fixed in advance" in out, out
    told = book.json("show", place=book.folder / "many.ledger")
    assert told["bookkeeping, not a guarantee"]["epsilon"] < told["spent"]["epsilon"] == 2.0


def test_show_tells_the_share_of_a_renyi_curve_and_calls_its_epsilon_bookkeeping(book: Book) -> None:
    place = book.folder / "renyi.ledger"
    data = protected(place, composition=un.Renyi())
    data.count(epsilon=0.1)
    out = " ".join(book.run("show", place=place).out.split())
    assert "renyi composition" in out and "% of the curve for ε 3, δ 1e-06" in out and "Spent" not in out
    assert "bookkeeping, not a guarantee: ε" in out and "by the curve so far" in out
    told = book.json("show", place=place)
    assert 0 < told["share"] < 0.1 and told["composition"] == "renyi"


def test_show_of_an_empty_ledger_is_a_table_and_has_no_plot(book: Book) -> None:
    protected(book.folder / "empty.ledger")
    shown = book.run("show", place=book.folder / "empty.ledger")
    assert shown.code == 0 and "0 of 0 releases" in shown.out and "left ε 3" in shown.out
    assert book.json("show", place=book.folder / "empty.ledger")["entries"] == []
    refused(book.run("show", "--plot", book.folder / "x.svg", place=book.folder / "empty.ledger"), "an entry to draw")


def test_show_lets_no_entry_steer_the_terminal(book: Book) -> None:
    un.query.Count(epsilon=0.1).release(protected(book.ledger), "\x1b[2J\x1b]0;mine\x07 why")
    shown = book.run("show")
    assert "why" in shown.out and "\x1b" not in shown.out and "\x07" not in shown.out


def test_show_of_a_budget_without_delta_works(book: Book) -> None:
    place = book.folder / "pure.ledger"
    protected(place, budget=un.DP(epsilon=1)).count(epsilon=0.5)
    assert "Spent ε 0.5, δ 0 of ε 1, δ 0" in book.run("show", place=place).out


def test_show_takes_the_key_from_elsewhere(book: Book) -> None:
    (book.folder / "a.ledger.key").rename(book.folder / "mine.key")
    refused(book.run("show"), "key", "is missing")
    shown = book.run("show", "--key", book.folder / "mine.key")
    assert shown.code == 0 and "Locked" in shown.out  # no head was ever seen beside this key


@pytest.mark.parametrize("ending", [".svg", ".html", ".SVG"])
def test_show_draws_a_file_that_stands_alone(book: Book, ending: str) -> None:
    target = book.folder / f"odometer{ending}"
    shown = book.run("show", "--plot", target)
    assert shown.code == 0 and str(target) in shown.out.replace("\n", "")
    text = target.read_text(encoding="utf-8")
    assert "ε 0.75 of 3 spent" in text and "var(--accent)" in text and "--accent:" in text
    assert text.startswith("<!doctype html>" if ending == ".html" else "<svg xmlns=")


@pytest.mark.parametrize("target", ["plot.png", "plot", "a.ledger", "no/such/folder/plot.svg"])
def test_show_refuses_to_draw_elsewhere(book: Book, target: str) -> None:
    before = book.ledger.read_bytes()
    refused(book.run("show", "--plot", book.folder / target), "plot")
    assert book.ledger.read_bytes() == before


# --- verify, check ----------------------------------------------------------------------------------------------------


def test_verify_counts_entries_and_accounts_for_receipts(book: Book) -> None:
    plain = book.run("verify")
    assert plain.code == 0 and plain.out == f"{book.ledger} verifies: 2 entries\n"
    both = ("--against", book.folder / "first.json", "--against", book.folder / "second.json")
    assert "accounts for receipts 1, 2" in book.run("verify", *both).out
    assert book.json("verify", *both) == {
        "ledger": str(book.ledger),
        "verifies": True,
        "entries": 2,
        "accounts_for": [1, 2],
    }


def test_verify_against_finds_an_older_copy_that_no_mark_tells_of(book: Book) -> None:
    book.older()
    refused(book.run("verify"), "locked", "entry 2 is missing")
    (book.folder / "a.ledger.head").unlink()
    refused(book.run("verify", "--against", book.folder / "second.json"), "locked")


def test_verify_against_refuses_what_is_no_receipt_of_it(book: Book) -> None:
    protected(book.folder / "b.ledger").count(epsilon=0.1).save(book.folder / "other.json")
    refused(book.run("verify", "--against", book.folder / "other.json"), "receipt of ledger")
    refused(book.run("verify", "--against", book.folder / "nobody.json"), "nobody.json")
    changed = (book.folder / "second.json").read_text(encoding="utf-8").replace('"epsilon": 0.25', '"epsilon": 0.125')
    (book.folder / "second.json").write_text(changed, encoding="utf-8")
    refused(book.run("verify", "--against", book.folder / "second.json"), "signature", "2")


def test_check_says_what_a_receipt_says_without_its_ledger(book: Book) -> None:
    public = Ledger(book.ledger).public_key
    for path in book.folder.glob("a.ledger*"):
        path.unlink()
    alone = book.run("check", place=book.folder / "second.json")
    assert alone.code == 0 and not alone.err
    for part in ("Entry 2", "charged ε 0.25, δ 0", "up to ε 2.25", "2 of 2 releases", public, "--public-key"):
        assert part in alone.out, alone.out
    known = book.run("check", "--public-key", public.upper(), place=book.folder / "second.json")
    assert known.code == 0 and "is that of the owner" in known.out and "--public-key" not in known.out
    told = book.json("check", "--public-key", public, place=book.folder / "second.json")
    assert set(told) == {"verifies", "key", "words", "receipt"}
    assert told["verifies"] is True and told["key"] == "given" and set(told["receipt"]) == RECEIPT
    assert book.json("check", place=book.folder / "first.json")["key"] == "the receipt's own"


def test_check_reads_a_receipt_by_itself_and_one_that_charged_nothing(book: Book) -> None:
    head = Ledger.create(book.folder / "n.ledger", un.DP(1.0, unit="row"), lambda key: "f").head
    (book.folder / "head.json").write_text(json.dumps(head.to_dict()), encoding="utf-8")
    assert "was made at" in book.run("check", place=book.folder / "head.json").out
    data = protected(book.ledger)
    un.deid.KAnonymize(k=2, suppress_at_most=0.9).release(data).save(book.folder / "table.json")
    assert "charged nothing" in book.run("check", place=book.folder / "table.json").out


CHANGES: dict[str, Callable[[dict[str, Any]], None]] = {
    "price": lambda receipt: receipt.update(epsilon=0.125),
    "what is left": lambda receipt: receipt.update(epsilon_left=3.0),
    "number": lambda receipt: receipt.update(sequence=7),
    "time": lambda receipt: receipt.update(when="2001-01-01T00:00:00+00:00"),
    "sums": lambda receipt: receipt.update(spent=["1/4", "0"]),
    "signature": lambda receipt: receipt.update(signature=receipt["signature"][::-1]),
    "no signature": lambda receipt: receipt.update(signature=""),
    "key": lambda receipt: receipt.update(public_key="00" * 32),
    "key is no hex": lambda receipt: receipt.update(public_key="zz"),
    "a field less": lambda receipt: receipt.pop("when"),
    "a field more": lambda receipt: receipt.update(note="x"),
    "another type": lambda receipt: receipt.update(sequence="2"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_check_finds_every_change_of_a_receipt(book: Book, change: str) -> None:
    path = book.folder / "second.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    CHANGES[change](told["receipt"])
    path.write_text(json.dumps(told), encoding="utf-8")
    refused(book.run("check", place=path), "receipt")


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"receipt": null}', "\x00\x01", "[" * 100_000])
def test_check_refuses_what_is_no_receipt(book: Book, text: str) -> None:
    (book.folder / "x.json").write_text(text, encoding="utf-8")
    refused(book.run("check", place=book.folder / "x.json"), "receipt")


def test_check_refuses_another_owner_and_no_file(book: Book) -> None:
    refused(book.run("check", "--public-key", "00" * 32, place=book.folder / "second.json"), "owner's key 0000")
    refused(book.run("check", "--public-key", "", place=book.folder / "second.json"), "owner's key")
    refused(book.run("check", place=book.folder / "nobody.json"), "nobody.json")
    refused(book.run("check", place=book.folder), "receipt")


# --- export, backup, restore, reconcile -------------------------------------------------------------------------------


def test_export_writes_lines_that_anybody_can_read_and_no_key(book: Book) -> None:
    target = book.folder / "a.jsonl"
    assert book.json("export", target) == {"ledger": str(book.ledger), "file": str(target), "entries": 2}
    lines = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert [next(iter(line)) for line in lines] == ["population", "entry", "entry", "head"]
    assert set(lines[-1]["head"]) == RECEIPT
    assert (book.folder / "a.ledger.key").read_bytes().hex() not in target.read_text(encoding="utf-8")
    assert "2 entries" in book.run("export", book.folder / "again.jsonl").out


@pytest.mark.parametrize("command", ["export", "backup"])
def test_no_copy_is_written_over_anything(book: Book, command: str) -> None:
    before = book.ledger.read_bytes()
    refused(book.run(command, book.ledger), "a.ledger", "new file")
    refused(book.run(command, book.folder / "first.json"), "first.json", "new file")
    refused(book.run(command, book.folder / "no" / "folder"), "folder")
    assert book.ledger.read_bytes() == before


@pytest.mark.parametrize("command", ["export", "backup"])
def test_a_locked_ledger_is_not_copied(book: Book, command: str) -> None:
    book.older()
    refused(book.run(command, book.folder / "copy"), "locked")
    assert not (book.folder / "copy").exists()


def test_a_backup_restored_at_once_goes_on(book: Book) -> None:
    told = book.json("backup", book.folder / "new")
    assert told == {"ledger": str(book.ledger), "file": str(book.folder / "new"), "entries": 2}
    book.ledger.unlink()
    restored = book.run("restore", book.ledger, place=book.folder / "new")
    assert restored.code == 0 and "2 entries" in restored.out and "left ε 2.25" in restored.out
    protected(book.ledger).count(epsilon=0.25)
    assert "3 entries" in book.run("verify").out


def test_an_older_backup_is_locked_until_it_is_reconciled(book: Book) -> None:
    book.ledger.unlink()
    told = book.json("restore", book.ledger, place=book.folder / "backup")
    assert set(told) == {"ledger", "entries", "locked", "head"}
    assert told["entries"] == 1 and "entry 2 is missing" in told["locked"]
    shown = " ".join(book.run("show").out.split())
    assert "Locked, nothing can be charged: entry 2 is missing" in shown and "unseen ledger reconcile" in shown
    assert all(way in shown for way in WAYS)
    assert book.json("show")["locked"] == told["locked"]
    with pytest.raises(un.UnseenError, match="locked"):
        protected(book.ledger)
    counted = book.run("reconcile", "--older-copy")
    assert counted.code == 0 and "ε 0.25, δ 0 were counted for lost entries, beside ε 0.5" in counted.out
    assert "left ε 2.25" in counted.out and "Locked" not in book.run("show").out
    assert "accounts for receipt 2" in book.run("verify", "--against", book.folder / "second.json").out


@pytest.mark.parametrize("ways", [(), ("--older-copy", "--fork"), WAYS], ids=len)
def test_reconcile_wants_one_way_and_tells_what_each_would_count(book: Book, ways: tuple[str, ...]) -> None:
    book.older()
    before = book.ledger.read_bytes()
    refused(
        book.run("reconcile", "--against", book.folder / "second.json", *ways),
        *("exactly one of", "ledger there was: ε 0.5 now, ε 0.75 after", "added up: ε 0.5 now, ε 1.25 after", *WAYS),
    )
    assert book.ledger.read_bytes() == before and "Locked" in book.run("show").out


def test_reconcile_tells_no_figures_where_nothing_tells_of_what_was_lost(book: Book) -> None:
    whole = book.run("reconcile", "--against", book.folder / "first.json")
    refused(whole, "exactly one of", "nothing is known to be missing", *WAYS)
    (book.folder / "a.ledger.head").unlink()
    untold = book.run("reconcile")
    refused(untold, "exactly one of", "--against RECEIPT.json", *WAYS)
    assert "ε" not in whole.err and "ε" not in untold.err


def test_reconcile_as_a_fork_adds_both_sums(book: Book) -> None:
    book.older()
    told = book.json("reconcile", "--fork", "--against", book.folder / "second.json")
    assert set(told) == {"ledger", "reconciled", "before", "head", "left"}
    assert told["reconciled"] is True and told["left"]["epsilon"] == 1.75
    assert told["before"]["spent"] == ["1/2", "0"] and told["head"]["spent"] == ["5/4", "0"]


def test_reconcile_takes_no_older_copy_where_two_lines_went_on(book: Book) -> None:
    book.older()
    (book.folder / "a.ledger.head").unlink()
    assert book.run("reconcile", "--nothing-lost").code == 0  # it was not so: a second line begins
    before = book.ledger.read_bytes()
    second = ("--against", book.folder / "second.json")
    refused(book.run("reconcile", *second), "one number differ", "ε 0.5 now, ε 1.25 after")
    refused(book.run("reconcile", "--older-copy", *second), "entries differ", "--fork", "ε 1.25 after")
    assert book.ledger.read_bytes() == before
    assert "ε 0.75, δ 0 were counted" in book.run("reconcile", "--fork", *second).out


def test_reconcile_takes_nothing_lost_only_where_nothing_tells_otherwise(book: Book) -> None:
    book.older()
    refused(book.run("reconcile", "--nothing-lost"), "receipt 2", "ε 0.75 after", "ε 1.25 after")
    (book.folder / "a.ledger.head").unlink()
    refused(book.run("reconcile", "--nothing-lost", "--against", book.folder / "second.json"), "receipt 2", "--fork")
    for way in ("--older-copy", "--fork"):
        refused(book.run("reconcile", way), "no receipt tells")
    out = book.run("reconcile", "--nothing-lost", "--against", book.folder / "first.json").out
    assert "declared that nothing came after" in out and "left ε 2.5" in out
    assert book.json("show")["locked"] == ""


@pytest.mark.parametrize("way", ["--older-copy", "--fork", "--nothing-lost"])
def test_reconcile_of_a_whole_ledger_writes_nothing(book: Book, way: str) -> None:
    before = book.ledger.read_bytes()
    assert "nothing is missing" in book.run("reconcile", way, "--against", book.folder / "first.json").out
    told = book.json("reconcile", way)
    assert told["reconciled"] is False and told["head"] == told["before"]
    assert book.ledger.read_bytes() == before


def test_reconcile_exhausted_spends_all_of_a_locked_ledger_alone(book: Book) -> None:
    before = book.ledger.read_bytes()
    refused(book.run("reconcile", "--exhausted"), "declared as spent")
    assert book.ledger.read_bytes() == before
    (book.folder / "a.ledger.head").unlink()
    assert "whole budget" in book.run("reconcile", "--exhausted").out
    assert book.json("show")["left"] == {"epsilon": 0.0, "delta": 0.0}
    assert [entry["kind"] for entry in book.json("show")["entries"]][-1] == "exhausted"


def test_reconcile_tells_shares_of_a_renyi_curve(book: Book) -> None:
    place = book.folder / "renyi.ledger"
    data = protected(place, composition=un.Renyi())
    data.ledger.backup(book.folder / "old")
    data.count(epsilon=0.5)
    shutil.copy(book.folder / "old", place)
    refused(book.run("reconcile", place=place), "0 % of the curve now", "% of the curve after")
    assert "% of the curve were counted" in book.run("reconcile", "--older-copy", place=place).out


def test_reconcile_refuses_what_says_nothing_about_this_ledger(book: Book) -> None:
    protected(book.folder / "b.ledger").count(epsilon=0.1).save(book.folder / "other.json")
    refused(book.run("reconcile", "--fork", "--against", book.folder / "other.json"), "receipt of ledger")
    refused(book.run("reconcile", "--fork", "--against", book.folder / "nobody.json"), "nobody.json")


def test_restore_refuses_to_write_over_a_ledger_and_needs_the_key(book: Book) -> None:
    before = book.ledger.read_bytes()
    refused(book.run("restore", book.ledger, place=book.folder / "backup"), "a.ledger")
    assert book.ledger.read_bytes() == before
    refused(book.run("restore", book.folder / "elsewhere.ledger", place=book.folder / "backup"), "key")
    key = book.folder / "a.ledger.key"
    refused(book.run("restore", book.folder / "c.ledger", "--key", key, place=book.folder / "first.json"), "ledger")
    refused(book.run("restore", book.folder / "c.ledger", "--key", key, place=book.folder / "nobody"), "nobody")
    assert not (book.folder / "c.ledger").exists()


# --- what all of them refuse ------------------------------------------------------------------------------------------

OPENING = [
    ("show",),
    ("verify",),
    ("export", "new.jsonl"),
    ("backup", "new"),
    ("reconcile",),
    ("reconcile", "--fork"),
]


@pytest.mark.parametrize("command", OPENING, ids=" ".join)
@pytest.mark.parametrize(
    "place",
    [
        "nobody.ledger",
        "",
        ".",
        "a\nb",
        "mysql://u:secret@h/d",
        "postgresql://u:secret@127.0.0.1:1/d",
        "postgresql://u:secret@h:x/d",
        "postgresql://[::1/d",
        "first.json",
    ],
)
def test_what_is_no_ledger_is_refused_in_one_line_without_its_password(
    book: Book, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], place: str
) -> None:
    monkeypatch.chdir(book.folder)
    before = sorted(os.listdir())
    ended = book.unseen("ledger", command[0], place, *command[1:], "--key", "a.ledger.key")
    refused(ended, "ledger")
    assert "secret" not in ended.err
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize("command", OPENING, ids=" ".join)
def test_a_key_that_does_not_fit_is_refused(book: Book, command: tuple[str, ...]) -> None:
    (book.folder / "other.key").write_bytes(os.urandom(32))
    (book.folder / "short.key").write_bytes(b"short")
    for key, said in (("other.key", "verify"), ("short.key", "5 bytes"), ("nobody.key", "missing")):
        arguments = [name if name.startswith("--") else book.folder / name for name in command[1:]]
        refused(book.run(command[0], *arguments, "--key", book.folder / key), said)


@pytest.mark.parametrize(
    "arguments",
    [
        ("ledger", "shw", "a.ledger"),
        ("ledger", "show"),
        ("ledger", "check"),
        ("ledger", "export", "a.ledger"),
        ("ledger", "backup", "a.ledger"),
        ("ledger", "restore", "a.ledger"),
        ("ledger", "reconcile", "a.ledger", "--exhaust"),
        ("ledger", "verify", "a.ledger", "--against"),
    ],
)
def test_a_bad_command_line_writes_nothing(
    book: Book, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(book.folder)
    before = sorted(os.listdir())
    assert book.unseen(*arguments).code == 2
    assert sorted(os.listdir()) == before


def test_every_command_works_on_postgresql(book: Book, postgres: str) -> None:
    key = ("--key", book.folder / "pg.key")
    data = protected(postgres, key=book.folder / "pg.key")
    data.count(epsilon=0.25).save(book.folder / "pg.json")
    assert "Spent ε 0.25" in book.run("show", *key, place=postgres).out
    assert book.json("verify", *key, "--against", book.folder / "pg.json", place=postgres)["accounts_for"] == [1]
    assert book.json("export", book.folder / "pg.jsonl", *key, place=postgres)["entries"] == 1
    assert book.json("backup", book.folder / "pg.backup", *key, place=postgres)["entries"] == 1
    assert "nothing is missing" in book.run("reconcile", "--older-copy", *key, place=postgres).out
    refused(book.run("reconcile", *key, place=postgres), "nothing is known to be missing")
    refused(book.run("restore", postgres, *key, place=book.folder / "pg.backup"), "without a ledger")
    restored = book.json("restore", book.folder / "from-pg.ledger", *key, place=book.folder / "pg.backup")
    assert restored["entries"] == 1 and restored["locked"] == ""
    refused(book.run("show", place=postgres), "key")


# --- recipes and their ledgers ----------------------------------------------------------------------------------------


def test_changed_data_are_refused_until_the_owner_says_what_happened(workplace: Workplace) -> None:
    (workplace.folder / "people.csv").write_text(table(401), encoding="utf-8")
    refused(workplace.run(), "other data", "--data-changed")
    assert workplace.entries() == 1
    ended = workplace.run(RECIPE, "--data-changed", "appended-rows")
    assert ended.code == 0, ended.err
    entries = Ledger(workplace.ledger).entries()
    assert [entry.kind for entry in entries[:2]] == ["release", "binding"] and entries[1].purpose == "appended rows"
    report = (workplace.folder / "out" / "report.html").read_text(encoding="utf-8")
    assert "data changed" in report and "ε 1.5 of 3 spent" in report


def test_the_words_of_data_changed_are_those_of_the_library(workplace: Workplace) -> None:
    for change in Change:
        ended = workplace.run(
            RECIPE.replace("epsilon = 0.5", "epsilon = 0.1"), "--data-changed", change.replace(" ", "-")
        )
        assert ended.code == 0, ended.err
    refused(workplace.run(RECIPE, "--data-changed", "nothing"), "same-people", "appended-rows")


@pytest.mark.parametrize("name", ["basic", "renyi"])
def test_a_recipe_chooses_composition_and_key(workplace: Workplace, name: str) -> None:
    text = RECIPE.replace(
        "delta = 1e-6", f'delta = 1e-6\nledger = "b.ledger"\ncomposition = "{name}"\nkey = "keys/b.key"'
    )
    assert workplace.run(text).code == 0
    ledger = Ledger(workplace.folder / "out" / "b.ledger", workplace.folder / "out" / "keys" / "b.key")
    assert ledger.composition == name and ledger.verify() == 4
    assert not (workplace.folder / "out" / "b.ledger.key").exists()
    report = (workplace.folder / "out" / "report.html").read_text(encoding="utf-8")
    assert ("of the curve" in report) == (name == "renyi")
    again = workplace.run(text)
    assert again.code == (0 if name == "basic" else 2), again.err  # 2 × ε 1.25 of 3; the curve is half used up by one


def test_a_recipe_does_not_change_the_composition_of_a_ledger(workplace: Workplace) -> None:
    refused(workplace.run(RECIPE.replace("delta = 1e-6", 'delta = 1e-6\ncomposition = "renyi"')), "basic", "never")
    assert workplace.entries() == 1


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('composition = "reny"', ("composition", "try: renyi")),
        ("composition = 3", ("composition", "a text")),
        ("key = 3", ("key", "a text")),
        ('ledger = "postgresql://u:secret@h/d"', ("key",)),
        ('keys = "x"', ("'keys'", "try: key")),
    ],
)
def test_a_bad_budget_table_is_refused(workplace: Workplace, line: str, expected: tuple[str, ...]) -> None:
    ended = workplace.run(RECIPE.replace("delta = 1e-6", f"delta = 1e-6\n{line}"))
    refused(ended, "[budget]", *expected)
    assert "secret" not in ended.err


def test_renyi_without_delta_is_refused(workplace: Workplace) -> None:
    refused(workplace.run(RECIPE.replace("delta = 1e-6", 'composition = "renyi"')), "[budget]", "δ")


def test_a_recipe_that_a_renyi_ledger_cannot_pay_is_refused_before_anything_is_charged(workplace: Workplace) -> None:
    text = RECIPE.replace("delta = 1e-6", 'delta = 1e-6\nledger = "b.ledger"\ncomposition = "renyi"')
    refused(workplace.run(text.replace("epsilon = 0.5", "epsilon = 1.1")), "ε 2.45", "for one release")
    assert not (workplace.folder / "out" / "b.ledger").exists()


def test_a_recipe_runs_on_postgresql(workplace: Workplace, postgres: str) -> None:
    text = RECIPE.replace("delta = 1e-6", f'delta = 1e-6\nledger = "{postgres}"\nkey = "pg.key"')
    assert workplace.run(text).code == 0
    assert Ledger(postgres, workplace.folder / "out" / "pg.key").verify() == 4
