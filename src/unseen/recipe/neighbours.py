"""Two generated tables that fit a schema and differ in one unit, for attacks on statistics."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from typing import Any

from unseen.core.dataset import Dataset
from unseen.core.schema import Categorical, Digits, Domain, Range, Schema
from unseen.query.statistic import Statistic, Sum

__all__ = ["neighbours"]

LEAST, MOST = 1_000, 200_000


def neighbours(schema: Schema, statistic: Statistic) -> tuple[Dataset, Dataset]:
    """A table of units at the low end of every domain, and the same with one unit more at the high end.

    The added unit has more rows than ``max_rows_per_unit``, so that a guard that does not bound them is seen.

    Args:
        schema: the declaration that both fit.
        statistic: what will be asked of them.

    Returns:
        Two datasets without a ledger.
    """
    rows = schema.max_rows_per_unit
    # So many that the noise seldom leaves a mean without a positive total.
    count = min(MOST, max(LEAST, math.ceil(40 * rows / statistic.epsilon)))
    more = 1 if not isinstance(schema.unit, str) else 2 * rows + 1
    by_sum = isinstance(statistic, Sum)
    columns = {
        name: [_low(domain)] * count + [_high(domain, by_sum) if name != statistic.by else _low(domain)] * more
        for name, domain in schema.columns.items()
    }
    if isinstance(schema.unit, str):
        columns[schema.unit] = [str(code) for code in range(count)] + ["one more"] * more
    columns.setdefault("row", ["" for _ in range(count + more)])
    return _dataset(columns, count, schema), _dataset(columns, count + more, schema)


def _dataset(columns: dict[str, list[Any]], rows: int, schema: Schema) -> Dataset:
    import pyarrow as pa

    return Dataset(pa.table({name: values[:rows] for name, values in columns.items()}), schema)


def _low(domain: Domain) -> Any:
    match domain:
        case Range(low=low):
            return low
        case Categorical(values=values):
            return values[0]
        case Digits(length=length):
            return "0" * length
    return None


def _high(domain: Domain, by_sum: bool) -> Any:
    match domain:
        case Range(low=low, high=high):
            return low if by_sum and abs(low) > abs(high) else high
        case Categorical(values=values):
            return values[-1]
        case Digits(length=length):
            return "9" * length
    return None
