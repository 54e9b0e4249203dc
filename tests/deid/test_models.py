"""The privacy models: what they say of a class, that it survives merging, and that no part of a class keeps more."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from unseen.core.errors import DataFault, InvalidRequest
from unseen.deid import Hierarchy
from unseen.deid.models import (
    BetaLikeness,
    DeltaPresence,
    DistinctDiversity,
    EntropyDiversity,
    Equal,
    Hierarchical,
    KMap,
    Model,
    Ordered,
    RecursiveDiversity,
    TCloseness,
)

TREE = Hierarchy.taxonomy({"a": ("x", "p"), "b": ("x", "p"), "c": ("y", "p"), "d": ("z", "q")})
NAMES = np.array(["a", "b", "c", "d"], dtype=object)
DISTANCES = [Equal(), Ordered().of(np.array([3, 1, 2, 7])), Hierarchical(TREE).of(NAMES)]
MODELS: list[Model] = [
    DistinctDiversity(3),
    EntropyDiversity(1.8),
    EntropyDiversity(2.7),
    RecursiveDiversity(2, 2),
    RecursiveDiversity(1.5, 3),
    *(TCloseness(t, distance) for distance in DISTANCES for t in (0.1, 0.3)),
    BetaLikeness(0.5),
    BetaLikeness(2, enhanced=True),
]
COUNTS = st.lists(st.integers(0, 6), min_size=4, max_size=4).filter(any).map(np.array)


@given(one=COUNTS, other=COUNTS, more=st.lists(st.integers(0, 9), min_size=4, max_size=4))
def test_where_two_classes_hold_their_union_holds(one: Any, other: Any, more: list[int]) -> None:
    table = one + other + np.array(more)
    for model in MODELS:
        if model.holds(np.stack([one, other]), table).all():
            assert model.holds((one + other)[None], table).all(), model


@given(one=st.lists(st.integers(0, 4), min_size=4, max_size=4).filter(any).map(np.array), more=COUNTS)
def test_no_part_of_a_class_that_holds_is_larger_than_most(one: Any, more: Any) -> None:
    parts = np.array([part for part in product(*(range(count + 1) for count in one)) if any(part)])
    for model in MODELS:
        table, most = one + more, model.most(one[None], one + more)[0]
        assert parts[model.holds(parts, table)].sum(axis=1).max(initial=0) <= most <= one.sum(), model
        if model.holds(one[None], table).all():
            assert most == one.sum()


def test_most_is_no_empty_promise() -> None:
    """A class whose value is much too frequent keeps little of it."""
    lopsided, table = np.array([[1000, 5, 5, 5]]), np.array([1000, 1000, 1000, 1000])
    for model in (EntropyDiversity(3.5), RecursiveDiversity(1, 2), TCloseness(0.1), BetaLikeness(0.5)):
        assert model.most(lopsided, table)[0] < 100, model
    assert DistinctDiversity(5).most(lopsided, table)[0] == 0


@given(one=COUNTS, other=COUNTS)
def test_distances_are_the_least_work(one: Any, other: Any) -> None:
    """Against a linear program over all ways to move one distribution to the other."""
    p, q = one / one.sum(), other / other.sum()
    rank = {3: 2, 1: 0, 2: 1, 7: 3}
    ordered = [[abs(rank[i] - rank[j]) / 3 for j in (3, 1, 2, 7)] for i in (3, 1, 2, 7)]
    tree = [[0, 1, 2, 3], [1, 0, 2, 3], [2, 2, 0, 3], [3, 3, 3, 0]]
    grounds = [1 - np.eye(4), np.array(ordered), np.array(tree) / 3]
    sums = np.vstack([np.kron(np.eye(4), np.ones(4)), np.kron(np.ones(4), np.eye(4))])
    for distance, ground in zip(DISTANCES, grounds, strict=True):
        least = linprog(ground.ravel(), A_eq=sums, b_eq=np.concatenate([p, q]))
        assert distance.between(p[None], q[None])[0] == pytest.approx(least.fun, abs=1e-7)
        apart = ground[ground > 0].min()
        assert distance.least(4) <= apart + 1e-12


def test_a_class_of_the_papers_examples() -> None:
    """Li, Li and Venkatasubramanian 2007, their example: salaries 3k-5k or 6k, 8k and 11k against 3k-11k."""
    table = np.ones(9, dtype=int)
    low, mixed = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0]), np.array([0, 0, 0, 1, 0, 1, 0, 0, 1])
    between = Ordered().of(np.arange(3, 12)).between(np.stack([low, mixed]) / 3, table[None] / 9)
    assert between.tolist() == pytest.approx([0.375, 0.167], abs=5e-4)


@given(units=st.integers(1, 9), more=st.integers(0, 9), other=st.integers(1, 9), beside=st.integers(0, 9))
def test_models_of_a_population_survive_merging(units: int, more: int, other: int, beside: int) -> None:
    table, people = np.array([units, other]), np.array([units + more, other + beside])
    for model in (KMap(5), DeltaPresence(0.6), DeltaPresence(0.9, low=0.4)):
        held = model.holds(table, people)
        if held.all():
            assert model.holds(table.sum(keepdims=True), people.sum(keepdims=True)).all()
        for part in range(1, units + 1):
            for share in range(part, units + more + 1):
                if model.holds(np.array([part]), np.array([share]))[0]:
                    assert part <= model.most(table, people)[0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DistinctDiversity(1), "at least 2"),
        (lambda: EntropyDiversity(1), "above 1"),
        (lambda: RecursiveDiversity(0, 2), "above 0"),
        (lambda: RecursiveDiversity(1, 1), "at least 2"),
        (lambda: TCloseness(1.5), "at most 1"),
        (lambda: TCloseness(0.1, "ordered"), "un.deid.Ordered"),  # type: ignore[arg-type]
        (lambda: Ordered().of(NAMES), "their order"),
        (lambda: Hierarchical("tree"), "un.deid.Hierarchy"),  # type: ignore[arg-type]
        (lambda: BetaLikeness(0), "above 0"),
        (lambda: BetaLikeness(1, enhanced=1), "True or False"),  # type: ignore[arg-type]
        (lambda: KMap(1), "at least 2"),
        (lambda: DeltaPresence(0), "above 0"),
        (lambda: DeltaPresence(0.2, low=0.3), "at most 0.2"),
    ],
)
def test_what_is_no_model_is_refused(make: Any, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        make()


def test_an_order_that_lacks_a_value_is_a_fault_of_the_data() -> None:
    with pytest.raises(DataFault, match="'d'"):
        Ordered(("a", "b", "c")).of(NAMES)
    assert Ordered(("d", "c", "b", "a")).of(NAMES).places == (3, 2, 1, 0)
