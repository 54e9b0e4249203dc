"""How likely people are to be found in a table: prosecutor, journalist and marketer risk, and class sizes."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.core.errors import DataFault, InvalidRequest, shown
from unseen.core.guarantee import Nothing, number, whole
from unseen.deid.hierarchies.ladder import texts
from unseen.deid.owners import OWNERS, Owners
from unseen.deid.risk.keys import Ints, codes, joined, one_each, people
from unseen.deid.risk.population import PopulationUniqueness, population_uniqueness
from unseen.deid.table import OwnTable, known, read, table_of
from unseen.report import plots
from unseen.report.plots import Bar

__all__ = ["Reidentification", "Risk", "expected_inverse", "reidentification"]

Floats = NDArray[np.float64]

SMALL = 50
"""Class sizes up to which a chance is computed by the hypergeometric function."""


@dataclass(frozen=True)
class Risk:
    """The risk of one kind of adversary.

    Args:
        above: share of units whose risk is above the threshold.
        highest: the greatest risk of a unit.
        average: as that adversary's measure defines it.
        how: what was counted or estimated.
    """

    above: float
    highest: float
    average: float
    how: str


@dataclass(frozen=True)
class Reidentification(Owners):
    """What somebody who knows some columns of a person can find.

    Args:
        columns: what they know.
        unit: whom they look for, in words.
        units: how many there are.
        sizes: for each class size, in units, how many classes have it.
        unique: units with a class to themselves.
        threshold: the risk above which a unit counts as at risk.
        prosecutor: of somebody who knows that their target is in the table.
        journalist: of somebody who does not, and looks into the population; None without one.
        marketer: of somebody who wants to find as many as possible, whomever.
        population: how many of the population are unique; None if its size is not known.
        notes: what these figures assume.
        guarantee: that nothing is promised: it stays with the owner.

    Source: El Emam and Dankar 2008 (prosecutor, journalist); Dankar and El Emam 2010 (marketer); El Emam 2013,
    chapter 16, for the three measures of each.
    """

    columns: tuple[str, ...]
    unit: str
    units: int
    sizes: Mapping[int, int]
    unique: int
    threshold: float
    prosecutor: Risk
    journalist: Risk | None
    marketer: Risk
    population: PopulationUniqueness | None
    notes: tuple[str, ...]
    guarantee: Nothing = OWNERS

    def figures(self) -> list[tuple[str, str, str]]:
        """Heading, inline SVG and caption of each plot."""
        members = [(float(size), float(size * count)) for size, count in self.sizes.items()]
        kinds = {"prosecutor": self.prosecutor, "journalist": self.journalist, "marketer": self.marketer}
        average = [Bar(name, risk.average, _percent(risk.average)) for name, risk in kinds.items() if risk is not None]
        above = [Bar(name, risk.above, _percent(risk.above)) for name, risk in kinds.items() if risk is not None]
        models = (
            () if self.population is None else (self.population.pitman, self.population.zayatz, self.population.snb)
        )
        unique = [Bar(one.model, one.share, _percent(one.share)) for one in models if one.share is not None]
        made = [
            (
                "How many share their values",
                plots.sizes(
                    f"How many {self.unit}s stand in classes of each size",
                    members,
                    x=f"{self.unit}s in a class",
                    y=f"{self.unit}s",
                ),
                "How many share their values with how many; who stands at one is alone with theirs.",
            ),
            (
                "Average risk",
                plots.bars("Average risk of being found, by adversary", average, end=1.0),
                "The share whom each adversary finds by guessing in the class that fits.",
            ),
            (
                f"At a risk above {_percent(self.threshold)}",
                plots.bars(f"Share at a risk above {self.threshold:g}, by adversary", above, end=1.0),
                "Whoever has fewer companions than the threshold asks for.",
            ),
            (
                "Unique in the population",
                plots.bars("Share of the population that is unique, by model", unique, end=1.0),
                "Estimates from the table as a sample; models that gave no number are left out.",
            ),
        ]
        return [one for one in made if one[1]]


def reidentification(
    data: Any,
    quasi_identifiers: Sequence[str] | None = None,
    population: Any = None,
    threshold: float = 0.2,
) -> Reidentification:
    """Measure re-identification risk. For the owner alone.

    Missing values count as equal. A unit with several rows has the risk of its riskiest row.

    Args:
        data: a dataset, or the caller's own table, every row another unit.
        quasi_identifiers: the columns that an adversary may know; those of the schema if not given.
        population: from which the table is taken: how many people it has, or a table of them, one row a person, with
            these columns. Without it nobody's risk is lowered by people outside of the table.
        threshold: the risk above which somebody counts as at risk, in (0, 1]; 0.2 is a class of fewer than five.

    With a size alone the risk in the population is estimated, for a simple random sample, as the mean of 1/F given
    what was sampled of a class of F people. Of those alone in the table as many are taken to be alone in the population
    as the chosen model of population uniqueness says; for the rest classes of F people are taken to be as frequent as
    1/F (Benedetti and Franconi 1998), which is too low where small classes are more frequent than that.

    Raises:
        InvalidRequest: unknown columns, no columns, or a population smaller than the table.
        DataFault: an empty table.
    """
    table = table_of(data)
    limit = number("threshold", threshold, 0, 1, open_low=True)
    names = tuple(table.schema.quasi_identifiers if quasi_identifiers is None else quasi_identifiers)
    if not names or isinstance(quasi_identifiers, str):
        raise InvalidRequest(
            f"risk on quasi_identifiers={quasi_identifiers!r} was asked for",
            "the columns that an adversary may know, here or in the schema",
            'quasi_identifiers=["age", "zip"]',
        )
    known(table, names)
    frame, rows = read(table)
    if not len(rows):
        raise DataFault("the risk of an empty table was asked for", "at least one row")
    coded = [codes(frame[name]) for name in names]
    units = one_each(rows)
    keys = joined([found for found, _ in coded])
    of, who, sizes = people(keys, units)
    count = len(rows) if units is None else int(units.max()) + 1
    run = _Run(of, who, sizes, count, limit)
    notes = []
    if units is not None:
        notes.append(f"A {table.schema.unit_name} with several rows has the risk of its riskiest row.")
    journalist, estimate = None, None
    if population is None:
        marketer = run.risk(1 / sizes, len(sizes) / len(of), "as if the table were the whole population")
    elif isinstance(population, (int, np.integer)) and not isinstance(population, bool):
        total = whole("population", int(population), 1)
        if total < count:
            raise InvalidRequest(
                f"a population of {total:,} was given for {count:,} {table.schema.unit_name}s", "at least as many"
            )
        how = f"estimated for a simple random sample of {total:,} people"
        alone = count / total  # as Benedetti and Franconi have it
        if len(of) == count:
            estimate = population_uniqueness(_histogram(sizes), total)
            if estimate.chosen.uniques is not None and (sizes == 1).any():
                alone = min(1.0, estimate.chosen.uniques * count / total / int((sizes == 1).sum()))
                how += f", with as many unique in it as {estimate.chosen.model} says"
        else:
            notes.append("Population uniqueness is not estimated where a unit is in several classes.")
        chance = expected_inverse(sizes, count / total, alone)
        journalist = run.risk(chance, None, how)
        marketer = run.risk(chance, float(sizes @ chance) / len(of), how)
    else:
        outside = _outside(population, names, coded, keys, len(sizes))
        lacking = int((outside < sizes).sum())
        if lacking:
            notes.append(
                f"Of {len(sizes):,} classes {lacking:,} have fewer people in the population than in the table: it is "
                "not the population that the table is from, or writes values differently. They count as in the table."
            )
        outside = np.maximum(outside, sizes)
        how = "counted in the population's table"
        mean = float(sizes @ (1 / outside)) / len(of)
        journalist = run.risk(1 / outside, max(len(sizes) / float(outside.sum()), mean), how)
        marketer = run.risk(1 / outside, mean, how)
    return Reidentification(
        names,
        table.schema.unit_name,
        count,
        _histogram(sizes),
        len(np.unique(who[sizes[of] == 1])),
        limit,
        run.risk(1 / sizes, None, "counted in the table"),
        journalist,
        marketer,
        estimate,
        tuple(notes),
    )


class _Run:
    def __init__(self, of: Ints, who: Ints, sizes: Ints, count: int, limit: float) -> None:
        self.of, self.who, self.sizes, self.count, self.limit = of, who, sizes, count, limit

    def risk(self, chance: Floats, average: float | None, how: str) -> Risk:
        """From each class's chance of a right guess."""
        if len(self.of) == self.count:  # one class each
            above = float(self.sizes @ (chance > self.limit * (1 + 1e-12))) / self.count
            mean, highest = float(self.sizes @ chance) / self.count, float(chance.max())
        else:
            each = np.zeros(self.count)
            np.maximum.at(each, self.who, chance[self.of])
            above, mean = float((each > self.limit * (1 + 1e-12)).mean()), float(each.mean())
            highest = float(each.max())
        return Risk(above, highest, mean if average is None else average, how)


