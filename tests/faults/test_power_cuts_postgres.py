"""A power cut after any byte of PostgreSQL's write-ahead log leaves a ledger that knows of every release."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.postgres import Postgres, copied, why_no_postgres

from unseen.core.release import Receipt

from .child import charge
from .invariants import Place, check

pytestmark = [pytest.mark.statistical, pytest.mark.slow]
SEGMENT = 1 << 20
CHARGES = 10


@dataclass(frozen=True)
class Moment:
    """When a call had returned.

    Args:
        flushed: how far the log was on the disk, as a byte's number.
        keys: the folder of the owner's key and the highest head.
        receipt: what had returned; None: the making of the ledger.
    """

    flushed: int
    keys: Path
    receipt: Receipt | None


@dataclass(frozen=True)
class History:
    """A data folder, the log of what was done to it later, and when what had returned."""

    base: Path
    log: Path
    start: int
    moments: list[Moment]
    boundaries: list[int]


def position(text: str) -> int:
    """The byte that PostgreSQL writes as two hexadecimal numbers."""
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def segment(number: int) -> str:
    """The file of the log that holds a byte."""
    number //= SEGMENT
    return f"{1:08X}{number >> 12:08X}{number & 0xFFF:08X}"


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    """A ledger is made and charged ten times by a server whose owner prefers asynchronous commits."""
    if reason := why_no_postgres():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("history")
    keys = folder / "keys"
    keys.mkdir()
    with Postgres(synchronous_commit="off", wal_recycle="off") as server:

        def flushed() -> int:
            return position(server.execute("SELECT pg_current_wal_flush_lsn()")[0][0])

        server.execute("CHECKPOINT")
        server.kill()
        base = copied(server.data, folder / "base")
        server.start()
        start = flushed()
        place = Place(server.url(), str(keys / "owner.key"))
        place.create()
        moments = [Moment(flushed(), copied(keys, folder / "keys 0"), None)]
        ledger = place.open()
        for number in range(CHARGES):
            receipt = charge(ledger, place.price)
            moments.append(Moment(flushed(), copied(keys, folder / f"keys {number + 1}"), receipt))
        server.kill()
        log = copied(server.data / "pg_wal", folder / "log")
        ends = [f"{byte >> 32:X}/{byte & 0xFFFFFFFF:X}" for byte in (start, moments[-1].flushed)]
        told = server.program("pg_waldump", "-p", server.data / "pg_wal", "-s", ends[0], "-e", ends[1])
    boundaries = [position(found) for found in re.findall(r"lsn: ([0-9A-F]+/[0-9A-F]+)", told)]
    return History(base, log, start, moments, [*boundaries, moments[-1].flushed])


def after_cut(history: History, at: int, folder: Path) -> int:
    """Cut the log at a byte, let a server recover from what is left, check the ledger, and count its entries."""
    returned = [moment for moment in history.moments if moment.flushed <= at]
    keys = copied(returned[-1].keys if returned else history.moments[0].keys, folder / "keys")
    server = Postgres(base=history.base)
    for old in (server.data / "pg_wal").glob("0*"):
        old.unlink()
    for found in sorted(history.log.glob("0*")):
        if found.name <= segment(at):
            kept = copied(found, server.data / "pg_wal" / found.name)
            if found.name == segment(at):
                os.truncate(kept, at % SEGMENT)
                os.truncate(kept, SEGMENT)  # zeros, as in a file of the log that was made and not yet written
    with server:
        place = Place(server.url(), str(keys / "owner.key"))
        if not returned:
            place.create()
        return check(place, [moment.receipt for moment in returned if moment.receipt], more=True)


def test_a_power_cut_after_any_byte_of_the_log_loses_no_charge(
    history: History, tmp_path: Path, proof_runs: Callable[[int, int], int]
) -> None:
    """Full: the log ends at the end of every record of ten charges and inside of every record, and so at each tenth
    such place of the ledger's making. Reduced: at five moments when a call had returned, before all, and inside of two
    records. What must hold is certain: no false alarms. That cuts cut is seen by the entries, which go from 0 to all.
    """
    whole = [moment.flushed for moment in history.moments]
    torn = [(low + high) // 2 for low, high in zip(history.boundaries, history.boundaries[1:], strict=False)]
    places = sorted({*history.boundaries, *torn})
    making = [at for at in places if at < whole[0]]
    every = sorted({history.start, *whole, *making[::10], *(at for at in places if at >= whole[0])})
    few = sorted({history.start, *whole[:2], whole[5], *whole[-2:], torn[-1], torn[len(torn) // 2]})
    runs = proof_runs(len(few), len(every))
    counts = []
    for number, at in enumerate(every if runs == len(every) else few):
        folder = tmp_path / str(number)
        folder.mkdir()
        counts.append(after_cut(history, at, folder))
        shutil.rmtree(folder)
    assert counts == sorted(counts)
    assert counts[0] == 0 and counts[-1] == CHARGES
