"""unseen deid: no found value is shown, what is written holds what it claims, and odd files end in one clear line."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import csv
import json
import os
import re
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from .conftest import Ended

Unseen = Callable[..., Ended]

ADULT = Path(os.environ.get("UNSEEN_DATA", "")) / "adult"
NEEDS_ADULT = pytest.mark.skipif(
    "UNSEEN_DATA" not in os.environ or not ADULT.is_dir(), reason="UNSEEN_DATA has no adult/adult.csv"
)
ALL = "sex,age,race,marital-status,education,native-country,workclass,occupation,salary-class"
HEAVY = ("duckdb", "narwhals", "numpy", "pyarrow", "matplotlib", "jinja2", "numba", "phonenumbers", "faker")
POLICY = """
[policy]
project = "study"
person = "id"
[policy.columns]
id = {operation = "encrypt"}
name = "surrogate"
zip = {operation = "truncate", length = 3}
note = "text"
[policy.entities]
PERSON = "surrogate"
"""
PEOPLE = [
    ("1", "Anna Miller", "12345", "Anna Miller wrote from anna.miller@example.org on 2021-03-04."),
    ("2", "Robert Stone", "54321", "Call Robert Stone at +1 202-555-0143; IBAN DE89 3704 0044 0532 0130 00."),
    ("3", "Süleyman Özdemir", "00001", "Nothing: 日本語 🙂"),
]


def refused(ended: Ended, *expected: str) -> None:
    """One clear line, exit code 2."""
    assert ended.code == 2, ended
    lines = ended.err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("unseen: ") and len(lines[0]) < 700, ended.err
    for part in expected:
        assert part in lines[0], ended.err


def rows_of(path: Path, mark: str = ",") -> list[tuple[str, ...]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [tuple(row) for row in csv.reader(file, delimiter=mark)]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with people.csv, policy.toml, and ages with their hierarchies."""
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "people.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "name", "zip", "note"), *PEOPLE])
    (tmp_path / "policy.toml").write_text(POLICY, encoding="utf-8")
    lines = [f"{20 + i % 40};{'fm'[i % 2]};{'abc'[i % 3]};p{i}" for i in range(240)]
    (tmp_path / "ages.csv").write_text("\n".join(["age;sex;ill;pid", *lines]) + "\n")
    (tmp_path / "h").mkdir()
    ages = [f"{v};{v // 10 * 10}-{v // 10 * 10 + 9};*" for v in range(100)]
    (tmp_path / "h" / "ages_hierarchy_age.csv").write_text("\n".join(ages) + "\n")
    (tmp_path / "h" / "sex.csv").write_text("f;*\nm;*\n")
    return tmp_path


def anonymize(unseen: Unseen, *more: str, to: str = "new.csv", columns: str = "age,sex") -> Ended:
    return unseen("deid", "anonymize", "ages.csv", "--to", to, "--quasi-identifiers", columns, *more)


# --- scan -------------------------------------------------------------------------------------------


def test_what_counts_as_found_is_the_owner_s_choice(unseen: Unseen, here: Path) -> None:
    (here / "calls.txt").write_text("x 030901820 y.\n\nMaybe Park Hope came.\n", encoding="utf-8")

    def found(*more: str) -> dict[str, int]:
        told = json.loads(unseen("deid", "scan", "calls.txt", "--json", *more).out)
        return {one["entity"]: one["count"] for one in told["findings"]}

    assert "PHONE_NUMBER" not in found() and found("--regions", "DE")["PHONE_NUMBER"] == 1
    assert sum(found("--least", "0.05").values()) > sum(found().values()) >= sum(found("--least", "0.95").values())
    refused(unseen("deid", "scan", "calls.txt", "--least", "2"), "--least 2")
    refused(unseen("deid", "scan", "calls.txt", "--regions", "Bavaria"), "country code")


