"""A recipe to fill in: what the look suggests, with everything that the owner has to declare left blank."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unseen.cli.column import Column

__all__ = ["proposal"]

BLANKS = {
    "number": "{ range = [] }       # declare [least, greatest]",
    "code": "{ digits = 0 }       # declare how many",
    "category": "{ categories = [] }  # declare every value",
}


def proposal(file: str, columns: Sequence[Column], unit: str | None) -> str:
    """TOML that becomes a recipe's first half once its blanks are filled.

    Args:
        file: the data's path.
        columns: as looked at.
        unit: the column that names the person; None where each row is one.
    """
    declared = [column for column in columns if column.kind in BLANKS and column.role != "identifier"]
    left = [column.name for column in columns if column not in declared and column.name != unit]
    lines = ["[data]", f"source = {_text(file)}", "", "[schema]"]
    lines.append(f"unit = {_text(unit)}" if unit else 'unit = ""  # declare: "row" if every row is another person')
    for role, key in (("quasi-identifier", "quasi_identifiers"), ("sensitive", "sensitive")):
        lines.append(f"{key} = [{', '.join(_text(c.name) for c in declared if c.role == role)}]")
    lines += ["", "[schema.columns]"]
    lines += [f"{_key(column.name)} = {BLANKS[column.kind]}" for column in declared]
    if left:
        more = f" and {len(left) - 20} more" if len(left) > 20 else ""
        lines.append(f"# left out, never leaves: {', '.join(map(_key, left[:20]))}{more}")
    return "\n".join(lines) + "\n"


def _text(value: str | None) -> str:
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _text(name)
