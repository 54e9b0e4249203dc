"""Law 6, Basic: adaptively chosen prices add up exactly as decimals, and what fits is admitted, to the last digit."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from scipy.optimize import brentq
from scipy.stats import norm

import unseen as un
from unseen.core import accounting
from unseen.core.errors import BudgetExceeded
from unseen.query import Count

from .adaptive import IN_MEMORY, ON_DISK, exactly, promise
from .subjects import protect

TENTHS = ["0.1", "0.2", "0.3", "0.7", "0.05", "1e-3", "0.15", "1.1"]
SLACKS = ["0", "0", "1e-7", "3e-7", "1e-6", "1e-9"]
LEAST = 5e-324

Part = tuple[str, str]
PARTS: list[Part] = [("ill", "no"), ("ill", "yes"), ("zip", "12000")]


class Book:
    """A ledger under Basic, as the machine below drives it."""

    def __init__(self, folder: Path, epsilon: float, delta: float) -> None:
        self.path = folder / "a.ledger"
        self.ledger = un.Ledger.create(self.path, promise(epsilon, delta), lambda key: "f")

    def charge(self, epsilon: float, delta: float, part: Part | None = None) -> bool:
        """Whether it was admitted."""
        event = accounting.priced(epsilon, delta) if delta else accounting.laplace(1 / epsilon)
        try:
            self.ledger.charge("Count", event, promise(epsilon, delta), part=part)
        except BudgetExceeded:
            return False
        return True

    @property
    def left(self) -> tuple[float, float]:
        return self.ledger.left

    def again(self) -> None:
        """Open it as another process would."""
        self.ledger = un.Ledger(self.path)


class Sums:
    """What one unit may have borne, by the oracle: sums over everybody, and in each partition over its dearest part."""

    def __init__(self) -> None:
        self.of: dict[Part | None, list[Fraction]] = {}

    def plus(self, epsilon: float, delta: float, part: Part | None) -> Sums:
        after = Sums()
        after.of = {name: [*sums] for name, sums in self.of.items()}
        held = after.of.setdefault(part, [Fraction(0), Fraction(0)])
        held[0] += exactly(epsilon)
        held[1] += exactly(delta)
        return after

    def partitions(self, place: int) -> list[Fraction]:
        names = {part[0] for part in self.of if part is not None}
        return [max(sums[place] for part, sums in self.of.items() if part and part[0] == name) for name in names]

    @property
    def total(self) -> tuple[Fraction, Fraction]:
        everybody = self.of.get(None, [Fraction(0), Fraction(0)])
        epsilon, delta = (everybody[place] + sum(self.partitions(place), Fraction(0)) for place in (0, 1))
        return epsilon, delta


class InMemory:
    """A filter that forgets the durable part, for broken copies; as it stands it is right."""

    def __init__(self, folder: Path, epsilon: float, delta: float) -> None:
        self.budget = exactly(epsilon), exactly(delta)
        self.sums = Sums()

    def total(self, sums: Sums) -> tuple[Fraction, Fraction]:
        return sums.total

    def fits(self, after: tuple[Fraction, Fraction]) -> bool:
        return after[0] <= self.budget[0] and after[1] <= self.budget[1]

    def charge(self, epsilon: float, delta: float, part: Part | None = None) -> bool:
        after = self.sums.plus(epsilon, delta, part)
        if not self.fits(self.total(after)):
            return False
        self.sums = after
        return True

    @property
    def left(self) -> tuple[float, float]:
        epsilon, delta = (down(limit - used) for limit, used in zip(self.budget, self.sums.total, strict=True))
        return epsilon, delta

    def again(self) -> None:
        return


def down(exact: Fraction) -> float:
    value = float(exact)
    return value if exactly(value) <= exact else math.nextafter(value, -math.inf)


class AddsDoubles(InMemory):
    """Broken: adds up doubles."""

    doubles = 0.0, 0.0

    def charge(self, epsilon: float, delta: float, part: Part | None = None) -> bool:
        sums = self.doubles[0] + epsilon, self.doubles[1] + delta
        if part is not None:
            return super().charge(epsilon, delta, part)
        if sums[0] > float(self.budget[0]) or sums[1] > float(self.budget[1]):
            return False
        self.doubles, self.sums = sums, self.sums.plus(epsilon, delta, part)
        return True


class ForgetsDelta(InMemory):
    """Broken: δ is promised and never counted."""

    def fits(self, after: tuple[Fraction, Fraction]) -> bool:
        return after[0] <= self.budget[0]


class ChecksBeforeAdding(InMemory):
    """Broken: admits as long as something is left."""

    def charge(self, epsilon: float, delta: float, part: Part | None = None) -> bool:
        if self.sums.total[0] >= self.budget[0] or self.sums.total[1] > self.budget[1]:
            return False
        self.sums = self.sums.plus(epsilon, delta, part)
        return True


class KeepsSomethingBack(InMemory):
    """Broken the other way: the last thousandth is never admitted."""

    def fits(self, after: tuple[Fraction, Fraction]) -> bool:
        return super().fits(after) and after[0] <= self.budget[0] * Fraction("0.999")


class Refunds(InMemory):
    """Broken: a refusal gives back what the last release cost."""

    before: Sums | None = None

    def charge(self, epsilon: float, delta: float, part: Part | None = None) -> bool:
        held = self.sums
        if super().charge(epsilon, delta, part):
            self.before = held
            return True
        self.sums = self.before or self.sums
        return False


class DearestPartition(InMemory):
    """Broken: two partitions are taken for one, though each unit is in a part of either."""

    def total(self, sums: Sums) -> tuple[Fraction, Fraction]:
        everybody = sums.of.get(None, [Fraction(0), Fraction(0)])
        epsilon, delta = (everybody[place] + max(sums.partitions(place), default=Fraction(0)) for place in (0, 1))
        return epsilon, delta


class AddsParts(InMemory):
    """Broken the other way: parts that share no unit are added up."""

    def total(self, sums: Sums) -> tuple[Fraction, Fraction]:
        epsilon, delta = (sum((one[place] for one in sums.of.values()), Fraction(0)) for place in (0, 1))
        return epsilon, delta


prices = st.one_of(st.sampled_from(TENTHS).map(float), st.floats(1e-9, 1.5))
slacks = st.one_of(st.sampled_from(SLACKS).map(float), st.floats(1e-12, 2e-6))


def machine(make: Callable[[Path, float, float], Any]) -> type[RuleBasedStateMachine]:
    """Somebody who chooses each price after having seen what the last one did, beside an oracle of their own."""

    class Adaptive(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.folder = TemporaryDirectory()
            self.sums = Sums()
            self.refused = 0

        def teardown(self) -> None:
            self.folder.cleanup()

        @initialize(epsilon=st.sampled_from([0.3, 1.0, 2.0, 3.0]), delta=st.sampled_from([0.0, 1e-6, 1e-5]))
        def opens(self, epsilon: float, delta: float) -> None:
            self.budget = exactly(epsilon), exactly(delta)
            self.book = make(Path(self.folder.name), epsilon, delta)

        def asks(self, epsilon: float, delta: float, part: Part | None = None) -> bool:
            after = self.sums.plus(epsilon, delta, part)
            fits = all(used <= limit for used, limit in zip(after.total, self.budget, strict=True))
            admitted = bool(self.book.charge(epsilon, delta, part))
            assert admitted == fits
            if fits:
                self.sums = after
            self.refused += not fits
            return admitted

        @rule(epsilon=prices, delta=slacks)
        def asks_for_anything(self, epsilon: float, delta: float) -> None:
            self.asks(epsilon, delta)

        @rule(epsilon=prices)
        def asks_for_a_pure_one(self, epsilon: float) -> None:
            self.asks(epsilon, 0.0)

        @rule(epsilon=prices, part=st.sampled_from(PARTS))
        def asks_of_a_part(self, epsilon: float, part: Part) -> None:
            self.asks(epsilon, 0.0, part)

        @precondition(lambda self: self.book.left[0] > 0)
        @rule(share=st.sampled_from([0.5, 0.25, 0.9]), grow=st.booleans())
        def asks_by_what_came_before(self, share: float, grow: bool) -> None:
            left = self.book.left
            scale = share * (1 + self.refused % 3 if grow else 1)
            self.asks(max(left[0] * scale, LEAST), min(left[1] * scale, 0.5))

        @precondition(lambda self: self.book.left[0] > 0)
        @rule()
        def asks_for_all_that_is_left(self) -> None:
            assert self.asks(*self.book.left)

        @precondition(lambda self: self.book.left[0] > 0)
        @rule(which=st.sampled_from([0, 1]))
        def asks_for_a_hair_more_than_is_left(self, which: int) -> None:
            more = [*self.book.left]
            # What is left is rounded down, so that one step up is above it, or is what was rounded away.
            more[which] = math.nextafter(more[which], math.inf)
            self.asks(more[0], more[1])

        @rule()
        def opens_again(self) -> None:
            self.book.again()

        @invariant()
        def left_is_what_is_left_rounded_down(self) -> None:
            if not hasattr(self, "book"):
                return
            for shown, used, limit in zip(self.book.left, self.sums.total, self.budget, strict=True):
                assert exactly(shown) <= limit - used < exactly(math.nextafter(shown, math.inf))

    return Adaptive


BROKEN_FILTERS = [
    *(AddsDoubles, ForgetsDelta, ChecksBeforeAdding, KeepsSomethingBack, Refunds),
    *(DearestPartition, AddsParts),
]


def test_adaptively_chosen_releases_are_admitted_exactly_if_they_fit() -> None:
    run_state_machine_as_test(machine(Book), settings=ON_DISK)


def test_the_check_accepts_a_filter_that_is_right() -> None:
    run_state_machine_as_test(machine(InMemory), settings=IN_MEMORY)


@pytest.mark.parametrize("broken", BROKEN_FILTERS)
def test_a_filter_that_admits_too_much_or_too_little_is_seen(broken: type[InMemory]) -> None:
    with pytest.raises((AssertionError, ExceptionGroup)):
        run_state_machine_as_test(machine(broken), settings=IN_MEMORY)


# --- Basic: one release priced at all that remains, by each mechanism there is -----------------------------------


def spent_to(data: Any, *prices: float) -> None:
    """Leave an odd rest: each count's price depends on what the one before it told."""
    for price in prices:
        found = data.count(epsilon=price).value
        data.count(epsilon=0.01 * (1 + abs(found) % 5))


