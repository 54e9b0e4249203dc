"""How prices add up when each request may depend on all earlier answers: the filter that admits or refuses."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any, final

from unseen.core.accounting import Event, epsilon_of_renyi, pure_renyi, renyi
from unseen.core.errors import InvalidRequest, LedgerError
from unseen.core.guarantee import DP, Neighbours, price, rounded_down, rounded_up

__all__ = ["Amounts", "Basic", "Composition", "Filter", "Renyi"]

Amounts = tuple[Fraction, ...]
"""What is spent, charged or allowed, one exact number for each thing that a filter counts."""

MARGIN = Decimal("1.000000001")
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
        """The filter that a ledger's first record describes.

        Raises:
            LedgerError: a composition that this version does not know.
        """
        match record["name"]:
            case Basic.name:
                return _BasicFilter(budget)
            case Renyi.name:
                return _RenyiFilter(record)
            case name:
                raise LedgerError(f"a ledger with {name!r} composition was opened", "basic or renyi: a newer version")

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
    """Rényi divergences add up to at most a preset curve; for many small releases.

    The curve is written when the ledger is made and must hold at every order at which it is finite. That is one: the
    order at which a Gaussian may have the greatest divergence of all that are (ε, δ/2)-DP by their divergence at one
    order, for the budget's ε and δ. Limits at further orders could refuse more and would prove no more. A pure ε
    enters by the greatest divergence that it allows, Gaussian sums and DP-SGD by their own, and a proof of (ε, δ) alone
    as a δ-approximate one; those δ add up to at most the other half.

    **Guarantee**: all admitted releases together are (ε, δ)-DP for the budget's ε and δ under add-or-remove, also where
    each was asked for in view of all earlier answers.

    Source: Feldman and Zrnic 2021 (the filter at one order); Mironov 2017; Canonne, Kamath and Steinke 2020,
    proposition 12 (from Rényi to ε, δ); Kairouz, Oh and Viswanath 2015 (what an (ε, δ) proof is at worst).
    docs/design/ledger.md has the proofs.
    """

    name = "renyi"

    def record(self, budget: DP) -> dict[str, Any]:
        """Order, limit, and the two halves of δ."""
        if budget.delta == 0:
            raise InvalidRequest(
                "Rényi composition for a budget without δ was asked for",
                "a budget with a δ above 0, or basic composition",
                "un.DP(epsilon=3, delta=1e-6)",
            )
        if budget.neighbours is not Neighbours.ADD_REMOVE:
            raise InvalidRequest(
                f"Rényi composition under {budget.neighbours.value} was asked for",
                "add-or-remove, for which its divergences are computed",
            )
        half = rounded_down(price(budget.delta) / 2)
        limit, order = _preset(budget.epsilon, half)
        return {
            "name": self.name,
            "orders": [repr(order)],
            "limits": [str(price(limit))],
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
    """Counts the divergence at each order at which the preset curve is finite, then δ of approximate ones."""

    def __init__(self, record: dict[str, Any]) -> None:
        self._orders = tuple(map(float, record["orders"]))
        self._half = float(record["delta_of_conversion"])
        super().__init__((*map(Fraction, record["limits"]), Fraction(record["delta_of_proofs"])))

    def cost(self, event: Event, guarantee: DP) -> Amounts:
        own = renyi(event, self._orders)
        if own is None:
            return *self._pure(guarantee.epsilon), price(guarantee.delta)
        return *map(_dear, own), Fraction(0)

    def _pure(self, epsilon: float) -> list[Fraction]:
        return list(map(_dear, pure_renyi(epsilon, self._orders)))

    def spent(self, total: Amounts) -> tuple[float, float]:
        if not any(total):
            return 0.0, 0.0
        epsilon = epsilon_of_renyi(self._orders, list(map(rounded_up, total[:-1])), self._half)
        return epsilon, rounded_up(price(self._half) + total[-1])

    def left(self, total: Amounts) -> tuple[float, float]:
        *rest, slack = (max(limit - part, Fraction(0)) for part, limit in zip(total, self.limits, strict=True))

        def fits(epsilon: float) -> bool:
            return all(cost <= left for cost, left in zip(self._pure(epsilon), rest, strict=True))

        return _greatest(fits), rounded_down(slack)


@lru_cache(maxsize=64)
def _preset(epsilon: float, delta: float) -> tuple[float, float]:
    """The limit and the order: where a Gaussian's divergence ρ·α, known as ε at δ, has the greatest ρ."""

    def limit(order: float) -> float:
        return _greatest(lambda divergence: epsilon_of_renyi([order], [divergence], delta) <= epsilon)

    grid = [round(1 + 0.05 * 1.02**step, 4) for step in range(1000)]
    order = max(grid, key=lambda order: limit(order) / order)
    if (found := limit(order)) <= 0:
        raise InvalidRequest(
            f"Rényi composition for ε {epsilon:g} was asked for", "an ε that its orders reach, or basic composition"
        )
    return found, order


def _greatest(fits: Callable[[float], bool]) -> float:
    """The greatest number from 1e-9 to 1e300 that fits, cut to six digits; 0 if none does."""
    low, high = 1e-9, 1e300
    if not fits(low):
        return 0.0
    while high / low > 1 + 1e-8:
        middle = math.sqrt(low) * math.sqrt(high)
        low, high = (middle, high) if fits(middle) else (low, middle)
    return float(DOWN.create_decimal(Decimal(low)))


def _dear(value: float) -> Fraction:
    """A computed divergence as twelve digits, above its own rounding errors."""
    if not math.isfinite(value):
        raise InvalidRequest(
            "something without a finite Rényi divergence was charged", "more noise, or a ledger with basic composition"
        )
    return Fraction(UP.multiply(Decimal(value), MARGIN))
