"""What DP-SGD costs by privacy loss distributions, on a grid that fits in memory; and by a central limit, roughly."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unseen.core.errors import InvalidRequest
from unseen.core.guarantee import number, whole

__all__ = ["COARSE", "FINE", "HALVED", "Grid", "by_central_limit", "by_losses", "multiplier_by_central_limit"]

ROUNDING = 1e-15
"""What a step may add to the rounding error of a composition by FFT in δ; five times the most that was measured
against the same composition in 80-bit floats. dp-accounting leaves it out."""
TRUNCATED = 3e-15
"""What dp-accounting's own accountant cuts off at most: set aside, so that its figure is never above ours."""
SPENT = 1e-7
"""The share of δ that truncation may use: mass that counts as an infinite loss."""


INTERVAL = 1e-4
"""Between two losses of the grid, wherever it fits."""


@dataclass(frozen=True)
class Grid:
    """Losses are rounded to multiples of 1e-4, or of 2, 4, 8, … times that where they would be too many.

    Such grids are nested, so a coarser one never gives a lower ε.

    Args:
        built: the most points of one step's distribution.
        composed: the most points of all steps' distribution.
    """

    built: int
    composed: int

    def interval(self, built: float, composed: float) -> float:
        """The interval for distributions of these widths."""
        wider = max(built / self.built, composed / self.composed) / INTERVAL
        return INTERVAL * 2.0 ** max(0, math.ceil(math.log2(wider))) if wider > 1 else INTERVAL


FINE = Grid(1 << 19, 1 << 21)
COARSE, HALVED = Grid(1 << 13, 1 << 16), Grid(1 << 14, 1 << 17)


def by_losses(
    sampling_probability: float, noise_multiplier: float, steps: int, delta: float, grid: Grid = FINE
) -> float | None:
    """ε of DP-SGD at δ, under add and under remove, rounded up; None where δ is within the error of rounding.

    Connect-the-dots is an upper bound at every interval, and what is truncated counts as an infinite loss. Certified
    but for the FFT's rounding, which is allowed for by 1e-15 a step in δ, five times the most that was measured.

    Source: Koskela, Jälkö and Honkela 2020; Doroshenko et al. 2022, algorithm 1; both by dp-accounting.
    """
    from dp_accounting.pld import privacy_loss_distribution as pld

    probability, sigma = max(sampling_probability, 1e-17), min(noise_multiplier, 1e100)  # each against the user
    if probability == 1:  # one Gaussian of sensitivity √steps: no FFT, no rounding
        sigma, steps = sigma / math.sqrt(steps), 1
        delta -= min(TRUNCATED, delta / 2)
    elif delta < 2 * (lost := steps * ROUNDING + TRUNCATED):
        return None
    else:
        delta -= lost
    truncated = max(math.log(delta) + math.log(SPENT) - math.log(steps), -700.0)
    interval = _interval(probability, sigma, steps, truncated, delta * SPENT, grid)
    if interval > 700:
        return math.inf  # beyond what exponentials hold: losses over a range of more than 1e8
    one = pld.from_gaussian_mechanism(
        sigma,
        value_discretization_interval=interval,
        log_mass_truncation_bound=truncated,
        sampling_prob=probability,
    )
    if steps > 1:
        # A mixture with itself is itself, but never in the sparse form, which raises its size to the power of steps.
        one = one.compute_mixture(one, 0.5).self_compose(steps, tail_mass_truncation=delta * SPENT)
    return float(one.get_epsilon_for_delta(delta))


