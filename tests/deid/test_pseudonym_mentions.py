"""Mentions in texts: whose they are, what decides where they overlap, and that shared pseudonyms are told."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unseen.core.errors import DataFault, InvalidRequest, MissingExtra
from unseen.deid import Hierarchy
from unseen.deid.pseudonym import (
    DateShift,
    Encrypt,
    FormatPreserving,
    FreeText,
    GeneralizeTo,
    Keep,
    Key,
    Mask,
    Policy,
    Pseudonymize,
    Redact,
    Surrogate,
    Token,
    Truncate,
)
from unseen.deid.pseudonym.operation import Operation, Replacing, Scope
from unseen.deid.pseudonym.surrogate import check_locale

KEY = Key(bytes(range(32)))
SCOPE = Scope(KEY, "study", "en_US")


@dataclass(frozen=True)
class Found:
    entity: str
    start: int
    end: int


def find(texts: Sequence[str]) -> list[list[Found]]:
    form = r"(Frau |Dr\. )?(Anna|A\.|Otto)( M\.| Maria)? Schmidt|(Frau )?Schmidt|Anna|Kim Lee|first\d+ last\d+"
    return [[Found("PERSON", *match.span()) for match in re.finditer(form, text)] for text in texts]


# --- Overlaps -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weak", [Keep(), Truncate(30), Mask(keep_last=30), GeneralizeTo(Hierarchy.prefixes(99), 0)])
@pytest.mark.parametrize("strict", [Token(), Redact(), Encrypt(), Surrogate("person")])
@pytest.mark.parametrize(("start", "end"), [(0, 32), (4, 32), (0, 10), (2, 9)])
def test_what_leaves_a_value_readable_never_decides_over_what_does_not(
    weak: Operation, strict: Operation, start: int, end: int
) -> None:
    text = "John Smith street of Springfield"
    policy = Policy("study", entities={"PERSON": strict, "LOCATION": weak})
    found = policy.apply(text, KEY, [Found("PERSON", 0, 10), Found("LOCATION", start, end)])
    alone = policy.apply(text[:10], KEY, [Found("PERSON", 0, 10)])
    assert found.startswith(alone) and "John" not in found and "Smith" not in found
    assert found[len(alone) :] in (text[10:], text[max(10, end) :])


def test_what_is_kept_joins_no_other_findings() -> None:
    policy = Policy("study", entities={"PERSON": Redact("[P]"), "LOCATION": Keep()})
    spans = [Found("PERSON", 0, 4), Found("LOCATION", 2, 12), Found("PERSON", 10, 14)]
    assert policy.apply("Anna at Bonn Otto", KEY, spans) == "[P] at Bo[P]tto"


# --- Signs --------------------------------------------------------------------------------------------------


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_a_mask_leaves_punctuation_and_spaces_alone(text: str) -> None:
    for sign, made in zip(text, Mask(sign="x").replace([text], SCOPE, "c")[0], strict=True):
        passes = not sign.isalnum() if ord(sign) < 128 else unicodedata.category(sign)[0] in "PZ"
        assert made == (sign if passes else "x")


@pytest.mark.parametrize("stray", ["कि"[1], "ⓐ", "①", "\u0301", "🙂", "\u200b"])
def test_a_sign_that_can_be_read_is_no_punctuation(stray: str) -> None:
    assert Mask().replace([f"a{stray}b"], SCOPE, "c") == ["***"]
    value = f"123456{stray}789"
    assert FormatPreserving("id").unfit([value], "c") == [True]
    with pytest.raises(DataFault, match="stay readable") as refused:
        FormatPreserving("id").replace([value], SCOPE, "c")
    assert stray not in str(refused.value)
    assert FormatPreserving("id").unfit(["+49 (30) 123-456"], "c") == [False]


# --- Whose name it is ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", [Token(), Surrogate()])
@pytest.mark.parametrize("own", ["Anna Schmidt", "Schmidt, Anna", "Anna M. Schmidt", "Anna\u200b Schm\u00adidt\ufeff"])
def test_all_mentions_that_may_be_the_rows_person_have_the_rows_pseudonym(operation: Operation, own: str) -> None:
    policy = Policy("study", {"name": operation, "note": FreeText()}, {"PERSON": operation})
    text = "Anna M. Schmidt came. A. Schmidt and Anna Schmidt and Dr. Anna Maria Schmidt. Frau Schmidt left. Anna."
    made = policy.apply(pa.table({"name": [own], "note": [text]}), KEY, findings=find)
    name, note = made["name"][0].as_py(), made["note"][0].as_py()
    given_name, family = name.split() if isinstance(operation, Surrogate) else (name, name)
    assert note == f"{name} came. {name} and {name} and {name}. {family} left. {given_name}."


def test_a_stranger_of_the_same_surname_stays_one() -> None:
    policy = Policy("study", {"name": Token(), "note": FreeText()}, {"PERSON": Token()})
    table = pa.table(
        {"name": ["Anna Schmidt", "Kim Lee"], "note": ["Otto Schmidt; Schmidt.", "Otto Schmidt; Schmidt."]}
    )
    made = policy.apply(table, KEY, findings=find)
    (anna, _), notes = made["name"].to_pylist(), made["note"].to_pylist()
    otto = notes[0].split(";")[0]
    assert otto != anna and notes[0] == f"{otto}; {anna}." and notes[1] == f"{otto}; {otto}."


@pytest.mark.parametrize("sign", ["\u200b", "\u00ad", "\u200e", "\ufeff", "\u2060"])
def test_a_sign_that_is_not_seen_makes_nobody_somebody_else(sign: str) -> None:
    for kind in ("person", "email", "organisation", "phone"):
        found = Token(kind).replace(["anna7bell", f"anna{sign}7bell", f"{sign}anna7bell{sign}"], SCOPE, "c")
        assert len(set(found)) == 1


# --- Collisions ---------------------------------------------------------------------------------------------


def test_pseudonyms_that_people_in_texts_share_are_counted_and_tokens_refused() -> None:
    names = [f"first{at} last{at}" for at in range(4000)]
    table = pa.table({"note": [" and ".join(names[at : at + 4]) for at in range(0, 4000, 4)]})
    policy = Policy("study", {"note": FreeText()}, {"PERSON": Surrogate()})
    release = Pseudonymize(policy, KEY, find=find).release(table)
    apart = 4000 - len({one for note in release.value["note"].to_pylist() for one in note.split(" and ")})
    assert release.proof.replaced.collisions_in_texts == {"PERSON": apart} and apart > 0
    for kind in ("PERSON", "PLACE"):
        policy = Policy("study", entities={kind: Same()})
        with pytest.raises(DataFault, match=f"tokens of {kind!r} would be shared"):
            policy.apply("first1 last1 first2 last2", KEY, [Found(kind, 0, 6), Found(kind, 13, 19)])


class Same(Token):
    """All values have one token."""

    def replace(self, values: Sequence[Any], scope: Scope, name: str) -> list[str]:
        return ["same"] * len(values)


# --- What else is refused, or left out ----------------------------------------------------------------------


def test_texts_and_names_that_are_no_unicode_are_told() -> None:
    frame = pd.DataFrame({"x": pd.Series(["\ud800private"], dtype=object)})
    for act in (
        lambda: Policy("study", {"x": Token()}).apply(frame, KEY),
        lambda: Policy("\ud800study", {"x": Token()}).apply(frame, KEY),
        lambda: KEY.check("\ud800"),
        lambda: Token("\ud800").replace(["x"], SCOPE, "c"),
    ):
        with pytest.raises(InvalidRequest, match="half a character") as refused:
            act()
        assert "private" not in str(refused.value)


def test_an_operation_that_does_nothing_to_a_value_is_refused_and_leaves_nothing_in_clear() -> None:
    """Shifting and reading need more than values; they have no `replace` that only raises."""
    assert not isinstance(DateShift(), Replacing) and not isinstance(FreeText(), Replacing)
    acts: list[Callable[[], Any]] = [
        lambda: Policy("study", {"x": Operation()}).apply(pa.table({"x": ["private"]}), KEY),
        lambda: Policy("study", entities={"PERSON": Operation()}).apply("private", KEY, [Found("PERSON", 0, 7)]),
    ]
    for act in acts:
        with pytest.raises(InvalidRequest, match="Operation"):
            act()


def test_a_released_table_has_no_names_of_axes_and_no_metadata_of_fields() -> None:
    frame = pd.DataFrame({"x": [1, 2]})
    frame.columns.name = "ward 7"
    policy = Policy("study", {"x": Keep()})
    assert Pseudonymize(policy, KEY).release(frame).value.columns.name is None and frame.columns.name == "ward 7"
    field = pa.field("x", pa.int64(), metadata={"from": "ward 7"})
    table = pa.Table.from_arrays([pa.array([1, 2])], schema=pa.schema([field], {"by": "ward 7"}))
    for made in (Pseudonymize(policy, KEY).release(table).value, policy.apply(table, KEY)):
        assert made.schema.field("x").metadata is None and made.schema.metadata is None and len(made) == 2


@pytest.mark.parametrize("module", ["faker", "faker.config", "faker.providers.person"])
def test_without_faker_the_install_command_is_told(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from unseen.deid.pseudonym import surrogate

    surrogate._generator.cache_clear()
    surrogate._vocabulary.cache_clear()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=r'pip install "unseen\[deid\]"'):
        check_locale("en_US")
        Surrogate("person").replace(["x"], SCOPE, "c")