def adds_up(data: Any) -> bool:
    """Whether the entries, the total and the rest are one sum of decimals."""
    entries = data.ledger.entries()
    for place, limit in enumerate((data.ledger.budget.epsilon, data.ledger.budget.delta)):
        total = sum((exactly((entry.epsilon, entry.delta)[place]) for entry in entries), Fraction(0))
        left, spent = data.ledger.left[place], data.ledger.spent[place]
        if not exactly(left) <= exactly(limit) - total < exactly(math.nextafter(left, math.inf)):
            return False
        if not total <= exactly(spent) < total + exactly(math.nextafter(spent, math.inf)) - exactly(spent):
            return False
    return True


def counts(data: Any, epsilon: float, delta: float) -> Any:
    return Count(epsilon).release(data).guarantee


def trains(data: Any, epsilon: float, delta: float) -> Any:
    torch = pytest.importorskip("torch", reason="wants torch")
    model = torch.nn.Linear(1, 2)
    guard = un.train.DPSGD(epsilon, delta=delta, expected_batch_size=50, steps=2, dataset_size=200)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with guard.open(model, optimizer, data, target="ill", features=["age"]) as session:
        for batch in session.batches():
            session.step(torch.nn.functional.cross_entropy, *batch)
    return session.release().guarantee


def learns(data: Any, epsilon: float, delta: float) -> Any:
    pytest.importorskip("torch", reason="wants torch")
    model = un.models.LogisticRegression(
        epsilon, delta, epochs=1, expected_batch_size=100, dataset_size=200, features=["age"]
    )
    return model.fit(data, target="ill").guarantee_


