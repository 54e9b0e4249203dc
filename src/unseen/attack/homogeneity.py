"""Homogeneity: what a class whose members share a sensitive value tells of each of them, whoever is which row."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from unseen.attack.audience import Audience, audience, distinct_names
from unseen.attack.base import Attack
from unseen.attack.cells import key
from unseen.attack.interval import CONFIDENCE, bounded_mean, clopper_pearson
from unseen.attack.matching import Matching
from unseen.attack.table import check_source
from unseen.core.errors import InvalidRequest
from unseen.core.guarantee import number, whole
from unseen.core.privacy_models import Diversity
from unseen.report.claims import Measured, Report

__all__ = ["Homogeneity", "greatest_share"]

CERTAIN = "share of people whose sensitive value is certain"
ROUNDING = 1e-9
GREATEST = "greatest share that one sensitive value has in a class"
MOST_VALUES = 500

Counts = NDArray[np.int64]


@final
class Homogeneity(Attack):
    """An adversary who finds somebody's class, not their row, and reads the class's sensitive values.

    Where all values are one, it is the person's for certain, though k rows hide which row is theirs. With background
    knowledge the adversary also rules values out: "he has no cancer".

    Args:
        auxiliary: what the adversary knows, one row a person: the path of a csv or parquet file, or a dataframe.
            Each person is in the release.
        sensitive: the released column that the adversary is after; at most 500 different values.
        truth: the owner's secret: each person's true value, in the order of ``auxiliary``. It decides for whom a value
            is certain. Without it expected shares are reported, which assume that every matching row is equally likely
            to be the person's.
        columns: what to match on; None for the quasi-identifiers of a release that promises k-anonymity, else for its
            generalised columns, else for all; of these what both tables have.
        ruled_out: how many values the adversary can rule out for each person. They are the most frequent ones of the
            class that are not the person's: the worst that so much knowledge can do.
        distinct_l: the distinct l-diversity that a bare table is said to have; None for what the release promises.
        entropy_l: the entropy l-diversity that it is said to have, for who rules nothing out; at most one of the two.

    **What is judged**: distinct diversity says that nobody is certain, whoever is asked. Entropy diversity bounds the
    share p of a class that one value can have, and so the chance that the guess of it is right about somebody who is
    drawn from the class without regard to the value. About people who were chosen by it, such as those with flu, such
    a guess is right as often as one likes, of any table. So this claim is judged by the classes that the people match,
    each by its own greatest share, and never by ``truth``. Then no choice of people breaks a claim that is true: what
    somebody matches on the quasi-identifiers or fewer columns is a union of classes, a value's share of a union is a
    mean of its shares of the parts, so at most the greatest of them.
    Where a unit has up to m rows and counts once for each value that it has, the n units that have a value have at most
    n·m rows with it, and each other count is a row at least: a share p of the counts is at most m·p / (1 + (m - 1)·p)
    of the rows.

    Raises:
        InvalidRequest: no such file, no table, a number out of range, both claims, or entropy with values ruled out.

    Source: Machanavajjhala, Kifer, Gehrke and Venkitasubramaniam 2007, sections 1.1 (both attacks), 4 (diversity).
    """

    def __init__(
        self,
        auxiliary: Any,
        sensitive: str,
        truth: Sequence[Any] | None = None,
        columns: Sequence[str] | None = None,
        ruled_out: int = 0,
        distinct_l: int | None = None,
        entropy_l: float | None = None,
    ) -> None:
        check_source(auxiliary, "auxiliary")
        if not isinstance(sensitive, str) or not sensitive:
            raise InvalidRequest(f"sensitive={sensitive!r} was given", "the name of a released column")
        self.auxiliary, self.sensitive = auxiliary, sensitive
        self.truth = None if truth is None else [key(value) for value in truth]
        self.columns = distinct_names(columns, (sensitive,))
        self.ruled_out = whole("ruled_out", ruled_out)
        self.distinct_l = None if distinct_l is None else whole("distinct_l", distinct_l, 2)
        self.entropy_l = None if entropy_l is None else number("entropy_l", entropy_l, 1, open_low=True)
        if self.entropy_l is not None and (self.distinct_l is not None or self.ruled_out):
            raise InvalidRequest(
                f"entropy_l={entropy_l!r} was given with distinct_l={distinct_l!r} and ruled_out={ruled_out!r}",
                "entropy_l alone: it bounds what who rules nothing out guesses",
            )

    def audit(self, target: Any) -> Report:
        """Learn the auxiliary people's sensitive values from a release.

        Args:
            target: a release of a table, or a bare table: a dataframe, or the path of a csv or parquet file.

        Returns:
            A report. Under entropy l-diversity, for who rules nothing out, it is on the greatest share that one value
            has in a class that people match, and at most ``greatest_share(l, values)`` is claimed of each. Else it
            is on the share of people whose value is certain: l distinct values leave nobody certain who cannot rule out
            l - 1 of them, so 0 is claimed for l above ``ruled_out + 1``. What is claimed are the arguments or, without
            them, what the release promises of this column, both against who knows no more than its quasi-identifiers;
            k-anonymity by itself claims nothing. The interval is Clopper and Pearson's where ``truth`` tells for whom a
            value is certain, else Hoeffding's, both for people drawn as these were.

        Raises:
            InvalidRequest: no people, no such columns, too many values, a truth that does not fit, or more diversity
                claimed than there are values.
        """
        known = audience(self.auxiliary, target, self.columns, (self.sensitive,))
        if self.truth is not None and len(self.truth) != len(known.people):
            raise InvalidRequest(
                f"truth has {len(self.truth):,} entries", f"one for each of {len(known.people):,} people"
            )
        cells = [key(value) for value in known.rows[self.sensitive].to_list()]
        values = list(dict.fromkeys(cells))
        if len(values) > MOST_VALUES:
            raise InvalidRequest(
                f"{self.sensitive!r} has {len(values):,} values", f"at most {MOST_VALUES}: tell numbers in bands"
            )
        counts = _counts(known, cells, values)
        own = None if self.truth is None else np.array([_place(values, value) for value in self.truth], dtype=np.int64)
        certain, guessed = _learned(counts, own, self.ruled_out)
        share = counts.max(axis=1, initial=0) / np.maximum(counts.sum(axis=1), 1)
        promise = self._promised(known, len(values))
        by_entropy = promise.entropy > 1 and not self.ruled_out
        rows_per_unit = known.anonymity.rows_per_unit if known.anonymity else 1
        figure = share if by_entropy else certain
        claimed = None
        if by_entropy:
            claimed = _of_rows(greatest_share(promise.entropy, max(len(values), promise.distinct)), rows_per_unit)
        elif self.ruled_out < promise.distinct - 1:
            claimed = 0.0
        value = min(float(figure.mean()), float(figure.max()))
        people_count = len(figure)
        if by_entropy:  # a claim about every class, of which each is seen as it is
            value = high = float(share.max())
            low = value - ROUNDING
        elif own is None:
            low, high = bounded_mean(value, people_count, CONFIDENCE)
        else:
            low, high = clopper_pearson(round(float(figure.sum())), people_count, CONFIDENCE)
        claimed, reach, why = known.judged(claimed, clopper_pearson(people_count, people_count, CONFIDENCE)[0])
        matched = counts.sum(axis=1) > 0
        distinct = (counts > 0).sum(axis=1)[matched]
        notes = [
            f"The adversary knows {', '.join(known.columns)} of {people_count:,} people"
            + (f", and {self.ruled_out} values that each of them has not." if self.ruled_out else "."),
            promise.sentence[:1].upper() + promise.sentence[1:] + ".",
            *why,
            *known.notes,
        ]
        if by_entropy and claimed is not None:
            notes.append(
                "The bound is for somebody drawn from a class without regard to the value, so it is judged by the "
                "classes' own shares: people chosen by their value are guessed right more often, whatever the table."
            )
        least = _least_entropy(counts[matched])
        uneven = rows_per_unit == 1 and least < promise.entropy - 1e-9
        if matched.any() and not known.beyond and (distinct.min() < promise.distinct or uneven):
            notes.append("A class that people match has less diversity than the release is said to have.")
        if not matched.any():
            notes.append("Nobody matches a row: the tables write values differently, and the attack confirms nothing.")
        return Report(
            attack="homogeneity",
            scale=GREATEST if by_entropy else CERTAIN,
            claimed=claimed,
            measured=Measured(value, min(low, value), max(high, value)),
            reach=reach if matched.any() and not known.unread else 0.0,
            confidence=CONFIDENCE,
            figures={
                "people": float(people_count),
                "released rows": float(len(cells)),
                "sensitive values": float(len(values)),
                "certain": float(certain.mean()),
                "guessed right": float(guessed.mean()),
                "greatest share of a class": float(share.max()),
                "guessed right without the table": _blind(cells, self.truth),
                "least distinct values of a class": float(distinct.min(initial=len(values))),
                "least entropy of a class, as l": least,
                "matched to no row": float(1 - matched.mean()),
            },
            notes=tuple(notes),
        )

    def _promised(self, known: Audience, values: int) -> Diversity:
        """The diversity that is claimed: of the arguments, or of the release."""
        claimed = self.entropy_l or self.distinct_l
        if claimed is not None:
            if claimed > values:
                raise InvalidRequest(f"{claimed:g}-diversity was claimed", f"the release has {values} sensitive values")
            words = f"each class is said to have the diversity {claimed:g}"
            return Diversity(words, "", self.sensitive, math.ceil(claimed), self.entropy_l or 1.0)
        held = known.anonymity.models if known.anonymity else ()
        diverse = [one for one in held if isinstance(one, Diversity) and one.sensitive == self.sensitive]
        if not diverse:
            return Diversity("nothing is promised about values that a class shares", "")
        distinct, entropy = max(one.distinct for one in diverse), max(one.entropy for one in diverse)
        return Diversity("; ".join(one.sentence for one in diverse), "", self.sensitive, distinct, entropy)


def greatest_share(entropy_l: float, values: int) -> float:
    """The greatest share that one value can have where the entropy is at least log l.

    With one value's share at p the entropy is greatest when the others share the rest evenly:
    h(p) + (1 - p)·log(values - 1). It falls as p grows from 1/values to 1, and the p is found at which it is log l.

    Args:
        entropy_l: l, from 1 to ``values``.
        values: how many values there are.

    Source: Fano 1961, the inequality, read for the most frequent value.

    >>> round(greatest_share(2, 2), 3), round(greatest_share(3, 8), 3)
    (0.5, 0.733)
    """
    low, high = 1 / values, 1.0
    for _ in range(100):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        rest = 1 - middle
        entropy = -middle * math.log(middle) - rest * math.log(rest) + rest * math.log(max(1, values - 1))
        low, high = (middle, high) if entropy > math.log(entropy_l) else (low, middle)
    return high


def _of_rows(share: float, rows_per_unit: int) -> float:
    """The greatest share of the rows where it is ``share`` of the units, and each has from 1 to so many rows."""
    return rows_per_unit * share / (1 + (rows_per_unit - 1) * share)


def _counts(known: Audience, cells: Sequence[Any], values: Sequence[Any]) -> Counts:
    """How many matching rows with each sensitive value a person has: shape (people, values)."""
    people = list(zip(*(known.people[name].to_list() for name in known.columns), strict=True))
    distinct: dict[Any, int] = {}
    tuple_of = np.array([distinct.setdefault(row, len(distinct)) for row in people], dtype=np.int64)
    matched = [known.column(name, [row[index] for row in distinct]) for index, name in enumerate(known.columns)]
    at: dict[Any, list[int]] = {value: [] for value in values}
    for row, cell in enumerate(cells):
        at[cell].append(row)
    found = np.zeros((len(distinct), len(values)), dtype=np.int64)
    for place, value in enumerate(values):
        here = np.array(at[value], dtype=np.int64)
        found[:, place] = Matching([column.of(here) for column in matched]).sizes
    return found[tuple_of]


def _place(values: Sequence[Any], value: Any) -> int:
    return values.index(value) if value in values else -1


def _learned(
    counts: Counts, own: NDArray[np.int64] | None, ruled_out: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For each person the chance that their value is certain, and that the best guess is right: shapes (people,)."""
    if own is None:
        # Each value may be the person's, with its share; for each the other most frequent ones are ruled out.
        total = np.maximum(counts.sum(axis=1), 1)
        certain, guessed = np.zeros(len(counts)), np.zeros(len(counts))
        for place in range(counts.shape[1]):
            sure, right = _learned(counts, np.full(len(counts), place), ruled_out)
            certain += sure * counts[:, place] / total
            guessed += right * counts[:, place] / total
        return certain, guessed
    here = np.arange(len(counts))
    real = own >= 0
    mine = np.where(real, counts[here, own], 0)
    others = counts.copy()
    others[here[real], own[real]] = 0
    others = -np.sort(-others, axis=1)[:, ruled_out:]
    most = others.max(axis=1, initial=0)
    ties = (others == most[:, None]).sum(axis=1)
    certain = (mine > 0) & (most == 0)
    guessed = np.where(mine > most, 1.0, np.where(mine == most, 1 / (1 + ties), 0.0)) * (mine > 0)
    return certain.astype(np.float64), guessed


def _blind(cells: Sequence[Any], truth: Sequence[Any] | None) -> float:
    """How often the most frequent released value is right about people of whom no class is known."""
    if not cells:
        return 0.0
    most, _ = Counter(cells).most_common(1)[0]
    judged = cells if truth is None else truth
    return sum(1 for value in judged if value == most) / len(judged)


def _least_entropy(counts: Counts) -> float:
    """The l of the entropy l-diversity that the matched classes have."""
    if not len(counts):
        return 0.0
    share = counts / counts.sum(axis=1, keepdims=True)
    logs = np.log(share, out=np.zeros_like(share), where=share > 0)
    return float(np.exp((-share * logs).sum(axis=1).min()))
