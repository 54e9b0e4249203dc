"""What a column is: how many of its cells hold what, and whether it tells who a person is, alone or with others."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from unseen.deid.detect.finding import Entity, Finding

__all__ = ["UNIQUE", "VALUES", "ColumnSummary", "Suggestion", "asked", "heading", "summary"]


class Suggestion(Enum):
    """What role a column seems to have; the owner decides."""

    DIRECT = "direct identifier"
    QUASI = "quasi-identifier"
    SENSITIVE = "sensitive"
    TEXT = "text to be searched"
    NONE = "nothing found"


_QUASI = frozenset(
    {
        Entity.AGE,
        Entity.AGE_OVER_89,
        Entity.DATE,
        Entity.LOCATION,
        Entity.NATIONALITY,
        Entity.ORGANISATION,
        Entity.POSTAL_CODE,
        Entity.TITLE,
    }
)
_DIRECT_WORDS = """name surname forename lastname firstname fullname email mail phone telephone mobile fax ssn passport
mrn iban account card licence license address street ip imei vin plate username login"""
_QUASI_WORDS = """age sex gender birth birthday dob yob race ethnicity nationality citizenship country native city town
state county region zip zipcode postcode postal education degree marital status occupation job profession workclass
employer household family height weight language admission discharge date year"""
_SENSITIVE_WORDS = """diagnosis health disease illness condition symptom icd drug medication treatment therapy hiv
cancer test result salary income wage wealth debt credit score religion belief party vote political union sexual
orientation crime conviction genetic disability pregnant pregnancy smoker alcohol ill"""
_SUGGESTED = (
    (Suggestion.DIRECT, frozenset(_DIRECT_WORDS.split())),
    (Suggestion.SENSITIVE, frozenset(_SENSITIVE_WORDS.split())),
    (Suggestion.QUASI, frozenset(_QUASI_WORDS.split())),
)
UNIQUE = "its name, and no value comes twice"
"""The reason for a column that holds one code a row."""
VALUES = frozenset(
    {
        Entity.CREDIT_CARD,
        Entity.DATE,
        Entity.EMAIL_ADDRESS,
        Entity.IBAN,
        Entity.IP_ADDRESS,
        Entity.NATIONAL_ID,
        Entity.PERSON,
        Entity.PHONE_NUMBER,
        Entity.POSTAL_CODE,
        Entity.STREET_ADDRESS,
        Entity.US_SSN,
    }
)
"""Kinds that show a column's name to be a value: the file has a row where its header should be."""
_IDENTIFIER = frozenset({"id", "identifier", "uuid", "guid", "key", "pk", "number", "no", "code"})
_JOINT = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[\W_]+")
_WHOLE = 0.6  # the share of a cell's characters from which a finding is the cell, not a part of its text


@dataclass(frozen=True)
class ColumnSummary:
    """One column of a scan.

    Args:
        name: the column.
        cells: cells that are neither null nor empty.
        share: of these, the share that holds a finding, from 0 to 1.
        entity: the kind that most of these cells hold; None without findings.
        suggestion: what role the column seems to have.
        reason: why, in a few words.
    """

    name: str
    cells: int
    share: float
    entity: Entity | None
    suggestion: Suggestion
    reason: str

    def __str__(self) -> str:
        kind = f"{self.entity} in {self.share:.1%} of {self.cells} cells" if self.entity else f"{self.cells} cells"
        return f"{self.name}: {kind}; {self.suggestion.value} ({self.reason})"


def asked(value: Any) -> str:
    """A cell as the text that is searched; empty for null and NaN."""
    if isinstance(value, str):
        return value
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value)


def heading(name: str) -> str:
    """The column's name as a label before its cells: `patientPhone_no` gives "patient Phone no: "."""
    words = [word for word in _JOINT.split(name) if word]
    return " ".join(words)[:80] + ": " if words else ""


def summary(name: str, cells: Sequence[str], findings: Sequence[Finding]) -> ColumnSummary:
    """What a column's name, its findings and how often its values come again suggest.

    Args:
        name: the column.
        cells: all cells as texts, empty for null.
        findings: those of this column, with their rows.
    """
    filled = sum(1 for cell in cells if cell)
    holding = {finding.row for finding in findings}
    kinds = Counter(entity for _, entity in {(finding.row, finding.entity) for finding in findings})
    entity = kinds.most_common(1)[0][0] if kinds else None
    share = len(holding) / filled if filled else 0.0
    covered = sum(finding.end - finding.start >= _WHOLE * len(cells[finding.row]) for finding in findings)
    suggestion, reason = _role(name, cells, filled, share, entity, covered >= 0.5 * len(holding) > 0)
    return ColumnSummary(name, filled, share, entity, suggestion, reason)


def _role(
    name: str, cells: Sequence[str], filled: int, share: float, entity: Entity | None, whole: bool
) -> tuple[Suggestion, str]:
    words = {word.lower() for word in _JOINT.split(name) if word}
    named = next((suggestion for suggestion, known in _SUGGESTED if words & known), None)
    if named is not None and not (
        named is Suggestion.DIRECT and filled and share < 0.05 and not _unique(cells, filled)
    ):
        return named, "its name"
    if entity is not None and whole and share >= 0.2:
        return (Suggestion.QUASI if entity in _QUASI else Suggestion.DIRECT), "its values"
    if entity is not None:
        return Suggestion.TEXT, "findings within its cells"
    if words & _IDENTIFIER and _unique(cells, filled):
        return Suggestion.DIRECT, UNIQUE
    return Suggestion.NONE, "neither its name nor its values"


def _unique(cells: Sequence[str], filled: int) -> bool:
    return filled > 1 and len({cell for cell in cells if cell}) == filled
