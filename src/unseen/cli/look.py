"""What a table shows of itself: kinds of columns, what identifies, who is unique on what. The owner's alone."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unseen.cli.column import Column
from unseen.cli.proposal import proposal
from unseen.cli.unique import uniqueness
from unseen.core.engine import connect
from unseen.core.errors import InvalidRequest, shown
from unseen.core.snapshot import quoted, source_relation

if TYPE_CHECKING:
    import duckdb

__all__ = ["look"]

MOST_COLUMNS = 200
MOST_ROWS = 1_000_000
IDENTIFIER, QUASI, SENSITIVE, PLAIN = "identifier", "quasi-identifier", "sensitive", "plain"
NEARLY_UNIQUE = 0.95
MATCHING = 0.8

# Names are split into words first, so that "age" is not found in "mileage".
IDENTIFYING_WORDS = {
    "name": "a name", "surname": "a name", "firstname": "a name", "lastname": "a name", "email": "an e-mail address",
    "mail": "an e-mail address", "phone": "a phone number", "mobile": "a phone number", "fax": "a phone number",
    "ssn": "a national number", "passport": "a passport number", "iban": "an account", "account": "an account",
    "mrn": "a patient number", "ip": "a network address", "address": "an address", "street": "an address",
    "id": "an identifier", "uuid": "an identifier", "guid": "an identifier",
}  # fmt: skip
KNOWN_WORDS = {
    "age", "sex", "gender", "race", "ethnicity", "zip", "zipcode", "postcode", "postal", "plz", "city", "county",
    "region", "state", "country", "birth", "birthday", "birthdate", "dob", "born", "marital", "married",
    "children", "education", "educ", "occupation", "job", "profession", "workclass", "religion", "religious",
    "nationality", "native", "height", "weight", "admission", "visit", "employer", "school",
}  # fmt: skip
SENSITIVE_WORDS = {
    "ill", "illness", "disease", "diagnosis", "hiv", "cancer", "salary", "income", "wage", "affair", "affairs",
    "drug", "conviction", "debt", "credit", "pregnant", "suicide", "depression", "icd", "therapy", "medication",
    "vote",
}  # fmt: skip
PATTERNS = {
    "an e-mail address": r"[^@\s]+@[^@\s]+\.[a-zA-Z]{2,}",
    "a date": r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})([T ].*)?",
    "a network address": r"\d{1,3}(\.\d{1,3}){3}",
    "a phone number": r"(\+\d[\d ()/.-]{6,}\d|\(?0\d{1,4}\)?[ /-][\d -]{4,}\d|\(?\d{3}\)?[ -]\d{3}-\d{4})",
    "a person's name": r"[A-Z][a-zà-ÿ]+([ -][A-Z][a-zà-ÿ.]+){1,2}",
    "a zip code": r"\d{5}(-\d{4})?",
}
SAFE_PATTERNS = ("a date", "a zip code")
"""Patterns that many people share: they identify together with others."""


def look(file: str, unit: str | None, progress: Callable[[str, int, int], None]) -> dict[str, Any]:
    """Look at a table.

    Args:
        file: a path, or ``dataset:NAME``.
        unit: the column that names the person; None where each row is one.
        progress: told before each step.

    Returns:
        what the check page shows.

    Raises:
        DataFault: the file cannot be read.
        InvalidRequest: there is no such unit.
    """

    from unseen import datasets

    progress("reading", 0, 3)
    connection = connect()
    source = datasets.load(file) if file.startswith(datasets.PREFIX) else Path(file)
    relation = source_relation(connection, source)
    names = list(relation.columns)
    if unit is not None and unit not in names:
        raise InvalidRequest(f"unit {unit!r} was asked for", f"the data have {shown(names)}")
    seen, notes = names[:MOST_COLUMNS], []
    if unit is not None and unit not in seen:
        seen[-1] = unit
    relation.create_view("given")
    connection.execute(f"CREATE TABLE seen AS SELECT {', '.join(map(quoted, seen))} FROM given LIMIT {MOST_ROWS + 1}")
    rows = _one(connection, "SELECT count(*) FROM seen")
    if rows > MOST_ROWS:
        connection.execute(f"DELETE FROM seen WHERE rowid >= {MOST_ROWS}")
        rows = MOST_ROWS
        notes.append(f"Only the first {MOST_ROWS:,} rows were looked at; shares of unique people are of these.")
    if len(names) > len(seen):
        notes.append(f"Only the first {len(seen)} of {len(names):,} columns were looked at.")
    progress("looking at columns", 1, 3)
    columns = [_column(connection, name, rows, unit) for name in seen]
    progress("counting who is unique", 2, 3)
    unique, said = uniqueness(connection, [c.name for c in columns if c.role == QUASI], rows, unit)
    person = f"the person that {unit} names" if unit else "a row: every row counts as another person"
    return {
        "file": Path(file).name,
        "rows": rows,
        "columns": [asdict(column) for column in columns],
        "uniqueness": unique,
        "schema": proposal(file, columns, unit),
        "notes": [
            f"Unique means {person}.",
            *notes,
            *said,
            "Roles follow from names and patterns alone; the owner decides. Bounds and categories are left blank on "
            "purpose: declare what may occur, not what does occur.",
            "All of this was computed without a price: it is for the owner, and must not be passed on.",
        ],
    }


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    found = connection.execute(query).fetchone()
    return int(found[0]) if found else 0


def _column(connection: duckdb.DuckDBPyConnection, name: str, rows: int, unit: str | None) -> Column:
    text = f"nullif(trim(CAST({quoted(name)} AS VARCHAR)), '')"
    patterns = ", ".join(f"count(*) FILTER (regexp_full_match(v, '{rule}'))" for rule in _rules())
    found = connection.execute(
        f"SELECT count(v), count(DISTINCT v), count(TRY_CAST(v AS DOUBLE)), max(length(v)), min(length(v)), {patterns} "
        f"FROM (SELECT {text} AS v FROM seen)"
    ).fetchone()
    present, distinct, numeric, longest, shortest, *matches = found or (0,) * (5 + len(PATTERNS))
    share = {what: count / present if present else 0.0 for what, count in zip(PATTERNS, matches, strict=True)}
    fits = [what for what in PATTERNS if share[what] >= MATCHING]
    words = set(_words(name))
    kind = _kind(present, distinct, numeric, fits, words, longest == shortest)
    named = name == unit
    identifies = _identifies(words, fits, present, distinct, kind, named)
    role = _role(words, fits, present, distinct, kind, named)
    return Column(name, kind, distinct, rows - present, tuple(identifies), role, _declare(kind, role))


def _rules() -> list[str]:
    return [rule.replace("'", "''") for rule in PATTERNS.values()]


def _words(name: str) -> list[str]:
    parted = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    return [word.lower() for word in re.split(r"[^A-Za-zÀ-ÿ]+", parted) if word]


def _kind(present: int, distinct: int, numeric: int, fits: list[str], words: set[str], even: bool) -> str:
    if not present:
        return "empty"
    if "a date" in fits:
        return "date"
    if even and "a zip code" in fits and (distinct > 20 or words & {"zip", "zipcode", "postcode", "plz", "postal"}):
        return "code"
    if numeric == present:
        return "number"
    return "category" if distinct <= max(20, present // 100) and distinct <= 200 else "text"


def _nearly_unique(present: int, distinct: int, kind: str) -> bool:
    return present >= 20 and distinct >= NEARLY_UNIQUE * present and kind != "empty"


def _identifies(words: set[str], fits: list[str], present: int, distinct: int, kind: str, named: bool) -> list[str]:
    said = ["It names the person."] if named else []
    said += [
        f"Its name says that it is {what}."
        for what in sorted({IDENTIFYING_WORDS[w] for w in words & IDENTIFYING_WORDS.keys()})
    ]
    said += [f"Most values look like {what}." for what in fits if what != "a person's name" or kind == "text"]
    if _nearly_unique(present, distinct, kind):
        said.append("Nearly every value occurs once: it singles people out.")
    if words & KNOWN_WORDS:
        said.append("Neighbours, colleagues or registers may know it.")
    if words & SENSITIVE_WORDS:
        said.append("Its name says that nobody should learn it about a person.")
    return said


def _role(words: set[str], fits: list[str], present: int, distinct: int, kind: str, named: bool) -> str:
    direct = [what for what in fits if what not in SAFE_PATTERNS and (what != "a person's name" or kind == "text")]
    nearly = _nearly_unique(present, distinct, kind)
    if named or direct or (words & IDENTIFYING_WORDS.keys() and distinct > 20) or (nearly and kind in ("text", "code")):
        return IDENTIFIER
    if words & SENSITIVE_WORDS:
        return SENSITIVE
    if nearly and kind == "number" and not words & KNOWN_WORDS:
        return PLAIN
    if words & KNOWN_WORDS or kind in ("category", "code", "date") or (kind == "number" and distinct <= 200):
        return QUASI
    return PLAIN


def _declare(kind: str, role: str) -> str:
    if role == IDENTIFIER:
        return "leave it out, or name it as the unit"
    match kind:
        case "number":
            return "range = [least, greatest value that may occur]"
        case "code":
            return "digits = number of digits"
        case "category":
            return "categories = [every value that may occur]"
    return "leave it out, or derive a number or a category from it"
