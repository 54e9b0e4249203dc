"""Count, Sum, Mean and Histogram, each optionally by a column with declared keys."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.core.dataset import Dataset
from unseen.core.errors import InvalidRequest
from unseen.core.guarantee import DP, number
from unseen.core.guard import Guard, Outcome, Plan, dp
from unseen.core.noise.scalar import laplace_half_width
from unseen.core.schema import Categorical, Range
from unseen.core.snapshot import literal, quoted
from unseen.query.bounding import Query, group_sums
from unseen.query.mechanism import LaplaceSums, grid, share, share_interval

__all__ = ["Count", "Histogram", "Mean", "Statistic", "Sum"]


class Statistic(Guard[Any]):
    """A vector of sums over at most ``max_rows_per_unit`` rows a unit, noised as a whole.

    Args:
        epsilon: ε, the price of the whole call, however many groups.
        by: a Categorical column; one result for each of its declared categories.
        seed: see ``Guard``.

    **Guarantee**: (ε, 0)-DP for the declared unit under add-or-remove; every number that leaves is a function
    of the one noised vector.
    """

    def __init__(self, epsilon: float, by: str | None = None, seed: int | None = None) -> None:
        super().__init__(seed)
        self.epsilon = number("epsilon", epsilon, 0, open_low=True)
        self.by = by

    @abstractmethod
    def query(self, data: Dataset) -> Query:
        """Which sums are taken; decided from the schema alone."""

    @abstractmethod
    def value(self, noised: NDArray[np.int64], data: Dataset) -> Any:
        """The value of one group from its noised sums, shape (sums,)."""

    @abstractmethod
    def interval(self, noised: NDArray[np.int64], scale: float, data: Dataset) -> Any:
        """The 95 % interval of one group's noise; ``scale`` is the noise's, in grid steps."""

    def mechanism(self, data: Dataset) -> LaplaceSums:
        """The noise: one unit moves the whole vector by at most its rows times one row's reach."""
        rows = data.schema.max_rows_per_unit
        return LaplaceSums(self.query(data).reach * rows, self.epsilon, self.seed)

    def keys(self, data: Dataset) -> tuple[str, ...] | None:
        """The declared categories of ``by``; None without it."""
        if self.by is None:
            return None
        domain = data.schema.domain(self.by, Categorical, f"{type(self).__name__} by")
        return domain.values

    def configuration(self) -> dict[str, Any]:
        """This statistic as JSON-ready values, by which a request key knows it again."""
        return {"epsilon": self.epsilon, "by": self.by}

    def guarantee(self, data: Dataset) -> DP:
        """What a release promises."""
        return dp(data, self.epsilon)

    def plan(self, data: Dataset) -> Plan[Any]:
        """Decide from the schema which sums are taken and how much noise they get."""
        mechanism, query, keys = self.mechanism(data), self.query(data), self.keys(data)

        def run() -> Outcome[Any]:
            exact = group_sums(data, query, self.by, keys)
            return self.outcome(mechanism.noised(exact), mechanism, keys, data)

        return Plan(self.guarantee(data), mechanism.event, run)

    def outcome(
        self, noised: NDArray[np.int64], mechanism: LaplaceSums, keys: Sequence[str] | None, data: Dataset
    ) -> Outcome[Any]:
        """What leaves, from the noised sums of shape (groups, sums)."""
        values = [self.value(row, data) for row in noised]
        intervals = [self.interval(row, mechanism.scale, data) for row in noised]
        if keys is None:
            return Outcome(values[0], intervals[0])
        return Outcome(dict(zip(keys, values, strict=True)), dict(zip(keys, intervals, strict=True)))

    def replay(self, data: Dataset, runs: int) -> NDArray[np.float64]:
        """Draw many outputs from one exact vector, for audits on generated tables. Charges nothing, so it
        refuses a dataset with a ledger.

        Args:
            data: a dataset without a ledger.
            runs: number of independent outputs.

        Returns:
            shape (runs, numbers): the released values, flattened.
        """
        if data.ledger is not None:
            raise InvalidRequest(
                "replay on a dataset with a ledger was asked for",
                "a generated table: what is drawn here is never charged",
            )
        exact = group_sums(data, self.query(data), self.by, self.keys(data))
        noised = self.mechanism(data).noised(np.broadcast_to(exact, (runs, *exact.shape)))
        return np.array([[x for row in one for x in _flat(self.value(row, data))] for one in noised], dtype=np.float64)


