"""Hierarchies as a recipe writes them."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from unseen import datasets
from unseen.core.errors import InvalidRequest
from unseen.core.schema import Range, Schema
from unseen.recipe.document import Part
from unseen.recipe.keys import NUMBERS, TABLE, TEXT, WHOLE, Keys, either

if TYPE_CHECKING:
    from unseen.deid import Hierarchy

__all__ = ["HIERARCHIES", "hierarchies", "hierarchy"]

HIERARCHIES = either(TEXT, TABLE)
BUNDLED = datasets.PREFIX + "adult"
WAYS = ("widths", "prefixes", "parents")


def hierarchies(given: Any, names: Sequence[str], part: Part, schema: Schema) -> dict[str, Hierarchy] | None:
    """The hierarchies of columns.

    Args:
        given: ``"dataset:adult"``, for those that come with that data, or for each column what ``hierarchy`` reads;
            None for what follows from the declared domains.
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
    return {name: hierarchy(name, value, part, schema) for name, value in given.items()}


def hierarchy(name: str, value: Any, part: Part, schema: Schema) -> Hierarchy:
    """One column's hierarchy.

    Args:
        name: the column.
        value: the path of a file as ARX writes it, ``{widths = [5, 10]}``, ``{prefixes = 5}`` or
            ``{parents = {nurse = ["health"]}}``.
        part: the entry.
        schema: the recipe's; widths need the column's range.

    Raises:
        InvalidRequest: it is none of these.
    """
    from unseen.deid import Hierarchy

    if isinstance(value, str):
        return Hierarchy.read(part.path(value))
    keys = Keys(part.keys.file, f"{part.keys.where} hierarchies {name}", value, WAYS)
    if len(keys.table) != 1:
        raise keys.fault(f"{len(keys.table)} ways were given", "one of a path, {widths}, {prefixes}, {parents}")
    with keys.faults():
        if "prefixes" in keys.table:
            return Hierarchy.prefixes(keys.take("prefixes", WHOLE))
        if "parents" in keys.table:
            return Hierarchy.taxonomy(keys.take("parents", TABLE))
        low, high = schema.domain(name, Range, "a hierarchy of widths").to_dict()["range"]
        return Hierarchy.intervals(low, high, keys.take("widths", NUMBERS))
