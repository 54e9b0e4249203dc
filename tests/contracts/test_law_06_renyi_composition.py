"""Law 6, Renyi: every order of the preset curve holds, whatever is asked in view of what came before."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)
from scipy.special import logsumexp
from scipy.stats import norm

import unseen as un
from unseen.core import accounting
from unseen.core.errors import BudgetExceeded
from unseen.core.ledger.composition import Composition

from .adaptive import IN_MEMORY, ON_DISK, exactly, promise

ORDER_HELD = 1e-9  # relative: what the oracle's own rounding may be wrong by
NEEDLESS = 1e-3  # relative: a refusal further below the curve than this was not needed
RUNS_OF_DPSGD = [(0.1, 1.5, 20), (0.02, 0.8, 50), (1.0, 6.0, 4)]


def pure_curve(epsilon: float, order: float) -> float:
    """The divergence of randomized response, from its two probabilities."""
    likely, unlikely = -math.log1p(math.exp(-epsilon)), -epsilon - math.log1p(math.exp(-epsilon))
    parts = (
        order * likely + (1 - order) * unlikely,
        order * unlikely + (1 - order) * likely,
    )
    return float(np.logaddexp(*parts) / (order - 1))


@cache
def sampled_curve(probability: float, sigma: float, order: float) -> float:
    """The divergence of a Poisson-sampled Gaussian, the greater of its two directions, by integration."""

    if probability == 1:
        return order / (2 * sigma**2)
    points = np.linspace(-14 * sigma - order, 14 * sigma + order, 200_001)
    ratio = np.logaddexp(math.log1p(-probability), math.log(probability) + (2 * points - 1) / (2 * sigma**2))
    density = norm.logpdf(points / sigma) - math.log(sigma)

    def moment(power: float) -> float:
        # By the trapezoid rule, which converges geometrically for what falls off on both sides as a Gaussian does.
        return float(logsumexp(density + power * ratio) + math.log(points[1] - points[0]))

    return max(moment(order), moment(1 - order)) / (order - 1)


@dataclass(frozen=True)
class Asked:
    """One request, and what an oracle knows of it: its divergence at an order, and its own δ."""

    event: accounting.Event
    epsilon: float
    delta: float
    curve: Callable[[float], float]
    loses: float


def pure(epsilon: float, named: bool) -> Asked:
    event = accounting.laplace(1 / epsilon) if named else accounting.priced(epsilon)
    return Asked(event, epsilon, 0.0, lambda order: pure_curve(epsilon, order), 0.0)


def approximate(epsilon: float, delta: float) -> Asked:
    return Asked(accounting.priced(epsilon, delta), epsilon, delta, lambda order: pure_curve(epsilon, order), delta)


def sampled(run: tuple[float, float, int]) -> Asked:
    probability, sigma, steps = run
    delta = 1e-6
    epsilon = accounting.epsilon_of_dpsgd(probability, sigma, steps, delta)
    return Asked(
        accounting.dpsgd(probability, sigma, steps),
        epsilon,
        delta,
        lambda order: steps * sampled_curve(probability, sigma, order),
        0.0,
    )


def gauss(sigma: float) -> Asked:
    return Asked(accounting.dpsgd(1, sigma, 1), 0.5, 1e-6, lambda order: order / (2 * sigma**2), 0.0)


class RenyiBook:
    """A ledger under Rényi composition, as the machine drives it."""

    def __init__(self, folder: Path, budget: un.DP) -> None:
        self.path = folder / "a.ledger"
        self.ledger = un.Ledger.create(self.path, budget, lambda key: "f", composition=un.Renyi())

    def charge(self, asked: Asked) -> bool:
        try:
            self.ledger.charge("Count", asked.event, promise(asked.epsilon, asked.delta))
        except BudgetExceeded:
            return False
        return True

    @property
    def left(self) -> tuple[float, float]:
        return self.ledger.left

    @property
    def limits(self) -> tuple[Fraction, ...]:
        return self.ledger.filter.limits

    def again(self) -> None:
        self.ledger = un.Ledger(self.path)


class OnlyTheFilter:
    """The filter without a ledger around it, for broken copies; as it stands it is right."""

    def __init__(self, folder: Path, budget: un.DP) -> None:
        self.budget, self.record = budget, un.Renyi().record(budget)
        self.filter = Composition.filter(budget, self.record)
        self.limits = self.filter.limits
        self.total: tuple[Fraction, ...] = (Fraction(0),) * len(self.limits)

    def cost(self, asked: Asked) -> tuple[Fraction, ...]:
        return self.filter.cost(asked.event, promise(asked.epsilon, asked.delta))

    def admits(self, total: tuple[Fraction, ...]) -> bool:
        return self.filter.admits(total)

    def charge(self, asked: Asked) -> bool:
        total = tuple(a + b for a, b in zip(self.total, self.cost(asked), strict=True))
        if not self.admits(total):
            return False
        self.total = total
        return True

    @property
    def left(self) -> tuple[float, float]:
        return self.filter.left(self.total)

    def again(self) -> None:
        return


class ChecksBeforeAdding(OnlyTheFilter):
    """Broken: what was spent so far is compared, not what it would become."""

    def admits(self, total: tuple[Fraction, ...]) -> bool:
        return self.filter.admits(self.total)


class ConvertsAtTheWholeDelta(OnlyTheFilter):
    """Broken: ε at all of δ is compared, of which the proofs have half."""

    def admits(self, total: tuple[Fraction, ...]) -> bool:
        orders = tuple(map(float, self.record["orders"]))
        epsilon = accounting.epsilon_of_renyi(orders, [float(part) for part in total[:-1]], self.budget.delta)
        return epsilon <= self.budget.epsilon and total[-1] <= self.limits[-1]


class ForgetsProofs(OnlyTheFilter):
    """Broken: the δ of a proof is not counted."""

    def cost(self, asked: Asked) -> tuple[Fraction, ...]:
        return (*super().cost(asked)[:-1], Fraction(0))


class SmallEpsilonOnly(OnlyTheFilter):
    """Broken: α·ε²/2 for everything pure, and half of it."""

    def cost(self, asked: Asked) -> tuple[Fraction, ...]:
        if asked.event["event"] != "LaplaceDpEvent":
            return super().cost(asked)
        orders = map(float, self.record["orders"])
        return (*(Fraction(order * asked.epsilon**2 / 4) for order in orders), Fraction(0))


class ForgetsSteps(OnlyTheFilter):
    """Broken: a training run costs what its first step costs."""

    def cost(self, asked: Asked) -> tuple[Fraction, ...]:
        inner = asked.event.get("inner", asked.event)
        return self.filter.cost(inner, promise(asked.epsilon, asked.delta))


class CountsTwice(OnlyTheFilter):
    """Broken the other way: what would fit is refused."""

    def cost(self, asked: Asked) -> tuple[Fraction, ...]:
        return tuple(2 * part for part in super().cost(asked))


def renyi_machine(make: Callable[[Path, un.DP], Any]) -> type[RuleBasedStateMachine]:
    """Somebody who asks in view of what came before; an oracle adds up divergences of its own at each order."""

    class Adaptive(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.folder = TemporaryDirectory()

        def teardown(self) -> None:
            self.folder.cleanup()

        @initialize(budget=st.sampled_from([promise(1, 1e-6), promise(3, 1e-5)]))
        def opens(self, budget: un.DP) -> None:
            self.orders = tuple(map(float, un.Renyi().record(budget)["orders"]))
            self.book = make(Path(self.folder.name), budget)
            *self.limits, self.slack = map(float, self.book.limits)
            self.sums, self.lost = [0.0] * len(self.orders), 0.0

        def asks(self, asked: Asked) -> bool:
            costs = [asked.curve(order) for order in self.orders]
            after = [used + cost for used, cost in zip(self.sums, costs, strict=True)]
            lost = self.lost + asked.loses
            admitted = bool(self.book.charge(asked))
            if admitted:
                self.sums, self.lost = after, lost
                assert all(used <= limit * (1 + ORDER_HELD) for used, limit in zip(after, self.limits, strict=True)), (
                    "a sum is above the preset curve"
                )
                assert lost <= self.slack * (1 + ORDER_HELD), "the proofs' δ is above its half"
            else:
                beyond = any(used > limit * (1 - NEEDLESS) for used, limit in zip(after, self.limits, strict=True))
                assert beyond or lost > self.slack * (1 - NEEDLESS), "what fits was refused"
            return admitted

        @rule(epsilon=st.floats(0.01, 0.6), named=st.booleans())
        def asks_for_a_pure_one(self, epsilon: float, named: bool) -> None:
            self.asks(pure(epsilon, named))

        @rule(epsilon=st.floats(0.01, 0.3), delta=st.sampled_from([1e-7, 3e-7, 2e-6]))
        def asks_for_a_proof(self, epsilon: float, delta: float) -> None:
            self.asks(approximate(epsilon, delta))

        @rule(sigma=st.sampled_from([3.0, 7.0, 20.0]))
        def asks_for_a_gaussian(self, sigma: float) -> None:
            self.asks(gauss(sigma))

        @rule(run=st.sampled_from(RUNS_OF_DPSGD))
        def trains(self, run: tuple[float, float, int]) -> None:
            self.asks(sampled(run))

        @rule(share=st.sampled_from([0.3, 0.7, 1.001, 1.5]))
        def asks_by_what_is_left(self, share: float) -> None:
            left = self.book.left[0]
            if left > 1e-3:
                self.asks(pure(left * share, True))

        @rule()
        def asks_for_all_that_is_left(self) -> None:
            left = self.book.left[0]
            if left > 0:
                assert self.asks(pure(left, True))

        @rule()
        def opens_again(self) -> None:
            self.book.again()

    return Adaptive


def test_any_adaptive_sequence_keeps_each_order_at_or_below_the_preset_curve() -> None:
    run_state_machine_as_test(renyi_machine(RenyiBook), settings=ON_DISK)


def test_the_check_accepts_a_renyi_filter_that_is_right() -> None:
    run_state_machine_as_test(renyi_machine(OnlyTheFilter), settings=IN_MEMORY)


@pytest.mark.parametrize(
    "broken", [ChecksBeforeAdding, ConvertsAtTheWholeDelta, ForgetsProofs, SmallEpsilonOnly, ForgetsSteps, CountsTwice]
)
def test_a_renyi_filter_that_leaves_its_curve_is_seen(broken: type[OnlyTheFilter]) -> None:
    with pytest.raises((AssertionError, ExceptionGroup)):
        run_state_machine_as_test(renyi_machine(broken), settings=IN_MEMORY)


def preset_means_the_budget(budget: un.DP, record: dict[str, Any], limits: tuple[Fraction, ...]) -> bool:
    """Whether the curve at its orders, read by the closed form, is the budget's ε at one part of δ, and no more."""
    slack = exactly(float(record["delta_of_conversion"])) + limits[-1]
    half, found = float(record["delta_of_conversion"]), []
    for order, limit in zip(map(float, record["orders"]), limits[:-1], strict=True):
        # Canonne, Kamath and Steinke 2020, proposition 12, written out.
        found.append(float(limit) + math.log1p(-1 / order) - math.log(half * order) / (order - 1))
    return (
        min(found) <= budget.epsilon * (1 + 1e-9)
        and min(found) > 0.99 * budget.epsilon
        and slack <= exactly(budget.delta)
    )


