"""The door for a caller's own frames and arrays: declared columns, under the rules that a dataset has."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.core.dataset import Dataset
from unseen.core.errors import DataFault, InvalidRequest
from unseen.core.schema import Categorical, Domain, EachRow, Schema
from unseen.train.features import Features, codes

__all__ = ["Features", "codes", "own_dataset", "read"]

TARGET = "the target"


def own_dataset(X: Any, y: Any, columns: Mapping[str, Domain] | None, classes: Sequence[object] | None) -> Dataset:
    """A caller's own table as an uncharged dataset, every row its own unit, the target under ``TARGET``.

    Args:
        X: a dataframe, or an array of shape (rows, columns) whose columns are called "0", "1", ….
        y: the target, shape (rows,), or None.
        columns: each used column's domain; never inferred.
        classes: the target's values; never inferred.

    Raises:
        InvalidRequest: columns or classes were not declared.
        DataFault: the data do not fit the declaration.
    """
    if columns is None:
        raise InvalidRequest(
            "fit on a table of the caller's own was asked for without declared columns",
            "each used column's domain; an array's columns are called '0', '1', …",
            'columns={"0": un.Range(0, 1)}',
        )
    if y is not None and classes is None:
        raise InvalidRequest(
            "fit on a table of the caller's own was asked for without declared classes",
            "the values that y may have",
            "classes=(0, 1)",
        )
    declared: dict[str, Domain] = dict(columns)
    if y is not None and classes is not None:
        declared[TARGET] = Categorical(*_plain(classes))
    return Dataset(_table(X, y, tuple(columns)), Schema(EachRow(), declared))


def read(features: Features, data: Any) -> NDArray[np.float32]:
    """The inputs of all rows of a dataset, frame or array, in their order, shape (rows, width)."""
    source = data if isinstance(data, Dataset) else own_dataset(data, None, dict(features.columns), None)
    for name, domain in features.columns:
        if source.schema.columns[source.schema.known([name])[0]] != domain:
            raise InvalidRequest(f"data in which {name!r} is declared otherwise were given", f"{domain}")
    return features.encode(source.arrays(features.names, bounded=False))


def _plain(values: Sequence[object]) -> list[object]:
    return [value.item() if isinstance(value, np.generic) else value for value in values]


def _table(X: Any, y: Any, names: tuple[str, ...]) -> Any:
    import narwhals as nw
    import pyarrow as pa

    try:
        if isinstance(X, np.ndarray):
            if X.ndim != 2:
                raise DataFault(f"an array of {X.ndim} dimensions was given", "one of shape (rows, columns)")
            table = pa.table({str(place): pa.array(X[:, place]) for place in range(X.shape[1])})
        else:
            table = nw.from_native(X, eager_only=True).to_arrow()
        absent = [name for name in names if name not in table.column_names]
        if absent:
            raise DataFault(f"columns {absent} were declared", f"the data have {table.column_names}")
        table = table.select(list(names))
        return table if y is None else table.append_column(TARGET, pa.array(np.asarray(y)))
    except DataFault:
        raise
    except Exception as error:  # a frame's engine may raise anything, and its text may show values
        raise DataFault(
            f"the table could not be read ({type(error).__name__})",
            "a dataframe or a two-dimensional array, with a y of equally many rows",
        ) from None
