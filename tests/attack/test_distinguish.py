"""Distinguishing bounds ε from below: never above what holds, and above what does not."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, norm

from unseen.attack import Distinguish
from unseen.core.errors import InvalidRequest
from unseen.core.guarantee import DP, KAnonymity
from unseen.core.release import Release
from unseen.report.claims import Report, Verdict

Run = Callable[[int], Any]


def laplace(stream: np.random.Generator, centre: float, scale: float) -> Run:
    return lambda count: stream.laplace(centre, scale, count)


def pair(scale: float, seed: int) -> tuple[Run, Run]:
    stream = np.random.default_rng(seed)
    return laplace(stream, 100, scale), laplace(stream, 101, scale)


def audit(run: Run, neighbour: Run, claim: Any, runs: int = 20_000) -> Report:
    report = Distinguish(run, neighbour, runs=runs).audit(claim)
    assert report.measured is not None
    assert 0 <= report.measured.low <= report.measured.value <= report.measured.high < np.inf
    assert report.measured.low <= report.reach
    return report


@pytest.mark.statistical
@pytest.mark.parametrize("epsilon", [0.1, 1.0, 3.0])
def test_the_laplace_mechanism_is_not_accused_and_half_its_noise_is(
    epsilon: float, proof_runs: Callable[[int, int], int]
) -> None:
    """Each run accuses a tight mechanism with at most 2.5 %: more than allowed has chance 1e-6.
    Power: half the noise at 20,000 runs is accused in at least 98 % (ε = .1: at 200,000 runs)."""
    repeats, runs = proof_runs(10, 400), 20_000 if epsilon > 0.5 else 200_000
    verdicts = [audit(*pair(1 / epsilon, s), DP(epsilon), runs).verdict for s in range(repeats)]
    assert verdicts.count(Verdict.BROKEN) <= binom.ppf(1 - 1e-6, repeats, 0.025)
    assert set(verdicts) <= {Verdict.BROKEN, Verdict.HOLDS}
    halved = [audit(*pair(0.5 / epsilon, s), DP(epsilon), runs).verdict for s in range(repeats)]
    assert halved.count(Verdict.BROKEN) >= 0.98 * repeats


@pytest.mark.statistical
def test_delta_is_granted_and_not_more(proof_runs: Callable[[int, int], int]) -> None:
    """Gaussian noise at its exact δ(1) = .127 is not accused (≤ 2.5 % a run), at a δ of 1e-5 always."""
    repeats = proof_runs(10, 400)
    exact = float(norm.cdf(0.5 - 1) - np.exp(1) * norm.cdf(-0.5 - 1))
    accused = 0
    for seed in range(repeats):
        stream = np.random.default_rng(seed)

        def run(count: int, stream: Any = stream) -> Any:
            return stream.normal(0, 1, count)

        def neighbour(count: int, stream: Any = stream) -> Any:
            return stream.normal(1, 1, count)

        accused += audit(run, neighbour, DP(1, exact)).verdict is Verdict.BROKEN
        assert audit(run, neighbour, DP(1, 1e-5)).verdict is Verdict.BROKEN
    assert accused <= binom.ppf(1 - 1e-6, repeats, 0.025)


def test_a_leak_in_the_middle_of_many_numbers_is_found() -> None:
    stream = np.random.default_rng(1)

    def outputs(count: int, leaky: float) -> Any:
        found = stream.laplace(0, 10, (count, 20))
        found[:, 7] = np.where(stream.random(count) < leaky, 3.25, found[:, 7])
        return found

    report = audit(lambda n: outputs(n, 0.3), lambda n: outputs(n, 0.0), DP(1))
    assert report.verdict is Verdict.BROKEN


def test_a_direction_over_many_numbers_is_found() -> None:
    stream = np.random.default_rng(2)
    report = audit(lambda n: stream.normal(0, 1, (n, 50)), lambda n: stream.normal(0.4, 1, (n, 50)), DP(2, 1e-6))
    assert report.verdict is Verdict.BROKEN


def test_less_noise_around_the_same_middle_is_found() -> None:
    stream = np.random.default_rng(3)
    report = audit(lambda n: stream.normal(0, 1, n), lambda n: stream.normal(0, 5, n), DP(1))
    assert report.verdict is Verdict.BROKEN


def test_outputs_that_are_constant_tell_nothing() -> None:
    report = audit(lambda n: np.ones(n), lambda n: np.ones((n, 1)), DP(1))
    assert report.measured is not None and report.measured.low == 0 == report.measured.value
    assert report.verdict is Verdict.HOLDS


@pytest.mark.parametrize("symbol", [None, float("nan"), np.inf, -np.inf])
def test_a_missing_output_is_a_symbol(symbol: float | None) -> None:
    stream = np.random.default_rng(4)

    def some(count: int) -> Any:
        return [symbol if x < 0.5 else x for x in stream.random(count)]

    for order in ((some, stream.random), (stream.random, some)):
        assert audit(*order, DP(1)).verdict is Verdict.BROKEN
    assert audit(some, some, DP(1)).verdict is Verdict.HOLDS
    assert audit(lambda n: [symbol] * n, lambda n: [symbol] * n, DP(1)).verdict is Verdict.HOLDS


def test_certainty_is_bounded_by_the_number_of_runs() -> None:
    report = audit(lambda n: np.zeros(n), lambda n: np.ones(n), DP(1), runs=1000)
    assert report.measured is not None
    assert report.measured.low == pytest.approx(report.reach) and report.verdict is Verdict.BROKEN
    weak = audit(lambda n: np.zeros(n), lambda n: np.zeros(n), DP(6), runs=400)
    assert weak.verdict is Verdict.INCONCLUSIVE


def test_the_claim_is_read_from_a_release() -> None:
    run, neighbour = pair(1, 1)
    release: Any = Release(1.0, None, DP(1), None)
    assert audit(run, neighbour, release).claimed == 1
    assert audit(run, neighbour, None).verdict is Verdict.NO_CLAIM
    assert audit(run, neighbour, KAnonymity(5, ("age",))).claimed is None


def fine(count: int) -> Any:
    return np.random.default_rng().random(count)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Distinguish(3, fine), "function"),  # type: ignore[arg-type]
        (lambda: Distinguish(fine, fine, runs=10), "at least 200"),
        (lambda: Distinguish(fine, fine, confidence=float("nan")), "confidence"),
        (lambda: Distinguish(fine, fine, confidence=1), "confidence"),
        (lambda: Distinguish(fine, fine).audit(1.0), "claim"),
        (lambda: Distinguish(fine, lambda n: fine(n - 1)).audit(), r"neighbour_run\(5000\) gave the shape"),
        (lambda: Distinguish(fine, lambda n: ["x"] * n).audit(), "no numbers"),
        (lambda: Distinguish(fine, lambda n: fine(2 * n).reshape(n, 2)).audit(), "as many numbers"),
        (lambda: Distinguish(lambda n: np.random.default_rng(0).random(n), fine).audit(), "same outputs twice"),
    ],
)
def test_bad_requests_say_what_is_allowed(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        make()
