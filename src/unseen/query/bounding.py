"""Exact sums per group over the rows that each unit may contribute, in DuckDB."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unseen.core.dataset import Dataset
from unseen.core.snapshot import quoted

__all__ = ["Query", "group_sums"]


@dataclass(frozen=True)
class Query:
    """Sums of integer expressions over rows.

    Args:
        sums: SQL expressions, an integer for each row.
        reach: greatest sum over the expressions of one row's absolute values.
    """

    sums: tuple[str, ...]
    reach: int


def group_sums(data: Dataset, query: Query, by: str | None, keys: Sequence[str] | None) -> NDArray[np.int64]:
    """The exact sums. Private: nothing of this leaves without noise.

    Args:
        data: the dataset; at most ``max_rows_per_unit`` rows of each unit are read.
        query: what is summed.
        by: the column of the groups.
        keys: its declared categories; None for one group.

    Returns:
        shape (groups, sums), int64; zeros for groups without rows.
    """
    columns = ", ".join(f"coalesce(sum({expression}), 0)::BIGINT" for expression in query.sums)
    table = data.table(bounded=True)
    if by is None or keys is None:
        found = data.connection.execute(f"SELECT {columns} FROM {table}").fetchall()
        return np.array(found, dtype=np.int64)
    found = data.connection.execute(f"SELECT {quoted(by)}, {columns} FROM {table} GROUP BY 1").fetchall()
    sums = {row[0]: row[1:] for row in found}
    return np.array([sums.get(key, (0,) * len(query.sums)) for key in keys], dtype=np.int64)
