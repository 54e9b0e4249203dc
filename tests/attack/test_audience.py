"""What is matched on, and what a claim is worth to who knows more or less: the same for every attack on a table."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from unseen.attack import Homogeneity, Linkage
from unseen.attack.audience import audience, distinct_names
from unseen.core.errors import InvalidRequest
from unseen.core.generalised import Interval
from unseen.core.guarantee import Guarantee, KAnonymity, Nothing
from unseen.core.release import Release

ROWS = pd.DataFrame({"age": ["young"] * 4, "pay": ["low"] * 4, "zip": ["1"] * 4, "ill": list("xyxy")})
COVERS: Any = {"age": {"young": Interval(0, 40)}, "pay": {"low": Interval(0, 10)}}
PEOPLE = pd.DataFrame({"age": [20], "pay": [5], "zip": ["1"], "name": ["Ann"]})


def release(guarantee: Guarantee | None, covers: Any = COVERS) -> Release[Any]:
    return Release(ROWS, None, guarantee or Nothing("no reason"), None, covers=covers)


@pytest.mark.parametrize(
    ("target", "columns"),
    [
        (release(KAnonymity(4, ("zip", "age"))), "zip, age"),  # not pay, which the promise is not about
        (release(KAnonymity(4, ("age", "job"))), "age"),
        (release(None), "age, pay"),
        (release(None, None), "age, pay, zip"),
        (ROWS, "age, pay, zip"),
    ],
)
def test_all_attacks_match_on_the_same_columns(target: Any, columns: str) -> None:
    for report in (Linkage(PEOPLE).audit(target), Homogeneity(PEOPLE, "ill").audit(target)):
        assert report.notes[0].startswith(f"The adversary knows {columns} of 1 people")


def test_a_promise_is_judged_by_who_knows_just_what_it_is_about() -> None:
    made = release(KAnonymity(4, ("age", "zip")))
    assert audience(PEOPLE, made).judged(0.25, 0.9) == (0.25, 0.9, [])
    claimed, reach, notes = audience(PEOPLE, made, ("age", "zip", "pay")).judged(0.25, 0.9)
    assert (claimed, reach) == (None, 0.9) and "'pay'" in notes[0]
    claimed, reach, notes = audience(PEOPLE, made, ("age",)).judged(0.25, 0.9)
    assert (claimed, reach) == (0.25, 0.0) and "'zip'" in notes[0]
    assert audience(PEOPLE, made, ("age",), apart=("zip",)).judged(0.25, 0.9)[1] == 0.9  # it is what they are after
    assert audience(PEOPLE, release(None), ("age", "pay", "zip")).judged(0.25, 0.9) == (0.25, 0.9, [])
    assert audience(PEOPLE, made, ("age",)).judged(None, 0.9) == (None, 0.9, [])


@pytest.mark.parametrize("columns", ["age", [], ["age", "age"], ["ill", "age"]], ids=str)
def test_columns_are_a_list_of_distinct_names_without_the_secret(columns: Any) -> None:
    with pytest.raises(InvalidRequest, match="distinct column names other than 'ill'"):
        distinct_names(columns, ("ill",))
