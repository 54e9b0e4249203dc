"""Law 8: whether and how a call fails depends on schema, request and ledger, never on the rows."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import unseen as un
from unseen.query import Count

from .subjects import CALLS, NEIGHBOURS, protect


def outcome(act: Callable[[Any], Any], data: Any) -> str:
    try:
        act(data)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "released"


def fails_alike(act: Callable[[Any], Any], folder: Path) -> bool:
    """Whether a call's fate and its message are the same on tables that differ, down to none."""
    told = set()
    for index, frame in enumerate(NEIGHBOURS.values()):
        data = protect(folder, frame, f"l{index}")
        told.add(outcome(act, data))
    return len(told) == 1


class RefusesEmpty(Count):
    """Broken: says whether anybody is there at all."""

    def release(self, data: Any, purpose: str = "", request: str | None = None) -> Any:
        if not len(data.arrays(["age"], bounded=True)["age"]):
            raise ValueError("no rows")
        return super().release(data, purpose, request)


class TellsTheRange(Count):
    """Broken: shows a private value in its message."""

    def release(self, data: Any, purpose: str = "", request: str | None = None) -> Any:
        raise ValueError(f"values up to {max(data.arrays(['age'], bounded=True)['age'], default=0)}")


@pytest.mark.parametrize("act", CALLS.values(), ids=CALLS.keys())
def test_whether_and_how_a_call_fails_does_not_depend_on_the_rows(act: Callable[[Any], Any], tmp_path: Path) -> None:
    assert fails_alike(act, tmp_path)


@pytest.mark.parametrize("broken", [RefusesEmpty, TellsTheRange])
def test_an_error_that_depends_on_the_rows_is_seen(broken: type[Count], tmp_path: Path) -> None:
    assert not fails_alike(broken(0.1).release, tmp_path)


def test_every_error_of_the_package_is_of_its_tree_and_one_line(tmp_path: Path) -> None:
    data = protect(tmp_path)
    for name, act in CALLS.items():
        if not name.startswith("fine"):
            with pytest.raises(un.UnseenError) as told:
                act(data)
            assert "\n" not in str(told.value) and told.value.asked and told.value.allowed
