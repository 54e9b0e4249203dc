"""Small groups: found where and only where linear algebra over single people says that a value follows."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import unseen as un
from unseen.attack import SmallGroups
from unseen.attack import subtraction as module
from unseen.attack.subtraction import Equation, solve
from unseen.core.errors import InvalidRequest
from unseen.report.claims import Report, Verdict

PEOPLE = pd.DataFrame(
    {
        "zip": ["02139", "02139", "02139", "02138", "10001", "10001"],
        "sex": ["F", "M", "M", "F", "F", "M"],
        "age": [31, 44, 52, 67, 23, 80],
    }
)


def table(people: pd.DataFrame, by: list[str], statistic: str = "mean", value: str = "age") -> pd.DataFrame:
    if not by:
        return pd.DataFrame({statistic: [getattr(people[value], statistic)()], "count": [len(people)]})
    return people.groupby(by)[value].agg([statistic, "count"]).reset_index()


def learned(report: Report) -> float:
    assert report.measured is not None
    return report.figures["guesses that are right"]


def test_the_mean_of_a_group_of_one_is_that_persons_value() -> None:
    report = SmallGroups(PEOPLE, "age").audit(table(PEOPLE, ["zip"]))
    assert learned(report) == 1 == report.figures["people singled out"]
    assert report.figures["by subtraction alone"] == 0 and report.verdict is Verdict.NO_CLAIM


def test_a_group_that_was_left_out_follows_from_the_total() -> None:
    hidden = table(PEOPLE, ["zip"])
    hidden = hidden[hidden["count"] > 1]
    assert learned(SmallGroups(PEOPLE, "age").audit(hidden)) == 0
    report = SmallGroups(PEOPLE, "age").audit(hidden, table(PEOPLE, [], "sum"))
    assert learned(report) == 1 == report.figures["by subtraction alone"]


def test_a_member_of_a_pair_learns_the_other() -> None:
    by = table(PEOPLE, ["zip"], "sum")
    assert learned(SmallGroups(PEOPLE, "age", insiders=1).audit(by)) == 3
    assert learned(SmallGroups(PEOPLE, "age", insiders=2).audit(by)) == 6


def follows(rows: np.ndarray[Any, Any], person: int) -> bool:
    """Whether a person's unit vector lies in the span of the released sums."""
    unit = np.zeros((1, rows.shape[1]))
    unit[0, person] = 1
    rank = np.linalg.matrix_rank(rows) if len(rows) else 0
    return bool(np.linalg.matrix_rank(np.vstack([rows, unit])) == rank)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=9),
    st.lists(st.lists(st.sampled_from("abc"), max_size=3, unique=True), min_size=1, max_size=4),
    st.integers(1, 4),
    st.integers(0, 9),
)
def test_those_are_found_whose_value_follows_and_nobody_else(
    rows: list[tuple[int, int, int]], asked: list[list[str]], least: int, seed: int
) -> None:
    people = pd.DataFrame(rows, columns=list("abc"))
    people["age"] = np.random.default_rng(seed).integers(0, 1000, len(people))
    tables, vectors = [], []
    for number, by in enumerate(asked):
        made = table(people, by, "sum" if number % 2 else "mean")
        made = made[made["count"] >= least]  # the owner leaves small groups out
        tables.append(made)
        for cell in made[by].itertuples(index=False) if by else range(len(made)):
            inside = np.ones(len(people), dtype=bool)
            for name, label in zip(by, cell if by else (), strict=True):
                inside &= (people[name] == label).to_numpy()
            vectors.append(inside.astype(float))
    matrix = np.array(vectors).reshape(-1, len(people))
    expected = [person for person in range(len(people)) if follows(matrix, person)]
    report = SmallGroups(people, "age", tolerance=1e-3).audit(*tables)
    assert report.figures["people singled out"] == len(expected) == learned(report)


@given(st.data())
def test_what_follows_is_found_with_and_without_subtraction(data: st.DataObject) -> None:
    unknowns = data.draw(st.integers(1, 7))
    sets = data.draw(st.lists(st.sets(st.integers(0, unknowns - 1), min_size=1), min_size=1, max_size=8))
    truth = np.array(data.draw(st.lists(st.integers(-99, 99), min_size=unknowns, max_size=unknowns)))
    matrix = np.array([[place in places for place in range(unknowns)] for places in sets], dtype=float)
    solved = solve([Equation(tuple(sorted(places)), float(truth[sorted(places)].sum())) for places in sets])
    expected = {place for place in range(unknowns) if follows(matrix, place)}
    assert set(solved.values) == expected
    assert all(abs(solved.values[place] - truth[place]) < 1e-6 for place in expected)
    for equation in solved.rest:
        assert not expected & set(equation.places)
        assert equation.total == pytest.approx(truth[list(equation.places)].sum(), abs=1e-6)


