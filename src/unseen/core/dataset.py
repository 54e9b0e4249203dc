"""A table that stays with its owner: its schema, its snapshot in DuckDB, its ledger."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unseen.core.errors import DataFault, InvalidRequest, InvalidSchema, shown
from unseen.core.guarantee import Neighbours, number
from unseen.core.ledger import Ledger
from unseen.core.noise.entropy import Entropy
from unseen.core.schema import Categorical, Digits, Domain, EachRow, Range, Schema

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

__all__ = ["Dataset", "quoted", "source_relation"]

UNIT = "unit of privacy"
UNIT_NAME = "name of the unit"
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
)


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


class Dataset:
    """A table that stays with its owner. Made by ``un.protect``; guards take it, nothing prints its rows.

    Args:
        source: a path to csv or parquet, a dataframe that narwhals knows, or a DuckDB relation.
        schema: the owner's declaration.
        ledger: what releases are charged to; None if they are not charged.
        neighbours: the neighbouring relation.
        salt: fixes which rows of a unit are kept where it has more than ``max_rows_per_unit``.

    At once, and never again, the source is read into a snapshot in which every value lies in its declared
    domain (clamped, replaced by ``other`` or ``missing``) and columns that are not declared are absent.
    Of each unit a choice of at most ``max_rows_per_unit`` rows, by salted hash of the unit's own rows, is what
    priced guards see: adding or removing one unit changes no other unit's rows.

    Raises:
        DataFault: the source cannot be read or lacks a declared column; only the owner sees this.
    """

    def __init__(
        self,
        source: Any,
        schema: Schema,
        ledger: Ledger | None = None,
        neighbours: Neighbours = Neighbours.ADD_REMOVE,
        salt: bytes | None = None,
    ) -> None:
        self.schema, self.ledger, self.neighbours = schema, ledger, neighbours
        self.salt = salt
        self._rows, self._kept = "rows", "kept"
        self._connection = _snapshot(source, schema)
        self._bounded = False

    def __repr__(self) -> str:
        columns = ", ".join(
            f"{name}: {type(domain).__name__}" for name, domain in self.schema.columns.items()
        )
        return (
            f"<Dataset of {self.schema.unit_name}s: {columns or 'no columns'}; {self.ledger or 'no ledger'}>"
        )

    def __reduce__(self) -> Any:
        raise InvalidRequest(
            "pickling a Dataset was asked for", "data stay in the owner's process; save a release instead"
        )

    def table(self, *, bounded: bool) -> str:
        """The name of a table in ``connection``: all rows, or those that priced guards may see.

        Its columns are the declared ones and ``UNIT``, an integer code of the unit. Range columns are DOUBLE,
        all others VARCHAR; nothing is NULL.
        """
        if not bounded or isinstance(self.schema.unit, EachRow):
            return quoted(self._rows)
        if not self._bounded:
            self._choose_rows()
        return quoted(self._kept)

    def _choose_rows(self) -> None:
        salt = self.salt if self.salt is not None else os.urandom(16)
        content = " || ".join(_hashed(quoted(name)) for name in self.schema.columns) or "''"
        self._connection.execute(
            f"CREATE TABLE {quoted(self._kept)} AS SELECT * FROM {quoted(self._rows)} QUALIFY row_number() OVER "
            f"(PARTITION BY {quoted(UNIT)} ORDER BY sha256({literal(salt.hex())} || {content})) <= {self.schema.max_rows_per_unit}"
        )
        self._bounded = True

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The snapshot's own DuckDB connection; for guards."""
        return self._connection

    def arrays(self, columns: Sequence[str], *, bounded: bool) -> dict[str, NDArray[Any]]:
        """Columns as arrays of shape (rows,): float64 for Range, object arrays of texts for others."""
        names = [*self.schema.known(columns), UNIT]
        found = self._connection.execute(
            f"SELECT {', '.join(map(quoted, names))} FROM {self.table(bounded=bounded)}"
        ).fetchnumpy()
        return {name: _filled(found[name]) for name in names}

    def fingerprint(self, key: bytes) -> str:
        """HMAC-SHA256 of schema and snapshot under the owner's key; the same for any order of rows."""
        content = " || ".join(_hashed(quoted(name)) for name in self.schema.columns) or "''"
        unit = "" if isinstance(self.schema.unit, EachRow) else f"{_hashed(quoted(UNIT_NAME))} || "
        digest = hmac.new(key, repr(self.schema.to_dict()).encode(), hashlib.sha256)
        cursor = self._connection.execute(
            f"SELECT sha256({unit}{content}) AS h FROM {quoted(self._rows)} ORDER BY h"
        )
        while batch := cursor.fetchmany(65536):
            digest.update("".join(row[0] for row in batch).encode())
        return digest.hexdigest()

    def split(self, share: float, seed: int | None = None) -> tuple[Dataset, Dataset]:
        """Divide the units by independent secret coins: each is in the first part with probability ``share``.

        Both parts stay bound to this dataset's ledger. Adding or removing a unit changes one part, by that unit.
        """
        import pyarrow as pa

        chance = number("share", share, 0, 1)
        codes = self._connection.execute(
            f"SELECT DISTINCT {quoted(UNIT)} AS u FROM {quoted(self._rows)} ORDER BY u"
        ).fetchnumpy()["u"]
        inside = Entropy(seed).coins(len(codes), chance)
        parts = []
        for chosen in (codes[inside], codes[~inside]):
            units = pa.table({"u": pa.array(chosen, pa.int64())})
            part = Dataset.__new__(Dataset)
            part.schema, part.ledger, part.neighbours, part.salt = (
                self.schema,
                self.ledger,
                self.neighbours,
                self.salt,
            )
            part._connection, part._bounded = self._connection.cursor(), False
            name = os.urandom(8).hex()
            part._rows, part._kept = f"rows {name}", f"kept {name}"
            part._connection.register("chosen", units)
            part._connection.execute(
                f"CREATE TABLE {quoted(part._rows)} AS SELECT * FROM {quoted(self._rows)} WHERE {quoted(UNIT)} IN (SELECT u FROM chosen)"
            )
            part._connection.unregister("chosen")
            parts.append(part)
        return parts[0], parts[1]


