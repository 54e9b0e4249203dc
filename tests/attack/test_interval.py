"""Intervals hold what they promise: coverage by exact sums where there are any, else by simulation."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from unseen.attack.interval import area, area_interval, bounded_mean, clopper_pearson, newcombe


@given(st.integers(1, 60), st.integers(0, 1000).map(lambda x: x / 1000), st.sampled_from([0.5, 0.95, 0.999]))
def test_shares_are_covered_exactly_as_often_as_stated(trials: int, share: float, confidence: float) -> None:
    for interval in (
        lambda hits: clopper_pearson(hits, trials, confidence),
        lambda hits: bounded_mean(hits / trials, trials, confidence),
    ):
        ends = [interval(hits) for hits in range(trials + 1)]
        assert all(low <= hits / trials <= high for hits, (low, high) in enumerate(ends))
        above = sum(binom.pmf(h, trials, share) for h, (low, _) in enumerate(ends) if low > share)
        below = sum(binom.pmf(h, trials, share) for h, (_, high) in enumerate(ends) if high < share)
        assert max(above, below) <= (1 - confidence) / 2 + 1e-9


@given(st.data())
def test_the_area_counts_pairs_and_ties_half(data: st.DataObject) -> None:
    scores = st.lists(st.sampled_from([-np.inf, 0.0, 1.0, 2.5, np.inf]), min_size=2, max_size=12)
    positive, negative = np.array(data.draw(scores)), np.array(data.draw(scores))
    pairs = [(p > n) + (p == n) / 2 for p in positive for n in negative]
    value, below, above = area(positive, negative)
    assert value == pytest.approx(np.mean(pairs)) == below.mean() == pytest.approx(above.mean())
    value, low, high = area_interval(positive, negative)
    assert 0 <= low <= value <= high <= 1


def test_perfect_separation_leaves_doubt() -> None:
    assert 0.98 < newcombe(1.0, 500, 1000)[0] < 1
    assert newcombe(1.0, 500, 1000)[1] == 1.0
    assert newcombe(0.0, 30, 1000)[0] == 0.0


@pytest.mark.statistical
@pytest.mark.parametrize("shift", [0.0, 1.0, 3.0])
def test_the_area_is_covered(shift: float, proof_runs: Callable[[int, int], int]) -> None:
    """False alarms ≤ 3e-6 each if it misses 6 % (asymptotic); ends at a third of the distance miss half and fail."""
    from scipy.stats import norm

    repeats, stream = proof_runs(300, 5000), np.random.default_rng(5)
    true = norm.cdf(shift / np.sqrt(2))
    misses = third = 0
    for _ in range(repeats):
        value, low, high = area_interval(stream.normal(shift, 1, 200), stream.normal(0, 1, 1000))
        misses += not low <= true <= high
        third += not (2 * value + low) / 3 <= true <= (2 * value + high) / 3
    allowed = binom.ppf(1 - 3e-6, repeats, 0.06)
    assert misses <= allowed < third
