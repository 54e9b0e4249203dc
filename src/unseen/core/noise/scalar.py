"""Discrete Laplace noise on integers, by OpenDP's samplers."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

from unseen.core.errors import InvalidRequest
from unseen.core.guarantee import number, price, whole
from unseen.core.noise.entropy import Entropy

__all__ = ["laplace", "laplace_half_width", "laplace_scale"]


@lru_cache(maxsize=256)
def _mechanism(scale: float) -> Any:
    from opendp.domains import atom_domain, vector_domain
    from opendp.measurements import make_laplace
    from opendp.metrics import l1_distance
    from opendp.mod import enable_features

    enable_features("contrib")
    return make_laplace(vector_domain(atom_domain(T="i64")), l1_distance(T="i64"), scale=scale)


@lru_cache(maxsize=256)
def laplace_scale(sensitivity: int, epsilon: float) -> float:
    """The least double b for which OpenDP certifies that the price of the noise is at most ε.

    Args:
        sensitivity: greatest L1 distance between the integer vectors of neighbours.
        epsilon: ε > 0, read as the decimal that it prints as.
    """
    distance = whole("sensitivity", sensitivity, 1)
    scale = distance / number("epsilon", epsilon, 0, open_low=True)
    if not scale < 2.0**52:
        raise InvalidRequest(
            f"epsilon={epsilon!r} was asked for", "an ε whose noise stays below 2^52 grid steps", "a larger ε"
        )
    while Fraction(_mechanism(scale).map(distance)) > price(epsilon):
        scale = math.nextafter(scale, math.inf)
    return scale


def laplace(exact: Sequence[int], sensitivity: int, epsilon: float, seed: int | None = None) -> list[int]:
    """Add independent discrete Laplace noise to a vector of integers.

    Args:
        exact: the exact values, each within ±2^62.
        sensitivity: greatest L1 distance between the vectors of neighbours.
        epsilon: ε > 0 for the whole vector.
        seed: None for the real thing; a number for repeatable tests, which protects nobody.

    **Guarantee**: (ε, 0)-DP for the whole vector, under the relation for which ``sensitivity`` was proven.

    Source: Ghosh, Roughgarden and Sundararajan 2009; sampler of Canonne, Kamath and Steinke 2020, section 5.2.
    """
    scale = laplace_scale(sensitivity, epsilon)
    if seed is None:
        noised: list[int] = _mechanism(scale)([int(value) for value in exact])
        return noised
    stream = Entropy(seed)
    draws = -scale * _log_survival(stream, len(exact)), -scale * _log_survival(stream, len(exact))
    return [int(value) + int(up) - int(down) for value, up, down in zip(exact, *draws, strict=True)]


def _log_survival(stream: Entropy, count: int) -> Any:
    import numpy as np

    return np.log1p(-stream.uniform(count))


def laplace_half_width(scale: float, confidence: float = 0.95) -> int:
    """The least t with P(|Z| ≤ t) ≥ confidence for discrete Laplace noise Z of this scale.

    P(|Z| > t) = 2 a^(t+1) / (1 + a) with a = exp(-1/scale).
    """
    base = math.exp(-1.0 / scale)
    tail = (1.0 - confidence) * (1.0 + base) / 2.0
    return max(0, math.ceil(-scale * math.log(tail) - 1.0 - 1e-12))
