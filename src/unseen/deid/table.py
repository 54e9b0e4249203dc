"""The table that is generalised: a dataset's declared columns, or all columns of the caller's own frame."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from unseen.core.dataset import Dataset
from unseen.core.errors import DataFault, InvalidRequest, shown
from unseen.core.schema import EachRow, Schema
from unseen.core.snapshot import UNIT, source_relation
from unseen.deid.hierarchies.hierarchy import Hierarchy
from unseen.deid.search.problem import Column

__all__ = ["OwnTable", "coded", "counted", "distinct", "hierarchies_for", "known", "normal", "read", "table_of"]

Frame = nw.DataFrame[Any]

Kind = Literal["pandas", "polars", "pyarrow"]

KINDS: dict[str, Kind] = {"pandas": "pandas", "polars": "polars"}
"""The kinds of dataframe that a release is written as; for any other source it is an Arrow table."""

INDEX = re.compile(r"__index_level_\d+__")
"""Columns that pandas writes an index into; they link back."""


class OwnTable(Dataset):
    """The caller's own table: every row its own unit, nothing declared, all columns kept but an index, no ledger.

    Raises:
        DataFault: it cannot be read.
        InvalidRequest: it is of a kind that unseen does not read.
    """

    def __init__(self, source: Any) -> None:
        super().__init__(source, Schema(EachRow(), {}))
        found = _frame(source, self.connection)
        if not all(isinstance(name, str) for name in found.columns):
            raise DataFault("columns whose names are no texts were given", "a text as the name of each column")
        self.frame = found.select([name for name in found.columns if not INDEX.fullmatch(name)])


def table_of(data: Any) -> Dataset:
    """The dataset itself, or the caller's own table with all its columns.

    Raises:
        DataFault: it cannot be read.
        InvalidRequest: it is of a kind that unseen does not read.
    """
    return data if isinstance(data, Dataset) else OwnTable(data)


def _frame(source: Any, connection: Any) -> Frame:
    found = nw.from_native(source, pass_through=True)
    if isinstance(source, (str, Path)) or not isinstance(found, (nw.DataFrame, nw.LazyFrame)):
        return nw.from_native(source_relation(connection, source).to_arrow_table(), eager_only=True)
    if isinstance(found, nw.LazyFrame):
        if found.implementation in (nw.Implementation.DUCKDB, nw.Implementation.IBIS):
            return found.collect(backend="pyarrow")
        return found.collect()
    return nw.maybe_reset_index(found)


def read(data: Dataset) -> tuple[Frame, NDArray[np.int64]]:
    """All rows of a dataset as a frame of the kind that went in, and a code of each row's unit.

    Of a declared dataset only the declared columns, with whole numbers as integers.
    """
    if isinstance(data, OwnTable):
        return data.frame, np.arange(len(data.frame), dtype=np.int64)
    names = list(data.schema.columns)
    arrays = data.arrays(names, bounded=False)
    units = arrays.pop(UNIT).astype(np.int64)
    kind: Kind = KINDS.get(data.native, "pyarrow")
    columns = {name: nw.new_series(name, _plain(arrays[name]), _dtype(arrays[name]), backend=kind) for name in names}
    if not columns:
        raise InvalidRequest("a table without declared columns was given", "columns that are declared")
    return nw.from_dict(columns), units


def counted(data: Dataset) -> tuple[Frame, NDArray[np.int64]]:
    """The same, where no unit has more rows than are declared, on which the share of a class that is one unit's rests.

    Raises:
        DataFault: one has more; only the owner sees this.
    """
    frame, units = read(data)
    most = int(np.unique(units, return_counts=True)[1].max(initial=0)) if len(units) else 0
    if most > data.schema.max_rows_per_unit:
        raise DataFault(
            f"one {data.schema.unit_name} has {most:,} rows, and {data.schema.max_rows_per_unit} were declared: who "
            "has many of a class's rows is easily guessed",
            "as many rows of each as are declared",
            f"max_rows_per_unit={most}, or one row of each",
        )
    return frame, units


def _whole(values: NDArray[Any]) -> bool:
    return values.dtype.kind == "f" and bool(np.all((values == np.floor(values)) & (np.abs(values) < 2.0**53)))


def _dtype(values: NDArray[Any]) -> Any:
    if values.dtype.kind != "f":
        return nw.String
    return nw.Int64 if _whole(values) else nw.Float64


def _plain(values: NDArray[Any]) -> Any:
    if values.dtype.kind != "f":
        return values.tolist()
    return values.astype(np.int64) if _whole(values) else values


def normal(frame: Frame, names: Sequence[str]) -> Frame:
    """The frame with quasi-identifiers whose values differ wherever they look different.

    What counts as one value must be told as one, or a row stands out in its class: -0.0 becomes 0.0, decimals floats,
    stamps with a time zone the local time, categories texts, and values of mixed types what they are as one.

    Raises:
        DataFault: a column holds lists, structures or what has no type in common; only the owner sees this.
    """
    return frame.with_columns(*(_normal(frame[name]) for name in names)) if names else frame


def _normal(series: nw.Series[Any]) -> nw.Series[Any]:
    dtype = series.dtype
    if dtype.is_nested():
        raise DataFault(f"column {series.name!r} holds lists or structures", "a column of numbers or texts")
    if dtype in (nw.Categorical, nw.Enum):
        return series.cast(nw.String)
    if dtype.is_decimal():
        return series.cast(nw.Float64) + 0.0
    if dtype.is_float():
        return series + 0.0
    if isinstance(dtype, nw.Datetime) and dtype.time_zone is not None:
        return series.dt.replace_time_zone(None)
    if dtype == nw.Object:
        return _of_one_type(series)
    if dtype == nw.Unknown:  # such as pandas' periods and intervals
        missing = series.is_null().to_list()
        texts = [None if lost else str(one) for one, lost in zip(series.to_list(), missing, strict=True)]
        return nw.new_series(series.name, texts, nw.String, backend=series.implementation)
    return series


def _of_one_type(series: nw.Series[Any]) -> nw.Series[Any]:
    """Python's own objects, or a type that narwhals does not know, as Arrow reads them: numbers or texts."""
    import pyarrow as pa

    try:
        found = series.to_arrow()
        kind = found.type
        numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        values = found.to_pylist()
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
        raise DataFault(
            f"column {series.name!r} holds values of several types ({type(error).__name__})", "numbers or texts"
        ) from None
    if numbers:
        plain = [None if one is None else one if isinstance(one, int) else float(one) + 0.0 for one in values]
        kept = nw.Int64 if pa.types.is_integer(kind) else nw.Float64
        return nw.new_series(series.name, plain, kept, backend=series.implementation)
    texts = [None if one is None else one if isinstance(one, str) else str(one) for one in values]
    return nw.new_series(series.name, texts, nw.String, backend=series.implementation)


