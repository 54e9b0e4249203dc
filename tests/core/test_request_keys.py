"""A request with a key is answered and charged once: every retry gives that answer again, or none."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
import multiprocessing
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import unseen as un
from unseen.core import accounting
from unseen.core.errors import BudgetExceeded, InvalidRequest, LedgerCorrupt, LedgerLocked
from unseen.core.guard import Guard, Outcome, Plan, dp
from unseen.query import Count, Histogram, Mean, Sum

from .ledgers import Place, one_line, pay

FRAME = pd.DataFrame(
    {"age": [float(n % 90) for n in range(300)], "ill": ["yes" if n % 3 else "no" for n in range(300)]}
)
COLUMNS = {"age": un.Range(0, 110), "ill": un.Categorical("yes", "no")}
STATISTICS: dict[str, Callable[[], Guard[Any]]] = {
    "count": lambda: Count(0.5),
    "count by": lambda: Count(0.5, by="ill"),
    "sum": lambda: Sum("age", 0.5),
    "sum by": lambda: Sum("age", 0.5, by="ill"),
    "mean": lambda: Mean("age", 0.5),
    "mean by": lambda: Mean("age", 0.5, by="ill"),
    "histogram of categories": lambda: Histogram("ill", 0.5),
    "histogram of bins": lambda: Histogram("age", 0.5, edges=5),
    "histogram of edges": lambda: Histogram("age", 0.5, edges=[0, 20.5, 100, 110]),
    "histogram by": lambda: Histogram("age", 0.5, edges=3, by="ill"),
}


def protect(place: Place, **changed: Any) -> Any:
    told = {"unit": un.EachRow(), "columns": COLUMNS, "budget": un.DP(5), "ledger": place.location, "key": place.key}
    return un.protect(FRAME, **{**told, **changed})


def typed(value: Any) -> Any:
    """A value with all its types, so that 1, 1.0 and True differ, and NaN equals itself."""
    if isinstance(value, dict):
        return [(typed(name), typed(part)) for name, part in value.items()]
    if isinstance(value, (list, tuple)):
        return (type(value), [typed(part) for part in value])
    return (type(value), repr(value))


def same(one: un.Release[Any], other: un.Release[Any]) -> bool:
    told = [(typed(r.value), typed(r.interval), r.guarantee, r.receipt, r.guard, r.covers) for r in (one, other)]
    return told[0] == told[1] and one.to_dict() == other.to_dict()


# --- the same release -------------------------------------------------------------------------------------------


def test_a_retry_of_any_statistic_gives_the_same_release_and_charges_nothing(place: Place) -> None:
    data = protect(place)
    first = {name: make().release(data, request=name) for name, make in STATISTICS.items()}
    assert data.ledger.left == (0, 0)
    again = protect(place)
    for name, make in STATISTICS.items():
        for where in (data, again):  # here, and after the ledger was opened anew
            assert same(make().release(where, "another purpose", name), first[name])
    assert data.ledger.verify() == len(STATISTICS) and data.ledger.spent == (5, 0)
    with pytest.raises(BudgetExceeded):
        Count(0.5).release(data, request="new")


def test_the_shortcuts_take_request_keys(place: Place) -> None:
    data = protect(place)

    def ask() -> list[un.Release[Any]]:
        return [
            data.count(epsilon=0.5, request="a"),
            data.sum("age", epsilon=0.5, request="b"),
            data.mean("age", epsilon=0.5, by="ill", request="c"),
            data.histogram("ill", epsilon=0.5, request="d"),
        ]

    assert all(map(same, ask(), ask())) and data.ledger.verify() == 4


def test_without_a_key_every_call_is_another_release(place: Place) -> None:
    data = protect(place)
    values = {data.sum("age", epsilon=0.1).value for _ in range(5)} | {
        data.sum("age", epsilon=0.1, request=f"{n}").value for n in range(5)
    }
    assert len(values) == 10 and data.ledger.verify() == 10


def ask_often(location: str | Path, key: Path, keys: list[str]) -> list[dict[str, Any] | None]:
    """What these requests were answered with; for other processes."""
    data, found = protect_at(location, key), []
    for name in keys:
        try:
            found.append(data.sum("age", epsilon=0.1, request=name).to_dict())
        except InvalidRequest as error:
            assert "entry" in str(error)
            found.append(None)
    return found


def protect_at(location: str | Path, key: Path) -> Any:
    return un.protect(FRAME, unit=un.EachRow(), columns=COLUMNS, budget=un.DP(5), ledger=location, key=key)


def test_two_processes_at_once_charge_a_request_once(tmp_path: Path) -> None:
    place = Place(tmp_path)
    data = protect(place)
    early = data.sum("age", epsilon=0.1, request="early").to_dict()
    keys = ["early", *map(str, range(12))]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        one, other = pool.starmap(ask_often, [(place.location, place.key, keys)] * 2)
    assert one[0] == other[0] == early
    assert data.ledger.verify() == 13
    final = ask_often(place.location, place.key, keys)
    for mine, theirs, kept in zip(one, other, final, strict=True):
        assert kept is not None and {type(mine), type(theirs)} <= {dict, type(None)}
        assert mine in (kept, None) and theirs in (kept, None) and (mine or theirs)
    assert data.ledger.verify() == 13


def test_threads_at_once_charge_a_request_once(place: Place) -> None:
    data, found = protect(place), []

    def ask() -> None:
        for key in map(str, range(5)):
            try:
                found.append((key, data.sum("age", epsilon=0.1, request=key).value))
            except InvalidRequest:
                continue

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert data.ledger.verify() == 5 and len(set(found)) == 5


class Echo(Guard[Any]):
    """A guard that gives what it is told, priced."""

    def __init__(self, value: Any, interval: Any = None, run: Callable[[], None] | None = None) -> None:
        super().__init__()
        self.told, self.run = Outcome(value, interval), run

    def configuration(self) -> dict[str, Any]:
        return {}

    def plan(self, data: un.Dataset) -> Plan[Any]:
        def run() -> Outcome[Any]:
            if self.run is not None:
                self.run()
            return self.told

        return Plan(dp(data, 0.1), accounting.laplace(10), run)


VALUES = [
    3, -3, 2**70, 0, True, False, None, "é 漢 🙂", "", 0.1, -0.0, 1.0, 1e308, 5e-324, math.inf, -math.inf, math.nan,
    (1, 2.0), (), ((1, (2,)), "x"), {}, {"a": 1, "b": (1.0, math.inf), "": {"c": None}},
    {"[0, 1)": (-math.inf, math.inf)},
    {"b": 1, "a": 2}, {"[100, 110]": 1, "[20, 100)": 2},
]  # fmt: skip


def test_what_is_given_again_is_the_same_to_its_types(tmp_path: Path) -> None:
    data = protect(Place(tmp_path))
    for number, value in enumerate(VALUES):
        first = Echo(value, value).release(data, request=str(number))
        again = Echo(value, value).release(data, request=str(number))
        assert same(first, again), value
        assert typed(again.value) == typed(again.interval) == typed(value)
    assert data.ledger.verify() == len(VALUES)


# --- refused ----------------------------------------------------------------------------------------------------


def refused(place: Place, data: Any, guard: Guard[Any], key: Any, told: str) -> None:
    before, spent = place.rows("entries"), data.ledger.spent
    with pytest.raises(InvalidRequest, match=told) as caught:
        guard.release(data, request=key)
    assert one_line(caught.value)
    assert place.rows("entries") == before and data.ledger.spent == spent


OTHERS: list[Guard[Any]] = [
    Mean("age", 0.6), Mean("age", 0.4), Mean("age", 0.5000001), Mean("age", 0.5, by="ill"), Sum("age", 0.5), Count(0.5),
    Histogram("age", 0.5, edges=5), Histogram("ill", 0.5),
]  # fmt: skip


def test_a_key_is_not_used_for_another_request(place: Place) -> None:
    data = protect(place)
    Count(0.5).release(data, request="other")
    first = Mean("age", 0.5).release(data, request="k")
    for guard in OTHERS:
        refused(place, data, guard, "k", r"another request \(entry 2\)")
    for edges in ([0, 110], [0, 50, 110], [0, 51, 110], 1, 2):
        made = Histogram("age", 0.1, edges=edges)
        made.release(data, request=f"edges {edges}")
    refused(place, data, Histogram("age", 0.1, edges=3), "edges 2", "entry 7")
    refused(place, data, Histogram("age", 0.1, edges=[0, 51, 110]), "edges [0, 50, 110]", "entry 4")
    assert same(Mean("age", 0.5).release(data, request="k"), first)


def test_a_key_is_not_used_for_another_part_or_half(place: Place) -> None:
    data = protect(place)
    parts = data.parts("ill")
    whole = Count(0.5).release(data, request="whole")
    no = Count(0.5).release(parts["no"], request="no")
    for other, key in ((parts["no"], "whole"), (data, "no"), (parts["yes"], "no"), (parts["yes"], "whole")):
        refused(place, other, Count(0.5), key, "another request")
    one, two = data.split(0.5)
    half = Count(0.5).release(one, request="half")
    for other, key in ((one, "whole"), (two, "half"), (data, "half"), (data.split(0.5)[0], "half")):
        refused(place, other, Count(0.5), key, "another request")
    assert same(Count(0.5).release(data, request="whole"), whole)
    assert same(Count(0.5).release(protect(place).parts("ill")["no"], request="no"), no)
    assert same(Count(0.5).release(one, request="half"), half)


def test_a_run_that_failed_is_a_use_and_its_key_is_used_up(place: Place) -> None:
    data = protect(place)

    def fail() -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        Echo(1, run=fail).release(data, request="k")
    assert data.ledger.spent == (0.1, 0)
    for where in (data, protect(place)):
        refused(place, where, Echo(1), "k", r"charged before \(entry 1\) and has no release")
        refused(place, where, Count(0.5), "k", r"another request \(entry 1\)")
    Echo(1).release(data, request="new key")
    assert data.ledger.verify() == 2


def test_a_run_that_is_not_done_is_not_repeated(place: Place) -> None:
    data = protect(place)

    def again() -> None:
        refused(place, data, Echo(1), "k", r"\(entry 1\).*may still be running")

    release = Echo(1, run=again).release(data, request="k")
    assert same(Echo(1).release(data, request="k"), release) and data.ledger.verify() == 1


def test_a_release_that_cannot_be_kept_does_not_leave(place: Place) -> None:
    data = protect(place)
    with pytest.raises(Exception):  # noqa: B017  any failure will do
        Echo(object()).release(data, request="k")
    refused(place, data, Echo(1), "k", "entry 1")


@pytest.mark.parametrize("key", ["", 3, 0, b"k", ["k"], ("k",), True, False, 1.5, {}], ids=repr)
def test_a_key_that_is_no_text_is_refused_before_anything_is_charged(tmp_path: Path, key: Any) -> None:
    place = Place(tmp_path)
    data = protect(place)
    with pytest.raises(InvalidRequest, match="request="):
        data.count(epsilon=1, request=key)
    assert data.ledger.verify() == 0


def test_any_text_is_a_key_and_each_is_another(place: Place) -> None:
    data = protect(place)
    keys = [
        "k",
        "K",
        " k",
        "é",
        "e\u0301",
        "漢 🙂",
        'a "b"\n\\',
        "\0",
        "\ud800",
        "\udfff",
        "?",
        "x" * 100_000,
        "{}",
        "1",
    ]
    first = [Echo(n).release(data, request=key) for n, key in enumerate(keys)]
    again = [Echo(n).release(data, request=key) for n, key in enumerate(keys)]
    assert all(map(same, first, again)) and data.ledger.verify() == len(keys)


def test_the_key_of_a_request_is_not_written_down(place: Place, tmp_path: Path) -> None:
    data = protect(place)
    key = "the question about patient Ypsilanti"
    data.count(epsilon=1, request=key)
    data.ledger.export(tmp_path / "export")
    data.ledger.backup(tmp_path / "backup")
    for path in tmp_path.iterdir():
        assert key.encode() not in path.read_bytes(), path
    assert key not in repr(place.rows("entries")) and key not in repr(place.rows("releases"))


def test_a_guard_whose_releases_are_not_kept_refuses_a_key(tmp_path: Path) -> None:
    place = Place(tmp_path)
    data = protect(place)
    refused(place, data, un.deid.KAnonymize(k=5, quasi_identifiers=["age"]), "k", "KAnonymize")
    assert data.ledger.verify() == 0


def test_data_without_a_ledger_refuse_a_key(tmp_path: Path) -> None:
    data = protect(Place(tmp_path), ledger=None, key=None, budget=None)
    for guard in (Count(0.5), Count(0.5, seed=1)):
        with pytest.raises(InvalidRequest, match="without a ledger"):
            guard.release(data, request="k")


def test_a_seeded_guard_keeps_nothing_in_a_ledger(tmp_path: Path) -> None:
    place = Place(tmp_path)
    data = protect(place)
    for _ in range(2):
        refused(place, data, Count(0.5, seed=1), "k", "seeded")
    assert data.ledger.verify() == 0 and place.rows("releases") == []


# --- tampering --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE releases SET body = replace(body, '\"value\":', '\"value\":1') WHERE sequence = 2",
        "UPDATE releases SET body = '' WHERE sequence = 2",
        "UPDATE releases SET mac = '' WHERE sequence = 2",
        "UPDATE releases SET mac = (SELECT mac FROM releases WHERE sequence = 1) WHERE sequence = 2",
        "UPDATE releases SET body = (SELECT body FROM releases WHERE sequence = 1), "
        "mac = (SELECT mac FROM releases WHERE sequence = 1) WHERE sequence = 2",
    ],
)
def test_a_kept_release_that_was_changed_is_found_and_not_given(place: Place, statement: str) -> None:
    data = protect(place)
    for key in ("a", "b"):
        Count(0.5).release(data, request=key)
    place.tamper(statement)
    with pytest.raises(LedgerCorrupt, match="release of entry 2 was changed"):
        Count(0.5).release(data, request="b")
    for check in (data.ledger.verify, place.open):
        with pytest.raises(LedgerCorrupt, match="release of entry 2 was changed"):
            check()
    assert len(place.rows("entries")) == 2


def test_a_kept_release_that_was_moved_to_an_entry_without_one_is_found(place: Place) -> None:
    data = protect(place)
    Count(0.5).release(data, request="a")
    Count(0.5).release(data)
    place.tamper("UPDATE releases SET sequence = 2")
    with pytest.raises(LedgerCorrupt, match="release of entry 2"):
        data.ledger.verify()
    refused(place, data, Count(0.5), "a", "has no release")


def test_a_kept_release_that_was_deleted_is_not_drawn_again(place: Place) -> None:
    data = protect(place)
    Count(0.5).release(data, request="a")
    place.tamper("DELETE FROM releases")
    refused(place, data, Count(0.5), "a", r"entry 1\) and has no release")


def test_a_request_whose_entry_was_rolled_back_is_not_charged_as_new(place: Place) -> None:
    data = protect(place)
    place.open()
    early = place.take()
    first = Count(0.5).release(data, request="a")
    place.put_back(early, mark=False)
    with pytest.raises(LedgerLocked):
        Count(0.5).release(data, request="a")
    data.ledger.reconcile(first.receipt)
    assert data.ledger.spent == (0.5, 0)
    assert not same(Count(0.5).release(data, request="a"), first)  # the answer is lost, and another is paid for
    assert data.ledger.spent == (1, 0) and pay(data.ledger, 0.1).sequence == 4
