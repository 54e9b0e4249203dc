"""Whether a table is k-anonymous: units are counted, and values that look different are different."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections import Counter

import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import unseen as un
from unseen.core.errors import InvalidRequest
from unseen.deid import is_k_anonymous

CELLS = st.sampled_from([0.0, -0.0, 1.0, None])


@given(st.lists(st.tuples(CELLS, st.sampled_from("xy")), min_size=1, max_size=9), st.integers(1, 4))
def test_it_is_what_counting_what_one_sees_says(rows: list[tuple[float | None, str]], k: int) -> None:
    least = min(Counter((repr(one), other) for one, other in rows).values())
    for make in (pd.DataFrame, pl.DataFrame):
        frame = make({"a": [one for one, _ in rows], "b": [other for _, other in rows]})
        assert is_k_anonymous(frame, k, ["a", "b"]) == (least >= k)


def test_units_are_counted_of_a_protected_dataset() -> None:
    rows = pd.DataFrame({"person": ["a", "a", "b", "b"], "age": [1, 1, 1, 1]})
    data = un.protect(rows, unit="person", columns={"age": un.Range(0, 9)}, quasi_identifiers=["age"])
    assert is_k_anonymous(data, 2) and not is_k_anonymous(data, 3)
    assert is_k_anonymous(rows, 4, ["age"])


def test_missing_values_of_any_kind_count_as_equal() -> None:
    frame = pd.DataFrame({"a": pd.Series([None, float("nan"), pd.NA, 1, 1, 1], dtype=object)})
    assert is_k_anonymous(frame, 3, ["a"]) and not is_k_anonymous(frame, 4, ["a"])


def test_objects_of_two_types_are_two_values() -> None:
    frame = pd.DataFrame({"a": pd.Series([1, 1.0, 1, 1.0], dtype=object)})
    assert is_k_anonymous(frame, 2, ["a"]) and not is_k_anonymous(frame, 3, ["a"])


def test_any_column_s_name_will_do_and_a_missing_one_is_told() -> None:
    frame = pd.DataFrame({"rows of the class": [1, 1], "b": [[1], [1]]})
    assert is_k_anonymous(frame, 2, ["rows of the class", "b"])
    with pytest.raises(InvalidRequest, match="'c'"):
        is_k_anonymous(frame, 2, ["c"])
    with pytest.raises(InvalidRequest, match="without quasi-identifiers"):
        is_k_anonymous(frame, 2)
