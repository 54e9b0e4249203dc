"""A guard is a configured protection: what it costs, and its release, charged before any noise is drawn."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from unseen.core.accounting import Event
from unseen.core.dataset import Dataset, as_dataset
from unseen.core.errors import InvalidRequest
from unseen.core.generalised import Covers
from unseen.core.guarantee import DP, Guarantee, Neighbours, Nothing, price, rounded_down, whole
from unseen.core.release import Receipt, Release
from unseen.core.request import Request

__all__ = ["SEEDED", "Guard", "Outcome", "Plan", "charge", "default_delta", "dp"]

T = TypeVar("T")

SEEDED = Nothing("seeded: whoever knows the seed can take the noise away")


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What a run gives: value, interval of the noise, covers of generalised values, the owner's proof."""

    value: T
    interval: Any = None
    covers: Covers | None = None
    proof: Any = None


@dataclass(frozen=True)
class Plan(Generic[T]):
    """What a guard will do to a dataset, decided from schema, request and ledger alone.

    Args:
        guarantee: what will be promised.
        event: what will happen, for the accountant.
        run: does it; the first thing that reads private values or draws noise.
    """

    guarantee: Guarantee
    event: Event
    run: Callable[[], Outcome[T]]


class Guard(ABC, Generic[T]):
    """A configured protection. Configuration in the constructor, data only at the verb.

    Args:
        seed: None for the real thing. A number makes the noise repeatable, for tests: such a
            release says ``Nothing("seeded")``.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = None if seed is None else whole("seed", seed)

    @abstractmethod
    def plan(self, data: Dataset) -> Plan[T]:
        """Decide from schema, request and ledger what will happen; read no private value.

        Raises:
            InvalidRequest: the request does not fit the schema.
        """

    def accept(self, data: Any) -> Dataset:
        """The dataset itself, or the caller's own table where this guard needs no declared columns."""
        return as_dataset(data)

    def cost(self, data: Any) -> Guarantee:
        """What a release would promise, and so what the ledger would charge. Charges nothing.

        Args:
            data: a ``Dataset``, or a dataframe of the caller's own.
        """
        return self._promised(self.plan(self.accept(data)))

    def price(self, data: Any) -> tuple[Event, Guarantee]:
        """What a release would do and promise: what a ledger's composition prices. Charges nothing."""
        plan = self.plan(self.accept(data))
        return plan.event, self._promised(plan)

    def release(self, data: Any, purpose: str = "", request: str | None = None) -> Release[T]:
        """Charge the ledger, then draw the noise and give the release.

        Args:
            data: a ``Dataset``, or a dataframe of the caller's own, which no ledger is charged for.
            purpose: why, for the ledger.
            request: the caller's key for this request; a retry with the same key gives the same release, also in
                another process, and charges nothing. A run that failed was a use, and its key is used up.

        Raises:
            InvalidRequest: the request does not fit the schema, or its key was used for another or for a run that did
                not end; nothing was charged.
            BudgetExceeded: the ledger cannot pay; nothing was charged.
        """
        dataset = self.accept(data)
        plan = self.plan(dataset)
        guarantee = self._promised(plan)
        name = type(self).__name__
        kept = None if request is None else Request(dataset, name, request, self._configured(), plan.event, guarantee)
        if kept is not None and (earlier := kept.recall()):
            return earlier
        receipt = charge(dataset, name, plan.event, guarantee, purpose, kept.digests if kept else None)
        found = plan.run()
        release = Release(
            value=found.value,
            interval=found.interval,
            guarantee=guarantee,
            receipt=receipt,
            guard=name,
            covers=found.covers,
            proof=found.proof,
        )
        if kept is not None:
            kept.keep(release)
        return release

    def configuration(self) -> dict[str, Any]:
        """This guard as JSON-ready values, by which a request key knows it again.

        Raises:
            InvalidRequest: this guard's releases are not kept.
        """
        raise InvalidRequest(
            f"a request key for {type(self).__name__} was given",
            "none: releases of this guard are not kept for retries",
        )

    def _configured(self) -> dict[str, Any]:
        """The configuration, unless a subclass has arguments of its own and does not tell of them."""
        kinds = type(self).__mro__
        told, made = (next(kind for kind in kinds if name in vars(kind)) for name in ("configuration", "__init__"))
        if kinds.index(told) > kinds.index(made) and told is not Guard:
            raise InvalidRequest(
                f"a request key for {type(self).__name__} was given",
                f"configuration() beside {made.__name__}'s arguments",
            )
        return self.configuration()

    def _promised(self, plan: Plan[T]) -> Guarantee:
        if self.seed is not None and isinstance(plan.guarantee, DP):
            return SEEDED
        return plan.guarantee


def charge(
    data: Dataset,
    guard: str,
    event: Event,
    guarantee: Guarantee,
    purpose: str = "",
    request: dict[str, str] | None = None,
) -> Receipt | None:
    """Charge the dataset's ledger, if it has one, before anything is drawn.

    Raises:
        InvalidRequest: the guarantee is incomplete: it names no unit.
        BudgetExceeded: the ledger cannot pay; nothing was charged.
    """
    if isinstance(guarantee, DP) and guarantee.unit is None:
        raise InvalidRequest("a release without a unit of privacy was asked for", "a guarantee that names its unit")
    if guarantee == SEEDED and data.ledger is not None:
        raise InvalidRequest(
            f"a seeded {guard} on a dataset with a ledger was asked for",
            "no seed: whoever knows it can take the noise away, and nothing would be charged",
        )
    if not isinstance(purpose, str):
        raise InvalidRequest(f"purpose={purpose!r} was given", "a text")
    if data.ledger is None:
        return None
    return data.ledger.charge(guard, event, guarantee, purpose, bound=data.bound, part=data.part, request=request)


def dp(data: Dataset, epsilon: float, delta: float = 0.0, caveats: tuple[str, ...] = ()) -> DP:
    """A DP guarantee about this dataset's unit, under add-or-remove, the relation that sensitivities are proven for.

    Raises:
        InvalidRequest: the dataset declares another relation.
    """
    if data.neighbours is not Neighbours.ADD_REMOVE:
        raise InvalidRequest(
            f"a guarantee under {data.neighbours.value} was asked for", "add-or-remove, the relation that is proven"
        )
    return DP(epsilon, delta, data.schema.unit_name, data.neighbours, caveats=caveats)


def default_delta(data: Dataset, delta: float | None, guard: str) -> float:
    """The given δ, or a tenth of the budget's.

    Raises:
        InvalidRequest: neither is there.
    """
    if delta is not None:
        return delta
    if data.ledger is None or data.ledger.budget.delta == 0:
        raise InvalidRequest(
            f"{guard} without delta was asked for", "a δ above 0, given or in the budget", "delta=1e-6"
        )
    return rounded_down(price(data.ledger.budget.delta) / 10)
