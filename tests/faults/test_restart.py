"""A ledger that stays open goes on after its database was restarted."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.postgres import Postgres, why_no_postgres

import unseen as un
from unseen.core import accounting
from unseen.core.ledger import store


def test_a_connection_that_went_away_while_idle_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if reason := why_no_postgres():
        pytest.skip(reason)
    monkeypatch.setattr(store, "IDLE", -1.0)  # every connection counts as idle
    promise = un.DP(0.1, 0, "row")

    def charge(book: un.Ledger) -> Any:
        return book.charge("Count", accounting.laplace(10), promise)

    with Postgres() as server:
        book = un.Ledger.create(server.url(), un.DP(1, 0, "row"), lambda key: "f", key=tmp_path / "o.key")
        charge(book)
        server.stop()
        server.start()
        charge(book)
        assert book.verify() == 2
        monkeypatch.setattr(store, "IDLE", 60.0)
        server.stop()
        server.start()
        with pytest.raises(un.UnseenError, match="answers"):
            charge(book)
        charge(book)
        assert book.verify() == 3
