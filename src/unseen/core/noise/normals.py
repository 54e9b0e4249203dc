"""Normals with full tails out of AES words: the transform, compiled, and its parallel use over arrays."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.core.errors import extra
from unseen.core.noise.entropy import Entropy, counter_mode

__all__ = ["FURTHEST", "add_normals", "transform"]

FURTHEST = math.sqrt(2 * 65 * math.log(2))
"""No normal is further from zero than this: 9.4926 standard deviations."""

BLOCK = 1 << 14
"""Elements made at once: their words and themselves stay in a core's own cache."""

WORTH_A_THREAD = 1 << 18
"""Elements that take longer to make than a thread takes to start."""

# Bits of the angle within an eighth of the circle, its words, and the terms of the series of log, sine and cosine.
_LAYOUT: dict[np.dtype[Any], tuple[int, type[np.unsignedinteger[Any]], int, int, int]] = {
    np.dtype(np.float32): (29, np.uint32, 6, 6, 6),
    np.dtype(np.float64): (61, np.uint64, 10, 9, 9),
}


@cache
def transform(dtype: np.dtype[Any]) -> Callable[[NDArray[Any], NDArray[Any], NDArray[Any], float], None]:
    """The compiled transform ``add(radii, angles, out, scale)`` for float32 or float64.

    It adds ``scale`` times a pair of normals, made of one word of each kind, to ``out[i]`` and
    ``out[len(out) // 2 + i]``.

    Args:
        dtype: of ``out``, which is contiguous and of even length 2n.

    ``radii`` are n uniform 64-bit words; ``angles`` n uniform words of 32 bits for float32, of 64 for float64.

    The radius is sqrt(-2 log u) with u = (word + 1/2) / 2^64, so the tail needs no second look: in exact
    arithmetic P(radius > x) is exp(-x²/2) up to 2^-65 at every x, relatively up to 1e-6 out to x = 7.9 and up to
    2e-3 out to 8.8, and the radius is at most ``FURTHEST``. The angle's word gives three bits, two signs and which
    output has the sine, and the midpoint of one of 2^29 or 2^61 equal cells of an eighth of the circle; so the
    output is exactly symmetric under signs and exchange. Logarithm, sine and cosine are series in double precision
    whose remainders are relatively below 2e-10 for float32 and 3e-17 for float64; the sum is rounded to ``dtype``
    once.

    Proven about floats: with a finite ``out`` and ``scale`` no square root of a negative number, no logarithm
    of zero and no division by zero is met, so no normal is infinite or NaN. Only tested, against 60 digits: the
    rounding errors, below 1e-15 relative in double precision. A radius below 1e-7 is coarse, since u rounds to
    53 bits; it is zero with probability 2^-54. No operation is fused or reordered, which is tested too.

    Source: Box and Muller 1958. The series are those of atanh, sine and cosine (Abramowitz and Stegun 4.6.33,
    4.3.65, 4.3.66).
    """
    numba: Any = extra("numba", "train")
    real = dtype.type
    width, _, log_terms, sine_terms, cosine_terms = _LAYOUT[dtype]
    logarithm = tuple(-4.0 / (2 * k + 1) for k in reversed(range(log_terms)))  # -2 log m, in s = (m - 1) / (m + 1)
    sine = tuple((-1.0) ** k / math.factorial(2 * k + 1) for k in reversed(range(sine_terms)))
    cosine = tuple((-1.0) ** k / math.factorial(2 * k) for k in reversed(range(cosine_terms)))
    root_half = int(np.float64(math.sqrt(0.5)).view(np.int64))
    eighth = math.pi / 4 * 2.0**-width
    minus_two_log_two = -2 * math.log(2)
    fraction, exponent, one = np.uint64((1 << width) - 1), np.int64(52), np.uint64(1)

    def add(radii: Any, angles: Any, out: Any, scale: Any) -> None:
        half = len(out) // 2
        for i in range(half):
            # u = 2^e · m with m within sqrt(2) of 1 (below: at most 1 where e is 0, so that no logarithm is positive)
            u = np.float64((np.float64(radii[i]) + 0.5) * 2.0**-64)
            bits = u.view(np.int64)
            e = (bits - root_half) >> exponent
            m = np.int64(bits - (e << exponent)).view(np.float64)
            s = (m - 1.0) / (m + 1.0)
            square = s * s
            series = 0.0
            for term in logarithm:
                series = series * square + term
            radius = scale * math.sqrt(e * minus_two_log_two + s * series)

            word = np.uint64(angles[i])
            angle = (np.float64(np.int64(word & fraction)) + 0.5) * eighth
            square = angle * angle
            series = 0.0
            for term in sine:
                series = series * square + term
            short = radius * (angle * series)
            series = 0.0
            for term in cosine:
                series = series * square + term
            long = radius * series

            top = word >> np.uint64(width)
            short *= 1.0 - 2.0 * np.float64(np.int64(top & one))
            long *= 1.0 - 2.0 * np.float64(np.int64((top >> one) & one))
            swapped = (top >> np.uint64(2)) != np.uint64(0)
            out[i] = real(np.float64(out[i]) + (short if swapped else long))
            out[half + i] = real(np.float64(out[half + i]) + (long if swapped else short))

    try:
        compiled: Any = numba.njit(nogil=True, error_model="numpy", cache=True)(add)
    except RuntimeError:  # there is no folder to keep it in
        compiled = numba.njit(nogil=True, error_model="numpy")(add)
    return compiled  # type: ignore[no-any-return]


