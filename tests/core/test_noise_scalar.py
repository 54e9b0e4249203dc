"""Scalar noise costs what was asked, has the law that it claims, and its intervals are exact."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from unseen.core.errors import InvalidRequest
from unseen.core.guarantee import price
from unseen.core.noise.scalar import _mechanism, laplace, laplace_half_width, laplace_scale

FALSE_ALARM = 1e-6


@given(st.integers(1, 2**31), st.floats(1e-3, 1e3))
def test_the_scale_is_certified_exactly_and_not_wasteful(sensitivity: int, epsilon: float) -> None:
    scale = laplace_scale(sensitivity, epsilon)
    assert Fraction(sensitivity) / Fraction(scale) <= price(epsilon)  # in exact arithmetic, not in doubles
    assert Fraction(_mechanism(scale).map(sensitivity)) <= price(epsilon)
    assert scale <= sensitivity / epsilon * (1 + 1e-12)


@pytest.mark.parametrize("epsilon", [1e-300, 5e-324, 1e-16, 0, -1, math.nan, math.inf])
def test_an_epsilon_that_no_noise_can_keep_is_refused(epsilon: float) -> None:
    with pytest.raises(InvalidRequest):
        laplace_scale(1, epsilon)


@pytest.mark.parametrize("epsilon", [1e3, 1e100, 1e300, 1.7e308])
def test_an_epsilon_that_needs_no_noise_still_works(epsilon: float) -> None:
    assert laplace([5], 1, epsilon) == [5]


def mass(t: int, scale: float) -> float:
    """P(Z = t) of discrete Laplace noise Z."""
    a = math.exp(-1 / scale)
    return (1 - a) / (1 + a) * a ** abs(t)


def has_law(draws: Sequence[int], scale: float) -> bool:
    """Chi-square against the exact masses, tails pooled; wrong about a true law once in a million."""
    found, reach = np.asarray(draws), int(4 * scale) + 1
    middle = np.arange(-reach, reach + 1)
    expected = np.array([mass(int(t), scale) for t in middle])
    tail = (1 - expected.sum()) / 2
    counts = [np.sum(found < -reach), *(np.sum(found == t) for t in middle), np.sum(found > reach)]
    shares = np.concatenate([[tail], expected, [tail]]) * len(found)
    statistic = float(np.sum((np.array(counts) - shares) ** 2 / shares))
    return statistic < chi2.isf(FALSE_ALARM, len(shares) - 1)


@pytest.mark.statistical
@pytest.mark.parametrize(("sensitivity", "epsilon"), [(1, 1.0), (3, 1.0), (1, 0.2)])
def test_noise_has_the_exact_law_of_its_scale(
    proof_runs: Callable[[int, int], int], sensitivity: int, epsilon: float
) -> None:
    """False alarm 1e-6; power: halved sensitivity and a scale off by 10 % are seen, both checked."""
    draws = laplace([0] * proof_runs(40_000, 1_000_000), sensitivity, epsilon)
    scale = sensitivity / epsilon
    assert has_law(draws, scale)
    assert not has_law(draws, scale / 2)
    assert not has_law(draws, scale * 1.1)


@pytest.mark.statistical
def test_seeded_noise_has_the_same_law_and_repeats(proof_runs: Callable[[int, int], int]) -> None:
    """False alarm: none, the seed is fixed."""
    count = proof_runs(40_000, 1_000_000)
    draws = laplace([0] * count, 1, 0.5, seed=7)
    assert draws == laplace([0] * count, 1, 0.5, seed=7) != laplace([0] * count, 1, 0.5, seed=8)
    assert has_law(draws, 2) and not has_law(draws, 1)


@given(st.floats(0.05, 1e4), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_the_half_width_is_the_least_that_covers(scale: float, confidence: float) -> None:
    a = math.exp(-1 / scale)

    def outside(t: int) -> float:
        return 2 * a ** (t + 1) / (1 + a)

    width = laplace_half_width(scale, confidence)
    assert outside(width) <= (1 - confidence) * (1 + 1e-9)
    assert width == 0 or outside(width - 1) > (1 - confidence) * (1 - 1e-9)


def test_forked_children_draw_different_noise() -> None:
    laplace([0], 1, 1e-9)
    seen = []
    for _ in range(2):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writer, repr(laplace([0] * 4, 1, 1e-9)).encode())
            os._exit(0)
        os.waitpid(child, 0)
        os.close(writer)
        with os.fdopen(reader) as answer:
            seen.append(answer.read())
    seen.append(repr(laplace([0] * 4, 1, 1e-9)))
    assert len(set(seen)) == 3
