"""One integer vector of exact sums, noised as a whole: what every statistic here is made of."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from unseen.core.accounting import Event
from unseen.core.accounting import laplace as laplace_event
from unseen.core.noise import scalar

__all__ = ["LaplaceSums", "grid", "share", "share_interval"]

STEPS = 21


def grid(magnitude: float) -> float:
    """The power of two to whose multiples values up to ``magnitude`` are rounded, at least 2^20 steps."""
    return float(2.0 ** (math.frexp(magnitude)[1] - STEPS))


@dataclass(frozen=True)
class LaplaceSums:
    """The Laplace mechanism on a vector of integer sums.

    Args:
        sensitivity: greatest L1 distance between the vectors of neighbours, in grid steps, rounding included.
        epsilon: ε for the whole vector.
        seed: see ``Guard``.

    **Guarantee**: (ε, 0)-DP under add-or-remove of a unit, for the whole vector.

    Source: Dwork, McSherry, Nissim and Smith 2006, theorem 1.
    """

    sensitivity: int
    epsilon: float
    seed: int | None = None

    @property
    def scale(self) -> float:
        """Scale of the noise, in grid steps."""
        return scalar.laplace_scale(self.sensitivity, self.epsilon)

    @property
    def event(self) -> Event:
        """What happens, for the accountant."""
        multiplier = self.scale / self.sensitivity
        exact = Fraction(self.scale) / self.sensitivity
        return laplace_event(multiplier if Fraction(multiplier) <= exact else math.nextafter(multiplier, 0.0))

    def noised(self, exact: NDArray[np.int64]) -> NDArray[np.int64]:
        """The vector with noise, same shape, int64."""
        flat = scalar.laplace(exact.ravel().tolist(), self.sensitivity, self.epsilon, self.seed)
        return np.array(flat, dtype=np.int64).reshape(exact.shape)


def share(above: float, below: float) -> float:
    """p = a / (a + b) from noised a and b, in [0, 1]; 1/2 where the noise leaves no positive total."""
    total = above + below
    return 0.5 if total <= 0 else min(1.0, max(0.0, above / total))


def share_interval(above: float, below: float, scale: float) -> tuple[float, float]:
    """The 95 % interval of p = a / (a + b) from noised a and b.

    Args:
        above: a plus Laplace noise of ``scale``.
        below: b plus independent noise of the same scale.
        scale: of both noises; the unit is theirs.

    Returns:
        (low, high) in [0, 1]; (0, 1) where the noise leaves no positive total.

    At the true p the pivot (1-p)·above - p·below is a difference of scaled Laplace noises; the interval holds
    the shares at which it lies within that difference's 95 % range. The scan over p rounds outwards.

    Source: Fieller 1954, section 3, with the exact law of the difference in place of the normal one.
    """
    total = above + below
    if total <= 0:
        return 0.0, 1.0
    estimate, reach = share(above, below), 8.0 * scale / total
    low, high = (
        _last_inside(np.linspace(estimate, end, 2049), above, below, scale)
        for end in (max(0.0, estimate - reach), min(1.0, estimate + reach))
    )
    return low, high


def _last_inside(shares: NDArray[np.float64], above: float, below: float, scale: float) -> float:
    pivot = np.abs((1 - shares) * above - shares * below)
    outside = np.flatnonzero(pivot > _range(shares, scale))
    return float(shares[outside[0]] if len(outside) else shares[-1])


def _range(shares: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """t with P(|(1-p) X - p Y| > t) = 0.05 for Laplace X, Y, by bisection on the closed form."""
    big, small = np.maximum(shares, 1 - shares), np.minimum(shares, 1 - shares)
    small = np.where(big - small < 1e-6, big - 1e-6, small)
    low, high = np.zeros_like(big), np.full_like(big, 8.0)
    for _ in range(40):
        middle = (low + high) / 2
        with np.errstate(divide="ignore", over="ignore", under="ignore"):
            rest = np.where(small > 0, small**2 * np.exp(-middle / np.where(small > 0, small, 1)), 0)
        tail = (big**2 * np.exp(-middle / big) - rest) / (big**2 - small**2)
        low, high = np.where(tail > 0.05, middle, low), np.where(tail > 0.05, high, middle)
    return high * scale
