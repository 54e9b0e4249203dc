"""The generated census: the same for one seed, made up, coherent, and easily linked with its public voter list."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import unseen as un
from unseen.core.errors import InvalidRequest

census, voters, truth = un.datasets.census, un.datasets.census_voters, un.datasets.census_truth


def years(born: str) -> int:
    """Whole years on the census day, from the calendar."""
    day = date.fromisoformat(born)
    return 2020 - day.year - ((day.month, day.day) > (4, 1))


@given(st.integers(0, 100), st.integers(0, 50))
def test_a_seed_gives_the_same_coherent_people(rows: int, seed: int) -> None:
    people = census(rows, seed)
    assert len(people) == rows and people.equals(census(rows, seed))
    assert not people.isna().any().any()
    assert people["age"].tolist() == [years(born) for born in people["birth_date"]]
    assert people["age"].between(0, 105).all() and (people["income"] >= 0).all()
    assert people["zip"].str.fullmatch("[0-9]{5}").all()
    assert people.groupby("household")["zip"].nunique().le(1).all()
    assert people["sex"].isin(["F", "M"]).all()
    assert (people.loc[people["occupation"] == "pupil", "age"] < 18).all()


def test_another_seed_gives_other_people_and_the_list_belongs_to_its_census() -> None:
    one, other = census(2000, 1), census(2000, 2)
    assert set(one["name"]) != set(other["name"]) and set(one["ssn"]).isdisjoint(other["ssn"])


@pytest.mark.parametrize("rows", [1, 700, 30_000])
def test_numbers_are_distinct_and_of_ranges_that_no_office_gives_out(rows: int) -> None:
    numbers = census(rows, 3)["ssn"]
    assert numbers.is_unique and numbers.str.fullmatch("9[0-9]{2}-[0-4][0-9]-[0-9]{4}").all()


@given(st.integers(0, 100), st.integers(0, 50), st.floats(0, 1))
def test_the_voter_list_holds_grown_people_of_the_census_once_each(rows: int, seed: int, share: float) -> None:
    people, listed, at = census(rows, seed), voters(rows, seed, share), truth(rows, seed, share)
    assert len(at) == len(set(at.tolist())) == len(listed) == round(share * (people["age"] >= 18).sum())
    found = people.iloc[at].reset_index(drop=True)
    assert (found["age"] >= 18).all()
    assert found[list(listed.columns)].equals(listed)


def linked(columns: list[str], seed: int, rows: int = 30_000) -> Any:
    listed = voters(rows, seed)
    return un.attack.Linkage(listed[columns], truth=truth(rows, seed), seed=1).audit(census(rows, seed)[columns])


@pytest.mark.statistical
def test_birth_date_and_zip_find_nearly_every_listed_person(proof_runs: Callable[[int, int], int]) -> None:
    """False alarm none: census and guesses are seeded. Power: birth date or zip alone do not reach it, checked."""
    for seed in range(proof_runs(2, 40)):
        found = linked(["birth_date", "zip"], seed)
        assert found.measured is not None and found.measured.low >= 0.95
    for column in ("birth_date", "zip"):
        assert linked([column], 0).measured.high < 0.9


@pytest.mark.parametrize("rows", [3_000, 60_000])
def test_nearly_everybody_is_alone_with_birth_date_zip_and_sex_at_any_size(rows: int) -> None:
    people = census(rows, 5)
    alone = people.groupby(["birth_date", "zip", "sex"])["age"].transform("size") == 1
    assert alone.mean() > 0.95
    assert people.groupby("zip").size().mean() == pytest.approx(700, rel=0.3)


def test_what_goes_together_does() -> None:
    people = census(20_000, 6)
    assert (
        people.loc[people["age"] > 70, "health"].ne("none").mean()
        > 2 * people.loc[people["age"] < 30, "health"].ne("none").mean()
    )
    grown = people[people["age"].between(30, 60)]
    income = grown.groupby("education")["income"].mean()
    assert income["doctorate"] > income["bachelor"] > income["primary"]
    home = people.groupby("household")["name"].agg(lambda names: names.str.split().str[1].nunique())
    assert home[people.groupby("household").size() > 1].mean() < 1.4
    assert len(np.unique(people["zip"].str[:3])) < people["zip"].nunique() / 3


def test_it_loads_by_name() -> None:
    assert un.datasets.load("dataset:census").equals(census())
    assert un.datasets.load("dataset:census_voters").equals(voters())


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: census(-1), "rows"),
        (lambda: census(2.5), "rows"),  # type: ignore[arg-type]
        (lambda: census(20_000_001), "at most 20,000,000"),
        (lambda: census(3, -1), "seed"),
        (lambda: voters(3, share=1.1), "share"),
        (lambda: truth(3, share=float("nan")), "share"),
    ],
)
def test_bad_requests_say_what_is_allowed(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        make()
