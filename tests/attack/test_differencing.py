"""Differencing recovers everybody's value from exact sums, and under DP no more than the claim allows."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import unseen as un
from unseen.attack import Differencing
from unseen.core.errors import InvalidRequest
from unseen.report.claims import Report, Verdict

AGES = un.datasets.census(2000, 4)["age"].to_numpy()
ILL = (un.datasets.census(2000, 4)["health"] != "none").to_numpy().astype(float)


def exactly(values: Any) -> Callable[[Any, int], Any]:
    return lambda people, times: np.full(times, np.asarray(values)[people].sum())


def noisily(values: Any, scale: float, seed: int = 0) -> Callable[[Any, int], Any]:
    """Whole Laplace noise, drawn here: the difference of two geometric variables."""
    stream, stop = np.random.default_rng(seed), 1 - math.exp(-1 / scale)

    def ask(people: Any, times: int) -> Any:
        return values[people].sum() + stream.geometric(stop, times) - stream.geometric(stop, times)

    return ask


def by_guard(frame: pd.DataFrame, make: Callable[[], Any], domain: un.Range) -> Callable[[Any, int], Any]:
    """The library's own guard over the people who are asked about."""
    schema = un.Schema(un.EachRow(), dict.fromkeys(frame.columns, domain))
    made: dict[int, Any] = {}

    def ask(people: Any, times: int) -> Any:
        if len(people) == len(frame):
            made.setdefault(0, un.Dataset(frame, schema))
        data = made[0] if len(people) == len(frame) else un.Dataset(frame.iloc[people], schema)
        return make().replay(data, times)[:, 0]

    return ask


def right(report: Report) -> float:
    assert report.measured is not None
    return report.measured.value


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=40), st.integers(0, 99))
def test_two_exact_sums_give_anybodys_value(values: list[int], seed: int) -> None:
    report = Differencing(exactly(values), times=3, seed=seed).audit(values)
    assert right(report) == 1 and report.verdict is Verdict.NO_CLAIM
    assert report.figures["mean absolute error of a guess"] == 0
    assert report.figures["guesses"] == min(50, len(values))  # each person once, however often they were asked about


def test_a_mean_and_a_count_give_a_value_as_well() -> None:
    def by_mean(people: Any, times: int) -> Any:
        return np.full(times, AGES[people].mean() * len(people))

    assert right(Differencing(by_mean, seed=1).audit(AGES)) == 1
    assert right(Differencing(exactly(ILL), seed=1).audit(ILL)) == 1


@pytest.mark.parametrize("guard", ["Sum", "Count"])
@pytest.mark.statistical
def test_under_the_librarys_guards_it_fails_within_the_claim(guard: str, proof_runs: Callable[[int, int], int]) -> None:
    """False alarm below 1e-9: the share of right guesses is far below e^ε times chance, seen over 2,000 of them.
    Power: the same guard with a hundredth of its noise is broken, checked."""
    times = proof_runs(200, 4000)
    column, values = ("age", AGES) if guard == "Sum" else ("ill", ILL)
    frame = pd.DataFrame({column: values})[:500] if guard == "Sum" else pd.DataFrame({column: values[values == 1]})
    values = frame[column].to_numpy(dtype=float)
    domain = un.Range(0, 110)

    def audited(epsilon: float) -> Report:
        make = (lambda: un.query.Sum("age", epsilon)) if guard == "Sum" else (lambda: un.query.Count(epsilon))
        bounds = (0, 110) if guard == "Sum" else None
        attack = Differencing(by_guard(frame, make, domain), bounds, targets=10, times=times, seed=2)
        return attack.audit(values, claim=un.DP(0.5, unit="row"))

    kept, leaking = audited(0.5), audited(50.0)
    assert kept.verdict is Verdict.HOLDS and right(kept) < 0.35
    assert kept.claimed is not None and kept.claimed < 0.6
    assert leaking.verdict is Verdict.BROKEN and right(leaking) > 2 * right(kept)


@pytest.mark.statistical
@pytest.mark.parametrize("epsilon", [0.1, 1.0, 2.0])
def test_the_claim_is_never_wrongly_broken(epsilon: float, proof_runs: Callable[[int, int], int]) -> None:
    """False alarm none: seeded. The noise is drawn by another program than the library's."""
    for seed in range(proof_runs(3, 100)):
        ask = noisily(ILL, 1 / epsilon, seed)
        report = Differencing(ask, (0, 1), targets=20, times=200, seed=seed).audit(ILL, un.DP(epsilon))
        assert report.verdict is not Verdict.BROKEN
        assert report.measured is not None and report.claimed is not None
        assert report.measured.low < report.measured.value < report.measured.high


def test_too_little_noise_is_seen() -> None:
    ask = noisily(ILL, 1 / 3, 5)
    assert Differencing(ask, targets=50, times=400, seed=5).audit(ILL, un.DP(0.5)).verdict is Verdict.BROKEN


def test_noise_that_never_changes_counts_once_a_person() -> None:
    fixed = noisily(AGES, 1, 6)
    kept: dict[int, float] = {}

    def ask(people: Any, times: int) -> Any:
        return np.full(times, kept.setdefault(hash(people.tobytes()), float(fixed(people, 1)[0])))

    assert Differencing(ask, targets=9, times=50, seed=7).audit(AGES).figures["guesses"] == 9


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Differencing(3), "ask of type int"),  # type: ignore[arg-type]
        (lambda: Differencing(exactly(AGES), bounds=(2, 1)), "low lies below high"),
        (lambda: Differencing(exactly(AGES), bounds=3), "the least and the greatest"),  # type: ignore[arg-type]
        (lambda: Differencing(exactly(AGES), tolerance=0), "tolerance"),
        (lambda: Differencing(exactly(AGES), targets=1), "targets"),
        (lambda: Differencing(exactly(AGES), times=0), "times"),
        (lambda: Differencing(exactly(AGES), seed=-1), "seed"),
        (lambda: Differencing(exactly([3])).audit([3]), "two or more people"),
        (lambda: Differencing(exactly(AGES)).audit(["a", "b"]), "no numbers"),
        (lambda: Differencing(exactly(AGES)).audit([1, math.nan]), "finite number"),
        (lambda: Differencing(lambda people, times: 3.0).audit(AGES), r"\(200,\)"),
        (lambda: Differencing(lambda people, times: ["x"] * times).audit(AGES), "no numbers"),
        (lambda: Differencing(exactly(AGES)).audit(AGES, claim=3), "a claim is"),
    ],
)
def test_bad_requests_say_what_is_allowed(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        make()