@pytest.mark.parametrize(
    "budget", [promise(0.3, 1e-6), promise(1, 1e-6), promise(3, 1e-5)], ids=lambda b: f"{b.epsilon}"
)
def test_the_preset_curve_means_the_budget_and_no_more(budget: un.DP) -> None:
    record = un.Renyi().record(budget)
    limits = Composition.filter(budget, record).limits
    assert preset_means_the_budget(budget, record, limits)
    assert not preset_means_the_budget(budget, record, (*(2 * limit for limit in limits[:-1]), limits[-1]))
    assert not preset_means_the_budget(budget, record, (*limits[:-1], exactly(budget.delta)))


def filled(folder: Path, composition: Any) -> un.Ledger:
    """A ledger that was asked for small things, each chosen by what is left, until nothing of them fits."""
    made = un.Ledger.create(
        folder / f"{type(composition).__name__}.ledger", promise(1, 1e-6), lambda key: "f", composition=composition
    )
    draw, refused = np.random.default_rng(3), 0
    while refused < 6:
        epsilon = round(float(draw.uniform(0.01, 0.025)) * (1 + made.left[0] / 4), 4)
        try:
            made.charge("Count", accounting.laplace(1 / epsilon), promise(epsilon))
        except BudgetExceeded:
            refused += 1
    return made


def test_what_a_renyi_ledger_admitted_is_within_its_budget_by_exact_accounting_and_more_than_basic_admits(
    tmp_path: Path,
) -> None:
    many, few = filled(tmp_path, un.Renyi()), filled(tmp_path, un.Basic())
    assert many.verify() > 2 * few.verify()
    assert sum(entry.epsilon for entry in many.entries()) > many.budget.epsilon
    assert (
        accounting.epsilon_of_all([entry.event for entry in many.entries()], many.budget.delta) <= many.budget.epsilon
    )
