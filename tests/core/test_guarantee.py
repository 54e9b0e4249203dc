"""Guarantees say what they promise and what they do not, and arguments that are no numbers are refused."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import unseen as un
from unseen.core.errors import InvalidRequest
from unseen.core.guarantee import number, price, whole

GUARANTEES = [
    un.DP(1, unit="patient_id"),
    un.DP(0.3, 1e-6, "row", caveats=("the weather",)),
    un.KAnonymity(5, ("age", "zip"), "patient_id"),
    un.Robust(un.Norm.L2, 0.5, 0.999),
    un.Encrypted("CKKS", 128, "the hospital"),
    un.SecureSum(3),
    un.Nothing("seeded"),
]


@pytest.mark.parametrize("guarantee", GUARANTEES, ids=lambda g: type(g).__name__)
def test_a_guarantee_prints_as_one_sentence_that_says_what_is_not_promised(guarantee: un.Guarantee) -> None:
    text = str(guarantee)
    assert text.endswith(".") and "\n" not in text
    assert "not promised" in text or text.startswith("Nothing is promised")


def test_a_dp_sentence_names_unit_relation_delta_trust_timing_and_caveats() -> None:
    text = str(un.DP(0.5, 1e-6, "patient_id", caveats=("the weather",)))
    for part in ("e^0.5", "patient_id", "add-or-remove", "1e-06", "trusted", "how long a call takes", "the weather"):
        assert part in text


@pytest.mark.parametrize("guarantee", GUARANTEES, ids=lambda g: type(g).__name__)
def test_a_guarantee_is_json_ready_with_kind_and_sentence(guarantee: un.Guarantee) -> None:
    told = json.loads(json.dumps(guarantee.to_dict(), allow_nan=False))
    assert told["kind"] == type(guarantee).__name__
    assert told["sentence"] == str(guarantee)


@pytest.mark.parametrize(
    "epsilon",
    [
        0,
        -1,
        -0.0,
        math.nan,
        math.inf,
        -math.inf,
        "1",
        None,
        True,
        1j,
        [1],
        10**400,
        np.array([1.0, 2.0]),
        Decimal("sNaN"),
    ],
    ids=lambda value: repr(value)[:12],
)
def test_an_epsilon_that_is_no_positive_number_is_an_invalid_request(epsilon: Any) -> None:
    with pytest.raises(InvalidRequest) as told:
        un.DP(epsilon)
    assert "epsilon" in str(told.value) and "\n" not in str(told.value)


@pytest.mark.parametrize("delta", [1, 1.5, -1e-9, math.nan, math.inf, "0", True])
def test_a_delta_outside_zero_to_one_is_an_invalid_request(delta: Any) -> None:
    with pytest.raises(InvalidRequest):
        un.DP(1, delta)


@pytest.mark.parametrize("relation", ["add-or-remove", None, 3])
def test_a_relation_is_a_member_not_a_string(relation: Any) -> None:
    with pytest.raises(InvalidRequest):
        un.DP(1, neighbours=relation)


@given(st.decimals(min_value="1e-12", max_value="1e6", places=12))
def test_a_price_is_the_decimal_that_was_written(written: Decimal) -> None:
    assert price(float(repr(float(written)))) == Fraction(repr(float(written)))
    if len(written.normalize().as_tuple().digits) <= 15:  # what a double can tell apart
        assert price(float(written)) == Fraction(written)


@given(st.floats(allow_nan=True, allow_infinity=True), st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_number_lets_through_exactly_what_lies_in_range(value: float, low: float, width: float) -> None:
    try:
        assert low <= number("x", value, low, low + width) <= low + width
    except InvalidRequest:
        assert not (math.isfinite(value) and low <= value <= low + width)


@given(st.integers(0, 2**200))
def test_whole_gives_every_integer_back_unchanged(value: int) -> None:
    assert whole("seed", value) == value


@pytest.mark.parametrize("value", [0.5, -1, math.nan, "3", True, None])
def test_whole_refuses_what_is_not_a_whole_number(value: Any) -> None:
    with pytest.raises(InvalidRequest):
        whole("seed", value)
