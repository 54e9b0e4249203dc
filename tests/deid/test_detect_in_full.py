"""Names and addresses are found in full: no given name and no postal code stays in clear beside a finding."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec

import polars as pl
import pytest

from unseen.core.errors import MissingExtra
from unseen.deid.detect.finding import Entity
from unseen.deid.detect.lexicon import Lexicon
from unseen.deid.detect.numbers import Labelled, Ssn
from unseen.deid.detect.phone import Phone
from unseen.deid.detect.recogniser import Recogniser
from unseen.deid.detect.scan import scan

pytest.importorskip("faker", reason="wants the names of Faker")

GIVEN = (
    *(
        "Angel",
        "Bill",
        "Billy",
        "Chase",
        "Christian",
        "Dawn",
        "Don",
        "Drew",
        "Emily",
        "Faith",
        "Frank",
        "Gene",
        "Grace",
    ),
    *("Grant", "Guy", "Hope", "Hunter", "Jack", "Jesus", "John", "Joy", "Julian", "Mark", "Mike", "Penny", "Ray"),
    *("Roger", "Rose", "Sally", "Sean", "Sue", "Summer", "Tom", "Will"),
)
SURNAMES = (
    *("Smith", "Johnson", "Martinez", "Lopez", "Brown", "White", "Hall", "King", "Green", "Young"),
    *("Miller", "Long", "Day", "Best", "Little"),
)
FORMS = ("{} called.", "{}", 'He left. "{} came."', "We met {} there.", "It was sent to {} yesterday.", "{}'s file")


def left(text: str, found: Sequence[object]) -> str:
    """The letters and digits that no finding covers."""
    kept = list(text)
    for one in found:
        kept[one.start : one.end] = "\0" * (one.end - one.start)  # type: ignore[attr-defined]
    return "".join(letter for letter in kept if letter.isalnum())


@pytest.mark.parametrize("form", FORMS)
def test_a_given_name_that_is_a_word_is_found_with_its_surname(form: str) -> None:
    names = [f"{given} {surname}" for given in GIVEN for surname in SURNAMES]
    texts = [form.format(name) for name in names]
    whole = {
        one.row
        for one in scan(texts)
        if one.entity in (Entity.PERSON, Entity.LOCATION)  # John Day is a town too
        and one.start <= (begin := texts[one.row].index(names[one.row]))
        and one.end >= begin + len(names[one.row])
    }
    assert [names[row] for row in range(len(names)) if row not in whole] == []


def test_a_column_of_such_names_is_found_whole() -> None:
    cells = [f"{given} {surname}" for given in GIVEN for surname in SURNAMES]
    found = scan(pl.DataFrame({"x": cells}))
    assert {(one.row, one.start, one.end) for one in found} >= {(row, 0, len(cell)) for row, cell in enumerate(cells)}


@pytest.mark.parametrize(
    "text",
    ["Mark my words.", "Grant us peace.", "Will Monday do?", "Rose petals fell.", "Faith moves hills.", "May Day",
     "Summer sales start.", "Read the Page Layout chapter.", "PRESS THE STAR KEY"],
)  # fmt: skip
def test_a_word_that_could_be_a_given_name_is_none_without_a_surname(text: str) -> None:
    assert [one for one in scan(text) if one.entity is Entity.PERSON] == []


@pytest.mark.parametrize(
    "address",
    [
        "1987 74 Oak Street\n Suite 680\n Xyville\n Cyprus 36903", "12 Main Street, Xyville, 36903",
        "14 Crown Street Old Squares\n Suite 321\n London\n United Kingdom 75419", "8 Elm Street, Xyville, PA 36903",
        "8 Elm Street\nXyville\n, CO\n 70079", "0912 P.O. Box 287, Tallinn, Estonia", "Hauptstraße 7, 10115 Berlin",
        "psc 5420, box 2708\napo aa 33879", "15 Mill Lane, Xyopolis Cyprus",
        "605 hauptstrasse 21 apt. 999\nxyville, mp 35739",
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["{}", "Send it to {} instead.", "It is {}."])
def test_an_address_is_found_with_its_town_code_and_country(address: str, form: str) -> None:
    text = form.format(address)
    begin = text.index(address)
    inside = [one for one in scan(text) if one.start >= begin and one.end <= begin + len(address) + 1]
    assert left(text, inside) == left(form.format(""), [])


@pytest.mark.parametrize(
    ("text", "stays"),
    [
        ("She moved to 12 Main Street, Paris 2019 was good.", "was good"),
        ("He lives at 12 Main Street, Boston since June.", "since"),
        ("12 Main Street\nPhone and 55512 files", "55512 files"),
        ("In Germany 20000 people came", "20000 people"),
    ],
)
def test_a_text_that_goes_on_after_an_address_stays(text: str, stays: str) -> None:
    begin = text.index(stays)
    assert not [one for one in scan(text) if one.end > begin and one.start < begin + len(stays)]


def test_a_code_after_a_country_is_a_postal_code() -> None:
    text = "They live in Cyprus 36903."
    assert (13 + 7, 13 + 12, Entity.POSTAL_CODE) in {(one.start, one.end, one.entity) for one in scan(text)}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("#JohnSmith was here", ["JohnSmith"]),
        ("see John_Smith.pdf", ["John_Smith"]),
        ("name=John;surname=Smith", ["John", "Smith"]),
        ("first_name=Anna&x=1", ["Anna"]),
        ("JOHN SMITH called.", ["JOHN SMITH"]),
        ("MARK BROWN", ["MARK BROWN"]),
        ("SMITH is ill", ["SMITH"]),
        ("Report_Final.pdf has a PageBreak and MaxLength", []),
        ("color=Rose;mode=Frank", []),
        ("PRESS ANY KEY TO CONTINUE", []),
    ],
)
def test_names_in_tags_files_fields_and_capitals_are_found(text: str, names: list[str]) -> None:
    assert [text[one.start : one.end] for one in scan(text) if one.entity is Entity.PERSON] == names


class Absent:
    """A finder that knows nothing of one package."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name.split(".")[0] == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


@pytest.mark.parametrize(
    ("package", "recogniser", "text"),
    [
        ("phonenumbers", Phone(), "+44 20 7946 0958"),
        ("stdnum", Ssn(), "SSN 123-45-6789"),
        ("stdnum", Labelled(), "SSN 123456789"),
        ("stdnum", Labelled(), "CPF 111.444.777-35"),
    ],
)
def test_a_missing_package_names_the_extra(
    package: str, recogniser: Recogniser, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(package, monkeypatch)
    with pytest.raises(MissingExtra, match=r'pip install "unseen\[deid\]"'):
        list(recogniser.find(text))


@pytest.mark.parametrize("package", ["faker", "phonenumbers", "spellchecker"])
def test_a_missing_source_of_names_names_the_extra(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without(package, monkeypatch)
    with pytest.raises(MissingExtra, match=r'pip install "unseen\[deid\]"'):
        Lexicon.load(frozenset({"no such locale", package}))


def without(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Absent(package), *sys.meta_path])