def _interval(probability: float, sigma: float, steps: int, truncated: float, tail: float, grid: Grid) -> float:
    """The grid's interval for this run, from a bound on the points that dp-accounting will need.

    It truncates sums of losses by Chernoff's bound at the orders k / width, k = 1, …, 20; the moments in it are at most
    those in Bennett's inequality, whose second moment is found by numerical integration and grows by rounding.
    """
    from dp_accounting.pld.privacy_loss_mechanism import AdjacencyType, GaussianPrivacyLoss

    width = 0.0
    for kind in (AdjacencyType.ADD, AdjacencyType.REMOVE):
        ends = GaussianPrivacyLoss(
            sigma, log_mass_truncation_bound=truncated, sampling_prob=probability, adjacency_type=kind
        ).connect_dots_bounds()
        width = max(width, float((ends.epsilon_upper or 0.0) - (ends.epsilon_lower or 0.0)))
    interval = grid.interval(width, width)
    if steps == 1:
        return interval
    normal = np.linspace(-9.0, 9.0, 1001)
    weight = np.exp(-(normal**2) / 2)
    absent, present = (
        float(weight @ _loss(probability, sigma, sigma * normal - shift) ** 2 / weight.sum()) for shift in (0.0, 1.0)
    )
    second = max(absent, (1 - probability) * absent + probability * present)
    order = np.arange(1.0, 21.0)
    for _ in range(9):
        rounded, spread = width + 2 * interval, second + interval * math.sqrt(second)
        bennett = steps * spread * (np.expm1(order) - order) / order / rounded
        sums = min(float(np.min(2 * bennett + 2 * math.log(2 / tail) * rounded / order)), steps * rounded)
        if grid.interval(width, sums) <= interval:
            break
        interval = grid.interval(width, sums)
    return interval


def _loss(probability: float, sigma: float, value: NDArray[np.float64]) -> NDArray[np.float64]:
    """The loss at values of the noised sum, where a unit that is sampled moves it by -1."""
    ratio = (-value - 0.5) / sigma**2
    loss: NDArray[np.float64] = np.logaddexp(math.log1p(-probability), math.log(probability) + ratio)
    return loss


def by_central_limit(sampling_probability: float, noise_multiplier: float, steps: int, delta: float) -> float:
    """ε of DP-SGD at δ by the central limit, the accountant that is called "gdp": **no guarantee**.

    An approximation, from below where the sampling probability is small: 2.51 where a run costs 3.11 (σ = 0.72, 15
    epochs over 60,000 in batches of 256, δ = 1e-5). Nothing can be promised by it; ``epsilon_of_dpsgd`` is the price.

    Args:
        sampling_probability: of each unit in each step, in (0, 1].
        noise_multiplier: noise over the clipping norm, above 0.
        steps: number of steps.
        delta: δ in (0, 1).

    Raises:
        InvalidRequest: an argument out of its domain.

    Source: Bu, Dong, Long and Su 2020, μ = q √(T (e^(1/σ²) - 1)); Dong, Roth and Su 2022, corollary 2.13.
    """
    probability = number("sampling_probability", sampling_probability, 0, 1, open_low=True)
    sigma = number("noise_multiplier", noise_multiplier, 0, open_low=True)
    count = whole("steps", steps, 1)
    if not 0 < delta < 1:
        raise InvalidRequest(f"delta={delta!r} was asked for", "δ in (0, 1)", "delta=1e-6")
    if sigma**2 < 1 / 700:
        return math.inf  # beyond what exponentials hold
    mu = probability * math.sqrt(count * math.expm1(sigma**-2))
    if mu == 0 or _excess(0.0, mu) <= delta:
        return 0.0
    return _root(lambda epsilon: delta - _excess(epsilon, mu), 0.0, mu * (mu / 2 + math.sqrt(-2 * math.log(delta))))


def multiplier_by_central_limit(sampling_probability: float, steps: int, epsilon: float, delta: float) -> float:
    """A noise multiplier near the least one for (ε, δ), to start a search from; exact but for rounding at q = 1."""
    probability, goal = max(sampling_probability, 1e-17), min(epsilon, 1e7)
    mu = math.exp(_root(lambda log_mu: _excess(goal, math.exp(log_mu)) - delta, -40.0, 40.0))
    if probability == 1:
        return math.sqrt(steps) / mu
    return 1 / math.sqrt(math.log1p((mu / probability) ** 2 / steps))


def _excess(epsilon: float, mu: float) -> float:
    """δ of μ-GDP at ε."""
    from scipy.special import log_ndtr, ndtr

    here, there = ndtr(mu / 2 - epsilon / mu), log_ndtr(-mu / 2 - epsilon / mu)
    return float(here - math.exp(min(epsilon + there, 0.0)))


def _root(rising: Callable[[float], float], low: float, high: float) -> float:
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return high
