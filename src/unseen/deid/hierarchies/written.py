"""Hierarchies as a TOML file writes them."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from unseen.core.errors import DataFault, InvalidRequest, shown
from unseen.core.schema import Domain, Range
from unseen.deid.hierarchies.dates import DateStep
from unseen.deid.hierarchies.hierarchy import Hierarchy

__all__ = ["WAYS", "read_all", "written"]

WAYS = ("file", "widths", "prefixes", "dates", "flat", "taxonomy", "top", "bottom")
"""What a hierarchy is written by; ``low`` and ``high`` go with widths and tails, ``steps`` with dates."""

BESIDE = {
    "widths": ("low", "high", "top", "bottom"),
    "top": ("low", "high", "bottom", "widths"),
    "bottom": ("low", "high", "top", "widths"),
    "dates": ("steps",),
}
"""What may stand beside it."""


def written(told: Any, name: str, at: Callable[[str], Path], domain: Domain | None = None) -> Hierarchy:
    """One column's hierarchy.

    Args:
        told: the path of a file as ARX writes it, or a table: ``{file = "age.csv"}``; ``{widths = [5, 10], low = 0,
            high = 99}``, with ``top = 90`` or ``bottom`` for a tail that is told as one; ``{prefixes = 5}``;
            ``{dates = ["1900-01-01", "2029-12-31"], steps = ["month", "year"]}``; ``{flat = ["f", "m"]}``;
            ``{taxonomy = {nurse = ["care"]}}``.
        name: the column, for messages.
        at: from a path as it was written to the file.
        domain: the column's, which says ``low`` and ``high`` where it is a range.

    Raises:
        InvalidRequest: it is none of these, or does not fit.
        DataFault: a file cannot be read.
    """
    if isinstance(told, str):
        return Hierarchy.read(at(told))
    ways = [way for way in WAYS if way in told] if isinstance(told, Mapping) else []
    stray = [] if not ways else [key for key in told if key != ways[0] and key not in BESIDE.get(ways[0], ())]
    if not ways:
        raise InvalidRequest(
            f"the hierarchy of {name!r} was given as {told!r}", f"a file, or a table with one of {shown(WAYS)}",
            "{prefixes = 5}",
        )  # fmt: skip
    if stray:
        beside = shown(BESIDE.get(ways[0], ()))
        raise InvalidRequest(
            f"the hierarchy of {name!r} has {shown(stray)} beside {ways[0]}",
            f"one of {shown(WAYS)}" + f", and beside {ways[0]} {beside}" * bool(beside),
        )
    value = told[ways[0]]
    match ways[0]:
        case "file":
            return Hierarchy.read(at(str(value)))
        case "prefixes":
            return Hierarchy.prefixes(value)
        case "flat":
            return Hierarchy.flat(value)
        case "taxonomy":
            return Hierarchy.taxonomy(value)
        case "dates":
            return _dates(value, told.get("steps"), name)
    low, high = _ends(ways[0], told, name, domain)
    if "top" in told or "bottom" in told:
        return Hierarchy.coded(low, high, told.get("bottom"), told.get("top"), told.get("widths", ()))
    return Hierarchy.intervals(low, high, value)


def read_all(path: str | Path) -> dict[str, Hierarchy]:
    """A TOML file with a table for each column, as ``written`` reads it; paths in it begin where it lies.

    Raises:
        DataFault: it cannot be read.
        InvalidRequest: an entry is no hierarchy.
    """
    file = Path(path)
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataFault(
            f"the hierarchies in {str(path)!r} could not be read ({type(error).__name__})",
            "a TOML file with a table for each column",
        ) from None
    return {name: written(told, name, lambda one: file.parent / one) for name, told in tables.items()}


def _dates(value: Any, steps: Any, name: str) -> Hierarchy:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
        raise InvalidRequest(f"dates={value!r} of {name!r} was given", "the first and the last day that there may be")
    known = {step.name.lower(): step for step in DateStep}
    chosen = [*known] if steps is None else steps
    if not isinstance(chosen, list) or any(step not in known for step in chosen):
        raise InvalidRequest(f"steps={steps!r} of {name!r} was given", f"a list of {shown(known)}")
    return Hierarchy.dates(value[0], value[1], [known[step] for step in chosen])


def _ends(way: str, told: Mapping[str, Any], name: str, domain: Domain | None) -> tuple[float, float]:
    if "low" in told and "high" in told:
        return told["low"], told["high"]
    if isinstance(domain, Range) and "low" not in told and "high" not in told:
        low, high = domain.to_dict()["range"]
        return low, high
    raise InvalidRequest(
        f"{way} of {name!r} was given without both ends",
        "the least and the greatest value, here or in a declared range",
        "{widths = [5, 10], low = 0, high = 99}",
    )
