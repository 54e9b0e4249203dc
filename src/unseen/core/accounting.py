"""What happened, as dp-accounting's events in JSON, and what it costs, by dp-accounting's accountants."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import make_dataclass
from fractions import Fraction
from functools import lru_cache, reduce
from typing import Any

from unseen.core.errors import InvalidRequest
from unseen.core.guarantee import number, whole
from unseen.core.losses import COARSE, FINE, HALVED, Grid, by_losses, multiplier_by_central_limit
from unseen.core.losses import by_central_limit as epsilon_by_central_limit

__all__ = [
    "Event",
    "calibrate_dpsgd",
    "composed",
    "dpsgd",
    "epsilon_by_central_limit",
    "epsilon_of_all",
    "epsilon_of_dpsgd",
    "epsilon_of_renyi",
    "gradient_noise_multiplier",
    "interpret",
    "laplace",
    "priced",
    "pure_renyi",
    "renyi",
    "unpriced",
]

Event = dict[str, Any]
"""A dp-accounting event as JSON: its class under ``event``, its fields beside it."""

INTERVAL = 1e-3
LEAST_MULTIPLIER, MOST_MULTIPLIER = 1e-3, 1e4


def laplace(noise_multiplier: float) -> Event:
    """Laplace noise whose scale is ``noise_multiplier`` times the L1 sensitivity."""
    return {"event": "LaplaceDpEvent", "noise_multiplier": noise_multiplier}


def priced(epsilon: float, delta: float = 0.0) -> Event:
    """Something that was proven to be (ε, δ)-DP and about which nothing more is said."""
    return {"event": "EpsilonDeltaDpEvent", "epsilon": epsilon, "delta": delta}


def unpriced() -> Event:
    """Something without a price in differential privacy."""
    return {"event": "NonPrivateDpEvent"}


def composed(*events: Event) -> Event:
    """Several things, one after another.

    Raises:
        InvalidRequest: no event was given.
    """
    if not events:
        raise InvalidRequest("a composition of no events was asked for", "at least one event")
    return {"event": "ComposedDpEvent", "events": list(events)}


def dpsgd(sampling_probability: float, noise_multiplier: float, steps: int) -> Event:
    """``steps`` Gaussian sums over independent Poisson samples; at a probability of 1, over everyone: unamplified."""
    gaussian: Event = {"event": "GaussianDpEvent", "noise_multiplier": noise_multiplier}
    if sampling_probability < 1:
        gaussian = {
            "event": "PoissonSampledDpEvent",
            "sampling_probability": sampling_probability,
            "inner": gaussian,
        }
    return {"event": "SelfComposedDpEvent", "count": steps, "inner": gaussian}


def interpret(event: Event) -> Any:
    """The dp-accounting event that a JSON event stands for.

    Raises:
        InvalidRequest: an event of a kind that unseen does not write.
    """
    import dp_accounting as dp

    match event.get("event"):
        case "LaplaceDpEvent":
            return dp.LaplaceDpEvent(event["noise_multiplier"])
        case "GaussianDpEvent":
            return dp.GaussianDpEvent(event["noise_multiplier"])
        case "EpsilonDeltaDpEvent":
            return _epsilon_delta_event()(event["epsilon"], event["delta"])
        case "NonPrivateDpEvent":
            return dp.NonPrivateDpEvent()
        case "PoissonSampledDpEvent":
            return dp.PoissonSampledDpEvent(event["sampling_probability"], interpret(event["inner"]))
        case "SelfComposedDpEvent":
            return dp.SelfComposedDpEvent(interpret(event["inner"]), event["count"])
        case "ComposedDpEvent":
            return dp.ComposedDpEvent([interpret(inner) for inner in event["events"]])
        case kind:
            raise InvalidRequest(f"an event of kind {kind!r} was found", "an event that unseen writes")


@lru_cache(maxsize=1)
def _epsilon_delta_event() -> Any:
    """dp-accounting 0.6 has no event for "proven (ε, δ)"; as one of its own kind its accountants refuse it by name."""
    import dp_accounting as dp

    return make_dataclass(
        "EpsilonDeltaDpEvent", [("epsilon", float), ("delta", float)], bases=(dp.DpEvent,), frozen=True
    )


@lru_cache(maxsize=256)
def epsilon_of_dpsgd(sampling_probability: float, noise_multiplier: float, steps: int, delta: float) -> float:
    """ε of DP-SGD at δ, certified by privacy loss distributions at an interval of 1e-4, under add and under remove.

    Losses over a range of some 200 are rounded to a wider interval, which is an upper bound too; where δ is below
    the error of rounding in so many steps (1e-15 a step) it is Rényi's bound. At a sampling probability of 1 it is
    the price of plain, unamplified Gaussians, without an FFT. Certified but for the FFT's rounding, which is allowed
    for by 1e-15 a step in δ, five times the most that was measured.

    Source: Koskela, Jälkö and Honkela 2020; connect-the-dots of Doroshenko et al. 2022, which is an upper bound
    at every discretisation.
    """
    return _epsilon_of_dpsgd(sampling_probability, noise_multiplier, steps, delta, FINE)


def _epsilon_of_dpsgd(probability: float, sigma: float, steps: int, delta: float, grid: Grid) -> float:
    if probability == 0:
        return 0.0
    if sigma < LEAST_MULTIPLIER:
        return math.inf
    found = by_losses(probability, sigma, steps, delta, grid)
    if found is not None:
        return found
    from dp_accounting.rdp.rdp_privacy_accountant import DEFAULT_RDP_ORDERS

    return epsilon_of_renyi(
        DEFAULT_RDP_ORDERS, renyi(dpsgd(probability, sigma, steps), DEFAULT_RDP_ORDERS) or [], delta
    )


def _guess(probability: float, sigma: float, steps: int, delta: float) -> float:
    """About what ``epsilon_of_dpsgd`` will give: what rounding adds grows with the interval squared (Richardson)."""
    wide, half = (_epsilon_of_dpsgd(probability, sigma, steps, delta, grid) for grid in (COARSE, HALVED))
    return half if math.isinf(wide) else max((4 * half - wide) / 3, half / 2)


@lru_cache(maxsize=256)
def calibrate_dpsgd(sampling_probability: float, steps: int, epsilon: float, delta: float) -> float:
    """The least noise multiplier, within 0.1 % and of at least 0.001, at which DP-SGD is certified (ε, δ)-DP.

    It is sought on a coarse grid, and the one that is returned was certified by ``epsilon_of_dpsgd``.

    Args:
        sampling_probability: of each unit in each step, in (0, 1].
        steps: number of steps.
        epsilon: ε > 0.
        delta: δ in (0, 1).

    Raises:
        InvalidRequest: no noise multiplier up to 10,000 suffices.
    """
    probability = number("sampling_probability", sampling_probability, 0, 1, open_low=True)
    times = whole("steps", steps, 1)
    goal = number("epsilon", epsilon, 0, open_low=True)
    if not 0 < delta < 1:
        raise InvalidRequest(
            f"delta={delta!r} was asked for",
            "δ in (0, 1): Gaussian noise has no pure guarantee",
            "delta=1e-6",
        )
    start, slope = multiplier_by_central_limit(probability, times, goal, delta) * (1 + 1e-5), -2.0
    if probability < 1:
        start, slope = _least(lambda sigma: _guess(probability, sigma, times, delta), goal, start, slope, 2e-4)
    aim = goal * (1 - 1e-5)  # dp-accounting's own accountant truncates less, and its rounding adds up to as much
    found, _ = _least(lambda sigma: epsilon_of_dpsgd(probability, sigma, times, delta), aim, start, slope, 2e-4)
    if math.isinf(found):
        raise InvalidRequest(
            f"ε = {goal:g}, δ = {delta:g} was asked for",
            "a price that a noise multiplier of at most 10,000 reaches",
            "fewer steps or a larger ε",
        )
    return found


def _least(
    price: Callable[[float], float], goal: float, start: float, slope: float, tolerance: float
) -> tuple[float, float]:
    """The least multiplier whose price is at most the goal, within a relative tolerance, and d log ε / d log σ there.

    Secant steps in the logarithms, kept in a bracket that is halved now and then; infinite where none is enough.
    """
    least, most = math.log(LEAST_MULTIPLIER), math.log(MOST_MULTIPLIER)
    low, high, best, gap = -math.inf, math.inf, math.inf, math.inf
    at, last = min(max(math.log(start), least), most), (math.nan, math.nan)
    turn = 0
    while True:
        turn += 1
        sigma = min(max(math.exp(at), LEAST_MULTIPLIER), MOST_MULTIPLIER)
        found = price(sigma)
        over = math.log(found / goal) if 0 < found < math.inf else math.copysign(math.inf, found - goal)
        secant = (over - last[1]) / (at - last[0]) if at != last[0] else math.nan
        if -100 < secant < -0.1:
            slope = secant
        last = at, over
        if found <= goal:
            high, best, gap = at, sigma, -over
        else:
            low = at
        if low >= most or high <= least or high - low <= tolerance or gap <= -slope * tolerance:
            return best, slope
        at -= max(min(over / slope - tolerance / 2, 2.0), -2.0)
        if not low < at < high or (turn % 4 == 0 and high - low < math.inf):
            at = (low + high) / 2 if high - low < math.inf else (high - 1 if high < math.inf else low + 1)
        at = min(max(at, least), most)


def gradient_noise_multiplier(noise_multiplier: float, count_noise: float) -> float:
    """The gradients' noise multiplier where each step also gives a noised count of gradients below the norm.

    **Guarantee**: the two together cost what one Gaussian sum at ``noise_multiplier`` does, if both are of the same
    sample and each unit adds 1/2 or -1/2 to the count (one half less than whether its gradient is below the norm).

    Args:
        noise_multiplier: of the two together, above 0.
        count_noise: standard deviation of the count's noise, in units, above half the ``noise_multiplier``.

    Raises:
        InvalidRequest: an argument out of its domain, or the count alone costs as much.

    Source: Andrew, Thakkar, McMahan and Ramaswamy 2021, theorem 1; rounded up.
    """
    multiplier = number("noise_multiplier", noise_multiplier, 0, open_low=True)
    counting = number("count_noise", count_noise, 0, open_low=True)
    if 2 * counting <= multiplier:
        raise InvalidRequest(
            f"count_noise={counting:g} was asked for with noise_multiplier={multiplier:g}",
            f"count_noise above half the noise_multiplier, {multiplier / 2:g}: below it, the count alone costs more",
            f"count_noise={10 * multiplier:g}",
        )
    share = (Fraction(multiplier) / (2 * Fraction(counting))) ** 2
    return multiplier * math.sqrt(1 / (1 - share)) * (1 + 1e-15)


def pure_renyi(epsilon: float, orders: Sequence[float]) -> list[float]:
    """The greatest Rényi divergence that pure ε allows, at each order: that of randomized response.

    D_α = log(p^α q^(1-α) + q^α p^(1-α)) / (α - 1), with p = e^ε / (1 + e^ε) and q = 1 - p; never more than α ε² / 2,
    which stands in where the logarithm is lost in rounding.

    Source: Kairouz, Oh and Viswanath 2015, theorem 2; Mironov 2017, proposition 5; Bun and Steinke 2016,
    proposition 3.3.
    """
    if epsilon > 700:
        return [epsilon] * len(orders)  # beyond what exponentials hold, and no divergence is more
    high, low = -math.log1p(math.exp(-epsilon)), -epsilon - math.log1p(math.exp(-epsilon))
    divergences = []
    for order in orders:
        one, other = order * high + (1 - order) * low, order * low + (1 - order) * high
        most = max(one, other)
        exact = (math.log(math.exp(one - most) + math.exp(other - most)) + most) / (order - 1)
        error = 4e-15 * (1 + order * (abs(high) + abs(low))) / (order - 1)
        small = order * epsilon**2 / 2 if order * epsilon < 2 else epsilon
        divergences.append(max(min(max(exact, 0.0) + error, small, epsilon), 1e-300))
    return divergences


def renyi(event: Event, orders: Sequence[float]) -> list[float] | None:
    """Rényi divergence of an event made of Gaussian sums, at each order; None of any other event.

    Under add-or-remove; for Poisson samples an upper bound.

    Source: Mironov 2017, proposition 7; Mironov, Talwar and Zhang 2019, sections 3.2 and 3.3; both by dp-accounting.
    """
    if not _gaussian(event):
        return None
    import warnings

    from dp_accounting.rdp import RdpAccountant

    accountant, error = RdpAccountant(list(orders)), 1e-14 * _sampled(event)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # noise next to nothing overflows into an infinite divergence
        accountant.compose(interpret(event))
    return [float(value) + error / (order - 1) for value, order in zip(accountant.rdp, orders, strict=True)]


def _gaussian(event: Event) -> bool:
    match event.get("event"):
        case "GaussianDpEvent":
            return True
        case "PoissonSampledDpEvent" | "SelfComposedDpEvent":
            return _gaussian(event["inner"])
        case "ComposedDpEvent":
            return bool(event["events"]) and all(map(_gaussian, event["events"]))
        case _:
            return False


def _sampled(event: Event) -> int:
    """How many Poisson samples an event takes: each one's divergence is computed with an error of some 1e-15."""
    match event.get("event"):
        case "PoissonSampledDpEvent":
            return 1
        case "SelfComposedDpEvent":
            return int(event["count"]) * _sampled(event["inner"])
        case "ComposedDpEvent":
            return sum(map(_sampled, event["events"]))
        case _:
            return 0


