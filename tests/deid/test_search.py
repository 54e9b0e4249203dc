"""The search finds the optimum: against brute force on small tables, against ARX on Adult."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unseen.deid import Hierarchy, KAnonymize, is_k_anonymous
from unseen.deid.models import DistinctDiversity, TCloseness
from unseen.deid.search.descent import Descent
from unseen.deid.search.kanon import search
from unseen.deid.search.problem import Column, Problem
from unseen.deid.search.quality import Loss
from unseen.deid.search.sieve import Sieve

ADULT = [
    "sex",
    "age",
    "race",
    "marital-status",
    "education",
    "native-country",
    "workclass",
    "occupation",
    "salary-class",
]


@st.composite
def columns(draw: st.DrawFn, rows: int) -> Column:
    """A random nested hierarchy over a few codes, whose loss never falls with the level."""
    width = draw(st.integers(1, 5))
    ups, losses = [], [np.array(draw(st.lists(st.floats(0, 0.2), min_size=width, max_size=width)))]
    for _ in range(draw(st.integers(0, 2))):
        joins = draw(st.lists(st.booleans(), min_size=width - 1, max_size=width - 1))
        up = np.concatenate([[0], np.cumsum(~np.array(joins, dtype=bool))]).astype(np.int64)
        worst = np.zeros(up[-1] + 1)
        np.maximum.at(worst, up, losses[-1])
        ups.append(up)
        losses.append(np.minimum(1, worst + draw(st.floats(0, 0.4))))
        width = int(up[-1]) + 1
    ups.append(np.zeros(width, dtype=np.int64))
    losses.append(np.ones(1))
    first = len(losses[0]) - 1
    codes = draw(st.lists(st.integers(0, first), min_size=rows, max_size=rows))
    return Column(np.array(codes, dtype=np.int64), tuple(ups), tuple(losses))


def brute(table: list[Column], units: list[int], k: int, limit: int) -> float | None:
    """The least score of all nodes, each weighed from the rows in plain Python."""
    best = None
    for levels in product(*(range(column.levels) for column in table)):
        classes: dict[tuple[int, ...], list[int]] = defaultdict(list)
        loss = []
        for row in range(len(units)):
            key, lost = [], 0.0
            for column, level in zip(table, levels, strict=True):
                code = int(column.codes[row])
                for up in column.up[:level]:
                    code = int(up[code])
                key.append(code)
                lost += float(column.loss[level][code])
            classes[tuple(key)].append(row)
            loss.append(lost / len(table))
        out = [row for rows in classes.values() if len({units[row] for row in rows}) < k for row in rows]
        if len(out) <= limit:
            score = sum(1.0 if row in set(out) else loss[row] for row in range(len(units))) / len(units)
            best = score if best is None else min(best, score)
    return best


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Column], list[int], int, int]:
    rows = draw(st.integers(1, 14))
    table = [draw(columns(rows)) for _ in range(draw(st.integers(1, 4)))]
    people = draw(st.sampled_from([2, 5, 100]))
    units = list(range(rows)) if people == 100 else draw(st.lists(st.integers(0, people), min_size=rows, max_size=rows))
    return table, units, draw(st.integers(1, 4)), draw(st.integers(0, rows))


@given(tables())
def test_no_node_of_the_whole_lattice_is_better(case: tuple[list[Column], list[int], int, int]) -> None:
    table, units, k, limit = case
    expected, found = brute(table, units, k, limit), search(table, np.array(units), k, limit)
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        assert found.score == pytest.approx(expected, abs=1e-9)
        assert found.checked + found.pruned == np.prod([column.levels for column in table])
        assert np.count_nonzero(~found.kept) <= limit


@given(tables(), st.data())
def test_the_optimum_is_a_function_of_the_rows_as_a_multiset(case: Any, data: st.DataObject) -> None:
    table, units, k, limit = case
    order = np.array(data.draw(st.permutations(range(len(units)))))
    shuffled = [Column(column.codes[order], column.up, column.loss) for column in table]
    one = search(table, np.array(units), k, limit)
    other = search(shuffled, np.array(units)[order], k, limit)
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert one.levels == other.levels and one.score == other.score
        assert one.kept[order].tolist() == other.kept.tolist()


@pytest.mark.parametrize("people", [30, 1000])
def test_keys_wider_than_one_word_are_searched_too(people: int) -> None:
    draw = np.random.default_rng(7)
    wide = [
        Column(
            draw.permutation(2**14)[:40].astype(np.int64),
            (np.zeros(2**14, dtype=np.int64),),
            (np.zeros(2**14), np.ones(1)),
        )
        for _ in range(6)
    ]
    same = Column(np.arange(40) % 2, (np.zeros(2, dtype=np.int64),), (np.zeros(2), np.ones(1)))
    units = draw.integers(0, people, 40) if people < 1000 else np.arange(40)
    found = search([*wide, same], units, 3, 0)
    assert found is not None and found.levels == (1,) * 6 + (0,) and found.kept.all()


@pytest.mark.parametrize(
    ("share", "levels", "loss", "suppressed"),
    [
        (0.0, (0, 4, 1, 1, 3, 2, 2, 1, 0), 0.63554, 0),
        (0.02, (0, 3, 0, 2, 2, 1, 1, 2, 0), 0.35748, 506),
        (1.0, (0, 3, 0, 0, 2, 1, 1, 1, 0), 0.22770, 2553),
    ],
)
def test_the_optimum_on_adult_is_that_of_arx(
    share: float, levels: tuple[int, ...], loss: float, suppressed: int, needs_data: Callable[[str], Path]
) -> None:
    adult = pd.read_csv(needs_data("adult/adult.csv"), sep=";")
    hierarchies = {name: Hierarchy.read(needs_data(f"adult/adult_hierarchy_{name}.csv")) for name in ADULT}
    release = KAnonymize(5, ADULT, share, hierarchies).release(adult)
    assert tuple(release.proof.levels.values()) == levels
    assert round(release.proof.score, 5) == loss
    assert release.proof.suppressed == suppressed
    assert len(release.value) == len(adult) - suppressed
    assert is_k_anonymous(release.value, 5, ADULT)
    assert release.proof.checked + release.proof.pruned == 12_960


@pytest.mark.parametrize(
    ("model", "share", "loss"),
    [
        (DistinctDiversity(5), 0.0, 0.679),
        (DistinctDiversity(5), 0.02, 0.308),
        (DistinctDiversity(5), 1.0, 0.207),
        (TCloseness(0.2), 0.0, 0.929),
        (TCloseness(0.2), 0.02, 0.840),
        (TCloseness(0.2), 1.0, 0.643),
    ],
    ids=str,
)
def test_the_optimum_with_a_model_on_adult_is_that_of_arx(
    model: Any, share: float, loss: float, needs_data: Callable[[str], Path]
) -> None:
    adult = pd.read_csv(needs_data("adult/adult.csv"), sep=";")
    names = [name for name in ADULT if name != "occupation"]
    hierarchies = {name: Hierarchy.read(needs_data(f"adult/adult_hierarchy_{name}.csv")) for name in names}
    release = KAnonymize(5, names, share, hierarchies, models=[model], sensitive="occupation").release(adult)
    assert round(release.proof.score, 3) == loss
    assert release.proof.suppressed <= share * len(adult)


@given(tables())
def test_sieve_and_descent_agree(case: tuple[list[Column], list[int], int, int]) -> None:
    """Two ways to search: where no row may be suppressed both are open."""
    table, units, k, _ = case
    problem = Problem(table, np.array(units), k, 0, Loss())
    ways = [way(problem).run() for way in (Sieve, Descent)]
    assert (ways[0] is None) == (ways[1] is None)
    if ways[0] is not None and ways[1] is not None:
        assert ways[0].score == pytest.approx(ways[1].score, abs=1e-12)
        assert ways[0].checked + ways[0].pruned == ways[1].checked + ways[1].pruned
