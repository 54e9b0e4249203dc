"""What the first look finds of one column."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Column"]


@dataclass(frozen=True)
class Column:
    """One column: what it holds and what to declare of it.

    Args:
        name: of the column.
        kind: number, category, code, date, text or empty.
        distinct: how many different values.
        missing: how many values are missing.
        identifies: sentences on what it tells of whom.
        role: identifier, quasi-identifier, sensitive or plain.
        declare: what the owner has to declare of it.
    """

    name: str
    kind: str
    distinct: int
    missing: int
    identifies: tuple[str, ...]
    role: str
    declare: str
