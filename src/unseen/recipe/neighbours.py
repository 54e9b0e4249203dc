"""Two generated tables that fit a schema and differ in one unit, for attacks on statistics."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from unseen.core.dataset import Dataset
from unseen.core.schema import Categorical, Digits, Domain, Range, Schema
from unseen.query.statistic import Mean, Statistic, Sum

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["neighbours", "replay"]

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


def replay(statistic: Statistic, data: Dataset, runs: int) -> NDArray[np.float64]:
    """Many outputs of a statistic on a generated table, shape (runs, numbers).

    A mean's interval takes a millisecond or two and is not what is attacked, so it is left out.
    """
    quick = _MeanAlone(statistic.column, statistic.epsilon, statistic.by) if type(statistic) is Mean else statistic
    return quick.replay(data, runs)


class _MeanAlone(Mean):
    """The same mean from the same noised sums, without its interval."""

    def finish(self, noised: NDArray[np.int64], scale: float, data: Dataset) -> tuple[Any, Any]:
        low, high = self.bounds(data)
        total = float(noised[0]) + float(noised[1])
        share = 0.5 if total <= 0 else min(1.0, max(0.0, float(noised[0]) / total))
        return low + (high - low) * share, None


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
