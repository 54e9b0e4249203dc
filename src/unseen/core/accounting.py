"""What happened, as dp-accounting's events in JSON, and what it costs, by dp-accounting's accountants."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import make_dataclass
from functools import lru_cache, reduce
from typing import Any

from unseen.core.errors import InvalidRequest
from unseen.core.guarantee import number, whole

__all__ = [
    "Event",
    "calibrate_dpsgd",
    "composed",
    "dpsgd",
    "epsilon_of_all",
    "epsilon_of_dpsgd",
    "epsilon_of_renyi",
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
        InvalidRequest: none.
    """
    if not events:
        raise InvalidRequest("a composition of no events was asked for", "at least one event")
    return {"event": "ComposedDpEvent", "events": list(events)}


def dpsgd(sampling_probability: float, noise_multiplier: float, steps: int) -> Event:
    """``steps`` Gaussian sums over independent Poisson samples."""
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


def _accountant() -> Any:
    from dp_accounting.pld import PLDAccountant

    return PLDAccountant(value_discretization_interval=INTERVAL)


@lru_cache(maxsize=256)
def epsilon_of_dpsgd(sampling_probability: float, noise_multiplier: float, steps: int, delta: float) -> float:
    """ε of DP-SGD at δ, under add-or-remove, rounded up by privacy loss distributions.

    Source: Koskela, Jälkö and Honkela 2020; connect-the-dots of Doroshenko et al. 2022, which is an upper bound
    at every discretisation.
    """
    accountant = _accountant()
    accountant.compose(interpret(dpsgd(sampling_probability, noise_multiplier, steps)))
    return float(accountant.get_epsilon(delta))


@lru_cache(maxsize=256)
def calibrate_dpsgd(sampling_probability: float, steps: int, epsilon: float, delta: float) -> float:
    """The least noise multiplier, within 0.1 %, at which DP-SGD is certified (ε, δ)-DP.

    Args:
        sampling_probability: of each unit in each step, in (0, 1].
        steps: number of steps.
        epsilon: ε > 0.
        delta: δ in (0, 1).

    Raises:
        InvalidRequest: no noise multiplier up to 10,000 suffices.
    """
    probability = number("sampling_probability", sampling_probability, 0, 1, open_low=True)
    count = whole("steps", steps, 1)
    goal = number("epsilon", epsilon, 0, open_low=True)
    if not 0 < delta < 1:
        raise InvalidRequest(
            f"delta={delta!r} was asked for",
            "δ in (0, 1): Gaussian noise has no pure guarantee",
            "delta=1e-6",
        )
    return _least(
        lambda sigma: epsilon_of_dpsgd(probability, sigma, count, delta) <= goal,
        0.3,
        f"ε = {goal:g}, δ = {delta:g}",
    )


def _least(enough: Callable[[float], bool], start: float, asked: str) -> float:
    low, high = 0.0, start
    while not enough(high):
        low, high = high, high * 2
        if high > 1e4:
            raise InvalidRequest(
                f"{asked} was asked for",
                "a price that a noise multiplier of at most 10,000 reaches",
                "fewer steps or a larger ε",
            )
    while high / max(low, 1e-3) > 1.001:
        middle = math.sqrt(max(low, 1e-3) * high)
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


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
