"""Tables as integer codes: which rows share the values of some columns, and how many people stand behind them."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

__all__ = ["Ints", "alone", "codes", "joined", "narrow", "one_each", "people"]

Ints = NDArray[np.int64]


def codes(series: nw.Series[Any]) -> tuple[Ints, NDArray[Any]]:
    """A code for each row's value, and the values; a missing value, or NaN, is one of its own."""
    import pyarrow as pa

    if series.dtype in (nw.Categorical, nw.Enum):
        series = series.cast(nw.String)
    if series.dtype.is_float():
        series = series.fill_nan(None)
    found = series.to_arrow()
    array = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    try:
        encoded = array.dictionary_encode(null_encoding="encode")
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # lists and structures
        encoded = pa.array([str(value) for value in array.to_pylist()], pa.string()).dictionary_encode("encode")
    values = np.array(encoded.dictionary.to_pylist(), dtype=object)
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64), values


def narrow(found: Ints) -> NDArray[Any]:
    """The same codes in as few bytes as they need."""
    return found.astype(np.min_scalar_type(int(found.max(initial=0))))


def joined(parts: Sequence[NDArray[Any]]) -> Ints:
    """One code for each combination of codes, from 0 without gaps; shapes (rows,)."""
    whole = parts[0].astype(np.int64)
    for part in parts[1:]:
        width = int(part.max(initial=0)) + 1
        whole *= width
        whole += part
        whole = _dense(whole)
    return _dense(whole)


def _dense(keys: Ints) -> Ints:
    """The ranks of keys: by a table where it would not be much larger than they are, else by sorting."""
    most = int(keys.max(initial=0)) + 1
    if most > 8 * len(keys) + 1024:
        return np.unique(keys, return_inverse=True)[1].astype(np.int64)
    there = np.zeros(most, dtype=np.int64)
    there[keys] = 1
    ranks = np.cumsum(there)
    ranks -= 1
    found: Ints = ranks[keys]
    return found


def people(keys: Ints, units: Ints | None) -> tuple[Ints, Ints, Ints]:
    """Who is in which class, each unit once in each of its classes.

    Args:
        keys: shape (rows,), each row's class, from 0 without gaps.
        units: shape (rows,), each row's unit, from 0 without gaps; None where every row is another unit.

    Returns:
        class and unit of each membership, and for each class how many units it has.
    """
    if units is None:
        return keys, np.arange(len(keys), dtype=np.int64), np.bincount(keys)
    pairs = np.unique(keys * (int(units.max(initial=0)) + 1) + units)
    of, who = np.divmod(pairs, int(units.max(initial=0)) + 1)
    return of, who, np.bincount(of)


def alone(keys: Ints, units: Ints | None) -> tuple[int, int]:
    """How many units have a class to themselves, and how many classes there are."""
    of, who, sizes = people(keys, units)
    if units is None:
        return int((sizes == 1).sum()), len(sizes)
    return len(np.unique(who[sizes[of] == 1])), len(sizes)


def one_each(units: Ints) -> Ints | None:
    """Units from 0 without gaps; None where every row is another one."""
    known_units, found = np.unique(units, return_inverse=True)
    return None if len(known_units) == len(units) else found.astype(np.int64)