def test_a_triangle_needs_more_than_subtraction(monkeypatch: pytest.MonkeyPatch) -> None:
    triangle = [Equation((0, 1), 3), Equation((1, 2), 5), Equation((0, 2), 4)]
    assert solve(triangle).values == pytest.approx({0: 1, 1: 2, 2: 3})
    monkeypatch.setattr(module, "DENSE", 2)
    assert solve(triangle) == module.Solved({}, tuple(triangle), False)


def test_codes_and_files_are_read_as_they_are(tmp_path: Path) -> None:
    PEOPLE.to_csv(tmp_path / "people.csv", index=False)
    made = table(PEOPLE, ["zip", "sex"])
    made.to_csv(tmp_path / "means.csv", index=False)
    report = SmallGroups(str(tmp_path / "people.csv"), "age").audit(str(tmp_path / "means.csv"))
    assert learned(report) == (made["count"] == 1).sum() == 4
    suppressed = made.astype({"mean": object})
    suppressed.loc[suppressed["count"] == 1, "mean"] = "*"
    assert learned(SmallGroups(PEOPLE, "age").audit(suppressed)) == 0


def people_of_one(rows: int = 300) -> pd.DataFrame:
    ages = un.datasets.census(rows, 8)["age"]
    return pd.DataFrame({"street": [f"s{at}" for at in range(rows)], "age": ages})


@pytest.mark.statistical
@pytest.mark.parametrize("epsilon", [0.1, 1.0])
def test_sums_of_one_person_under_dp_tell_no_more_than_the_claim(
    epsilon: float, proof_runs: Callable[[int, int], int]
) -> None:
    """False alarm below 1e-9: noise of scale 110/ε hits a whole age with less than 1 % where the claim is over 5 %.
    Power: the exact sums under the same claim are broken, checked."""
    people = people_of_one(proof_runs(300, 2000))
    streets = un.Categorical(*people["street"])
    data = un.Dataset(people, un.Schema(un.EachRow(), {"street": streets, "age": un.Range(0, 110)}))
    released = un.query.Sum("age", epsilon, by="street").release(data)
    made = pd.DataFrame({"street": list(released.value), "sum": list(released.value.values())})
    attack = SmallGroups(people, "age")
    kept = attack.audit(made, claim=released)
    assert kept.verdict is Verdict.HOLDS and kept.measured is not None and kept.measured.value < 0.05
    exact = people.rename(columns={"age": "sum"})
    assert attack.audit(exact, claim=released).verdict is Verdict.BROKEN
    assert attack.audit(exact).verdict is Verdict.NO_CLAIM


def test_where_nobody_is_singled_out_nothing_is_confirmed() -> None:
    total = table(PEOPLE, [])
    assert SmallGroups(PEOPLE, "age").audit(total, claim=un.DP(1)).verdict is Verdict.INCONCLUSIVE
    assert learned(SmallGroups(PEOPLE, "age").audit(total)) == 0


@given(st.lists(st.integers(0, 20), min_size=1, max_size=15))
def test_the_best_blind_guess_is_the_fullest_window(values: list[int]) -> None:
    people = pd.DataFrame({"g": range(len(values)), "age": values})
    windows = product([place / 2 for place in range(41)], [values])
    fullest = max(sum(abs(age - guess) <= 0.5 for age in ages) for guess, ages in windows) / len(values)
    report = SmallGroups(people, "age").audit(table(people, []))
    assert report.figures["best blind guess"] == fullest


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: SmallGroups("nowhere.csv", "age"), "no such file"),
        (lambda: SmallGroups(PEOPLE, ""), "the name of a column"),
        (lambda: SmallGroups(PEOPLE, "age", insiders=-1), "insiders"),
        (lambda: SmallGroups(PEOPLE, "age", bounds=(9, 3)), "low lies below high"),
        (lambda: SmallGroups(PEOPLE, "age", tolerance=0), "tolerance"),
        (lambda: SmallGroups(PEOPLE, "pay").audit(table(PEOPLE, [])), "people has"),
        (lambda: SmallGroups(PEOPLE, "sex").audit(table(PEOPLE, [])), "no number"),
        (lambda: SmallGroups(PEOPLE.head(0), "age").audit(table(PEOPLE, [])), "nobody"),
        (lambda: SmallGroups(PEOPLE, "age").audit(), "at least one table"),
        (lambda: SmallGroups(PEOPLE, "age").audit(PEOPLE), "'sum' or 'mean'"),
        (lambda: SmallGroups(PEOPLE, "age").audit(pd.DataFrame({"job": ["x"], "sum": [1]})), "groups by columns"),
        (lambda: SmallGroups(PEOPLE, "age").audit(pd.DataFrame({"age": [1], "sum": [1]})), "groups by columns"),
    ],
)
def test_bad_requests_say_what_is_allowed(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        make()
