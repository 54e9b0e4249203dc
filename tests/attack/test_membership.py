"""Membership inference tells members where a model memorises, nobody where it does not, and knows its ceilings."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import binom

from unseen.attack import Membership
from unseen.attack.curve import Roc, accuracy_ceiling, area_ceiling, balanced_accuracy, rate_ceiling
from unseen.core.errors import InvalidRequest
from unseen.core.guarantee import DP, KAnonymity
from unseen.core.noise.entropy import Entropy
from unseen.report.claims import Verdict

CLAIM = DP(0.5, 1e-6, unit="person")


@dataclass
class Losses:
    """A model whose losses are the data."""

    guarantee_: Any = None

    def losses(self, data: Any) -> Any:
        return data


class Memory:
    """A nearest-neighbour table: it is sure of what it has seen, and guesses elsewhere."""

    classes_ = np.array(["no", "yes"])

    def __init__(self, features: Any, labels: Any) -> None:
        self.seen = {tuple(x): y for x, y in zip(features.tolist(), labels.tolist(), strict=True)}

    def predict_proba(self, features: Any) -> Any:
        yes = [{"yes": 1.0, "no": 0.0}.get(self.seen.get(tuple(x), ""), 0.5) for x in features.tolist()]
        return np.stack([1 - np.array(yes), yes], axis=1)


def people(count: int, seed: int) -> tuple[Any, Any]:
    stream = np.random.default_rng(seed)
    return stream.normal(size=(count, 3)), stream.choice(["no", "yes"], count)


def test_a_model_that_memorises_is_caught() -> None:
    members, others = people(500, 1), people(1000, 2)
    model = Memory(*members)
    report = Membership(baselines={"memorises (known to leak)": model}).audit(model, members, others, claim=CLAIM)
    assert report.measured is not None and report.measured.value == 1.0 and report.measured.low < 1
    assert report.verdict is Verdict.BROKEN
    assert report.figures["memorises (known to leak)"] == 1 == report.figures["balanced accuracy"]
    assert report.figures["TPR at 1 % FPR"] == 1 > report.figures["bound on TPR at 1 % FPR"]
    assert report.curves["memorises (known to leak)"][0] == (0, 0)
    assert report.curves["this model"][-1] == (1, 1)
    assert Membership().audit(model, members, others).verdict is Verdict.NO_CLAIM


@pytest.mark.statistical
def test_a_model_that_knows_nothing_is_not_accused(proof_runs: Callable[[int, int], int]) -> None:
    """An area of .5 under a ceiling of .622: false alarms below 1e-9 a run. Against ε = 1e-9, 2.5 % a run:
    more than the binomial allows has chance 1e-6. Power: an area of .56 is broken in nearly all runs."""
    repeats, stream = proof_runs(100, 2000), np.random.default_rng(3)
    alarms = caught = 0
    for _ in range(repeats):
        members, others = stream.normal(size=400), stream.normal(size=1000)
        assert Membership().audit(Losses(CLAIM), members, others).verdict is Verdict.HOLDS
        tight = Membership().audit(Losses(), members, others, claim=DP(1e-9))
        alarms += tight.verdict is Verdict.BROKEN
        caught += Membership().audit(Losses(DP(1e-9)), members - 0.3, others).verdict is Verdict.BROKEN
    assert alarms <= binom.ppf(1 - 1e-6, repeats, 0.03)
    assert caught >= 0.9 * repeats


@pytest.mark.statistical
def test_the_worst_that_the_claim_allows_reaches_the_ceiling(proof_runs: Callable[[int, int], int]) -> None:
    """Randomised response at ε = 1 meets the ceilings; false alarm 1e-6. Power: at ε = 1.5 the claim is broken."""
    count, stream = proof_runs(4000, 400_000), np.random.default_rng(4)

    def answers(epsilon: float, truth: int) -> Any:
        return np.where(stream.random(count) < 1 / (1 + np.exp(-epsilon)), 1.0 - truth, truth)

    spread = 5 * np.sqrt(1 / count)
    report = Membership().audit(Losses(DP(1)), answers(1, 1), answers(1, 0))
    assert report.measured is not None and report.claimed is not None
    assert abs(report.measured.value - report.claimed) < spread
    assert abs(report.figures["balanced accuracy"] - report.figures["bound on balanced accuracy"]) < spread
    assert report.figures["TPR at 1 % FPR"] == pytest.approx(report.figures["bound on TPR at 1 % FPR"], abs=0.02)
    assert Membership().audit(Losses(DP(1)), answers(1.5, 1), answers(1.5, 0)).verdict is Verdict.BROKEN


@given(st.floats(1e-6, 30), st.floats(0, 0.9))
def test_ceilings_are_those_of_the_trade_off_region(epsilon: float, delta: float) -> None:
    claim = DP(epsilon, delta)
    corner = (1 - delta) / (1 + np.exp(epsilon))

    def missed(x: float) -> float:
        return max(0.0, 1 - delta - np.exp(epsilon) * x, np.exp(-epsilon) * (1 - delta - x))

    under = quad(missed, 0, corner)[0] + quad(missed, corner, 1, points=[1 - delta] if delta else None)[0]
    assert area_ceiling(claim) == pytest.approx(1 - under, abs=1e-8)
    assert accuracy_ceiling(claim) == pytest.approx(1 - corner)
    assert rate_ceiling(claim, 0.01) == pytest.approx(1 - missed(0.01))


def test_a_huge_epsilon_claims_nothing_beyond_one() -> None:
    assert area_ceiling(DP(1e4)) == accuracy_ceiling(DP(1e4)) == rate_ceiling(DP(1e4), 0.01) == 1


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, np.inf, -np.inf]), min_size=2, max_size=9), st.floats(0, 1))
def test_the_curve_is_the_staircase_with_coins_between(losses: list[float], rate: float) -> None:
    some, others = np.array(losses), np.array([0.0, 1.0, 1.0, np.inf])
    steps = [(0.0, 0.0), *((np.mean(others <= t), np.mean(some <= t)) for t in (-np.inf, 0, 1, 2, np.inf))]
    last = max(step for step in steps if step[0] <= rate)
    after = [step for step in steps if step[0] > rate]
    expected = last[1]
    if after:
        expected += (min(after)[1] - last[1]) * (rate - last[0]) / (min(after)[0] - last[0])
    curve = Roc(some, others)
    assert curve.true_rate(rate) == pytest.approx(expected)
    points = np.array(curve.points())
    assert (np.diff(points, axis=0) >= 0).all() and tuple(points[-1]) == (1, 1)


def test_losses_that_are_no_numbers_count_as_the_greatest() -> None:
    members, others = np.full(50, np.nan), np.full(1000, np.inf)
    report = Membership().audit(Losses(CLAIM), members, others)
    assert report.measured is not None and report.measured.value == 0.5
    others[:] = 3.0
    report = Membership().audit(Losses(CLAIM), np.full(50, -np.inf), others)
    assert report.measured is not None and report.measured.value == 1
    assert balanced_accuracy(members, np.zeros(1000), Entropy(1)) == 0.5


def test_certainty_beyond_floating_point_is_still_ordered() -> None:
    class Sure:
        classes_ = np.array([0, 1])

        def predict_proba(self, features: Any) -> Any:
            return np.stack([np.asarray(features), 1 - np.asarray(features)], axis=1)

    members = (np.full(100, 1e-30), np.ones(100, dtype=int))
    others = (np.full(1000, 1e-20), np.ones(1000, dtype=int))
    report = Membership().audit(Sure(), members, others)
    assert report.measured is not None and report.measured.value == 1


def test_a_claim_of_another_kind_is_no_claim() -> None:
    report = Membership().audit(Losses(KAnonymity(5, ("age",))), np.zeros(50), np.zeros(1000))
    assert report.claimed is None and report.verdict is Verdict.NO_CLAIM


FINE, MANY = np.zeros(50), np.zeros(1000)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Membership(baselines=[Losses()]), "mapping"),  # type: ignore[arg-type]
        (lambda: Membership(baselines={"members": Losses()}), "named 'members'"),
        (lambda: Membership(baselines={"x": 3}), "losses"),
        (lambda: Membership(seed=float("nan")), "seed"),  # type: ignore[arg-type]
        (lambda: Membership().audit(3, FINE, MANY), "losses"),
        (lambda: Membership().audit(Losses(), FINE, np.zeros(999)), "999 nonmembers.*1,000 drawn at random"),
        (lambda: Membership().audit(Losses(), np.zeros(3), MANY), "3 members"),
        (lambda: Membership().audit(Losses(), FINE.reshape(-1, 1), MANY), "shape"),
        (lambda: Membership().audit(Losses(), ["a"] * 50, MANY), "no numbers"),
        (lambda: Membership().audit(Losses(), FINE, MANY, claim=0.5), "claim"),
        (lambda: Membership().audit(Memory(*people(50, 1)), people(50, 1)[0], MANY), r"members=\(X, y\)"),
        (lambda: Membership().audit(Memory(*people(50, 1)), (people(50, 1)[0], FINE), MANY), "none of the model"),
    ],
)
def test_bad_requests_say_what_is_allowed(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        make()