def add_normals(arrays: Sequence[NDArray[Any]], scale: float, entropy: Entropy, threads: int = 1) -> None:
    """Add ``scale`` times an independent standard normal to every element, in place.

    Args:
        arrays: contiguous and one-dimensional, float32 or float64.
        scale: the normals' standard deviation, finite and not negative.
        entropy: gives the call a key of its own; its words number the stream's blocks in counter mode.
        threads: at most so many. The result does not depend on it.
    """
    if not 0 <= scale < math.inf:
        raise ValueError(f"a standard deviation is finite and not negative, not {scale}")
    parts: list[tuple[NDArray[Any], int]] = []  # with the AES block at which its words start
    blocks = elements = 0
    for array in arrays:
        for start in range(0, len(array), BLOCK):
            part = array[start : start + BLOCK]
            parts.append((part, blocks))
            blocks += _words(part) // 16
            elements += len(part)
    if not parts:
        return
    key = entropy.key()
    workers = max(1, min(threads, elements // WORTH_A_THREAD))
    if workers == 1:
        return _add(parts, float(scale), key)
    cut = [len(parts) * worker // workers for worker in range(workers + 1)]
    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(_add, parts[cut[w] : cut[w + 1]], float(scale), key) for w in range(workers)]:
            done.result()


def _words(part: NDArray[Any]) -> int:
    """Bytes of AES blocks for a part."""
    pairs = (len(part) + 1) // 2
    return -(-pairs * (8 + np.dtype(_LAYOUT[part.dtype][1]).itemsize) // 16) * 16


def _add(parts: list[tuple[NDArray[Any], int]], scale: float, key: bytes) -> None:
    """Add to parts that follow one another in the stream."""
    longest = max(_words(part) for part, _ in parts)
    stream, zeros = counter_mode(key, parts[0][1]), np.zeros(longest, np.uint8)
    words = np.empty(longest // 8 + 2, np.uint64)  # the cipher wants a block more than it fills
    raw = words.view(np.uint8)
    for part, _ in parts:
        pairs = (len(part) + 1) // 2
        stream.update_into(zeros[: _words(part)], raw)
        kind = _LAYOUT[part.dtype][1]
        angles = words[pairs:].view(kind)[:pairs]
        out = part
        if len(part) % 2:
            out = np.append(part, part.dtype.type(0))
        transform(part.dtype)(words[:pairs], angles, out, scale)
        if out is not part:
            part[:] = out[:-1]