@pytest.mark.parametrize("name", ["people.csv", "people.txt"])
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_scan_counts_what_it_finds_and_shows_none_of_it(
    unseen: Unseen, here: Path, name: str, form: tuple[str, ...]
) -> None:
    (here / "people.txt").write_text("\n\n".join(row[3] for row in PEOPLE), encoding="utf-8")
    ended = unseen("deid", "scan", name, "--safe-harbor", "--out", "pages", *form)
    assert ended.code == 0 and not ended.err, ended
    page = (here / "pages" / "people.scan.html").read_text(encoding="utf-8")
    for kind in ("EMAIL_ADDRESS", "IBAN", "PHONE_NUMBER", "PERSON"):
        assert kind in ended.out and kind in page
    for value in ("anna.miller", "Robert", "Stone", "0532", "555-0143", "12345", "Özdemir", "2021-03"):
        assert value not in ended.out and value not in page
    assert "<script" not in page and "http://" not in page.replace("http://www.w3.org", "")


def test_scan_says_how_much_it_found_by_column(unseen: Unseen, here: Path) -> None:
    told = json.loads(unseen("deid", "scan", "people.csv", "--json", "--safe-harbor").out)
    columns = {one["name"]: one for one in told["columns"]}
    assert columns["name"]["suggestion"] == "direct identifier" and columns["zip"]["suggestion"] == "quasi-identifier"
    assert columns["note"]["findings"]["IBAN"] == 1
    kinds = Counter({one["entity"]: one["count"] for one in told["findings"]})
    assert sum(kinds.values()) == sum(sum(one["findings"].values()) for one in told["columns"])
    recall = told["expected_recall"]
    assert 0 < recall["low"] <= recall["value"] <= recall["high"] <= 1
    rules = {one["letter"]: one for one in told["safe_harbor"]}
    assert "".join(rules) == "ABCDEFGHIJKLMNOPQR" and rules["F"]["columns"] == ["note"] and rules["F"]["count"] == 1


def test_scan_in_parts_is_the_scan_of_the_whole(unseen: Unseen, here: Path) -> None:
    import unseen as un

    table = pa.table({n: [row[i] for row in PEOPLE] for i, n in enumerate(("id", "name", "zip", "note"))})
    whole = un.deid.SafeHarbor(least=0.4).check(table)
    counted = un.deid.scan(table).counts
    told = json.loads(unseen("deid", "scan", "people.csv", "--json", "--safe-harbor").out)
    assert {one["entity"]: one["count"] for one in told["findings"]} == {str(k): v for k, v in counted.items()}
    assert [(r["letter"], r["verdict"], r["count"], set(r["columns"])) for r in told["safe_harbor"]] == [
        (r.letter, r.verdict.value, r.count, set(r.columns)) for r in whole.rules
    ]
    summaries = {one.name: (one.cells, one.share, one.suggestion.value) for one in un.deid.scan(table).columns}
    assert {o["name"]: (o["cells"], o["share"], o["suggestion"]) for o in told["columns"]} == summaries


def test_a_row_in_the_place_of_the_header_is_not_shown(unseen: Unseen, here: Path) -> None:
    (here / "bare.csv").write_text("anna.miller@example.org,17\nrob.stone@example.org,18\n")
    ended = unseen("deid", "scan", "bare.csv", "--safe-harbor")
    assert ended.code == 0 and "column 1" in ended.out and "lack a header" in ended.out
    page = (here / "bare.scan.html").read_text()
    assert "anna.miller" not in ended.out + page and "column 1" in page


def test_a_name_cannot_steer_the_terminal(unseen: Unseen, here: Path) -> None:
    (here / "steer.csv").write_text("age,\x1b[2Jsex\n40,f\n41,f\n")
    for command in (("scan",), ("risk",), ("risk", "--columns", "age,\x1b[2Jsex")):
        ended = unseen("deid", command[0], "steer.csv", *command[1:])
        assert ended.code == 0 and "\x1b" not in ended.out and "[2Jsex" in ended.out


def test_a_sample_says_that_it_is_one(unseen: Unseen, here: Path) -> None:
    told = json.loads(unseen("deid", "scan", "ages.csv", "--sample", "10", "--json").out)
    assert told["rows"] == 10 and told["columns"][0]["cells"] == 10
    assert any("10 of 240 rows" in note for note in told["notes"])
    refused(unseen("deid", "scan", "ages.csv", "--sample", "0"), "--sample 0")


