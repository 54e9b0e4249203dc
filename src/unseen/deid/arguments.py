"""What guards of tables are given: names of columns, and hierarchies by column."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Mapping, Sequence

from unseen.core.errors import InvalidRequest
from unseen.deid.hierarchies.hierarchy import Hierarchy

__all__ = ["column_names", "hierarchies_by_column"]


def column_names(names: Sequence[str]) -> tuple[str, ...]:
    """Quasi-identifiers as they were given.

    Raises:
        InvalidRequest: none, or not a list of names, each once.
    """
    if isinstance(names, str) or not isinstance(names, Sequence):
        raise InvalidRequest(f"quasi_identifiers={names!r} was given", "a list of columns", f"[{names!r}]")
    if not names:
        raise InvalidRequest(
            "k-anonymity without quasi-identifiers was asked for",
            "the columns that an adversary may know, here or in the schema",
            'quasi_identifiers=["age", "zip"]',
        )
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise InvalidRequest(f"quasi_identifiers={list(names)!r} was given", "names of columns, each once")
    return tuple(names)


def hierarchies_by_column(hierarchies: Mapping[str, Hierarchy] | None) -> dict[str, Hierarchy]:
    """Hierarchies as they were given; none of None.

    Raises:
        InvalidRequest: not a mapping, or not of hierarchies.
    """
    if hierarchies is None:
        return {}
    if not isinstance(hierarchies, Mapping):
        raise InvalidRequest(
            f"hierarchies of type {type(hierarchies).__name__} were given",
            "a mapping from column to Hierarchy",
            'hierarchies={"zip": un.deid.Hierarchy.prefixes(5)}',
        )
    for name, hierarchy in hierarchies.items():
        if not isinstance(hierarchy, Hierarchy):
            raise InvalidRequest(
                f"the hierarchy {hierarchy!r} was given for {name!r}",
                "an un.deid.Hierarchy",
                "un.deid.Hierarchy.read(csv)",
            )
    return dict(hierarchies)
