"""Linkage: who can a released row be, given what somebody knows about the people in it."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unseen.attack.audience import audience, distinct_names
from unseen.attack.base import Attack, seed_of
from unseen.attack.correspondence import correspondence
from unseen.attack.interval import CONFIDENCE, bounded_mean, clopper_pearson
from unseen.attack.matching import Matching
from unseen.attack.table import check_source
from unseen.core.noise.entropy import Entropy
from unseen.report.claims import Measured, Report

__all__ = ["Linkage"]


@final
class Linkage(Attack):
    """An adversary who knows some people's quasi-identifiers and looks for their rows.

    For each person the released rows all of whose cells cover the person's values are the matching class;
    one guess is drawn uniformly from it.

    Args:
        auxiliary: what the adversary knows, one row a person: the path of a csv or parquet file,
            or a dataframe. Columns that the release does not have, such as names, are not used.
        truth: the owner's secret correspondence: for each row of ``auxiliary`` the position of the person's released
            row, from 0, or -1 if they are not in the release. Where a person may have several rows, for each a list
            of the positions of all of them, of which any is a right guess. Without it the expected rate is
            reported, which assumes that everybody who matches is in the release, with one row.
        columns: what to match on; None for the quasi-identifiers of a release that promises k-anonymity, else for its
            generalised columns, else for all; of these what both tables have.
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
        truth: ArrayLike | Sequence[ArrayLike] | None = None,
        columns: Sequence[str] | None = None,
        seed: int | None = None,
    ) -> None:
        check_source(auxiliary, "auxiliary")
        self.auxiliary = auxiliary
        self.truth = None if truth is None else correspondence(truth)
        self.columns = distinct_names(columns)
        self.seed = seed_of(seed)

    def audit(self, target: Any) -> Report:
        """Look for the auxiliary people in a release.

        Args:
            target: a release of a table, or a bare table: a dataframe, or the path of a csv or parquet file.

        Returns:
            A report on the share of people re-identified. Claimed is what the release's k-anonymity allows, 1/k where
            a person has one row, if no column was matched that it is not about. With ``truth`` the interval is Clopper
            and Pearson's, widened to hold the exact expectation of the guesses; without it Hoeffding's, for people
            drawn as these were.

        Raises:
            InvalidRequest: no people, no common columns, a target that is no table, or a
                correspondence that does not fit them.
        """
        known = audience(self.auxiliary, target, self.columns)
        people, rows, columns, anonymity = len(known.people), len(known.rows), known.columns, known.anonymity
        truth = None if self.truth is None else self.truth.checked(people, rows)
        matching = Matching([known.column(name) for name in columns])
        sizes = matching.sizes
        own = np.ones(len(sizes), dtype=np.int64) if truth is None else truth.among(matching)
        chance = np.divide(own, sizes, out=np.zeros(len(sizes)), where=sizes > 0)
        expected = _mean(chance)
        notes = [f"The adversary knows {', '.join(columns)} of {len(sizes):,} people."]
        if truth is None:
            low, high = bounded_mean(expected, len(sizes), CONFIDENCE)
            measured = Measured(expected, low, high)
            scale = "expected share of people re-identified"
            notes.append(
                "Without the owner's correspondence this is the expected rate: it assumes that everybody who matches "
                "is in the release. The interval (Hoeffding 1963) is for people drawn as these were."
            )
        else:
            # Rows in a class look alike, so a person's own may be called the first of them.
            hit = np.floor(Entropy(self.seed).uniform(len(sizes)) * sizes) < own
            low, high = clopper_pearson(int(hit.sum()), len(sizes), CONFIDENCE)
            # The guesses' expectation is known exactly: an interval without it would be known to be wrong.
            measured = Measured(float(hit.mean()), min(low, expected), max(high, expected))
            scale = "share of people re-identified"
            notes.append(
                f"Measured by one guess a person against the owner's correspondence; {truth.absent:,} of "
                f"{len(sizes):,} people are not in the release: they count, and a guess about them never succeeds."
            )
        claimed, reach, why = known.judged(
            anonymity.share if anonymity else None, clopper_pearson(len(sizes), len(sizes), CONFIDENCE)[0]
        )
        notes += [*why, *known.notes]
        if truth is None and anonymity and anonymity.rows_per_unit > 1:
            reach = 0.0
            notes.append(
                f"A person may have {anonymity.rows_per_unit:,} rows, but the expected rate counts one: without the "
                "owner's correspondence the attack is weaker than the claim and cannot confirm it."
            )
        if rows and not chance.any() and (truth is None or truth.absent < people):
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
                "released rows": float(rows),
                "matched to one row only": float((sizes == 1).mean()),
                "matched to no row": float((sizes == 0).mean()),
                "expected share": expected,
            },
            notes=tuple(notes),
            curves={"class size": tuple((float(size), float(count)) for size, count in counted)},
        )


def _mean(chances: NDArray[np.float64]) -> float:
    """The mean, which rounding must not lift above the greatest: 1/k on average is no more than 1/k."""
    return min(float(chances.mean()), float(chances.max()))
