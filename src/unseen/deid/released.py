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

from unseen.core.errors import DataFault

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

    **Guarantee**: it holds the values of the chosen rows in their new order, and nothing of the others.

    Raises:
        DataFault: a column is of a type that cannot be made anew; only the owner sees this.
    """
    native: dict[str, Any] = {}
    for name in frame.columns:
        if name not in labels:
            native[name] = _anew(frame, name, rows)
    for name, texts in labels.items():
        series = nw.new_series(name, texts.tolist(), nw.String, backend=frame.implementation)
        native[name] = series.to_native()
    found = _framed(frame, {name: native[name] for name in frame.columns}, len(rows))
    return _narrowed(found) if narrow else found.to_native()


def _anew(frame: nw.DataFrame[Any], name: str, rows: Rows) -> Any:
    """A column's chosen rows."""
    column, kind = frame[name].to_native(), frame.implementation
    try:
        if kind.is_pandas_like():
            return _pandas(column.take(rows), name)
        return _polars(column.gather(rows), kind.to_native_namespace()) if kind.is_polars() else _taken(column, rows)
    except (
        ArithmeticError,
        LookupError,
        NotImplementedError,
        TypeError,
        ValueError,
    ) as error:
        raise DataFault(
            f"column {name!r} is of the type {frame.schema[name]}, which cannot be handed out ({type(error).__name__})",
            "numbers, texts, dates, or lists and structures of them",
        ) from None


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
    """By way of Arrow, but for what Arrow has no type for."""
    if taken.dtype in (pl.Object, pl.Int128):
        return taken
    made = pl.from_arrow(_arrow(_chunked(taken.to_arrow()))).alias(taken.name)
    return made if made.dtype == taken.dtype or not taken.dtype.is_numeric() else made.cast(taken.dtype)


def _chunked(array: Any) -> pa.ChunkedArray:
    import pyarrow as pa

    return array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])


def _taken(column: pa.ChunkedArray, rows: Rows) -> pa.Array:
    """Rows of an Arrow column; of types of which Arrow takes none after they became plain."""
    import pyarrow as pa

    try:
        return _arrow(column.take(rows))
    except pa.ArrowNotImplementedError:
        return _arrow(pa.chunked_array([_arrow(column)]).take(rows))


def _arrow(column: pa.ChunkedArray) -> pa.Array:
    """The values in memory of their own: no dictionary, no view, nothing below a missing mark, no note on a field."""
    import pyarrow as pa

    kind, types = column.type, pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return _arrow(pa.chunked_array([chunk.storage for chunk in column.chunks], kind.storage_type))
    if types.is_dictionary(kind):
        return _arrow(column.cast(kind.value_type))
    if types.is_string_view(kind) or types.is_binary_view(kind):
        return _arrow(column.cast(pa.large_string() if types.is_string_view(kind) else pa.large_binary()))
    whole = column.combine_chunks()
    array = pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole
    missing = array.is_null().to_numpy(zero_copy_only=False)
    if types.is_struct(kind):
        fields = [_arrow(pa.chunked_array([child])) for child in array.flatten()]
        return pa.StructArray.from_arrays(fields, [field.name for field in kind], mask=pa.array(missing))
    if types.is_list(kind) or types.is_large_list(kind):
        return _list(array, missing)
    if types.is_primitive(kind) and not types.is_boolean(kind):
        width = {8: pa.int8(), 16: pa.int16(), 32: pa.int32(), 64: pa.int64()}[kind.bit_width]
        plain = array.view(width).fill_null(0).to_numpy()
        return pa.array(plain.copy(), width, mask=missing).view(kind)
    if types.is_boolean(kind) or types.is_null(kind) or types.is_decimal(kind) or types.is_fixed_size_binary(kind):
        return pa.array(array.to_pylist(), kind)
    if types.is_string(kind) or types.is_large_string(kind) or types.is_binary(kind) or types.is_large_binary(kind):
        return array if not missing.any() and not array.offset else pa.array(array.to_pylist(), kind)
    return pa.array(array.to_pylist(), _plain(kind))


def _list(array: Any, missing: NDArray[np.bool_]) -> pa.Array:
    """A list column; its members one after the other, as its rows stand."""
    import pyarrow as pa

    inner = _arrow(pa.chunked_array([array.flatten()]))
    lengths = array.value_lengths().fill_null(0).to_numpy()
    ends = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int64())
    large = pa.LargeListArray.from_arrays(ends, inner, mask=pa.array(missing) if missing.any() else None)
    return large if pa.types.is_large_list(array.type) else large.cast(pa.list_(inner.type))


def _plain(kind: pa.DataType) -> pa.DataType:
    """The type without categories and views, for lists of a fixed size and maps."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        return _plain(kind.value_type)
    if types.is_string_view(kind):
        return pa.large_string()
    if types.is_map(kind):
        return pa.map_(_plain(kind.key_type), _plain(kind.item_type))
    if types.is_fixed_size_list(kind):
        return pa.list_(_plain(kind.value_type), kind.list_size)
    if types.is_list(kind):
        return pa.list_(_plain(kind.value_type))
    if types.is_large_list(kind):
        return pa.large_list(_plain(kind.value_type))
    if types.is_struct(kind):
        return pa.struct([(field.name, _plain(field.type)) for field in kind])
    return kind