def _filled(values: Any) -> NDArray[Any]:
    return values.filled() if hasattr(values, "filled") else values  # type: ignore[no-any-return]


def _hashed(expression: str) -> str:
    return f"sha256(CASE WHEN {expression} IS NULL THEN 'n' ELSE 'v' || CAST({expression} AS VARCHAR) END)"


def _snapshot(source: Any, schema: Schema) -> duckdb.DuckDBPyConnection:
    import duckdb

    connection = duckdb.connect(
        ":memory:", config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    )
    relation = source_relation(connection, source)
    stored = dict(zip(relation.columns, map(str, relation.types), strict=True))
    wanted = list(schema.columns) + ([schema.unit] if isinstance(schema.unit, str) else [])
    absent = [name for name in wanted if name not in stored]
    if absent:
        raise DataFault(f"{shown(absent)} was declared", f"the data have {shown(stored)}")
    text = _is_csv(source)
    columns = [
        f"{_cleaned(name, domain, stored[name], text)} AS {quoted(name)}"
        for name, domain in schema.columns.items()
    ]
    unit = (
        "NULL" if isinstance(schema.unit, EachRow) else f"CAST({quoted(schema.unit)} AS VARCHAR)"
    ) + f" AS {quoted(UNIT_NAME)}"
    relation.create_view("source", replace=True)
    try:
        connection.execute(f"CREATE TABLE raw AS SELECT {', '.join([*columns, unit])} FROM source")
    except duckdb.Error as error:
        raise DataFault(
            f"the data could not be read ({type(error).__name__})",
            "a table whose declared columns can be read",
        ) from None
    if isinstance(schema.unit, EachRow):
        connection.execute(f"CREATE TABLE rows AS SELECT *, row_number() OVER () AS {quoted(UNIT)} FROM raw")
    else:
        connection.execute(
            f"CREATE TABLE rows AS SELECT *, dense_rank() OVER (ORDER BY {quoted(UNIT_NAME)}) AS {quoted(UNIT)} FROM raw"
        )
    connection.execute("DROP TABLE raw")
    connection.execute("DROP VIEW source")
    return connection


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
                return connection.read_csv(str(path), all_varchar=True, header=True, parallel=False)
            if path.suffix.lower() in (".parquet", ".pq"):
                return connection.read_parquet(str(path))
        except duckdb.Error as error:
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
    try:
        collected = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
        return connection.from_arrow(collected.to_arrow())
    except Exception as error:  # a frame's engine may raise anything, and its text may show values
        raise DataFault(
            f"the dataframe could not be read ({type(error).__name__})",
            "columns of one type each, with distinct names",
        ) from None


def _arrow(relation: duckdb.DuckDBPyRelation) -> Any:
    found = relation.arrow()
    return found.read_all() if hasattr(found, "read_all") else found


def _cleaned(name: str, domain: Domain, stored: str, text: bool) -> str:
    column = quoted(name)
    if isinstance(domain, Range):
        if not text and not stored.startswith(NUMERIC):
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
    integral = f"CASE WHEN {number} = floor({number}) AND abs({number}) < 1e15 THEN CAST(CAST({number} AS BIGINT) AS VARCHAR) END"
    if isinstance(domain, Categorical):
        listed = ", ".join(map(literal, domain.values))
        return f"CASE WHEN {plain} IN ({listed}) THEN {plain} WHEN {integral} IN ({listed}) THEN {integral} ELSE {literal(domain.other)} END"
    if isinstance(domain, Digits):
        code = f"coalesce({integral}, {plain})" if stored.startswith(NUMERIC) else plain
        return (
            f"CASE WHEN regexp_full_match({code}, '[0-9]{{1,{domain.length}}}') "
            f"THEN lpad({code}, {domain.length}, '0') ELSE {literal(str(domain.missing))} END"
        )
    raise InvalidSchema(f"column {name!r} was declared as {domain!r}", "a domain that unseen knows")


def as_dataset(data: Any) -> Dataset:
    """A dataset as it is, or the caller's own table, uncharged, every row its own unit and no column declared."""
    return data if isinstance(data, Dataset) else Dataset(data, Schema(EachRow(), {}))