def distinct(series: nw.Series[Any], role: str = "quasi-identifier") -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The distinct values of a column, numbers or texts, and each row's place among them.

    Raises:
        DataFault: a value is missing; only the owner sees this.
    """
    import pyarrow as pa

    series = _normal(series)
    found = series.to_arrow()
    array = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    if series.null_count() or (series.dtype.is_float() and bool(series.is_nan().any())):
        raise DataFault(
            f"the {role} {series.name!r} has missing values",
            "a value in every row: protect the table and declare what a missing value counts as",
        )
    encoded = array.dictionary_encode()
    values = encoded.dictionary.to_numpy(zero_copy_only=False)
    if values.dtype.kind == "M":
        values = values.astype(str).astype(object)  # as ISO 8601 has them
    elif values.dtype.kind not in "iuf":
        values = np.array([v if isinstance(v, str) else str(v) for v in values.tolist()], dtype=object)
    return values, encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)


def coded(name: str, values: NDArray[Any], places: NDArray[np.int64], hierarchy: Hierarchy) -> Column:
    """A column as the codes that the search works on, a function of the rows as a multiset.

    Args:
        name: for messages.
        values: shape (distinct,), the distinct values.
        places: shape (rows,), each row's place in ``values``.
        hierarchy: holds every value.

    Raises:
        DataFault: a value has no place in the hierarchy; only the owner sees this.
    """
    hierarchy.check(name, values)
    top = hierarchy.levels - 1
    labels = [hierarchy.label(values, level) for level in range(1, top)]
    ranks = [_ranks(label) for label in (values, *labels)]
    order = np.lexsort(ranks)  # by the coarsest label first, so that no roll-up changes the order
    maps = [np.arange(len(values), dtype=np.int64)]
    for level in range(1, top):
        sorted_ranks = ranks[level][order]
        maps.append(np.cumsum(np.diff(sorted_ranks, prepend=sorted_ranks[:1]) != 0))
    maps.append(np.zeros(len(values), dtype=np.int64))
    firsts = [np.unique(one, return_index=True)[1] for one in maps]
    ups = tuple(above[first] for above, first in zip(maps[1:], firsts[:-1], strict=True))
    losses = tuple(hierarchy.loss(values[order], level)[first] for level, first in enumerate(firsts))
    rank = np.empty(len(values), dtype=np.int64)
    rank[order] = maps[0]
    return Column(rank[places], ups, losses)


def _ranks(labels: NDArray[Any]) -> NDArray[np.int64]:
    """Each label's place among the distinct ones in their order."""
    if labels.dtype.kind in "iuf":
        return np.unique(labels, return_inverse=True)[1]
    texts = [str(label) for label in labels.tolist()]  # NumPy's own texts lose what ends in a NUL
    place = {text: at for at, text in enumerate(sorted(set(texts)))}
    return np.fromiter((place[text] for text in texts), np.int64, len(texts))


