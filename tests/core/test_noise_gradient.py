"""Noise for gradients: normal to the far tails, independent, never shared; and sums on a grid are exact."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import copy
import math
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from itertools import permutations, product
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri
from scipy.stats import binom, chi2

from unseen.core.noise import normals
from unseen.core.noise.entropy import Entropy
from unseen.core.noise.gradient import add_gaussian, add_gaussian_, exact_step, quantised
from unseen.core.noise.keystream import lanes
from unseen.core.noise.normals import BLOCK, FURTHEST, PART, WORTH_A_THREAD, add_normals, transform

SOURCE = Path(__file__).parents[2] / "src"
FALSE_ALARM = 1e-7
SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
BOTH = pytest.mark.parametrize("dtype", [SINGLE, DOUBLE], ids=str)


def arranged(radii: Any, angles: Any, dtype: np.dtype[Any]) -> np.ndarray:
    """The words that the transform reads as these radii, of 64 bits, and these angles."""
    radii = np.array(radii, np.uint64)
    if dtype == DOUBLE:
        return np.concatenate([radii, np.array(angles, np.uint64)])
    high, low = (radii >> np.uint64(32)).astype(np.uint32), radii.astype(np.uint32)
    return np.concatenate([high, low, np.array(angles, np.uint32), np.zeros(len(radii) % 2, np.uint32)]).view(np.uint64)


GIVEN = np.empty(0, np.uint32), 0
"""In place of round keys and the number of a block: the words are given."""


def pairs(radii: Any, angles: Any, dtype: np.dtype[Any]) -> tuple[np.ndarray, np.ndarray]:
    """The transform of one word of each kind a pair."""
    found = []
    for start in range(0, len(radii), BLOCK // 2):
        some = slice(start, start + BLOCK // 2)
        out = np.zeros(2 * len(radii[some]), dtype)
        transform(dtype)(*GIVEN, arranged(radii[some], angles[some], dtype), out, 1.0, 1.0)
        found.append(out.reshape(2, -1))
    first, second = np.concatenate(found, axis=1)
    return first, second


def drawn(count: int, dtype: np.dtype[Any] = SINGLE, entropy: Entropy | None = None) -> np.ndarray:
    out = np.zeros(count, dtype)
    add_normals([out], 1.0, entropy or Entropy())
    return out


# --- the transform -----------------------------------------------------------------------------------------------

# All bits zero, all one, and on both sides of where the exponent, the reduction and the conversion switch.
SWITCHES = [2**53, 2**54, 2**63, 2**62, *(int(mpmath.mpf(2) ** (64 - k) / mpmath.sqrt(2)) for k in (0, 1, 2, 30, 62))]
RADII = sorted({0, 1, 2, 3, 2**64 - 1, 2**64 - 2, 2**64 - 2**11, *(s + d for s in SWITCHES for d in (-1, 0, 1, 2))})


def extreme_angles(width: int) -> list[int]:
    """Each eighth of the circle at both its ends, next to them, in its middle and where doubles start to round."""
    inside = {0, 1, 2, 2**width - 1, 2**width - 2, 2 ** (width - 1), min(2**53, 2**width - 3) + 1}
    return [eighth << width | k for eighth in range(8) for k in sorted(inside)]


def exact(radius: int, angle: int, width: int) -> tuple[mpmath.mpf, mpmath.mpf]:
    """The pair at 60 digits. For float64 that u is a double is part of the transform; the angle's cell is for both."""
    with mpmath.workdps(60):
        u = mpmath.mpf((float(radius) + 0.5) * 2.0**-64) if width == 61 else (mpmath.mpf(radius) + 0.5) / 2**64
        far = mpmath.sqrt(-2 * mpmath.log(u))
        turn = (mpmath.mpf(angle & (2**width - 1)) + 0.5) * mpmath.pi / 4 / 2**width
        short, long = far * mpmath.sin(turn), far * mpmath.cos(turn)
        short *= (-1) ** (angle >> width & 1)
        long *= (-1) ** (angle >> (width + 1) & 1)
        return (short, long) if angle >> (width + 2) else (long, short)