def _flat(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for part in value.values() for number in _flat(part)]
    return [float(value)]


class Count(Statistic):
    """How many rows there are, over at most ``max_rows_per_unit`` rows a unit.

    Sensitivity: each row adds 1 to one group, so one unit moves the vector by at most ``max_rows_per_unit`` in L1.

    The value is an int and may be negative: rounding it up would bias it.
    """

    def query(self, data: Dataset) -> Query:
        """One sum of ones."""
        return Query(("1",), reach=1)

    def value(self, noised: NDArray[np.int64], data: Dataset) -> int:
        """The count."""
        return int(noised[0])

    def interval(self, noised: NDArray[np.int64], scale: float, data: Dataset) -> tuple[int, int]:
        """The noised count and half a width on either side."""
        width = laplace_half_width(scale)
        return int(noised[0]) - width, int(noised[0]) + width


class _OfColumn(Statistic):
    """A statistic of one Range column."""

    def __init__(self, column: str, epsilon: float, by: str | None = None, seed: int | None = None) -> None:
        super().__init__(epsilon, by, seed)
        self.column = column

    def configuration(self) -> dict[str, Any]:
        """With the column."""
        return {**super().configuration(), "column": self.column}

    def bounds(self, data: Dataset) -> tuple[float, float]:
        """The column's declared bounds.

        Raises:
            InvalidSchema: it has none.
        """
        domain = data.schema.domain(self.column, Range, type(self).__name__)
        return domain.low, domain.high


class Sum(_OfColumn):
    """The sum of a Range column, over at most ``max_rows_per_unit`` rows a unit.

    Args:
        column: a column declared as Range.
        epsilon: ε, the price of the whole call.
        by: a Categorical column.
        seed: see ``Guard``.

    Sensitivity: values are rounded to a grid of 2^20 or more steps, then summed as integers; one row moves the
    vector by at most max(|low|, |high|) after that rounding.
    """

    def query(self, data: Dataset) -> Query:
        """One sum of rounded values."""
        low, high = self.bounds(data)
        step = self.step(data)
        return Query((_steps(self.column, step),), reach=max(abs(_round(low / step)), abs(_round(high / step))))

    def value(self, noised: NDArray[np.int64], data: Dataset) -> float:
        """The sum."""
        return int(noised[0]) * self.step(data)

    def interval(self, noised: NDArray[np.int64], scale: float, data: Dataset) -> tuple[float, float]:
        """The noised sum and half a width on either side."""
        width = laplace_half_width(scale)
        return (int(noised[0]) - width) * self.step(data), (int(noised[0]) + width) * self.step(data)

    def step(self, data: Dataset) -> float:
        """The grid to whose multiples values are rounded."""
        return grid(max(map(abs, self.bounds(data))))


class Mean(_OfColumn):
    """The mean of a Range column, over at most ``max_rows_per_unit`` rows a unit.

    Args:
        column: a column declared as Range.
        epsilon: ε, the price of the whole call.
        by: a Categorical column.
        seed: see ``Guard``.

    Two sums are noised, of x - low and of high - x. Each row adds exactly high - low to the two together, so that
    both cost what one sum costs, and their ratio needs no count: the noise's standard deviation is between
    1 and √2 times (high - low) / (ε n), where an even split of ε between sum and count gives 1.4 to 2.

    Sensitivity: round(x - low) + (total - round(x - low)) = total grid steps a row, rounding included.
    """

    def query(self, data: Dataset) -> Query:
        """Rounded distances to both bounds."""
        low, high = self.bounds(data)
        step = grid(high - low)
        whole = _round((high - low) / step)
        above = f"least({whole}, greatest(0, {_steps(self.column, step, low)}))"
        return Query((above, f"({whole} - {above})"), reach=whole)

    def value(self, noised: NDArray[np.int64], data: Dataset) -> float:
        """The mean, within the bounds."""
        low, high = self.bounds(data)
        return low + (high - low) * share(float(noised[0]), float(noised[1]))

    def interval(self, noised: NDArray[np.int64], scale: float, data: Dataset) -> tuple[float, float]:
        """The mean's interval, within the bounds."""
        low, high = self.bounds(data)
        least, most = share_interval(float(noised[0]), float(noised[1]), scale)
        return low + (high - low) * least, low + (high - low) * most


