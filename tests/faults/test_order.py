"""The commit comes before the sampler's first call: seen in the system calls of a release."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .invariants import Place, check
from .traced import needs_ptrace, record

__all__ = ["needs_ptrace"]

pytestmark = pytest.mark.usefixtures("needs_ptrace")


def spans(done: list[dict[str, Any]]) -> list[tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
    """Of each release: what was done until the sampler was called, and during the call."""
    found = []
    before: list[dict[str, Any]] = []
    during: list[dict[str, Any]] = []
    into = before
    for told in done:
        mark = json.loads(told["text"]).get("mark") if told["do"] == "mark" else None
        if mark == "begin":
            before, during = [], []
            into = before
        elif mark == "sampler":
            into = during
        elif mark == "end":
            found.append((before, during))
        else:
            into.append(told)
    return found


def entropy(told: list[dict[str, Any]]) -> int:
    """Bytes that were asked of the kernel's random numbers, but for those that seed hash tables."""
    return sum(one["bytes"] for one in told if one["do"] == "random" and one["bytes"] > 8)


def test_sqlite_has_the_charge_on_disk_before_the_sampler_is_called(tmp_path: Path) -> None:
    """Journal and database synced, the journal deleted, which commits, and its folder synced; then the sampler, whose
    first call in a process fetches its seed from the kernel."""
    folder = tmp_path / "disk"
    place = Place(str(folder / "a.ledger"))
    releases = spans(record(folder, "released", place))
    assert len(releases) == 2
    for before, during in releases:
        acts = [(told["do"], told.get("name", told.get("folder"))) for told in before]
        commit = acts.index(("unlink", "a.ledger-journal"))
        journal = next(told["file"] for told in before if told["do"] == "create")
        (database,) = {
            told["file"] for told in before[:commit] if told["do"] == "write" and len(told["data"]) >= 2 * 4096
        } - {journal}
        synced = [told.get("file") for told in before[:commit] if told["do"] == "sync"]
        assert synced.count(journal) >= 1 and synced[-1] == database
        assert ("sync", "") in acts[commit:]
        assert entropy(before) == 0
        assert not [told for told in during if told["do"] not in ("random", "mark")]
    assert entropy(releases[0][1]) >= 32


def test_postgresql_has_acknowledged_the_commit_before_the_sampler_is_called(postgres: str, tmp_path: Path) -> None:
    """COMMIT is sent, CommandComplete has come back; then the sampler. That an acknowledged commit is on disk is what
    the power cuts on PostgreSQL show."""
    folder = tmp_path / "disk"
    place = Place(postgres, str(tmp_path / "owner.key"))
    releases = spans(record(folder, "released", place))
    assert len(releases) == 2
    for before, during in releases:
        said = [(told["do"], bytes.fromhex(told["data"])) for told in before if told["do"] in ("send", "receive")]
        inserted = max(i for i, (do, data) in enumerate(said) if do == "send" and b"INSERT INTO entries" in data)
        sent = next(i for i, (do, data) in enumerate(said) if i >= inserted and do == "send" and b"COMMIT" in data)
        assert any(do == "receive" and b"COMMIT\0" in data for do, data in said[sent:])
        assert entropy(before) == 0
        assert not [told for told in during if "data" in told and b"INSERT" in bytes.fromhex(told["data"])]
    assert entropy(releases[0][1]) >= 32
    assert check(place, []) == 2
