"""No rule weighs a gradient beyond the bound; an adaptive bound's count and sum together cost what was charged."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from unseen.core.errors import InvalidRequest
from unseen.train import DPSGD, session
from unseen.train.clipping import MARGIN, Adaptive, Automatic, Clipping, Flat, PerLayer, factors_within

from .oracle import engine, summed_loss


class Careless(Clipping):
    """A rule that says anything: huge, infinite, negative, NaN."""

    def __init__(self, said: list[float]) -> None:
        self.said = said

    def factors(self, norms: torch.Tensor, bound: float | torch.Tensor) -> torch.Tensor:
        return torch.tensor(self.said, dtype=torch.float64).repeat(len(norms))[: len(norms)]


ANY = st.floats(allow_nan=True, allow_infinity=True)
RULES = st.one_of(
    st.sampled_from([Flat(), PerLayer(), Automatic(), Automatic(1e-12), Adaptive()]),
    st.lists(ANY, min_size=1, max_size=3).map(Careless),
)
SQUARES = st.one_of(st.floats(0, 1e300), st.sampled_from([0.0, 1e-320, 1e-300, 1e-30, math.inf, math.nan]))


@given(
    rule=RULES,
    squares=st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(SQUARES, min_size=n, max_size=n), min_size=1)),
    bound=st.floats(1e-30, 1e30),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.bfloat16]),
)
def test_no_rule_weighs_a_gradient_beyond_the_bound(
    rule: Clipping, squares: list[list[float]], bound: float, dtype: torch.dtype
) -> None:
    """In exact arithmetic over the norms that were measured, with room for their own rounding."""
    measured = torch.tensor(squares, dtype=torch.float64).T
    factors, finite = factors_within(rule, measured, bound, dtype)
    eps = 2**-52 if dtype == torch.float64 else 2**-23
    for unit in range(measured.shape[1]):
        whole = all(map(math.isfinite, measured[:, unit].tolist()))
        assert bool(finite[unit]) == whole
        weights = factors[:, unit].tolist()
        if not whole:
            assert weights == [0.0] * len(weights)
            continue
        norm = sum(Fraction(w) ** 2 * Fraction(s) for w, s in zip(weights, measured[:, unit].tolist(), strict=True))
        assert norm <= (Fraction(bound) * (1 - Fraction(MARGIN - 16) * Fraction(eps))) ** 2


def of(*units: list[float]) -> torch.Tensor:
    """Squared norms of units, each a list over layers."""
    return torch.tensor(units, dtype=torch.float64).T.square()


def test_flat_leaves_what_is_within_the_bound() -> None:
    factors, _ = factors_within(Flat(), of([3.0, 4.0], [0.3, 0.4], [0.0, 0.0]), 1.0, torch.float64)
    assert torch.allclose(factors, torch.tensor([[0.2, 1.0, 1.0]] * 2, dtype=torch.float64), rtol=1e-12)
    assert float(factors[0, 1]) == 1.0


def test_each_layer_has_its_share_of_the_bound() -> None:
    factors, _ = factors_within(PerLayer(), of([3.0, 0.1], [0.1, 0.2]), 1.0, torch.float64)
    expected = torch.tensor([[math.sqrt(0.5) / 3, 1.0], [1.0, 1.0]], dtype=torch.float64)
    assert torch.allclose(factors, expected, rtol=1e-12)


def test_automatic_gives_nearly_the_bound_to_all() -> None:
    factors, _ = factors_within(Automatic(0.01), of([3.0, 4.0], [0.0, 0.02]), 2.0, torch.float64)
    assert torch.allclose(factors[0], torch.tensor([2 / 5.01, 2 / 0.03], dtype=torch.float64), rtol=1e-12)


@settings(max_examples=40)
@given(
    rule=st.sampled_from([Flat(), PerLayer(), Automatic(), Adaptive()]),
    scale=st.floats(1e-3, 1e3),
    positions=st.integers(1, 6),
    seed=st.integers(0, 1000),
)
def test_no_units_sum_leaves_the_bound_in_float32(rule: Clipping, scale: float, positions: int, seed: int) -> None:
    """Measured on what the engine sums, not on the norms that it measured."""
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.Tanh(), torch.nn.Linear(7, 2))
    inputs = torch.randn(1, positions, 5) * scale
    found = engine(model, summed_loss, (inputs,), [1], 0.5, clipping=rule)
    assert float(torch.cat([one.flatten().double() for one in found]).norm()) <= 0.5


@pytest.mark.parametrize(
    "wrong", [{"quantile": 1.5}, {"rate": 0}, {"noise": 0}, {"largest": 0.5}, {"quantile": float("nan")}]
)
def test_wrong_rules_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidRequest):
        Adaptive(**wrong)
    with pytest.raises(InvalidRequest):
        Automatic(0)


@given(st.floats(1e-6, 1e6), st.floats(allow_nan=False, allow_infinity=True))
def test_an_adaptive_bound_stays_within_its_limits(bound: float, share: float) -> None:
    rule = Adaptive(quantile=0.7)
    found = rule.next_bound(bound, share)
    assert 1e-6 <= found <= 1e6
    assert found <= bound or share < 0.7 or bound < 1e-6
    assert found >= bound or share > 0.7 or bound > 1e6


# --- what a step gives away --------------------------------------------------------------------------------------

EVERYBODY = 6
BOUND = 0.5


class Given:
    """What a step noised: sums before noise with their deviation, and the count with its own."""

    def __init__(self, rule: Clipping, rows: list[float], noise: float = 2.0, size: int = 3) -> None:
        self.sums, self.deviation = torch.empty(0), math.nan
        self.count, self.count_deviation, self.noised_count = math.nan, math.nan, math.nan
        gaussian, counting = session.add_gaussian_, session.add_gaussian

        def sums(found: list[torch.Tensor], deviation: float, entropy: Any, factor: float) -> None:
            self.sums, self.deviation = torch.cat([one.flatten().double() for one in found]), deviation
            gaussian(found, deviation, entropy, factor)

        def count(found: list[torch.Tensor], deviation: float, entropy: Any) -> list[torch.Tensor]:
            self.count, self.count_deviation = float(found[0]), deviation
            noised = counting(found, deviation, entropy)
            self.noised_count = float(noised[0])
            return noised

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(session, "add_gaussian_", sums)
            patch.setattr(session, "add_gaussian", count)
            model = torch.nn.Linear(size, 1, bias=False)
            torch.nn.init.zeros_(model.weight)
            guard = DPSGD(
                noise_multiplier=noise,
                delta=1e-6,
                max_grad_norm=BOUND,
                expected_batch_size=EVERYBODY,
                steps=1,
                dataset_size=EVERYBODY,
                clipping=rule,
            )
            data = (torch.tensor(rows, dtype=torch.float32)[:, None].expand(-1, size),)
            self.model, self.run = model, guard.open(model, torch.optim.SGD(model.parameters(), lr=1.0), data)
            for batch in self.run.batches():
                self.run.step(lambda output: output.sum(), *batch)


ROW = st.one_of(st.floats(-2, 2, width=32), st.sampled_from([math.nan, math.inf, 0.0, BOUND / math.sqrt(3)]))


@settings(max_examples=40)
@given(rows=st.lists(ROW, max_size=5), one=ROW, count_noise=st.sampled_from([1.01, 1.5, 40.0]))
def test_one_unit_moves_sum_and_count_by_what_was_charged(rows: list[float], one: float, count_noise: float) -> None:
    """Theorem 1 of Andrew et al.: the joint Gaussian's distance is at most that of one sum at the charged noise."""
    without, within = (Given(Adaptive(noise=count_noise), some) for some in (rows, [*rows, one]))
    assert abs(within.count - without.count) == 0.5
    assert without.count_deviation == max(count_noise, 2.0)
    moved = float((within.sums - without.sums).norm())
    assert moved <= BOUND * (1 + 1e-6 * (1 + len(rows)))
    distance = math.hypot(moved / within.deviation, 0.5 / within.count_deviation)
    assert distance <= 1 / 2.0 * (1 + 1e-6 * (1 + len(rows)))


