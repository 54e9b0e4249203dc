"""Whether a table is k-anonymous as it stands."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw

from unseen.core.guarantee import whole
from unseen.deid.arguments import column_names
from unseen.deid.risk.keys import codes, joined, one_each, people
from unseen.deid.table import known, read, table_of

__all__ = ["is_k_anonymous"]


def is_k_anonymous(data: Any, k: int, quasi_identifiers: Sequence[str] | None = None) -> bool:
    """Whether each combination of quasi-identifiers that a table has is shared by at least k units.

    Missing values count as equal; values that look different, such as 0.0 and -0.0 or 1 and 1.0, do not.

    Args:
        data: a dataset, or the caller's own table, every row another unit: a dataframe, a path to csv or parquet, or a
            DuckDB relation.
        k: least number of units, at least 1.
        quasi_identifiers: the columns to group by; those of the schema if not given.

    Raises:
        InvalidRequest: a column that the table lacks, no columns, or no k.

    >>> import pyarrow as pa
    >>> is_k_anonymous(pa.table({"age": ["[20, 40)"] * 3 + ["[40, 60)"] * 2}), k=3, quasi_identifiers=["age"])
    False
    """
    table = table_of(data)
    least = whole("k", k, 1)
    names = column_names(table.schema.quasi_identifiers if quasi_identifiers is None else quasi_identifiers)
    known(table, names)
    frame, rows = read(table)
    if not len(rows):
        return True
    keys = joined([codes(_as_it_looks(frame[name]))[0] for name in names])
    return bool(people(keys, one_each(rows))[2].min() >= least)


def _as_it_looks(series: nw.Series[Any]) -> nw.Series[Any]:
    """Values that a comparison would merge, as texts that differ."""
    if series.dtype.is_float():
        texts = [None if one is None or one != one else repr(float(one)) for one in series.to_list()]
    elif series.dtype in (nw.Object, nw.Unknown):
        missing = series.is_null().to_list()
        texts = [
            None if lost or one != one else f"{type(one).__name__} {one!r}"
            for one, lost in zip(series.to_list(), missing, strict=True)
        ]
    else:
        return series
    return nw.new_series(series.name, texts, nw.String, backend=series.implementation)