@BOTH
def test_transform_is_exact_at_extreme_words(dtype: np.dtype[Any]) -> None:
    """Relative error below 1e-15 in float64, below 5e-7 in float32."""
    width = 29 if dtype == SINGLE else 61
    rng = np.random.default_rng(1)
    cases = list(product(RADII, extreme_angles(width)))
    cases += [(int(r), int(a)) for r, a in zip(*rng.integers(0, 2**64, (2, 2000), dtype=np.uint64), strict=True)]
    cases = [(r, a % 2 ** (width + 3)) for r, a in cases]
    allowed = 5e-7 if dtype == SINGLE else 1e-15
    first, second = pairs([r for r, _ in cases], [a for _, a in cases], dtype)
    assert np.isfinite(first).all() and np.isfinite(second).all()
    worst = mpmath.mpf(0)
    for (radius, angle), found in zip(cases, zip(first, second, strict=True), strict=True):
        for one, wanted in zip(found, exact(radius, angle, width), strict=True):
            assert (wanted == 0) == (one == 0)
            if wanted:
                worst = max(worst, abs(mpmath.mpf(float(one)) / wanted - 1))
    assert worst < allowed, float(worst)


@BOTH
def test_compiled_transform_is_the_written_one_to_the_bit(
    dtype: np.dtype[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No operation is fused or reordered: the interpreter, one element at a time, finds the same bits."""
    words = Entropy(5).words(4000)
    found = np.full(3999, 0.1, dtype)  # odd: the last pair gives one
    transform(dtype)(*GIVEN, words.copy(), found, 1.7, 0.3)
    compiled: Any = normals.single if dtype == SINGLE else normals.double
    monkeypatch.setattr(normals, "_sum", compiled.py_func.__globals__["_sum"].py_func)
    bits = words.view(np.uint32) if dtype == SINGLE else words
    for i in range(2000):
        radius, *point = compiled.py_func(*bits[i : (3 if dtype == SINGLE else 2) * 2000 : 2000])
        for coordinate, place in zip(point, (i, 2000 + i), strict=True):
            noised = (np.float64(dtype.type(0.1)) + 1.7 * np.float64(radius) * np.float64(coordinate)) * 0.3
            assert place == 3999 or found[place] == dtype.type(noised)


@BOTH
def test_normals_are_symmetric_to_the_last_bit(dtype: np.dtype[Any]) -> None:
    """The eight eighths of the circle give one pair of sizes, with each choice of signs and order once."""
    width = 29 if dtype == SINGLE else 61
    for radius, cell in product([0, 2**40 + 7, 2**63 + 12345], [0, 987654321 % 2**width, 2**width - 1]):
        first, second = pairs([radius] * 8, [eighth << width | cell for eighth in range(8)], dtype)
        seen = set(zip(first.tolist(), second.tolist(), strict=True))
        a, b = abs(float(first[0])), abs(float(second[0]))
        assert seen == {(s * x, t * y) for s, t in product((1, -1), repeat=2) for x, y in ((a, b), (b, a))}


@BOTH
@pytest.mark.parametrize("x", [1e-3, 0.5, 1, 2, 3, 4, 5, 6, 7, 7.5, 7.9])
def test_tails_have_their_probability_beyond_any_that_can_be_drawn(x: float, dtype: np.dtype[Any]) -> None:
    """The share of words whose radius is above x is exp(-x²/2) within 1e-6: deterministic, out to 7.9.

    In float32 within another 3e-7 x².
    """
    off = 1e-6 + (3e-7 * x**2 if dtype == SINGLE else 0)
    with mpmath.workdps(60):
        share = mpmath.exp(-(mpmath.mpf(x) ** 2) / 2)
        words = [int(share * 2**64 * (1 - off)), int(share * 2**64 * (1 + off)) + 1]
    found = pairs([min(word, 2**64 - 1) for word in words], [12345, 12345], dtype)
    above, below = np.hypot(*(each.astype(np.float64) for each in found))
    assert above > x > below


def test_furthest_normal_is_beyond_nine() -> None:
    for dtype in (SINGLE, DOUBLE):
        (first,), (second,) = pairs([0], [0], dtype)
        assert abs(first / FURTHEST - 1) < (3e-7 if dtype == SINGLE else 1e-15) and 0 < second < 1e-7
    assert 9.49 < FURTHEST < 9.5
    near = np.hypot(*pairs([0, 1, 2**20, 2**53, 2**53 + 2**30, 2**63, 2**64 - 2**12], [7] * 7, DOUBLE))
    assert np.all(near[1:] < near[:-1]), "the radius falls as its word grows"


# --- what is drawn -----------------------------------------------------------------------------------------------

QUANTILES = ndtri(np.arange(1, 256) / 256)
TAILS = np.arange(1.0, 6.0)
EDGES = np.sort(np.concatenate([QUANTILES, TAILS, -TAILS]))


def counted(values: np.ndarray) -> np.ndarray:
    """How many lie in each cell between the quantiles and the tails' edges."""
    return np.bincount(np.searchsorted(EDGES, values), minlength=len(EDGES) + 1)


def tails_fit(counts: np.ndarray) -> bool:
    """Whether each side's count beyond 1, 2, … 5 is one that its binomial law allows."""
    total = int(counts.sum())
    alarm = FALSE_ALARM / (4 * len(TAILS))
    for tail in TAILS:
        right = int(counts[np.searchsorted(EDGES, tail) + 1 :].sum())
        left = int(counts[: np.searchsorted(EDGES, -tail) + 1].sum())
        for found in (left, right):
            if min(binom.cdf(found, total, ndtr(-tail)), binom.sf(found - 1, total, ndtr(-tail))) < alarm:
                return False
    return True


def quantiles_fit(counts: np.ndarray) -> bool:
    """Chi-square over all cells that expect 10 or more."""
    expected = counts.sum() * np.diff(ndtr(np.concatenate([[-np.inf], EDGES, [np.inf]])))
    kept = expected >= 10
    found = float(np.sum((counts[kept] - expected[kept]) ** 2 / expected[kept]))
    return bool(found < chi2.isf(FALSE_ALARM, int(kept.sum())))


def moments_fit(total: int, first: float, second: float) -> bool:
    """Mean and mean square within 5.6 standard errors: 2e-8 a side."""
    error = 5.6 / math.sqrt(total)
    return abs(first / total) < error and abs(second / total - 1) < error * math.sqrt(2)


@pytest.mark.statistical
@BOTH
def test_normals_are_normal_out_to_five_deviations(proof_runs: Callable[[int, int], int], dtype: np.dtype[Any]) -> None:
    """False alarm below 3e-7 a case. Power, checked: tails cut at 4 and a scale off by 0.5 % are both seen."""
    total = proof_runs(2_000_000, 100_000_000)
    entropy, size = Entropy(), min(total, 4_000_000)
    sound, cut, sums = np.zeros(len(EDGES) + 1, np.int64), np.zeros(len(EDGES) + 1, np.int64), np.zeros(2)
    for _ in range(total // size):
        found = drawn(size, dtype, entropy)
        sound += counted(found)
        cut += counted(np.where(np.abs(found) > 4, found / 2, found))
        double = found.astype(np.float64)
        sums += [double.sum(), (double**2).sum()]
    assert tails_fit(sound) and quantiles_fit(sound) and moments_fit(total, *sums)
    assert not tails_fit(cut)
    assert not moments_fit(total, 1.005 * sums[0], 1.005**2 * sums[1])


def related(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two columns of normals that should be independent are seen not to be.

    The values' and the squares' correlation, and 16 × 16 cells of quantiles: false alarm 1.4e-7.
    """
    total = len(one)
    limit = 5.6 / math.sqrt(total)
    if abs(np.mean(one * other)) > limit or abs(np.mean((one**2 - 1) * (other**2 - 1)) / 2) > limit * 1.1:
        return True
    cells = np.searchsorted(QUANTILES[15::16], one) * 16 + np.searchsorted(QUANTILES[15::16], other)
    found = np.bincount(cells, minlength=256)
    return bool(np.sum((found - total / 256) ** 2 / (total / 256)) > chi2.isf(FALSE_ALARM, 255))


@pytest.mark.statistical
@BOTH
def test_normals_are_independent(proof_runs: Callable[[int, int], int], dtype: np.dtype[Any]) -> None:
    """Neighbours, the two of a pair (half a block apart), blocks and calls: false alarm below 2e-6 a case.

    Power, checked: a pair whose order never changes, one whose second sign follows the first in one of 25, and
    a stream that is used a second time for one element in 25 are seen.
    """
    total = proof_runs(1_000_000, 10_000_000) // (2 * BLOCK) * (2 * BLOCK)
    entropy = Entropy()
    found = drawn(total, dtype, entropy).astype(np.float64)
    blocks = found.reshape(-1, 2, BLOCK // 2)
    first, second = blocks[:, 0].ravel(), blocks[:, 1].ravel()
    assert not related(first, second)
    for lag in (1, 2, 3, BLOCK, 2 * BLOCK):
        assert not related(found[:-lag], found[lag:]), lag
    again = drawn(total, dtype, entropy).astype(np.float64)
    assert not related(found, again)

    larger = np.abs(first) > np.abs(second)
    assert related(np.where(larger, first, second), np.where(larger, second, first))
    some = np.arange(total) % 25 == 0
    assert related(first, np.where(some[: len(first)], np.copysign(second, first), second))
    assert related(found, np.where(some, found, again))


@pytest.mark.parametrize("threads", [1, 3])
def test_no_word_serves_twice_in_a_call(threads: int) -> None:
    """Arrays, blocks of every parity and threads have noise of their own, on every element."""
    sizes = [1, 2, 3, 0, 7, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 5, (threads - 1) * WORTH_A_THREAD]
    for dtype in (SINGLE, DOUBLE):
        arrays = [np.zeros(size, dtype) for size in sizes]
        add_normals(arrays, 1.0, Entropy(), threads)
        found = np.concatenate(arrays)
        assert np.all(found != 0)
        if dtype == DOUBLE:  # float32 has so few values that chance repeats some
            assert len(np.unique(np.abs(found))) == len(found)


@pytest.mark.parametrize("threads", [1, 3])
def test_the_library_gives_the_same_normals_to_the_bit(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the processor has no AES instructions."""
    sizes = [1, 2, 0, 7, BLOCK - 1, 2 * BLOCK + 5, 2 * PART + BLOCK + 3, (threads - 1) * WORTH_A_THREAD]
    found = [np.zeros(size, dtype) for size in sizes for dtype in (SINGLE, DOUBLE)]
    wanted = [array.copy() for array in found]
    add_normals(found, 1.0, Entropy(4), threads)
    monkeypatch.setattr(normals, "round_keys", lambda key: np.empty(0, np.uint32))
    add_normals(wanted, 1.0, Entropy(4), threads)
    assert all(np.array_equal(one, other) for one, other in zip(found, wanted, strict=True))


NARROWER = {
    4: ("znver3", "+vaes,+aes,+avx2,+fma,+avx,+sse4.2,+ssse3,+sse2"),
    2: ("x86-64-v2", "+aes,+sse4.2,+ssse3,+sse2"),
    0: ("x86-64", "+sse2"),
}


@pytest.mark.parametrize("narrow", NARROWER)
def test_another_processor_finds_the_same_normals_to_the_bit(narrow: int) -> None:
    """Compiled for registers of 256 and 128 bits, and without AES; also where products and sums could be fused."""
    if lanes() <= narrow:
        pytest.skip("wants a processor that can do more")
    code = """
import numpy as np
from unseen.core.noise import keystream, normals
from unseen.core.noise.entropy import Entropy
found = [np.zeros(5001, np.float32), np.zeros(5001)]
normals.add_normals(found, 1.0, Entropy(8))
print(keystream.lanes(), *(array.tobytes().hex() for array in found))
"""
    name, features = NARROWER[narrow]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    wanted: list[np.ndarray] = [np.zeros(5001, np.float32), np.zeros(5001)]
    add_normals(wanted, 1.0, Entropy(8))
    assert ended.stdout.split() == [str(narrow), *(array.tobytes().hex() for array in wanted)]


def test_the_key_comes_from_the_traced_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """What watches for noise before the charge watches ``Entropy.words``."""
    asked: list[int] = []
    words = Entropy.words

    def watched(self: Entropy, count: int) -> Any:
        asked.append(count)
        return words(self, count)

    monkeypatch.setattr(Entropy, "words", watched)
    add_gaussian([torch.zeros(5), torch.zeros(3)], 1.0, Entropy())
    assert asked == [4]


# --- never shared ------------------------------------------------------------------------------------------------


def in_a_fork(act: Callable[[], np.ndarray]) -> np.ndarray:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, act().tobytes())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        found = np.frombuffer(answer.read())
    os.waitpid(child, 0)
    return found


def all_differ(draws: list[np.ndarray]) -> bool:
    """Whether no value is drawn twice, at whatever place: two doubles agree by chance once in 10^10 such tests."""
    together = np.concatenate(draws)
    return len(draws) > 1 and len(together) == 64 * len(draws) == len(np.unique(np.abs(together)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="wants os.fork")
@pytest.mark.parametrize("numbers", ["as they are", "come round again"])
def test_two_forks_and_their_parent_share_no_noise(numbers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a grandchild has the number that the process had in which the stream was keyed."""
    if numbers == "come round again":
        monkeypatch.setattr(os, "getpid", lambda: 4711)
    stream = Entropy()
    draws = [drawn(64, DOUBLE, stream)]
    draws += [in_a_fork(lambda: drawn(64, DOUBLE, stream)) for _ in range(2)]
    draws.append(in_a_fork(lambda: in_a_fork(lambda: drawn(64, DOUBLE, stream))))
    draws.append(drawn(64, DOUBLE, stream))
    assert all_differ(draws)
    seeded = Entropy(1)  # what a shared stream looks like
    assert not all_differ([in_a_fork(lambda: drawn(64, DOUBLE, seeded)) for _ in range(2)])


def test_two_resumes_of_a_checkpoint_share_no_noise() -> None:
    """A stream that was kept by mistake comes back with another key."""
    stream = Entropy()
    kept = pickle.dumps({"entropy": stream})
    draws = [drawn(64, DOUBLE, stream), drawn(64, DOUBLE, copy.deepcopy(stream)), drawn(64, DOUBLE, Entropy())]
    draws += [drawn(64, DOUBLE, pickle.loads(kept)["entropy"]) for _ in range(2)]
    assert all_differ([*draws, drawn(64, DOUBLE, stream)])
    assert len(kept) < 200, "no key and no position is kept"


def test_two_ranks_share_no_noise() -> None:
    code = """
import pickle, sys, numpy as np
from unseen.core.noise.normals import add_normals
found = np.zeros(64)
add_normals([found], 1.0, pickle.loads(bytes.fromhex(sys.argv[1])))
print(found.tobytes().hex())
"""
    for seed in (None, 3):
        stream = Entropy(seed)
        draws = [drawn(64, DOUBLE, stream)]
        for rank in (1, 2):
            sent = pickle.dumps(stream if seed is None else Entropy(seed, rank)).hex()
            environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
            ended = subprocess.run([sys.executable, "-c", code, sent], env=environment, capture_output=True, text=True)
            assert ended.returncode == 0, ended.stderr
            draws.append(np.frombuffer(bytes.fromhex(ended.stdout)))
        assert all_differ(draws)


def test_a_seed_repeats_to_the_bit_however_many_threads_there_are() -> None:
    sums = [torch.ones(3, 5), torch.ones(3 * WORTH_A_THREAD + 1), torch.ones(7, dtype=torch.float64)]
    runs = [add_gaussian(sums, 1.5, Entropy(9)) for _ in range(2)]
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))
    assert not torch.equal(runs[0][0], add_gaussian(sums, 1.5, Entropy(10))[0])
    assert not torch.equal(runs[0][0], add_gaussian(sums, 1.5, Entropy(9, rank=1))[0])
    for threads in (1, 2, 3, 50):
        arrays = [tensor.clone().numpy().reshape(-1) for tensor in sums]
        add_normals(arrays, 1.5, Entropy(9), threads)
        assert all(np.array_equal(a, b.numpy().reshape(-1)) for a, b in zip(arrays, runs[0], strict=True))


# --- added to sums -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16], ids=str)
def test_noise_is_added_in_the_sums_own_shape_and_dtype(dtype: torch.dtype) -> None:
    wide = torch.arange(12, dtype=dtype).reshape(3, 4)
    sums = [wide, wide.T, wide[:, ::2], torch.tensor(3.0, dtype=dtype), torch.zeros(0, 4, dtype=dtype)]
    sums.append(torch.ones(1, dtype=dtype).expand(5, 6))
    before = [tensor.clone() for tensor in sums]
    noised = add_gaussian(sums, 0.25, Entropy())
    for tensor, was, found in zip(sums, before, noised, strict=True):
        assert torch.equal(tensor, was)
        assert (found.shape, found.dtype) == (tensor.shape, tensor.dtype)
        assert not found.requires_grad
        assert torch.all((found - tensor).abs() < 0.25 * FURTHEST + 0.1)
    assert len(set(noised[-1].reshape(-1).tolist())) > 8, "an expanded sum has a draw for each element"
    in_place = [tensor.clone() for tensor in sums[:-1]] + [wide.clone().T]
    add_gaussian_(in_place, 0.25, Entropy())
    assert all(
        torch.any(a != b) for a, b in zip(in_place, [*before[:-1], wide.T], strict=True) if a.numel()
    )  # a view that is not contiguous too


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_a_factor_multiplies_sum_and_noise(dtype: torch.dtype) -> None:
    """In one pass for what is rounded once: within a unit in the last place of the product afterwards."""
    wide = torch.linspace(-2, 2, 12, dtype=dtype).reshape(3, 4)
    plain, scaled = ([wide.clone(), wide.clone().T] for _ in range(2))
    add_gaussian_(plain, 0.25, Entropy(6))
    add_gaussian_(scaled, 0.25, Entropy(6), factor=1 / 3)
    for one, other in zip(plain, scaled, strict=True):
        torch.testing.assert_close(other, one / 3, rtol=2 * torch.finfo(dtype).eps, atol=0)
    for wrong in (math.inf, math.nan):
        with pytest.raises(ValueError, match="finite"):
            add_gaussian_(plain, 0.25, Entropy(6), wrong)


def test_noise_of_nothing_and_no_noise() -> None:
    assert add_gaussian([], 1.0, Entropy()) == []
    sums = [torch.randn(10, generator=torch.Generator().manual_seed(1))]
    assert torch.equal(add_gaussian(sums, 0.0, Entropy())[0], sums[0])
    for wrong in (-1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="finite and not negative"):
            add_gaussian(sums, wrong, Entropy())
    for integral in (torch.zeros(3, dtype=torch.int64), torch.zeros(3, dtype=torch.complex64)):
        with pytest.raises(TypeError, match="floating-point"):
            add_gaussian([integral], 1.0, Entropy())


def test_large_sums_are_rounded_once() -> None:
    """A float32 sum and its noise meet in double precision."""
    base = torch.full((1001,), 3.0e7)
    noise = torch.zeros(1001)
    add_gaussian_([noise], 3.0, Entropy(2))
    (found,) = add_gaussian([base], 3.0, Entropy(2))
    apart = (found.double() - base.double() - noise.double()).abs()
    assert torch.all(apart <= 1.0 + 1e-6)  # half the distance of neighbours at 3e7, which is 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="wants a CUDA device")
def test_noise_reaches_a_device() -> None:
    sums = [torch.zeros(1000, device="cuda")]
    (found,) = add_gaussian(sums, 2.0, Entropy(4))
    (wanted,) = add_gaussian([torch.zeros(1000)], 2.0, Entropy(4))
    assert found.device == sums[0].device and torch.equal(found.cpu(), wanted)


# --- the grid ----------------------------------------------------------------------------------------------------

floats32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
floats64 = st.floats(allow_nan=False, allow_infinity=False)


@given(st.data(), st.sampled_from([torch.float32, torch.float64]))
def test_quantised_lies_on_the_grid_and_never_grows(data: st.DataObject, dtype: torch.dtype) -> None:
    single = dtype == torch.float32
    values = data.draw(st.lists(floats32 if single else floats64, min_size=1, max_size=8))
    step = 2.0 ** data.draw(st.integers(-126, 126) if single else st.integers(-1022, 1022))
    found = quantised(torch.tensor(values, dtype=dtype), step).tolist()
    for was, now in zip(map(Fraction, values), map(Fraction, found), strict=True):
        assert now % Fraction(step) == 0
        assert abs(now) <= abs(was) < abs(now) + Fraction(step)
        assert now * was >= 0
    assert quantised(torch.tensor(found, dtype=dtype), step).tolist() == found


def test_quantised_keeps_what_is_not_finite() -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        kind = torch.finfo(dtype)
        for step in (kind.tiny, 2.0**-3, 1 / kind.tiny):
            found = quantised(torch.tensor([math.inf, -math.inf, math.nan, kind.max, -kind.tiny], dtype=dtype), step)
            assert found[0] == math.inf and found[1] == -math.inf and math.isnan(found[2])
            assert found[3] == (kind.max if kind.max >= step else 0) or step > kind.eps * kind.max


@pytest.mark.parametrize("step", [0.0, -0.5, 0.3, math.nan, math.inf, 2.0**-127, 2.0**127])
def test_a_step_that_is_no_power_of_two_is_refused(step: float) -> None:
    with pytest.raises(ValueError, match="power of two"):
        quantised(torch.zeros(3), step)


@given(
    st.lists(st.floats(-1, 1, width=32), min_size=2, max_size=5),
    st.floats(1e-20, 1e20),
    st.integers(0, 10_000),
)
def test_sums_on_the_exact_step_have_no_order(values: list[float], bound: float, more: int) -> None:
    """Every order of additions finds the sum of the fractions, however large the addends are up to the bound."""
    step = exact_step(bound, len(values) + more, torch.float32)
    addends = quantised((torch.tensor(values, dtype=torch.float64) * bound).float().clamp(-bound, bound), step)
    wanted = sum(Fraction(value) for value in addends.tolist())
    for order in permutations(range(len(values))):
        total = torch.zeros((), dtype=torch.float32)
        for place in order:
            total = total + addends[place]
        assert Fraction(total.item()) == wanted
    assert Fraction(bound) * (len(values) + more) <= Fraction(step) * 2**24


def test_exact_step_holds_at_its_edge() -> None:
    """The largest addends there are, all with one sign, and one unit less."""
    for addends in (1, 2, 3, 255, 256, 257):
        step = exact_step(1.0, addends, torch.float32)
        assert 1.0 * addends <= step * 2**24 <= 4.0 * addends
        many = torch.full((addends,), 1.0 - step if step < 1 else 1.0)
        total = torch.zeros(())
        for value in quantised(many, step):
            total = total + value
        assert Fraction(total.item()) == addends * Fraction(many[0].item())
    for wrong in ((0.0, 3), (math.inf, 3), (math.nan, 3), (1.0, 0)):
        with pytest.raises(ValueError, match="bound"):
            exact_step(*wrong, torch.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_compiled_code_of_another_version_makes_no_noise(dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(normals._DIGESTS, np.dtype(dtype), "of another version")
    normals._known.cache_clear()
    out = np.zeros(3, dtype)
    with pytest.raises(RuntimeError, match="__pycache__"):
        normals.add_normals([out], 1.0, Entropy())
    assert not out.any()
    normals._known.cache_clear()
