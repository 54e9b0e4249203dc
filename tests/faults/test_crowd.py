"""Many processes at one ledger: exactly what the budget holds is admitted."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import fcntl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .invariants import check
from .warm import Warm, lines

pytestmark = [pytest.mark.statistical, pytest.mark.slow]
PROCESSES = 16


@pytest.mark.parametrize("opened", ["by each", "before the fork"])
def test_sixteen_processes_are_admitted_exactly_what_the_budget_holds(
    opened: str, database: Any, warm: Warm, tmp_path: Path, proof_runs: Callable[[int, int], int]
) -> None:
    """16 processes × 100 charges at a budget for 800 (reduced: × 10 for 80), all let go at once. Each opens the ledger
    by itself, the first making it in competition; or all have inherited one that was in use before they were forked.
    Certain: no false alarms. The server prefers another isolation: the ledger must not care.
    """
    each = proof_runs(10, 100)
    place = database.place(budget=PROCESSES * each * 0.05, price=0.1)
    assert place.most == PROCESSES * each // 2
    gate, log = tmp_path / "gate", tmp_path / "log"
    job = {"job": "crowd", "places": [vars(place)], "gate": str(gate), "log": str(log), "attempts": each}
    if opened == "before the fork":
        job["inherit"] = True
        warm.inherit(job)
    with open(gate, "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        pids = [warm.fork(job) for _ in range(PROCESSES)]
        for _ in pids:
            warm.ready()
    assert [warm.reap(pid) for pid in pids] == [0] * PROCESSES, str(
        [line["error"] for line in lines(log) if "error" in line][:3]
    )
    told = lines(log)
    assert sum(line["admitted"] for line in told) == place.most
    assert sum(line["refused"] for line in told) == PROCESSES * each - place.most
    assert check(place, []) == place.most