# --- anonymize --------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", ["new.csv", "new.parquet"])
@pytest.mark.parametrize("local", [False, True])
def test_the_new_table_is_k_anonymous_and_has_no_dropped_column(
    unseen: Unseen, here: Path, to: str, local: bool
) -> None:
    more = ["--k", "7", "--hierarchies", "h", "--drop", "pid", "--json", *(["--local"] if local else [])]
    ended = anonymize(unseen, *more, to=to)
    assert ended.code == 0, ended
    told = json.loads(ended.out)
    if to.endswith(".csv"):
        header, *rows = rows_of(here / to, ";")
    else:
        table = pq.read_table(here / to)
        header, rows = tuple(table.column_names), list(zip(*(c.to_pylist() for c in table.columns), strict=True))
    assert header == ("age", "sex", "ill")
    classes = Counter(row[:2] for row in rows)
    assert min(classes.values()) == told["smallest_class"] >= 7
    assert len(rows) == told["released"] == 240 - told["suppressed"]
    assert Path(told["page"]).read_text(encoding="utf-8").count("<svg") == 2


@pytest.mark.parametrize("local", [False, True])
def test_l_diversity_reaches_the_new_table(unseen: Unseen, here: Path, local: bool) -> None:
    lines = [f"{20 + i % 40};{'fm'[i % 2]};{'abc'[i // 80]};p{i}" for i in range(240)]
    lines += [f"{20 + i % 10};f;a;q{i}" for i in range(60)]
    (here / "ages.csv").write_text("\n".join(["age;sex;ill;pid", *lines]) + "\n")
    more = ["--local"] if local else []
    ended = anonymize(unseen, "--hierarchies", "h", "--sensitive", "ill", "--l", "3", "--drop", "pid", *more)
    assert ended.code == 0, ended
    found: dict[tuple[str, ...], set[str]] = {}
    for row in rows_of(here / "new.csv", ";")[1:]:
        found.setdefault(row[:2], set()).add(row[2])
    assert found and all(len(values) == 3 for values in found.values())


def test_what_identifies_stays_only_by_the_owner_s_word(unseen: Unseen, here: Path) -> None:
    head, *rows = (here / "ages.csv").read_text().splitlines()
    noted = [f"{head};note", *(f"{row};Anna Schmidt came by and asked for Mr Baker" for row in rows)]
    (here / "ages.csv").write_text("\n".join(noted).replace("pid", "name", 1))
    refused(anonymize(unseen, "--hierarchies", "h"), "'name', 'note'", "--drop name,note", "--keep")
    assert not (here / "new.csv").exists()
    told = json.loads(anonymize(unseen, "--hierarchies", "h", "--drop", "note", "--keep", "name", "--json").out)
    assert any("name" in note for note in told["notes"])
    refused(anonymize(unseen, "--hierarchies", "h", "--drop", "name", "--keep", "name", "--force"), "dropped and used")


def test_a_column_that_repeats_its_cells_is_not_taken_for_an_identifier_by_its_name(unseen: Unseen, here: Path) -> None:
    head, *rows = (here / "ages.csv").read_text().splitlines()
    told = [f"{head};account;code", *(f"{row};{'yes' if at % 2 else 'no'};c{at // 2}" for at, row in enumerate(rows))]
    (here / "ages.csv").write_text("\n".join(told))
    assert anonymize(unseen, "--hierarchies", "h", "--drop", "pid").code == 0


def test_rows_that_lack_a_value_are_left_out_only_by_the_owner_s_word(unseen: Unseen, here: Path) -> None:
    head, first, *rows = (here / "ages.csv").read_text().splitlines()
    place = head.split(";").index("age")
    cells = first.split(";")
    cells[place] = ""
    (here / "ages.csv").write_text("\n".join([head, ";".join(cells), *rows]))
    refused(anonymize(unseen, "--hierarchies", "h"), "1 of 240 rows lack a value in 'age'", "--drop-missing")
    told = json.loads(anonymize(unseen, "--hierarchies", "h", "--drop-missing", "--json").out)
    assert told["incomplete"] == 1 and told["rows"] == 239


