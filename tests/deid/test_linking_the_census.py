"""The linking attack of the census: nearly everybody before, at most one in k after."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import unseen as un
from unseen.attack.interval import clopper_pearson
from unseen.core.generalised import Period, Prefix

KNOWN = ["birth_date", "zip"]
HIERARCHIES = {
    "birth_date": un.deid.Hierarchy.dates("1910-01-01", "2029-12-31"),
    "zip": un.deid.Hierarchy.prefixes(5),
}


def linked(seed: int, k: int, rows: int = 20_000) -> tuple[Any, Any, Any]:
    """The released table, and the voter list linked with the census before and after."""
    census, voters, truth = (
        make(rows, seed) for make in (un.datasets.census, un.datasets.census_voters, un.datasets.census_truth)
    )
    before = un.attack.Linkage(voters[KNOWN], truth=truth, seed=seed).audit(census[KNOWN])
    table = un.deid.KAnonymize(k=k, quasi_identifiers=KNOWN, hierarchies=HIERARCHIES).release(
        census[[*KNOWN, "health"]]
    )
    place = np.full(len(census), -1)
    place[table.proof.origin] = np.arange(len(table.proof.origin))
    return table, before, un.attack.Linkage(voters[KNOWN], truth=place[truth], seed=seed).audit(table)


@pytest.mark.statistical
@pytest.mark.parametrize("k", [2, 5])
def test_nearly_everybody_is_found_before_and_at_most_one_in_k_after(
    k: int, proof_runs: Callable[[int, int], int]
) -> None:
    """False alarm none: seeded, but for the order of rows, of which no guess depends. Power: the table before fails
    the bound of the table after, checked."""
    for seed in range(proof_runs(1, 10)):
        table, before, after = linked(seed, k)
        assert before.measured.low >= 0.95
        people = int(after.figures["people"])
        at_least = clopper_pearson(round(after.measured.value * people), people, 0.90)[0]  # one-sided 95 %
        assert 1 / people < at_least <= 1 / k < before.measured.low
        assert after.claimed == 1 / k and after.verdict is un.Verdict.HOLDS
        covers = table.covers
        assert all(isinstance(cover, Period) for cover in covers["birth_date"].values())
        assert all(isinstance(cover, Prefix) for cover in covers["zip"].values())


def test_what_a_class_shares_is_learned_all_the_same() -> None:
    census, (table, *_) = un.datasets.census(6000, 0), linked(0, 5, 6000)
    certain = []
    for ruled_out in (0, 1, 3):
        attack = un.attack.Homogeneity(census[KNOWN], "health", census["health"].tolist(), ruled_out=ruled_out)
        report = attack.audit(table)
        assert report.verdict is un.Verdict.NO_CLAIM and report.measured is not None
        certain.append(report.measured.value)
    assert certain == sorted(certain) and certain[-1] > certain[0]
