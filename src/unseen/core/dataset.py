"""A table that stays with its owner: its schema, its snapshot in DuckDB, its ledger."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import hashlib
import hmac
import os
import threading
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from unseen.core.errors import InvalidRequest
from unseen.core.guarantee import Neighbours, number
from unseen.core.ledger import Ledger
from unseen.core.noise.entropy import Entropy
from unseen.core.schema import Categorical, EachRow, Schema
from unseen.core.snapshot import ROWS, UNIT, UNIT_NAME, literal, native_kind, quoted, snapshot

if TYPE_CHECKING:
    import duckdb
    from numpy.typing import NDArray

__all__ = ["Dataset", "as_dataset"]

MOST_PARTS = 200


class Dataset:
    """A table that stays with its owner. Made by ``un.protect``; guards take it, nothing prints its rows.

    Args:
        source: a path to csv or parquet, a dataframe that narwhals knows, or a DuckDB relation.
        schema: the owner's declaration.
        ledger: what releases are charged to; None if they are not charged.
        neighbours: the neighbouring relation.
        salt: without a ledger, fixes which rows of a unit are kept where it has more than ``max_rows_per_unit``.

    ``bound`` is the keyed fingerprint under which the ledger was bound to it; once it is bound to others, this charges
    nothing any more.
    ``part`` names the partition and the part of it that this dataset is; None if it is the whole.
    ``selection`` is a random name of a half that ``split`` gave; empty otherwise.
    ``native`` names the kind of dataframe that went in: "pandas", "polars", "pyarrow", …; "pyarrow" for files.

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
        self.schema, self.neighbours, self.salt = schema, neighbours, salt
        self.ledger: Ledger | None = None
        self.native = native_kind(source)
        self.part: tuple[str, str] | None = None
        self.selection = ""
        self._rows, self._kept = ROWS, "kept"
        self._connection = snapshot(source, schema)
        self._bounded, self._lock = False, threading.Lock()
        self.bound: str | None = None
        if ledger is not None:
            declared = replace(ledger.budget, unit=schema.unit_name, neighbours=neighbours)
            self.attach(ledger, ledger.bind(declared, self.fingerprint))

    def attach(self, ledger: Ledger, bound: str) -> None:
        """Charge a ledger from now on; which rows of a unit are kept follows from its key, the same each time.

        Args:
            ledger: the ledger.
            bound: what its ``bind`` gave for this dataset.
        """
        self.ledger, self.bound = ledger, bound
        self.salt = ledger.derive("which rows of a unit are kept")

    def __repr__(self) -> str:
        columns = ", ".join(f"{name}: {type(domain).__name__}" for name, domain in self.schema.columns.items())
        return f"<Dataset of {self.schema.unit_name}s: {columns or 'no columns'}; {self.ledger or 'no ledger'}>"

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
        with self._lock:
            if not self._bounded:
                self._choose_rows()
        return quoted(self._kept)

    def _choose_rows(self) -> None:
        salt = self.salt if self.salt is not None else os.urandom(16)
        order = f"sha256({literal(salt.hex())} || {self._content})"
        self._connection.execute(
            f"CREATE TABLE {quoted(self._kept)} AS SELECT * FROM {quoted(self._rows)} QUALIFY "
            f"row_number() OVER (PARTITION BY {quoted(UNIT)} ORDER BY {order}) <= {self.schema.max_rows_per_unit}"
        )
        self._bounded = True

    @property
    def _content(self) -> str:
        """SQL for a hash of a row's declared values, column by column, so that no two rows are confused."""
        hashes = ", ".join(_hashed(quoted(name)) for name in self.schema.columns)
        return f"concat({hashes})" if hashes else "''"  # not ||, which nests and meets the engine's depth limit

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """A connection to the snapshot, a new one each time: results on a shared one would mix between threads."""
        return self._connection.cursor()

    def arrays(self, columns: Sequence[str], *, bounded: bool) -> dict[str, NDArray[Any]]:
        """Columns as arrays of shape (rows,): float64 for Range, object arrays of texts for others."""
        names = [*self.schema.known(columns), UNIT]
        found = self.connection.execute(
            f"SELECT {', '.join(map(quoted, names))} FROM {self.table(bounded=bounded)}"
        ).fetchnumpy()
        return {name: _filled(found[name]) for name in names}

    def fingerprint(self, key: bytes) -> str:
        """HMAC-SHA256 of schema and snapshot under the owner's key; the same for any order of rows."""
        unit = "" if isinstance(self.schema.unit, EachRow) else f"{_hashed(quoted(UNIT_NAME))} || "
        digest = hmac.new(key, repr(self.schema.to_dict()).encode(), hashlib.sha256)
        cursor = self.connection.execute(
            f"SELECT sha256({unit}{self._content}) AS h FROM {quoted(self._rows)} ORDER BY h"
        )
        while batch := cursor.fetchmany(65536):
            digest.update("".join(row[0] for row in batch).encode())
        return digest.hexdigest()

    def split(self, share: float) -> tuple[Self, Self]:
        """Divide the units by independent secret coins: each is in the first part with probability ``share``.

        Both parts stay bound to this dataset's ledger. Adding or removing a unit changes one part, by that unit.
        """
        chance = number("share", share, 0, 1)
        unit = quoted(UNIT)
        codes = self.connection.execute(
            f"SELECT DISTINCT {unit} AS u FROM {quoted(self._rows)} ORDER BY u"
        ).fetchnumpy()
        inside = Entropy().coins(len(codes["u"]), chance)
        return self._units(codes["u"][inside]), self._units(codes["u"][~inside])

    def parts(self, by: str) -> dict[str, Self]:
        """Divide the units by the declared categories of a column, so that what is asked of the parts costs as much as
        the dearest part alone (parallel composition).

        Args:
            by: a Categorical column.

        Each unit is in one part: that of its one row that priced guards see. Other rows of a unit are in none.

        Raises:
            InvalidSchema: the column is not declared as Categorical.
            InvalidRequest: a unit may have more than one row, and so be in several parts; or this is a part already.

        Source: McSherry 2009, theorem 4; docs/design/ledger.md, theorem 3, for prices that are chosen adaptively.
        """
        domain = self.schema.domain(by, Categorical, "parts by")
        if self.schema.max_rows_per_unit > 1 and not isinstance(self.schema.unit, EachRow):
            raise InvalidRequest(
                f"parts by {by!r} were asked for where a unit has up to {self.schema.max_rows_per_unit} rows",
                "one unit in one part: a dataset with max_rows_per_unit=1",
            )
        if len(domain.values) > MOST_PARTS:
            raise InvalidRequest(
                f"parts by the {len(domain.values):,} categories of {by!r} were asked for",
                f"at most {MOST_PARTS} parts, whose sums every entry holds; or a statistic by={by!r}, at one price",
            )
        if self.part is not None:
            raise InvalidRequest(f"parts of the part {self.part[1]!r} were asked for", "parts of a whole dataset")
        kept, found = self.table(bounded=True), {}
        for value in domain.values:
            part = self._selected(f"{quoted(by)} = {literal(value)}", kept)
            part.part = (by, value)
            found[value] = part
        return found

    def _units(self, units: NDArray[Any]) -> Self:
        import pyarrow as pa

        chosen = pa.table({"u": pa.array(units, pa.int64())})
        half = self._selected(f"{quoted(UNIT)} IN (SELECT u FROM chosen)", quoted(self._rows), chosen)
        half.selection = half._rows
        return half

    def _selected(self, condition: str, table: str, chosen: Any = None) -> Self:
        """A dataset of the rows of a table in the snapshot that meet a condition, which may name ``chosen``."""
        part = copy(self)
        name = os.urandom(8).hex()
        part._rows, part._kept, part._bounded = f"rows {name}", f"kept {name}", False
        part._lock = threading.Lock()
        part._connection = self._connection.cursor()
        if chosen is not None:
            part._connection.register("chosen", chosen)
        part._connection.execute(f"CREATE TABLE {quoted(part._rows)} AS SELECT * FROM {table} WHERE {condition}")
        if chosen is not None:
            part._connection.unregister("chosen")
        return part

    def __copy__(self) -> Self:
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin


def _hashed(expression: str) -> str:
    return f"sha256(CASE WHEN {expression} IS NULL THEN 'n' ELSE 'v' || CAST({expression} AS VARCHAR) END)"


def _filled(values: Any) -> NDArray[Any]:
    return values.filled() if hasattr(values, "filled") else values  # type: ignore[no-any-return]


def as_dataset(data: Any) -> Dataset:
    """A dataset as it is, or the caller's own table, uncharged, every row its own unit and no column declared."""
    return data if isinstance(data, Dataset) else Dataset(data, Schema(EachRow(), {}))
