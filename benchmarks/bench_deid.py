"""The optimal k-anonymous table: how long the search takes on Adult and on a million rows, beside peers in one run.

Yardsticks: a naive check of one combination of levels with pandas, the first grouping of all rows (the floor that no
search gets below), and anjana where it can be imported (it pins old versions of pandas and NumPy, so install it with
``pip install --no-deps --target FOLDER anjana==1.2.3 pycanon beartype`` and set PYTHONPATH=FOLDER).
"""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import importlib.util
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

import unseen as un
from unseen.deid.models import DistinctDiversity, Model, TCloseness
from unseen.deid.search.kanon import search
from unseen.deid.search.layout import grouped
from unseen.deid.search.problem import Column, Optimum, Sensitive
from unseen.deid.table import coded

RUNS = 7
K = 5
LIMITS = (0.0, 0.02, 1.0)
ARX = {
    "k": {0.0: 0.63554, 0.02: 0.35748, 1.0: 0.22770},
    "l": {0.0: 0.679, 0.02: 0.308, 1.0: 0.207},
    "t": {0.0: 0.929, 0.02: 0.840, 1.0: 0.643},
}
"""Losses of ARX 3.9.2's optima, as many digits as are known."""
LARGE = ((1000, (10, 10)), (100, (5, 2, 2)), (64, (4, 4)), (50, (5, 5)), (24, (4, 3)), (10, (2,)), (6, (2,)), (4, (2,)))
"""Of the large table: for each column how many values, and how many labels of a level one of the next level joins."""


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    found = call()
    return (time.perf_counter() - start) * 1e3, found


