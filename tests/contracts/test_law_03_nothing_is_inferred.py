"""Law 3: what is missing is asked for by name, never taken from private data."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import unseen as un
from unseen.core.guard import Plan
from unseen.query import Count, Histogram, Mean, Sum

from .subjects import FRAME, protect


class Unreadable(un.Dataset):
    """A dataset whose rows nobody may touch."""

    @property
    def connection(self) -> Any:
        raise AssertionError("a private row was read")

    def arrays(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("a private row was read")


def asks_before_reading(act: Callable[[Any], Any], names: str) -> bool:
    """Whether what is missing is an error that names it, before a row is read."""
    schema = un.Schema(un.EachRow(), {"age": un.Range(0, 110), "ill": un.Categorical("no", "yes"), "zip": un.Digits(5)})
    data = Unreadable(FRAME, schema)
    try:
        act(data)
    except un.UnseenError as error:
        return names in str(error)
    except AssertionError:
        return False
    return False


class InfersEdges(Histogram):
    """Broken: takes the edges from the data where none are declared."""

    def plan(self, data: Any) -> Plan[Any]:
        if self.edges is None:
            low, high = data.connection.execute(f"SELECT min(age), max(age) FROM {data.table(bounded=True)}").fetchone()
            self.edges = [low, high]
        return super().plan(data)


@pytest.mark.parametrize(
    ("act", "names"),
    [
        (lambda d: Histogram("age", 1).release(d), "edges"),
        (lambda d: Histogram("age", 1, edges=[20, 60]).release(d), "from 0 or below to 110"),
        (lambda d: Histogram("zip", 1).release(d), "Range"),
        (lambda d: Count(1, by="zip").release(d), "Categorical"),
        (lambda d: Count(1, by="age").release(d), "Categorical"),
        (lambda d: Mean("ill", 1).release(d), "Range"),
        (lambda d: Sum("height", 1).release(d), "declared columns are"),
    ],
)
def test_what_is_not_declared_is_asked_for_before_a_row_is_read(act: Callable[[Any], Any], names: str) -> None:
    assert asks_before_reading(act, names)


def test_edges_taken_from_the_data_are_seen() -> None:
    assert not asks_before_reading(lambda data: InfersEdges("age", 1).release(data), "edges")


@pytest.mark.parametrize(
    ("declared", "names"),
    [
        ({"unit": None}, "EachRow"),
        ({"columns": {"age": None}}, "Range"),
        ({"columns": {"age": un.Range}}, "Range"),
        ({"columns": ["age"]}, "Range"),
        ({"budget": None}, "budget"),
    ],
    ids=repr,
)
def test_a_declaration_is_never_completed_from_the_data(tmp_path: Path, declared: dict[str, Any], names: str) -> None:
    with pytest.raises(un.UnseenError, match=names):
        protect(tmp_path, **declared)


def test_a_range_without_bounds_and_categories_without_a_list_do_not_exist() -> None:
    with pytest.raises(TypeError):
        un.Range()  # type: ignore[call-arg]
    with pytest.raises(un.UnseenError, match="at least one category"):
        un.Categorical()
