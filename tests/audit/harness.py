"""The audit harness: what a guard lets out of two neighbouring tables, against what it promises.

Three checks, each on the guard's real code:

- **distinguishing**: a lower bound on ε from outputs on two generated tables that are one unit apart;
- **law**: the noise of these same outputs against the law that the promised price implies for a sensitivity that is
  worked out here, apart from the guard's code. Sees what distinguishing cannot: a sampler that is a little off;
- **reach**: the exact distance of the two cached aggregates against what the noise is made for. No randomness.

A sound guard is accused with probability at most ``alarm``: half for
distinguishing, half for the five tests of the law.
"""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import binom, chi2, kstwo

from unseen.attack import Distinguish
from unseen.core.dataset import Dataset
from unseen.core.guarantee import DP

__all__ = ["ALARM", "RUNS", "Finding", "Law", "Pair", "Table", "Target", "audit", "law_tests"]

Array = NDArray[np.float64]
Stream = np.random.Generator

ALARM = 1e-3
RUNS = 20_000
LEAST = 1e-300


@dataclass(frozen=True)
class Table:
    """A generated table: its rows as they were made, and the dataset that the guard sees."""

    frame: pd.DataFrame
    data: Dataset


Pair = tuple[Table, Table]


@dataclass(frozen=True)
class Law:
    """What the noise should be.

    Args:
        uniforms: turns outputs, shape (n, d), into independent uniforms, shape (n, d'), if their noise has the law;
            by its distribution function, with random places within atoms, so that this is exact.
        slack: greatest share by which the noise may be larger than the price asks for.
    """

    uniforms: Callable[[Array, Stream], Array]
    slack: float = 0.0


class Target(Protocol):
    """What is audited: a guard, and what the harness needs to know of it."""

    def guarantee(self, data: Dataset) -> DP:
        """What a release of this dataset promises."""

    def outputs(self, data: Dataset, runs: int) -> Array:
        """That many independent releases, from one cached aggregate, shape (runs, numbers)."""

    def law(self, table: Table) -> Law | None:
        """The law of the outputs that the promise implies; None where this table does not fix it."""

    def reach(self, tables: Pair) -> Fraction:
        """The distance of the two cached aggregates over the one that the noise is made for."""


@dataclass(frozen=True)
class Finding:
    """What an audit found.

    Args:
        epsilon: what is promised.
        delta: what is promised.
        low: lower bound on ε from outputs; above the true ε with probability at most ``alarm / 2``.
        tests: p-values of the tests of the law, each at most uniform for a sound guard.
        reach: see ``Target``.
        runs: outputs drawn on each table.
        alarm: greatest probability that a sound guard is accused.
        seconds: that the audit took.
    """

    epsilon: float
    delta: float
    low: float
    tests: Mapping[str, float]
    reach: Fraction
    runs: int
    alarm: float
    seconds: float

    @property
    def confidence(self) -> float:
        """Of the lower bound."""
        return 1 - self.alarm / 2

    @property
    def accused(self) -> tuple[str, ...]:
        """The checks that the guard failed; empty for a guard that holds."""
        failed = ["distinguishing"] if self.low > self.epsilon else []
        failed += [name for name, p in self.tests.items() if p < self.alarm / 2 / len(self.tests)]
        return (*failed, "reach") if self.reach > 1 else tuple(failed)

    @property
    def holds(self) -> bool:
        """Whether no check failed."""
        return not self.accused

    def __str__(self) -> str:
        tests = " ".join(f"{name} {p:.1g}" for name, p in self.tests.items())
        return (
            f"claimed ε {self.epsilon:g} δ {self.delta:g} · at least {self.low:.3g} (wrong: {self.alarm / 2:.1g}) · "
            f"{tests or 'no law'} · reach {float(self.reach):.7g} · accused: {', '.join(self.accused) or 'nothing'}"
        )


