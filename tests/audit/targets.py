"""The guards as the harness sees them, and pairs of tables that ask the most of them."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch

import unseen as un
from unseen.core.dataset import Dataset
from unseen.core.guarantee import DP, price
from unseen.query import Sum
from unseen.query.bounding import Query, group_sums
from unseen.query.statistic import Statistic
from unseen.train import DPSGD, session

from .harness import Array, Law, Pair, Stream, Table, stacked
from .reference import BITS, bounded, gaussian_law, gaussian_multiplier, statistic_law

__all__ = ["FROM_ROUNDING", "OfStatistic", "OfTraining", "Together", "TwoSums", "neighbours", "people"]

GROUPS = ("a", "b")
FROM_ROUNDING = (2**20 + 2**19 + 0.5) * 2.0**-13  # 192.00006…: half a step beyond a step of the default grid
WIDTH = 150.0  # of y, of the same size as x: a forgotten column is half of the sensitivity


class OfStatistic:
    """A statistic, replayed from its cached sums.

    Args:
        statistic: the guard.
        bits: of the grid that it should use.
    """

    def __init__(self, statistic: Statistic, bits: int = BITS) -> None:
        self.statistic, self.bits = statistic, bits

    def guarantee(self, data: Dataset) -> DP:
        promised = self.statistic.cost(data)
        assert isinstance(promised, DP)
        return promised

    def outputs(self, data: Dataset, runs: int) -> Array:
        return self.statistic.replay(data, runs)

    def law(self, table: Table) -> Law | None:
        epsilon = self.guarantee(table.data).epsilon
        return statistic_law(self.statistic, table.data.schema, table.frame, epsilon, self.bits)

    def reach(self, tables: Pair) -> Fraction:
        one, other = (
            group_sums(table.data, self.statistic.query(table.data), self.statistic.by, self.statistic.keys(table.data))
            for table in tables
        )
        moved = sum(abs(int(a) - int(b)) for a, b in zip(one.ravel(), other.ravel(), strict=True))
        made_for = Fraction(self.statistic.mechanism(tables[0].data).scale) * price(
            self.guarantee(tables[0].data).epsilon
        )
        return Fraction(moved) / made_for


class TwoSums(Sum):
    """Sums of x and y in one call, for one ε: a vector as SQL will ask for it."""

    columns = ("x", "y")

    def __init__(self, epsilon: float) -> None:
        super().__init__("x", epsilon)

    def query(self, data: Dataset) -> Query:
        """Both columns, on the grid of x, which is the coarser."""
        parts = self.parts(data)
        return Query(tuple(part.sums[0] for part in parts), reach=sum(part.reach for part in parts))

    def parts(self, data: Dataset) -> list[Query]:
        """What each column would be by itself."""
        found = []
        for name in self.columns:
            single = Sum(name, self.epsilon)
            single.step = self.step  # type: ignore[method-assign]
            found.append(single.query(data))
        return found

    def value(self, noised: Any, data: Dataset) -> Any:
        """Both sums."""
        return {name: int(part) * self.step(data) for name, part in zip(self.columns, noised, strict=True)}


class Together:
    """Several releases of one dataset, priced together by their sum."""

    def __init__(self, *parts: OfStatistic) -> None:
        self.parts = parts

    def guarantee(self, data: Dataset) -> DP:
        told = [part.guarantee(data) for part in self.parts]
        epsilon = math.nextafter(float(sum(price(each.epsilon) for each in told)), math.inf)
        return DP(epsilon, 0.0, told[0].unit, told[0].neighbours)

    def outputs(self, data: Dataset, runs: int) -> Array:
        return stacked([part.outputs(data, runs) for part in self.parts])

    def law(self, table: Table) -> Law | None:
        laws = [part.law(table) for part in self.parts]
        widths = [part.outputs(table.data, 1).shape[1] for part in self.parts]
        ends = np.cumsum([0, *widths])

        def uniforms(outputs: Array, stream: Stream) -> Array:
            columns = [outputs[:, ends[i] : ends[i + 1]] for i in range(len(laws))]
            return stacked([law.uniforms(each, stream) for law, each in zip(laws, columns, strict=True) if law])

        return Law(uniforms) if all(laws) else None

    def reach(self, tables: Pair) -> Fraction:
        return max(part.reach(tables) for part in self.parts)


def neighbours(
    epsilon: float,
    rows: int = 1,
    *,
    each: bool = False,
    spread: bool = False,
    also: float = WIDTH,
    low: float = -96.0,
    high: float = FROM_ROUNDING,
) -> Pair:
    """Two tables; the second has one unit more, which asks for all that a unit may ask for.

    Args:
        epsilon: ε of the statistic; there are so many rows in each group that a mean has a positive total.
        rows: ``max_rows_per_unit``.
        each: whether each row is a unit; the second table has one row more then.
        spread: whether the heavy unit has rows in every group; else all are in the first.
        also: the heavy unit's y.
        low: the lesser bound of x.
        high: the greater; by default it only fits the grid after rounding.

    The base has units at both bounds, beyond them, missing, and half a grid step off; units with several rows; and
    one unit with more rows than are allowed, all alike. The heavy unit has more than are allowed in each
    group, beyond the bound where that is furthest from zero.
    """
    count = math.ceil(45 * rows / epsilon)
    step = 2.0 ** (math.floor(math.log2(high)) - BITS)
    pattern = [low, low, low, math.nan, low - 1e6, low, low, low + step / 2, low + 7.5 * step, high, high * 3]
    base = []
    for index in range(len(GROUPS) * count):
        value = pattern[index % len(pattern)]
        row = (f"p{index}", value, float(index % 5 == 0), GROUPS[index % len(GROUPS)])
        base += [row] * (1 + index % rows)
    base += [("crowd", low, 0.0, "b")] * (2 * rows + 1)
    groups = GROUPS if spread else GROUPS[:1]
    heavy = [("heavy", high * 4, also, group) for group in groups for _ in range(2 * rows + 1)]
    columns = {"x": un.Range(low, high), "y": un.Range(0, WIDTH), "g": un.Categorical(*GROUPS)}
    schema = un.Schema(un.EachRow() if each else "id", columns, max_rows_per_unit=rows)
    return _pair(base, [*base, *(heavy[:1] if each else heavy)], schema, ["id", "x", "y", "g"])


def _pair(first: list[Any], second: list[Any], schema: un.Schema, names: list[str]) -> Pair:
    one, other = (pd.DataFrame(each, columns=names) for each in (first, second))
    return Table(one, Dataset(one, schema)), Table(other, Dataset(other, schema))


# --- training ----------------------------------------------------------------------------------------------------


def people(rows: int = 1, units: int = 30) -> Pair:
    """Two tables to train on; the second has one unit more, whose rows all pull the same way, as hard as they can."""
    base: list[Any] = [(f"p{i}", i % 7 / 6, ("no", "yes")[i % 2]) for i in range(units) for _ in range(1 + i % rows)]
    heavy = [("heavy", 1.0, "yes")] * (2 * rows + 1)
    columns = {"x": un.Range(0, 1), "ill": un.Categorical("no", "yes")}
    schema = un.Schema("id", columns, max_rows_per_unit=rows)
    return _pair(base, [*base, *heavy], schema, ["id", "x", "ill"])


class OfTraining:
    """Anything that trains by one step of DP-SGD in which every unit takes part, replayed from its clipped sum.

    The real training runs once on each table, up to the released model; where its one step adds noise, the same sum
    is noised as often as is asked, by the same function with the same arguments.

    Args:
        fit: trains on a dataset at rate 1 and gives what it promises, and the model that leaves.
        units: the expected batch size.
        max_grad_norm: C, as configured.
        slack: greatest share by which the noise may exceed the least that the price allows: the accountant rounds up.
    """

    def __init__(
        self, fit: Callable[[Dataset], tuple[DP, Any]], max_grad_norm: float, slack: float = 0.002, units: int = 30
    ) -> None:
        self.fit, self.max_grad_norm, self.slack, self.units = fit, max_grad_norm, slack, units
        self._cached: dict[int, tuple[DP, Any, float, Any, float]] = {}

    def step(self, data: Dataset) -> tuple[DP, Any, float, Any, float]:
        """What is promised, and the one step's clipped sums, deviation, stream and factor."""
        if id(data) not in self._cached:
            steps: list[tuple[Any, float, Any, float]] = []
            real = _noise_of_a_step()

            noised: list[Any] = []

            def noting(sums: Any, deviation: float, entropy: Any, factor: float = 1.0) -> None:
                steps.append(([total.clone() for total in sums], deviation, entropy, factor))
                real(sums, deviation, entropy, factor)
                noised.extend(total.clone() for total in sums)

            with patch.object(session, "add_gaussian_", noting):
                promised, model = self.fit(data)
            assert len(steps) == 1, "an audit of more than one step would understate it"
            for parameter, total in zip(model.parameters(), noised, strict=True):  # what is replayed is what leaves
                assert torch.allclose(parameter, -total, atol=1e-4)
            self._cached[id(data)] = (promised, *steps[0])
        return self._cached[id(data)]

    def guarantee(self, data: Dataset) -> DP:
        return self.step(data)[0]

    def outputs(self, data: Dataset, runs: int) -> Array:
        _, sums, deviation, entropy, factor = self.step(data)
        many = [total.double().expand(runs, *total.shape).clone() for total in sums]
        _noise_of_a_step()(many, deviation, entropy, factor)
        return stacked([self.units * total.reshape(runs, -1).numpy() for total in many])

    def law(self, table: Table) -> Law | None:
        promised = self.guarantee(table.data)
        multiplier = gaussian_multiplier(promised.epsilon, promised.delta)
        exact = softmax_sum(table, self.max_grad_norm)
        return gaussian_law(exact, multiplier * self.max_grad_norm, self.slack)

    def reach(self, tables: Pair) -> Fraction:
        (_, one, *_), (_, other, *_) = (self.step(table.data) for table in tables)
        moved = math.sqrt(sum(float(((a.double() - b.double()) ** 2).sum()) for a, b in zip(one, other, strict=True)))
        return Fraction(moved * (1 - 1e-12)) / Fraction(self.max_grad_norm)  # the roots' own rounding


