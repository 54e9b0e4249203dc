"""Labels read back from their form cover what the guards that write them say."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unseen.core.generalised import itself
from unseen.core.labels import labelled, read_label
from unseen.deid import Hierarchy

NUMBERS = np.arange(0, 121)
ZIPS = np.array([f"{n:05}" for n in range(0, 100_000, 487)], dtype=object)
DAYS = np.array([str(day) for day in np.arange("1948-11-20", "1972-02-03", 17, dtype="M8[D]")], dtype=object)
LADDERS: list[tuple[Hierarchy, Any]] = [
    (Hierarchy.intervals(0, 120, [5, 10, 40]), NUMBERS),
    (Hierarchy.intervals(-3, 3, [0.5, 1.5]), np.linspace(-3, 3, 61)),
    (Hierarchy.coded(0, 120, 10, 90, [20]), NUMBERS),
    (Hierarchy.prefixes(5), ZIPS),
    (Hierarchy.dates("1940-01-01", "1979-12-31"), DAYS),
]


@pytest.mark.parametrize(("hierarchy", "values"), LADDERS)
def test_each_label_of_each_level_covers_what_its_hierarchy_says(hierarchy: Hierarchy, values: Any) -> None:
    for level in range(1, hierarchy.levels):
        labels = dict.fromkeys(hierarchy.label(values, level).tolist())
        read = labelled(labels)
        for label, cover in hierarchy.covers(level, labels).items():
            expected = cover.mask(values)
            found = read[label].mask(values) if label in read else itself(label).mask(values)
            assert (found >= expected).all(), label
            if label != "*" and isinstance(values[0], str):
                assert (found == expected).all(), label


@given(st.text(max_size=12))
def test_any_text_is_read_and_covers_itself(text: str) -> None:
    for label, cover in labelled([text]).items():
        assert label == text and (cover.mask(np.array([text], dtype=object)).all() or "\x00" in text)


@pytest.mark.parametrize(
    ("label", "inside", "outside"),
    [
        ("20-29", [20, 29], [19, 30]),
        ("(20, 30]", [20.5, 30], [20, 31]),
        (">20", [20.5, 99], [20]),
        ("90+", [90, 121.5], [89]),
        (">=90", [90], [89.9]),
        ("<20", [-7, 19.9], [20]),
        ("[20, 30]", [20, 30], [31]),
        ("[20, 30[", [20, 29], [30]),
        ("{a, b}", ["a", "b"], ["c", "a, b"]),
        ("1957", ["1957-03-14", "1957"], ["1958-01-01", "1956"]),
        ("1957-Q1", ["1957-03-31"], ["1957-04-01"]),
        ("1957-02", ["1957-02-28"], ["1957-03-01"]),
        ("1950s", ["1959-12-31"], ["1960-01-01"]),
        ("{1957-Q4, 1958, 1959-01}", ["1957-10-01", "1958-07-08", "1959-01-31"], ["1957-09-30", "1959-02-01"]),
        ("{1910s … 1957-Q1}", ["1910-01-01", "1957-03-31"], ["1957-04-01"]),
        ("{1957-03-05 … 1957-03-09: 4}", ["1957-03-07"], ["1957-03-04", "1957-03-10"]),
        ("{[20, 30), [40, 50], 7}", [20, 29.5, 50, 7], [30, 35, 51]),
        ("{59 … 67: 9}", [59, 63, 67], [58, 68]),
        ("{02***, 031**}", ["02138", "03100", "02***"], ["03200"]),
    ],
)
def test_a_label_covers_what_one_would_read_in_it(label: str, inside: list[Any], outside: list[Any]) -> None:
    cover = labelled([label])[label]
    for values, expected in ((inside, True), (outside, False)):
        for value in values:
            assert cover.mask(np.array([value], dtype=object)).tolist() == [expected], value


@pytest.mark.parametrize(
    "label", ["school", "Married", "", "a b", "[x, y)", "1957-13x", "N/A", "-", "2" * 5_000 + "-29"]
)
def test_a_name_has_no_form(label: str) -> None:
    assert read_label(label) is None
