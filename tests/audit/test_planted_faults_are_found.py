"""Each named fault, planted in the code that runs, is found.

Power of one audit at an alarm of 1e-7; ε = 1 and 20,000 runs on each table unless said. The lower bound on ε is
what 12 or more audits showed on average, in brackets the least of them; none missed.

- sensitivity halved: 1.7 (1.4), training 1.5 (1.4). At ε = 0.1 the law sees it, not distinguishing.
- bounding left out: rows 2.0 (1.9), rows across groups 1.8 (1.7), values 3.4 (3.3), gradients 1.5 (1.4).
- sampler off by 5 % of its scale: the law, whose statistics lie 9 spreads or more away where 5.7 accuse (a count needs
  50,000 runs for that). Location moves no ε at all, and 5 % of scale moves it to 1.05: distinguishing sees neither.
- ε per column 1.4 (1.3), per group 2.6 (2.5), per layer by the law and the reach.
- reused noise: 6.3, all that so many runs can show; two releases that move alike, and a mean's two sums, by the law.
- missing rounding: 1.3 (1.2) where a bound of 2.5 steps counts as 2. One step in 2^20 by the reach alone, surely.
- threshold too low: by one, 2.3 (1.8) with 40,000 runs; for one key where two are allowed, 4.2 (4.0).
"""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from unseen.core import dataset, snapshot
from unseen.core.dataset import Dataset
from unseen.core.noise import normals as stream_normals
from unseen.core.noise import scalar
from unseen.core.noise.entropy import Entropy
from unseen.core.schema import Domain, Range
from unseen.core.snapshot import UNIT, quoted
from unseen.query import Count, Histogram, Mean, Sum, mechanism
from unseen.query.bounding import Query
from unseen.query.mechanism import LaplaceSums
from unseen.query.statistic import Statistic
from unseen.train import gradients, session
from unseen.train.layers import linear as linear_layers
from unseen.train.sampling import Draw

from .harness import Pair, Target, audit
from .targets import OfStatistic, OfTraining, Together, TwoSums, linear, logistic, neighbours, people
from .threshold import PrivateKeys, key_tables

ALARM = 1e-7  # what sound guards are audited at, so that nothing here is found by being quick to accuse
OFF = 0.05

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Fault:
    """A fault and where it is planted.

    Args:
        plant: breaks the code.
        target: the guard, made when the code is broken.
        tables: its neighbours, likewise.
        seen: checks that have to see it.
        runs: on each table.
    """

    plant: Callable[[Patch], None]
    target: Callable[[], Target]
    tables: Callable[[], Pair]
    seen: tuple[str, ...] = ("distinguishing",)
    runs: int = 20_000


def nothing(_: Patch) -> None:
    """The target itself is broken."""


def statistic(made: Callable[..., Statistic], *arguments: Any, **named: Any) -> Callable[[], Target]:
    return lambda: OfStatistic(made(*arguments, **named))


def training(fit: Any = logistic, epsilon: float = 1.0, delta: float = 1e-2) -> Callable[[], Target]:
    return lambda: OfTraining(fit(epsilon, delta, 0.5), 0.5)


# --- sensitivity halved ------------------------------------------------------------------------------------------


def half_the_sensitivity(patch: Patch) -> None:
    real = scalar.laplace_scale
    patch.setattr(scalar, "laplace_scale", lambda sensitivity, epsilon: real(sensitivity, epsilon) / 2)


def twice_the_bound(patch: Patch) -> None:
    real = gradients.factors_within
    patch.setattr(
        gradients, "factors_within", lambda rule, squares, bound, dtype: real(rule, squares, 2 * bound, dtype)
    )


# --- bounding left out -------------------------------------------------------------------------------------------


def all_rows(patch: Patch) -> None:
    patch.setattr(Dataset, "table", lambda self, *, bounded: quoted(self._rows))


def rows_bounded_in_each_group(patch: Patch) -> None:
    def choose(self: Any) -> None:
        self._connection.execute(
            f"CREATE TABLE {quoted(self._kept)} AS SELECT * FROM {quoted(self._rows)} QUALIFY "
            f"row_number() OVER (PARTITION BY {quoted(UNIT)}, g) <= {self.schema.max_rows_per_unit}"
        )
        self._bounded = True

    patch.setattr(dataset.Dataset, "_choose_rows", choose)


