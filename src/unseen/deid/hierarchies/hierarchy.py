"""Hierarchies: how a value is told ever less precisely, from itself up to ``*``."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.core.errors import DataFault, InvalidRequest
from unseen.core.generalised import Anything, Cover, itself
from unseen.core.guarantee import whole
from unseen.core.schema import Categorical, Domain
from unseen.deid.hierarchies.coding import Coded
from unseen.deid.hierarchies.dates import Dates, DateStep
from unseen.deid.hierarchies.ladder import TOP, Intervals, Ladder, Prefixes, Table, texts
from unseen.deid.hierarchies.proposal import as_values, dates_of, flat, of_domain, of_values

__all__ = ["Hierarchy"]


class Hierarchy:
    """Labels for the values of one column, at levels from 0 (the value itself) to the top (``*``).

    Nested: two values with one label at a level share a label at every higher level. Never made from private
    data: the owner declares it, or it follows from the declared domain. ``propose`` alone reads values, for the owner.
    """

    def __init__(self, ladder: Ladder) -> None:
        self._ladder = ladder

    @property
    def levels(self) -> int:
        """How many levels there are, level 0 and the top included."""
        return self._ladder.levels

    @property
    def ladder(self) -> Ladder:
        """What lies between its two ends, for who cuts the order of values instead of choosing levels."""
        return self._ladder

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

    def check(self, name: str, values: NDArray[Any]) -> None:
        """Refuse values that it does not hold.

        Args:
            name: the column's, for the message.
            values: shape (values,).

        Raises:
            DataFault: it lacks some; only the owner sees this.
        """
        lacking = self.lacks(values)
        if lacking.any():
            raise DataFault(
                f"column {name!r} has {int(lacking.sum())} values that its hierarchy lacks, such as "
                f"{values[lacking][:1].tolist()[0]!r}",
                "a hierarchy that holds every value; codes such as zip codes are read as texts, not as numbers"
                if values.dtype.kind in "iu"
                else "a hierarchy that holds every value",
            )

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
            return {label: itself(label) for label in labels}
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

        A comma or tab divides cells where the first line has no semicolon. Lines of empty cells are left out.

        Raises:
            DataFault: no such file, or not UTF-8.
            InvalidRequest: it holds no hierarchy.
        """
        try:
            with open(path, encoding="utf-8-sig", newline="") as file:
                first = file.readline()
                mark = next((one for one in ";\t," if one in first), ";")
                file.seek(0)
                rows = [row for row in csv.reader(file, delimiter=mark) if any(row)]
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
        return Hierarchy(flat(values))

    @staticmethod
    def dates(first: str | date, last: str | date, steps: Sequence[DateStep] = tuple(DateStep)) -> Hierarchy:
        """Dates told by month, quarter, year, decade. Values are ISO texts (``1957-03-14``) or dates.

        Args:
            first: the first day that there may be.
            last: the last one.
            steps: one for each level above the day, the finer before the coarser; all four if not given.

        Raises:
            InvalidRequest: no dates, the last before the first, or steps out of order.

        >>> birth = Hierarchy.dates("1900-01-01", "2029-12-31")
        >>> [str(birth.label(np.array(["1957-03-14"]), level)[0]) for level in range(birth.levels)]
        ['1957-03-14', '1957-03', '1957-Q1', '1957', '1950s', '*']
        """
        return Hierarchy(Dates(first, last, steps))

    @staticmethod
    def coded(
        low: float, high: float, bottom: float | None = None, top: float | None = None, widths: Sequence[float] = ()
    ) -> Hierarchy:
        """Top and bottom coding: numbers below ``bottom`` have one label, and those from ``top`` on another.

        Ages over 89, say, are ``top=90``. Level 1 tells all others as they are.

        Args:
            low: the least value.
            high: the greatest value.
            bottom: where the lower tail ends; None for no lower tail.
            top: where the upper tail begins; None for no upper tail, but one of the two.
            widths: of the intervals between the tails, one for each level above the first, as in ``intervals``.

        Raises:
            InvalidRequest: no tail, bounds out of order, or widths that do not nest.

        >>> Hierarchy.coded(0, 120, top=90, widths=[10]).label(np.array([34, 97]), 1).tolist()
        ['34', '90+']
        """
        return Hierarchy(Coded(low, high, bottom, top, widths))

    @staticmethod
    def default(domain: Domain) -> Hierarchy:
        """What follows from a declared domain: intervals that double in width, prefixes, or flat.

        The least width of a Range is the largest of ..., .1, .2, .5, 1, 2, 5, 10, ... that makes at least 20 intervals,
        but at least 1 where both bounds are whole and 4 or more apart.
        """
        return Hierarchy(of_domain(domain))

    @staticmethod
    def propose(source: Domain | Iterable[Any]) -> Hierarchy:
        """A hierarchy to begin with. Look at it, ``write`` it, and change what is not right.

        Args:
            source: a declared domain, which reads no data, as does ``default``; declared categories that are all dates
                get the levels of dates. Or values, such as a column, which **reads data**: for the owner alone. Numbers
                get intervals between bounds that are rounded outwards, dates whole decades, codes of digits of one
                length prefixes, and all else a flat list, which names every value.

        **Guarantee**: none. What was chosen from values tells something of them to whoever sees the labels.

        Raises:
            InvalidRequest: no values, infinite ones, or neither a domain nor values.

        >>> Hierarchy.propose([23, 67, 41]).label(np.array([41]), 2).tolist()
        ['[40, 44)']
        """
        if not isinstance(source, Domain):
            return Hierarchy(of_values(source))
        if isinstance(source, Categorical) and len(set(dates_of(source.values))) > 1:
            return Hierarchy(of_values(source.values))
        return Hierarchy(of_domain(source))

    def write(self, path: str | Path, values: Iterable[Any] | None = None) -> Path:
        """Write it as ARX reads it: in each line a leaf, its labels from fine to coarse, and ``*``, with ``;`` between.

        Args:
            path: the file.
            values: the leaves to write; all that there are if not given. It names each of them, so values that were
                read from data are told to whoever sees the file.

        Returns:
            the path.

        Raises:
            InvalidRequest: its leaves cannot be listed, and no values were given.
            DataFault: a value has no place in it; only the owner sees this.
        """
        leaves = self._ladder.listed() if values is None else as_values(values)
        if leaves is None:
            raise InvalidRequest("a hierarchy with too many leaves was to be written", "the values that matter")
        columns = [texts(self.label(leaves, level).tolist()) for level in range(self.levels)]
        lines = dict.fromkeys(zip(*columns, strict=True))
        with open(path, "w", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter=";", lineterminator="\n").writerows(lines)
        return Path(path)
