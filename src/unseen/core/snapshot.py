"""Reads a source into a private DuckDB table in which every value lies in its declared domain."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import csv
import glob
import mmap
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unseen.core.engine import connect
from unseen.core.errors import DataFault, InvalidRequest, InvalidSchema, shown
from unseen.core.schema import Categorical, Digits, Domain, EachRow, Range, Schema

if TYPE_CHECKING:
    import duckdb

__all__ = ["ROWS", "UNIT", "UNIT_NAME", "literal", "native_kind", "quoted", "snapshot", "source_relation"]

ROWS = "rows"
MOST_COLUMNS = 1_000
UNIT = "unit of privacy"
UNIT_NAME = "name of the unit"
PLACE = "place of the row"
NUMERIC = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "UHUGEINT",
    "FLOAT",
    "DOUBLE",
    "DECIMAL",
    "BOOLEAN",
    '"NULL"',  # a column without any value
)


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def snapshot(source: Any, schema: Schema) -> duckdb.DuckDBPyConnection:
    """Read a source into the table ``ROWS`` of a new in-memory database.

    The table has the declared columns, every value in its domain, ``UNIT_NAME``, the unit as text, and ``UNIT``,
    an integer code of it. Rows keep the source's order. Rows without a unit count as one unit.

    Raises:
        DataFault: the source cannot be read, or a declared column is absent or of an unusable type.
        InvalidSchema: a column has a name that is taken.
    """
    import duckdb

    if len(schema.columns) > MOST_COLUMNS:
        raise InvalidSchema(
            f"{len(schema.columns):,} columns were declared", f"at most {MOST_COLUMNS:,} columns that are used"
        )
    taken = {UNIT, UNIT_NAME, PLACE} & {name.lower() for name in schema.columns}
    if taken:
        raise InvalidSchema(f"a column named {shown(taken)} was declared", "any other name")

    connection = connect()
    relation = source_relation(connection, source)
    if len({name.lower() for name in relation.columns}) < len(relation.columns):
        raise DataFault("columns with one name were given", "a name for each column, whatever its case")
    stored = dict(zip(relation.columns, map(str, relation.types), strict=True))
    wanted = list(schema.columns) + ([schema.unit] if isinstance(schema.unit, str) else [])
    absent = [name for name in wanted if name not in stored]
    if absent:
        each = "un.EachRow() where every row is another person" if schema.unit == "row" else ""
        raise DataFault(f"{shown(absent)} was declared", f"the data have {shown(stored)}", each)
    text = _is_csv(source)
    columns = [
        f"{_cleaned(name, domain, stored[name], text)} AS {quoted(name)}" for name, domain in schema.columns.items()
    ]
    unit = "NULL" if isinstance(schema.unit, EachRow) else f"CAST({quoted(schema.unit)} AS VARCHAR)"
    relation.create_view("source", replace=True)
    try:
        connection.execute(
            f"CREATE TABLE raw AS SELECT {', '.join([*columns, f'{unit} AS {quoted(UNIT_NAME)}'])} FROM source"
        )
    except duckdb.Error as error:
        raise DataFault(
            f"the data could not be read ({type(error).__name__})",
            "a table whose declared columns can be read",
        ) from None
    place = quoted(PLACE)
    rank = place if isinstance(schema.unit, EachRow) else f"dense_rank() OVER (ORDER BY {quoted(UNIT_NAME)})"
    connection.execute(
        f"CREATE TABLE {ROWS} AS SELECT * EXCLUDE ({place}), {rank} AS {quoted(UNIT)} "
        f"FROM (SELECT *, row_number() OVER () AS {place} FROM raw) ORDER BY {place}"
    )
    connection.execute("DROP TABLE raw")
    connection.execute("DROP VIEW source")
    return connection


def native_kind(source: Any) -> str:
    """The kind of dataframe that a source is, so that a released table can be of the same kind."""
    import narwhals as nw

    try:
        frame = nw.from_native(source, pass_through=True)
    except Exception:  # names twice; `source_relation` tells it
        return "pyarrow"
    return frame.implementation.value if isinstance(frame, (nw.DataFrame, nw.LazyFrame)) else "pyarrow"


def _is_csv(source: Any) -> bool:
    return isinstance(source, (str, Path)) and Path(source).suffix.lower() in (".csv", ".tsv", ".txt")


def source_relation(connection: duckdb.DuckDBPyConnection, source: Any) -> duckdb.DuckDBPyRelation:
    """The source as a DuckDB relation; a csv file is read as text, so that its types do not depend on its values.

    Raises:
        DataFault: it cannot be read.
        InvalidRequest: it is of a kind that unseen does not read.
    """
    import duckdb

    kinds = "a path to a .csv or .parquet file, a dataframe, or a DuckDB relation"
    if isinstance(source, (str, Path)):
        path = Path(source)
        if not path.is_file():
            raise DataFault(f"no file at {str(source)!r}", kinds)
        try:
            if _is_csv(path):
                return _csv(connection, path)
            if path.suffix.lower() in (".parquet", ".pq"):
                return connection.read_parquet(glob.escape(str(path)), hive_partitioning=False)
        except (duckdb.Error, OSError, UnicodeError, csv.Error) as error:
            raise DataFault(
                f"{path.name!r} could not be read ({type(error).__name__})",
                "a well-formed table with a header",
            ) from None
        raise DataFault(f"{path.name!r} was given", kinds)
    if isinstance(source, duckdb.DuckDBPyRelation):
        return connection.from_arrow(_arrow(source))
    import narwhals as nw

    try:
        frame = nw.from_native(source)
    except TypeError:
        raise InvalidRequest(f"a source of type {type(source).__name__!r} was given", kinds) from None
    except Exception as error:
        raise DataFault(f"the dataframe could not be read ({type(error).__name__})", "distinct names") from None
    try:
        collected = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
        return connection.from_arrow(collected.to_arrow())
    except Exception as error:  # a frame's engine may raise anything, and its text may show values
        raise DataFault(
            f"the dataframe could not be read ({type(error).__name__})",
            "columns of one type each, with distinct names",
        ) from None


def _csv(connection: duckdb.DuckDBPyConnection, path: Path) -> duckdb.DuckDBPyRelation:
    """A csv file by the letter of RFC 4180: its header alone says what divides cells, and no row is guessed from."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        header = file.readline()
        mark = max(",;\t|", key=header.count)
        file.seek(0)
        names = next(csv.reader(file, delimiter=mark, strict=True), [])
    if not names:
        raise DataFault(f"{path.name!r} is empty", "a header, and rows below it")
    if "" in names:
        raise DataFault(
            f"column {names.index('') + 1} of {path.name!r} has no name",
            "a header that names each column; pandas leaves its index without one: to_csv(index=False)",
        )
    if problem := _misquoted(path, mark):
        raise DataFault(f"{path.name!r} has {problem}", "quotation marks around whole cells, two for one within")
    if len({name.lower() for name in names}) < len(names):
        raise DataFault(f"{path.name!r} was given", "a header that names each column once, whatever its case")
    found = connection.read_csv(
        glob.escape(str(path)),
        columns=dict.fromkeys(names, "VARCHAR"),
        header=True,
        auto_detect=False,
        delimiter=mark,
        quotechar='"',
        escapechar='"',
        parallel=False,
        hive_partitioning=False,
    )
    return connection.from_arrow(_arrow(found))  # read here as text: a cast pushed into the reader would be a hard one


