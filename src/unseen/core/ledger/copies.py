"""Copies of a ledger's records: into another store, and as lines that anybody can read."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import os
from contextlib import suppress
from errno import EEXIST
from pathlib import Path
from secrets import token_hex
from typing import Any

from unseen.core.errors import LedgerError
from unseen.core.ledger.keys import make_file, sync_folder
from unseen.core.ledger.records import Records
from unseen.core.ledger.store import Store

__all__ = ["copy", "export"]


def copy(source: Store, target: Store, what: str) -> None:
    """Copy all records into a store that holds none; whole or not at all.

    Args:
        source: where they are.
        target: where they shall be.
        what: what is made, for messages.

    Raises:
        LedgerError: there is something already, or it cannot be written.
    """
    if target.path is None:
        _fill(source, target)
        return
    draft = target.path.with_name(f"{target.path.name}.{token_hex(4)}")
    try:
        if target.path.exists():
            raise FileExistsError(EEXIST, "it is there already")
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))  # it holds kept releases
        _fill(source, Store(draft))
        os.link(draft, target.path)
        sync_folder(target.path.parent)
    except OSError as error:
        raise LedgerError(
            f"{what} at {target.name!r} was asked for", f"a new file in a folder that exists ({error.strerror})"
        ) from None
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _fill(source: Store, target: Store) -> None:
    with source.reading() as reader, target.writing() as writer:
        if not target.make_tables(writer):
            raise LedgerError(f"a copy into {target.name!r} was asked for", "a place without a ledger")
        for body, mac in source.population(reader):
            target.write_population(writer, body, mac)
        for row in source.rows(reader):
            target.append(writer, row)
        for sequence, body, mac in source.kept(reader):
            target.keep(writer, sequence, body, mac)


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
