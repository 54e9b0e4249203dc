"""Whatever is wrong with an input is said in one line, with exit code 2, before anything is charged."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import math
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import unseen as un
from unseen.core.errors import UnseenError

from .conftest import RECIPE, Ended, Workplace, table


def told(ended: Ended, *expected: str) -> None:
    """One clear line, exit code 2, no traceback."""
    assert ended.code == 2, ended
    lines = ended.err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("unseen: "), ended.err
    assert len(lines[0]) < 700 and "Traceback" not in ended.err, ended.err
    for part in expected:
        assert part in lines[0], ended.err


# One change to the recipe each, and what the message must name.
CHANGES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "unknown table": ("[data]", "[dta]\n[data]", ("'dta'", "try: data")),
    "unknown data key": ('source = "people.csv"', 'source = "people.csv"\nsorce = 1', ("[data]", "'sorce'", "source")),
    "no source": ('source = "people.csv"', "", ("[data]", "'source' is missing")),
    "missing file": ("people.csv", "nobody.csv", ("nobody.csv", "no file")),
    "missing dataset": ("people.csv", "dataset:affair", ("dataset:affair", "try: dataset:affairs")),
    "wrong type of source": ('source = "people.csv"', "source = 3", ("source = 3", "a text")),
    "file of another kind": ("people.csv", "other.duckdb", ("other.duckdb", ".csv or .parquet")),
    "a null byte in a path": ("people.csv", "a\\u0000b", ("source",)),
    "derive is not an expression": ("age >= 65", "age >=", ("derive", "cannot be read")),
    "derive runs code": ("age >= 65", "__import__('os').getcwd() > 1", ("derive", "column")),
    "derive of an unknown column": ("age >= 65", "agge >= 65", ("derive", "'agge'", "'age'")),
    "derived name is taken": ("old = ", "zip = ", ("derive", "'zip'", "do not have")),
    "no unit": ('unit = "person"', "", ("[schema]", "'unit' is missing")),
    "unknown unit": ('unit = "person"', 'unit = "persn"', ("'persn'", "'person'")),
    "unit is a declared column": ('unit = "person"', 'unit = "zip"', ("'zip'", "unit")),
    "no rows a unit": ("max_rows_per_unit = 1", "max_rows_per_unit = 0", ("max_rows_per_unit", "at least 1")),
    "half a row a unit": ("max_rows_per_unit = 1", "max_rows_per_unit = 1.5", ("max_rows_per_unit", "whole")),
    "unknown schema key": ("max_rows_per_unit", "max_row_per_unit", ("'max_row_per_unit'", "try: max_rows_per_unit")),
    "undeclared quasi-identifier": ('["age", "zip"]', '["age", "zip_code"]', ("'zip_code'", "'zip'")),
    "a role twice": ('sensitive = ["ill"]', 'sensitive = ["age"]', ("'age'", "one role")),
    "bounds reversed": ("[0, 100]", "[100, 0]", ("age", "try: Range(0, 100)")),
    "bounds equal": ("[0, 100]", "[5, 5]", ("age", "low lies below high")),
    "bounds infinite": ("[0, 100]", "[0, inf]", ("age", "range")),
    "bounds not a number": ("[0, 100]", "[nan, 100]", ("age", "range")),
    "bounds blank": ("[0, 100]", "[]", ("age", "[low, high]")),
    "categories blank": ('["no", "yes"]', "[]", ("ill", "at least one")),
    "a category twice": ('["no", "yes"]', '["no", "no"]', ("ill", "each category once")),
    "no digits": ("digits = 5", "digits = 0", ("zip", "at least 1")),
    "unknown domain": ("digits = 5", "digit = 5", ("zip", "try: digits")),
    "two domains": ("digits = 5", "digits = 5, range = [0, 1]", ("zip", "one of")),
    "a key of another domain": ("digits = 5", 'digits = 5, other = "no"', ("zip", "'other'")),
    "undeclared in the data": ("zip = { digits = 5 }", "zip = { digits = 5 }\nprénom = { digits = 5 }", ()),
    "unicode column absent": (
        "zip = { digits = 5 }",
        'zip = { digits = 5 }\n"Straße 😀" = { range = [0, 1] }',
        ("Straße 😀",),
    ),
    "text as Range": ('ill = { categories = ["no", "yes"] }', "ill = 5", ("ill", "a table")),
    "no budget": ("epsilon = 3\n", "", ("[budget]", "'epsilon' is missing")),
    "budget of 0": ("epsilon = 3\n", "epsilon = 0\n", ("[budget]", "above 0")),
    "negative budget": ("epsilon = 3\n", "epsilon = -1\n", ("[budget]", "above 0")),
    "budget not a number": ("epsilon = 3\n", "epsilon = nan\n", ("[budget]", "finite")),
    "budget infinite": ("epsilon = 3\n", "epsilon = inf\n", ("[budget]", "finite")),
    "budget as text": ("epsilon = 3\n", 'epsilon = "3"\n', ("[budget]", "a finite number")),
    "budget δ of 1": ("delta = 1e-6", "delta = 1", ("[budget]", "delta")),
    "another budget than the ledger's": ("epsilon = 3\n", "epsilon = 4\n", ("ledger", "ε 3", "never changes")),
    "another declaration than the ledger's": ("[0, 100]", "[0, 120]", ("ledger", "declaration")),
    "ledger in a folder that is a file": ("delta = 1e-6", 'delta = 1e-6\nledger = "../people.csv/x"', ()),
    "release without a name": ('name = "people"\n', "", ("[[release]]", "'name' is missing")),
    "release's name climbs out": ('name = "ages"', 'name = "../ages"', ("../ages", "letters")),
    "release's name twice": ('name = "ages"', 'name = "people"', ("'people'", "twice")),
    "unknown guard": ('guard = "Count"', 'guard = "Cuont"', ("'Cuont'", "try: Count")),
    "unknown argument": ('by = "ill"', 'bye = "ill"', ("[[release]] 'people'", "'bye'", "try: by")),
    "argument of the wrong type": ("epsilon = 0.25", 'epsilon = "much"', ("'ages'", "a finite number")),
    "release without ε": ('by = "ill"\nepsilon = 0.5', 'by = "ill"', ("'people'", "'epsilon' is missing")),
    "release with ε 0": ("epsilon = 0.25", "epsilon = 0", ("'ages'", "above 0")),
    "release with negative ε": ("epsilon = 0.25", "epsilon = -0.25", ("'ages'", "above 0")),
    "release with ε NaN": ("epsilon = 0.25", "epsilon = nan", ("'ages'", "finite")),
    "ε so small that the noise overflows": ("epsilon = 0.25", "epsilon = 1e-300", ("'ages'", "larger ε")),
    "mean of an undeclared column": ('column = "age"\nepsilon = 0.5', 'column = "agee"\nepsilon = 0.5', ("'agee'",)),
    "mean of categories": ('column = "age"\nepsilon = 0.5', 'column = "ill"\nepsilon = 0.5', ("'ill'", "Range")),
    "by numbers": ('by = "ill"', 'by = "age"', ("'age'", "Categorical")),
    "edges reversed": ("edges = 5", "edges = [100, 0]", ("'ages'", "increasing")),
    "no bins": ("edges = 5", "edges = 0", ("'ages'", "bins")),
    "k of 1": ("k = 3", "k = 1", ("'table'", "k")),
    "k of half a person": ("k = 3", "k = 2.5", ("'table'", "whole")),
    "suppress more than all": ("suppress_at_most = 0.1", "suppress_at_most = 1.1", ("'table'", "at most 1")),
    "unknown hierarchies": ("k = 3", 'k = 3\nhierarchies = "dataset:adlt"', ("'table'", "dataset:adult")),
    "missing hierarchy": ("k = 3", 'k = 3\nhierarchies = { zip = "no.csv" }', ("'table'", "no.csv")),
    "more than the budget in all": ("epsilon = 0.25", "epsilon = 2.5", ("ε 3.5", "ε 2.75", "are left")),
    "unknown attack": ('name = "Linkage"', 'name = "Linkige"', ("'Linkige'", "try: Linkage")),
    "attack on nothing": ('on = "table"', 'on = "tabel"', ("'tabel'", "try: table")),
    "attack that does not fit": ('name = "Linkage"', 'name = "Membership"', ("KAnonymize is attacked by Linkage",)),
    "unknown argument of an attack": ("runs = 2000", "rums = 2000", ("'rums'", "try: runs")),
    "too few runs": ("runs = 2000", "runs = 20", ("'Distinguish'", "at least 200")),
    "attack on an undeclared column": ('on = "table"', 'on = "table"\ncolumns = ["name"]', ("'Linkage'", "'name'")),
    "two attacks on one release": (
        'on = "people"\nruns = 2000',
        'on = "people"\n[[attack]]\nname = "Distinguish"\non = "people"',
        ("one attack",),
    ),
    "policy that forbids": (
        "[[release]]\nname",
        '[policy]\nguards = ["Count"]\nepsilon_at_most = 1\n[[release]]\nname',
        ("KAnonymize", "the policy allows 'Count'"),
    ),
    "not TOML": ("[data]", "[data", ("small.toml", "well-formed TOML")),
    "a key twice": ("epsilon = 3\n", "epsilon = 3\nepsilon = 3\n", ("small.toml",)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_bad_recipe_is_refused_in_one_line_and_charges_nothing(workplace: Workplace, name: str) -> None:
    old, new, expected = CHANGES[name]
    text = RECIPE.replace(old, new, 1)
    assert text != RECIPE
    ended = workplace.run(text)
    told(ended, *expected)
    assert workplace.entries() == 1


def test_there_are_at_least_fifty() -> None:
    assert len(CHANGES) >= 50


def test_a_refused_recipe_makes_no_ledger(workplace: Workplace) -> None:
    shutil.rmtree(workplace.folder / "out")
    told(workplace.run(RECIPE.replace("epsilon = 0.25", "epsilon = 25")), "ε 26")
    assert not workplace.ledger.exists()


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:700])


def _edited(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TRIGGER entries_update")
        body = connection.execute("SELECT body FROM entries").fetchone()[0]
        connection.execute("UPDATE entries SET body = ?", (body.replace("1/4", "1/8"),))
    connection.close()


def _no_database(path: Path) -> None:
    path.write_text("nothing of the kind")


def _lost_key(path: Path) -> None:
    path.with_name(path.name + ".key").unlink()


def _other_key(path: Path) -> None:
    path.with_name(path.name + ".key").write_bytes(os.urandom(32))


@pytest.mark.parametrize("damage", [_truncated, _edited, _no_database, _lost_key, _other_key])
@pytest.mark.parametrize("command", ["run", "show", "verify"])
def test_a_damaged_ledger_is_refused_and_left_as_it_is(
    workplace: Workplace, damage: Callable[[Path], None], command: str
) -> None:
    damage(workplace.ledger)
    before = workplace.ledger.read_bytes()
    ended = workplace.run() if command == "run" else workplace.unseen("ledger", command, str(workplace.ledger))
    told(ended, "ledger")
    assert workplace.ledger.read_bytes() == before


def test_other_rows_are_refused(workplace: Workplace) -> None:
    (workplace.folder / "people.csv").write_text(table(401), encoding="utf-8")
    told(workplace.run(), "other data")
    assert workplace.entries() == 1


def test_a_header_alone_without_the_columns_is_refused(workplace: Workplace) -> None:
    (workplace.folder / "people.csv").write_text("a,b\n", encoding="utf-8")
    told(workplace.run(), "'age'", "the data have 'a', 'b'")


def test_bytes_that_are_no_text_are_refused(workplace: Workplace) -> None:
    (workplace.folder / "people.csv").write_bytes(b"\xff\xfe\x00\x00person,age\n" + os.urandom(500))
    told(workplace.run())


def test_ten_thousand_declared_columns_give_a_short_line(workplace: Workplace) -> None:
    many = "\n".join(f"column_{i} = {{ range = [0, 1] }}" for i in range(10_000))
    told(workplace.run(RECIPE.replace("[schema.columns]", f"[schema.columns]\n{many}")), "10,004", "at most 500")
    assert workplace.entries() == 1


def test_the_folder_may_not_be_a_file(workplace: Workplace) -> None:
    recipe = str(workplace.recipe())
    told(workplace.unseen("run", recipe, "--out", str(workplace.folder / "people.csv")), "people.csv", "folder")


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("run", "nobody.toml"),
        ("run", "nobody.toml", "--out", "out"),
        ("run", ".", "--out", "out"),
        ("run", "nobody.toml", "--out", "out", "--sharable"),
        ("runn",),
        ("check",),
        ("check", "nobody.csv"),
        ("check", "dataset:nobody"),
        ("check", "."),
        ("ledger", "show", "nobody.ledger"),
        ("ledger", "verify", "."),
        ("ledger", "mend", "x"),
        ("doctor", "now"),
    ],
)
def test_a_bad_command_line_is_refused_in_one_line(
    unseen: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    told(unseen(*arguments))
    assert not list(tmp_path.iterdir())


def protected(workplace: Workplace, **changes: Any) -> Any:
    """The people, as ``un.protect`` gives them."""
    declared: dict[str, Any] = {
        "unit": "person",
        "columns": {"age": un.Range(0, 100), "zip": un.Digits(5), "ill": un.Categorical("no", "yes")},
        "budget": un.DP(epsilon=3, delta=1e-6),
        "ledger": workplace.folder / "mine.ledger",
    }
    return un.protect(**{"source": workplace.folder / "people.csv", **declared, **changes})


CALLS: dict[str, Callable[[Any], Any]] = {
    "ε NaN": lambda data: data.count(epsilon=math.nan),
    "ε infinite": lambda data: data.count(epsilon=math.inf),
    "ε 0": lambda data: data.count(epsilon=0),
    "ε negative": lambda data: data.mean("age", epsilon=-1),
    "ε text": lambda data: data.mean("age", epsilon="1"),
    "ε True": lambda data: data.mean("age", epsilon=True),
    "ε None": lambda data: data.mean("age", epsilon=None),
    "ε more than is left": lambda data: data.count(epsilon=3.5),
    "unknown column": lambda data: data.mean("agee", epsilon=1),
    "column is a number": lambda data: data.mean(3, epsilon=1),
    "sum of categories": lambda data: data.sum("ill", epsilon=1),
    "by digits": lambda data: data.count(epsilon=1, by="zip"),
    "edges NaN": lambda data: data.histogram("age", epsilon=1, edges=[0, math.nan, 100]),
    "edges do not reach": lambda data: data.histogram("age", epsilon=1, edges=[10, 20]),
    "edges missing": lambda data: data.histogram("age", epsilon=1),
    "no quasi-identifiers": lambda data: un.deid.KAnonymize(k=5).release(data),
    "training without δ's column": lambda data: un.models.LogisticRegression(epsilon=1).fit(data, target="nobody"),
    "training with δ 1": lambda data: un.models.LogisticRegression(epsilon=1, delta=1.0).fit(data, target="ill"),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_bad_call_is_refused_in_one_line_and_charges_nothing(workplace: Workplace, name: str) -> None:
    data = protected(workplace)
    with pytest.raises(UnseenError) as refused:
        CALLS[name](data)
    assert "\n" not in str(refused.value) and str(refused.value)
    assert data.ledger.verify() == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"source": 5},
        {"source": "nobody.parquet"},
        {"unit": None},
        {"unit": "nobody"},
        {"columns": ["age"]},
        {"columns": {"age": (0, 100)}},
        {"columns": {"nobody": un.Range(0, 1)}},
        {"budget": 3},
        {"budget": None},
        {"ledger": None},
        {"ledger": "no/such/folder/x.ledger"},
        {"max_rows_per_unit": -1},
        {"quasi_identifiers": ["nobody"]},
    ],
)
def test_a_bad_declaration_is_refused_in_one_line(workplace: Workplace, changes: dict[str, Any]) -> None:
    with pytest.raises(UnseenError) as refused:
        protected(workplace, **changes)
    assert "\n" not in str(refused.value)
    assert not (workplace.folder / "mine.ledger").exists()


def test_a_refusal_in_json_mode_is_the_same_line(workplace: Workplace) -> None:
    ended = workplace.run(RECIPE.replace("Count", "Cuont"), "--json")
    told(ended, "Cuont")
    assert not ended.out


def test_show_and_verify_say_what_the_ledger_holds(workplace: Workplace) -> None:
    shown = workplace.unseen("--json", "ledger", "show", str(workplace.ledger))
    assert shown.code == 0 and json.loads(shown.out)["left"] == {"epsilon": 2.75, "delta": 1e-6}
    assert json.loads(shown.out)["entries"][0]["guard"] == "Count"
    text = workplace.unseen("ledger", "show", str(workplace.ledger))
    assert "Count" in text.out and "2.75" in text.out
    assert workplace.unseen("ledger", "verify", str(workplace.ledger)).code == 0
