"""A table's columns as their distinct values, and tables put together from them again."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from unseen.core.errors import DataFault
from unseen.deid.released import released
from unseen.deid.table import INDEX, OwnTable

__all__ = ["Cells", "Column", "arrow", "eager", "plain", "with_columns"]

Frame = nw.DataFrame[Any]


class Cells(list[str]):
    """The texts of a column, which know its name: it may tell what stands in them.

    Args:
        texts: of the column, empty where one is missing.
        column: its name.
    """

    def __init__(self, texts: Iterable[str], column: str) -> None:
        super().__init__(texts)
        self.column = column


@dataclass(frozen=True)
class Column:
    """A column as its distinct values and each row's place among them."""

    name: str
    values: list[Any]
    places: NDArray[np.int64]
    missing: NDArray[np.bool_]

    @classmethod
    def of(cls, series: nw.Series[Any]) -> Column:
        """A column of a frame; NaN counts as missing.

        Raises:
            DataFault: values of several types.
        """
        encoded = _in_microseconds(arrow(series)).dictionary_encode()
        indices = encoded.indices
        missing = indices.is_null().to_numpy(zero_copy_only=False)
        places = indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
        return cls(series.name, encoded.dictionary.to_pylist(), places, missing)

    @classmethod
    def joined(cls, name: str, parts: Sequence[Column]) -> Column:
        """Two or more columns as one: the parts of each row that are there, a space between them."""
        codes = np.stack([np.where(part.missing, -1, part.places) for part in parts], axis=1)
        pairs, places = np.unique(codes, axis=0, return_inverse=True)
        values = [
            " ".join(str(part.values[at]) for part, at in zip(parts, row, strict=True) if at >= 0)
            for row in pairs.tolist()
        ]
        missing = np.all(codes < 0, axis=1) if len(codes) else np.zeros(0, dtype=bool)
        return cls(name, values, places.reshape(-1).astype(np.int64), missing)

    def filled(self, values: Sequence[Any]) -> Any:
        """An Arrow array with a value in the place of each; missing ones stay missing."""
        import pyarrow as pa

        try:
            made = pa.array(values) if values else pa.array([], pa.string())
        except OverflowError:  # whole numbers beyond 63 bits, which Arrow does not take without being told
            made = pa.array(values, pa.uint64())
        return made.take(pa.array(self.places, mask=self.missing))


def arrow(series: nw.Series[Any]) -> Any:
    """A column as one Arrow array; NaN counts as missing.

    Raises:
        DataFault: values of several types, or texts that are no Unicode.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if series.dtype in (nw.Categorical, nw.Enum):
        series = series.cast(nw.String)
    try:
        found = series.to_arrow()
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, TypeError):
        raise DataFault(f"column {series.name!r} holds values of several types", "one type in each column") from None
    except UnicodeEncodeError:
        raise DataFault(
            f"column {series.name!r} holds texts with half a character (a lone surrogate)", "texts in Unicode"
        ) from None
    array = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    if pa.types.is_nested(array.type):
        raise DataFault(f"{series.name!r} holds values of type {array.type}", "texts, numbers or dates; or drop it")
    if pa.types.is_floating(array.type):
        array = pc.if_else(pc.is_nan(array), None, array)
    if pa.types.is_null(array.type):
        array = array.cast(pa.string())
    return array


def _in_microseconds(array: Any) -> Any:
    """Times in nanoseconds that need none of them, as Python has them; others as they are."""
    import pyarrow as pa

    if pa.types.is_timestamp(array.type) and array.type.unit == "ns":
        try:
            return array.cast(pa.timestamp("us", tz=array.type.tz))
        except pa.ArrowInvalid:
            return array
    return array


def with_columns(frame: Frame, kept: Sequence[str], made: Mapping[str, Any]) -> Frame:
    """The kept columns, replaced ones in their places."""
    import pyarrow as pa

    chosen = frame.select(*kept)
    new = {name: array for name, array in made.items() if name in kept}
    if not new:
        return chosen
    backend: Any = frame.implementation
    columns = nw.from_arrow(pa.table(new), backend=backend)
    return chosen.with_columns(*(columns[name] for name in new))


def eager(data: Any) -> Frame:
    """A table as a frame of its kind, without an index.

    Raises:
        DataFault: it cannot be read.
        InvalidRequest: it is of a kind that unseen does not read.
    """
    found = nw.from_native(data, pass_through=True)
    if not isinstance(found, nw.DataFrame):
        return OwnTable(data).frame
    whole = nw.maybe_reset_index(found)
    return whole.select([name for name in whole.columns if not INDEX.fullmatch(name)])


def plain(frame: Frame) -> Any:
    """The table as it was given in kind, without what hangs on to it."""
    return released(frame, np.arange(len(frame)), {})
