"""Chosen rows of a frame as a frame of their own, which holds nothing of the others or of their old order."""
# SPDX-License-Identifier: Apache-2.0
# A dataframe holds more than it shows: texts of rows that were left out in memory that is shared, categories that no
# row has, numbers below a missing mark, notes on schema and fields. A pickle or file carries them along. So whatever
# may hold such things is made anew from its values.

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["released"]

Rows = NDArray[np.int64]


def released(frame: nw.DataFrame[Any], rows: Rows, labels: Mapping[str, NDArray[Any]], *, narrow: bool = False) -> Any:
    """A frame to hand out, of the kind that went in.

    Args:
        frame: the owner's.
        rows: shape (released rows,), which row each was.
        labels: for some columns what stands there instead, texts of shape (released rows,).
        narrow: whether numbers that are all whole become integers, so that the type tells of released rows alone.

    Returns:
        a native dataframe with the columns of ``frame``, without an index. Categories become texts.
    """
    kept = [name for name in frame.columns if name not in labels]
    native: dict[str, Any] = {}
    for name in kept:
        column = frame[name].to_native()
        if frame.implementation.is_pandas_like():
            native[name] = _pandas(column.take(rows), name)
        elif frame.implementation.is_polars():
            native[name] = _polars(column.gather(rows), frame.implementation.to_native_namespace())
        else:
            native[name] = _arrow(_viewed(column).take(rows))
    for name, texts in labels.items():
        series = nw.new_series(name, texts.tolist(), nw.String, backend=frame.implementation)
        native[name] = series.to_native()
    found = _framed(frame, {name: native[name] for name in frame.columns}, len(rows))
    return _narrowed(found) if narrow else found.to_native()


def _framed(frame: nw.DataFrame[Any], columns: dict[str, Any], rows: int) -> nw.DataFrame[Any]:
    if frame.implementation.is_pandas_like():
        import pandas as pd

        return nw.from_native(pd.DataFrame(columns, index=range(rows)), eager_only=True)
    if frame.implementation.is_polars():
        return nw.from_native(frame.implementation.to_native_namespace().DataFrame(columns), eager_only=True)
    import pyarrow as pa

    return nw.from_native(pa.table(columns), eager_only=True)


def _narrowed(frame: nw.DataFrame[Any]) -> Any:
    whole = [
        name
        for name, dtype in frame.schema.items()
        if dtype == nw.Float64 and len(frame) and bool(((frame[name] % 1 == 0) & (frame[name].abs() < 2.0**53)).all())
    ]
    return frame.with_columns(nw.col(*whole).cast(nw.Int64)).to_native() if whole else frame.to_native()


def _pandas(taken: pd.Series[Any], name: str) -> Any:
    import pandas as pd

    values, dtype = taken.array, taken.dtype
    if isinstance(dtype, pd.ArrowDtype):
        import pyarrow as pa

        return pd.arrays.ArrowExtensionArray(pa.chunked_array([_arrow(pa.chunked_array(values.__arrow_array__()))]))
    if isinstance(dtype, pd.CategoricalDtype):
        plain = pd.Series([None if missing else str(one) for one, missing in zip(values, values.isna(), strict=True)])
        return plain.array
    if isinstance(dtype, np.dtype) or not bool(taken.isna().any()):
        return values
    return pd.array(taken.astype(object).tolist(), dtype=dtype)


def _polars(taken: Any, pl: Any) -> Any:
    plain = _plain_polars(taken.dtype, pl)
    fixed = taken.dtype.is_temporal() or taken.dtype.is_numeric() or taken.dtype in (pl.Boolean, pl.Object)
    if fixed and not taken.null_count():
        return taken
    return pl.Series(taken.name, taken.to_list(), dtype=plain, strict=False)


def _plain_polars(dtype: Any, pl: Any) -> Any:
    """The type without categories."""
    if dtype in (pl.Categorical, pl.Enum):
        return pl.String
    if isinstance(dtype, pl.List):
        return pl.List(_plain_polars(dtype.inner, pl))
    if isinstance(dtype, pl.Array):
        return pl.Array(_plain_polars(dtype.inner, pl), dtype.size)
    if isinstance(dtype, pl.Struct):
        return pl.Struct({field.name: _plain_polars(field.dtype, pl) for field in dtype.fields})
    return dtype


def _viewed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts in views as plain ones: Arrow takes no rows of them."""
    return column.cast(_plain_arrow(column.type)) if _is_view(column.type) else column


def _is_view(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string_view(kind) or pa.types.is_binary_view(kind))


def _arrow(taken: pa.ChunkedArray) -> pa.Array:
    import pyarrow as pa

    plain = _plain_arrow(taken.type)
    if plain == taken.type and not taken.null_count and not pa.types.is_nested(plain):
        whole = taken.combine_chunks()
        return whole.chunk(0) if isinstance(whole, pa.ChunkedArray) and whole.num_chunks else whole
    return pa.array(taken.to_pylist(), type=plain)


def _plain_arrow(kind: pa.DataType) -> pa.DataType:
    """The type without categories, views and notes on fields."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        return _plain_arrow(kind.value_type)
    if _is_view(kind):
        return pa.large_string() if types.is_string_view(kind) else pa.large_binary()
    if types.is_struct(kind):
        return pa.struct([(field.name, _plain_arrow(field.type)) for field in kind])
    if types.is_map(kind):
        return pa.map_(_plain_arrow(kind.key_type), _plain_arrow(kind.item_type))
    if types.is_fixed_size_list(kind):
        return pa.list_(_plain_arrow(kind.value_type), kind.list_size)
    if types.is_large_list(kind):
        return pa.large_list(_plain_arrow(kind.value_type))
    if types.is_list(kind):
        return pa.list_(_plain_arrow(kind.value_type))
    return kind
