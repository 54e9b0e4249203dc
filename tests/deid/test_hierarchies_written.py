"""Hierarchies in a TOML file are those that the constructors make."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unseen.core.errors import DataFault, InvalidRequest
from unseen.core.schema import Range
from unseen.deid import DateStep, Hierarchy
from unseen.deid.hierarchies.written import read_all, written

SAME: list[tuple[str, Hierarchy, list[Any]]] = [
    ("{ widths = [5, 10], low = 0, high = 99 }", Hierarchy.intervals(0, 99, [5, 10]), [3, 57]),
    ("{ widths = [5, 10] }", Hierarchy.intervals(0, 40, [5, 10]), [3, 37]),
    ("{ top = 90, low = 0, high = 120 }", Hierarchy.coded(0, 120, top=90), [3, 97]),
    ("{ bottom = 10, top = 30, widths = [5] }", Hierarchy.coded(0, 40, 10, 30, [5]), [3, 17, 39]),
    ("{ prefixes = 3 }", Hierarchy.prefixes(3), ["123", "199"]),
    ('{ flat = ["f", "m"] }', Hierarchy.flat(["f", "m"]), ["f", "m"]),
    ('{ taxonomy = { a = ["x"], b = ["x"] } }', Hierarchy.taxonomy({"a": ["x"], "b": ["x"]}), ["a", "b"]),
    ('{ dates = ["1990-01-01", "1999-12-31"] }', Hierarchy.dates("1990-01-01", "1999-12-31"), ["1993-04-05"]),
    (
        "{ dates = [1990-01-01, 1999-12-31], steps = ['year'] }",
        Hierarchy.dates("1990-01-01", "1999-12-31", [DateStep.YEAR]),
        ["1993-04-05"],
    ),
]


@pytest.mark.parametrize(("told", "same", "values"), SAME, ids=[told for told, *_ in SAME])
def test_an_entry_is_what_its_constructor_makes(told: str, same: Hierarchy, values: list[Any]) -> None:
    found = written(tomllib.loads(f"a = {told}")["a"], "a", Path, Range(0, 40))
    held = np.array(values, dtype=object if isinstance(values[0], str) else np.int64)
    assert found.levels == same.levels
    for level in range(same.levels):
        assert found.label(held, level).tolist() == same.label(held, level).tolist()
        assert found.loss(held, level).tolist() == same.loss(held, level).tolist()


def test_a_file_holds_all_columns_and_names_others_beside_it(tmp_path: Path) -> None:
    (tmp_path / "job.csv").write_text("nurse;care;*\ncook;food;*\n")
    (tmp_path / "h.toml").write_text('job = "job.csv"\nzip = { prefixes = 5 }\nother = { file = "job.csv" }\n')
    found = read_all(tmp_path / "h.toml")
    assert list(found) == ["job", "zip", "other"]
    assert found["job"].label(np.array(["cook"], dtype=object), 1).tolist() == ["food"]
    assert found["other"].levels == 3 and found["zip"].levels == 6


def test_a_comma_divides_a_file_without_semicolons(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("nurse,care,*\n,,\ncook,food,*\n")
    assert Hierarchy.read(tmp_path / "a.csv").levels == 3
    (tmp_path / "b.csv").write_text("1;[0, 5);*\n;;\n7;[5, 10);*\n")
    assert Hierarchy.read(tmp_path / "b.csv").label(np.array([7]), 1).tolist() == ["[5, 10)"]


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({}, "one of"),
        (7, "one of"),
        ({"widths": [5]}, "both ends"),
        ({"widths": [5], "low": 0}, "both ends"),
        ({"prefixes": 5, "low": 0}, "one of"),
        ({"prefixes": 5, "flat": ["a"]}, "one of"),
        ({"dates": ["1990-01-01"]}, "first and the last"),
        ({"dates": ["1990-01-01", "1991-01-01"], "steps": ["week"]}, "month"),
    ],
    ids=str,
)
def test_what_is_no_hierarchy_is_told(told: Any, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        written(told, "a", Path)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    for name, text in (("no.toml", None), ("bad.toml", "a = [")):
        if text is not None:
            (tmp_path / name).write_text(text)
        with pytest.raises(DataFault, match=name):
            read_all(tmp_path / name)
