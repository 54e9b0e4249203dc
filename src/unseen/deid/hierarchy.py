"""Hierarchies: how a value is told ever less precisely, from itself up to ``*``."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.core.errors import DataFault, InvalidRequest
from unseen.core.generalised import Anything, Cover, Interval, Members
from unseen.core.guarantee import price, whole
from unseen.core.schema import Categorical, Digits, Domain, Range
from unseen.deid.ladder import TOP, Intervals, Ladder, Prefixes, Table, texts

__all__ = ["Hierarchy"]


class Hierarchy:
    """Labels for the values of one column, at levels from 0 (the value itself) to the top (``*``).

    Nested: two values with one label at a level share a label at every higher level. Never made from private
    data: the owner declares it, or it follows from the declared domain.
    """

    def __init__(self, ladder: Ladder) -> None:
        self._ladder = ladder

    @property
    def levels(self) -> int:
        """How many levels there are, level 0 and the top included."""
        return self._ladder.levels

    def lacks(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Which of the values, shape (n,), have no place in it."""
        return self._ladder.lacks(values)

    def misfit(self, domain: Domain) -> str:
        """What would hold every value of a declared domain; empty if this does."""
        return self._ladder.misfit(domain)

    def loss(self, values: NDArray[Any], level: int) -> NDArray[np.float64]:
        """For each value the share of the domain's other leaves that its label hides it among.

        Returns:
            shape (n,), 0 at level 0 and 1 at the top.

        Source: Iyengar 2002, as ARX computes it: (leaves under the label - 1) / (leaves - 1); for numbers the
        share of the declared width.
        """
        if level in (0, self.levels - 1):
            return np.full(len(values), float(level > 0))
        return self._ladder.loss(values, level)

    def label(self, values: NDArray[Any], level: int) -> NDArray[Any]:
        """The values at a level.

        Args:
            values: shape (n,), numbers or texts.
            level: from 0 to ``levels - 1``.

        Returns:
            shape (n,): the values themselves at level 0, texts above.

        Raises:
            DataFault: a value has no place in the hierarchy; only the owner sees this.
            InvalidRequest: there is no such level.
        """
        if not 0 <= whole("level", level) < self.levels:
            raise InvalidRequest(f"level={level!r} was asked for", f"0 to {self.levels - 1}")
        if level == 0:
            return values
        lacking = self.lacks(values)
        if lacking.any():
            raise DataFault(f"the value {values[int(np.argmax(lacking))]!r} was met", "values that the hierarchy holds")
        if level == self.levels - 1:
            return np.full(len(values), TOP, dtype=object)
        return np.array(self._ladder.middle(values, level), dtype=object)

    def covers(self, level: int, labels: Iterable[Any]) -> dict[Any, Cover]:
        """What each label of a level covers.

        Args:
            level: the level.
            labels: labels of that level; at level 0 original values.
        """
        if level == self.levels - 1:
            return {label: Anything() for label in labels}
        if level == 0:
            return {label: _itself(label) for label in labels}
        return {label: self._ladder.cover(label, level) for label in labels}

    # --- Ways to make one ---------------------------------------------------------------------------

    @staticmethod
    def intervals(low: float, high: float, widths: Sequence[float]) -> Hierarchy:
        """Intervals of numbers from ``low`` on; the last one of a level is closed and ends at ``high``.

        Args:
            low: the least value.
            high: the greatest value.
            widths: one for each level above the values, each a multiple of the one before, below high - low.

        Raises:
            InvalidRequest: bounds reversed, or widths that do not nest.

        >>> Hierarchy.intervals(0, 110, widths=[5, 20]).label(np.array([39, 110]), 2).tolist()
        ['[20, 40)', '[100, 110]']
        """
        return Hierarchy(Intervals(low, high, widths))

    @staticmethod
    def prefixes(length: int) -> Hierarchy:
        """Codes of ``length`` characters whose last ones are hidden, one more at each level.

        >>> Hierarchy.prefixes(5).label(np.array(["02138"]), 2).tolist()
        ['021**']
        """
        return Hierarchy(Prefixes(length))

    @staticmethod
    def taxonomy(parents: Mapping[Any, Sequence[Any]]) -> Hierarchy:
        """Named groups of named groups.

        Args:
            parents: for each leaf its parent, grandparent and so on, as many for each leaf; ``*`` is added on top.

        Raises:
            InvalidRequest: not as many for each leaf, or two leaves that part again after they shared a label.

        >>> jobs = Hierarchy.taxonomy({"nurse": ("health",), "surgeon": ("health",), "baker": ("food",)})
        >>> jobs.levels
        3
        """
        if not isinstance(parents, Mapping):
            raise InvalidRequest(
                f"a taxonomy of type {type(parents).__name__} was given",
                "a mapping from leaf to its ancestors",
                'Hierarchy.taxonomy({"nurse": ("health",)})',
            )
        for leaf, line in parents.items():
            if isinstance(line, str) or not isinstance(line, Sequence):
                raise InvalidRequest(
                    f"the ancestors {line!r} of {leaf!r} were given",
                    "a tuple of labels",
                    f"{leaf!r}: ({line!r},)",
                )
        return Hierarchy(Table([[leaf, *line] for leaf, line in parents.items()], "the taxonomy"))

    @staticmethod
    def read(path: str | Path) -> Hierarchy:
        """A file as ARX writes them: ``;`` between cells, the leaf first, then one level more general each.

        Raises:
            DataFault: no such file, or not UTF-8.
            InvalidRequest: it holds no hierarchy.
        """
        try:
            with open(path, encoding="utf-8-sig", newline="") as file:
                rows = [row for row in csv.reader(file, delimiter=";") if row]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataFault(
                f"{str(path)!r} could not be read ({type(error).__name__})",
                "a hierarchy as ARX writes it: leaf;parent;...;* in each line",
            ) from None
        return Hierarchy(Table(rows, repr(Path(path).name)))

    @staticmethod
    def flat(values: Iterable[Any]) -> Hierarchy:
        """The value itself or ``*``.

        Args:
            values: all values that there may be.
        """
        if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
            raise InvalidRequest(f"flat({values!r}) was given", "a list of values", f"flat([{values!r}])")
        return Hierarchy(Table([[value] for value in values], "the flat hierarchy"))

    @staticmethod
    def default(domain: Domain) -> Hierarchy:
        """What follows from a declared domain: intervals that double in width, prefixes, or flat.

        The least width of a Range is the largest of ..., .1, .2, .5, 1, 2, 5, 10, ... that makes at least 20 intervals,
        but at least 1 where both bounds are whole and 4 or more apart.
        """
        if isinstance(domain, Digits):
            return Hierarchy(Prefixes(domain.length))
        if isinstance(domain, Categorical):
            return Hierarchy.flat(domain.values)
        if not isinstance(domain, Range):
            raise InvalidRequest(f"a hierarchy for {domain!r} was asked for", "one that the owner gives")
        span = price(domain.high) - price(domain.low)
        unit = Fraction(10) ** (math.floor(math.log10(span / 20)))
        width = max((unit * step for step in (1, 2, 5) if unit * step <= span / 20), default=unit)
        if domain.low.is_integer() and domain.high.is_integer() and span >= 4:
            width = max(width, Fraction(1))
        widths = []
        while width < span:
            widths.append(float(width))
            width *= 2
        return Hierarchy(Intervals(domain.low, domain.high, widths))


def _itself(value: Any) -> Cover:
    if isinstance(value, (int, float, np.number)) and not isinstance(value, bool):
        return Interval(float(value), float(value), closed=True)
    return Members(frozenset(texts([value])))
