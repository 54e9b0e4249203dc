"""Scan and Safe Harbor: frames of any shape are read, summaries tell roles, and no text leaves through them."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import datetime
import traceback
from collections.abc import Iterator

import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unseen.core.errors import InvalidRequest
from unseen.deid.detect.batches import found_in
from unseen.deid.detect.calibration import Recall, overall, recall
from unseen.deid.detect.columns import Suggestion
from unseen.deid.detect.defaults import patterns
from unseen.deid.detect.finding import Entity, Finding
from unseen.deid.detect.measured import CORPUS, GENERATED, SEEN
from unseen.deid.detect.phone import Phone
from unseen.deid.detect.recogniser import Recogniser
from unseen.deid.detect.safe_harbor import SafeHarbor, Verdict
from unseen.deid.detect.scan import Scan, scan

PATTERNS = patterns()
SECRET = "jane.roe@example.org"


def searched(source: object, least: float = 0.5) -> Scan:
    return scan(source, recognisers=PATTERNS, least=least)


def test_findings_name_column_row_and_place() -> None:
    frame = pd.DataFrame({"note": ["nothing", f"write to {SECRET}", None], "ssn": ["123-45-6789", "", "219-12-3456"]})
    found = [(f.column, f.row, f.start, f.end, f.entity) for f in searched(frame)]
    assert found == [
        ("note", 1, 9, 9 + len(SECRET), Entity.EMAIL_ADDRESS),
        ("ssn", 0, 0, 11, Entity.US_SSN),
        ("ssn", 2, 0, 11, Entity.US_SSN),
    ]


def test_a_columns_name_is_the_label_of_its_cells() -> None:
    cells = [5550142 + 7 * row for row in range(20)]
    assert {f.entity for f in searched(pl.DataFrame({"homePhone": cells}))} == {Entity.PHONE_NUMBER}
    assert not searched(pl.DataFrame({"quantity": cells})).findings


def test_what_stands_in_a_columns_name_is_no_finding() -> None:
    assert not searched(pl.DataFrame({"since 2004": ["x"], "on 3 May 1999": ["y"]})).findings


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, lambda data: pl.DataFrame(data).to_arrow()])
def test_every_kind_of_frame_gives_the_same_findings(make: object) -> None:
    data = {"a": [SECRET, "x", SECRET], "b": ["1", "10.1.2.3", None]}
    found = [(f.column, f.row, f.start, f.end) for f in searched(make(data))]  # type: ignore[operator]
    assert found == [("a", 0, 0, 20), ("a", 2, 0, 20), ("b", 1, 0, 8)]


def test_nulls_mixed_types_and_odd_columns_are_read() -> None:
    frame = pd.DataFrame(
        {
            "mixed": [None, 3.5, SECRET, datetime.date(2020, 1, 5), float("nan"), b"a@b.co", True],
            "empty": [None] * 7,
            "": ["x"] * 7,
            "when": pd.to_datetime(["2020-01-05"] * 7),
        }
    )
    found = {(f.column, f.row, f.entity) for f in searched(frame)}
    assert {("mixed", 2, Entity.EMAIL_ADDRESS), ("mixed", 3, Entity.DATE), ("mixed", 5, Entity.EMAIL_ADDRESS)} <= found
    assert {row for column, row, _ in found if column == "when"} == set(range(7))
    assert not searched(frame[["empty"]]).findings
    assert not searched(pd.DataFrame({"a": []})).findings
    assert not searched(pd.DataFrame()).findings


def test_five_hundred_columns_are_read() -> None:
    frame = pl.DataFrame({f"column{i}": [f"user{i}@example.org", "nothing"] for i in range(500)})
    found = searched(frame)
    assert len(found) == len(found.columns) == 500


def test_texts_of_any_kind_are_read() -> None:
    assert [f.row for f in searched([None, SECRET, "", SECRET])] == [1, 3]
    assert len(searched(SECRET)) == 1
    assert len(searched(pl.Series([SECRET, None]))) == 1
    assert len(searched(text for text in [SECRET])) == 1
    assert not searched([]).findings


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=20) | st.none() | st.floats() | st.integers(), max_size=6))
def test_any_cells_are_read_and_offsets_stay_inside(cells: list[object]) -> None:
    for finding in scan(cells, recognisers=PATTERNS, least=0.0):
        assert 0 <= finding.start < finding.end <= len(str(cells[finding.row])) + 1


def test_a_text_longer_than_a_batch_is_read_whole() -> None:
    filler = "lorem ipsum " * 200_000
    found = searched(["a@b.co", filler + SECRET, "c@d.co"])
    assert [(f.row, f.start) for f in found] == [(0, 0), (1, len(filler)), (2, 0)]


def test_findings_across_texts_are_dropped() -> None:
    class Greedy(Recogniser):
        def find(self, text: str) -> Iterator[Finding]:
            yield Finding(Entity.URL, 0, len(text), 1.0)
            yield Finding(Entity.PERSON, 0, 1, 0.9)

    assert [(f.entity, f.row) for f in found_in(["ab", "cd"], [Greedy()])] == [(Entity.PERSON, 0)]


def test_summaries_suggest_roles_from_names_and_values() -> None:
    frame = pl.DataFrame(
        {
            "contact": [f"user{i}@example.org" for i in range(9)],
            "zip_code": [f"9021{i}" for i in range(9)],
            "diagnosis": ["flu", "cold", "flu"] * 3,
            "remarks": ["fine", f"she lives far away from here and may be asked by mail to {SECRET}", "fine"] * 3,
            "record_id": [f"r{i}" for i in range(9)],
            "colour": ["red", "blue", "red"] * 3,
        }
    )
    roles = {column.name: column.suggestion for column in searched(frame).columns}
    assert roles == {
        "contact": Suggestion.DIRECT,
        "zip_code": Suggestion.QUASI,
        "diagnosis": Suggestion.SENSITIVE,
        "remarks": Suggestion.TEXT,
        "record_id": Suggestion.DIRECT,
        "colour": Suggestion.NONE,
    }
    shares = {column.name: column.share for column in searched(frame).columns}
    assert shares["contact"] == 1 and shares["remarks"] == pytest.approx(1 / 3)


def test_a_scan_prints_its_expected_recall_and_never_the_text() -> None:
    found = searched(pd.DataFrame({"note": [f"write to {SECRET} or call 212-555-0142"]}))
    assert "expected recall" in str(found) and "measured on" in str(found)
    for shown in (str(found), repr(found), repr(found.findings), repr(found.columns)):
        assert "jane" not in shown and "0142" not in shown


def test_a_name_that_is_a_value_is_not_printed() -> None:
    frame = pl.DataFrame({SECRET: ["a@b.co"], "age": ["40"], "212-555-0142": ["x"]})
    found, report = searched(frame), SafeHarbor(PATTERNS).check(frame)
    assert "column 1: " in str(found) and "column 3: " in str(found) and "age: " in str(found)
    assert "in column 1" in str(report)
    for shown in (str(found), str(report)):
        assert "jane" not in shown and "0142" not in shown


def test_an_error_never_holds_the_text() -> None:
    for wrong in ({"a": SECRET}, SECRET.encode(), 7):
        with pytest.raises(InvalidRequest) as told:
            scan(wrong)
        assert "jane" not in "".join(traceback.format_exception_only(told.value))
    with pytest.raises(InvalidRequest, match="least"):
        scan(SECRET, least=2)
    with pytest.raises(InvalidRequest, match="country code"):
        Phone(["Germany"])


def test_a_declared_region_makes_its_national_numbers_surer() -> None:
    plain, german = (max(f.score for f in Phone(regions).find("it is 03012345678")) for regions in ((), ("DE",)))
    assert german > plain


def test_recall_is_the_measured_share_with_a_beta_interval() -> None:
    from scipy.stats import beta

    for entity, (hit, missed, whole) in (GENERATED | CORPUS).items():
        known = recall(entity)
        assert known is not None and known.low < known.value <= known.high <= 1
        assert known.low == pytest.approx(beta.ppf(0.025, hit + 0.5, missed + 0.5))
        assert known.whole == pytest.approx(known.value * whole / hit)
        assert known.at_best == (entity not in CORPUS or entity in SEEN) == ("at best" in str(known))
    assert recall(Entity.TITLE) is None


def test_what_is_found_whole_is_told_beside_what_is_touched() -> None:
    street = recall(Entity.STREET_ADDRESS)
    assert street is not None and 0 < street.whole < street.value and f"whole {street.whole:.3f}" in str(street)
    assert "whole" in str(searched(f"write to {SECRET}"))


def test_a_rule_quotes_the_kind_that_is_found_worst() -> None:
    quoted = SafeHarbor(PATTERNS).check(["nothing"])["B"].recall
    kinds = (Entity.STREET_ADDRESS, Entity.POSTAL_CODE, Entity.LOCATION)
    assert quoted is not None and quoted.value == min(known.value for one in kinds if (known := recall(one)))


def test_the_overall_recall_weighs_kinds_by_what_was_probably_there() -> None:
    person, mail = recall(Entity.PERSON), recall(Entity.EMAIL_ADDRESS)
    assert person is not None and mail is not None
    both = overall({Entity.PERSON: 30, Entity.EMAIL_ADDRESS: 10})
    assert isinstance(both, Recall)
    assert both.value == pytest.approx(40 / (30 / person.value + 10 / mail.value))
    assert both.low < both.value < both.high
    there = (30 / person.value, 10 / mail.value)
    assert both.whole == pytest.approx((there[0] * person.whole + there[1] * mail.whole) / sum(there))
    assert both.at_best
    assert overall({}) is None and overall({Entity.TITLE: 4}) is None


EVIDENCE = {
    "B": "Boston, MA 02139-4307",
    "C": "admitted on 2020-01-05",
    "D": "call 212-555-0142",
    "E": "fax: +1 212 555 0142",
    "F": SECRET,
    "G": "SSN 123-45-6789",
    "H": "MRN 12345678",
    "I": "member ID ABC123456789",
    "J": "IBAN GB82WEST12345698765432",
    "K": "passport C01X00T47",
    "L": "license plate ABC 1234",
    "M": "serial number XK12345678",
    "N": "https://example.org/jane",
    "O": "10.1.2.3",
    "R": "CPF 111.444.777-35",
}


@pytest.mark.parametrize("letter", EVIDENCE)
def test_safe_harbor_finds_what_breaks_each_rule_and_only_that(letter: str) -> None:
    report = SafeHarbor(PATTERNS).check([EVIDENCE[letter]])
    assert report.broken == (letter,)
    assert report[letter].count == 1


def test_safe_harbor_goes_through_eighteen_rules_and_says_what_it_cannot_see() -> None:
    report = SafeHarbor(PATTERNS).check(["nothing to see since 2004"])
    assert "".join(rule.letter for rule in report.rules) == "ABCDEFGHIJKLMNOPQR"
    assert report.broken == ()  # a year may stay
    assert {rule.letter for rule in report.rules if rule.verdict is Verdict.NOT_BY_MACHINE} == set("PQR")
    assert report.by_hand == ("P", "Q", "R")
    assert all(rule.letter in str(report) for rule in report.rules)


def test_safe_harbor_names_the_columns_and_never_the_values() -> None:
    frame = pd.DataFrame({"mail": [SECRET, "a@b.co"], "case_id": ["q1", "q2"], "age": [40, 93]})
    report = SafeHarbor(PATTERNS).check(frame)
    assert report["F"].columns == ("mail",) and report["F"].count == 2
    assert report["C"].count == 1 and report["C"].columns == ("age",)
    assert report["R"].columns == ("case_id",)
    assert "jane" not in str(report) + repr(report)
