"""What a statistic's exact sums and its noise should be, worked out apart from the package's own code."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm

from unseen.core.schema import Categorical, Range, Schema
from unseen.query import Count, Histogram, Mean, Sum
from unseen.query.statistic import Statistic

from .harness import Array, Law, Stream

__all__ = ["BITS", "bounded", "gaussian_law", "gaussian_multiplier", "integer_law", "statistic_law"]

BITS = 20  # a grid has at least 2^BITS steps up to the greatest magnitude


@dataclass(frozen=True)
class Truth:
    """Exact sums in grid steps, shape (groups, sums), the step, and what one unit can move them by in L1."""

    exact: NDArray[np.int64]
    step: float
    sensitivity: int


def bounded(frame: pd.DataFrame, unit: str | None, rows: int) -> pd.DataFrame | None:
    """At most that many rows of each unit; None where the rows of a unit that has too many are not all alike."""
    if unit is None:
        return frame
    crowded = frame.groupby(unit).filter(lambda part: len(part) > rows)
    if any(len(part.drop_duplicates()) > 1 for _, part in crowded.groupby(unit)):
        return None
    return frame.groupby(unit).head(rows)


def statistic_law(
    statistic: Statistic, schema: Schema, frame: pd.DataFrame, epsilon: float, bits: int = BITS
) -> Law | None:
    """The law of a statistic's outputs at the price ε.

    Args:
        statistic: which one; only its public configuration is read.
        schema: the declaration.
        frame: the table's rows as they were made.
        epsilon: what the guarantee says.
        bits: of the grid.
    """
    rows = bounded(frame, schema.unit if isinstance(schema.unit, str) else None, schema.max_rows_per_unit)
    if rows is None:
        return None
    truth = _truth(statistic, schema, rows, bits)
    scale = truth.sensitivity / epsilon
    if isinstance(statistic, Mean):
        # The ratio's law is that of continuous noise; on a coarse grid it is another.
        return _share_law(truth, scale, schema.columns[statistic.column]) if bits >= 16 else None
    return integer_law(truth.exact.ravel(), scale, truth.step)


def integer_law(exact: NDArray[np.int64], scale: float, step: float = 1.0) -> Law:
    """Discrete Laplace noise of that scale around exact integers, times the step."""

    def uniforms(outputs: Array, stream: Stream) -> Array:
        noise = np.rint(outputs / step) - exact
        return between(discrete_laplace(noise - 1, scale), discrete_laplace(noise, scale), stream)

    return Law(uniforms)


def discrete_laplace(value: NDArray[Any], scale: float) -> Array:
    """P(Z ≤ value) for whole values."""
    tail = np.exp(-np.abs(np.where(value >= 0, value + 1, value)) / scale) / (1 + math.exp(-1 / scale))
    result: Array = np.where(value >= 0, 1 - tail, tail)
    return result


def between(low: Array, high: Array, stream: Stream) -> Array:
    """A uniform place between two probabilities."""
    result: Array = low + (high - low) * stream.random(np.shape(low))
    return result


def _share_law(truth: Truth, scale: float, domain: Any) -> Law:
    """p = A / (A + B), cut to [0, 1], with Laplace noise on both: p ≤ s where (1-s) A - s B ≤ 0."""
    above, below = truth.exact[:, 0].astype(np.float64), truth.exact[:, 1].astype(np.float64)

    def uniforms(outputs: Array, stream: Stream) -> Array:
        share = np.clip((outputs - domain.low) / (domain.high - domain.low), 0, 1)
        upto = _difference(share * below - (1 - share) * above, share, scale)
        start = np.where(share <= 0, 0.0, np.where(share >= 1, _difference(below, np.ones_like(share), scale), upto))
        return between(start, np.where(share >= 1, 1.0, upto), stream)

    return Law(uniforms)


def _difference(value: Array, share: Array, scale: float) -> Array:
    """P((1-s) X - s Y ≤ value) for independent Laplace X, Y."""
    big, small = np.maximum(share, 1 - share), np.minimum(share, 1 - share)
    small = np.maximum(np.where(big - small < 1e-6, big - 1e-6, small), 1e-9)
    size = np.abs(value) / scale
    tail = (big**2 * np.exp(-size / big) - small**2 * np.exp(-size / small)) / (2 * (big**2 - small**2))
    result: Array = np.where(value >= 0, 1 - tail, tail)
    return result


def gaussian_multiplier(epsilon: float, delta: float) -> float:
    """The least deviation, in units of the L2 sensitivity, at which Gaussian noise is (ε, δ)-DP.

    Source: Balle and Wang 2018, theorem 8.
    """

    def excess(deviation: float) -> float:
        half, whole = 1 / (2 * deviation), epsilon * deviation
        return float(norm.cdf(half - whole) - math.exp(epsilon) * norm.cdf(-half - whole)) - delta

    return float(brentq(excess, 1e-2, 1e4, xtol=1e-12))


def gaussian_law(exact: Array, deviation: float, slack: float) -> Law:
    """Independent normal noise around exact numbers."""

    def uniforms(outputs: Array, _: Stream) -> Array:
        result: Array = norm.cdf((outputs - exact) / deviation)
        return result

    return Law(uniforms, slack)


def _truth(statistic: Statistic, schema: Schema, rows: pd.DataFrame, bits: int) -> Truth:
    most = schema.max_rows_per_unit
    groups = [rows]
    if statistic.by is not None:
        groups = [rows[rows[statistic.by] == key] for key in _categories(schema, statistic.by)]
    match statistic:
        case Count():
            return Truth(np.array([[len(part)] for part in groups]), 1.0, most)
        case Histogram():
            return Truth(np.array([_counts(statistic, schema, part) for part in groups]), 1.0, most)
        case Mean():
            domain = _range(schema, statistic.column)
            step = _step(domain.high - domain.low, bits)
            whole = _round(Fraction(domain.high - domain.low) / step)
            places = [
                [
                    min(whole, max(0, _round((x - Fraction(domain.low)) / step)))
                    for x in _values(part, statistic.column, domain)
                ]
                for part in groups
            ]
            exact = [[sum(part), whole * len(part) - sum(part)] for part in places]
            return Truth(np.array(exact, dtype=np.int64), float(step), most * whole)
        case Sum():
            columns: Sequence[str] = getattr(statistic, "columns", (statistic.column,))
            domains = [_range(schema, name) for name in columns]
            step = _step(max(abs(end) for domain in domains for end in (domain.low, domain.high)), bits)
            exact = [
                [
                    sum(_round(x / step) for x in _values(part, name, domain))
                    for name, domain in zip(columns, domains, strict=True)
                ]
                for part in groups
            ]
            reach = sum(max(abs(_round(Fraction(end) / step)) for end in (d.low, d.high)) for d in domains)
            return Truth(np.array(exact, dtype=np.int64), float(step), most * reach)
    raise TypeError(f"no reference for {type(statistic).__name__}")


def _counts(statistic: Histogram, schema: Schema, part: pd.DataFrame) -> list[int]:
    domain = schema.columns[statistic.column]
    if isinstance(domain, Categorical):
        return [int((part[statistic.column] == value).sum()) for value in domain.values]
    if not isinstance(domain, Range) or not isinstance(statistic.edges, int):
        raise TypeError("a Range with a number of bins")
    edges = np.linspace(domain.low, domain.high, statistic.edges + 1)
    values = [float(x) for x in _values(part, statistic.column, domain)]
    return [int(count) for count in np.histogram(values, edges)[0]]


def _values(part: pd.DataFrame, column: str, domain: Range) -> list[Fraction]:
    """Values as declared: missing ones replaced, the others cut to the bounds."""
    missing = domain.low if domain.missing is None else domain.missing
    cut = part[column].astype(float).fillna(missing).clip(domain.low, domain.high)
    return [Fraction(float(x)) for x in cut]


def _range(schema: Schema, column: str) -> Range:
    domain = schema.columns[column]
    if not isinstance(domain, Range):
        raise TypeError(column)
    return domain


def _categories(schema: Schema, column: str) -> tuple[str, ...]:
    domain = schema.columns[column]
    if not isinstance(domain, Categorical):
        raise TypeError(column)
    return domain.values


def _step(magnitude: float, bits: int) -> Fraction:
    """The greatest power of two of which ``magnitude`` holds at least 2^bits."""
    power = math.floor(math.log2(magnitude)) - bits
    while Fraction(magnitude) / Fraction(2) ** (power + 1) >= 2**bits:
        power += 1
    while Fraction(magnitude) / Fraction(2) ** power < 2**bits:
        power -= 1
    return Fraction(2) ** power


def _round(value: Fraction) -> int:
    """Half away from zero."""
    size = math.floor(abs(value) + Fraction(1, 2))
    return size if value >= 0 else -size
