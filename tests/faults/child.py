"""The program whose processes are killed, traced and crowded: it forks them, all imports done, on request."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import random
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd

import unseen as un
from unseen.core import accounting
from unseen.core.errors import BudgetExceeded, LedgerCorrupt, LedgerError, LedgerLocked
from unseen.core.noise import scalar
from unseen.query import Count

FRAME = pd.DataFrame({"x": [0.5] * 40})
COLUMNS = {"x": un.Range(0, 1)}


def protect(place: dict[str, Any]) -> Any:
    """The small table, bound to the ledger at a place, which is made if it is not there."""
    if place.get("key"):
        Path(place["key"]).parent.mkdir(exist_ok=True)
    told = {name: place[name] for name in ("ledger", "key") if place.get(name)}
    return un.protect(FRAME, unit=un.EachRow(), columns=COLUMNS, budget=un.DP(place["budget"]), **told)


def charge(ledger: un.Ledger, epsilon: float) -> Any:
    """One entry, and no noise."""
    return ledger.charge("Count", accounting.laplace(1 / epsilon), un.DP(epsilon, unit="row"))


def tell(line: str) -> None:
    """Say one line to whoever started this; in one piece, as many share the pipe."""
    os.write(1, f"{line}\n".encode())


class Log:
    """Lines that are there once ``write`` returned, whatever happens to this process next."""

    def __init__(self, path: str) -> None:
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, **told: Any) -> None:
        os.write(self.file, json.dumps(told).encode() + b"\n")


def spend(job: dict[str, Any]) -> None:
    """Charge and release in turn at all places until each is exhausted, and log what returned.

    A server that is killed makes a charge fail; that is no receipt, and the next one is tried.
    """
    log, chance = Log(job["log"]), random.Random(job["seed"])
    datasets = {index: protect(place) for index, place in enumerate(job["places"])}
    tell("ready")
    while datasets:
        for index, data in list(datasets.items()):
            epsilon = job["places"][index]["price"]
            try:
                if chance.random() < job["noise"]:
                    receipt = Count(epsilon=epsilon).release(data).receipt
                else:
                    receipt = charge(data.ledger, epsilon)
            except BudgetExceeded:
                datasets.pop(index)
            except (LedgerCorrupt, LedgerLocked):
                raise
            except LedgerError:
                if not job.get("server dies"):
                    raise
            else:
                log.write(place=index, receipt=receipt.to_dict())
    signal.pause()


def crowd(job: dict[str, Any]) -> None:
    """Wait for the gate, then try a number of charges."""
    log = Log(job["log"])
    tell("ready")
    with open(job["gate"]) as gate:
        fcntl.flock(gate, fcntl.LOCK_SH)  # all who share it get it at once
    data = job.get("inherited") or protect(job["places"][0])
    admitted = refused = 0
    for _ in range(job["attempts"]):
        try:
            charge(data.ledger, job["places"][0]["price"])
            admitted += 1
        except BudgetExceeded:
            refused += 1
    log.write(admitted=admitted, refused=refused)


def traced(job: dict[str, Any]) -> None:
    """Make a ledger and charge it, with a mark in the trace wherever a charge returned."""
    log = Log(job["log"])
    data = protect(job["places"][0])
    log.write(made=True)
    for _ in range(job["charges"]):
        log.write(receipt=charge(data.ledger, job["places"][0]["price"]).to_dict())


def released(job: dict[str, Any]) -> None:
    """Two releases in a warm process, with a mark in the trace on both sides of each call of the sampler."""
    data, log = protect(job["places"][0]), Log(job["log"])
    found = scalar._mechanism

    def marked(scale: float) -> Any:
        draw = found(scale)

        class Marked:
            map = staticmethod(draw.map)

            def __call__(self, exact: Any) -> Any:
                log.write(mark="sampler")
                noised = draw(exact)
                log.write(mark="sampled")
                return noised

        return Marked()

    scalar._mechanism = marked  # type: ignore[assignment]
    for _ in range(2):  # the first seeds the sampler's generator from the kernel, as every new process does
        log.write(mark="begin")
        receipt = Count(epsilon=job["places"][0]["price"]).release(data).receipt
        log.write(mark="end", receipt=receipt.to_dict() if receipt else None)


JOBS = {"spend": spend, "crowd": crowd, "traced": traced, "released": released}


def warm() -> None:
    """Import what a charge and a release import, without starting any thread that a fork would lose."""
    import duckdb  # noqa: F401
    import psycopg  # noqa: F401
    import pyarrow  # noqa: F401
    from cryptography.hazmat.primitives.asymmetric import ed25519
    from sqlalchemy import create_engine
    from sqlalchemy.dialects.postgresql import psycopg as dialect  # noqa: F401

    create_engine("sqlite://").connect().close()
    ed25519.Ed25519PrivateKey.generate().sign(b"")
    scalar._mechanism(2.0)


def run(job: dict[str, Any]) -> None:
    """The rest of a forked child's life."""
    code = 1
    try:
        JOBS[job["job"]](job)
        code = 0
    except BaseException as error:
        with suppress(Exception):
            Log(job["log"]).write(error=f"{type(error).__name__}: {error}")
            tell(f"failed {type(error).__name__}: {' '.join(str(error).split())}")
    finally:
        os._exit(code)


def end_with(parent: int) -> None:
    """Die when the parent does, whatever ends it."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def serve() -> None:
    """Jobs in, one JSON line each: ``fork`` answers with the child's number, ``reap`` with how it ended."""
    warm()
    inherited: dict[str, Any] = {}
    tell("warm")
    for line in sys.stdin:
        job = json.loads(line)
        if job["job"] == "reap":
            _, status = os.waitpid(job["pid"], 0)
            tell(f"reaped {os.waitstatus_to_exitcode(status)}")
            continue
        if job["job"] == "inherit":
            inherited[job["places"][0]["ledger"]] = protect(job["places"][0])
            tell("inherited")
            continue
        if job.get("inherit"):
            job["inherited"] = inherited[job["places"][0]["ledger"]]
        parent, pid = os.getpid(), os.fork()
        if pid == 0:
            end_with(parent)
            run(job)
        tell(f"forked {pid}")


def trace(job: dict[str, Any]) -> None:
    """Trace one child and write down what it did."""
    from tracer import Tracer  # a sibling: this file runs as a program

    warm()
    tracer = Tracer(Path(job["folder"]), Path(job["log"]))
    tracer.run(lambda: run(job))
    Path(job["found"]).write_text(json.dumps(tracer.found))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        trace(json.loads(sys.argv[1]))
    else:
        serve()
