"""What Mondrian's labels and covers tell: regions and groups, and no value that fewer than k rows have."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import unseen as un
from unseen.core.errors import InvalidRequest
from unseen.core.generalised import Cover, Interval
from unseen.deid import DateStep, Hierarchy, Mondrian

FEW = settings(deadline=None, max_examples=25)
BIRTHS = Hierarchy.dates("1900-01-01", "2029-12-31")
DAYS = st.lists(st.integers(0, 400), min_size=4, max_size=60)


def day(at: int) -> str:
    return (date(1950, 1, 1) + timedelta(at)).isoformat()


def inside(label: Any, value: int) -> bool:
    """Whether a label of whole numbers holds one, by its text and exactly."""
    if not isinstance(label, str) or label.lstrip("-").isdigit():
        return int(label) == value
    if label == "*":
        return True
    if label[0] == "<":
        return value < int(label[1:])
    if label[0] == ">":
        return value >= int(label[2:])
    low, high = map(int, label[1:-1].split(", "))
    return low <= value < high or (label[-1] == "]" and value == high)


def check(release: Any, name: str, values: Sequence[Any], k: int) -> None:
    """k rows have each label, and its cover holds what each of them was."""
    told = release.value[name].to_list() if hasattr(release.value[name], "to_list") else list(release.value[name])
    assert min(Counter(told).values()) >= k
    assert set(told) == set(release.covers[name])
    for label, origin in zip(told, release.proof.origin.tolist(), strict=True):
        assert release.covers[name][label].mask(np.array([values[origin]])).all()


# --- Numbers -----------------------------------------------------------------------------------------


def test_ids_beyond_the_doubles_are_not_released_raw() -> None:
    ids = 2**60 + np.arange(20)
    release = Mondrian(5, ["id"]).release(pd.DataFrame({"id": ids}))
    check(release, "id", ids.tolist(), 5)
    assert release.value["id"].nunique() == 4
    assert all(inside(label, ids[row]) for label, row in zip(release.value["id"], release.proof.origin, strict=True))


@FEW
@given(
    start=st.sampled_from([-(2**63), -(2**53) - 4, -3, 2**53 - 4, 2**60, 2**63 - 30, 2**63 - 3, 2**64 - 20]),
    steps=st.lists(st.sampled_from([0, 0, 1, 2, 9]), min_size=3, max_size=20).filter(lambda steps: sum(steps) < 20),
    k=st.integers(2, 3),
)
def test_each_label_of_a_whole_number_holds_it_exactly(start: int, steps: list[int], k: int) -> None:
    values = [start + step for step in np.cumsum(steps).tolist()]
    kind = np.int64 if max(values) < 2**63 and start < 2**63 - 3 else np.uint64
    table = pd.DataFrame({"x": np.array(values, dtype=kind)})
    release = Mondrian(k, ["x"]).release(table)
    check(release, "x", values, k)
    assert all(inside(label, values[row]) for label, row in zip(release.value["x"], release.proof.origin, strict=True))
    if release.value["x"].dtype == kind:  # nothing is vaguer
        assert release.value["x"].tolist() == [values[row] for row in release.proof.origin]


def test_decimals_are_regions_and_not_lists() -> None:
    pay = [Decimal(1000 * at + 7) for at in range(40)]
    release = Mondrian(5, ["pay"]).release(pa.table({"pay": pa.array(pay, pa.decimal128(38, 0))}))
    told = json.dumps(release.to_dict()["covers"]) + str(sorted(release.covers["pay"]))
    assert not any(str(one) in told for one in pay)


def test_what_is_no_number_needs_a_hierarchy() -> None:
    from unseen.deid.mondrian.columns import axis

    with pytest.raises(InvalidRequest, match="'pay' are no numbers"):
        axis("pay", np.array(["1000", "2000"], dtype=object), np.array([0, 1]), 2)


def test_what_counts_as_one_is_told_as_one() -> None:
    zeros = Mondrian(4, ["x"]).release(pl.DataFrame({"x": [0.0, -0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]}))
    assert not np.signbit(zeros.value["x"].to_numpy()).any()
    for alike in ([1, 1.0], [Decimal("1.0"), Decimal("1.00")]):
        table = pd.DataFrame({"x": pd.Series(alike * 2, dtype=object)})
        mixed = Mondrian(4, ["x"], hierarchies={"x": Hierarchy.flat([1, 2])}).release(table)
        assert mixed.value["x"].map(repr).nunique() == 1
    stamps = pd.DataFrame({"b": pd.to_datetime(["1950-01-01"] * 4)})
    release = Mondrian(2, ["b"], hierarchies={"b": BIRTHS}).release(stamps)
    assert set(release.value["b"]) == set(release.covers["b"])


@FEW
@given(
    ages=st.lists(st.integers(0, 120), min_size=4, max_size=60),
    k=st.integers(2, 3),
    declared=st.booleans(),
    broken=st.booleans(),
)
def test_a_coded_tail_is_never_parted(ages: list[int], k: int, declared: bool, broken: bool) -> None:
    values: list[float] = [age + 0.5 * (broken and 0 < age < 120) for age in ages]
    data: Any = pd.DataFrame({"age": values})
    if declared:
        data = un.protect(data, unit=un.EachRow(), columns={"age": un.Range(0, 120)}, quasi_identifiers=["age"])
    coded = Hierarchy.coded(0, 120, bottom=18, top=90, widths=[12])
    release = Mondrian(k, ["age"], hierarchies={"age": coded}).release(data)
    check(release, "age", values, k)
    for cover in release.covers["age"].values():
        for tail in (np.array([0.0, 5, 17, 17.99]), np.array([90.0, 91, 120])):
            assert cover.mask(tail).all() or not cover.mask(tail).any()


def test_a_coded_tail_has_the_label_of_its_hierarchy() -> None:
    table = pd.DataFrame({"age": [20] * 5 + [30] * 5 + [91] * 6})
    release = Mondrian(5, ["age"], hierarchies={"age": Hierarchy.coded(0, 120, top=90)}).release(table)
    assert Counter(release.value["age"]) == {"20": 5, "30": 5, "90+": 6}
    assert release.covers["age"]["90+"] == Interval(90, 120, closed=True)
    assert release.proof.score > 0


# --- Texts -------------------------------------------------------------------------------------------


def test_no_birth_date_is_told_and_the_regions_leave_no_gap() -> None:
    days = np.random.default_rng(3).choice(20_000, 60, replace=False).tolist()
    births = [day(at) for at in days]
    release = Mondrian(5, ["b"], hierarchies={"b": BIRTHS}).release(pd.DataFrame({"b": births}))
    check(release, "b", births, 5)
    assert len(release.covers["b"]) > 4
    every = np.array([day(at) for at in range(-18_262, 29_220)])
    assert every[0] == "1900-01-01" and every[-1] == "2029-12-31"
    assert (sum(cover.mask(every).astype(int) for cover in release.covers["b"].values()) == 1).all()
    assert not any(birth in label for birth in births for label in release.value["b"])


def named(cover: Cover) -> set[str]:
    """The single values that a cover names."""
    parts = cover.to_dict().get("any of", [cover.to_dict()])
    return {value for part in parts for value in part.get("members", [])}


@FEW
@given(days=DAYS, k=st.integers(2, 4), steps=st.sampled_from([list(DateStep), [DateStep.YEAR], [DateStep.MONTH]]))
def test_a_date_is_told_only_if_k_rows_have_it(days: list[int], k: int, steps: list[DateStep]) -> None:
    births = [day(at // 3) for at in days]
    hierarchy = Hierarchy.dates("1949-07-04", "1951-02-03", steps)
    one = Mondrian(k, ["b"], hierarchies={"b": hierarchy}).release(pd.DataFrame({"b": births}))
    check(one, "b", births, k)
    for label, cover in one.covers["b"].items():
        assert all(births.count(value) >= k for value in named(cover))
        assert all(births.count(birth) >= k for birth in births if birth in label)


@FEW
@given(
    codes=st.lists(st.sampled_from([100, 101, 102, 110, 119, 240, 241, 999]), min_size=4, max_size=60), data=st.data()
)
def test_a_code_is_told_only_if_k_rows_have_it(codes: list[int], data: st.DataObject) -> None:
    k = data.draw(st.integers(2, 4))
    zips, other = [f"{code}" for code in codes], [str(code % 7) for code in codes]
    table = pd.DataFrame({"z": zips, "o": other})
    found = Mondrian(k, ["z", "o"], hierarchies={"z": Hierarchy.prefixes(3), "o": Hierarchy.prefixes(1)}).release(table)
    check(found, "z", zips, k)
    check(found, "o", other, k)
    assert found.value.groupby(["z", "o"]).size().min() >= k
    assert len(found.value.groupby(["z", "o"])) == found.proof.classes  # no two classes are told alike
    for name, column in (("z", zips), ("o", other)):
        for cover in found.covers[name].values():
            assert all(column.count(value) >= k for value in named(cover))


def test_a_listed_hierarchy_s_absent_values_lie_in_the_regions_too() -> None:
    levels = Hierarchy.taxonomy({f"{at}": ("low" if at < 5 else "high",) for at in range(1, 10)})
    table = pd.DataFrame({"v": ["2", "3", "7", "8"]})
    release = Mondrian(2, ["v"], hierarchies={"v": levels}).release(table)
    assert {label: sorted(named(cover)) for label, cover in release.covers["v"].items()} == {
        "low": list("1234"),
        "high": list("56789"),
    }
    flat = Mondrian(2, ["v"], hierarchies={"v": Hierarchy.flat(list("123456789"))}).release(table)
    assert sorted(value for cover in flat.covers["v"].values() for value in named(cover)) == list("123456789")


def test_an_empty_table_has_no_labels() -> None:
    for hierarchy in (BIRTHS, Hierarchy.prefixes(3), Hierarchy.flat(["a"])):
        table = pd.DataFrame({"x": pd.Series([], dtype="str")})
        assert Mondrian(2, ["x"], hierarchies={"x": hierarchy}).release(table).covers["x"] == {}


# --- The order of rows -------------------------------------------------------------------------------


@FEW
@given(data=st.data(), values=st.lists(st.integers(0, 6), min_size=4, max_size=30))
def test_the_order_of_covers_tells_nothing_of_the_order_of_rows(data: st.DataObject, values: list[int]) -> None:
    order = data.draw(st.permutations(range(len(values))))
    hierarchies = {"b": BIRTHS, "z": Hierarchy.prefixes(1), "t": Hierarchy.flat(list("6543210"))}
    table = pd.DataFrame({
        "x": [float(value) for value in values],
        "b": [day(value) for value in values],
        "z": [str(value) for value in values],
        "t": [str(value) for value in values],
    })  # fmt: skip
    one, other = (
        Mondrian(2, list(table), hierarchies=hierarchies).release(part) for part in (table, table.iloc[order])
    )
    assert json.dumps(one.to_dict()["covers"]) == json.dumps(other.to_dict()["covers"])
    assert math.isclose(one.proof.score, other.proof.score)
