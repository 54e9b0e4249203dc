"""Copies of a ledger's records: into another store, and as lines that anybody can read."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
from errno import EEXIST
from pathlib import Path
from typing import Any

from unseen.core.errors import LedgerError
from unseen.core.ledger.keys import make_file
from unseen.core.ledger.records import Records
from unseen.core.ledger.store import Store

__all__ = ["copy", "export"]


def copy(source: Store, target: Store, what: str) -> Path:
    """Copy all records into a store that holds none; whole or not at all.

    Args:
        source: where they are.
        target: where they shall be.
        what: what is made, for messages.

    Raises:
        LedgerError: there is something already, or it cannot be written.
    """
    fresh = target.path is not None
    if target.path is not None and not _can_be_made(target.path):
        raise LedgerError(f"{what} at {target.name!r} was asked for", "a new file in a folder that exists")
    try:
        with source.reading() as reader, target.writing() as writer:
            target.make_tables(writer)
            if target.population(writer):
                raise LedgerError(f"{what} at {target.name!r} was asked for", "a database without a ledger")
            for body, mac in source.population(reader):
                target.write_population(writer, body, mac)
            for row in source.rows(reader):
                target.append(writer, row)
            for sequence, body, mac in source.kept(reader):
                target.keep(writer, sequence, body, mac)
    except BaseException:
        if fresh and target.path is not None:
            target.path.unlink(missing_ok=True)
        raise
    return target.path or Path()


def export(records: Records, path: Path) -> Path:
    """Write first record, entries and signed head as JSON lines into a new file, whole or not at all."""
    source = records.store
    with source.reading() as connection:
        rows = source.rows(connection)
        lines: list[dict[str, Any]] = [
            {"population": json.loads(body), "mac": mac} for body, mac in source.population(connection)
        ]
    lines += [{"entry": json.loads(row.body), "mac": row.mac} for row in rows]
    last = rows[-1] if rows else None
    lines.append({"head": records.receipt(last, records.state(last)).to_dict()})
    try:
        if path.exists():
            raise FileExistsError(EEXIST, "it is there already")
        make_file(path, "".join(json.dumps(line) + "\n" for line in lines).encode())
    except OSError as error:
        raise LedgerError(
            f"an export to {str(path)!r} was asked for", f"a new file that can be written ({error.strerror})"
        ) from None
    return path


def _can_be_made(path: Path) -> bool:
    try:
        return not path.exists() and path.parent.is_dir()
    except OSError:
        return False
