"""Law 7: no released frame links back to the rows that it came from."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

import unseen as un
from unseen.query.bounding import group_sums

from .subjects import COLUMNS, FRAME, ROWS, STATISTICS, named


def forgets_the_order(sums: Callable[[Any], Any], unit: Any, runs: int = 3) -> bool:
    """Whether what is computed from a table is the same for every order of its rows."""
    columns = {**COLUMNS, "id": un.Range(0, ROWS)}
    found = []
    for seed in range(runs):
        turned = FRAME.sample(frac=1, random_state=seed)
        schema = un.Schema(unit, columns, max_rows_per_unit=2 if unit == "person" else 1)
        found.append(np.asarray(sums(un.Dataset(turned.assign(person=turned["id"] // 5), schema, salt=b"s"))).tolist())
    return all(one == found[0] for one in found)


@pytest.mark.parametrize("unit", ["person", un.EachRow()], ids=str)
@pytest.mark.parametrize("guard", STATISTICS, ids=named)
def test_a_statistic_does_not_see_the_order_of_rows(guard: Any, unit: Any) -> None:
    assert forgets_the_order(lambda data: group_sums(data, guard.query(data), guard.by, guard.keys(data)), unit)


def test_a_statistic_of_the_first_rows_is_seen() -> None:
    def first(data: un.Dataset) -> Any:
        return data.connection.execute(f"SELECT sum(age) FROM (FROM {data.table(bounded=False)} LIMIT 50)").fetchone()

    assert not forgets_the_order(first, un.EachRow())


def places_are_uniform(release: Callable[[pd.DataFrame], Any], runs: int) -> bool:
    """Whether the first row's place in the output is uniform; wrong about a true one 1e-6 of the time."""
    frame = pd.DataFrame({"age": [30.0 + i % 2 for i in range(12)], "mark": np.arange(12)})
    counts = np.zeros(12)
    for _ in range(runs):
        value = release(frame)
        assert list(value.index) == list(range(len(value)))
        counts[int(np.flatnonzero(value["mark"].astype(float).to_numpy() == 0)[0])] += 1
    return bool(np.sum((counts - runs / 12) ** 2) / (runs / 12) < chi2.isf(1e-6, 11))


def k_anonymous() -> Any:
    return un.deid.KAnonymize(k=3, quasi_identifiers=["age"])


def diverse() -> Any:
    return un.deid.KAnonymize(k=3, quasi_identifiers=["age"], suppress_at_most=0, l=2, sensitive="kind")


def close_by_classes() -> Any:
    more = {"t": 0.3, "sensitive": "kind", "quality": "discernibility"}
    return un.deid.KAnonymize(k=3, quasi_identifiers=["age"], suppress_at_most=1, **more)


def local() -> Any:
    return un.deid.Mondrian(k=3, quasi_identifiers=["age"])


def by_hand() -> Any:
    return un.deid.Generalize({"age": 1}, k=3)


def pseudonymous() -> Any:
    keep = un.deid.pseudonym.Keep()
    return un.deid.Pseudonymize(un.deid.Policy("a study", others=keep), un.deid.Key(bytes(32)))


@pytest.mark.statistical
@pytest.mark.parametrize("guard", [k_anonymous, diverse, close_by_classes, local, by_hand, pseudonymous])
def test_a_released_table_does_not_link_back(guard: Callable[[], Any], proof_runs: Callable[[int, int], int]) -> None:
    """False alarm 1e-6; power: a table in its old order is seen, checked."""
    columns = {"age": un.Range(0, 110), "mark": un.Range(0, 100), "kind": un.Range(0, 2)}

    def release(frame: pd.DataFrame) -> Any:
        data = un.protect(frame.assign(kind=frame["mark"] % 3), unit=un.EachRow(), columns=columns)
        made = guard().release(data)
        assert isinstance(made.guarantee, (un.KAnonymity, un.Nothing))
        assert "origin" not in json.dumps(made.to_dict()) and "proof" not in repr(made)
        return made.value

    runs = proof_runs(100, 3000)
    assert places_are_uniform(release, runs)
    assert not places_are_uniform(lambda frame: release(frame).sort_values("mark", ignore_index=True), 20)


def test_a_k_anonymous_table_that_says_how_it_was_ordered_is_not_called_one() -> None:
    deid = pytest.importorskip("unseen.deid", reason="wants unseen.deid")
    data = un.protect(FRAME, unit="id", columns=COLUMNS)
    guard = deid.KAnonymize(k=3, quasi_identifiers=["age"], seed=1)
    assert isinstance(guard.release(data).guarantee, un.Nothing)
