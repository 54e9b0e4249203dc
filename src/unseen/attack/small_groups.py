"""Small groups: aggregates that are one person's value, as they stand or after subtracting others."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from unseen.attack.base import Attack, bounds_of, claimed_dp
from unseen.attack.cells import key
from unseen.attack.curve import rate_ceiling
from unseen.attack.interval import CONFIDENCE, clopper_pearson
from unseen.attack.subtraction import Equation, solve
from unseen.attack.table import check_source, read
from unseen.core.errors import InvalidRequest, shown
from unseen.core.guarantee import number, whole
from unseen.core.release import Release
from unseen.report.claims import Measured, Report

if TYPE_CHECKING:
    import narwhals as nw

__all__ = ["SmallGroups"]

STATISTICS = ("sum", "mean")
COUNT = "count"

Cells = tuple[NDArray[np.int64], ...]


@dataclass(frozen=True)
class _Found:
    """Guesses about people: their positions, the guesses, and which of them come from a group as it was released."""

    people: NDArray[np.int64]
    guesses: NDArray[np.float64]
    plain: NDArray[np.bool_]


@final
class SmallGroups(Attack):
    """An adversary who knows which group everybody is in, and reads or computes the aggregates of one person.

    They take groups of one as they are; they subtract: a total less all groups but one that was left out of
    the table, a district less its streets; and they solve for what only several tables together give away.

    Args:
        people: everybody whom the tables are about, one row a person: the path of a csv or parquet file, or a
            dataframe. The adversary knows its columns, but for the value.
        value: its column with the true values, numbers, which only the owner knows: they judge the guesses.
        bounds: the least and greatest value that the adversary thinks possible, into which guesses are cut.
        insiders: how many members of one group pool what they know of themselves against the last one; 0 for an
            adversary from outside.
        tolerance: how far off a guess may be and still counts, above 0; for whole numbers 0.5.

    Raises:
        InvalidRequest: no such file, no table, a number out of range.

    Source: Denning 1980 and Denning, Denning and Schwartz 1979 (small query sets and their complements); Chin and
    Özsoyoğlu 1982 (sums that follow from others).
    """

    def __init__(
        self,
        people: Any,
        value: str,
        bounds: tuple[float, float] | None = None,
        insiders: int = 0,
        tolerance: float = 0.5,
    ) -> None:
        check_source(people, "people")
        if not isinstance(value, str) or not value:
            raise InvalidRequest(f"value={value!r} was given", "the name of a column of people")
        self.people, self.value = people, value
        self.bounds = bounds_of(bounds)
        self.insiders = whole("insiders", insiders)
        self.tolerance = number("tolerance", tolerance, 0, open_low=True)

    def audit(self, *tables: Any, claim: Any = None) -> Report:
        """Look for people whose value the tables give away.

        Args:
            *tables: what was released: releases of tables, dataframes or paths. Each has columns of ``people``
                that say which group a row is (none for a total over everybody), ``sum`` or ``mean`` of the value in
                it and, if it was released, ``count``. A group that was left out, or whose statistic is missing, was
                not released.
            claim: the release or guarantee that all tables together are said to have; None claims nothing.

        Returns:
            A report. Without a claim it is on the share of people whose value is learned, with Clopper and Pearson's
            interval for people drawn as these were. Under (ε, δ)-DP it is on the people alone whom groups
            single out (who they are does not depend on values), and at most min(e^ε·b + δ, 1 - e^-ε·(1 - δ - b))
            of guesses about them are right, where b is the greatest share of all, or of those, whose values one guess
            could meet: so much is right about somebody drawn as these were who is in no table.

        Raises:
            InvalidRequest: no tables, columns that people lack, or a table without a statistic.
        """
        promised = claimed_dp(claim)
        people = read(self.people, "people")
        truth = self._truth(people)
        groups, released = self._released(people, tables)
        found, complete = self._found(groups, released, truth)
        right = np.abs(np.clip(found.guesses, *self.bounds) - truth[found.people]) <= self.tolerance
        singled, learned = len(found.people), int(right.sum())
        judged = [truth] if promised is None or not singled else [truth, truth[found.people]]
        blind = max(_most_alike(values, self.tolerance) for values in judged)
        trials = len(truth) if promised is None else singled
        if trials:
            measured = Measured(learned / trials, *clopper_pearson(learned, trials, CONFIDENCE))
            reach = clopper_pearson(trials, trials, CONFIDENCE)[0]
        else:
            measured, reach = Measured(0.0, 0.0, 1.0), 0.0
        notes = [
            f"{singled:,} of {len(truth):,} people are singled out by {len(released):,} released groups; a guess is "
            f"right within {self.tolerance:g}."
        ]
        if self.insiders:
            notes.append(f"Up to {self.insiders} members of a group pool their own values.")
        if promised is not None:
            notes.append(
                "The interval takes guesses as independent; those that subtract the same noisy group are not quite."
                if trials
                else "Nobody is singled out, so these tables cannot show whether the claim holds."
            )
        if not complete:
            notes.append("The tables are too large to try every combination of them: more may follow.")
        return Report(
            attack="small groups",
            scale="share of people whose value is learned"
            if promised is None
            else "share of guesses about people in small groups that are right",
            claimed=None if promised is None else rate_ceiling(promised, blind),
            measured=measured,
            reach=reach,
            confidence=CONFIDENCE,
            figures={
                "people": float(len(truth)),
                "released groups": float(len(released)),
                "people singled out": float(singled),
                "by subtraction alone": float(singled - int(found.plain.sum())),
                "guesses that are right": float(learned),
                "best blind guess": blind,
            },
            notes=tuple(notes),
        )

    def _truth(self, people: nw.DataFrame[Any]) -> NDArray[np.float64]:
        if self.value not in people.columns:
            raise InvalidRequest(f"value={self.value!r} was given", f"people has {shown(people.columns)}")
        try:
            truth = np.array([float(value) for value in people[self.value].to_list()], dtype=np.float64)
        except (TypeError, ValueError):
            truth = np.array([np.nan])
        if not len(truth):
            raise InvalidRequest("people holds nobody", "at least one row")
        if not np.isfinite(truth).all():
            raise InvalidRequest(f"people's {self.value!r} holds what is no number", "a number for everybody")
        return truth

    def _released(
        self, people: nw.DataFrame[Any], tables: Sequence[Any]
    ) -> tuple[list[NDArray[np.int64]], list[Equation]]:
        """People by atom (those in the same groups of all tables), and each released group's atoms and sum."""
        if not tables:
            raise InvalidRequest("no tables were given", "at least one table of aggregates")
        read_tables = [read(t.value if isinstance(t, Release) else t, "a table") for t in tables]
        columns = [self._columns(people, table) for table in read_tables]
        used = list(dict.fromkeys(name for names in columns for name in names))
        known = [tuple(map(key, row)) for row in zip(*(people[name].to_list() for name in used), strict=True)]
        atoms: dict[Any, list[int]] = {}
        for at, row in enumerate(known or [()] * len(people)):
            atoms.setdefault(row, []).append(at)
        groups = [np.array(members, dtype=np.int64) for members in atoms.values()]
        equations = []
        for names, table in zip(columns, read_tables, strict=True):
            places = [used.index(name) for name in names]
            inside: dict[Any, list[int]] = {}
            for atom, row in enumerate(atoms):
                inside.setdefault(tuple(row[place] for place in places), []).append(atom)
            for cell, statistic, count in _rows(table, names):
                held = inside.get(cell)
                if held is None or statistic is None:
                    continue
                if "mean" in table.columns:
                    statistic *= sum(len(groups[atom]) for atom in held) if count is None else count
                equations.append(Equation(tuple(held), statistic))
        return groups, equations

    def _columns(self, people: nw.DataFrame[Any], table: nw.DataFrame[Any]) -> list[str]:
        given = [name for name in STATISTICS if name in table.columns]
        names = [name for name in table.columns if name not in (*given, COUNT)]
        strange = [name for name in names if name not in people.columns or name == self.value]
        if len(given) != 1:
            raise InvalidRequest(
                f"a table with the columns {shown(table.columns)} was given", "one column named 'sum' or 'mean'"
            )
        if strange:
            raise InvalidRequest(
                f"a table with the columns {shown(table.columns)} was given",
                f"groups by columns of people, which has {shown([c for c in people.columns if c != self.value])}",
            )
        return names

    def _found(
        self, groups: list[NDArray[np.int64]], released: list[Equation], truth: NDArray[np.float64]
    ) -> tuple[_Found, bool]:
        solved = solve(released)
        candidates: list[tuple[tuple[int, ...], float, bool]] = [
            *((equation.places, equation.total, True) for equation in released),
            *(((place,), value, False) for place, value in solved.values.items()),
            *((equation.places, equation.total, False) for equation in solved.rest),
        ]
        guesses: dict[int, tuple[float, bool]] = {}
        for places, total, plain in candidates:
            if sum(len(groups[place]) for place in places) > 1 + self.insiders:
                continue
            members = np.concatenate([groups[place] for place in places])
            for person in members.tolist():
                others = total - (truth[members].sum() - truth[person])
                guesses.setdefault(person, (float(others), plain))
        people = np.array(sorted(guesses), dtype=np.int64)
        return (
            _Found(
                people,
                np.array([guesses[person][0] for person in people.tolist()], dtype=np.float64),
                np.array([guesses[person][1] for person in people.tolist()], dtype=bool),
            ),
            solved.complete,
        )


def _rows(table: nw.DataFrame[Any], names: Sequence[str]) -> list[tuple[Any, float | None, float | None]]:
    statistic = next(name for name in STATISTICS if name in table.columns)
    cells = [tuple(map(key, row)) for row in zip(*(table[name].to_list() for name in names), strict=True)]
    values = [_number(value) for value in table[statistic].to_list()]
    counts = [_number(value) for value in table[COUNT].to_list()] if COUNT in table.columns else [None] * len(values)
    return list(zip(cells or [()] * len(values), values, counts, strict=True))


def _number(value: Any) -> float | None:
    """A statistic; None if it was not released, whatever mark stands in its place."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if np.isfinite(found) else None


def _most_alike(values: NDArray[np.float64], tolerance: float) -> float:
    """The greatest share of values that lie within the tolerance of one guess."""
    ordered = np.sort(values)
    reach = np.searchsorted(ordered, ordered + 2 * tolerance, side="right")
    return float((reach - np.arange(len(ordered))).max() / len(ordered))
