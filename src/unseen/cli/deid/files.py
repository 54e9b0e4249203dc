"""Tables in and out of the commands: what is read, what is written whole or not at all, and the page beside it."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unseen.core.errors import DataFault, InvalidRequest, shown

if TYPE_CHECKING:
    import narwhals as nw

    from unseen.report.deid_page import DeidPage

__all__ = [
    "CSV",
    "TABLES",
    "interruptible",
    "known",
    "listed",
    "named",
    "page_at",
    "page_place",
    "read_table",
    "vacant",
    "write_table",
]

CSV = (".csv", ".tsv")
PARQUET = (".parquet", ".pq")
TABLES = "a .csv, .tsv or .parquet file, or dataset:NAME"


def listed(values: Sequence[str] | None) -> list[str]:
    """Columns as they are given: parted by commas, in double quotes where a name has one, the option repeated or not.

    >>> listed(['age,"a, b"', "zip"])
    ['age', 'a, b', 'zip']
    """
    names = [name for value in values or () for row in csv.reader([value]) for name in row]
    return list(dict.fromkeys(name.strip() for name in names if name.strip()))


def named(file: str) -> str:
    """What a page or message calls the table."""
    return Path(file.rpartition(":")[2] if file.startswith("dataset:") else file).stem


def read_table(file: str) -> nw.DataFrame[Any]:
    """A file, or a dataset that unseen has, as a frame in memory; a csv file's cells are texts.

    Raises:
        DataFault: it cannot be read.
        InvalidRequest: there is no such dataset.
    """
    from unseen import datasets
    from unseen.deid.table import OwnTable

    with interruptible():
        if file.startswith(datasets.PREFIX):
            return OwnTable(datasets.load(file)).frame
        if Path(file).suffix.lower() not in (*CSV, *PARQUET):
            raise DataFault(f"{Path(file).name!r} was given", TABLES)
        return OwnTable(file).frame


@contextmanager
def interruptible() -> Iterator[None]:
    """An interrupt during a query, which DuckDB tells as a RuntimeError, is an interrupt."""
    try:
        yield
    except RuntimeError as error:
        if "interrupted" not in str(error).lower():
            raise
        raise KeyboardInterrupt from None


def known(frame: nw.DataFrame[Any], names: Sequence[str], option: str) -> None:
    """Refuse columns that the table lacks."""
    absent = [name for name in names if name not in frame.columns]
    if absent:
        raise InvalidRequest(f"{option} {shown(absent)} was asked for", f"the table has {shown(frame.columns)}")


def vacant(path: Path, force: bool, *inputs: str | Path | None) -> None:
    """Refuse a place that cannot be written to, or where something is already; before any work is done.

    Args:
        path: of the new table.
        force: that a file there may be replaced.
        inputs: what is read or made besides, and never replaced.
    """
    if path.suffix.lower() not in (*CSV, *PARQUET):
        raise InvalidRequest(f"a table at {str(path)!r} was asked for", "a name that ends in .csv, .tsv or .parquet")
    if not path.parent.is_dir():
        raise InvalidRequest(f"a table at {str(path)!r} was asked for", "a folder that exists")
    if any(given is not None and _same(path, given) for given in inputs):
        raise InvalidRequest(
            f"a table at {str(path)!r} was asked for", "another file than those that are read or made besides"
        )
    if path.exists() and (not force or not path.is_file()):
        fits = "--force" if path.is_file() else ""
        raise InvalidRequest(f"a table at {str(path)!r} was asked for, where something is", "a path that is free", fits)


def _same(one: str | Path, other: str | Path) -> bool:
    """Whether two paths lead to one file, there or still to be made."""
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    with suppress(OSError):
        return os.path.samefile(one, other)
    return False


def write_table(table: Any, path: Path, force: bool, source: str, mode: int = 0o666) -> None:
    """Write a table whole or not at all, as its name says; a csv file with the mark that divides the source's cells.

    Args:
        table: an Arrow table or a dataframe.
        path: where.
        force: that a file there may be replaced.
        source: what it was made from.
        mode: permissions, less what the process takes away.

    Raises:
        InvalidRequest: it cannot be written there, or somebody else wrote it meanwhile.
    """
    import duckdb
    import narwhals as nw

    from unseen.core.engine import connect
    from unseen.core.snapshot import literal

    connection = connect()
    connection.from_arrow(nw.from_native(table, eager_only=True).to_arrow()).create_view("made")
    tab = path.suffix.lower() == ".tsv"
    how = f"FORMAT csv, HEADER, DELIMITER {literal(chr(9) if tab else _mark(source))}"
    if path.suffix.lower() in PARQUET:
        how = "FORMAT parquet"
    try:
        with interruptible(), _partial(path, force, mode) as place:
            connection.execute(f"COPY made TO {literal(str(place))} ({how}, USE_TMP_FILE false)")
    except (duckdb.Error, OSError) as error:
        raise InvalidRequest(
            f"a table at {str(path)!r} was asked for ({type(error).__name__})", "a path that can be written to"
        ) from None


@contextmanager
def _partial(path: Path, force: bool, mode: int) -> Iterator[Path]:
    place = path.with_name(f".{path.name[:80]}.{os.getpid()}.partial")
    os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
    try:
        yield place
        vacant(path, force)
        place.replace(path)
    finally:
        place.unlink(missing_ok=True)


def _mark(source: str) -> str:
    if Path(source).suffix.lower() not in CSV:
        return ","
    with open(source, newline="", encoding="utf-8-sig") as file:
        header = file.readline()
    return max(",;\t|", key=header.count)


def page_place(out: Path | None, name: str, *others: str | Path | None) -> Path:
    """Where the page goes; refused where it cannot be written, before any work is done.

    Args:
        out: its folder, which is made if need be; None for the working directory.
        name: of the page.
        others: what is read or made besides.
    """
    place = (Path() if out is None else out) / name
    there = next((one for one in (place.parent, *place.parent.parents) if os.path.lexists(one)), place)
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK) or place.is_dir():
        raise InvalidRequest(
            f"a page at {str(place)!r} was asked for", "a folder that can be written to", "--out FOLDER"
        )
    if any(other is not None and _same(place, other) for other in others):
        raise InvalidRequest(f"a page at {str(place)!r} was asked for", "another file than those that are read or made")
    return place


def page_at(page: DeidPage, place: Path) -> Path:
    """Write the page for its owner alone (mode 0600), into its folder, which is made if need be."""
    from unseen.core.ledger.keys import make_file
    from unseen.report.deid_page import render_deid

    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        make_file(place, render_deid(page).encode(), over=True)
    except OSError as error:
        raise InvalidRequest(f"a page at {str(place)!r} was asked for", f"a folder ({error.strerror})") from None
    return place