def test_hierarchies_may_be_lines_of_a_file(unseen: Unseen, here: Path) -> None:
    (here / "h.toml").write_text("age = { widths = [5, 10, 20], low = 0, high = 99 }\nother = { prefixes = 3 }\n")
    told = json.loads(anonymize(unseen, "--hierarchies", "h.toml", "--json", columns="age").out)
    assert told["tops"] == {"age": 4} and told["released"] > 200
    refused(anonymize(unseen, "--hierarchies", "h.toml", "--force"), "no hierarchy", "'sex'")


def test_an_existing_table_is_replaced_only_by_force_and_an_input_never(unseen: Unseen, here: Path) -> None:
    (here / "new.csv").write_text("mine")
    refused(anonymize(unseen, "--hierarchies", "h"), "new.csv", "--force")
    assert (here / "new.csv").read_text() == "mine"
    assert anonymize(unseen, "--hierarchies", "h", "--force").code == 0
    before = (here / "ages.csv").read_bytes()
    refused(anonymize(unseen, "--hierarchies", "h", "--force", to="ages.csv"), "another file")
    assert (here / "ages.csv").read_bytes() == before
    assert not list(here.glob(".*partial"))


@pytest.mark.parametrize(
    ("more", "columns", "to", "expected"),
    [
        ((), "age,sex", "new.csv", ("no hierarchy", "'age'", "--hierarchies FOLDER")),
        (("--hierarchies", "h"), "age,ill", "new.csv", ("no hierarchy", "'ill'", "'h'")),
        (("--hierarchies", "nowhere"), "age", "new.csv", ("no folder",)),
        (("--hierarchies", "h"), "age,zip", "new.csv", ("--quasi-identifiers", "'zip'")),
        (("--hierarchies", "h"), "", "new.csv", ("without quasi-identifiers",)),
        (("--hierarchies", "h", "--k", "1"), "age", "new.csv", ("--k 1",)),
        (("--hierarchies", "h", "--k", "241"), "age", "new.csv", ("--k 241",)),
        (("--hierarchies", "h", "--l", "2"), "age", "new.csv", ("--sensitive",)),
        (("--hierarchies", "h", "--quality", "beauty"), "age", "new.csv", ("--quality 'beauty'",)),
        (("--hierarchies", "h", "--suppress-at-most", "2"), "age", "new.csv", ("--suppress-at-most 2",)),
        (("--local", "--hierarchies", "h", "--suppress-at-most", "0"), "age", "new.csv", ("--local",)),
        (("--hierarchies", "h", "--l", "2", "--sensitive", "q"), "age", "new.csv", ("--sensitive", "'q'")),
        (("--hierarchies", "h", "--drop", "age"), "age", "new.csv", ("dropped",)),
        (("--hierarchies", "h"), "age", "new.xlsx", (".parquet",)),
        (("--hierarchies", "h"), "age", "no/new.csv", ("a folder that exists",)),
    ],
)
def test_what_cannot_be_asked_for_is_refused_and_writes_nothing(
    unseen: Unseen, here: Path, more: tuple[str, ...], columns: str, to: str, expected: tuple[str, ...]
) -> None:
    refused(anonymize(unseen, *more, to=to, columns=columns), *expected)
    assert not (here / to).exists() and not list(here.rglob("*partial")) and not list(here.rglob("*.html"))


@NEEDS_ADULT
def test_adult_gets_the_known_optimum(unseen: Unseen, here: Path) -> None:
    ended = unseen(
        "deid", "anonymize", str(ADULT / "adult.csv"), "--to", "new.csv", "--quasi-identifiers", ALL,
        "--hierarchies", str(ADULT), "--json",
    )  # fmt: skip
    told = json.loads(ended.out)
    assert list(told["levels"].values()) == [0, 3, 0, 2, 2, 1, 1, 2, 0]
    assert round(told["score"], 5) == 0.35748 and told["suppressed"] == 506 and told["released"] == 29_656
    classes = Counter(rows_of(here / "new.csv", ";")[1:])
    assert min(classes.values()) >= 5 and sum(classes.values()) == 29_656


# --- odd files --------------------------------------------------------------------------------------


def wide(path: Path) -> None:
    pq.write_table(pa.table({f"c{i}": [str(i % 7), None, "x"] for i in range(500)}), path)


