"""A ledger is bound to its data; where they change there are three honest ways on, and none gives anything back."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import unseen as un
from unseen.core.errors import BudgetExceeded, InvalidRequest, LedgerMismatch

from .ledgers import Place, one_line

FRAME = pd.DataFrame({"x": [1.0, 2.0, 3.0], "ill": ["no", "yes", "no"]})
COLUMNS = {"x": un.Range(0, 10), "ill": un.Categorical("no", "yes")}
CHANGED = {
    "corrected": {"frame": FRAME.assign(x=[1.0, 2.5, 3.0])},
    "appended": {"frame": pd.concat([FRAME, FRAME.iloc[:1]])},
    "removed": {"frame": FRAME.iloc[:2]},
    "redeclared": {"columns": {**COLUMNS, "x": un.Range(0, 5)}},
    "more columns": {"frame": FRAME.assign(y=1.0), "columns": {**COLUMNS, "y": un.Range(0, 5)}},
    "other roles": {"sensitive": ["ill"]},
}


def protect(place: Place, frame: pd.DataFrame = FRAME, **changed: Any) -> Any:
    told = {"unit": un.EachRow(), "columns": COLUMNS, "budget": un.DP(3), "ledger": place.location, "key": place.key}
    return un.protect(frame, **{**told, **changed})


@pytest.mark.parametrize("what", CHANGED)
def test_changed_data_are_an_error_that_names_the_three_ways_on(tmp_path: Path, what: str) -> None:
    place = Place(tmp_path)
    protect(place).count(epsilon=1)
    with pytest.raises(LedgerMismatch) as caught:
        protect(place, **CHANGED[what])
    told = str(caught.value)
    assert one_line(caught.value) and "un.Change.SAME_PEOPLE" in told
    assert all(words in told for words in ("same people", "rows appended", "new population take a new ledger"))
    assert protect(place).ledger.spent == (1, 0) and protect(place).ledger.verify() == 1


@pytest.mark.parametrize("change", list(un.Change))
@pytest.mark.parametrize("what", CHANGED)
def test_said_so_the_budget_goes_on_and_nothing_is_given_back(tmp_path: Path, what: str, change: un.Change) -> None:
    place = Place(tmp_path)
    first = protect(place)
    early = first.count(epsilon=1).receipt
    data = protect(place, changed=change, **CHANGED[what])
    assert data.ledger.spent == (1, 0) and data.ledger.left == (2, 0)
    entry = data.ledger.entries()[-1]
    assert (entry.sequence, entry.kind, entry.purpose, entry.epsilon, entry.priced) == (2, "binding", change, 0, False)
    assert data.ledger.fingerprint != first.ledger._records.first[0]["fingerprint"]
    data.count(epsilon=1)
    again = protect(place, **CHANGED[what])  # from now on these are the ledger's data
    assert again.ledger.verify(early) == 3 and again.ledger.spent == (2, 0)
    assert again.ledger.total == "ε covers 2 of 2 releases"
    with pytest.raises(LedgerMismatch):
        protect(place)
    with pytest.raises(BudgetExceeded):
        again.count(epsilon=1.1)


def test_going_back_is_another_change(place: Place) -> None:
    protect(place).count(epsilon=1)
    protect(place, FRAME + FRAME, columns=COLUMNS, changed=un.Change.SAME_PEOPLE)
    data = protect(place, changed=un.Change.SAME_PEOPLE)
    assert [entry.kind for entry in data.ledger.entries()] == ["release", "binding", "binding"]
    assert data.ledger.spent == (1, 0)


def test_a_change_that_is_none_is_not_recorded(place: Place) -> None:
    protect(place).count(epsilon=1)
    data = protect(place, FRAME.iloc[::-1], changed=un.Change.APPENDED_ROWS)
    assert data.ledger.verify() == 1
    assert protect(place).ledger.verify() == 1


def test_a_new_population_takes_a_new_ledger(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    old, new = Place(tmp_path), Place(tmp_path / "new")
    protect(old).count(epsilon=3)
    data = protect(new, FRAME.assign(x=9.0))
    assert data.ledger.left == (3, 0) and data.ledger.id != protect(old).ledger.id
    data.count(epsilon=1)
    assert protect(old).ledger.left == (0, 0)


@pytest.mark.parametrize(
    "what", [{"budget": un.DP(4)}, {"budget": un.DP(3, 1e-6)}, {"unit": "ill"}, {"composition": un.Renyi()}]
)
@pytest.mark.parametrize("change", list(un.Change))
def test_no_change_of_data_changes_budget_unit_or_composition(
    place: Place, what: dict[str, Any], change: un.Change
) -> None:
    protect(place).count(epsilon=1)
    columns = {"columns": {"x": un.Range(0, 10)}} if "unit" in what else {}
    with pytest.raises(LedgerMismatch):
        protect(place, changed=change, **what, **columns)
    assert place.open().verify() == 1


@pytest.mark.parametrize(
    "changed", ["yes", True, 1, "SAME_PEOPLE", object(), []], ids=lambda value: type(value).__name__
)
def test_what_is_no_change_is_refused(tmp_path: Path, changed: Any) -> None:
    place = Place(tmp_path)
    protect(place)
    with pytest.raises(InvalidRequest, match="changed="):
        protect(place, FRAME.iloc[:2], changed=changed)
    assert protect(place).ledger.verify() == 0


def test_a_new_ledger_needs_no_change_and_minds_none(place: Place) -> None:
    assert protect(place, changed=un.Change.SAME_PEOPLE).ledger.verify() == 0