def expected_inverse(sizes: Ints, fraction: float, alone: float | None = None) -> Floats:
    """The mean of 1/F for classes of which f people were drawn, each with the given probability.

    Args:
        sizes: shape (classes,), f of at least 1.
        fraction: the sampling fraction π, in (0, 1].
        alone: the probability that F is 1 where f is; π by default, as it is where F is as frequent as 1/F.

    Source: Benedetti and Franconi 1998: where F is as frequent as 1/F, F - f is negative binomial, and the mean is
    ∫₀¹ u^(f-1) π / (π + (1-π) u) du = (π/f) ₂F₁(1, 1; f+1; 1-π) = (1/f) ∫₀^∞ e^-x π / (π + (1-π) e^(-x/f)) dx. For
    f = 1 it is π + (1-π) m with m the mean where F is not 1; with another probability q of 1 it is q + (1-q) m.
    """
    from scipy.special import hyp2f1, roots_laguerre

    distinct, at = np.unique(sizes, return_inverse=True)
    found = np.empty(len(distinct))
    small = distinct <= SMALL
    found[small] = fraction / distinct[small] * hyp2f1(1.0, 1.0, distinct[small] + 1.0, 1.0 - fraction)
    points, weights = roots_laguerre(40)  # there SciPy's function gives no number, and the integrand is smooth
    falling = np.exp(-points / distinct[~small, None])
    found[~small] = (fraction / (fraction + (1 - fraction) * falling)) @ weights / distinct[~small]
    if alone is not None and distinct[0] == 1 and fraction < 1:
        found[0] = alone + (1 - alone) * (found[0] - fraction) / (1 - fraction)
    result: Floats = np.minimum(found, 1 / distinct)[at]
    return result


