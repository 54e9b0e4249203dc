"""Events survive JSON, and what they cost is never less than closed forms say."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import math
from typing import Any

import dp_accounting as dp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm

from unseen.core import accounting
from unseen.core.errors import InvalidRequest

EVENTS = st.recursive(
    st.one_of(
        st.builds(accounting.laplace, st.floats(0.01, 100)),
        st.builds(accounting.priced, st.floats(0.01, 5), st.floats(0, 0.1)),
        st.builds(accounting.dpsgd, st.floats(0.001, 1), st.floats(0.3, 10), st.integers(1, 1000)),
        st.just(accounting.unpriced()),
    ),
    lambda inner: st.lists(inner, min_size=1, max_size=3).map(lambda parts: accounting.composed(*parts)),
    max_leaves=6,
)


@given(EVENTS)
def test_an_event_means_the_same_after_json(event: dict[str, Any]) -> None:
    assert accounting.interpret(json.loads(json.dumps(event))) == accounting.interpret(event)


@given(EVENTS)
def test_an_event_is_one_that_dp_accounting_takes_under_its_own_name(event: dict[str, Any]) -> None:
    found = accounting.interpret(event)
    assert isinstance(found, dp.DpEvent) and type(found).__name__ == event["event"]


@pytest.mark.parametrize("event", [{}, {"event": "NoOpDpEvent"}, {"event": "Laplace"}, {"event": None}])
def test_an_event_that_unseen_does_not_write_is_refused(event: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        accounting.interpret(event)


def gaussian_epsilon(sigma: float, delta: float) -> float:
    """The exact ε of the Gaussian mechanism of sensitivity 1 (Balle and Wang 2018, theorem 8)."""

    def excess(epsilon: float) -> float:
        here = norm.cdf(0.5 / sigma - epsilon * sigma)
        there = math.exp(epsilon + norm.logcdf(-0.5 / sigma - epsilon * sigma))
        return float(here - there) - delta

    return 0.0 if excess(0) <= 0 else float(brentq(excess, 0, 200, xtol=1e-12))


@settings(max_examples=15)
@given(st.floats(0.8, 6), st.integers(1, 20), st.sampled_from([1e-5, 1e-6, 1e-8]))
def test_epsilon_is_at_least_the_exact_one_and_little_more(sigma: float, steps: int, delta: float) -> None:
    exact = gaussian_epsilon(sigma / math.sqrt(steps), delta)
    certified = accounting.epsilon_of_dpsgd(1.0, sigma, steps, delta)
    assert exact - 1e-9 <= certified <= exact * 1.02 + 0.01


@pytest.mark.parametrize(("rate", "sigma", "steps"), [(0.01, 1.0, 1000), (0.05, 2.0, 200), (0.1, 1.5, 50)])
def test_epsilon_with_sampling_lies_between_one_step_and_renyi(rate: float, sigma: float, steps: int) -> None:
    delta = 1e-6
    renyi = dp.rdp.RdpAccountant()
    renyi.compose(accounting.interpret(accounting.dpsgd(rate, sigma, steps)))
    certified = accounting.epsilon_of_dpsgd(rate, sigma, steps, delta)
    one_step = math.log1p(rate * math.expm1(gaussian_epsilon(sigma, delta / rate)))
    assert one_step - 1e-9 <= certified <= renyi.get_epsilon(delta)


@pytest.mark.parametrize(("rate", "steps", "epsilon"), [(1.0, 1, 1.0), (0.05, 100, 0.5), (0.2, 30, 3.0)])
def test_a_calibrated_multiplier_is_certified_and_the_least(rate: float, steps: int, epsilon: float) -> None:
    sigma = accounting.calibrate_dpsgd(rate, steps, epsilon, 1e-6)
    assert accounting.epsilon_of_dpsgd(rate, sigma, steps, 1e-6) <= epsilon
    assert accounting.epsilon_of_dpsgd(rate, sigma * 0.995, steps, 1e-6) > epsilon
    if rate == 1:
        assert gaussian_epsilon(sigma / math.sqrt(steps), 1e-6) <= epsilon


@pytest.mark.parametrize(
    "arguments",
    [
        (0, 10, 1, 1e-6),
        (1.5, 10, 1, 1e-6),
        (0.1, 0, 1, 1e-6),
        (0.1, 10, 0, 1e-6),
        (0.1, 10, math.nan, 1e-6),
        (0.1, 10, 1, 0),
        (0.1, 10, 1, math.nan),
        (0.1, 10, 1, 1),
        (1, 10, 1e-9, 1e-6),
    ],
)
def test_a_calibration_that_cannot_be_is_refused(arguments: Any) -> None:
    with pytest.raises(InvalidRequest):
        accounting.calibrate_dpsgd(*arguments)