def audit(
    target: Target, tables: Pair, runs: int = RUNS, alarm: float = ALARM, stream: Stream | None = None
) -> Finding:
    """Audit a guard on two tables that are one unit apart.

    Args:
        target: the guard.
        tables: the neighbours.
        runs: outputs to draw on each.
        alarm: greatest probability that a sound guard is accused.
        stream: places within atoms; it does not touch the guard's noise.

    **Power**, with n draws of noise on both tables together: a location off by the share s of the scale, or a scale too
    small by it, is seen in 998 of 1,000 once s √n is at least z + 3, with z the normal quantile of alarm / 20. At an
    alarm of 1e-7, z + 3 = 8.7, and 5 % of 40,000 draws are 10. Noise on whole numbers whose scale is only one
    or two needs twice as many. An ε of 1.3 times the claim is seen by distinguishing at ε = 1 and 20,000 runs; smaller
    ones need more runs, about as 1 / ε².
    """
    begun = time.perf_counter()
    stream = np.random.default_rng() if stream is None else stream
    seen: tuple[list[Array], list[Array]] = ([], [])

    def runner(side: int) -> Callable[[int], Array]:
        def run(count: int) -> Array:
            seen[side].append(target.outputs(tables[side].data, count))
            return seen[side][-1]

        return run

    promised = target.guarantee(tables[0].data)
    report = Distinguish(runner(0), runner(1), runs=runs, confidence=1 - alarm).audit(promised)
    laws = [target.law(table) for table in tables]
    uniforms = [
        law.uniforms(np.concatenate(drawn), stream) for law, drawn in zip(laws, seen, strict=True) if law is not None
    ]
    slack = max((law.slack for law in laws if law is not None), default=0.0)
    return Finding(
        epsilon=promised.epsilon,
        delta=promised.delta,
        low=report.measured.low if report.measured is not None else 0.0,
        tests=law_tests(uniforms, slack) if uniforms else {},
        reach=target.reach(tables),
        runs=runs,
        alarm=alarm,
        seconds=time.perf_counter() - begun,
    )


def law_tests(samples: Sequence[Array], slack: float = 0.0) -> dict[str, float]:
    """p-values for "these are independent uniforms", by tests whose laws are exact at every size.

    Args:
        samples: arrays of shape (n, d), independent of one another.
        slack: see ``Law``.

    Location: how many lie below the middle. Scale: the sum of -2 log(2 min(u, 1 - u)), which is what a Laplace noise's
    size is to its scale, chi-square with two degrees each. Shape: Kolmogorov's distance, of all and of each column.
    Columns: how often two columns lie on one side, and how often both are large. Runs: the same for each run and
    the next.

    Source: for the distance's exact law, Simard and L'Ecuyer 2011, by scipy.
    """
    flat = np.concatenate([sample.ravel() for sample in samples])
    count = len(flat)
    sizes = -2 * np.log(np.maximum(2 * np.minimum(flat, 1 - flat), LEAST))
    total = float(sizes.sum())
    columns = [flat, *(sample[:, i] for sample in samples for i in range(sample.shape[1]))]
    # A normal distribution function moves by at most 0.242 of the share by which its scale moves.
    shapes = [float(kstwo.sf(max(_distance(each) - slack / 4, 0.0), len(each))) for each in columns]
    tests = {
        "location": _coins(int((flat < 0.5).sum()), count),
        "scale": min(
            1.0,
            2 * min(chi2.cdf(total, 2 * count), chi2.sf(total / (1 + slack) ** 2, 2 * count)),
        ),
        "shape": min(1.0, len(shapes) * min(shapes)),
    }
    pairs = [(sample[:, i], sample[:, j]) for sample in samples for i, j in combinations(range(sample.shape[1]), 2)]
    alike = [p for a, b in pairs for p in _alike(a, b)]
    if alike:
        tests["columns"] = min(1.0, len(alike) * min(alike))
    even = [sample[: len(sample) // 2 * 2] for sample in samples]
    runs = _alike(*(np.concatenate([sample[start::2].ravel() for sample in even]) for start in (0, 1)))
    tests["runs"] = min(1.0, 2 * min(runs))
    return {name: float(p) for name, p in tests.items()}


def _alike(one: Array, other: Array) -> tuple[float, float]:
    """Two p-values for "independent": by the side on which they lie, and by whether they are large."""
    side = int(((one < 0.5) == (other < 0.5)).sum())
    size = int(((np.abs(one - 0.5) < 0.25) == (np.abs(other - 0.5) < 0.25)).sum())
    return _coins(side, len(one)), _coins(size, len(one))


def _coins(heads: int, count: int) -> float:
    return float(min(1.0, 2 * min(binom.cdf(heads, count, 0.5), binom.sf(heads - 1, count, 0.5))))


def _distance(values: Array) -> float:
    ordered, places = np.sort(values), np.arange(len(values) + 1) / len(values)
    return float(max(np.max(places[1:] - ordered), np.max(ordered - places[:-1])))


def stacked(parts: Sequence[Any]) -> Array:
    """Columns of several targets side by side."""
    return np.concatenate([np.asarray(part, dtype=np.float64) for part in parts], axis=1)
