"""The way back: a wrong key is told and never undoes to something wrong; what comes back is what went in."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from unseen.core.errors import DataFault, InvalidRequest
from unseen.deid.pseudonym import (
    Alike,
    DateShift,
    Encrypt,
    FormatPreserving,
    FreeText,
    Keep,
    Key,
    Policy,
    Pseudonymize,
    Token,
    reidentify,
)
from unseen.deid.pseudonym.operation import Operation

KEY, WRONG = Key(bytes(range(32))), Key(bytes(32))
BERLIN = ZoneInfo("Europe/Berlin")


@dataclass(frozen=True)
class Found:
    entity: str
    start: int
    end: int


def find(texts: Sequence[str]) -> list[list[Found]]:
    """Names, wherever they stand, also within a word."""
    return [[Found("PERSON", *match.span()) for match in re.finditer("Smith|Anna", text)] for text in texts]


def back(policy: Policy, table: pa.Table) -> pa.Table:
    released = Pseudonymize(policy, KEY, find=find, seed=1).release(table)
    return reidentify(released.value, policy, KEY, check=KEY.check(policy.project))


# --- A wrong key --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("person", [Keep(), FormatPreserving()])
def test_dates_are_not_undone_by_a_key_that_nothing_tells(person: Operation) -> None:
    policy = Policy("study", {"id": person, "d": DateShift(90)}, person="id")
    table = pa.table({"id": [f"70000{at}" for at in range(9)], "d": [date(2020, 3, at + 1) for at in range(9)]})
    release = Pseudonymize(policy, KEY).release(table)
    for key in (WRONG, KEY):
        with pytest.raises(InvalidRequest, match="a wrong key cannot be told"):
            reidentify(release.value, policy, key)
    with pytest.raises(InvalidRequest, match="another key"):
        reidentify(release.value, policy, WRONG, check=KEY.check("study"))
    found = reidentify(release, policy, KEY)
    assert sorted(zip(*found.to_pydict().values(), strict=True)) == sorted(
        zip(*table.to_pydict().values(), strict=True)
    )


def test_dates_of_people_who_do_not_come_back_need_no_check() -> None:
    policy = Policy("study", {"id": Token(), "d": DateShift(90)}, person="id")
    release = Pseudonymize(policy, KEY).release(pa.table({"id": ["a"], "d": [date(2020, 3, 1)]}))
    assert reidentify(release.value, policy, WRONG).equals(release.value)


def test_tokens_in_a_text_that_the_key_does_not_open_are_told() -> None:
    policy = Policy("study", {"note": FreeText()}, {"PERSON": Encrypt()})
    release = Pseudonymize(policy, KEY, find=find, seed=1).release(pa.table({"note": ["Anna met Smith.", "Nobody."]}))
    with pytest.raises(InvalidRequest, match="the key opens nothing in 'note'"):
        reidentify(release.value, policy, WRONG)
    first, second = sorted(release.value["note"].to_pylist(), key=len, reverse=True)
    changed = first.replace(first[20], "a" if first[20] != "a" else "b", 1)
    with pytest.raises(DataFault, match="1 of 2 tokens in 'note' were changed"):
        reidentify(pa.table({"note": [changed, second]}), policy, KEY)


# --- Encrypted values ---------------------------------------------------------------------------------------


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.text("abcz27s-", max_size=60), st.integers(1, 3)
)
def test_an_encrypted_mention_comes_back_whatever_follows_it(mention: str, following: str, times: int) -> None:
    policy = Policy("study", {"note": FreeText()}, {"PLACE": Encrypt()})
    text = f"x{(mention + following) * times}"
    size = len(mention) + len(following)
    found = [Found("PLACE", 1 + at * size, 1 + at * size + len(mention)) for at in range(times)]
    sealed = policy.apply(text, KEY, found)
    assert reidentify(pa.table({"note": [sealed]}), policy, KEY)["note"].to_pylist() == [text]


def test_values_come_back_with_what_the_docstring_says_of_their_types() -> None:
    columns = {
        "text": pa.array(["Anna", "-0.0", " x "]),
        "truth": pa.array([True, False, None]),
        "whole": pa.array([1, -2, None], pa.int64()),
        "large": pa.array([2**64 - 1, 1, None], pa.uint64()),
        "double": pa.array([-0.0, 15.0, 1e300]),
        "day": pa.array([date(2020, 1, 2)] * 3),
        "time": pa.array([datetime(2020, 1, 2, 3, 4, 5, 6)] * 3),
        "summer": pa.array([datetime(2020, 10, 25, 0, 30, tzinfo=UTC)] * 3, pa.timestamp("us", tz="Europe/Berlin")),
        "nano": pa.array([10**15] * 3, pa.timestamp("ns")),
        "zoned nano": pa.array([10**15] * 3, pa.timestamp("ns", tz="Europe/Berlin")),
        "small": pa.array([1, 2, 3], pa.int32()),
        "decimal": pa.array([Decimal("1.50"), Decimal("-2.25"), None], pa.decimal128(10, 2)),
    }
    table = pa.table(columns)
    made = Policy("study", dict.fromkeys(columns, Encrypt())).apply(table, KEY)
    found = reidentify(made, Policy("study", dict.fromkeys(columns, Encrypt())), KEY)
    narrowed = {"small": pa.int64(), "decimal": pa.decimal128(3, 2)}
    narrowed |= {"nano": pa.timestamp("us"), "zoned nano": pa.timestamp("us", tz="Europe/Berlin")}
    for name, column in columns.items():
        assert found[name].type == narrowed.get(name, column.type), name
        assert list(map(repr, found[name].to_pylist())) == list(map(repr, column.cast(found[name].type).to_pylist()))


def test_times_finer_than_microseconds_come_back_as_texts() -> None:
    table = pa.table({"x": pa.array([1, 1000], pa.timestamp("ns"))})
    policy = Policy("study", {"x": Encrypt()})
    assert reidentify(policy.apply(table, KEY), policy, KEY)["x"].to_pylist() == [
        "1970-01-01T00:00:00.000000001",
        "1970-01-01T00:00:00.000001",
    ]


@pytest.mark.parametrize("alike", [Alike.CODE, Alike.NAME, Alike.TEXT])
@pytest.mark.parametrize("values", [[-1.5, 15.0], [15, 16], [date(2020, 1, 1)]])
def test_values_that_are_no_texts_are_not_encrypted_as_alike(alike: Alike, values: list[Any]) -> None:
    with pytest.raises(DataFault, match="'x' holds values that are no texts"):
        Policy("study", {"x": Encrypt(alike=alike)}).apply(pa.table({"x": values}), KEY)


@pytest.mark.parametrize("values", [[-1.5, 15.0], [-15, 15], [Decimal("1.5")]])
def test_numbers_that_are_no_codes_are_not_compared_as_such(values: list[Any]) -> None:
    with pytest.raises(DataFault, match="sign or a point"):
        Policy("study", {"phone": Token()}).apply(pa.table({"phone": values}), KEY)
    whole = pa.table({"phone": [5550109999.0, None]})
    text = pa.table({"phone": ["555-010-9999", None]})
    policy = Policy("study", {"phone": Token()})
    assert policy.apply(whole, KEY).equals(policy.apply(text, KEY))


# --- Dates --------------------------------------------------------------------------------------------------


def people_until_a_day_moves(days: int) -> dict[int, str]:
    """Somebody for each shift."""
    policy = Policy("study", {"when": DateShift(days)}, person="id")
    names = [f"p{at}" for at in range(40 * days)]
    shifts = DateShift(days).shifts(names, policy.scope(KEY)).tolist()
    return dict(zip(shifts, names, strict=True))


SHIFTED = people_until_a_day_moves(30)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "UTC", "+05:30"])
@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_zoned_times_keep_their_time_of_day(zone: str, unit: str) -> None:
    policy = Policy("study", {"id": Keep(), "when": DateShift(30)}, person="id")
    local = [datetime(2020, month, 20, 0, 30) for month in (3, 6, 10)]
    pairs = list(product(SHIFTED, local))
    times = pc.assume_timezone(pa.array([time for _, time in pairs], pa.timestamp(unit)), zone)
    table = pa.table({"id": [SHIFTED[shift] for shift, _ in pairs], "when": times})
    moved = policy.apply(table, KEY)
    found = pc.local_timestamp(moved["when"]).cast(pa.timestamp("us")).to_pylist()
    assert found == [time + timedelta(days=shift) for shift, time in pairs] and moved["when"].type == times.type
    assert reidentify(moved, policy, KEY, KEY.check("study"))["when"].combine_chunks().equals(times)


def test_a_time_that_is_skipped_becomes_the_next_and_one_that_comes_twice_is_the_first() -> None:
    policy = Policy("study", {"id": Keep(), "when": DateShift(30)}, person="id")
    for start, expected in (
        (datetime(2020, 3, 28, 2, 30, tzinfo=BERLIN), datetime(2020, 3, 29, 1, 0, tzinfo=UTC)),
        (datetime(2020, 10, 24, 2, 30, tzinfo=BERLIN), datetime(2020, 10, 25, 0, 30, tzinfo=UTC)),
    ):
        table = pa.table({"id": [SHIFTED[1]], "when": pa.array([start], pa.timestamp("us", tz="Europe/Berlin"))})
        assert policy.apply(table, KEY)["when"][0].as_py().astimezone(UTC) == expected


WRITINGS = [
    "%Y-%m-%d",
    "%d.%m.%Y",
    "%B %d, %Y",
    "%d %b %Y",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
]


@given(
    st.datetimes(datetime(1950, 1, 1), datetime(2090, 1, 1)).map(lambda one: one.replace(microsecond=0)),
    st.sampled_from(WRITINGS),
    st.integers(-400, 400),
)
def test_a_written_date_comes_back_as_it_was(when: datetime, form: str, days: int) -> None:
    """As dates are usually written: with zeros, but none beside a month's name."""
    text = when.strftime(form)
    if "%B" in form or "%b" in form:
        text = re.sub(r"\b0(?=\d\b)", "", text)
    assume("%b" not in form or "May" not in text)  # which alone could be either
    later = DateShift().written(text, days)
    assert later is not None and datetime.strptime(later, form).date() == (when + timedelta(days=days)).date()
    if "%b" not in form or "May" not in later:
        assert DateShift().written(later, -days) == text
    beside = np.array([-days, 1])
    assert DateShift().moved_texts([later, datetime(2001, 8, 15).strftime(form)], beside, "when")[0] == text