ODD: dict[str, tuple[str, str | Callable[[Path], None]]] = {
    "header only": ("a.csv", "age,sex\n"),
    "one row": ("a.csv", "age,sex\n40,f\n"),
    "all null": ("a.csv", "age,sex\n,\n,\n,\n"),
    "mixed types": ("a.csv", 'age,sex\n40,f\nforty,"m\nx"\n3.5,\n'),
    "unicode": ("a.csv", "age,sex,имя 🙂\n40,f,Zoë\n41,m,日本\n"),
    "null type": ("a.parquet", lambda path: pq.write_table(pa.table({"age": pa.nulls(9), "sex": ["f"] * 9}), path)),
    "nested": ("a.parquet", lambda path: pq.write_table(pa.table({"age": [[1], [2]], "sex": [{"a": 1}] * 2}), path)),
    "wide": ("a.parquet", wide),
}


@pytest.mark.parametrize("what", ODD)
def test_an_odd_table_is_scanned(unseen: Unseen, here: Path, what: str) -> None:
    name, made = ODD[what]
    made(here / name) if callable(made) else (here / name).write_text(made, encoding="utf-8")
    ended = unseen("deid", "scan", name, "--safe-harbor", "--json")
    assert ended.code == 0 and not ended.err, ended
    told = json.loads(ended.out)
    assert told["rows"] == {"header only": 0, "one row": 1, "unicode": 2, "null type": 9, "nested": 2}.get(what, 3)
    assert len(told["columns"]) == {"wide": 500, "unicode": 3}.get(what, 2)
    if what == "all null":
        assert told["findings"] == [] and {one["cells"] for one in told["columns"]} == {0}


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("one row", "--k 5"),
        ("all null", "--drop-missing"),
        ("mixed types", "--drop-missing"),
        ("unicode", "--drop"),
        ("null type", "--drop-missing"),
        ("nested", "lists or structures"),
        ("wide", "'age'"),
    ],
)
def test_an_odd_table_that_cannot_be_anonymised_is_refused(
    unseen: Unseen, here: Path, what: str, expected: str
) -> None:
    name, made = ODD[what]
    made(here / name) if callable(made) else (here / name).write_text(made, encoding="utf-8")
    ended = unseen(
        "deid", "anonymize", name, "--to", "n.csv", "--quasi-identifiers", "age,sex", "--hierarchies", "h"
    )  # fmt: skip
    refused(ended, expected)
    assert not (here / "n.csv").exists()


@pytest.mark.parametrize(
    ("command", "more"),
    [
        ("scan", ()),
        ("risk", ("--columns", "a")),
        ("anonymize", ("--to", "n.csv", "--quasi-identifiers", "a")),
        ("pseudonymize", ("--policy", "policy.toml", "--key", "k.key", "--make-key", "--to", "n.csv")),
    ],
)
@pytest.mark.parametrize("name", ["empty.csv", "empty.parquet", "none.csv", "latin.csv", "a.xlsx", "dataset:x"])
def test_a_file_that_is_no_table_is_refused(
    unseen: Unseen, here: Path, command: str, more: tuple[str, ...], name: str
) -> None:
    for one in ("empty.csv", "empty.parquet", "a.xlsx"):
        (here / one).write_bytes(b"")
    (here / "latin.csv").write_bytes("a\nZoë\n".encode("latin-1"))
    refused(unseen("deid", command, name, *more), name)
    assert not (here / "k.key").exists() and not (here / "n.csv").exists()


def test_a_text_that_is_none_is_refused_and_an_empty_one_has_nothing(unseen: Unseen, here: Path) -> None:
    (here / "bad.txt").write_bytes(b"\xff\xfe\x00")
    refused(unseen("deid", "scan", "bad.txt"), "bad.txt", "UTF-8")
    refused(unseen("deid", "scan", "none.txt"), "none.txt")
    (here / "void.txt").write_text("")
    told = json.loads(unseen("deid", "scan", "void.txt", "--json", "--safe-harbor").out)
    assert told["texts"] == 0 and told["findings"] == [] and len(told["safe_harbor"]) == 18


# --- risk -------------------------------------------------------------------------------------------


