"""A release of pseudonyms: one for each person in table and text, others in another project, undone by its key."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import logging
import pickle
import re
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import unseen as un
from unseen.core.errors import DataFault, InvalidRequest
from unseen.deid import Hierarchy
from unseen.deid.pseudonym import (
    DateShift,
    Drop,
    Encrypt,
    FormatPreserving,
    FreeText,
    GeneralizeTo,
    Keep,
    Key,
    Mask,
    Policy,
    Pseudonymize,
    Pseudonymous,
    Redact,
    Surrogate,
    Token,
    Truncate,
    reidentify,
)

SECRET = bytes(range(32))
KEY, WRONG = Key(SECRET), Key(bytes(32))
COLUMNS = {
    "id": Encrypt(),
    "name": Surrogate(),
    "mail": Token(),
    "card": FormatPreserving(luhn=True),
    "ssn": FormatPreserving(),
    "visit": DateShift(90),
    "age": GeneralizeTo(Hierarchy.intervals(0, 110, [5, 10]), 2),
    "zip": Truncate(3),
    "note": FreeText(),
    "room": Redact(),
    "phone": Mask(keep_last=2),
    "ward": Keep(),
    "secret": Drop(),
}
ENTITIES = {"PERSON": Surrogate(), "US_SSN": FormatPreserving(), "EMAIL_ADDRESS": Token(), "DATE": DateShift(90)}
POLICY = Policy("study", COLUMNS, ENTITIES, person="id")
PEOPLE = pd.DataFrame(
    {
        "id": [70001, 70002, 70003, 70004],
        "name": ["Ursula Brzezicki", "Okonkwo, Tobias", "URSULA  BRZEZICKI", None],
        "mail": ["ursula@brz.example", "tobi@oko.example", "Ursula@brz.example", None],
        "card": ["4111 1111 1111 1111", "5500-0000-0000-0004", "340000000000009", None],
        "ssn": ["856-45-6789", "987-65-4321", "856 45 6789", None],
        "visit": [date(2020, 3, 5), date(2020, 4, 5), date(2020, 5, 5), None],
        "age": [31.0, 42.0, 33.0, None],
        "zip": ["02139", "94107", "02138", None],
        "note": [
            "Dr. Ursula Brzezicki (SSN 856-45-6789, ursula@brz.example) came on 2020-03-05. Brzezicki, Ursula paid.",
            "Mr. Okonkwo met Ursula Brzezicki in Zanzibar; Tobias smiled.",
            "nothing was found here",
            None,
        ],
        "room": ["B-17", "C-18", "D-19", None],
        "phone": ["030 123456", "040 654321", "050 111222", None],
        "ward": ["north", "south", "north", None],
        "secret": ["a7-secret", "b8-secret", "c9-secret", None],
    },
    index=[901, 902, 903, 904],
)
WORDS = {
    "PERSON": r"(Dr\. |Mr\. )?(Ursula Brzezicki|Brzezicki, Ursula|Okonkwo|Tobias)",
    "US_SSN": r"\d{3}-\d\d-\d{4}",
    "EMAIL_ADDRESS": r"\w+@[\w.]+\w",
    "DATE": r"\d{4}-\d\d-\d\d",
    "LOCATION": "Zanzibar",
}


@dataclass(frozen=True)
class Found:
    entity: str
    start: int
    end: int
    row: int = 0
    column: str | None = None


def find(texts: Sequence[str]) -> list[list[Found]]:
    return [
        [Found(entity, *match.span()) for entity, form in WORDS.items() for match in re.finditer(form, text)]
        for text in texts
    ]


def private(frame: pd.DataFrame = PEOPLE) -> set[str]:
    """All values that a policy replaces, and the words of the names in them."""
    cells = frame.drop(columns=["ward", "note"]).to_numpy(dtype=object).ravel().tolist()
    return {*(str(cell) for cell in cells if not pd.isna(cell)), "Brzezicki", "Okonkwo", "Ursula", "Tobias", "Zanzibar"}


def pandas(value: Any) -> pd.DataFrame:
    if isinstance(value, pd.DataFrame):
        return value
    return value.to_pandas() if isinstance(value, pa.Table) else pd.DataFrame(value.to_dict(as_series=False))


KINDS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda frame: frame,
    "polars": pl.from_pandas,
    "pyarrow": pa.Table.from_pandas,
}


# --- One person, one pseudonym ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_person_has_one_pseudonym_in_table_and_text(kind: str) -> None:
    given_frame = KINDS[kind](PEOPLE)
    made = POLICY.apply(given_frame, KEY, findings=find)
    assert type(made) is type(given_frame)
    found = pandas(made)
    assert list(found.columns) == [name for name in COLUMNS if name != "secret"]
    ursula, tobias, same, nobody = found["name"]
    assert ursula == same and tobias != ursula and pd.isna(nobody)
    ssn, mail = found["ssn"][0], found["mail"][0]
    moved = (pd.Timestamp(found["visit"][0]) - pd.Timestamp(2020, 3, 5)) + pd.Timestamp(2020, 3, 5)
    assert found["note"][0] == f"{ursula} (SSN {ssn}, {mail}) came on {moved:%Y-%m-%d}. {ursula} paid."
    given_name, family = tobias.split()
    assert found["note"][1] == f"{family} met {ursula} in [LOCATION]; {given_name} smiled."
    assert found["mail"][0] == found["mail"][2] and re.sub(r"\D", "", found["ssn"][2]) == re.sub(r"\D", "", ssn)
    assert found["note"][2] == "nothing was found here"
    assert found.drop(columns="id").iloc[3].isna().all()


def test_the_same_text_alone_has_the_pseudonyms_of_the_table() -> None:
    texts = PEOPLE["note"].iloc[:2].tolist()
    table = POLICY.apply(PEOPLE, KEY, findings=find)["note"].tolist()
    alone = POLICY.apply(texts, KEY, find(texts), persons=[70001, 70002])
    assert alone[0] == table[0]
    assert POLICY.apply(texts[0], KEY, find(texts)[0], persons=["70001"]) == table[0]
    assert POLICY.apply([texts[1], None], KEY, [find(texts)[1], []], persons=[1, 2])[1] is None


def test_another_project_or_key_has_other_pseudonyms_for_everybody() -> None:
    made = POLICY.apply(PEOPLE, KEY, findings=find)
    for other in (
        replace(POLICY, project="another").apply(PEOPLE, KEY, findings=find),
        POLICY.apply(PEOPLE, WRONG, findings=find),
    ):
        for name in ("id", "name", "mail", "card", "ssn"):
            assert not set(made[name].dropna()) & set(other[name].dropna())


@given(st.lists(st.sampled_from(["Anna Bell", "BELL, Anna", "Otto Kern", "Kern,Otto", None]), max_size=12))
def test_writings_of_a_name_are_one_person_in_every_table(names: list[str | None]) -> None:
    policy = Policy("study", {"name": Surrogate(), "alias": Token(of="person")})
    found = policy.apply(pa.table({"name": pa.array(names, pa.string()), "alias": pa.array(names, pa.string())}), KEY)
    people = [None if name is None else "Bell" in name.title() for name in names]
    for column in ("name", "alias"):
        assert len(set(zip(people, found[column].to_pylist(), strict=True))) == len(set(people))


def test_names_in_two_columns_are_parts_of_the_one_that_a_text_has() -> None:
    policy = Policy(
        "study",
        {"given": Surrogate(), "family": Surrogate(), "note": FreeText()},
        {"PERSON": Surrogate()},
        names=("given", "family"),
    )
    frame = pd.DataFrame(
        {
            "given": ["Ursula", "Tobias", "ursula", None, None],
            "family": ["Brzezicki", "Okonkwo", "BRZEZICKI", "Okonkwo", None],
            "note": ["Ursula Brzezicki", "Dr. Ursula Brzezicki", "Mr. Okonkwo", "Mr. Okonkwo", "Okonkwo"],
        }
    )
    found = policy.apply(frame, KEY, findings=find)
    full = f"{found['given'][0]} {found['family'][0]}"
    assert full == f"{found['given'][2]} {found['family'][2]}" == found["note"][0] == found["note"][1]
    assert full == Policy("study", {"name": Surrogate()}).apply(PEOPLE[["name"]], KEY)["name"].iloc[0]
    assert pd.isna(found["given"][3]) and pd.isna(found["family"][4]) and not pd.isna(found["family"][3])


def test_findings_may_come_in_one_list_with_rows_and_columns() -> None:
    listed = [
        replace(one, row=row, column="note")
        for row, found in enumerate(find(PEOPLE["note"].fillna("").tolist()))
        for one in found
    ]
    elsewhere = [Found("PERSON", 0, 4, row=2, column="room")]
    expected = POLICY.apply(PEOPLE, KEY, findings=find)
    assert POLICY.apply(PEOPLE, KEY, findings=listed + elsewhere)["note"].equals(expected["note"])


def test_where_findings_overlap_nothing_of_what_they_cover_stays() -> None:
    text = "aa Anna Bell bb"
    policy = Policy("study", entities={"PERSON": Mask(), "LOCATION": Redact("[X]")})
    for spans in (
        [(3, 9, "PERSON"), (5, 12, "LOCATION")],
        [(3, 12, "LOCATION"), (3, 7, "PERSON")],
        [(9, 12, "PERSON"), (3, 10, "LOCATION")],
    ):
        found = policy.apply(text, KEY, [Found(entity, start, end) for start, end, entity in spans])
        assert found == "aa [X] bb"
    assert policy.apply("AnnaBell", KEY, [Found("PERSON", 0, 4), Found("LOCATION", 4, 8)]) == "****[X]"


def test_in_a_text_what_an_operation_does_not_fit_is_redacted_and_counted() -> None:
    policy = replace(POLICY, columns={"note": FreeText(), "id": Keep()})
    notes = ["SSN 12 on someday"]
    given_frame = pa.table({"id": [1], "note": notes})
    release = Pseudonymize(
        policy, KEY, find=lambda texts: [[Found("US_SSN", 4, 6), Found("DATE", 10, 17)] for _ in texts]
    ).release(given_frame)
    assert release.value["note"].to_pylist() == ["SSN [US_SSN] on [DATE]"]
    assert release.proof.replaced.redacted_instead == {"US_SSN": 1, "DATE": 1}


# --- The way back -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_key_brings_back_what_can_come_back_and_no_other_does(kind: str, tmp_path: Path) -> None:
    key = Key.create(tmp_path / "k")
    release = Pseudonymize(POLICY, key, find=find).release(KINDS[kind](PEOPLE))
    back = pandas(reidentify(release, POLICY, Key.open(tmp_path / "k"))).sort_values("id", ignore_index=True)
    assert back["id"].tolist() == PEOPLE["id"].tolist()
    for name in ("card", "ssn"):
        assert back[name].iloc[:3].tolist() == PEOPLE[name].iloc[:3].tolist()
    assert [pd.Timestamp(day).date() for day in back["visit"].iloc[:3]] == PEOPLE["visit"].iloc[:3].tolist()
    assert not set(back["name"].dropna()) & set(PEOPLE["name"].dropna())
    rotated = Key.rotate(tmp_path / "k")
    assert pandas(reidentify(release, POLICY, rotated)).sort_values("id", ignore_index=True).equals(back)
    for wrong, policy in ((WRONG, POLICY), (key, replace(POLICY, project="another"))):
        with pytest.raises(InvalidRequest, match="another key than the one"):
            reidentify(release, policy, wrong)


def test_a_wrong_key_is_told_for_a_bare_table_too() -> None:
    policy = Policy("study", {"ssn": FormatPreserving()})
    release = Pseudonymize(policy, KEY).release(PEOPLE[["ssn"]])
    check = release.guarantee.check  # type: ignore[attr-defined]
    with pytest.raises(InvalidRequest, match="a wrong key cannot be told"):
        reidentify(release.value, policy, KEY)
    with pytest.raises(InvalidRequest, match="another key"):
        reidentify(release.value, policy, WRONG, check=check)
    with pytest.raises(InvalidRequest, match="another key"):
        reidentify(release.value, policy.pinned(KEY), WRONG)
    for back in (reidentify(release.value, policy, KEY, check), reidentify(release.value, policy.pinned(KEY), KEY)):
        assert sorted(back["ssn"].dropna()) == sorted(PEOPLE["ssn"].dropna())
    sealed = Pseudonymize(POLICY, KEY, find=find).release(PEOPLE)
    with pytest.raises(InvalidRequest, match="the key opens nothing in 'id'"):
        reidentify(sealed.value, POLICY, WRONG)


def test_a_pinned_policy_makes_nothing_under_another_key() -> None:
    with pytest.raises(InvalidRequest, match="another key"):
        Pseudonymize(POLICY.pinned(KEY), WRONG, find=find)


def test_encrypted_mentions_in_texts_come_back() -> None:
    policy = Policy("study", {"note": FreeText()}, {"PERSON": Encrypt(), "US_SSN": Encrypt()})
    release = Pseudonymize(policy, KEY, find=find).release(PEOPLE[["note"]].iloc[:1])
    assert "Brzezicki" not in release.value["note"][0]
    back = reidentify(release, policy, KEY)["note"][0]
    assert "Dr. Ursula Brzezicki (SSN 856-45-6789, [EMAIL_ADDRESS])" in back


# --- Nothing else leaves --------------------------------------------------------------------------------------------


def test_no_value_and_no_key_is_in_anything_that_leaves(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    data = un.protect(
        PEOPLE.iloc[:3],
        unit="name",
        columns={"zip": un.Digits(5), "age": un.Range(0, 110)},
        budget=un.DP(1),
        ledger=tmp_path / "a.ledger",
    )
    policy = Policy("study", {"name": Token(), "zip": FormatPreserving("zip"), "age": Keep()})
    with pytest.raises(DataFault) as refused:  # a zip code is too short to be encrypted
        Pseudonymize(policy, KEY).release(data)
    guards = [
        (Pseudonymize(replace(policy, columns={**policy.columns, "zip": Token()}), KEY), data),
        (Pseudonymize(POLICY, KEY, find=find), PEOPLE),
    ]
    told = ["".join(traceback.format_exception(refused.value)), caplog.text]
    for guard, given_data in guards:
        release = guard.release(given_data)
        told += [json.dumps(release.to_dict(), default=str), release.save(tmp_path / "r.json").read_text()]
        told += [repr(release), str(release), release._repr_html_(), repr(guard.policy), repr(guard.__dict__)]
        told += [pickle.dumps(release).decode("latin-1"), str(release.guarantee), repr(guard.cost(given_data))]
        assert pickle.loads(pickle.dumps(release)).proof is None
    data.ledger.export(tmp_path / "export.jsonl")
    told += [(tmp_path / name).read_bytes().decode("latin-1") for name in ("a.ledger", "export.jsonl")]
    hidden = {value for value in private() if len(value) > 3} - {str(age) for age in PEOPLE["age"]}
    for text in told:
        assert not [value for value in hidden if value in text]
        assert not any(form in text for form in (SECRET.hex(), SECRET.decode("latin-1"), repr(SECRET)[2:-1]))
    assert KEY.check("study") in told[2] and "personal data" in told[2]


def test_a_value_that_is_kept_would_be_found() -> None:
    """The search above sees what it looks for."""
    policy = replace(POLICY, columns={**COLUMNS, "name": Keep(), "note": Drop()})
    release = Pseudonymize(policy, KEY).release(PEOPLE)
    assert any(value in json.dumps(release.to_dict(), default=str) for value in private())


def test_a_release_promises_nothing_names_its_key_and_is_recorded_uncharged(tmp_path: Path) -> None:
    data = un.protect(PEOPLE, unit="id", columns={"zip": un.Digits(5)}, budget=un.DP(1), ledger=tmp_path / "a.ledger")
    release = Pseudonymize(Policy("study", {"id": Token(), "zip": Truncate(3)}), KEY).release(data)
    assert isinstance(release.guarantee, un.Nothing) and isinstance(release.guarantee, Pseudonymous)
    assert release.guarantee.check == KEY.check("study") and release.receipt is not None
    assert release.receipt.epsilon == 0 and data.ledger.verify() == 1
    assert isinstance(release.value, pd.DataFrame) and release.value.shape == (4, 2)
    by_token = dict(zip(release.value["id"], release.value["zip"], strict=True))
    expected = Policy("study", {"id": Token()}).apply(PEOPLE[["id"]], KEY)["id"].tolist()
    assert [by_token[token] for token in expected] == ["021", "941", "021", "000"]


@pytest.mark.parametrize("kind", KINDS)
def test_rows_come_in_random_order_without_index_attributes_or_metadata(kind: str) -> None:
    frame = pd.DataFrame({"id": range(200), "ward": pd.Categorical(["north"] * 200, ["north", "unused ward"])})
    frame = frame.set_axis([f"row {at}" for at in range(200)])
    frame.attrs["from"] = "the hospital"
    guard = Pseudonymize(Policy("study", {"id": Keep(), "ward": Keep()}), KEY)
    first, second = (guard.release(KINDS[kind](frame)) for _ in range(2))
    found = pandas(first.value)
    assert sorted(found["id"]) == list(range(200)) and list(found["id"]) != list(range(200))
    assert list(found["id"]) != list(pandas(second.value)["id"]) and found["id"].tolist() == first.proof.origin.tolist()
    assert list(found.columns) == ["id", "ward"] and found.index.tolist() == list(range(200)) and found.attrs == {}
    assert "unused" not in repr(pickle.dumps(first.value)) and "row 17" not in repr(pickle.dumps(first.value))
    if isinstance(first.value, pa.Table):
        assert first.value.schema.metadata is None


def test_what_a_vaguer_value_covers_goes_along() -> None:
    """For `Linkage`: each covers the values that it stands for, and pseudonyms say nothing."""
    columns = {"zip": Truncate(3), "room": Redact(), "age": COLUMNS["age"], "mail": Token()}
    release = Pseudonymize(Policy("study", columns), KEY).release(PEOPLE[list(columns)])
    covers = release.covers
    assert covers is not None and set(covers) == {"zip", "room", "age"}
    given_rows = PEOPLE[list(columns)].iloc[release.proof.origin]
    for name in covers:
        for new, old in zip(release.value[name].dropna(), given_rows[name].dropna(), strict=True):
            assert covers[name][new].mask(np.array([old])).all()
    assert not covers["zip"]["021"].mask(np.array(["94107"])).any()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_timestamps_of_every_unit_and_zone_move_by_whole_days(unit: str, zone: str | None) -> None:
    times = pa.array([0, 86_400, None], pa.int64()).cast(pa.timestamp("s")).cast(pa.timestamp(unit, tz=zone))
    table = pa.table({"id": ["p", "p", "q"], "when": times})
    found = Policy("study", {"when": DateShift(50)}, person="id").apply(table, KEY)["when"]
    assert found.type == times.type and found[2].as_py() is None
    expected = DateShift(50).shifts(["p"], Policy("study").scope(KEY))[0]
    assert [(found[at].as_py() - times[at].as_py()).days for at in (0, 1)] == [expected] * 2 and expected


def test_a_seeded_release_says_so() -> None:
    guard = Pseudonymize(Policy("study", {"ward": Keep()}), KEY, seed=1)
    releases = [guard.release(PEOPLE[["ward"]]) for _ in range(2)]
    assert releases[0].value.equals(releases[1].value) and "seeded" in str(releases[0].guarantee)


# --- Odd tables -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [0, 1])
def test_empty_tables_single_rows_and_columns_without_values(kind: str, rows: int) -> None:
    columns = {name: one for name, one in COLUMNS.items() if not isinstance(one, Drop)}
    frame = pd.DataFrame({name: pd.Series([None] * rows, dtype="str") for name in columns})
    made = pandas(Pseudonymize(replace(POLICY, columns=columns), KEY, find=find).release(KINDS[kind](frame)).value)
    assert made.shape == (rows, len(columns)) and made.isna().all(axis=None)


def test_collisions_of_surrogates_are_counted_and_those_of_tokens_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    many = pa.table({"name": [f"first{at} last{at}" for at in range(6000)]})
    release = Pseudonymize(Policy("study", {"name": Surrogate()}), KEY).release(many)
    apart = 6000 - len(set(release.value["name"].to_pylist()))
    assert release.proof.replaced.collisions == {"name": apart} and 5 < apart < 60  # 6000² / 2 / 700,000 = 26
    monkeypatch.setattr(Token, "replace", lambda self, values, scope, name: ["same"] * len(values))
    with pytest.raises(DataFault, match="5,999 tokens of 'name' would be shared"):
        Pseudonymize(Policy("study", {"name": Token()}), KEY).release(many)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"x": ["private-7", 7]}), "one type"),
        (pd.DataFrame({"x": [["private-7"], ["b"]]}), "type list"),
        (pd.DataFrame({"x": [b"private-7", b"b"]}), "type bytes"),
        (pd.DataFrame({"x": pd.to_timedelta(["1 day"])}), "type"),
    ],
)
def test_mixed_and_unusable_types_are_refused_without_a_value(frame: pd.DataFrame, message: str) -> None:
    policy = Policy("study", {"x": Token()})
    for act in (lambda: policy.apply(frame, KEY), lambda: Pseudonymize(policy, KEY).release(frame)):
        with pytest.raises(DataFault, match=message) as refused:
            act()
        assert "private-7" not in "".join(traceback.format_exception(refused.value, chain=False))


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: Policy("", {}), "without a project"),
        (lambda: Policy("p", {"x": "token"}), "a name and an operation"),  # type: ignore[dict-item]
        (lambda: Policy("p", {"x": Token}), "a name and an operation"),  # type: ignore[dict-item]
        (lambda: Policy("p", {"x": DateShift()}), "without a person"),
        (lambda: Policy("p", {"x": DateShift(30)}, {"DATE": DateShift(60)}, person="id"), "one number"),
        (lambda: Policy("p", {"x": Surrogate()}), "surrogates of the kind 'x'"),
        (lambda: Policy("p", {"name": Surrogate()}, locale="tlh"), "locale='tlh'"),
        (lambda: Policy("p", {"name": Surrogate()}, names=("name", "other")), "names="),
        (lambda: Policy("p", others=Token()), "others="),
        (lambda: Policy("p", entities={"PERSON": Token(), "name": Keep()}), "each kind once"),
        (lambda: Policy("p", entities={"PERSON": FreeText()}), "free text"),
        (lambda: Policy("p", {"ward": Keep()}).apply(PEOPLE, KEY), "says nothing of 'id'"),
        (lambda: Policy("p", {"none": Keep()}, others=Drop()).apply(PEOPLE, KEY), "names 'none'"),
        (lambda: Policy("p", {"note": FreeText()}, others=Drop()).apply(PEOPLE, KEY), "without findings"),
        (lambda: Pseudonymize(Policy("p", {"note": FreeText()}), KEY).release(PEOPLE[["note"]]), "find="),
        (lambda: Pseudonymize(POLICY, "the key"), "a key of type str"),  # type: ignore[arg-type]
        (lambda: POLICY.apply(["text"], KEY), "without findings"),
        (lambda: POLICY.apply(["text"], KEY, [[], []]), "findings for 2 texts"),
        (lambda: POLICY.apply(["text"], KEY, [[Found("PERSON", 0, 5)]]), "from 0 to 5"),
        (lambda: POLICY.apply(["text"], KEY, [[Found("PERSON", 2, 2)]]), "from 2 to 2"),
        (lambda: POLICY.apply(["text"], KEY, [Found("PERSON", 0, 4, row=1)]), "do not fit"),
        (lambda: POLICY.apply(["2020-01-01"], KEY, [[Found("DATE", 0, 10)]]), "without persons"),
        (lambda: POLICY.apply(["a"], KEY, [[]], persons=[1, 2]), "persons that do not fit"),
        (lambda: POLICY.apply(PEOPLE, KEY, find, persons=[1]), "persons were given for a table"),
    ],
)
def test_a_request_that_cannot_be_honoured_is_refused(act: Callable[[], Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        act()


# --- As a file ------------------------------------------------------------------------------------------------------

FILE = """
[policy]
project = "study"
person = "id"
locale = "de_DE"
others = "drop"

