"""What is asked of disjoint parts costs as much as the dearest part, and no unit ever bears more than the budget."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from fractions import Fraction
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import unseen as un
from unseen.core import accounting
from unseen.core.errors import BudgetExceeded, InvalidRequest, InvalidSchema, LedgerMismatch
from unseen.core.guarantee import price
from unseen.core.ledger.composition import Amounts
from unseen.core.snapshot import UNIT
from unseen.query import Count

from .ledgers import Place, examples, one_line, pay

COLUMNS = {
    "ill": un.Categorical("no", "yes"),
    "zone": un.Categorical("north", "south", "west"),
    "x": un.Range(0, 1000),
}
FRAME = pd.DataFrame(
    {
        "id": [n // 2 for n in range(300)],  # everybody has two rows, most of them in two parts
        "ill": ["yes" if n % 3 else "no" for n in range(300)],
        "zone": [("north", "south", "west")[n % 7 % 3] for n in range(300)],
        "x": [float(n) for n in range(300)],
    }
)


def protect(place: Place, frame: pd.DataFrame = FRAME, **changed: Any) -> Any:
    told = {"unit": "id", "columns": COLUMNS, "budget": un.DP(3, 1e-6), "ledger": place.location, "key": place.key}
    return un.protect(frame, **{**told, **changed})


# --- what they cost ---------------------------------------------------------------------------------------------


def test_parts_cost_as_much_as_the_dearest(place: Place) -> None:
    data = protect(place)
    ill, zone = data.parts("ill"), data.parts("zone")
    assert list(ill) == ["no", "yes"] and list(zone) == ["north", "south", "west"]
    spent = []
    for part, epsilon in [
        (data, 0.5), (ill["no"], 0.25), (ill["yes"], 0.25), (ill["yes"], 0.5), (ill["no"], 0.5), (zone["west"], 1.0),
        (zone["north"], 0.75), (data, 0.25), (zone["north"], 0.25), (ill["no"], 0.25), (zone["south"], 1.25),
    ]:  # fmt: skip
        receipt = part.count(epsilon=epsilon).receipt
        spent.append(data.ledger.spent[0])
        assert receipt.epsilon == epsilon and price(receipt.epsilon_left) == 3 - price(spent[-1])
    assert spent == [0.5, 0.75, 0.75, 1.25, 1.25, 2.25, 2.25, 2.5, 2.5, 2.75, 3.0]
    for part in (data, ill["no"], zone["south"]):  # nobody has anything left in these
        with pytest.raises(BudgetExceeded, match="ε 0, δ 1e-06 of"):
            part.count(epsilon=0.1)
    with pytest.raises(BudgetExceeded, match=r"ε 0\.25, δ 1e-06 of .* try: epsilon=0\.25"):
        zone["west"].count(epsilon=0.5)
    zone["west"].count(epsilon=0.25)
    zone["north"].count(epsilon=0.25)
    assert data.ledger.spent == (3, 0) == place.open().spent
    assert place.open().verify() == 13
    parts = [entry.part for entry in data.ledger.entries()]
    assert parts[:3] == [None, ("ill", "no"), ("ill", "yes")] and parts[-1] == ("zone", "north")


ZONES = {"ill": ("no", "yes"), "zone": ("north", "south", "west")}
PROFILES = [frozenset(zip(ZONES, values, strict=True)) for values in product(*ZONES.values())]
"""Every way in which a unit can lie in both partitions."""
WHERE = [None, *((name, part) for name, parts in ZONES.items() for part in parts)]


class Everybody:
    """What was charged, and, by going through every possible unit, the most that anybody bore."""

    def __init__(self, zero: Amounts) -> None:
        self.zero = zero
        self.epochs: list[list[tuple[Any, Amounts]]] = [[]]
        """One list of charges for each time between two changes of the data."""

    def worst(self) -> Amounts:
        """The most that any possible unit bore, of each thing that is counted.

        When the data change a unit may go anywhere, so that each epoch has its own worst place.
        """
        totals = []
        for epoch in self.epochs:
            lives = [self._sum(cost for where, cost in epoch if where is None or where in unit) for unit in PROFILES]
            totals.append(tuple(map(max, zip(*lives, strict=True))))
        return self._sum(totals)

    def _sum(self, amounts: Iterable[Amounts]) -> Amounts:
        return tuple(sum(parts, Fraction(0)) for parts in zip(self.zero, *amounts, strict=True))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from([0.1, 0.2, 0.3, 0.5]), st.sampled_from([0.0, 2e-7]), st.sampled_from(WHERE)),
        st.tuples(st.sampled_from([0.1, 0.2, 0.3, 0.5]), st.sampled_from([0.0, 2e-7]), st.sampled_from(WHERE)),
        st.tuples(st.sampled_from([0.1, 0.2, 0.3, 0.5]), st.sampled_from([0.0, 2e-7]), st.sampled_from(WHERE)),
        st.sampled_from(list(un.Change)),
    ),
    min_size=8,
    max_size=24,
)


@pytest.mark.parametrize("composition", [un.Basic(), un.Renyi()], ids=repr)
@examples(12, 300)
@given(steps=STEPS)
def test_no_unit_bears_more_than_the_budget_and_whatever_none_would_is_admitted(
    composition: Any, steps: list[Any]
) -> None:
    with TemporaryDirectory() as folder:
        book = Place(Path(folder)).make(1, 1e-6, composition)
        everybody = Everybody((Fraction(0),) * len(book.filter.limits))
        for number, step in enumerate(steps):
            if isinstance(step, un.Change):
                book.bind(book.budget, lambda key, number=number: f"{number}", changed=step)  # type: ignore[misc]
                everybody.epochs.append([])
            else:
                charge(book, everybody, *step)
        assert book.verify() == len(book.entries())


def charge(book: un.Ledger, everybody: Everybody, epsilon: float, delta: float, where: Any) -> None:
    cost = book.filter.cost(accounting.laplace(1 / epsilon), un.DP(epsilon, delta, "row"))
    everybody.epochs[-1].append((where, cost))
    fits = all(most <= limit for most, limit in zip(everybody.worst(), book.filter.limits, strict=True))
    if fits:
        pay(book, epsilon, delta, where)
    else:
        everybody.epochs[-1].pop()
        with pytest.raises(BudgetExceeded) as told:
            pay(book, epsilon, delta, where)
        if told.value.fits and book.composition == "basic":
            rest = float(told.value.fits.removeprefix("epsilon="))
            pay(book, rest, delta, where)
            everybody.epochs[-1].append((where, (price(rest), price(delta))))
    assert book._records.now().total == everybody.worst()
    if book.composition == "basic":
        spent = everybody.worst()
        assert book.spent == (float(spent[0]), float(spent[1]))


# --- who is in them ---------------------------------------------------------------------------------------------


def rows(data: Any, *, bounded: bool = True) -> Counter[tuple[Any, ...]]:
    """The rows of a dataset, in no order."""
    found = data.arrays(list(data.schema.columns), bounded=bounded)
    return Counter(zip(*(found[name] for name in data.schema.columns), strict=True))


def unit_of(frame: pd.DataFrame, x: float) -> Any:
    return frame.loc[frame["x"] == x, "id"].iloc[0]


TABLES = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(["no", "yes", "perhaps", None]), st.sampled_from(ZONES["zone"])),
    min_size=1,
    max_size=14,
)


def table(told: list[tuple[Any, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(told, columns=["id", "ill", "zone"])
    return frame.assign(x=[float(n) for n in range(len(frame))])


def core(frame: pd.DataFrame) -> un.Dataset:
    return un.Dataset(frame, un.Schema("id", COLUMNS), salt=b"a salt that stays")


@examples(12, 200)
@given(told=TABLES)
def test_each_unit_is_in_exactly_one_part_with_one_row(told: list[tuple[Any, ...]]) -> None:
    frame = table(told)
    data = core(frame)
    for by in ZONES:
        found = data.parts(by)
        inside = [row for part in found.values() for row in rows(part).elements()]
        assert Counter(inside) == rows(data)  # what a whole-table release sees, no more and no less
        assert sorted(unit_of(frame, row[-1]) for row in inside) == sorted(set(frame["id"]))
        for value, part in found.items():
            column = list(COLUMNS).index(by)
            assert {row[column] for row in rows(part)} <= {value}
            assert rows(part) == rows(part, bounded=False)  # other rows of a unit are in none
            units = part.arrays([], bounded=True)[UNIT].tolist()
            assert len(units) == len(set(units))


@examples(6, 100)
@given(told=TABLES)
def test_without_a_unit_one_part_changes_by_that_unit_and_the_others_do_not(told: list[tuple[Any, ...]]) -> None:
    frame = table(told)
    whole = {by: {name: rows(part) for name, part in core(frame).parts(by).items()} for by in ZONES}
    for unit in list(set(frame["id"]))[:3]:
        rest = core(frame[frame["id"] != unit])
        for by in ZONES:
            changes = {name: whole[by][name] - rows(part) for name, part in rest.parts(by).items()}
            assert not any(rows(part) - whole[by][name] for name, part in rest.parts(by).items())
            gone = [row for change in changes.values() for row in change.elements()]
            assert [unit_of(frame, row[-1]) for row in gone] == [unit]


def test_the_parts_are_the_same_each_time_and_in_any_order_of_rows(place: Place) -> None:
    told = [protect(place), protect(place), protect(place, FRAME.sample(frac=1, random_state=1))]
    for by in ZONES:
        first, *others = [{name: rows(part) for name, part in data.parts(by).items()} for data in told]
        assert all(other == first for other in others)
        assert sum(sum(part.values()) for part in first.values()) == 150


def test_where_each_row_is_another_person_each_row_is_in_one_part(tmp_path: Path) -> None:
    data = protect(Place(tmp_path), unit=un.EachRow())
    assert sum((rows(part) for part in data.parts("ill").values()), Counter()) == rows(data)
    assert sum(rows(data).values()) == 300


def test_a_part_is_asked_like_any_dataset(tmp_path: Path) -> None:
    data = protect(Place(tmp_path), unit=un.EachRow(), budget=un.DP(1e6, 1e-6))
    part = data.parts("ill")["no"]
    assert part.count(epsilon=10_000).value == 100
    assert part.count(epsilon=10_000, by="ill").value == {"no": 100, "yes": 0}
    assert part.mean("x", epsilon=10_000).value == pytest.approx(148.5, abs=0.1)
    with pytest.raises(InvalidRequest, match="pickl"):
        part.__reduce__()


def test_an_empty_part_gives_a_normal_charged_release(tmp_path: Path) -> None:
    data = protect(Place(tmp_path), FRAME[FRAME["ill"] == "no"])
    data.parts("ill")["yes"].count(epsilon=1)
    assert data.ledger.spent == (1, 0)


def test_categories_may_have_any_name(tmp_path: Path) -> None:
    names = ["it's", 'a "b"', "", "%", "é", "; DROP TABLE rows"]
    frame = pd.DataFrame({"c": names * 3})
    data = protect(Place(tmp_path), frame, unit=un.EachRow(), columns={"c": un.Categorical(*names)})
    found = data.parts("c")
    assert list(found) == names and all(sum(rows(part).values()) == 3 for part in found.values())
    for part in found.values():
        part.count(epsilon=1)
    assert data.ledger.spent == (1, 0) and data.ledger.verify() == 6


# --- refused ----------------------------------------------------------------------------------------------------


def test_parts_where_a_unit_may_have_several_rows_are_refused(tmp_path: Path) -> None:
    data = protect(Place(tmp_path), max_rows_per_unit=3)
    with pytest.raises(InvalidRequest, match="up to 3 rows"):
        data.parts("ill")


def test_parts_of_parts_are_refused(tmp_path: Path) -> None:
    part = protect(Place(tmp_path)).parts("ill")["yes"]
    for by in ZONES:
        with pytest.raises(InvalidRequest, match="parts of the part 'yes'"):
            part.parts(by)
    with suppress(InvalidRequest):  # a half of a part stays that part, so that it is no door around it
        half, _ = part.split(0.5)
        assert half.part == ("ill", "yes")
        with pytest.raises(InvalidRequest):
            half.parts("zone")


@pytest.mark.parametrize("by", ["x", "id", "nowhere", "", "ILL"])
def test_parts_by_what_is_not_declared_as_categorical_are_refused(tmp_path: Path, by: str) -> None:
    data = protect(Place(tmp_path))
    with pytest.raises(InvalidSchema):
        data.parts(by)
    assert data.ledger.verify() == 0


def test_halves_cost_like_the_whole_and_their_parts_like_parts(tmp_path: Path) -> None:
    data = protect(Place(tmp_path))
    one, two = data.split(0.5)
    Count(0.5).release(one)
    Count(0.5).release(two)
    assert data.ledger.spent == (1, 0)  # no more is claimed of secret halves than of the whole
    Count(0.5).release(one.parts("ill")["no"])
    Count(0.5).release(two.parts("ill")["yes"])
    assert data.ledger.spent == (1.5, 0)


def test_a_unit_that_moves_to_another_part_when_the_data_change_bears_both(place: Place) -> None:
    data = protect(place)
    data.parts("ill")["no"].count(epsilon=1)
    moved = FRAME.assign(ill=["no" if ill == "yes" else "yes" for ill in FRAME["ill"]])
    data = protect(place, moved, changed=un.Change.SAME_PEOPLE)
    assert data.ledger.spent == (1, 0)
    data.parts("ill")["yes"].count(epsilon=1)
    assert data.ledger.spent == (2, 0)
    appended = pd.concat([moved, moved.assign(ill="no")])  # another row of a unit may now be the one that is kept
    data = protect(place, appended, changed=un.Change.APPENDED_ROWS)
    data.parts("ill")["no"].count(epsilon=1)
    assert data.ledger.spent == (3, 0) and place.open().verify() == 5


def test_a_dataset_from_before_a_change_charges_nothing_any_more(place: Place) -> None:
    """Its parts are not those of now: a unit that moved would be in two parts that count as disjoint."""
    old = protect(place)
    parts = old.parts("ill")
    parts["no"].count(epsilon=1)
    moved = FRAME.assign(ill=["no" if ill == "yes" else "yes" for ill in FRAME["ill"]])
    new = protect(place, moved, changed=un.Change.SAME_PEOPLE)
    for stale in (old, parts["no"], parts["yes"], old.split(0.5)[0]):
        with pytest.raises(LedgerMismatch) as caught:
            stale.count(epsilon=1)
        assert one_line(caught.value)
    assert new.ledger.spent == (1, 0)
    new.parts("ill")["yes"].count(epsilon=1)
    assert new.ledger.spent == (2, 0)
