"""Where ledgers lie that are put under fire: in SQLite files, and in a PostgreSQL server that may be killed."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.postgres import Postgres, why_no_postgres

from .invariants import Place
from .warm import Warm


class Sqlite:
    """New places in a folder."""

    server: Postgres | None = None

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def place(self, **told: float) -> Place:
        """A place where no ledger is yet."""
        return Place(str(self.folder / f"{os.urandom(6).hex()}.ledger"), **told)

    def settle(self) -> None:
        """A dead process holds nothing: the kernel has let go of its locks."""


class OnServer(Sqlite):
    """New databases of a server, with the keys in a folder."""

    def __init__(self, folder: Path, server: Postgres) -> None:
        super().__init__(folder)
        self.server: Postgres = server

    def place(self, **told: float) -> Place:
        """A place where no ledger is yet."""
        name = f"d{os.urandom(6).hex()}"
        self.server.execute(f"CREATE DATABASE {name}")
        return Place(self.server.url(name), str(self.folder / f"{name}.key"), **told)

    def settle(self) -> None:
        """Wait until the server has seen that its clients are dead: what they sent last may still be committed."""
        gc.collect()
        for _ in range(2000):
            asked = "SELECT pid, state, wait_event, query, state_change FROM pg_stat_activity WHERE datname LIKE 'd%'"
            if not (sessions := self.server.execute(asked)):
                return
            time.sleep(0.005)
        raise TimeoutError(f"a client's session outlived it by ten seconds: {sessions}")


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server of this module's own, to be killed. Its owner prefers other settings than the ledger needs."""
    reason = why_no_postgres()
    if reason:
        pytest.skip(reason)
    with Postgres(synchronous_commit="off", default_transaction_isolation="serializable") as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Where ledgers lie: both kinds, one after the other."""
    if request.param == "sqlite":
        return Sqlite(tmp_path)
    return OnServer(tmp_path, request.getfixturevalue("server"))


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """A process that forks workers."""
    with Warm() as running:
        yield running