def test_risk_is_that_of_a_count_by_hand(unseen: Unseen, here: Path) -> None:
    lines = ["a,b", *["x,1"] * 4, *["y,2"] * 3, "z,3"]
    (here / "r.csv").write_text("\n".join(lines) + "\n")
    told = json.loads(unseen("deid", "risk", "r.csv", "--columns", "a,b", "--population", "80", "--json").out)
    assert told["unique"] == 1 and told["classes"] == 3 and told["smallest_class"] == 1
    prosecutor = told["risks"]["prosecutor"]
    assert prosecutor["highest"] == 1 and prosecutor["average"] == pytest.approx(3 / 8)
    assert prosecutor["above"] == 1  # classes of 4, 3 and 1 are all below the five that a risk of 0.2 asks for
    assert told["risks"]["marketer"]["average"] < 3 / 8 and told["population"]["people"] == 80
    assert "<svg" in Path(told["page"]).read_text(encoding="utf-8")
    alone = unseen("deid", "risk", "r.csv")
    assert alone.code == 0 and "12.5 %" in alone.out
    refused(unseen("deid", "risk", "r.csv", "--population", "80"), "--columns")
    refused(unseen("deid", "risk", "r.csv", "--columns", "a", "--population", "3"), "population of 3")
    refused(unseen("deid", "risk", "r.csv", "--columns", "q"), "'q'")


# --- pseudonymize, reidentify -----------------------------------------------------------------------


def test_pseudonyms_come_back_with_the_key_alone(unseen: Unseen, here: Path) -> None:
    policy = ("--policy", "policy.toml")
    ended = unseen("deid", "pseudonymize", "people.csv", *policy, "--key", "k.key", "--make-key", "--to", "p.csv")
    assert ended.code == 0, ended
    secret = (here / "k.key").read_text().split()[-2]
    written = (here / "p.csv").read_text(encoding="utf-8")
    page = (here / "people.pseudonymize.html").read_text(encoding="utf-8")
    assert len(secret) == 64 and secret not in ended.out + written + page
    for value in ("Anna Miller", "Robert Stone", "12345", "anna.miller", "0532 0130"):
        assert value not in ended.out + written + page
    name = next(row[1] for row in rows_of(here / "p.csv")[1:] if "wrote" in row[3])
    assert any(row[3].startswith(f"{name} wrote from") for row in rows_of(here / "p.csv"))
    back = unseen("deid", "reidentify", "p.csv", *policy, "--key", "k.key", "--to", "r.csv")
    assert back.code == 0 and "undone: id" in back.out
    assert sorted(row[0] for row in rows_of(here / "r.csv")[1:]) == ["1", "2", "3"]
    if os.name == "posix":
        assert stat.S_IMODE((here / "r.csv").stat().st_mode) == 0o600
        assert stat.S_IMODE((here / "k.key").stat().st_mode) == 0o600
    again = unseen("deid", "pseudonymize", "people.csv", *policy, "--key", "k2.key", "--make-key", "--to", "p2.csv")
    assert again.code == 0
    refused(unseen("deid", "reidentify", "p.csv", *policy, "--key", "k2.key", "--to", "r2.csv"), "key")
    check = re.search(r"--check ([0-9a-f]{16})", again.out)
    assert check is not None
    wrong = unseen("deid", "reidentify", "p.csv", *policy, "--key", "k.key", "--to", "r2.csv", "--check", check[1])
    refused(wrong, check[1])
    refused(unseen("deid", "reidentify", "p.csv", *policy, "--key", "lost.key", "--to", "r2.csv"), "no key")
    assert not (here / "r2.csv").exists()


def test_no_key_is_left_where_nothing_was_made_with_it(unseen: Unseen, here: Path) -> None:
    more = ("--policy", "policy.toml", "--key", "k.key", "--make-key", "--to", "p.csv")
    refused(unseen("deid", "pseudonymize", "ages.csv", *more), "the policy names")
    (here / "policy.toml").write_text(POLICY.replace('"truncate", length = 3', '"shift", days = 9'))
    refused(unseen("deid", "pseudonymize", "people.csv", *more), "zip")
    assert not (here / "k.key").exists() and not (here / "p.csv").exists()


def test_help_of_the_group_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom unseen.cli import main\ntry:\n    main(['deid', 'anonymize', '--help'])\n"
        f"except SystemExit as left:\n    assert not left.code\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]" and "--hierarchies" in ended.stdout
