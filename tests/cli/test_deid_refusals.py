"""unseen deid: refusals speak of options and policy files, not of Python."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from unseen.cli.deid.words import rephrased

from .conftest import Ended

Unseen = Callable[..., Ended]

PYTHON = re.compile(r"\bun\.|\w+\(.*\)|\b(?:suppress_at_most|quasi_identifiers|make_key|safe_harbor)\b|[\w\"]=\S|None")
POLICY = """
[policy]
project = "study"
person = "id"
others = "keep"
[policy.columns]
id = "encrypt"
"""
DATED = 'when = "shift"\n'


def replaced(old: str, new: str) -> str:
    assert old in POLICY
    return POLICY.replace(old, new)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a table, a policy, hierarchies and keys of all sorts."""
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "t.csv").open("w", newline="") as file:
        rows = [(f"P{at}", 20 + at % 9, "fm"[at % 2], f"03/{at % 28 + 1:02d}/2020", "12345") for at in range(60)]
        csv.writer(file, delimiter=";").writerows([("id", "age", "sex", "when", "card"), *rows])
    (tmp_path / "policy.toml").write_text(POLICY)
    (tmp_path / "h").mkdir()
    (tmp_path / "h" / "age.csv").write_text("".join(f"{age};{age // 10}x;*\n" for age in range(100)))
    (tmp_path / "h" / "sex.csv").write_text("f;*\nm;*\n")
    for name in ("uneven", "two", "empty", "few"):
        (tmp_path / name).mkdir()
    (tmp_path / "uneven" / "age.csv").write_text("20;2x;*\n21;*\n")
    (tmp_path / "two" / "age.csv").write_text("20;2x;*\n21;2x;any\n")
    (tmp_path / "empty" / "age.csv").write_text("")
    (tmp_path / "few" / "age.csv").write_text("20;*\n")
    (tmp_path / "open.key").write_text("x")
    (tmp_path / "open.key").chmod(0o644)
    (tmp_path / "bad.key").write_text("x")
    (tmp_path / "bad.key").chmod(0o600)
    return tmp_path


ANONYMIZE = [
    ("--suppress-at-most", "2"),
    ("--suppress-at-most", "nan"),
    ("--quality", "beauty"),
    ("--k", "0"),
    ("--k", "1000"),
    ("--l", "0", "--sensitive", "card"),
    ("--l", "99", "--sensitive", "card"),
    ("--l", "3", "--sensitive", "age"),
    ("--t", "7", "--sensitive", "card"),
    ("--l", "3"),
    ("--local", "--quality", "loss"),
    ("--local", "--k", "0"),
    ("--local", "--k", "1000"),
    ("--local", "--t", "7", "--sensitive", "card"),
    ("--local", "--l", "99", "--sensitive", "card"),
    ("--hierarchies", "nowhere"),
    ("--hierarchies", "uneven"),
    ("--hierarchies", "two"),
    ("--hierarchies", "empty"),
    ("--hierarchies", "few"),
    ("--quasi-identifiers", "card"),
    ("--quasi-identifiers", "nobody"),
    ("--drop", "age"),
    ("--drop", "nobody"),
    ("--out", "t.csv"),
]
RISK = [
    ("--columns", "age", "--threshold", "0"),
    ("--columns", "age", "--threshold", "2"),
    ("--population", "9"),
    ("--columns", "age", "--population", "9"),
    ("--columns", "age", "--population", "none.csv"),
    ("--columns", "age", "--population", "h/age.csv"),
    ("--columns", "age,nobody"),
    ("--columns", "age", "--threshold", "nan"),
]
SCAN = [("--sample", "0"), ("--out", "t.csv")]
KEYS = ["lost.key", "open.key", "bad.key", "h", "no/folder/k.key"]
POLICIES = [
    "",
    "policy = 3",
    "[policy",
    replaced('project = "study"', ""),
    replaced('project = "study"', "project = 3"),
    replaced('project = "study"', 'project = ""'),
    replaced('project = "study"', 'project = "study"\ncheck = "00"'),
    replaced('person = "id"', "") + DATED,
    replaced('person = "id"', 'persons = "id"'),
    replaced('others = "keep"', ""),
    replaced('others = "keep"', 'others = "token"'),
    replaced('others = "keep"', 'others = {operation = "mask", keep_last = 2}'),
    replaced('others = "keep"', "others = 3"),
    replaced('others = "keep"', 'others = "keep"\nlocale = "tlh"') + 'sex = {operation = "surrogate", of = "person"}',
    replaced('others = "keep"', 'others = "keep"\nnames = ["age"]'),
    replaced('others = "keep"', 'others = "keep"\nnames = ["age", "sex"]'),
    POLICY + DATED,
    POLICY + 'when = {operation = "shift", days = 0}',
    POLICY + 'when = {operation = "shift", days = 99999}',
    POLICY + 'when = {operation = "shift", formats = []}',
    POLICY + 'age = "surrogate"',
    POLICY + "age = 3",
    POLICY + 'age = "guess"',
    POLICY + 'age = {operation = "token", size = 3}',
    POLICY + 'age = {operation = "token", length = 3}',
    POLICY + 'age = {operation = "token", length = 99}',
    POLICY + 'age = {operation = "token", alike = "twin"}',
    POLICY + 'age = {operation = "token", of = 3}',
    POLICY + 'age = {operation = "token", prefix = 3}',
    POLICY + 'age = {operation = "format", alphabet = "0"}',
    POLICY + 'age = {operation = "format", luhn = 3}',
    POLICY + 'age = {operation = "format", alike = "code"}',
    POLICY + 'card = "format"',
    POLICY + 'sex = "format"',
    POLICY + 'card = {operation = "format", luhn = true}',
    POLICY + 'age = {operation = "mask", sign = "xx"}',
    POLICY + 'age = {operation = "mask", keep_last = -1}',
    POLICY + 'age = {operation = "redact", label = 3}',
    POLICY + 'age = "truncate"',
    POLICY + 'age = {operation = "truncate", length = 0}',
    POLICY + 'age = "generalize"',
    POLICY + 'age = {operation = "generalize", level = 9, prefixes = 5}',
    POLICY + 'age = {operation = "generalize", level = "x", prefixes = 5}',
    POLICY + 'age = {operation = "generalize", level = 1, prefixes = -1}',
    POLICY + 'card = {operation = "generalize", level = 1, prefixes = 3}',
    POLICY + 'age = {operation = "generalize", level = 1, file = "nowhere.csv"}',
    POLICY + 'age = {operation = "generalize", level = 1, file = "uneven/age.csv"}',
    POLICY + 'age = {operation = "generalize", level = 1, flat = 3}',
    POLICY + 'age = {operation = "generalize", level = 1, taxonomy = 3}',
    POLICY + 'age = {operation = "generalize", level = 1, taxonomy = {a = 3}}',
    POLICY + 'age = {operation = "generalize", level = 1, widths = 3, low = 0, high = 9}',
    POLICY + 'age = {operation = "generalize", level = 1, low = 9, high = 0, widths = [5]}',
    POLICY + 'age = {operation = "generalize", level = 1, low = 0, high = 9, widths = [5, 2]}',
    POLICY + 'age = {operation = "generalize", level = 1, low = 0, high = 9, widths = "x"}',
    POLICY + 'nobody = "keep"',
    POLICY + '[policy.entities]\nPERSON = "text"',
    POLICY + '[policy.entities]\nPERSON = "token"\nname = "keep"',
    POLICY + '[policy.entities]\nPERSON = "guess"',
    POLICY.replace("[policy.columns]", "columns = 3\n[policy.others]"),
]