def one_gaussian(data: Any, epsilon: float, delta: float) -> Any:
    """Charge a Gaussian sum by itself, at the price that is certified for its noise."""
    sigma = accounting.calibrate_dpsgd(1.0, 1, epsilon, delta)
    assert gaussian(sigma, delta) <= accounting.epsilon_of_dpsgd(1.0, sigma, 1, delta) <= epsilon
    assert gaussian(0.99 * sigma, delta) > epsilon  # calibrated within 0.1 %: a little less noise is seen
    guarantee = un.DP(epsilon, delta, data.schema.unit_name)
    data.ledger.charge("Gaussian", accounting.dpsgd(1, sigma, 1), guarantee)
    return guarantee


def gaussian(sigma: float, delta: float) -> float:
    """ε of one Gaussian sum by the closed form of Balle and Wang 2018, theorem 8."""

    def excess(epsilon: float) -> float:
        half = 1 / (2 * sigma)
        above, below = norm.cdf(half - epsilon * sigma), norm.logcdf(-half - epsilon * sigma)
        return float(above - math.exp(epsilon + below) - delta)

    return 0.0 if excess(0.0) <= 0 else float(brentq(excess, 0.0, 100.0))


ALL = {"Laplace": counts, "DPSGD": trains, "LogisticRegression": learns, "Gaussian": one_gaussian}


