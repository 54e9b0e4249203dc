"""The columns that an anonymised table keeps as they are: whether they say who a person is."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from unseen.core.errors import InvalidRequest, shown

if TYPE_CHECKING:
    import narwhals as nw

__all__ = ["decided"]

ROWS = 1_000
"""Rows that are looked at, drawn by chance."""


def decided(frame: nw.DataFrame[Any], kept: Sequence[str], by_hand: Sequence[str]) -> list[str]:
    """Refuse columns that seem to identify or to be texts, unless the owner said that they stay.

    Args:
        frame: the table.
        kept: columns that stay as they are.
        by_hand: those of which the owner said so.

    Returns:
        those of the others that somebody may know of a person, and that nothing protects.

    Raises:
        InvalidRequest: naming the columns.
    """
    from unseen.core.noise.entropy import Entropy
    from unseen.deid import Suggestion, scan

    open_ = [name for name in kept if name not in by_hand]
    if not open_ or not len(frame):
        return []
    rows = Entropy().permutation(len(frame))[:ROWS]
    columns = scan(frame.select(open_)[rows, :]).columns
    telling = [one.name for one in columns if one.suggestion in (Suggestion.DIRECT, Suggestion.TEXT)]
    if telling:
        raise InvalidRequest(
            f"{shown(telling)} would stay as they are, and seem to say who a person is, or to be texts that may",
            "a decision on each: --drop leaves it out, --keep keeps it",
            f"--drop {','.join(telling)}",
        )
    return [one.name for one in columns if one.suggestion is Suggestion.QUASI]
