"""How prices add up when each request may depend on all earlier answers: the filter that admits or refuses."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any, final

from unseen.core.accounting import Event, epsilon_of_renyi, pure_renyi, renyi
from unseen.core.errors import InvalidRequest
from unseen.core.guarantee import DP, price, rounded_down, rounded_up

__all__ = ["Amounts", "Basic", "Composition", "Filter", "Renyi"]

Amounts = tuple[Fraction, ...]
"""What is spent, charged or allowed, one exact number for each thing that a filter counts."""

UP, DOWN = Context(prec=12, rounding=ROUND_CEILING), Context(prec=6, rounding=ROUND_FLOOR)


class Filter(ABC):
    """A privacy filter for one budget: it admits a charge if no sum then exceeds its limit.

    Args:
        limits: the greatest sum of each thing that is counted.
    """

    def __init__(self, limits: Amounts) -> None:
        self.limits = limits

    @abstractmethod
    def cost(self, event: Event, guarantee: DP) -> Amounts:
        """What one release adds to each sum, rounded up.

        Args:
            event: what happens.
            guarantee: what is proven about it.
        """

    @abstractmethod
    def spent(self, total: Amounts) -> tuple[float, float]:
        """ε and δ of everything so far, rounded up."""

    @abstractmethod
    def left(self, total: Amounts) -> tuple[float, float]:
        """The greatest ε, and the greatest δ, that one more release may have, rounded down."""

    def admits(self, total: Amounts) -> bool:
        """Whether these sums are within the limits."""
        return all(part <= limit for part, limit in zip(total, self.limits, strict=True))

    def share(self, cost: Amounts) -> Fraction:
        """The part of the whole budget that a charge takes of whatever it takes most of."""
        if any(part > 0 for part, limit in zip(cost, self.limits, strict=True) if limit == 0):
            return Fraction(2)
        return max(part / limit for part, limit in zip(cost, self.limits, strict=True) if limit > 0)


class Composition(ABC):
    """How a ledger adds up; chosen when it is made, for good."""

    name: str

    @abstractmethod
    def record(self, budget: DP) -> dict[str, Any]:
        """The filter for a budget as JSON-ready values, as the ledger's first record holds them.

        Raises:
            InvalidRequest: there is none for this budget.
        """

    @staticmethod
    def filter(budget: DP, record: dict[str, Any]) -> Filter:
        """The filter that a ledger's first record describes."""
        return _RenyiFilter(record) if record["name"] == Renyi.name else _BasicFilter(budget)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


@final
class Basic(Composition):
    """Each release's own certified ε and δ add up, as exact decimals.

    **Guarantee**: all admitted releases together are (Σε, Σδ)-DP, also where each was asked for in view of all
    earlier answers. One release priced at all that remains is always admitted.

    Source: Rogers, Roth, Ullman and Vadhan 2016, theorem 3.6.
    """

    name = "basic"

    def record(self, budget: DP) -> dict[str, Any]:
        """Nothing but its name: the limits are the budget."""
        return {"name": self.name}


@final
class Renyi(Composition):
    """Rényi divergences add up at three orders; for many small releases.

    The preset curve is that of a Gaussian, ρ·α, with the greatest ρ for which the curve at these orders still means
    the budget's ε at half of its δ; it must hold at every one of its orders. A pure ε enters by the greatest curve
    that it allows, Gaussian sums and DP-SGD by their own, and a proof of (ε, δ) alone as a δ-approximate
    curve; those δ add up to at most the other half.

    **Guarantee**: all admitted releases together are (ε, δ)-DP for the budget's ε and δ, also where each was
    asked for in view of all earlier answers.

    Source: Feldman and Zrnic 2021, theorem 4.3 (the filter at one order; here at each of three);
    Mironov 2017, propositions 1 and 3; Canonne, Kamath and Steinke 2020, proposition 12 (from Rényi to ε, δ); Kairouz,
    Oh and Viswanath 2015, theorem 2 (what an (ε, δ) proof is at worst).
    """

    name = "renyi"

    def record(self, budget: DP) -> dict[str, Any]:
        """Orders, limits at them, and the two halves of δ."""
        if budget.delta == 0:
            raise InvalidRequest(
                "Rényi composition for a budget without δ was asked for",
                "a budget with a δ above 0, or basic composition",
                "un.DP(epsilon=3, delta=1e-6)",
            )
        half = rounded_down(price(budget.delta) / 2)
        rho, orders = _preset(budget.epsilon, half)
        return {
            "name": self.name,
            "orders": [repr(order) for order in orders],
            "limits": [str(price(order) * price(rho)) for order in orders],
            "delta_of_conversion": repr(half),
            "delta_of_proofs": str(price(budget.delta) - price(half)),
        }