class Histogram(Statistic):
    """How many rows fall into each bin of a column.

    Args:
        column: a Categorical column, whose categories are the bins, or a Range column.
        epsilon: ε, the price of the whole histogram.
        edges: for a Range column: increasing bin edges that cover its range, or a number of equal bins.
        by: a Categorical column; one histogram for each of its categories.
        seed: see ``Guard``.

    Sensitivity: each row is in one bin, so one unit moves the vector by at most ``max_rows_per_unit`` in L1.
    The last bin holds its right edge.
    """

    def __init__(
        self,
        column: str,
        epsilon: float,
        edges: Sequence[float] | int | None = None,
        by: str | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(epsilon, by, seed)
        self.column, self.edges = column, edges

    def configuration(self) -> dict[str, Any]:
        """With column and edges."""
        edges = self.edges if self.edges is None or isinstance(self.edges, int) else list(map(float, self.edges))
        return {**super().configuration(), "column": self.column, "edges": edges}

    def bins(self, data: Dataset) -> dict[str, str]:
        """Each bin's label and the SQL condition that a row is in it.

        Raises:
            InvalidSchema: the column is not declared as Categorical or Range.
            InvalidRequest: the edges do not fit.
        """
        declared = data.schema.columns.get(self.column)
        if isinstance(declared, Categorical):
            if self.edges is not None:
                raise InvalidRequest(f"edges for {self.column!r} were given", "none: its categories are the bins")
            return {value: f"{quoted(self.column)} = {literal(value)}" for value in declared.values}
        domain = data.schema.domain(self.column, Range, "Histogram")
        edges = _edges(self.edges, domain)
        bins = {}
        for index, (low, high) in enumerate(pairwise(edges)):
            last = index == len(edges) - 2
            label = f"[{low:g}, {high:g}{']' if last else ')'}"
            bins[label] = f"{quoted(self.column)} >= {low!r} AND {quoted(self.column)} {'<=' if last else '<'} {high!r}"
        if len(bins) < len(edges) - 1:
            raise InvalidRequest("edges that print alike were given", "edges that differ in six digits")
        return bins

    def query(self, data: Dataset) -> Query:
        """One sum of ones for each bin."""
        return Query(
            tuple(f"CASE WHEN {condition} THEN 1 ELSE 0 END" for condition in self.bins(data).values()),
            reach=1,
        )

    def value(self, noised: NDArray[np.int64], data: Dataset) -> dict[str, int]:
        """The count of each bin."""
        return {label: int(count) for label, count in zip(self.bins(data), noised, strict=True)}

    def interval(self, noised: NDArray[np.int64], scale: float, data: Dataset) -> dict[str, tuple[int, int]]:
        """For each bin, an interval that holds its own count with 95 %."""
        width = laplace_half_width(scale)
        return {label: (count - width, count + width) for label, count in self.value(noised, data).items()}


def _edges(edges: Sequence[float] | int | None, domain: Range) -> list[float]:
    if edges is None:
        raise InvalidRequest(
            "a Histogram of a Range without edges was asked for",
            "increasing edges, or a number of equal bins",
            "edges=10",
        )
    if isinstance(edges, int) and not isinstance(edges, bool):
        if not 1 <= edges <= 10_000:
            raise InvalidRequest(f"edges={edges} was asked for", "1 to 10,000 bins")
        return [float(edge) for edge in np.linspace(domain.low, domain.high, edges + 1)]
    if isinstance(edges, (str, bytes)) or not isinstance(edges, Sequence):
        raise InvalidRequest(
            f"edges={edges!r} was asked for", "a list of numbers, or a number of equal bins", "edges=10"
        )
    found = [number("edges", edge) for edge in edges]
    if (
        len(found) < 2
        or any(low >= high for low, high in pairwise(found))
        or found[0] > domain.low
        or found[-1] < domain.high
    ):
        raise InvalidRequest(
            f"edges={edges!r} was asked for",
            f"increasing numbers from {domain.low:g} or below to {domain.high:g} or above",
        )
    return found


def _steps(column: str, step: float, origin: float = 0.0) -> str:
    return f"CAST(round(({quoted(column)} - {origin!r}::DOUBLE) / {step!r}::DOUBLE) AS BIGINT)"


def _round(value: float) -> int:
    """Round half away from zero, as the table engine does."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))