def test_a_count_that_is_not_centred_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault: whether a gradient is below the bound as 0 or 1, at the noise for a half."""
    follow = session.Session._follow
    monkeypatch.setattr(session.Session, "_follow", lambda self, centred, noise: follow(self, 2 * centred, noise))
    without, within = (Given(Adaptive(noise=1.2), rows) for rows in ([], [9.0]))
    distance = math.hypot(
        float((within.sums - without.sums).norm()) / within.deviation,
        (within.count - without.count) / within.count_deviation,
    )
    assert distance > 1 / 2.0 * 1.3


@settings(max_examples=25)
@given(st.floats(0.3, 20), st.floats(1.01, 50))
def test_noise_of_gradient_and_count_add_up_to_the_charged(noise: float, ratio: float) -> None:
    counting = noise / 2 * ratio
    given = Given(Adaptive(noise=counting), [1.0], noise=noise)
    precision = (given.deviation / BOUND) ** -2 + (2 * max(counting, noise)) ** -2
    assert precision == pytest.approx(noise**-2, rel=1e-9)
    assert Given(Flat(), [1.0], noise=noise).deviation == noise * BOUND


def test_a_count_that_would_cost_more_than_the_whole_is_noised_more() -> None:
    assert Given(Adaptive(noise=0.1), [1.0], noise=2.0).count_deviation == 2.0


@pytest.mark.statistical
def test_count_and_gradient_are_noised_with_these_deviations(proof_runs: Callable[[int, int], int]) -> None:
    """Chi-square on each variance, false alarm 2e-6; power above 1 - 1e-8 against a count's σ off by a third (half the
    sensitivity is caught) and a gradient's off by 5 %, the noise that the count should have added to it."""
    runs = proof_runs(700, 6000)
    counts = []
    for _ in range(runs):
        given = Given(Adaptive(noise=2.0), [])
        counts.append((given.noised_count - given.count) / given.count_deviation)
    last = Given(Adaptive(noise=2.0), [], size=50_000)
    gradient = last.model.weight.detach().double().numpy().ravel() * EVERYBODY / (last.deviation - 0.0)

    def accepted(sample: np.ndarray[Any, Any]) -> bool:
        statistic = float((sample**2).sum())
        return bool(stats.chi2.ppf(5e-7, len(sample)) < statistic < stats.chi2.ppf(1 - 5e-7, len(sample)))

    assert accepted(np.array(counts))
    assert not accepted(np.array(counts) * 1.34)
    assert accepted(gradient)
    assert not accepted(gradient * 0.95)


def test_an_adaptive_bound_finds_the_quantile() -> None:
    """Norms of 0.01 to 1: from 30 the bound comes down to about their median, and it is no norm that leaves."""
    norms = torch.linspace(0.01, 1, 100)[:, None]
    model = torch.nn.Linear(1, 1, bias=False)
    guard = DPSGD(
        noise_multiplier=1.0,
        delta=1e-6,
        max_grad_norm=30.0,
        expected_batch_size=100,
        dataset_size=100,
        steps=60,
        clipping=Adaptive(quantile=0.5, rate=0.3, noise=2.0),
        seed=1,
    )
    run = guard.open(model, torch.optim.SGD(model.parameters(), lr=0.0), (norms,))
    for batch in run.batches():
        run.step(lambda output: output.sum(), *batch)
    assert 0.35 < run._bound < 0.65