[policy.columns]
id = "encrypt"
name = "surrogate"
mail = {operation = "token", of = "email", length = 20, prefix = "m-"}
card = {operation = "format", luhn = true}
visit = {operation = "shift", days = 30, formats = ["%d/%m/%Y"]}
age = {operation = "generalize", level = 1, low = 0, high = 110, widths = [10]}
job = {operation = "generalize", level = 1, file = "jobs.csv"}
zip = {operation = "truncate", length = 3}
note = "text"

[policy.entities]
PERSON = "surrogate"
PHONE_NUMBER = {operation = "mask", keep_last = 2}
"""


def test_a_policy_is_read_from_its_table(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(FILE)
    (tmp_path / "jobs.csv").write_text("nurse;health;*\nbaker;food;*\n")
    read = Policy.read(tmp_path / "policy.toml")
    generalized = {name: read.columns[name] for name in ("age", "job")}
    expected = Policy(
        "study",
        {
            "id": Encrypt(),
            "name": Surrogate(),
            "mail": Token("email", length=20, prefix="m-"),
            "card": FormatPreserving(luhn=True),
            "visit": DateShift(30, ("%d/%m/%Y",)),
            **generalized,
            "zip": Truncate(3),
            "note": FreeText(),
        },
        {"PERSON": Surrogate(), "PHONE_NUMBER": Mask(keep_last=2)},
        Drop(),
        "id",
        locale="de_DE",
    )
    assert read == expected
    job, age = generalized["job"], generalized["age"]
    assert isinstance(job, GeneralizeTo) and isinstance(age, GeneralizeTo)
    assert job.hierarchy.label(np.array(["nurse"], dtype=object), 1).tolist() == ["health"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('project = "study"', "", "no project"),
        ('person = "id"', 'perso = "id"', "'perso'"),
        ('"encrypt"', '"encypher"', "'encypher'"),
        ("length = 20", "lenght = 20", "'lenght'"),
        ('"truncate", length = 3', '"truncate"', "how many signs stay"),
        ("level = 1, file", "level = 7, file", "level=7"),
        ("widths = ", "prefixes = 3, widths = ", "one of"),
        ("others = ", "others = 3 #", "others"),
        ("[policy]", "[policy", "cannot be read"),
    ],
)
def test_a_file_with_a_mistake_is_refused(old: str, new: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text(FILE.replace(old, new, 1))
    (tmp_path / "jobs.csv").write_text("nurse;health;*\nbaker;food;*\n")
    with pytest.raises(InvalidRequest, match=message):
        Policy.read(tmp_path / "policy.toml")


def test_a_file_without_a_policy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="cannot be read"):
        Policy.read(tmp_path / "none.toml")
    (tmp_path / "other.toml").write_text("policy = 3")
    with pytest.raises(InvalidRequest, match="no table"):
        Policy.read(tmp_path / "other.toml")
