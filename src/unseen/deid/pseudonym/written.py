"""Operations as a TOML file names them."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from unseen.core.errors import InvalidRequest, shown
from unseen.deid.hierarchies.written import written
from unseen.deid.pseudonym.dates import DateShift
from unseen.deid.pseudonym.encrypt import Encrypt
from unseen.deid.pseudonym.formats import FormatPreserving
from unseen.deid.pseudonym.mask import Drop, FreeText, GeneralizeTo, Keep, Mask, Redact, Truncate
from unseen.deid.pseudonym.operation import Operation
from unseen.deid.pseudonym.surrogate import Surrogate
from unseen.deid.pseudonym.token import Token

__all__ = ["OPERATIONS", "operation"]

OPERATIONS: dict[str, type[Operation]] = {
    "token": Token,
    "encrypt": Encrypt,
    "format": FormatPreserving,
    "surrogate": Surrogate,
    "shift": DateShift,
    "mask": Mask,
    "redact": Redact,
    "truncate": Truncate,
    "generalize": GeneralizeTo,
    "text": FreeText,
    "keep": Keep,
    "drop": Drop,
}


def operation(told: Any, folder: str | Path, name: str) -> Operation:
    """The operation that an entry stands for.

    Args:
        told: its name, or a table with ``operation`` and its arguments. ``generalize`` takes ``level`` and one of
            what ``unseen.deid.hierarchies.written`` reads, such as ``prefixes = 5``.
        folder: where a hierarchy's file lies.
        name: the column or entity, for messages.

    Raises:
        InvalidRequest: no such operation, or arguments that it does not take.
    """
    table = {"operation": told} if isinstance(told, str) else told
    if not isinstance(table, Mapping) or not isinstance(table.get("operation"), str):
        raise InvalidRequest(
            f"{name!r} was given as {told!r}", "an operation's name, or a table", '{operation = "token"}'
        )
    given = {key: value for key, value in table.items() if key != "operation"}
    kind = OPERATIONS.get(table["operation"])
    if kind is None:
        raise InvalidRequest(f"{name!r} was given the operation {table['operation']!r}", f"{shown(OPERATIONS, 20)}")
    if kind is GeneralizeTo:
        level: Any = given.pop("level", None)
        return GeneralizeTo(written(given, name, lambda path: Path(folder) / path), level)
    known = [one.name for one in fields(kind)]
    stray = [key for key in given if key not in known]
    if stray:
        raise InvalidRequest(
            f"{name!r} was given {shown(stray)}", f"{table['operation']} takes {shown(known) or 'none'}"
        )
    if kind is Truncate and "length" not in given:
        raise InvalidRequest(f"{name!r} was to be truncated", "how many signs stay", "length = 3")
    return kind(**given)