def values_as_they_come(patch: Patch) -> None:
    real = snapshot._cleaned

    def cleaned(name: str, domain: Domain, stored: str, text: bool) -> str:
        if isinstance(domain, Range):
            return f"coalesce(nullif(TRY_CAST({quoted(name)} AS DOUBLE), 'nan'::DOUBLE), {domain.low!r}::DOUBLE)"
        return real(name, domain, stored, text)

    patch.setattr(snapshot, "_cleaned", cleaned)


def no_clipping(patch: Patch) -> None:
    patch.setattr(
        gradients,
        "factors_within",
        lambda rule, squares, bound, dtype: (torch.ones_like(squares), torch.isfinite(squares).all(0)),
    )


def rows_clipped_and_not_units(patch: Patch) -> None:
    real = Draw.physical
    patch.setattr(Draw, "physical", lambda self, limit: real(Draw(self.rows, np.ones_like(self.rows)), limit))


# --- sampler biased ----------------------------------------------------------------------------------------------


def sampler(location: float = 0.0, scale: float = 1.0) -> Callable[[Patch], None]:
    """OpenDP's measurement, certified as ever, drawing something a little different."""
    stream = np.random.default_rng()

    def plant(patch: Patch) -> None:
        real = scalar._mechanism

        class Biased:
            def __init__(self, asked: float) -> None:
                self.map, self.draw, self.shift = real(asked).map, real(asked * scale), asked * location

            def __call__(self, exact: list[int]) -> list[int]:
                steps = np.floor(self.shift + stream.random(len(exact)))  # on average the shift, however small
                return [value + int(step) for value, step in zip(self.draw(exact), steps, strict=True)]

        patch.setattr(scalar, "_mechanism", Biased)

    return plant


def normals(location: float = 0.0, scale: float = 1.0) -> Callable[[Patch], None]:
    def plant(patch: Patch) -> None:
        real = stream_normals.add_normals

        def off(arrays: list[Any], deviation: float, *rest: Any) -> None:
            real(arrays, scale * deviation, *rest)
            for array in arrays:
                array += location * deviation

        patch.setattr(stream_normals, "add_normals", off)

    return plant


# --- ε for each column, group or layer ---------------------------------------------------------------------------


class PerColumn(TwoSums):
    """Broken: noise for the wider column alone."""

    def query(self, data: Dataset) -> Query:
        return replace(super().query(data), reach=max(part.reach for part in self.parts(data)))


def epsilon_in_each_group(patch: Patch) -> None:
    def made(self: Statistic, data: Dataset) -> LaplaceSums:
        return LaplaceSums(self.query(data).reach, self.epsilon, self.seed)  # as if a unit had a row in a group

    patch.setattr(Statistic, "mechanism", made)


def bias_left_out_of_the_norm(patch: Patch) -> None:
    real = linear_layers.norm_of_pairs
    patch.setattr(linear_layers, "norm_of_pairs", lambda a, g, weight, bias: real(a, g, weight, False))


# --- reused noise ------------------------------------------------------------------------------------------------


def one_draw_for_all_columns(patch: Patch) -> None:
    real = LaplaceSums.noised

    def noised(self: LaplaceSums, exact: Any) -> Any:
        first = real(self, np.ascontiguousarray(exact[..., :1, :1])) - exact[..., :1, :1]
        return exact + first

    patch.setattr(LaplaceSums, "noised", noised)


def one_draw_for_two_sums(patch: Patch) -> None:
    real = LaplaceSums.noised
    kept: list[Any] = []

    def noised(self: LaplaceSums, exact: Any) -> Any:
        if kept and kept[-1].shape == exact.shape:
            return exact + np.rint(kept.pop() * self.scale).astype(np.int64)
        found = real(self, exact)
        kept.append((found - exact) / self.scale)
        return found

    patch.setattr(LaplaceSums, "noised", noised)


def one_draw_for_two_releases(patch: Patch) -> None:
    real = LaplaceSums.noised

    def noised(self: LaplaceSums, exact: Any) -> Any:
        every_other = np.ascontiguousarray(exact[::2])
        return exact + np.repeat(real(self, every_other) - every_other, 2, axis=0)[: len(exact)]

    patch.setattr(LaplaceSums, "noised", noised)


def one_draw_for_all_layers(patch: Patch) -> None:
    real: Any = vars(session)["add_gaussian_"]

    def noised(sums: list[torch.Tensor], deviation: float, entropy: Entropy, factor: float = 1.0) -> None:
        """The first layer's noise, as far as it goes, for the second too."""
        before = sums[0] * factor
        real(sums[:1], deviation, entropy, factor)
        sums[1].mul_(factor).add_((sums[0] - before).reshape(sums[1].shape))

    patch.setattr(session, "add_gaussian_", noised)


