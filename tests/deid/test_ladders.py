"""Dates, coding, proposals and files: nested, exact about what a label covers, losses that never fall."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import unseen as un
from unseen.core.errors import DataFault, InvalidRequest
from unseen.core.generalised import Period
from unseen.deid.hierarchies.dates import DateStep
from unseen.deid.hierarchies.hierarchy import Hierarchy
from unseen.deid.hierarchies.ladder import Intervals


def holds(hierarchy: Hierarchy, values: np.ndarray[Any, Any]) -> None:
    """Nested; each cover holds exactly the values under its label; losses from 0 to 1 that never fall."""
    values = np.array(list(dict.fromkeys(values.tolist())), dtype=values.dtype)
    before, lost = values.tolist(), np.zeros(len(values))
    for level in range(hierarchy.levels):
        labels = hierarchy.label(values, level).tolist()
        assert len(set(zip(before, labels, strict=True))) == len(set(before))
        covers = hierarchy.covers(level, labels)
        for label in set(labels):
            assert covers[label].mask(values).tolist() == [one == label for one in labels]
        loss = hierarchy.loss(values, level)
        assert (loss >= lost - 1e-12).all() and (loss <= 1 + 1e-12).all()
        before, lost = labels, loss
    assert set(before) == {"*"} and (lost == 1).all()


DAYS = st.dates(date(1, 1, 1), date.max)
STEPS = st.sets(st.sampled_from(DateStep), min_size=1).map(lambda steps: [step for step in DateStep if step in steps])


@given(DAYS, DAYS, STEPS, st.lists(st.floats(0, 1), max_size=25))
def test_dates_are_nested_and_cover_their_days(one: date, other: date, steps: list[DateStep], at: list[float]) -> None:
    first, last = min(one, other), max(one, other)
    if first == last:
        return
    inside = [first + timedelta(round(share * (last - first).days)) for share in at]
    values = np.array([day.isoformat() for day in (first, last, *inside)], dtype=object)
    hierarchy = Hierarchy.dates(first, last, steps)
    holds(hierarchy, values)
    for level, step in enumerate(steps, 1):
        for day, label in zip((first, last, *inside), hierarchy.label(values, level), strict=True):
            assert (
                label
                == {
                    DateStep.MONTH: f"{day.year:04}-{day.month:02}",
                    DateStep.QUARTER: f"{day.year:04}-Q{math.ceil(day.month / 3)}",
                    DateStep.YEAR: f"{day.year:04}",
                    DateStep.DECADE: f"{day.year - day.year % 10:04}s",
                }[step]
            )


@given(st.dates(date(1890, 1, 1), date(2050, 1, 1)), st.integers(0, 5))
def test_the_cover_of_a_period_ends_on_its_last_day(day: date, level: int) -> None:
    hierarchy = Hierarchy.dates("1880-01-01", "2069-12-31")
    near = [day + timedelta(days) for days in (-3653, -366, -92, -31, -1, 0, 1, 31, 92, 366, 3653)]
    values = np.array([one.isoformat() for one in near], dtype=object)
    label = hierarchy.label(np.array([day.isoformat()]), level)[0]
    cover = hierarchy.covers(level, [label])[label]
    assert cover.mask(values).tolist() == (hierarchy.label(values, level) == label).tolist()


def test_a_share_of_the_days_is_lost() -> None:
    year = Hierarchy.dates("2001-01-01", "2001-12-31", [DateStep.MONTH, DateStep.QUARTER])
    assert year.loss(np.array(["2001-02-03"]), 1)[0] == pytest.approx(27 / 364)
    assert year.loss(np.array(["2001-02-03"]), 2)[0] == pytest.approx(89 / 364)


@pytest.mark.parametrize(
    "values",
    [
        np.array(["1957-03-14 12:30:00", "1957-03-14T00:00:00"], dtype=object),
        np.array([date(1957, 3, 14), datetime(1957, 3, 14, 5)], dtype=object),
        np.array(["1957-03-14"], dtype="datetime64[ns]"),
        np.array(["1957-03-14"], dtype="datetime64[D]"),
        np.array(["1957-03-14"]),
    ],
    ids=lambda values: str(values.dtype),
)
def test_a_day_is_known_however_it_is_written(values: Any) -> None:
    hierarchy = Hierarchy.dates("1950-01-01", "1959-12-31")
    assert not hierarchy.lacks(values).any()
    assert set(hierarchy.label(values, 2)) == {"1957-Q1"}
    assert hierarchy.covers(2, ["1957-Q1"])["1957-Q1"].mask(values).all()


def test_what_is_no_day_is_neither_held_nor_covered() -> None:
    strange = np.array(["1957-02-30", "19570214", "1957-2-14", "1957-02-1x", "1957-02-145", "", "None"], dtype=object)
    assert Hierarchy.dates("1950-01-01", "1959-12-31").lacks(strange).all()
    assert not Period("1957-02-01", "1957-02-28").mask(strange).any()
    assert not Period("1957-02-01", "1957-02-28").mask(np.array([1957.0, np.nan])).any()
    with pytest.raises(DataFault):
        Hierarchy.dates("1950-01-01", "1959-12-31").label(np.array(["1960-01-01"]), 1)


@given(
    st.lists(st.integers(0, 120), min_size=4, max_size=4, unique=True).map(sorted),
    st.sampled_from([(True, True), (True, False), (False, True)]),
    st.sampled_from([(), (2,), (3, 6, 12)]),
    st.sampled_from([1, 0.25]),
)
def test_tails_are_one_value_each_and_the_rest_stays(
    bounds: list[int], tails: tuple[bool, bool], widths: tuple[int, ...], grain: float
) -> None:
    low, bottom, top, high = (bound * grain for bound in bounds)
    inner = (top if tails[1] else high) - (bottom if tails[0] else low)
    fitting = [width * grain for width in widths if width * grain < inner]
    hierarchy = Hierarchy.coded(low, high, bottom if tails[0] else None, top if tails[1] else None, fitting)
    assert hierarchy.levels == 3 + len(fitting)
    values = np.arange(bounds[0], bounds[3] + 1) * grain
    holds(hierarchy, values)
    for value, label in zip(values, hierarchy.label(values, 1), strict=True):
        if tails[0] and value < bottom:
            assert label.startswith("<") and float(label[1:]) == bottom
        elif tails[1] and value >= top:
            assert label.endswith("+") and float(label[:-1]) == top
        else:
            assert float(label) == value


def test_ages_over_89_are_told_as_one() -> None:
    age = Hierarchy.coded(0, 120, top=90, widths=[10, 30])
    values = np.array([5, 89, 90, 101, 120])
    assert age.label(values, 1).tolist() == ["5", "89", "90+", "90+", "90+"]
    assert age.label(values, 2).tolist() == ["[0, 10)", "[80, 90)", "90+", "90+", "90+"]
    assert age.lacks(np.array([-1, 121, np.nan])).all()


def test_intervals_that_end_open_do_not_hold_their_end() -> None:
    between = Intervals(0, 10, [4], closed=False)
    values = np.array([0, 8, 10])
    assert between.lacks(values).tolist() == [False, False, True]
    assert between.middle(values[:2], 1) == ["[0, 4)", "[8, 10)"]
    assert between.cover("[8, 10)", 1).mask(values).tolist() == [False, True, False]
    listed = between.listed()
    assert listed is not None and listed.tolist() == list(range(10))


# --- Files --------------------------------------------------------------------------------------------

MADE: dict[str, Callable[[], Hierarchy]] = {
    "dates": lambda: Hierarchy.dates("1999-11-20", "2001-02-03"),
    "coded": lambda: Hierarchy.coded(0, 30, bottom=4, top=20, widths=[5, 10]),
    "intervals": lambda: Hierarchy.intervals(0, 40, [5, 10]),
    "prefixes": lambda: Hierarchy.prefixes(3),
    "flat": lambda: Hierarchy.flat(["a;b", 'q"uote', "ü", " x"]),
    "taxonomy": lambda: Hierarchy.taxonomy({"nurse": ("health",), "cook": ("food",), "baker": ("food",)}),
}


@pytest.mark.parametrize("name", MADE)
def test_a_written_hierarchy_reads_as_it_was(name: str, tmp_path: Path) -> None:
    made = MADE[name]()
    read = Hierarchy.read(made.write(tmp_path / "h.csv"))
    leaves = made._ladder.listed()
    assert leaves is not None and read.levels == made.levels and not read.lacks(leaves).any()
    holds(read, np.array([str(leaf) for leaf in leaves.tolist()], dtype=object))
    for level in range(1, made.levels):
        assert read.label(leaves, level).tolist() == made.label(leaves, level).tolist()
    again = read.write(tmp_path / "again.csv").read_bytes()
    assert again == (tmp_path / "h.csv").read_bytes()


def test_the_file_is_as_arx_writes_it(tmp_path: Path) -> None:
    path = Hierarchy.coded(0, 3, top=2).write(tmp_path / "h.csv")
    assert path.read_text() == "0;0;*\n1;1;*\n2;2+;*\n3;2+;*\n"
    few = Hierarchy.prefixes(8).write(tmp_path / "h.csv", ["00000012", "00000013", "00000012"])
    with few.open(newline="") as file:
        rows = list(csv.reader(file, delimiter=";"))
    assert [row[0] for row in rows] == ["00000012", "00000013"]
    assert rows[0][1:3] == ["0000001*", "000000**"] and rows[0][-1] == "*"


def test_arx_hierarchies_of_adult_come_back(needs_data: Callable[[str], Path], tmp_path: Path) -> None:
    for path in sorted(needs_data("adult/adult.csv").parent.glob("adult_hierarchy_*.csv")):
        read = Hierarchy.read(path)
        again = Hierarchy.read(read.write(tmp_path / path.name))
        leaves = read._ladder.listed()
        assert leaves is not None
        for level in range(1, read.levels):
            assert again.label(leaves, level).tolist() == read.label(leaves, level).tolist()


# --- Proposals ----------------------------------------------------------------------------------------

# NumPy's texts end at their last character that is not NUL.
WORDS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=4).filter(
    lambda w: w != "*"
)


@given(
    st.lists(st.integers(-1000, 1000), min_size=1, max_size=20)
    | st.lists(st.floats(-1e6, 1e6).map(lambda value: round(value, 3)), min_size=1, max_size=20)
    | st.lists(DAYS.map(date.isoformat), min_size=1, max_size=20)
    | st.lists(st.text("0123456789", min_size=5, max_size=5), min_size=1, max_size=20)
    | st.lists(WORDS, min_size=1, max_size=20)
)
def test_what_is_proposed_holds_the_values(values: list[Any]) -> None:
    kind = object if isinstance(values[0], str) else None
    holds(Hierarchy.propose(values), np.array(values, dtype=kind))


def test_proposals_fit_what_they_are_for() -> None:
    people = un.datasets.census(3000, 1)
    levels = {name: Hierarchy.propose(people[name]).levels for name in ("birth_date", "zip", "age", "sex", "health")}
    assert levels["birth_date"] == 6 and levels["zip"] == 6 and levels["sex"] == levels["health"] == 2
    age = Hierarchy.propose(people["age"])
    assert age.label(np.array([0, 33]), 1).tolist() == ["[0, 5)", "[30, 35)"]
    assert not age.lacks(np.arange(0, people["age"].max() + 1)).any()
    assert Hierarchy.propose(pd.Series(pd.to_datetime(people["birth_date"]))).levels == 6
    assert Hierarchy.propose(un.Categorical("2001-02-03", "2005-06-07")).levels == 6
    assert Hierarchy.propose(un.Categorical("no", "yes")).levels == 2
    assert Hierarchy.propose(un.Range(0, 110)).levels == Hierarchy.default(un.Range(0, 110)).levels
    assert Hierarchy.propose([None, 3.0, math.nan, 3.0]).levels == 2


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Hierarchy.dates("1950", "1960-01-01"), "a date"),
        (lambda: Hierarchy.dates("1960-01-01", "1950-01-01"), "first lies before last"),
        (lambda: Hierarchy.dates("1950-01-01", "1960-01-01", []), "members of un.deid.DateStep"),
        (lambda: Hierarchy.dates("1950-01-01", "1960-01-01", "year"), "members of un.deid.DateStep"),  # type: ignore[arg-type]
        (lambda: Hierarchy.dates("1950-01-01", "1960-01-01", [DateStep.YEAR, DateStep.MONTH]), "finer before"),
        (lambda: Hierarchy.coded(0, 10), "bottom, top or both"),
        (lambda: Hierarchy.coded(0, 10, bottom=0), "each below the next"),
        (lambda: Hierarchy.coded(0, 10, bottom=7, top=5), "each below the next"),
        (lambda: Hierarchy.coded(0, 10, top=5, widths=[2, 3]), "a multiple"),
        (lambda: Hierarchy.coded(0, 10, top=5, widths=[5]), "widths below 5"),
        (lambda: Hierarchy.propose([]), "no values"),
        (lambda: Hierarchy.propose([1.0, math.inf]), "infinite"),
        (lambda: Hierarchy.propose("abc"), "a column, a list"),
        (lambda: Hierarchy.propose(3), "a column, a list"),  # type: ignore[arg-type]
        (lambda: Hierarchy.prefixes(8).write("x.csv"), "too many leaves"),
        (lambda: Hierarchy.flat(["a"]).write("x.csv", ["b"]), "'b'"),
    ],
)
def test_bad_requests_say_what_is_allowed(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(InvalidRequest, match=says) as caught:
        make()
    assert "\n" not in str(caught.value)
