"""Mondrian: milliseconds and memory of the cuts on Adult and on a million rows, with anonypy as a yardstick."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import importlib.util
import os
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import unseen as un
from unseen.deid.mondrian.axis import Axis
from unseen.deid.mondrian.cuts import classes
from unseen.deid.mondrian.guard import Mondrian
from unseen.deid.mondrian.numbers import Numbers

RUNS = 5
K = 5
CARDINALITIES = (2, 5, 7, 14, 16, 41, 74, 100)
WIDE = (50, 100, 200, 74, 1_000, 10_000, 50_000, 60_000)


def resident() -> float:
    """What this process holds, MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def watched(run: Callable[[], Any]) -> tuple[float, float, float, Any]:
    """Milliseconds by the clock and of processor time, MB at the most beyond what was held before, and the result."""
    before, most, done = resident(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.002):
            most[0] = max(most[0], resident() - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    clock, processor = time.perf_counter(), time.process_time()
    result = run()
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    done.set()
    watcher.join()
    return clock * 1e3, processor * 1e3, most[0], result


def axes(columns: np.ndarray[Any, Any]) -> list[Axis]:
    return [Numbers(np.arange(column.max() + 1), column.astype(np.int64), None) for column in columns]


def median(name: str, run: Callable[[], Any], runs: int = RUNS) -> float:
    """Print a line of medians and give the clock's."""
    found = [watched(run) for _ in range(runs)]
    clock, processor, memory = (statistics.median(one[at] for one in found) for at in range(3))
    print(f"  {name:34} {clock:8.1f} ms   processor {processor:8.1f} ms   memory +{memory:6.1f} MB")
    return clock


def main() -> None:
    processors = len(os.sched_getaffinity(0))
    print(f"Mondrian, k = {K}, median of {RUNS}, {processors} processors, load {os.getloadavg()[0]:.1f}")
    rng = np.random.default_rng(1)
    classes(axes(rng.integers(0, 9, (2, 100))), np.arange(100), K)  # compiled once, and kept on disk
    for name, sizes in (("1M x 8, up to 100 values", CARDINALITIES), ("1M x 8, up to 60,000 values", WIDE)):
        columns = axes(np.stack([rng.integers(0, size, 1_000_000) for size in sizes]))
        units = np.arange(1_000_000)
        median(name, lambda columns=columns, units=units: classes(columns, units, K))
    frame = pd.DataFrame({f"c{at}": rng.integers(0, size, 1_000_000) for at, size in enumerate(CARDINALITIES)})
    median("the same, a whole release", lambda: Mondrian(K, list(frame.columns)).release(frame), 2)
    if "UNSEEN_DATA" not in os.environ:
        print("  Adult: skipped; it wants adult/adult.csv under UNSEEN_DATA")
        return
    adult = un.datasets.adult()
    coded = adult.apply(lambda column: pd.factorize(column, sort=True)[0])
    columns, units = axes(coded.to_numpy().T), np.arange(len(adult))
    median("Adult, 30,162 x 9", lambda: classes(columns, units, K), 15)
    hierarchies = {
        name: un.deid.Hierarchy.read(un.datasets.stored(f"adult/adult_hierarchy_{name}.csv"))
        for name in adult.columns
        if name != "age"
    }
    guard = Mondrian(K, list(adult.columns), hierarchies=hierarchies)
    median("Adult, a whole release", lambda: guard.release(adult))
    if importlib.util.find_spec("anonypy") is None:
        print("  anonypy: skipped; it is not installed")
        return
    import anonypy

    some = coded.head(2000)
    ours = median("Adult's first 2,000 rows", lambda: Mondrian(K, list(some.columns)).release(some))

    def theirs() -> Any:
        return anonypy.Preserver(some, list(some.columns[:-1]), some.columns[-1]).anonymize_k_anonymity(k=K)

    peer = median("anonypy, the same 2,000 rows", theirs, 2)
    print(f"  anonypy / whole release: {peer / ours:.0f}")


if __name__ == "__main__":
    main()
