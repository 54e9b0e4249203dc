"""A request that cannot be honoured is one clear line before anything is charged; odd data are no such thing."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import unseen as un
from unseen.core.errors import BudgetExceeded, InvalidRequest
from unseen.query import Count, Histogram, Mean, Sum

COLUMNS = {"x": un.Range(0, 10), "g": un.Categorical("a", "b"), "z": un.Digits(5)}
FRAME = pd.DataFrame({"id": [1, 2, 3], "x": [1.0, 2.0, 3.0], "g": ["a", "b", "a"], "z": ["1", "2", "3"]})


@pytest.fixture
def data(tmp_path: Path) -> Any:
    return un.protect(FRAME, unit="id", columns=COLUMNS, budget=un.DP(3, 1e-6), ledger=tmp_path / "a.ledger")


REQUESTS: list[Callable[[Any], Any]] = [
    *(
        lambda d, e=epsilon: d.count(epsilon=e)
        for epsilon in (0, -1, math.nan, math.inf, "1", None, True, 10**400, 1e-300, 1e-17)
    ),
    lambda d: d.count(epsilon=np.array([1.0, 2.0])),
    lambda d: d.count(epsilon=1, by="height"),
    lambda d: d.count(epsilon=1, by="x"),
    lambda d: d.count(epsilon=1, by="z"),
    lambda d: d.count(epsilon=1, by="id"),
    lambda d: d.count(epsilon=1, by=3),
    lambda d: d.count(epsilon=1, by=["g"]),
    lambda d: d.count(epsilon=1, by=""),
    lambda d: d.mean("height", epsilon=1),
    lambda d: d.mean("g", epsilon=1),
    lambda d: d.mean("z", epsilon=1),
    lambda d: d.mean("id", epsilon=1),
    lambda d: d.mean(None, epsilon=1),
    lambda d: d.mean(["x"], epsilon=1),
    lambda d: d.sum("X", epsilon=1),
    lambda d: d.sum('x"; DROP TABLE rows', epsilon=1),
    lambda d: d.histogram("x", epsilon=1),
    lambda d: d.histogram("z", epsilon=1),
    lambda d: d.histogram("g", epsilon=1, edges=3),
    *(
        lambda d, e=edges: d.histogram("x", epsilon=1, edges=e)
        for edges in (0, -1, 10_001, 10**400, True, 1.5, "10", [], [0], [0, 5], [5, 10], [10, 0], [0, 0, 10])
    ),
    *(
        lambda d, e=edges: d.histogram("x", epsilon=1, edges=e)
        for edges in ([0, math.nan, 10], [0, math.inf], ["0", 10])
    ),
    lambda d: d.histogram("x", epsilon=1, edges=[0, 1 + 1e-9, 1 + 2e-9, 1 + 3e-9, 10]),
    lambda d: Count(1, seed=-1).release(d),
    lambda d: Count(1, seed=0.5).release(d),  # type: ignore[arg-type]
    lambda d: Count(1).release(None),
    lambda d: Mean("x", 1).release(FRAME),
    lambda d: Mean("x", 1).replay(d, 10),
]


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_bad_request_is_one_clear_line_before_anything_is_charged(data: Any, request_: Callable[[Any], Any]) -> None:
    with pytest.raises(InvalidRequest) as told:
        request_(data)
    assert "\n" not in str(told.value) and told.value.asked and told.value.allowed
    assert data.ledger.verify() == 0


def test_an_epsilon_that_is_not_left_is_refused_and_not_charged(data: Any) -> None:
    data.count(epsilon=2)
    with pytest.raises(BudgetExceeded, match=r"ε 1, .* of ε 3"):
        data.count(epsilon=1.5)
    assert data.ledger.spent[0] == 2


ODD = {
    "no rows": FRAME.iloc[:0],
    "one row": FRAME.iloc[:1],
    "NaN": FRAME.assign(x=[math.nan, 2, math.nan]),
    "infinities": FRAME.assign(x=[math.inf, -math.inf, 1e308]),
    "out of domain": FRAME.assign(x=[-5.0, 99.0, 3.0], g=["q", "r", "s"]),
    "all missing": FRAME.assign(x=[math.nan] * 3, g=[None] * 3, z=[None] * 3),
    "duplicates": pd.concat([FRAME] * 5),
    "no unit": FRAME.assign(id=[None] * 3),
}


@pytest.mark.parametrize("frame", ODD.values(), ids=ODD.keys())
def test_odd_data_give_a_normal_charged_release(tmp_path: Path, frame: pd.DataFrame) -> None:
    data = un.protect(frame, unit="id", columns=COLUMNS, budget=un.DP(3), ledger=tmp_path / "a.ledger")
    for guard in (
        Count(0.25),
        Count(0.25, by="g"),
        Sum("x", 0.25),
        Sum("x", 0.25, by="g"),
        Mean("x", 0.25),
        Mean("x", 0.25, by="g"),
        Histogram("x", 0.25, edges=4),
        Histogram("g", 0.25),
    ):
        release = guard.release(data)
        assert release.receipt is not None and release.receipt.epsilon == 0.25
        assert release.interval is not None and str(release) and release.to_dict()
    assert data.ledger.spent == (2, 0)


def test_a_guard_without_a_ledger_works_and_says_that_nothing_was_charged() -> None:
    release = Count(1).release(FRAME)
    assert release.receipt is None and "not charged" in str(release)
    assert isinstance(release.guarantee, un.DP) and release.guarantee.unit == "row"


def test_many_bins_and_many_groups_are_answered_at_once() -> None:
    frame = pd.DataFrame({"x": np.arange(100.0), "g": np.arange(100) % 40})
    columns = {"x": un.Range(0, 100), "g": un.Categorical(*range(40))}
    data = un.protect(frame, unit=un.EachRow(), columns=columns)
    assert len(data.histogram("x", epsilon=1, edges=1000).value) == 1000
    assert len(data.mean("x", epsilon=1, by="g").value) == 40