@final
class _BasicFilter(Filter):
    def __init__(self, budget: DP) -> None:
        super().__init__((price(budget.epsilon), price(budget.delta)))

    def cost(self, event: Event, guarantee: DP) -> Amounts:
        return price(guarantee.epsilon), price(guarantee.delta)

    def spent(self, total: Amounts) -> tuple[float, float]:
        return rounded_up(total[0]), rounded_up(total[1])

    def left(self, total: Amounts) -> tuple[float, float]:
        rest = (max(limit - part, Fraction(0)) for part, limit in zip(total, self.limits, strict=True))
        epsilon, delta = map(rounded_down, rest)
        return epsilon, delta


@final
class _RenyiFilter(Filter):
    """Counts the divergence at each order, then δ of approximate curves."""

    def __init__(self, record: dict[str, Any]) -> None:
        self._orders = tuple(float(order) for order in record["orders"])
        self._half = float(record["delta_of_conversion"])
        super().__init__((*map(Fraction, record["limits"]), Fraction(record["delta_of_proofs"])))

    def cost(self, event: Event, guarantee: DP) -> Amounts:
        curve = renyi(event, self._orders)
        if curve is None:
            return (*map(_dear, pure_renyi(guarantee.epsilon, self._orders)), price(guarantee.delta))
        return (*map(_dear, curve), Fraction(0))

    def spent(self, total: Amounts) -> tuple[float, float]:
        if not any(total):
            return 0.0, 0.0
        epsilon = epsilon_of_renyi(self._orders, [rounded_up(part) for part in total[:-1]], self._half)
        return epsilon, rounded_up(price(self._half) + total[-1])

    def left(self, total: Amounts) -> tuple[float, float]:
        rest = [limit - part for part, limit in zip(total, self.limits, strict=True)]

        def fits(epsilon: float) -> bool:
            return all(_dear(c) <= r for c, r in zip(pure_renyi(epsilon, self._orders), rest[:-1], strict=True))

        return _greatest(fits), max(0.0, rounded_down(rest[-1]))


@lru_cache(maxsize=64)
def _preset(epsilon: float, delta: float) -> tuple[float, tuple[float, ...]]:
    """The slope ρ and the orders of the preset curve: the best order, and √2 times less and more."""
    grid = [1 + 0.05 * 1.05**step for step in range(220)]
    best = max(grid, key=lambda order: _slope(epsilon, delta, (order,)))
    orders = tuple(round(1 + (best - 1) * factor, 3) for factor in (math.sqrt(0.5), 1.0, math.sqrt(2)))
    rho = _slope(epsilon, delta, orders)
    if rho <= 0:
        raise InvalidRequest(
            f"Rényi composition for ε {epsilon:g} was asked for", "an ε that its orders reach, or basic composition"
        )
    return rho, orders


def _slope(epsilon: float, delta: float, orders: Sequence[float]) -> float:
    def fits(rho: float) -> bool:
        return epsilon_of_renyi(orders, [rounded_up(price(rho) * price(order)) for order in orders], delta) <= epsilon

    return _greatest(fits)


def _greatest(fits: Callable[[float], bool]) -> float:
    """The greatest number from a billionth to a million that fits, cut to six digits; 0 if none does."""
    low, high = 1e-9, 1e6
    if not fits(low):
        return 0.0
    while high / low > 1 + 1e-8:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if fits(middle) else (low, middle)
    return float(DOWN.create_decimal(Decimal(low)))


def _dear(value: float) -> Fraction:
    """A computed divergence as twelve digits, above its own rounding errors."""
    if not math.isfinite(value):
        raise InvalidRequest(
            "something without a finite Rényi divergence was charged", "more noise, or a ledger with basic composition"
        )
    return Fraction(UP.create_decimal(Decimal(value) * (1 + Decimal("1e-9"))))