@pytest.mark.parametrize(
    ("text", "days", "expected"),
    [
        ("2020-1-05 10:00:00", 3, "2020-1-08 10:00:00"),
        ("2020-1-5 9:07:03", 10, "2020-1-15 9:07:03"),
        ("May 15, 2020", -10, "May 5, 2020"),
        ("MAY 05,  2020 ", 30, "JUNE 04,  2020 "),
        ("15.12.2021", -10, "05.12.2021"),
        ("0900-01-05", 1, "0900-01-06"),
    ],
)
def test_a_moved_date_is_written_as_it_was(text: str, days: int, expected: str) -> None:
    assert DateShift().written(text, days) == expected


def test_dates_of_one_column_are_written_alike() -> None:
    """A zero that one date alone has would tell that its day had two digits."""
    policy = Policy("study", {"when": DateShift(30)}, person="id")
    for texts, zeros in ((["5.3.2021", "15.11.2021", "16.12.2021"], False), (["05.03.2021", "15.11.2021"], True)):
        for shift in (-12, -9, 9):
            table = pa.table({"id": [SHIFTED[shift]] * len(texts), "when": texts})
            for found in policy.apply(table, KEY)["when"].to_pylist():
                assert bool(re.search(r"\b0", found)) <= zeros and (
                    zeros or re.fullmatch(r"[1-9]\d?\.[1-9]\d?\.\d{4}", found)
                )
