"""The stream of random bits is uniform, differs between processes, and gives fair coins."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
import os
from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import chi2, kstest

from unseen.core.noise.entropy import Entropy

FALSE_ALARM = 1e-6


def even(values: np.ndarray, cells: int) -> bool:
    counts = np.bincount(values, minlength=cells)
    expected = len(values) / cells
    return float(np.sum((counts - expected) ** 2) / expected) < chi2.isf(FALSE_ALARM, cells - 1)


@pytest.mark.statistical
def test_bytes_are_uniform(proof_runs: Callable[[int, int], int]) -> None:
    """False alarm 1e-6; power: a lowest bit that is stuck is seen, checked."""
    words = Entropy().words(proof_runs(50_000, 2_000_000)).view(np.uint8)
    assert even(words, 256) and not even(words & 0xFE, 256)


@pytest.mark.statistical
def test_uniforms_are_uniform_and_below_one(proof_runs: Callable[[int, int], int]) -> None:
    """False alarm 1e-6; power: a shift by one in two hundred is seen at the reduced count, checked."""
    found = Entropy().uniform(proof_runs(200_000, 4_000_000))
    assert found.min() >= 0 and found.max() < 1
    assert np.all(found * 2**53 == np.floor(found * 2**53))
    assert kstest(found, "uniform").pvalue > FALSE_ALARM
    assert kstest(np.clip(found * 0.985, 0, 1), "uniform").pvalue < FALSE_ALARM


@pytest.mark.statistical
@pytest.mark.parametrize("chance", [0.001, 0.3, 0.5])
def test_coins_are_fair_and_independent(proof_runs: Callable[[int, int], int], chance: float) -> None:
    """False alarm below 1e-6 a case: 5 standard deviations."""
    count = proof_runs(400_000, 8_000_000)
    coins = Entropy().coins(count, chance)
    assert abs(coins.sum() - count * chance) < 5 * math.sqrt(count * chance * (1 - chance))
    both = np.sum(coins[1:] & coins[:-1])
    assert abs(both - count * chance**2) < 5.5 * math.sqrt(count) * chance + 20 * chance


def test_coins_of_zero_and_one_are_certain() -> None:
    assert not Entropy().coins(1000, 0).any() and Entropy().coins(1000, 1).all()


@pytest.mark.statistical
def test_a_permutation_is_uniform(proof_runs: Callable[[int, int], int]) -> None:
    """False alarm 1e-6; power: one that never moves its first element is seen, checked."""
    entropy, runs = Entropy(), proof_runs(6_000, 200_000)
    found = np.array([int("".join(map(str, entropy.permutation(3))), 3) for _ in range(runs)])
    codes = {code: index for index, code in enumerate(sorted(set(found.tolist())))}
    assert len(codes) == 6
    numbers = np.array([codes[code] for code in found.tolist()])
    assert even(numbers, 6) and not even(numbers % 2, 6)


def test_a_seed_repeats_and_no_seed_never_does() -> None:
    assert np.array_equal(Entropy(3).words(8), Entropy(3).words(8))
    assert not np.array_equal(Entropy(3).words(8), Entropy(4).words(8))
    assert not np.array_equal(Entropy().words(8), Entropy().words(8))
    stream = Entropy(3)
    assert not np.array_equal(stream.words(8), stream.words(8))


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_as_many_are_drawn_as_were_asked_for(count: int) -> None:
    stream = Entropy()
    drawn = (
        stream.words(count),
        stream.uniform(count),
        stream.coins(count, 0.5),
        stream.permutation(count),
    )
    assert [len(found) for found in drawn] == [count] * 4


def test_a_forked_child_does_not_repeat_its_parent() -> None:
    stream = Entropy()
    stream.words(1)
    seen = []
    for _ in range(2):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writer, stream.words(4).tobytes())
            os._exit(0)
        os.waitpid(child, 0)
        os.close(writer)
        with os.fdopen(reader, "rb") as answer:
            seen.append(answer.read())
    seen.append(stream.words(4).tobytes())
    assert len(set(seen)) == 3
