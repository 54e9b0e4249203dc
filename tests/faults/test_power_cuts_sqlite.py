"""A power cut after any write to a SQLite ledger's folder leaves a ledger that knows of every release."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from unseen.core.errors import LedgerError
from unseen.core.release import Receipt

from .disk import cuts, distinct, marks, rebuild, story
from .invariants import Place, check
from .traced import needs_ptrace, record

__all__ = ["needs_ptrace"]

pytestmark = pytest.mark.usefixtures("needs_ptrace")


@pytest.mark.statistical
@pytest.mark.parametrize("key", ["beside the ledger", "in another folder"])
def test_a_power_cut_after_any_write_loses_no_charge(
    key: str, tmp_path: Path, proof_runs: Callable[[int, int], int]
) -> None:
    """Every prefix of the writes of a ledger's making and ten charges, each also with its last write torn; with all,
    all but one and each one of the writes and names lost that were not yet synced; and with lost writes as zeros.
    Full: all that leave different disks, about 2,500, so there are no false alarms; reduced: a sample of 75.
    """
    elsewhere = key == "in another folder"
    folder = tmp_path / "disk"

    def place(root: Path) -> Place:
        return Place(str(root / "a.ledger"), str(root / "keys/owner.key") if elsewhere else None, budget=2.0)

    done = record(folder, "traced", place(folder), charges=10)
    shutil.rmtree(folder)
    assert sum(told["do"] == "sync" for told in done) > 40, "the trace saw the syncs"
    found = distinct(done)
    runs = proof_runs(75, len(found))
    chosen = found if runs >= len(found) else random.Random(runs).sample(found, runs)
    memory = Path("/dev/shm")
    root = (memory if os.access(memory, os.W_OK) else tmp_path) / f"cut-{os.getpid()}"
    faults: list[str] = []
    for number, cut in enumerate(chosen):
        shutil.rmtree(root, ignore_errors=True)
        rebuild(done, cut, root)
        lines = marks(done, cut.at)
        receipts = [Receipt.of(line["receipt"]) for line in lines if "receipt" in line]
        where = place(root)
        try:
            if not lines:  # the ledger was still being made: its owner simply makes it again
                where.create()
            check(where, receipts, more=number % 4 == 0 or runs < len(found))
        except Exception as error:
            faults.append(f"{cut}: {type(error).__name__}: {error}\n{story(done, cut.at)}")
    shutil.rmtree(root, ignore_errors=True)
    assert not faults, f"{len(faults)} of {len(chosen)} power cuts:\n" + "\n".join(faults[:3] + faults[-3:])


@pytest.mark.statistical
def test_the_same_cuts_find_a_ledger_that_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    """Power: with the syncs taken out of the record, as ``synchronous=OFF`` would leave it, charges are lost or the
    file is corrupt in most of 40 cuts late in the record; one would do."""
    folder = tmp_path / "disk"
    place = Place(str(folder / "a.ledger"))
    done = [told for told in record(folder, "traced", place, charges=4) if told["do"] != "sync"]
    shutil.rmtree(folder)
    late = [cut for cut in cuts(done[-40:]) if len(cut.lost) > 1]
    root, faults = tmp_path / "cut", 0
    for cut in random.Random(1).sample(late, 40):
        at = len(done) - 40 + cut.at
        moved = replace(cut, at=at, lost=frozenset(len(done) - 40 + index for index in cut.lost))
        shutil.rmtree(root, ignore_errors=True)
        rebuild(done, moved, root)
        receipts = [Receipt.of(line["receipt"]) for line in marks(done, at) if "receipt" in line]
        try:
            check(Place(str(root / "a.ledger")), receipts)
        except (AssertionError, LedgerError):
            faults += 1
    assert faults > 20, f"{faults} of 40"