def least(calls: dict[str, Callable[[], Any]], runs: int = RUNS) -> tuple[dict[str, float], dict[str, Any]]:
    """Milliseconds, the minimum of interleaved runs after a first one that compiles, and what came out."""
    found = {name: call() for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(runs):
        for name, call in calls.items():
            times[name].append(timed(call)[0])
    return {name: min(one) for name, one in times.items()}, found


def adult() -> tuple[pd.DataFrame, dict[str, Any]]:
    frame = un.datasets.adult()
    paths = {name: un.datasets.stored(f"adult/adult_hierarchy_{name}.csv") for name in frame.columns}
    return frame, paths


def codes(frame: pd.DataFrame, paths: dict[str, Any], names: list[str]) -> list[Column]:
    columns = []
    for name in names:
        values, places = np.unique(frame[name].to_numpy(), return_inverse=True)
        columns.append(coded(name, values, places.astype(np.int64), un.deid.Hierarchy.read(paths[name])))
    return columns


def anjana(frame: pd.DataFrame, paths: dict[str, Any]) -> Callable[[float], Any] | None:
    if importlib.util.find_spec("anjana") is None:
        return None
    from anjana.anonymity import k_anonymity  # type: ignore[import-not-found]

    frame = frame.astype({name: object for name in frame.columns if name != "age"})
    levels = {}
    for name, path in paths.items():
        table = pd.read_csv(path, sep=";", header=None, dtype=str).astype(object)
        if name == "age":
            table[0] = table[0].astype("int64")
        levels[name] = {level: table[level].to_numpy() for level in table.columns}

    def call(limit: float) -> Any:
        with pd.option_context("future.infer_string", False):  # it knows no other texts
            return k_anonymity(frame.copy(), [], list(frame.columns), K, limit * 100, levels)

    return call


def naive(frame: pd.DataFrame) -> int:
    """Whether one combination of levels will do, as a groupby tells."""
    return int((frame.groupby(list(frame.columns), observed=True).size() >= K).sum())


def of_adult() -> None:
    frame, paths = adult()
    names = list(frame.columns)
    columns, units = codes(frame, paths, names), np.arange(len(frame))
    peer = anjana(frame, paths)
    print(f"Adult, {len(frame):,} rows x {len(names)} columns, k = {K}; milliseconds, least of {RUNS} interleaved runs")
    calls: dict[str, Callable[[], Any]] = {
        f"{limit:.0%}": lambda limit=limit: search(columns, units, K, int(limit * len(frame))) for limit in LIMITS
    }
    calls["naive"] = lambda: naive(frame)
    calls["floor"] = lambda: grouped([c.codes for c in columns], [len(c.loss[0]) for c in columns], units)
    times, found = least(calls)
    hierarchies = {name: un.deid.Hierarchy.read(paths[name]) for name in names}
    whole: dict[str, Callable[[], Any]] = {}
    for limit in LIMITS:
        guard = un.deid.KAnonymize(K, names, limit, hierarchies)
        whole[f"{limit:.0%}"] = lambda guard=guard: guard.release(frame)
        if peer is not None:
            whole[f"anjana {limit:.0%}"] = lambda limit=limit: peer(limit)
    releases, kept = least(whole, 3)
    for limit in LIMITS:
        one, took = found[f"{limit:.0%}"], times[f"{limit:.0%}"]
        line = f"  at most {limit:4.0%} suppressed: {took:6.1f}, {told(one, ARX['k'][limit])}"
        line += f"; {took / times['naive']:.1f} x a naive check of one node, {took / times['floor']:.0f} x the floor"
        print(line)
        ours = releases[f"{limit:.0%}"]
        line = f"    a whole release {ours:.0f}"
        if peer is not None:
            theirs, rows = releases[f"anjana {limit:.0%}"], len(kept[f"anjana {limit:.0%}"])
            line += (
                f"; anjana {theirs:.0f} ({theirs / ours:.0f} x that, {theirs / times[f'{limit:.0%}']:.0f} x the search)"
            )
            line += f", keeps {rows:,} rows, not optimal"
        print(line)
    print(f"  naive check of one node {times['naive']:.1f}, first grouping {times['floor']:.2f}")
    if peer is None:
        print("  anjana cannot be imported: no ratio to it")
    beside(frame, paths)


def beside(frame: pd.DataFrame, paths: dict[str, Any]) -> None:
    """With a model of the sensitive column."""
    names = [name for name in frame.columns if name != "occupation"]
    columns, units = codes(frame, paths, names), np.arange(len(frame))
    sensitive = np.unique(frame["occupation"].to_numpy(), return_inverse=True)[1].astype(np.int64)
    models: dict[str, Model] = {"l": DistinctDiversity(5), "t": TCloseness(0.2)}
    calls = {
        f"{name} {limit}": lambda model=model, limit=limit: search(
            columns, units, K, int(limit * len(frame)), sensitive=Sensitive(sensitive, (model,))
        )
        for name, model in models.items()
        for limit in LIMITS
    }
    times, found = least(calls, 3)
    for name, text in (("l", "distinct 5-diversity"), ("t", "0.2-closeness, equal distance")):
        line = ", ".join(
            f"{limit:.0%}: {times[f'{name} {limit}']:.0f}, {told(found[f'{name} {limit}'], ARX[name][limit], 5e-4)}"
            for limit in LIMITS
        )
        print(f"  {text} of occupation, {len(names)} columns: {line}")


def told(one: Optimum, loss: float, within: float = 5e-6) -> str:
    return f"loss {one.score:.5f} ({'' if abs(one.score - loss) <= within else 'NOT '}ARX's)"


def large(rows: int) -> list[Column]:
    draw, columns = np.random.default_rng(0), []
    for size, fans in LARGE:
        shares = draw.permutation(np.arange(1, size + 1) ** -0.5)
        ups, losses, leaves, labels = [], [np.zeros(size)], np.ones(size), size
        for fan in fans:
            ups.append(np.arange(labels) // fan)
            labels = int(ups[-1][-1]) + 1
            leaves = np.bincount(ups[-1], leaves)
            losses.append((leaves - 1) / (size - 1))
        ups.append(np.zeros(labels, dtype=np.int64))
        found = draw.choice(size, rows, p=shares / shares.sum())
        columns.append(Column(found, tuple(ups), (*losses, np.ones(1))))
    return columns


def of_a_million(rows: int = 1_000_000) -> None:
    columns, units = large(rows), np.arange(rows)
    search([Column(c.codes[:1000], c.up, c.loss) for c in columns], units[:1000], K, 0)
    frame = pd.DataFrame({str(place): column.codes for place, column in enumerate(columns)})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    took, one = timed(lambda: search(columns, units, K, 0))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    took = min([took, *(timed(lambda: search(columns, units, K, 0))[0] for _ in range(2))])
    theirs = min(timed(lambda: naive(frame))[0] for _ in range(2))
    floor = min(
        timed(lambda: grouped([c.codes for c in columns], [len(c.loss[0]) for c in columns], units))[0]
        for _ in range(3)
    )
    distinct = len(frame.drop_duplicates())
    print(
        f"{rows:,} rows x {len(columns)} columns ({distinct:,} distinct), 0 % suppressed, "
        f"{one.checked + one.pruned:,} nodes: {took / 1e3:.2f} s, loss {one.score:.5f}, {one.checked} nodes weighed; "
        f"{took / theirs:.1f} x a naive check of one node ({theirs / 1e3:.2f} s), "
        f"{took / floor:.0f} x the first grouping; "
        f"peak memory {(after - before) / 1024:.0f} MiB above the {rows * len(columns) * 8 / 2**20:.0f} MiB of codes"
    )


def main() -> None:
    if "UNSEEN_DATA" in os.environ:
        of_adult()
    else:
        print("bench_deid: Adult skipped; it wants adult/adult.csv under UNSEEN_DATA")
    of_a_million()


if __name__ == "__main__":
    sys.exit(main())
