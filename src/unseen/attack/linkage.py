"""Linkage: who can a released row be, given what somebody knows about the people in it."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unseen.attack.base import Attack, seed_of
from unseen.attack.interval import bounded_mean, clopper_pearson
from unseen.attack.matching import Column, Matching
from unseen.attack.table import check_source, read
from unseen.core.errors import InvalidRequest, shown
from unseen.core.generalised import Covers
from unseen.core.guarantee import KAnonymity
from unseen.core.noise.entropy import Entropy
from unseen.core.release import Release
from unseen.report.claims import Measured, Report

if TYPE_CHECKING:
    import narwhals as nw

__all__ = ["Linkage"]

CONFIDENCE = 0.95


@final
class Linkage(Attack):
    """An adversary who knows some people's quasi-identifiers and looks for their rows.

    For each person the released rows all of whose cells cover the person's values are the matching class;
    one guess is drawn uniformly from it.

    Args:
        auxiliary: what the adversary knows, one row a person: the path of a csv or parquet file,
            or a dataframe. Columns that the release does not have, such as names, are not used.
        truth: the owner's secret correspondence: for each row of ``auxiliary`` the position of the person's released
            row, from 0, or -1 if they are not in the release. Without it the expected rate is reported,
            which assumes that everybody who matches is in the release.
        columns: what to match on; None for the release's quasi-identifiers that both tables have or, where
            the release names none, for all columns that both have.
        seed: None draws the guesses from the system's entropy; a number repeats them.

    Assumes that the auxiliary values are true, that a missing value is a value of its own (it matches a
    missing cell and suppressed ones), and that equal text or equal number is the same value.

    Raises:
        InvalidRequest: no such file, no table, a correspondence or seed that is no whole numbers.

    Source: Sweeney 2002; the guess in the class: the prosecutor risk of El Emam and Dankar 2008.
    """

    def __init__(
        self,
        auxiliary: Any,
        truth: ArrayLike | None = None,
        columns: Sequence[str] | None = None,
        seed: int | None = None,
    ) -> None:
        check_source(auxiliary, "auxiliary")
        self.auxiliary = auxiliary
        self.truth = None if truth is None else _positions(truth)
        if columns is not None and (isinstance(columns, str) or not columns or len(set(columns)) < len(columns)):
            raise InvalidRequest(f"columns={columns!r} was asked for", "a list of distinct column names")
        self.columns = None if columns is None else tuple(columns)
        self.seed = seed_of(seed)

    def audit(self, target: Any) -> Report:
        """Look for the auxiliary people in a release.

        Args:
            target: a release of a table, or a bare table: a dataframe, or the path of a csv or parquet file.

        Returns:
            A report on the share of people re-identified. Claimed is 1/k where the release promises k-anonymity
            on all columns that were matched. With ``truth`` the interval is Clopper and Pearson's, widened to hold the
            exact expectation of the guesses; without it Hoeffding's, for people drawn as these were.

        Raises:
            InvalidRequest: no people, no common columns, a target that is no table, or a
                correspondence that does not fit them.
        """
        release = target if isinstance(target, Release) else None
        rows = read(target if release is None else release.value, "the release's value" if release else "target")
        people = read(self.auxiliary, "auxiliary")
        if not len(people):
            raise InvalidRequest("auxiliary holds no people", "at least one row")
        covers: Covers = (release.covers if release else None) or {}
        guarantee = release.guarantee if release else None
        kanon = guarantee if isinstance(guarantee, KAnonymity) else None
        named = list(dict.fromkeys((*(kanon.quasi_identifiers if kanon else ()), *covers)))
        columns = self._columns(people, rows, named)
        truth = None if self.truth is None else _checked(self.truth, len(people), len(rows))

        matching = Matching([Column(rows[c].to_list(), people[c].to_list(), covers.get(c, {})) for c in columns])
        sizes = matching.sizes
        chance = np.divide(1.0, sizes, out=np.zeros(len(sizes)), where=sizes > 0)
        notes = [f"The adversary knows {', '.join(columns)} of {len(sizes):,} people."]
        if truth is None:
            expected = _mean(chance)
            low, high = bounded_mean(expected, len(sizes), CONFIDENCE)
            measured = Measured(expected, low, high)
            scale = "expected share of people re-identified"
            notes.append(
                "Without the owner's correspondence this is the expected rate: it assumes that everybody who matches "
                "is in the release. The interval (Hoeffding 1963) is for people drawn as these were."
            )
        else:
            released = np.flatnonzero(truth >= 0)
            found = released[matching.contains(released, truth[released])]
            inside = np.zeros(len(sizes), dtype=bool)
            inside[found] = True
            chance = np.where(inside, chance, 0.0)
            expected = _mean(chance)
            # Rows in a class look alike, so the true one may be called number 0 of them.
            hit = inside & (np.floor(Entropy(self.seed).uniform(len(sizes)) * sizes) == 0)
            low, high = clopper_pearson(int(hit.sum()), len(sizes), CONFIDENCE)
            # The guesses' expectation is known exactly: an interval without it would be known to be wrong.
            measured = Measured(float(hit.mean()), min(low, expected), max(high, expected))
            scale = "share of people re-identified"
            absent = len(sizes) - len(released)
            notes.append(
                f"Measured by one guess a person against the owner's correspondence; {absent:,} of "
                f"{len(sizes):,} people are not in the release: they count, and a guess about them never succeeds."
            )
        claimed = 1 / kanon.k if kanon else None
        reach = clopper_pearson(len(sizes), len(sizes), CONFIDENCE)[0]
        if kanon and (beyond := [c for c in columns if c not in kanon.quasi_identifiers]):
            claimed = None
            notes.append(f"The release promises nothing against who also knows {shown(beyond)}.")
        elif kanon and (unknown := [c for c in kanon.quasi_identifiers if c in rows.columns and c not in columns]):
            reach = 0.0
            notes.append(
                f"The claim also stands against who knows {shown(unknown)}, which this adversary does not: "
                "the attack is weaker than the claim and cannot confirm it."
            )
        if len(rows) and not chance.any() and (truth is None or (truth >= 0).any()):
            reach = 0.0
            notes.append(
                "Nobody matches a row that could be theirs: the two tables write values differently or hold "
                "other people, so the attack confirms nothing."
            )
        counted = zip(*np.unique(sizes[sizes > 0], return_counts=True), strict=True)
        return Report(
            attack="linkage",
            scale=scale,
            claimed=claimed,
            measured=measured,
            reach=reach,
            confidence=CONFIDENCE,
            figures={
                "people": float(len(sizes)),
                "released rows": float(len(rows)),
                "matched to one row only": float((sizes == 1).mean()),
                "matched to no row": float((sizes == 0).mean()),
                "expected share": expected,
            },
            notes=tuple(notes),
            curves={"class size": tuple((float(size), float(count)) for size, count in counted)},
        )

    def _columns(self, people: nw.DataFrame[Any], rows: nw.DataFrame[Any], named: list[str]) -> list[str]:
        if self.columns is not None:
            for name, table in (("auxiliary", people), ("the release", rows)):
                lacking = [c for c in self.columns if c not in table.columns]
                if lacking:
                    raise InvalidRequest(
                        f"columns={list(self.columns)!r} was asked for",
                        f"{name} lacks {shown(lacking)}; it has {shown(table.columns)}",
                    )
            return list(self.columns)
        common = [c for c in (named or rows.columns) if c in rows.columns and c in people.columns]
        if not common:
            raise InvalidRequest(
                f"auxiliary has the columns {shown(people.columns)}",
                f"at least one of the release's {shown(named or rows.columns)}",
            )
        return common


def _mean(chances: NDArray[np.float64]) -> float:
    """The mean, which rounding must not lift above the greatest: 1/k on average is no more than 1/k."""
    return min(float(chances.mean()), float(chances.max()))


def _positions(truth: ArrayLike) -> NDArray[np.int64]:
    found = np.asarray(truth)
    if found.ndim != 1 or found.dtype.kind not in "iuf" or not np.array_equal(found, np.floor(found)):
        raise InvalidRequest(
            "truth is not a list of whole numbers",
            "for each row of auxiliary the released row's position from 0, or -1",
        )
    if len(found) and not (np.abs(found) < 2**53).all():
        raise InvalidRequest("truth holds a number out of range", "positions from 0, or -1")
    return found.astype(np.int64)


def _checked(truth: NDArray[np.int64], people: int, rows: int) -> NDArray[np.int64]:
    if len(truth) != people:
        raise InvalidRequest(f"truth has {len(truth):,} entries", f"one for each of the {people:,} rows of auxiliary")
    if truth.min() < -1 or truth.max() >= rows:
        raise InvalidRequest(
            f"truth names the rows {truth.min()} to {truth.max()}",
            f"positions 0 to {rows - 1} of the release, or -1",
        )
    return truth