def in_words(ended: Ended) -> None:
    assert ended.code == 2 and len(ended.err.strip().splitlines()) == 1, ended
    assert not PYTHON.search(ended.err), ended.err


def test_no_refusal_of_anonymize_risk_or_scan_speaks_python(unseen: Unseen, here: Path) -> None:
    for more in ANONYMIZE:
        command = ["deid", "anonymize", "t.csv", "--to", "n.csv"]
        command += [] if "--hierarchies" in more else ["--hierarchies", "h"]
        command += [] if "--quasi-identifiers" in more else ["--quasi-identifiers", "age,sex"]
        in_words(unseen(*command, *more))
    for name, refused in (("risk", RISK), ("scan", SCAN)):
        for more in refused:
            in_words(unseen("deid", name, "t.csv", *more))


def test_no_refusal_of_pseudonymize_or_reidentify_speaks_python(unseen: Unseen, here: Path) -> None:
    common = ("t.csv", "--policy", "policy.toml", "--to", "n.csv")
    for key in KEYS:
        in_words(unseen("deid", "pseudonymize", *common, "--key", key))
        in_words(unseen("deid", "reidentify", *common, "--key", key))
    for key in KEYS[1:]:
        in_words(unseen("deid", "pseudonymize", *common, "--key", key, "--make-key"))
    for policy in POLICIES:
        (here / "policy.toml").write_text(policy)
        in_words(unseen("deid", "pseudonymize", *common, "--key", "k.key", "--make-key"))
    (here / "policy.toml").write_text(POLICY)
    assert unseen("deid", "pseudonymize", *common, "--key", "k.key", "--make-key").code == 0
    (here / "n.csv").rename(here / "p.csv")
    back = ("deid", "reidentify", "p.csv", "--key", "k.key", "--to", "r.csv", "--policy", "policy.toml")
    in_words(unseen(*back, "--check", "00"))
    (here / "policy.toml").write_text(replaced('"encrypt"', '"keep"') + DATED)
    in_words(unseen(*back))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("k=1 was asked for", "--k 1 was asked for"),
        ("quality='beauty' was asked for", "--quality 'beauty' was asked for"),
        ("un.deid.Key.create('my (old) k.key') for new pseudonyms", "--make-key for new pseudonyms"),
        ("an operation for each column, or others=Drop()", "an operation for each column, or others = 'drop'"),
        ('DateShift(formats=["%d/%m/%Y"])', "{operation = 'shift', formats = [\"%d/%m/%Y\"]}"),
        ('Surrogate(of="person"), or Token()', "{operation = 'surrogate', of = \"person\"}, or 'token'"),
        ("the column 'a=b' and \"max_k=2\"", "the column 'a=b' and \"max_k=2\""),
        (
            "quasi_identifiers 'quasi_identifiers' was asked for",
            "--quasi-identifiers 'quasi_identifiers' was asked for",
        ),
    ],
)
def test_what_python_is_told_is_said_as_it_is_typed(said: str, expected: str) -> None:
    assert rephrased(said) == expected
