"""Filters round against the user, agree with dp-accounting, and never promise less than closed forms ask for."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

import dp_accounting
import numpy as np
import pandas as pd
import pytest
from dp_accounting.rdp import RdpAccountant
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm

import unseen as un
from unseen.core import accounting
from unseen.core.errors import BudgetExceeded, InvalidRequest, LedgerMismatch
from unseen.core.guarantee import price
from unseen.core.ledger.composition import Basic, Composition, Filter, Renyi
from unseen.query import Count, Histogram, Mean

BUDGETS = [un.DP(epsilon, delta, "row") for epsilon in (0.1, 1, 3, 10) for delta in (1e-9, 1e-6, 1e-3)]
ORDERS = (1.01, 1.5, 2.0, 3.7, 9.4, 32.0, 200.0)


def renyi_filter(budget: un.DP) -> Filter:
    return Composition.filter(budget, Renyi().record(budget))


def ledger(path: Path, composition: Composition, epsilon: float = 3, delta: float = 1e-6) -> un.Ledger:
    return un.Ledger.create(path, un.DP(epsilon, delta, "row"), lambda key: "f", composition=composition)


# --- Rényi divergences --------------------------------------------------------------------------------------------


def of_randomized_response(epsilon: float, order: float) -> float:
    """The definition of the divergence, in four hundred digits."""
    with localcontext() as context:
        context.prec = 400
        odds, a = Decimal(epsilon).exp(), Decimal(order)
        p, q = odds / (1 + odds), 1 / (1 + odds)
        return float((p**a * q ** (1 - a) + q**a * p ** (1 - a)).ln() / (a - 1))


@given(
    st.one_of(st.floats(1e-8, 30), st.floats(-160, 2).map(lambda power: 10**power)),
    st.one_of(st.sampled_from(ORDERS), st.floats(1.001, 10_000)),
)
def test_the_curve_of_pure_epsilon_is_that_of_randomized_response_and_never_below(epsilon: float, order: float) -> None:
    exact, (found,) = of_randomized_response(epsilon, order), accounting.pure_renyi(epsilon, [order])
    assert found >= exact * (1 - 1e-15)
    assert found <= min(epsilon, exact * (1 + 1e-6) + 1e-10 * order * (1 + epsilon) / (order - 1))


@given(st.floats(0.01, 5), st.sampled_from(ORDERS))
def test_laplace_noise_diverges_no_more_than_its_pure_price_allows(epsilon: float, order: float) -> None:
    """Closed form of Mironov 2017, proposition 6; and the discrete law by summing it."""
    (allowed,) = accounting.pure_renyi(epsilon, [order])
    a = order
    terms = [math.log(a / (2 * a - 1)) + epsilon * (a - 1), math.log((a - 1) / (2 * a - 1)) - epsilon * a]
    assert np.logaddexp(*terms) / (a - 1) <= allowed * (1 + 1e-9) + 1e-12
    sites = np.arange(-4000, 4001)
    here = -np.abs(sites) * epsilon + math.log(math.tanh(epsilon / 2))
    there = -np.abs(sites - 1) * epsilon + math.log(math.tanh(epsilon / 2))
    discrete = np.logaddexp.reduce(a * here + (1 - a) * there) / (a - 1)
    assert discrete <= allowed * (1 + 1e-9) + 1e-12


@pytest.mark.parametrize("sigma", [0.5, 1.0, 7.0])
def test_gaussian_noise_diverges_as_the_closed_form_says(sigma: float) -> None:
    event = accounting.dpsgd(1.0, sigma, 3)
    assert accounting.renyi(event, ORDERS) == pytest.approx([3 * a / (2 * sigma**2) for a in ORDERS], rel=1e-12)


@pytest.mark.parametrize("event", [accounting.dpsgd(0.01, 1.1, 500), accounting.dpsgd(0.3, 4.0, 20)])
def test_divergences_are_dp_accountings_and_their_rounding(event: dict[str, Any]) -> None:
    accountant = RdpAccountant(list(ORDERS))
    accountant.compose(accounting.interpret(event))
    error = 1e-14 * event["count"]
    assert accounting.renyi(event, ORDERS) == [
        value + error / (order - 1) for value, order in zip(accountant.rdp, ORDERS, strict=True)
    ]


@pytest.mark.parametrize(("q", "sigma", "order"), [(1.2e-4, 79.8, 129), (9.9e-7, 73.0, 135), (1.2e-7, 91.0, 152)])
def test_a_sampled_gaussian_is_never_priced_below_its_divergence(q: float, sigma: float, order: int) -> None:
    """Mironov, Talwar and Zhang 2019, section 3.3: the binomial sum, in eighty digits."""
    with localcontext() as context:
        context.prec = 80
        share, spread = Decimal(q), Decimal(sigma)
        terms = (
            math.comb(order, k) * (1 - share) ** (order - k) * share**k * (Decimal(k * k - k) / (2 * spread**2)).exp()
            for k in range(order + 1)
        )
        exact = float(sum(terms, Decimal(0)).ln() / (order - 1))
    assert accounting.renyi(accounting.dpsgd(q, sigma, 1), [order])[0] >= exact


@pytest.mark.parametrize("epsilon", [1e-200, 5e-324, 1e155, 1.7e308])
def test_no_price_is_nothing_and_none_beyond_the_doubles(epsilon: float) -> None:
    cost = renyi_filter(un.DP(3, 1e-6, "row")).cost(accounting.laplace(1.0), un.DP(epsilon, 0, "row"))
    assert cost[0] > 0 and math.isfinite(cost[0])


def test_prices_do_not_depend_on_the_callers_arithmetic() -> None:
    found = renyi_filter(un.DP(3, 1e-6, "row"))
    with localcontext() as context:
        context.prec = 3
        coarse = found.cost(accounting.laplace(30), un.DP(1 / 30, 0, "row"))
    assert coarse == found.cost(accounting.laplace(30), un.DP(1 / 30, 0, "row"))


def test_training_that_fits_at_the_order_of_the_curve_is_admitted(tmp_path: Path) -> None:
    book, event = ledger(tmp_path / "a.ledger", Renyi()), accounting.dpsgd(0.01, 1.0, 100)
    for _ in range(3):
        book.charge("DPSGD", event, un.DP(accounting.epsilon_of_dpsgd(0.01, 1.0, 100, 1e-7), 1e-7, "row"))
    assert book.verify() == 3


@pytest.mark.parametrize(
    "event", [accounting.laplace(2), accounting.priced(1, 1e-7), accounting.composed(accounting.laplace(1))]
)
def test_events_without_a_curve_of_their_own_have_none(event: dict[str, Any]) -> None:
    assert accounting.renyi(event, ORDERS) is None


# --- the preset curve ---------------------------------------------------------------------------------------------


def converted(order: float, divergence: float, delta: float) -> float:
    """Canonne, Kamath and Steinke 2020, proposition 12, written down anew."""
    return divergence + math.log((order - 1) / order) - (math.log(delta) + math.log(order)) / (order - 1)


@pytest.mark.parametrize("budget", BUDGETS, ids=str)
def test_a_full_curve_means_the_budget_and_wastes_nothing(budget: un.DP) -> None:
    record = Renyi().record(budget)
    half = float(record["delta_of_conversion"])
    told = [
        converted(float(order), float(Fraction(limit)), half)
        for order, limit in zip(record["orders"], record["limits"], strict=True)
    ]
    assert min(told) <= budget.epsilon * (1 + 1e-12)
    assert min(told) >= budget.epsilon * (1 - 1e-3)
    assert price(half) + Fraction(record["delta_of_proofs"]) == price(budget.delta)


@pytest.mark.parametrize("budget", BUDGETS, ids=str)
def test_what_is_left_fits_and_a_little_more_does_not(budget: un.DP) -> None:
    found = renyi_filter(budget)
    total = tuple(limit / 3 for limit in found.limits)
    epsilon, delta = found.left(total)
    event = accounting.laplace(1 / epsilon)

    def fits(asked: float, slack: float = 0.0) -> bool:
        cost = found.cost(event, un.DP(asked, slack, "row"))
        return found.admits(tuple(a + b for a, b in zip(total, cost, strict=True)))

    assert fits(epsilon) and not fits(epsilon * 1.001)
    assert fits(epsilon, delta) and not fits(epsilon, delta * 1.001)


def test_many_small_releases_fit_where_basic_composition_admits_a_hundred(tmp_path: Path) -> None:
    book, admitted = ledger(tmp_path / "a.ledger", Renyi()), 0
    with pytest.raises(BudgetExceeded, match="are left") as told:
        while admitted < 1000:
            book.charge("Count", accounting.laplace(1 / 0.1), un.DP(0.1, 0, "row"))
            admitted += 1
    assert 35 <= admitted < 1000 and book.left[0] < 0.1
    fits = float(told.value.fits.removeprefix("epsilon="))
    book.charge("Count", accounting.laplace(1 / fits), un.DP(fits, 0, "row"))
    assert book.verify() == admitted + 1
    assert book.bookkeeping() <= 3  # had they been fixed in advance, an exact accountant finds no more than the budget


@settings(max_examples=20)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("pure"), st.floats(0.01, 1)),
            st.tuples(st.just("gaussian"), st.floats(1.0, 20)),
            st.tuples(st.just("proof"), st.floats(0.01, 0.5)),
        ),
        max_size=12,
    )
)
def test_whatever_is_admitted_costs_no_more_than_the_budget_by_an_exact_accountant(
    asked: list[tuple[str, float]],
) -> None:
    budget = un.DP(2, 1e-5, "row")
    found, total, events = renyi_filter(budget), (Fraction(0),) * 2, []
    for kind, value in asked:
        if kind == "pure":
            event, guarantee = accounting.laplace(1 / value), un.DP(value, 0, "row")
        elif kind == "gaussian":
            event, guarantee = accounting.dpsgd(1.0, value, 1), un.DP(1, 1e-6, "row")
        else:
            event, guarantee = accounting.priced(value, 1e-6), un.DP(value, 1e-6, "row")
        after = tuple(a + b for a, b in zip(total, found.cost(event, guarantee), strict=True))
        if found.admits(after):
            total, events = after, [*events, event]
    told = found.spent(total)
    assert told[0] <= 2 * (1 + 1e-9) and told[1] <= 1e-5
    if events:
        assert accounting.epsilon_of_all(events, 1e-5) <= 2 + 1e-3


@pytest.mark.parametrize("composition", [Basic(), Renyi()], ids=repr)
def test_a_ledger_shows_in_a_notebook_what_is_used(tmp_path: Path, composition: Composition) -> None:
    book = ledger(tmp_path / "a.ledger", composition)
    for number in range(25):
        book.charge("Count", accounting.laplace(20), un.DP(0.05, 0, "row"), purpose=f"<b>{number}")
    shown = book._repr_html_()
    assert "per row" in shown and "&lt;b&gt;24" in shown and "&lt;b&gt;4<" not in shown
    assert ("1.25 of 3 spent" if composition.name == "basic" else "% used of the curve") in shown


def test_nothing_spent_is_told_as_nothing(tmp_path: Path) -> None:
    book = ledger(tmp_path / "a.ledger", Renyi())
    assert book.spent == (0, 0) and book.head.epsilon_left > 1


@pytest.mark.parametrize(
    ("budget", "says"),
    [(un.DP(3, 0, "row"), "δ above 0"), (un.DP(3, 1e-6, "row", un.Neighbours.REPLACE_ONE), "add-or-remove")],
)
def test_a_budget_without_a_curve_is_refused(tmp_path: Path, budget: un.DP, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        un.Ledger.create(tmp_path / "a.ledger", budget, lambda key: "f", composition=Renyi())
    assert list(tmp_path.iterdir()) == []


def test_composition_is_chosen_once(tmp_path: Path) -> None:
    ledger(tmp_path / "a.ledger", Renyi())
    with pytest.raises(LedgerMismatch, match="renyi"):
        ledger(tmp_path / "a.ledger", Basic())
    assert un.Ledger(tmp_path / "a.ledger").composition == "renyi"


def test_an_event_without_a_finite_divergence_is_refused_and_charges_nothing(tmp_path: Path) -> None:
    book = ledger(tmp_path / "a.ledger", Renyi())
    with pytest.raises(InvalidRequest, match="Rényi"):
        book.charge("DPSGD", accounting.dpsgd(1.0, 0.0, 1), un.DP(1, 1e-7, "row"))
    assert book.verify() == 0


# --- basic composition --------------------------------------------------------------------------------------------


def gaussian_epsilon(sigma: float, delta: float) -> float:
    """Balle and Wang 2018, theorem 8."""

    def excess(epsilon: float) -> float:
        there = math.exp(epsilon + norm.logcdf(-0.5 / sigma - epsilon * sigma))
        return float(norm.cdf(0.5 / sigma - epsilon * sigma) - there) - delta

    return 0.0 if excess(0) <= 0 else float(brentq(excess, 0, 200, xtol=1e-12))


def gaussian_of(epsilon: float, delta: float) -> float:
    """The least noise multiplier of one Gaussian sum that the accountant certifies."""
    return accounting.calibrate_dpsgd(1.0, 1, epsilon, delta)


@pytest.mark.parametrize("spent", [0.1, 0.7, 1.3])
def test_one_release_at_all_that_remains_is_admitted(tmp_path: Path, spent: float) -> None:
    for name in ("laplace", "gaussian", "dpsgd"):
        book = ledger(tmp_path / f"{name}.ledger", Basic())
        book.charge("Count", accounting.laplace(1 / spent), un.DP(spent, 3e-7, "row"))
        epsilon, delta = book.left
        if name == "laplace":
            event = accounting.laplace(1 / epsilon)
        elif name == "gaussian":
            sigma = gaussian_of(epsilon, delta)
            assert gaussian_epsilon(sigma, delta) <= epsilon
            event = accounting.dpsgd(1.0, sigma, 1)
        else:
            event = accounting.dpsgd(0.05, accounting.calibrate_dpsgd(0.05, 40, epsilon, delta), 40)
        book.charge(name, event, un.DP(epsilon, delta, "row"))
        assert book.left == (0, 0) and book.spent == (3, 1e-6)


@pytest.mark.parametrize("sigma", [0.4, 1.0, 3.0, 20.0])
@pytest.mark.parametrize("delta", [1e-9, 1e-5, 1e-2])
def test_the_figure_of_a_gaussian_is_never_below_its_closed_form(sigma: float, delta: float) -> None:
    event = accounting.dpsgd(1.0, sigma, 1)
    found, exact = accounting.epsilon_of_all([event], delta), gaussian_epsilon(sigma, delta)
    assert exact <= found <= exact + 2e-3


@pytest.mark.parametrize("epsilon", [0.05, 0.7, 3.0])
@pytest.mark.parametrize("delta", [1e-9, 1e-5, 1e-2])
def test_the_figure_of_laplace_noise_is_never_below_its_closed_form(epsilon: float, delta: float) -> None:
    """At δ the exact figure is ε + 2 log(1 - δ): the hockey stick of two Laplace laws is 1 - exp((e - ε) / 2)."""
    exact = max(0.0, epsilon + 2 * math.log1p(-delta))
    assert exact <= accounting.epsilon_of_all([accounting.laplace(1 / epsilon)], delta) <= exact + 2e-3


def test_bookkeeping_is_the_plain_sum_where_that_is_less(tmp_path: Path) -> None:
    book = ledger(tmp_path / "a.ledger", Basic(), delta=0)
    assert book.bookkeeping() == 0
    for epsilon in (0.5, 1.5):
        book.charge("Count", accounting.laplace(1 / epsilon), un.DP(epsilon, 0, "row"))
    assert book.bookkeeping() == 2 and book.bookkeeping(1e-3) < 2


def test_figures_are_dp_accountings_to_the_last_digit_shown() -> None:
    from dp_accounting.pld import PLDAccountant

    events = [accounting.laplace(3.0), accounting.dpsgd(0.02, 1.2, 200), accounting.dpsgd(1.0, 5.0, 1)]
    accountant = PLDAccountant(value_discretization_interval=accounting.INTERVAL)
    for event in events:
        accountant.compose(accounting.interpret(event))
    assert f"{accounting.epsilon_of_all(events, 1e-6):.6g}" == f"{accountant.get_epsilon(1e-6):.6g}"
    assert isinstance(accounting.interpret(events[0]), dp_accounting.LaplaceDpEvent)


# --- a share of the budget ----------------------------------------------------------------------------------------


def protect(folder: Path, composition: Composition) -> Any:
    return un.protect(
        pd.DataFrame({"age": [31.0, 47.0, 52.0], "ill": ["no", "yes", "no"]}),
        unit=un.EachRow(),
        columns={"age": un.Range(0, 110), "ill": un.Categorical("no", "yes")},
        budget=un.DP(3, 1e-6),
        ledger=folder / f"{composition.name}.ledger",
        composition=composition,
    )


MAKERS = [
    lambda epsilon: Count(epsilon),
    lambda epsilon: Mean("age", epsilon, by="ill"),
    lambda epsilon: Histogram("age", epsilon, edges=9),
]


@pytest.mark.parametrize("share", [0.05, 0.1, 0.25])
@pytest.mark.parametrize("composition", [Basic(), Renyi()], ids=repr)
def test_as_many_guards_of_a_share_fit_as_the_share_says(
    tmp_path: Path, composition: Composition, share: float
) -> None:
    data = protect(tmp_path, composition)
    for index in range(round(1 / share)):
        un.calibrate_for(MAKERS[index % 3], data, share).release(data)
    assert data.ledger.verify() == round(1 / share)
    guard = un.calibrate_for(MAKERS[0], data, share)
    with pytest.raises(BudgetExceeded):
        guard.release(data)


def test_a_share_buys_more_epsilon_where_small_releases_are_cheap(tmp_path: Path) -> None:
    plain = un.calibrate_for(MAKERS[0], protect(tmp_path, Basic()), 0.01)
    dear = un.calibrate_for(MAKERS[0], protect(tmp_path, Renyi()), 0.01)
    assert plain.epsilon == 0.03 and dear.epsilon > 0.05


def test_a_share_of_training_is_priced_by_its_own_curve(tmp_path: Path) -> None:
    data = protect(tmp_path, Renyi())

    def make(epsilon: float) -> Any:
        return un.train.DPSGD(epsilon, delta=1e-7, expected_batch_size=10, steps=20, dataset_size=1000)

    guard = un.calibrate_for(make, data, 0.2)
    event, guarantee = guard.price(data)
    cost = data.ledger.filter.cost(event, guarantee)
    assert 0.19 <= data.ledger.filter.share(cost) <= Fraction(1, 5) and cost[-1] == 0


@pytest.mark.parametrize("share", [0, -0.1, 1.5, math.nan, "x"])
def test_a_share_is_a_part(tmp_path: Path, share: Any) -> None:
    with pytest.raises(InvalidRequest, match="share"):
        un.calibrate_for(MAKERS[0], protect(tmp_path, Basic()), share)


def test_a_share_that_delta_does_not_fit_into_says_so(tmp_path: Path) -> None:
    def make(epsilon: float) -> Any:
        return un.train.DPSGD(epsilon, expected_batch_size=10, steps=2, dataset_size=1000)

    with pytest.raises(InvalidRequest, match="tenth"):
        un.calibrate_for(make, protect(tmp_path, Basic()), 0.05)
