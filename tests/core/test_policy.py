"""A policy lets out what it names, up to what it names, and nothing else."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import unseen as un
from unseen.core.errors import InvalidRequest, PolicyRefused


@given(st.floats(1e-6, 10), st.floats(0, 0.5), st.floats(0, 10), st.floats(0, 1))
def test_a_release_passes_exactly_when_both_prices_fit(epsilon: float, delta: float, most: float, slack: float) -> None:
    policy = un.Policy(("Count",), most, slack)
    try:
        policy.check("Count", un.DP(epsilon, delta, "row"))
        assert epsilon <= most and delta <= slack
    except PolicyRefused:
        assert epsilon > most or delta > slack


def test_a_guard_that_is_not_named_is_refused() -> None:
    with pytest.raises(PolicyRefused, match=r"KAnonymize was asked for.*'Count'"):
        un.Policy(("Count",), 1).check("KAnonymize", un.DP(1, unit="row"))


@pytest.mark.parametrize("guarantee", [un.Nothing("seeded"), un.KAnonymity(5, ("age",)), un.SecureSum(3)])
def test_what_has_no_price_passes_only_where_that_was_said(guarantee: un.Guarantee) -> None:
    with pytest.raises(PolicyRefused, match="unpriced"):
        un.Policy(("Count",), 1).check("Count", guarantee)
    un.Policy(("Count",), 1, unpriced=True).check("Count", guarantee)


@pytest.mark.parametrize(
    "arguments",
    [
        {"guards": "Count"},
        {"guards": None},
        {"guards": 3},
        {"epsilon_at_most": math.nan},
        {"epsilon_at_most": -1},
        {"epsilon_at_most": "1"},
        {"delta_at_most": 2},
        {"unpriced": "false"},
        {"unpriced": 1},
    ],
    ids=repr,
)
def test_a_policy_that_says_nothing_clear_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        un.Policy(**{"guards": ("Count",), "epsilon_at_most": 1, **arguments})
