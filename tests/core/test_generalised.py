"""A cover says of each original value whether it may lie behind a released one."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unseen.core.generalised import Anything, Cover, Interval, Members, Prefix, itself

NUMBERS = st.floats(allow_nan=True, allow_infinity=True)


@given(st.lists(NUMBERS), NUMBERS.filter(math.isfinite), NUMBERS.filter(math.isfinite), st.booleans())
def test_an_interval_covers_what_lies_inside(values: list[float], low: float, high: float, closed: bool) -> None:
    found = Interval(low, high, closed).mask(np.array(values, dtype=float))
    assert found.tolist() == [low <= v and (v <= high if closed else v < high) for v in values]


@pytest.mark.parametrize("kind", ["O", "U"])
def test_an_interval_reads_numbers_in_texts_and_covers_no_other_text(kind: str) -> None:
    assert Interval(1, 3).mask(np.array(["1", "2.5", "3", "x", ""], dtype=kind)).tolist() == [
        True,
        True,
        False,
        False,
        False,
    ]


@given(st.integers(-(2**62), 2**62), st.integers(-2, 2))
def test_a_whole_number_covers_itself_alone_though_it_is_no_double(value: int, apart: int) -> None:
    for one in (value, np.int64(value)):
        for kind in (np.int64, np.str_, object):
            found = itself(one).mask(np.array([value + apart, value], dtype=kind))
            assert found.tolist() == [apart == 0, True]
    assert itself(value).to_dict() == {"interval": [value, value], "closed": True}


def test_what_stands_for_itself_is_a_number_or_a_text() -> None:
    assert itself(2.5) == Interval(2.5, 2.5, closed=True) == itself(np.float32(2.5)) and itself(True) == itself("True")
    assert itself(27).mask(np.array([27.0, 26.999])).tolist() == [True, False] and itself("027").mask(
        np.array(["027", "27"])
    ).tolist() == [True, False]


@given(st.lists(st.integers(-5, 5)), st.frozensets(st.integers(-5, 5)))
def test_members_cover_numbers_and_their_texts_alike(values: list[int], members: frozenset[int]) -> None:
    cover = Members(frozenset(map(str, members)))
    expected = [value in members for value in values]
    for kind in (np.int64, np.float64, np.str_, object):
        assert cover.mask(np.array(values, dtype=np.int64).astype(kind)).tolist() == expected


@given(st.lists(st.text("0123456789", max_size=5)), st.text("0123456789", max_size=3))
def test_a_prefix_covers_what_begins_so(values: list[str], start: str) -> None:
    assert Prefix(start).mask(np.array(values, dtype=object)).tolist() == [v.startswith(start) for v in values]


@given(st.lists(NUMBERS))
def test_anything_covers_all(values: list[float]) -> None:
    assert Anything().mask(np.array(values)).all() and len(Anything().mask(np.array(values))) == len(values)


@pytest.mark.parametrize("cover", [Anything(), Interval(0, 1), Members(frozenset({"b", "a"})), Prefix("12")])
def test_a_cover_is_json_ready(cover: Cover) -> None:
    assert json.loads(json.dumps(cover.to_dict(), allow_nan=False)) == cover.to_dict()
