"""Exact sums are what pandas says they are, and no unit moves them by more than the noise is made for."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import unseen as un
from unseen.query import Count, Histogram, Mean, Sum
from unseen.query.bounding import group_sums
from unseen.query.mechanism import grid
from unseen.query.statistic import Statistic

GROUPS = ("a", "b", "it's")
SALT = b"fixed for the tests"
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.integers(0, 4),
            "x": st.one_of(st.none(), st.floats(width=64), st.floats(-100, 100)),
            "g": st.sampled_from([*GROUPS, "z", None]),
        }
    ),
    max_size=15,
)
KINDS = pa.schema([("id", pa.int64()), ("x", pa.float64()), ("g", pa.string())])


@st.composite
def ranges(draw: st.DrawFn) -> un.Range:
    scale = draw(st.sampled_from([1e-300, 1e-9, 1.0, 110.0, 1e9, 1e250]))
    low = draw(st.floats(-1, 1)) * scale
    width = draw(st.floats(1e-3, 2)) * scale
    assume(low + width > low)
    try:
        domain = un.Range(low, low + width)
    except un.UnseenError:
        assume(False)
        raise
    return un.Range(low, low + width, missing=draw(st.floats(domain.low, domain.high)))


def dataset(rows: list[dict[str, Any]], domain: un.Range, unit: Any = "id", most: int = 1) -> un.Dataset:
    columns = {"x": domain, "g": un.Categorical(*GROUPS)}
    return un.Dataset(
        pa.Table.from_pylist(rows, schema=KINDS), un.Schema(unit, columns, max_rows_per_unit=most), salt=SALT
    )


def statistics() -> list[Statistic]:
    return [
        made
        for by in (None, "g")
        for made in (
            Count(epsilon=1, by=by),
            Sum("x", epsilon=1, by=by),
            Mean("x", epsilon=1, by=by),
            Histogram("x", epsilon=1, edges=4, by=by),
            Histogram("g", epsilon=1, by=by),
        )
    ]


def exact(statistic: Statistic, data: un.Dataset) -> np.ndarray:
    return group_sums(data, statistic.query(data), statistic.by, statistic.keys(data))


def greatest_step(statistic: Statistic, data: un.Dataset, neighbour: un.Dataset) -> int:
    return sum(
        abs(int(a) - int(b))
        for a, b in zip(exact(statistic, data).ravel(), exact(statistic, neighbour).ravel(), strict=True)
    )


@given(ROWS, ranges(), st.integers(1, 3), st.integers(0, 4), st.booleans())
def test_no_unit_moves_a_statistic_by_more_than_its_sensitivity(
    rows: list[Any], domain: un.Range, most: int, gone: int, each: bool
) -> None:
    unit, most = (un.EachRow(), 1) if each else ("id", most)
    rest = rows[:gone] + rows[gone + 1 :] if each else [row for row in rows if row["id"] != gone]
    data, neighbour = dataset(rows, domain, unit, most), dataset(rest, domain, unit, most)
    for statistic in statistics():
        assert greatest_step(statistic, data, neighbour) <= statistic.mechanism(data).sensitivity


@pytest.mark.parametrize("statistic", statistics(), ids=lambda s: f"{type(s).__name__} {s.by}")
def test_a_sensitivity_is_reached_so_none_of_the_noise_is_waste(statistic: Statistic) -> None:
    rows = [{"id": i // 2, "x": -100.0, "g": "b"} for i in range(6)]
    domain = un.Range(-100, 50)
    step = greatest_step(statistic, dataset(rows, domain, most=2), dataset(rows[2:], domain, most=2))
    assert step == statistic.mechanism(dataset(rows, domain, most=2)).sensitivity


@given(st.integers(2**20, 2**21 - 1), st.integers(-40, 40), st.sampled_from([-1, 1]), st.booleans())
def test_a_bound_that_lies_between_two_grid_steps_is_rounded_alike_everywhere(
    steps: int, power: int, sign: int, below: bool
) -> None:
    """A half step rounded up in the table and down in the sensitivity would be one grid step of breach."""
    bound = (steps + 0.5) * 2.0**power
    bound = sign * (math.nextafter(bound, 0) if below else bound)
    domain = un.Range(min(bound, 0), max(bound, 0))
    data = dataset([{"id": 1, "x": 2 * bound, "g": "a"}], domain)
    for statistic in (Sum("x", epsilon=1), Mean("x", epsilon=1)):
        assert np.abs(exact(statistic, data)).sum() <= statistic.mechanism(data).sensitivity


@given(ROWS, ranges())
def test_exact_sums_are_what_pandas_says(rows: list[Any], domain: un.Range) -> None:
    data = dataset(rows, domain, un.EachRow())
    frame = pd.DataFrame(rows, columns=["id", "x", "g"]).astype({"x": float})
    frame["x"] = frame["x"].fillna(domain.missing).clip(domain.low, domain.high)
    frame["g"] = frame["g"].where(frame["g"].isin(GROUPS), GROUPS[0])
    counts = [int((frame["g"] == key).sum()) for key in GROUPS]
    assert exact(Count(epsilon=1), data).tolist() == [[len(frame)]]
    assert exact(Count(epsilon=1, by="g"), data).ravel().tolist() == counts
    assert exact(Histogram("g", epsilon=1), data).ravel().tolist() == counts
    edges = np.linspace(domain.low, domain.high, 5)
    if np.all(np.diff(edges) > 0):
        try:
            bins = exact(Histogram("x", epsilon=1, edges=4), data).ravel()
            assert bins.tolist() == np.histogram(frame["x"], edges)[0].tolist()
        except un.UnseenError:
            pass  # edges that print alike
    step = grid(max(abs(domain.low), abs(domain.high)))
    for key, found in zip(GROUPS, exact(Sum("x", epsilon=1, by="g"), data).ravel(), strict=True):
        values = frame["x"][frame["g"] == key]
        assert abs(found - math.fsum(values / step)) <= 0.5 * len(values) + 1e-3
    width = grid(domain.high - domain.low)
    above, below = exact(Mean("x", epsilon=1), data)[0]
    assert above + below == len(frame) * math.floor((domain.high - domain.low) / width + 0.5)
    assert abs(above - math.fsum((frame["x"] - domain.low) / width)) <= 0.5 * len(frame) + 1e-3


def test_bins_are_half_open_and_the_last_is_closed() -> None:
    data = un.protect(pd.DataFrame({"x": [0, 0.5, 1, 1.5, 2.0]}), unit=un.EachRow(), columns={"x": un.Range(0, 2)})
    found = data.histogram("x", epsilon=1e6, edges=[0, 1, 2])
    assert found.value == {"[0, 1)": 2, "[1, 2]": 3}


@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_unit_with_many_rows_counts_as_often_as_declared(most: int) -> None:
    frame = pd.DataFrame({"id": np.arange(30) // 3, "x": 1.0})
    data = un.protect(frame, unit="id", columns={"x": un.Range(0, 2)}, max_rows_per_unit=most)
    assert data.count(epsilon=1e6).value == 10 * most
    assert data.sum("x", epsilon=1e6).value == pytest.approx(10 * most, abs=1e-3)


def test_values_come_near_the_truth_where_much_is_paid() -> None:
    frame = pd.DataFrame({"x": np.linspace(18, 90, 500), "g": ["a", "b"] * 250})
    columns = {"x": un.Range(0, 110), "g": un.Categorical("a", "b", "c")}
    data = un.protect(frame, unit=un.EachRow(), columns=columns)
    assert data.mean("x", epsilon=1e6).value == pytest.approx(frame["x"].mean(), abs=1e-3)
    by = data.mean("x", epsilon=1e6, by="g").value
    assert by["a"] == pytest.approx(frame["x"][::2].mean(), abs=1e-3)
    assert list(by) == ["a", "b", "c"] and 0 <= by["c"] <= 110
    assert data.count(epsilon=1e6, by="g").value == {"a": 250, "b": 250, "c": 0}
