"""Hierarchies from a folder, and texts of a csv file that are numbers."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unseen.core.errors import DataFault, InvalidRequest, shown

if TYPE_CHECKING:
    import narwhals as nw

    from unseen.deid import Hierarchy

__all__ = ["hierarchies_in", "needed", "of_numbers", "with_numbers"]

PLAIN = r"^-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,14})?$"
"""Numbers that lose nothing when they are read as such: a code with leading zeros is none."""


def hierarchies_in(folder: Path | None, columns: Sequence[str], name: str) -> dict[str, Hierarchy]:
    """The hierarchies of these columns, as NAME_hierarchy_COLUMN.csv or COLUMN.csv in a folder, or in a TOML file.

    Args:
        folder: where they lie, or the file; None for none.
        columns: the quasi-identifiers.
        name: the table's, which decides where several tables have a hierarchy of a column there.

    Raises:
        DataFault: no such folder, or a file that cannot be read.
        InvalidRequest: a file that holds no hierarchy, or several for one column.
    """
    from unseen.deid import Hierarchy
    from unseen.deid.hierarchies.written import read_all

    if folder is None:
        return {}
    if folder.is_file():
        return {column: one for column, one in read_all(folder).items() if column in columns}
    if not folder.is_dir():
        raise DataFault(f"no folder or file at {str(folder)!r}", "the folder of the hierarchies, or a TOML file")
    files = {one.name: one for one in sorted(folder.iterdir()) if one.suffix.lower() == ".csv"}
    found = {}
    for column in columns:
        own = [one for one in (f"{name}_hierarchy_{column}.csv", f"{column}.csv") if one in files]
        others = [one for one in files if one.endswith(f"_hierarchy_{column}.csv")]
        chosen = own[:1] or others
        if len(chosen) > 1:
            raise InvalidRequest(
                f"several hierarchies of {column!r} lie in {folder.name!r}: {shown(chosen)}",
                f"one, or one called {name}_hierarchy_{column}.csv",
            )
        if chosen:
            found[column] = Hierarchy.read(files[chosen[0]])
    return found


def needed(columns: Sequence[str], found: Sequence[str], folder: Path | None) -> None:
    """Refuse columns without a hierarchy, in the command's own words."""
    lacking = [name for name in columns if name not in found]
    if lacking:
        where = "given" if folder is None else f"found in {str(folder)!r}"
        raise InvalidRequest(
            f"no hierarchy of {shown(lacking)} was {where}",
            "for each quasi-identifier COLUMN.csv in a folder, as ARX writes it, or a line in a TOML file: "
            "age = { widths = [5, 10], low = 0, high = 120 }",
            "--hierarchies FOLDER" if folder is None else "",
        )


def of_numbers(hierarchies: Mapping[str, Hierarchy]) -> list[str]:
    """The columns whose hierarchy holds numbers alone: intervals, and tails."""
    from unseen.deid.hierarchies.coding import Coded
    from unseen.deid.hierarchies.ladder import Intervals

    return [name for name, one in hierarchies.items() if isinstance(one.ladder, (Coded, Intervals))]


def with_numbers(frame: nw.DataFrame[Any], columns: Sequence[str]) -> nw.DataFrame[Any]:
    """The table with those of these columns as numbers that hold nothing else."""
    import narwhals as nw

    made = []
    for name in columns:
        column = frame[name]
        if column.dtype != nw.String or not len(column.drop_nulls()):
            continue
        filled = column.drop_nulls()
        if bool(filled.str.contains(PLAIN).all()):
            whole = not bool(filled.str.contains(".", literal=True).any())
            made.append(column.cast(nw.Int64 if whole else nw.Float64))
    return frame.with_columns(*made) if made else frame