# --- missing rounding --------------------------------------------------------------------------------------------


def three_steps(patch: Patch) -> None:
    """The honest code on a grid so coarse that rounding is not small."""
    patch.setattr(mechanism, "STEPS", 2)


class UnroundedSum(Sum):
    """Broken: values are rounded, the bound that their noise is made for is cut."""

    def query(self, data: Dataset) -> Query:
        return replace(super().query(data), reach=int(max(map(abs, self.bounds(data))) / self.step(data)))


class UnroundedMean(Mean):
    """Broken likewise."""

    def query(self, data: Dataset) -> Query:
        low, high = self.bounds(data)
        return replace(super().query(data), reach=int((high - low) / mechanism.grid(high - low)))


# --- threshold too low -------------------------------------------------------------------------------------------


class OneLess(PrivateKeys):
    """Broken: a key leaves at τ - 1."""

    @property
    def least(self) -> int:
        return super().least - 1


class ForOneKey(PrivateKeys):
    """Broken: τ as if a unit had one key."""

    @property
    def least(self) -> int:
        return PrivateKeys(self.epsilon, self.delta).least


FAULTS: dict[str, Fault] = {
    "sensitivity halved: count": Fault(half_the_sensitivity, statistic(Count, 1.0), lambda: neighbours(1.0)),
    "sensitivity halved: sum": Fault(half_the_sensitivity, statistic(Sum, "x", 1.0), lambda: neighbours(1.0)),
    "sensitivity halved: mean": Fault(half_the_sensitivity, statistic(Mean, "x", 1.0), lambda: neighbours(1.0)),
    "sensitivity halved: histogram": Fault(
        half_the_sensitivity, statistic(Histogram, "x", 1.0, 2), lambda: neighbours(1.0)
    ),
    "sensitivity halved: sums of 3 rows by group": Fault(
        half_the_sensitivity, statistic(Sum, "x", 1.0, by="g"), lambda: neighbours(1.0, 3, spread=True)
    ),
    "sensitivity halved: a small epsilon": Fault(
        half_the_sensitivity, statistic(Sum, "x", 0.1), lambda: neighbours(0.1), seen=("scale", "shape", "reach")
    ),
    "sensitivity halved: training": Fault(twice_the_bound, training(), people, seen=("distinguishing", "reach")),
    "bounding left out: rows": Fault(all_rows, statistic(Sum, "x", 1.0), lambda: neighbours(1.0, 3)),
    "bounding left out: rows, means": Fault(all_rows, statistic(Mean, "x", 1.0), lambda: neighbours(1.0, 1)),
    "bounding left out: rows across groups": Fault(
        rows_bounded_in_each_group, statistic(Count, 1.0, by="g"), lambda: neighbours(1.0, 1, spread=True)
    ),
    "bounding left out: values": Fault(values_as_they_come, statistic(Sum, "x", 1.0), lambda: neighbours(1.0)),
    "bounding left out: gradients": Fault(no_clipping, training(linear), people),
    "bounding left out: gradients of units": Fault(rows_clipped_and_not_units, training(), lambda: people(3)),
    "sampler biased in location: count": Fault(
        sampler(location=OFF), statistic(Count, 1.0), lambda: neighbours(1.0), seen=("location",), runs=50_000
    ),
    "sampler biased in location: mean": Fault(
        sampler(location=OFF), statistic(Mean, "x", 1.0), lambda: neighbours(1.0), seen=("location",), runs=50_000
    ),
    "sampler biased in location: sum": Fault(
        sampler(location=OFF), statistic(Sum, "x", 1.0), lambda: neighbours(1.0), seen=("location",)
    ),
    "sampler biased in location: histogram": Fault(
        sampler(location=OFF), statistic(Histogram, "x", 0.1, 2), lambda: neighbours(0.1), seen=("location",)
    ),
    "sampler biased in location: training": Fault(normals(location=OFF), training(), people, seen=("location",)),
    "sampler biased in scale: count": Fault(
        sampler(scale=1 - OFF), statistic(Count, 1.0), lambda: neighbours(1.0), seen=("scale",), runs=50_000
    ),
    "sampler biased in scale: mean": Fault(
        sampler(scale=1 - OFF), statistic(Mean, "x", 1.0), lambda: neighbours(1.0), seen=("scale",)
    ),
    "sampler biased in scale: sum": Fault(
        sampler(scale=1 - OFF), statistic(Sum, "x", 1.0), lambda: neighbours(1.0), seen=("scale",)
    ),
    "sampler biased in scale: histogram": Fault(
        sampler(scale=1 - OFF), statistic(Histogram, "x", 0.1, 2), lambda: neighbours(0.1), seen=("scale",)
    ),
    "sampler biased in scale: training": Fault(normals(scale=1 - OFF), training(), people, seen=("scale",)),
    "epsilon per column": Fault(nothing, statistic(PerColumn, 1.0), lambda: neighbours(1.0)),
    "epsilon per group": Fault(
        epsilon_in_each_group, statistic(Histogram, "g", 1.0), lambda: neighbours(1.0, 3, spread=True)
    ),
    "epsilon per group: sums": Fault(
        epsilon_in_each_group, statistic(Sum, "x", 1.0, by="g"), lambda: neighbours(1.0, 3, spread=True)
    ),
    "bias left out of the norm": Fault(
        bias_left_out_of_the_norm, training(), people, seen=("shape", "reach"), runs=50_000
    ),
    "reused noise: groups": Fault(
        one_draw_for_all_columns,
        statistic(Sum, "x", 1.0, by="g"),
        lambda: neighbours(1.0),
        seen=("distinguishing", "columns"),
    ),
    "reused noise: both sums of a mean": Fault(
        one_draw_for_all_columns, statistic(Mean, "x", 1.0), lambda: neighbours(1.0), seen=("shape",)
    ),
    "reused noise: both columns": Fault(
        one_draw_for_two_sums,
        lambda: Together(OfStatistic(Sum("x", 0.5)), OfStatistic(Sum("y", 0.5))),
        lambda: neighbours(0.5, also=0.0),
        seen=("distinguishing", "columns"),
    ),
    "reused noise: two sums of one column": Fault(
        one_draw_for_two_sums,
        lambda: Together(OfStatistic(Sum("x", 0.5)), OfStatistic(Count(0.5))),
        lambda: neighbours(0.5, high=96.0),
        seen=("columns",),
    ),
    "reused noise: one release and the next": Fault(
        one_draw_for_two_releases, statistic(Sum, "x", 1.0), lambda: neighbours(1.0), seen=("runs",)
    ),
    "reused noise: training": Fault(one_draw_for_all_layers, training(), people, seen=("columns",)),
    "missing rounding: sum": Fault(
        three_steps,
        lambda: OfStatistic(UnroundedSum("x", 1.0), bits=1),
        lambda: neighbours(1.0, low=0.0, high=2.5),
        seen=("distinguishing", "scale", "reach"),
    ),
    "missing rounding: mean": Fault(
        three_steps,
        lambda: OfStatistic(UnroundedMean("x", 1.0), bits=1),
        lambda: neighbours(1.0, low=0.0, high=2.5),
        seen=("distinguishing", "reach"),
    ),
    "missing rounding: one step in a million": Fault(
        nothing, statistic(UnroundedSum, "x", 1.0), lambda: neighbours(1.0), seen=("reach",)
    ),
    "threshold too low: by one": Fault(
        nothing,
        lambda: OneLess(1.0, 0.02),
        lambda: key_tables(1.0, 1, fresh=True),
        seen=("distinguishing", "shape"),
        runs=40_000,
    ),
    "threshold too low: for one key of two": Fault(
        nothing,
        lambda: ForOneKey(1.0, 0.02, keys=2),
        lambda: key_tables(1.0, 2, fresh=True),
        seen=("distinguishing", "shape"),
    ),
}


@pytest.mark.statistical
@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(
    name: str,
    proof_runs: Callable[[int, int], int],
    record_property: Callable[[str, object], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Power: each is seen by each check that is named for it, as the top of this file states."""
    fault = FAULTS[name]
    findings = []
    for _ in range(proof_runs(1, 3)):
        with monkeypatch.context() as patch:
            fault.plant(patch)
            findings.append(audit(fault.target(), fault.tables(), fault.runs, ALARM))
    slowest, least = max(each.seconds for each in findings), min(each.low for each in findings)
    record_property("seconds", f"{slowest:.1f}")
    record_property("ε ≥", f"{least:.3g} of {findings[0].epsilon:g}")
    record_property("accused", ", ".join(findings[0].accused))
    for finding in findings:
        assert set(fault.seen) <= set(finding.accused), str(finding)