def hierarchies_for(data: Dataset, columns: Sequence[str], given: Mapping[str, Hierarchy]) -> dict[str, Hierarchy]:
    """Each quasi-identifier's hierarchy, the given one or the one of its declared domain.

    Raises:
        InvalidRequest: one is missing, or does not hold the declared domain.
    """
    found = {}
    for name in columns:
        if name in given:
            misfit = "" if isinstance(data, OwnTable) else given[name].misfit(data.schema.columns[name])
            if misfit:
                raise InvalidRequest(f"the hierarchy given for {name!r} does not fit", misfit)
            found[name] = given[name]
        elif not isinstance(data, OwnTable):
            found[name] = Hierarchy.default(data.schema.columns[name])
        else:
            raise InvalidRequest(
                f"{name!r} of a bare table was to be generalised without a hierarchy",
                "one for each quasi-identifier, since nothing is inferred from the data; or a protected dataset",
                _proposal(name, data.frame[name]),
            )
    return found


def _proposal(name: str, series: nw.Series[Any]) -> str:
    if series.dtype.is_temporal():
        return f"hierarchies={{{name!r}: un.deid.Hierarchy.dates(first, last)}}"
    if series.dtype.is_numeric():
        return f"hierarchies={{{name!r}: un.deid.Hierarchy.intervals(low, high, widths=[...])}}"
    return (
        f"hierarchies={{{name!r}: un.deid.Hierarchy.flat([...])}}, Hierarchy.taxonomy({{...}}) or Hierarchy.read(csv)"
    )


def known(data: Dataset, names: Sequence[str]) -> None:
    """Check that the table has these columns.

    Raises:
        InvalidRequest: it lacks one.
    """
    if not isinstance(data, OwnTable):
        data.schema.known(names, "quasi_identifiers")
        return
    absent = [name for name in names if name not in data.frame.columns]
    if absent:
        raise InvalidRequest(
            f"quasi_identifiers {shown(absent)} was asked for", f"the table has {shown(data.frame.columns)}"
        )