def admits_all_that_remains(act: Callable[[Any, float, float], Any], data: Any) -> bool:
    """Whether a release priced at all that is left is admitted, after adaptive ones, and leaves nothing."""
    spent_to(data, 0.31, 0.17)
    epsilon, delta = data.ledger.left
    try:
        promised = act(data, epsilon, delta)
    except BudgetExceeded:
        return False
    entry = data.ledger.entries()[-1]
    assert (promised.epsilon, promised.delta) == (entry.epsilon, entry.delta)
    assert entry.epsilon == epsilon and entry.delta in (delta, 0.0)
    return adds_up(data) and data.ledger.left[0] < 1e-15


@pytest.mark.parametrize("act", ALL.values(), ids=ALL.keys())
def test_one_release_priced_at_all_that_remains_is_admitted(
    act: Callable[[Any, float, float], Any], tmp_path: Path
) -> None:
    data = protect(tmp_path, budget=un.DP(1.1, 1e-5))
    assert admits_all_that_remains(act, data)
    with pytest.raises(BudgetExceeded):
        data.count(epsilon=0.001)


def test_a_rest_that_is_rounded_up_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def in_doubles(ledger: un.Ledger) -> tuple[float, float]:
        spent = sum(entry.epsilon for entry in ledger.entries())
        return math.nextafter(ledger.budget.epsilon - spent, math.inf), 0.0

    data = protect(tmp_path, budget=un.DP(1.1, 1e-5))
    monkeypatch.setattr(un.Ledger, "left", property(in_doubles))
    assert not admits_all_that_remains(counts, data)


def test_a_sum_of_doubles_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = protect(tmp_path, budget=un.DP(1.1, 1e-5))
    for _ in range(10):
        data.count(epsilon=0.1)
    assert adds_up(data)
    monkeypatch.setattr(un.Ledger, "spent", property(lambda self: (sum(e.epsilon for e in self.entries()), 0.0)))
    assert not adds_up(data)


def test_a_pure_budget_is_spent_to_the_last_digit_too(tmp_path: Path) -> None:
    data = protect(tmp_path, budget=un.DP(1))
    assert admits_all_that_remains(counts, data) and data.ledger.spent[1] == 0
