"""The stream of random bits is uniform, differs between processes, and gives fair coins."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
import os
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, kstest

from unseen.core.noise.entropy import Entropy, counter_mode
from unseen.core.noise.keystream import STRIDE, expanded, fill, lanes, round_keys

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


# --- the same stream by the processor's instructions --------------------------------------------------------------

WITH_AES = pytest.mark.skipif(not lanes(), reason="wants a processor with AES instructions")


def made(key: bytes, strides: int, block: int) -> bytes:
    words = np.full(strides * STRIDE, 7, np.uint64)
    fill(round_keys(key), block, words)
    return words.tobytes()


@WITH_AES
@given(st.binary(min_size=32, max_size=32), st.integers(0, 5), st.integers(0, 2**62) | st.integers(0, 2**33))
def test_keystream_is_that_of_cryptography(key: bytes, strides: int, block: int) -> None:
    """Also where the counter carries into further bytes."""
    assert made(key, strides, block) == counter_mode(key, block).update(bytes(8 * STRIDE * strides))


@WITH_AES
def test_round_keys_are_those_of_the_standard() -> None:
    """FIPS 197, appendix A.3: the first, the last and the ones after each kind of substitution."""
    key = bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
    found = expanded(np.frombuffer(key, np.uint32)).tobytes()
    for place, word in {0: "603deb10", 7: "0914dff4", 8: "9ba35411", 12: "a8b09c1a", 59: "706c631e"}.items():
        assert found[4 * place : 4 * place + 4].hex() == word


@WITH_AES
@pytest.mark.parametrize(
    "key, wanted",
    [
        ("00" * 32, "dc95c078a2408989ad48a21492842087"),
        ("80" + "00" * 31, "e35a6dcb19b201a01ebcfa8aa22b5759"),
        ("c47b0294dbbbee0fec4757f22ffeee3587ca4730c3d33b691df38bab076bc558", "46f2fb342d6f0ab477476fc501242c5f"),
    ],
)
def test_keystream_starts_with_the_standards_answers(key: str, wanted: str) -> None:
    """NIST's known answers for AES-256 of a block of zeros: the stream's first block."""
    assert made(bytes.fromhex(key), 1, 0)[:16].hex() == wanted