def epsilon_of_renyi(orders: Sequence[float], divergences: Sequence[float], delta: float) -> float:
    """ε at δ of a mechanism with these Rényi divergences, by the best of the orders.

    Source: Canonne, Kamath and Steinke 2020, proposition 12; by dp-accounting.
    """
    from dp_accounting.rdp.rdp_privacy_accountant import compute_epsilon

    return float(compute_epsilon(list(orders), list(divergences), delta)[0])


def epsilon_of_all(events: Sequence[Event], delta: float) -> float:
    """ε at δ of several events that were fixed in advance, by privacy loss distributions, rounded up.

    Source: Koskela, Jälkö and Honkela 2020; connect-the-dots of Doroshenko et al. 2022.
    """
    from dp_accounting.pld.privacy_loss_distribution import identity

    total = identity(value_discretization_interval=INTERVAL)
    for event in events:
        total = total.compose(_losses(event))
    return float(total.get_epsilon_for_delta(delta))


def _losses(event: Event, sampling: float = 1.0) -> Any:
    """The privacy loss distribution of an event; a proof of (ε, δ) alone has the worst that it allows."""
    from dp_accounting.pld import common
    from dp_accounting.pld import privacy_loss_distribution as pld

    match event.get("event"):
        case "LaplaceDpEvent":
            return pld.from_laplace_mechanism(event["noise_multiplier"], value_discretization_interval=INTERVAL)
        case "GaussianDpEvent":
            return pld.from_gaussian_mechanism(
                event["noise_multiplier"], value_discretization_interval=INTERVAL, sampling_prob=sampling
            )
        case "PoissonSampledDpEvent":
            return _losses(event["inner"], event["sampling_probability"])
        case "EpsilonDeltaDpEvent":
            return pld.from_privacy_parameters(
                common.DifferentialPrivacyParameters(event["epsilon"], event["delta"]),
                value_discretization_interval=INTERVAL,
            )
        case "SelfComposedDpEvent":
            return _losses(event["inner"]).self_compose(event["count"])
        case "ComposedDpEvent":
            return reduce(lambda whole, part: whole.compose(part), map(_losses, event["events"]))
        case kind:
            raise InvalidRequest(f"an event of kind {kind!r} was found", "a priced event that unseen writes")
