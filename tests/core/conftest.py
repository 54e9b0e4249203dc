"""What the tests of core share: a place for a ledger, on either database."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.postgres import Postgres

from .ledgers import TABLES, Place


@pytest.fixture(scope="session")
def core_database(postgres_server: Postgres) -> str:
    """A PostgreSQL database of these tests' own: emptied between them, which is faster than a new one each time."""
    name = f"core_{os.urandom(6).hex()}"
    postgres_server.execute(f"CREATE DATABASE {name}")
    return postgres_server.url(name)


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where no ledger is yet: a SQLite file, and a PostgreSQL database where there is a server."""
    if request.param == "sqlite":
        return Place(tmp_path)
    found = Place(tmp_path, request.getfixturevalue("core_database"))
    with found.connected() as connection:
        connection.execute(f"DROP TABLE IF EXISTS {', '.join(TABLES)} CASCADE")
    return found