def _misquoted(path: Path, mark: str) -> str:
    """A quotation mark of which DuckDB would lose or merge rows without a word, and its line; empty if there is none.

    It leaves out what follows a mark that is never closed, takes one after a space for one that opens a cell, and goes
    on within a cell that seemed to be closed.
    """
    ends = rb"\r\n" + re.escape(mark.encode())
    cells = re.compile(rb"(?:\A(?:\xef\xbb\xbf)?|[" + ends + rb'])( ?)"((?:[^"]++|"")*+)("?)([^' + ends + rb"]?)")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content.find(b'"') < 0:
            return ""
        for cell in cells.finditer(content):
            problem = (
                "that is never closed"
                if not cell[3]
                else "after which a cell goes on"
                if cell[4]
                else "after a space, around a cell of several lines"
                if cell[1] and b"\n" in cell[2]
                else ""
            )
            if problem:
                line = 1 + len(re.findall(rb"\n", content[: cell.start() + 1]))
                return f"in line {line:,} a quotation mark {problem}"
    return ""


def _arrow(relation: duckdb.DuckDBPyRelation) -> Any:
    found = relation.arrow()
    return found.read_all() if hasattr(found, "read_all") else found


def _cleaned(name: str, domain: Domain, stored: str, text: bool) -> str:
    column = quoted(name)
    if isinstance(domain, Range):
        if not text and (not stored.startswith(NUMERIC) or stored.endswith("]")):
            raise DataFault(
                f"column {name!r} was declared as Range",
                f"numbers; it is stored as {stored}",
                "un.Categorical(...)",
            )
        value = f"TRY_CAST({column} AS DOUBLE)"
        return (
            f"CASE WHEN {value} IS NULL OR isnan({value}) THEN {domain.missing!r}::DOUBLE "
            f"ELSE greatest({domain.low!r}::DOUBLE, least({domain.high!r}::DOUBLE, {value})) END"
        )
    plain = f"CAST({column} AS VARCHAR)"
    number = (
        f"TRY_CAST({column} AS DOUBLE)"
        if text or (stored.startswith(NUMERIC) and stored != "BOOLEAN")
        else "NULL::DOUBLE"
    )
    is_integral = f"{number} = floor({number}) AND abs({number}) < 1e15"
    integral = f"CASE WHEN {is_integral} THEN CAST(CAST({number} AS BIGINT) AS VARCHAR) END"
    if isinstance(domain, Categorical):
        listed = ", ".join(map(literal, domain.values))
        return (
            f"CASE WHEN {plain} IN ({listed}) THEN {plain} WHEN {integral} IN ({listed}) THEN {integral} "
            f"ELSE {literal(domain.other)} END"
        )
    if isinstance(domain, Digits):
        code = f"coalesce({integral}, {plain})" if stored.startswith(NUMERIC) else plain
        return (
            f"CASE WHEN regexp_full_match({code}, '[0-9]{{1,{domain.length}}}') "
            f"THEN lpad({code}, {domain.length}, '0') ELSE {literal(str(domain.missing))} END"
        )
    raise InvalidSchema(f"column {name!r} was declared as {domain!r}", "a domain that unseen knows")