def _outside(
    population: Any, names: Sequence[str], coded: Sequence[tuple[Ints, NDArray[Any]]], keys: Ints, classes: int
) -> Ints:
    """For each class the people of the population with its values; values are compared as text."""
    frame = OwnTable(population).frame
    absent = [name for name in names if name not in frame.columns]
    if absent:
        raise InvalidRequest(f"a population without {shown(absent)} was given", f"a table with {shown(names)}")
    parts, fits = [], np.ones(len(frame), dtype=bool)
    for name, (inside, values) in zip(names, coded, strict=True):
        outside, others = codes(frame[name])
        place = {text: at for at, text in enumerate(texts(values.tolist()))}
        same = np.array([place.get(text, -1) for text in texts(others.tolist())], dtype=np.int64)[outside]
        fits &= same >= 0
        parts.append(np.concatenate([inside, np.maximum(same, 0)]))
    both = joined(parts)
    counted = np.bincount(both[len(keys) :][fits], minlength=int(both.max()) + 1)
    found = np.zeros(classes, dtype=np.int64)
    found[keys] = counted[both[: len(keys)]]
    return found


def _histogram(sizes: Ints) -> dict[int, int]:
    size, count = np.unique(sizes, return_counts=True)
    return dict(zip(size.tolist(), count.tolist(), strict=True))


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
