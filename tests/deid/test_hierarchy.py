"""Hierarchies: nested, total over their domain, true about what a label covers, and refused where they are not."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import unseen as un
from unseen.core.errors import DataFault, InvalidRequest
from unseen.deid import Hierarchy


@st.composite
def ranges(draw: st.DrawFn) -> un.Range:
    low = draw(st.floats(-1e6, 1e6) | st.integers(-100, 100).map(float))
    return un.Range(low, low + draw(st.floats(1e-2, 1e6) | st.integers(1, 1000).map(float)))


def holds(hierarchy: Hierarchy, values: np.ndarray[Any, Any]) -> None:
    """Nested, losses from 0 to 1 that never fall, and each cover holds the values under it."""
    before: list[Any] = values.tolist()
    lost = np.zeros(len(values))
    for level in range(hierarchy.levels):
        labels = hierarchy.label(values, level).tolist()
        assert len(set(zip(before, labels, strict=True))) == len(set(before))
        loss = hierarchy.loss(values, level)
        assert (loss >= lost - 1e-12).all() and (loss <= 1 + 1e-12).all()
        covers = hierarchy.covers(level, labels)
        for label, value in zip(labels, values, strict=True):
            assert covers[label].mask(np.array([value])).all()
        before, lost = labels, loss
    assert set(before) == {"*"} and (lost == 1).all()


@given(ranges(), st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_a_declared_range_has_nested_intervals_that_cover_all_of_it(domain: un.Range, shares: list[float]) -> None:
    inside = [min(domain.high, domain.low + share * (domain.high - domain.low)) for share in shares]
    holds(Hierarchy.default(domain), np.array([domain.low, domain.high, *inside]))


@given(st.integers(1, 6), st.data())
def test_declared_digits_have_prefixes(length: int, data: st.DataObject) -> None:
    codes = data.draw(st.lists(st.text("0123456789", min_size=length, max_size=length), min_size=1, max_size=10))
    holds(Hierarchy.default(un.Digits(length)), np.array(codes, dtype=object))


def test_declared_categories_are_told_or_hidden() -> None:
    flat = Hierarchy.default(un.Categorical("no", "yes"))
    assert flat.levels == 2
    holds(flat, np.array(["no", "yes"], dtype=object))


def test_the_default_follows_from_the_declared_bounds() -> None:
    values = np.array([39.0, 110.0])
    age = Hierarchy.default(un.Range(0, 110))
    assert [age.label(values, level).tolist() for level in range(age.levels)] == [
        [39.0, 110.0],
        ["[35, 40)", "[105, 110]"],
        ["[30, 40)", "[100, 110]"],
        ["[20, 40)", "[100, 110]"],
        ["[0, 40)", "[80, 110]"],
        ["[0, 80)", "[80, 110]"],
        ["*", "*"],
    ]


def test_decimal_widths_have_decimal_edges() -> None:
    share = Hierarchy.intervals(0, 1, widths=[0.1, 0.2])
    assert share.label(np.array([0.3, 0.7]), 1).tolist() == ["[0.3, 0.4)", "[0.7, 0.8)"]


def test_a_file_of_arx_is_read(tmp_path: Path) -> None:
    file = tmp_path / "h.csv"
    file.write_text("1;0-4;0-9;*\n2;0-4;0-9;*\n7;5-9;0-9;*")
    read = Hierarchy.read(file)
    assert read.levels == 4
    assert read.label(np.array([1, 7]), 1).tolist() == ["0-4", "5-9"]
    assert read.loss(np.array([1, 7]), 1).tolist() == [0.5, 0.0]
    holds(read, np.array([1, 2, 7]))
    holds(read, np.array([1.0, 2.0, 7.0]))
    holds(read, np.array(["1", "2", "7"], dtype=object))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Hierarchy.intervals(10, 0, [1]), "low lies below high"),
        (lambda: Hierarchy.intervals(0, math.nan, [1]), "high"),
        (lambda: Hierarchy.intervals(0, 100, [5, 12]), "a multiple"),
        (lambda: Hierarchy.intervals(0, 100, [10, 5]), "a multiple"),
        (lambda: Hierarchy.intervals(0, 100, [5, 5]), "a multiple"),
        (lambda: Hierarchy.intervals(0, 100, [0]), "widths"),
        (lambda: Hierarchy.intervals(0, 100, [math.inf]), "widths"),
        (lambda: Hierarchy.intervals(0, 100, []), "increasing widths"),
        (lambda: Hierarchy.intervals(0, 100, [100]), "widths below 100"),
        (lambda: Hierarchy.intervals(0, 100, [1e-6]), "10,000"),
        (lambda: Hierarchy.prefixes(0), "prefixes length"),
        (lambda: Hierarchy.taxonomy({}), "empty"),
        (lambda: Hierarchy.taxonomy(["a"]), "a mapping"),  # type: ignore[arg-type]
        (lambda: Hierarchy.taxonomy({"a": "b"}), "a tuple of labels"),
        (lambda: Hierarchy.taxonomy({"a": ("x",), "b": ()}), "as many levels"),
        (lambda: Hierarchy.taxonomy({"a": ("x", "y"), "b": ("x", "z")}), "one parent for each label"),
        (lambda: Hierarchy.flat(["a", "a"]), "stands twice"),
        (lambda: Hierarchy.flat("ab"), "a list of values"),
        (lambda: Hierarchy.read("nowhere.csv"), "could not be read"),
    ],
)
def test_what_is_no_hierarchy_is_refused_in_one_line(make: Any, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_a_value_outside_has_no_label() -> None:
    with pytest.raises(DataFault):
        Hierarchy.intervals(0, 10, [5]).label(np.array([11]), 1)
    with pytest.raises(DataFault):
        Hierarchy.prefixes(3).label(np.array(["1234"], dtype=object), 1)
    with pytest.raises(InvalidRequest):
        Hierarchy.flat(["a"]).label(np.array(["a"], dtype=object), 2)
