"""A row's own name does not stay in its text, however ordinary its words are."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import unseen as un
from unseen.deid.pseudonym import Drop, Encrypt, FreeText, Keep, Mask, Redact, Surrogate, Token
from unseen.deid.pseudonym.own import own_mentions

NAMES = st.sampled_from(["Hope", "Park", "Mark", "Baker", "King", "Müller", "O'Neil", "Long-Day", "Wei", "Zoë"])
KEY = un.deid.Key(bytes(32))


@given(
    NAMES,
    NAMES,
    st.sampled_from(["{f} {l} called.", "{l}, {f} came", "Mrs {l}'s note", "Then {f} J. {l} left", "{F} {L}"]),
)
def test_no_part_of_the_own_name_stays(first: str, last: str, form: str) -> None:  # fmt: skip
    text = form.format(f=first, l=last, F=first.upper(), L=last.upper())
    policy = un.deid.Policy("study", {"name": Token(), "note": FreeText()}, {"PERSON": Token()}, others=Keep())
    table = pd.DataFrame({"name": [f"{first} {last}", "Ida Quist"], "note": [text, "nobody"]})
    left = un.deid.Pseudonymize(policy, KEY, find=lambda texts: []).release(table).value["note"].tolist()
    left.remove("nobody")
    for part in (first, last):
        if part in text or part.upper() in text:
            assert part.casefold() not in left[0].casefold()


def test_the_whole_name_has_the_pseudonym_of_its_column() -> None:
    table = pd.DataFrame({"name": ["Mark Baker", "Hope Park"], "note": ["Mark Baker came.", "Park, Hope called"]})
    entities = {"PERSON": Surrogate()}
    policy = un.deid.Policy("study", {"name": Surrogate(), "note": FreeText()}, entities)
    for name, note in un.deid.Pseudonymize(policy, KEY, find=un.deid.scan).release(table).value.values.tolist():
        assert note in (f"{name} came.", f"{name} called")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("spoke to quorra zyblinski today", "quorra zyblinski"),
        ("דיברתי עם דנה היום", "דנה לוי"),
        ("QUORRA came", "quorra z"),
        ("患者王伟今天来了", "王伟"),
        ("देवी शर्मा आई", "देवी शर्मा"),
        ("Anna_Schmidt.pdf", "anna schmidt"),
        ("saw von der Leyen", "ursula von der leyen"),
    ],
)
def test_a_name_is_found_without_capitals_and_in_scripts_that_have_none(text: str, name: str) -> None:
    assert len(own_mentions(text, [name])) == 1


@pytest.mark.parametrize("text", ["park and ride", "the hope of it", "Parker Hopes", "H. P.", ""])
def test_other_words_stay(text: str) -> None:
    assert own_mentions(text, ["hope park"]) == []


@pytest.mark.parametrize("operation", [Encrypt(), Encrypt(of="person"), Redact(), Drop(), Mask(), Token(), Surrogate()])
def test_the_own_name_goes_whatever_becomes_of_its_column(operation: Any) -> None:
    table = pd.DataFrame({"name": ["Hope Park", "Ida Quist"], "note": ["Park said so; Hope left", "nobody"]})
    policy = un.deid.Policy("study", {"name": operation, "note": FreeText()}, {"PERSON": Redact()})
    left = " ".join(un.deid.Pseudonymize(policy, KEY, find=lambda texts: []).release(table).value["note"])
    assert "Hope" not in left and "Park" not in left


def test_two_columns_of_names_are_looked_for() -> None:
    table = pd.DataFrame({"first_name": ["Hope"], "last_name": ["Park"], "note": ["Park said so; Hope left"]})
    columns = {"first_name": Token(), "last_name": Token(), "note": FreeText()}
    policy = un.deid.Policy("study", columns, {"PERSON": Redact()})
    left = un.deid.Pseudonymize(policy, KEY, find=lambda texts: []).release(table).value["note"][0]
    assert "Hope" not in left and "Park" not in left