def _noise_of_a_step() -> Callable[..., Any]:
    """The function by which a session adds noise, as it is just now."""
    found: Callable[..., Any] = vars(session)["add_gaussian_"]
    return found


def linear(epsilon: float, delta: float, bound: float, units: int = 30) -> Callable[[Dataset], tuple[DP, Any]]:
    """Trains a linear model by ``DPSGD`` in one step of rate 1 on everybody."""

    def fit(data: Dataset) -> tuple[DP, Any]:
        model = torch.nn.Linear(1, 2)
        for parameter in model.parameters():
            torch.nn.init.zeros_(parameter)
        guard = DPSGD(epsilon, delta=delta, max_grad_norm=bound, expected_batch_size=units, steps=1, dataset_size=units)
        with guard.open(model, torch.optim.SGD(model.parameters(), lr=1.0), data, target="ill") as run:
            for batch in run.batches():
                run.step(torch.nn.functional.cross_entropy, *batch)
        release = run.release()
        assert isinstance(release.guarantee, DP)
        return release.guarantee, release.value

    return fit


def logistic(epsilon: float, delta: float, bound: float, units: int = 30) -> Callable[[Dataset], tuple[DP, Any]]:
    """Trains ``models.LogisticRegression`` in one step of rate 1 on everybody."""

    def fit(data: Dataset) -> tuple[DP, Any]:
        model = un.models.LogisticRegression(
            epsilon,
            delta,
            epochs=1,
            expected_batch_size=units,
            dataset_size=units,
            max_grad_norm=bound,
            learning_rate=1.0,
        ).fit(data, target="ill")
        assert isinstance(model.guarantee_, DP)
        return model.guarantee_, model.release_.value

    return fit


def softmax_sum(table: Table, bound: float) -> Array:
    """The clipped sum of a linear softmax model's first gradients at zero weights, by its formula."""
    schema = table.data.schema
    kept = bounded(table.frame, "id", schema.max_rows_per_unit)
    assert kept is not None
    inputs = np.array([[2 * min(1.0, max(0.0, x)) - 1] for x in kept["x"]])
    pull = np.array([[0.5, -0.5] if ill == "yes" else [-0.5, 0.5] for ill in kept["ill"]])
    each = np.concatenate([(pull[:, :, None] * inputs[:, None, :]).reshape(len(kept), -1), pull], axis=1)
    means = pd.DataFrame(each).groupby(kept["id"].to_numpy()).mean().to_numpy()
    norms = np.linalg.norm(means, axis=1, keepdims=True)
    result: Array = (means * np.minimum(1, bound / np.maximum(norms, 1e-300))).sum(axis=0)
    return result
