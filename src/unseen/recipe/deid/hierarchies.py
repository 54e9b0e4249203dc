"""Hierarchies of a recipe."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from unseen import datasets
from unseen.core.errors import InvalidRequest
from unseen.core.schema import Schema
from unseen.recipe.document import Part
from unseen.recipe.keys import TABLE, TEXT, either

if TYPE_CHECKING:
    from unseen.deid import Hierarchy

__all__ = ["HIERARCHIES", "hierarchies", "hierarchy"]

HIERARCHIES = either(TEXT, TABLE)
BUNDLED = datasets.PREFIX + "adult"


def hierarchies(given: Any, names: Sequence[str], part: Part, schema: Schema) -> dict[str, Hierarchy] | None:
    """The hierarchies of columns.

    Args:
        given: ``"dataset:adult"``, for those that come with that data, or for each column what
            ``unseen.deid.hierarchies.written`` reads; None for what follows from the declared domains.
        names: the columns that need one.
        part: the entry.
        schema: the recipe's.

    Raises:
        InvalidRequest: it is neither, a file is not there, or a domain does not fit.
    """
    if given is None:
        return None
    if isinstance(given, str):
        from unseen.deid import Hierarchy

        if given != BUNDLED:
            raise InvalidRequest(f"hierarchies = {given!r} was given", f"a table of columns, or {BUNDLED}", BUNDLED)
        return {name: Hierarchy.read(datasets.stored(f"adult/adult_hierarchy_{name}.csv")) for name in names}
    return {name: hierarchy(name, told, part, schema) for name, told in given.items()}


def hierarchy(name: str, told: Any, part: Part, schema: Schema) -> Hierarchy:
    """One column's.

    Raises:
        InvalidRequest: it cannot be read, or does not fit the column.
    """
    from unseen.deid.hierarchies.written import written

    return written(told, name, part.path, schema.columns.get(name))
