"""The noise of a statistic is as large as its sensitivity asks for, and 95 % means 95 %."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, chi2

import unseen as un
from unseen.core.noise.scalar import laplace_half_width
from unseen.query import Count, Histogram, Mean, Sum
from unseen.query.mechanism import LaplaceSums, share_interval
from unseen.query.mechanism import share as share_of

FALSE_ALARM = 1e-6


def mean_size_is(noise: np.ndarray, scale: float) -> bool:
    """Whether the mean size of Laplace noise fits its scale; wrong about a true one 1e-6 of the time.

    Twice the sum of sizes over the scale is chi-square with two degrees for each draw; the grid's effect is
    below one part in 24 scale², so the scale has to be large.
    """
    statistic, degrees = 2 * float(np.abs(noise).sum()) / scale, 2 * noise.size
    return bool(chi2.ppf(FALSE_ALARM / 2, degrees) < statistic < chi2.isf(FALSE_ALARM / 2, degrees))


def covers(hits: int, runs: int) -> bool:
    """Whether a coverage of at least 95 % could give so few hits; wrong about a true one 1e-6 of the time."""
    return bool(binom.cdf(hits, runs, 0.95) > FALSE_ALARM)


def dataset(most: int = 1) -> un.Dataset:
    frame = pd.DataFrame({"id": np.arange(60) // 3, "x": np.arange(60) % 9, "g": ["a", "b", "b"] * 20})
    columns = {"x": un.Range(-5, 10), "g": un.Categorical("a", "b")}
    return un.protect(frame, unit="id", columns=columns, max_rows_per_unit=most)


@pytest.mark.statistical
@pytest.mark.parametrize("most", [1, 3])
@pytest.mark.parametrize("by", [None, "g"])
@pytest.mark.parametrize("kind", ["count", "sum", "histogram"])
def test_noise_is_made_for_what_one_unit_can_move(
    proof_runs: Callable[[int, int], int], kind: str, by: str | None, most: int
) -> None:
    """False alarm 1e-6 a case, 12 cases; power: a halved sensitivity and one forgotten group are seen, checked."""
    data, epsilon = dataset(most), 0.01
    statistic, moved = {
        "count": (Count(epsilon, by), 1.0),
        "sum": (Sum("x", epsilon, by), 10.0),
        "histogram": (Histogram("x", epsilon, 3, by), 1.0),
    }[kind]
    runs = proof_runs(2_000, 50_000)
    noise = statistic.replay(data, runs)
    noise = noise - statistic_truth(statistic, data)
    scale = moved * most / epsilon
    assert mean_size_is(noise, scale)
    assert not mean_size_is(noise / 2, scale)
    assert not mean_size_is(noise * 2, scale)


def statistic_truth(statistic: Count | Sum | Histogram, data: un.Dataset) -> np.ndarray:
    sure = type(statistic)(**{k: v for k, v in vars(statistic).items() if k not in ("seed", "epsilon")}, epsilon=1e9)
    return sure.replay(data, 1)[0]


@pytest.mark.statistical
@pytest.mark.parametrize("epsilon", [0.03, 1.0, 3.0])
def test_a_count_lies_in_its_interval_with_95_percent(proof_runs: Callable[[int, int], int], epsilon: float) -> None:
    """False alarm 1e-6 a case; power: an interval of half the width is seen, checked."""
    runs, data = proof_runs(4_000, 100_000), dataset()
    noise = Count(epsilon).replay(data, runs)[:, 0] - 20
    width = laplace_half_width(LaplaceSums(1, epsilon).scale)
    value, (low, high) = (release := Count(epsilon).release(data)).value, release.interval
    assert (value - low, high - value) == (width, width)
    assert covers(int(np.sum(np.abs(noise) <= width)), runs)
    if width > 4:
        assert not covers(int(np.sum(np.abs(noise) <= width / 2)), runs)
        assert not covers(runs - int(np.sum(np.abs(noise) > width * 1.3)) - runs // 8, runs)


@pytest.mark.statistical
@pytest.mark.parametrize("rows", [0, 0.3, 1, 3, 10, 300])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9, 1.0])
def test_a_mean_lies_in_its_interval_with_95_percent(
    proof_runs: Callable[[int, int], int], rows: float, share: float
) -> None:
    """False alarm 1e-6 a case, 30 cases; power: an interval cut to half its width is seen, checked.

    ``rows`` is ε n, the number of rows in units of the noise; from 0, where nothing can be said, to many.
    """
    runs, scale = proof_runs(600, 2_000), 2.0**20
    source = np.random.default_rng([int(rows * 10), int(share * 100)])
    above, below = scale * (source.laplace(size=(2, runs)) + rows * np.array([[share], [1 - share]]))
    pairs = list(zip(above, below, strict=True))
    value = np.array([share_of(a, b) for a, b in pairs])
    low, high = np.array([share_interval(a, b, scale) for a, b in pairs]).T
    assert np.all((low >= 0) & (low <= value) & (value <= high) & (high <= 1))
    assert covers(int(np.sum((low <= share) & (share <= high))), runs)
    if rows == 300 and share == 0.5:
        cut = (np.abs(share - value) <= (high - low) / 4).sum()
        assert not covers(int(cut), runs)


@given(st.floats(-1e12, 1e12), st.floats(-1e12, 1e12), st.floats(1e-3, 1e12))
def test_a_mean_is_a_share_with_an_interval_around_it_whatever_the_noise(
    above: float, below: float, scale: float
) -> None:
    value, (low, high) = share_of(above, below), share_interval(above, below, scale)
    assert 0 <= low <= value <= high <= 1


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(-(2**22), 2**22), st.integers(-(2**22), 2**22))
def test_a_mean_never_leaves_its_declared_bounds(low: float, width: float, above: int, below: int) -> None:
    domain = un.Range(low, low + width)
    data = un.protect(pd.DataFrame({"x": [low]}), unit=un.EachRow(), columns={"x": domain})
    mean, noised = Mean("x", epsilon=1), np.array([above, below])
    value, (least, most) = mean.value(noised, data), mean.interval(noised, 2.0**20, data)
    assert domain.low <= least <= value <= most <= domain.high


@pytest.mark.statistical
def test_a_mean_by_the_real_mechanism_lies_in_its_interval(proof_runs: Callable[[int, int], int]) -> None:
    """False alarm 1e-6; power is checked on the law itself above."""
    runs, data = proof_runs(400, 10_000), dataset()
    bounded = data.arrays(["x"], bounded=True)["x"]
    hits = 0
    for _ in range(runs):
        low, high = data.mean("x", epsilon=0.2).interval
        hits += low <= float(np.mean(bounded)) <= high
    assert covers(hits, runs)
    assert math.isfinite(low) and -5 <= low <= high <= 10
