"""What the guards of tables have in common: whose table they take, and that its rows lose their order."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from unseen.core.dataset import Dataset
from unseen.core.errors import InvalidRequest, shown
from unseen.core.guarantee import Guarantee, Nothing
from unseen.core.guard import Guard
from unseen.deid.table import table_of

__all__ = ["TableGuard", "belong"]

SEEDED = Nothing("seeded: whoever knows the seed can put the rows back in their order")


class TableGuard(Guard[Any]):
    """A guard that releases a table: of a dataset its declared columns, of the caller's own frame all."""

    def accept(self, data: Any) -> Dataset:
        """The dataset itself, or the caller's own table with all its columns."""
        return table_of(data)

    def unless_seeded(self, guarantee: Guarantee) -> Guarantee:
        """What is promised where nobody can know the order of the rows."""
        return guarantee if self.seed is None else SEEDED


def belong(hierarchies: Iterable[str], columns: Sequence[str], what: str = "quasi-identifiers are") -> None:
    """Refuse hierarchies of other columns.

    Raises:
        InvalidRequest: naming them.
    """
    stray = [name for name in hierarchies if name not in columns]
    if stray:
        raise InvalidRequest(f"hierarchies for {shown(stray)} were given", f"{what} {shown(columns)}")
