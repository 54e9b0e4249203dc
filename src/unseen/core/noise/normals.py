"""Normals with full tails out of AES words: the transform, compiled, and its parallel use over arrays."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.core.compiled import compiled
from unseen.core.noise.entropy import Entropy, counter_mode
from unseen.core.noise.keystream import STRIDE, fill, inlined, round_keys

__all__ = ["BLOCK", "FURTHEST", "PART", "WORTH_A_THREAD", "add_normals", "double", "single", "transform"]

FURTHEST = math.sqrt(2 * 65 * math.log(2))
"""No normal is further from zero than this, up to rounding: 9.4926 standard deviations."""

BLOCK = 1 << 12
"""Elements made at once: their words stay in a core's own caches. Pairs lie half a block apart."""

PART = 1 << 15
"""Elements for which compiled code is called: whole blocks."""

WORTH_A_THREAD = 1 << 22
"""Elements that take longer to make than a thread takes to start beside those of torch, which wait busily."""

_WORDS = {np.dtype(np.float32): BLOCK // 4 * 3, np.dtype(np.float64): BLOCK}  # of the stream for a block

_LOT = 512  # pairs between the two steps of a transform: they stay in the first cache


def _series(kind: type[Any], logarithm: int, sine: int, cosine: int) -> list[tuple[Any, ...]]:
    """The first terms, the last first, of -2 artanh(s) · 2 / s, sin(x) / x and cos(x), in the argument's square.

    Source: Abramowitz and Stegun 4.6.33, 4.3.65, 4.3.66.
    """
    terms = [
        [-4.0 / (2 * k + 1) for k in range(logarithm)],
        [(-1.0) ** k / math.factorial(2 * k + 1) for k in range(sine)],
        [(-1.0) ** k / math.factorial(2 * k) for k in range(cosine)],
    ]
    return [tuple(kind(term) for term in reversed(each)) for each in terms]


# Constants have the precision in which they are used: Numba, like NumPy, then rounds every result to it.
_U, _I, _S, _D = np.uint32, np.int32, np.float32, np.float64
_LOG_S, _SINE_S, _COSINE_S = _series(_S, 5, 5, 6)
_LOG_D, _SINE_D, _COSINE_D = _series(_D, 10, 9, 9)
_ROOT_HALF_S, _ROOT_HALF_D = _S(math.sqrt(0.5)).view(_I), _D(math.sqrt(0.5)).view(np.int64)
_LOG_QUARTER_S, _LOG_QUARTER_D = _S(-2 * math.log(2)), _D(-2 * math.log(2))
_CELL_S, _CELL_D = _S(math.pi / 4 * 2.0**-29), _D(math.pi / 4 * 2.0**-61)
_HALF_S, _ONE_S, _TWO_S, _DOWN_S = _S(0.5), _S(1), _S(2), _S(2.0**-32)


@inlined
def _sum(terms: Any, square: Any) -> Any:
    total = terms[0]
    for term in terms[1:]:
        total = total * square + term
    return total


@inlined
def single(high: Any, low: Any, angle: Any) -> Any:
    """A radius and a point of the unit circle in single precision, from 64 and 32 uniform bits.

    As ``double``, but nothing has more than 32 bits, so that a register holds twice as many: u is rounded to 24 bits
    where log u is far from zero, and 1 - u, made from the complement, where it is near. The angle has 2^29 cells.
    """
    u = _S((_S(high) + (_S(low) + _HALF_S) * _DOWN_S) * _DOWN_S)
    rest = (_S(_U(~high)) + (_S(_U(~low)) + _HALF_S) * _DOWN_S) * _DOWN_S
    bits = u.view(_I)
    e = _I(_I(bits - _ROOT_HALF_S) >> _I(23))
    less = -rest if e == _I(0) else _I(bits - _I(e << _I(23))).view(_S) - _ONE_S
    s = less / (less + _TWO_S)
    radius = _S(math.sqrt(_S(e) * _LOG_QUARTER_S + s * _sum(_LOG_S, s * s)))

    turn = (_S(_I(angle & _U(2**29 - 1))) + _HALF_S) * _CELL_S
    short, long = _S(turn * _sum(_SINE_S, turn * turn)), _S(_sum(_COSINE_S, turn * turn))
    signed_short = _U(short.view(_U) ^ _U(_U(angle << _U(2)) & _U(2**31))).view(_S)
    signed_long = _U(long.view(_U) ^ _U(_U(angle << _U(1)) & _U(2**31))).view(_S)
    swapped = angle >= _U(2**31)
    return radius, (signed_short if swapped else signed_long), (signed_long if swapped else signed_short)


@inlined
def double(word: Any, angle: Any) -> Any:
    """A radius and a point of the unit circle in double precision, from 64 uniform bits each.

    The radius is sqrt(-2 log u) with u = (word + 1/2) / 2^64 = 2^e · m, where m is within sqrt(2) of 1, and at most 1
    where e is 0, so that no logarithm is positive. The angle gives three bits, two signs and which coordinate is the
    sine, and the midpoint of one of 2^61 equal cells of an eighth of the circle.
    """
    u = _D((_D(word) + 0.5) * 2.0**-64)
    bits = u.view(np.int64)
    e = (bits - _ROOT_HALF_D) >> np.int64(52)
    m = np.int64(bits - (e << np.int64(52))).view(_D)
    s = (m - 1.0) / (m + 1.0)
    radius = math.sqrt(e * _LOG_QUARTER_D + s * _sum(_LOG_D, s * s))

    turn = (_D(np.int64(angle & np.uint64(2**61 - 1))) + 0.5) * _CELL_D
    top = np.int64(angle >> np.uint64(61))
    short = turn * _sum(_SINE_D, turn * turn) * (1.0 - 2.0 * _D(top & 1))
    long = _sum(_COSINE_D, turn * turn) * (1.0 - 2.0 * _D((top >> 1) & 1))
    swapped = top >= 4
    return radius, (short if swapped else long), (long if swapped else short)


@inlined
def _spread(scale: float, factor: float, radius: Any, coordinate: Any, out: Any) -> None:
    """Add noise and multiply, in double precision, and round once."""
    for i in range(len(out)):
        out[i] = (_D(out[i]) + scale * _D(radius[i]) * _D(coordinate[i])) * factor


@inlined
def _block_single(words: Any, out: Any, scale: float, factor: float) -> None:
    half, bits = (len(out) + 1) // 2, words.view(_U)
    radius, first, second = np.empty(_LOT, _S), np.empty(_LOT, _S), np.empty(_LOT, _S)
    for start in range(0, half, _LOT):
        high, low = bits[start : min(start + _LOT, half)], bits[half + start : half + start + _LOT]
        angle = bits[2 * half + start : 2 * half + start + _LOT]
        for i in range(len(high)):
            radius[i], first[i], second[i] = single(high[i], low[i], angle[i])
        _spread(scale, factor, radius, first, out[start : start + len(high)])
        _spread(scale, factor, radius, second, out[half + start : half + start + len(high)])


@inlined
def _block_double(words: Any, out: Any, scale: float, factor: float) -> None:
    half = (len(out) + 1) // 2
    radius, first, second = np.empty(_LOT, _D), np.empty(_LOT, _D), np.empty(_LOT, _D)
    for start in range(0, half, _LOT):
        word, angle = words[start : min(start + _LOT, half)], words[half + start : half + start + _LOT]
        for i in range(len(word)):
            radius[i], first[i], second[i] = double(word[i], angle[i])
        _spread(scale, factor, radius, first, out[start : start + len(word)])
        _spread(scale, factor, radius, second, out[half + start : half + start + len(word)])


@inlined
def _taken(schedule: Any, block: int, words: Any, used: int, bits: int) -> Any:
    """So many of the stream's words, up to a whole stride: made in their room, or the next of those that are there."""
    count = -(-bits // (64 * STRIDE)) * STRIDE
    if len(schedule) == 0:
        return words[used : used + count]
    fill(schedule, block + used // 2, words[:count])
    return words[:count]


@compiled
def _single(schedule: Any, block: int, words: Any, out: Any, scale: float, factor: float) -> None:
    used = 0
    for start in range(0, len(out), BLOCK):
        part = out[start : start + BLOCK]
        taken = _taken(schedule, block, words, used, (len(part) + 1) // 2 * 96)
        _block_single(taken, part, scale, factor)
        used += len(taken)


@compiled
def _double(schedule: Any, block: int, words: Any, out: Any, scale: float, factor: float) -> None:
    used = 0
    for start in range(0, len(out), BLOCK):
        part = out[start : start + BLOCK]
        taken = _taken(schedule, block, words, used, (len(part) + 1) // 2 * 128)
        _block_double(taken, part, scale, factor)
        used += len(taken)


def transform(dtype: np.dtype[Any]) -> Callable[..., None]:
    """The compiled transform ``add(schedule, block, words, out, scale, factor)`` for float32 or float64.

    It adds ``scale`` times a pair of normals to ``part[i]`` and ``part[half + i]``, where the part is each ``BLOCK`` of
    ``out`` or what is left, and half is half its length rounded up, and multiplies by ``factor``.

    Args:
        dtype: of ``out``, which is contiguous.

    ``schedule`` and ``block`` say how to ``fill`` the words, for which ``words`` is room, that of a block; without
    round keys ``words`` are given, each part's up to a whole ``STRIDE``. They are uniform bits: for float64 half
    radii and half angles; for float32 the upper halves of the radii, the lower halves, and the angles, 32 bits each.
    The pair is ``double`` or ``single`` of them; product, sum and factor are taken in double precision and rounded
    to ``dtype`` once.

    The radius is sqrt(-2 log u) with u = (word + 1/2) / 2^64, so the tail needs no second look: in exact
    arithmetic P(radius > x) is exp(-x²/2) up to 2^-65 at every x, relatively up to 1e-6 out to x = 7.9 and up to
    2e-3 out to 8.8, and the radius is at most ``FURTHEST``. The angle is the midpoint of one of 2^32 or 2^64 equal
    cells of the circle, and the output is exactly symmetric under signs and exchange. Logarithm, sine and cosine are
    series whose remainders are relatively below 2e-9 for float32 and 3e-17 for float64.

    Proven about floats: with finite ``out``, ``scale`` and ``factor`` no square root of a negative number, no logarithm
    of zero and no division by zero is met, so no normal is infinite or NaN. Only tested, against 60 digits: the
    relative errors before the sum, below 1e-15 for float64; for float32 below 5e-7, and below 3e-7 of the radius, so
    that the tail's probability is off by a share of 3e-7 x² too. A float64 radius below 1e-7 is coarse, since u
    rounds to 53 bits; it is zero with probability 2^-54. A float32 radius is never zero. No operation is fused or
    reordered, which is tested too, so that every processor finds the same bits.

    Source: Box and Muller 1958.
    """
    return _single if dtype == np.float32 else _double


def add_normals(
    arrays: Sequence[NDArray[Any]],
    scale: float,
    entropy: Entropy,
    threads: int = 1,
    factors: Sequence[float] | None = None,
) -> None:
    """Add ``scale`` times an independent standard normal to every element, in place.

    Args:
        arrays: contiguous and one-dimensional, float32 or float64.
        scale: the normals' standard deviation, finite and not negative.
        entropy: gives the call a key of its own; its words number the stream's blocks in counter mode.
        threads: at most so many. The result does not depend on it.
        factors: one for each array, finite, by which it is multiplied once it has its noise; None for 1.
    """
    if not 0 <= scale < math.inf:
        raise ValueError(f"a standard deviation is finite and not negative, not {scale}")
    parts: list[_Part] = []
    blocks = elements = 0
    for array, factor in zip(arrays, factors or [1.0] * len(arrays), strict=True):
        for start in range(0, len(array), PART):
            parts.append((array[start : start + PART], float(factor), blocks))
            blocks += -(-len(parts[-1][0]) // BLOCK) * _WORDS[array.dtype] // 2
        elements += len(array)
    if not parts:
        return
    for dtype in {array.dtype for array in arrays}:
        _known(dtype)
    key = entropy.key()
    workers = max(1, min(threads, elements // WORTH_A_THREAD))
    if workers == 1:
        return _add(parts, float(scale), key)
    cut = [len(parts) * worker // workers for worker in range(workers + 1)]
    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(_add, parts[cut[w] : cut[w + 1]], float(scale), key) for w in range(workers)]:
            done.result()


_Part = tuple[NDArray[Any], float, int]  # with its factor and the AES block at which its words start


def _add(parts: list[_Part], scale: float, key: bytes) -> None:
    schedule, most = round_keys(key), max(_WORDS[part.dtype] for part, _, _ in parts)
    if not len(schedule):
        most *= PART // BLOCK
    words = np.empty(most + 2, np.uint64)  # the library wants a block more than it fills
    zeros = np.zeros(0 if len(schedule) else 8 * most, np.uint8)
    for part, factor, block in parts:
        if not len(schedule):
            count = -(-len(part) // BLOCK) * _WORDS[part.dtype]
            counter_mode(key, block).update_into(zeros[: 8 * count], words.view(np.uint8))
        transform(part.dtype)(schedule, block, words, part, scale, factor)


@cache
def _known(dtype: np.dtype[Any]) -> None:
    """Hold compiled code to what it is known to give: what Numba keeps on disk may be another version's.

    Raises:
        RuntimeError: it gives something else.
    """
    out = np.zeros(BLOCK + 100, dtype)
    _add([(out, 1.0, 0)], 1.0, bytes(range(32)))
    if hashlib.sha256(out.tobytes()).hexdigest()[:16] != _DIGESTS[dtype]:
        raise RuntimeError(
            f"the compiled noise for {dtype} is not that of this version of unseen; remove the folder "
            f"{Path(__file__).parent / '__pycache__'}"
        )


_DIGESTS = {np.dtype(np.float32): "4fdb00b87a83fb33", np.dtype(np.float64): "4da5f981918303ed"}
