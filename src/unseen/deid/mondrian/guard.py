"""Mondrian: each part of the table is made as vague as it has to be, by cuts at medians; for millions of rows."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from unseen.core.accounting import unpriced
from unseen.core.dataset import Dataset
from unseen.core.errors import DataFault, InvalidRequest
from unseen.core.generalised import Cover
from unseen.core.guarantee import KAnonymity, whole
from unseen.core.guard import Outcome, Plan
from unseen.core.noise.entropy import Entropy
from unseen.deid.arguments import column_names, hierarchies_by_column
from unseen.deid.hierarchies.hierarchy import Hierarchy
from unseen.deid.models import Model
from unseen.deid.mondrian.columns import axis
from unseen.deid.mondrian.cuts import Classes, classes
from unseen.deid.owners import Owners
from unseen.deid.promises import Promises
from unseen.deid.released import released
from unseen.deid.table import OwnTable, counted, distinct, hierarchies_for, known, normal
from unseen.deid.table_guard import TableGuard, belong

__all__ = ["LocalProof", "Mondrian"]


@dataclass(frozen=True, eq=False)
class LocalProof(Owners):
    """What came out of the cuts. The owner's: it tells of sizes and losses, and ``origin`` links back.

    Args:
        classes: how many there are.
        smallest: rows of the smallest.
        largest: rows of the largest.
        score: mean loss over all quasi-identifying cells, from 0 to 1: the share of the domain that a cell is hidden
            in, beyond one value; of a table of the caller's own the share of its range.
        why: why no class was cut further.
        origin: shape (rows,): released row i was row ``origin[i]`` of the table.
        quality: what the score measures.
    """

    classes: int
    smallest: int
    largest: int
    score: float
    why: str
    origin: NDArray[np.int64]
    quality: str = "loss"


class Mondrian(TableGuard):
    """Part the table at medians, and tell of each part the region that the cuts around it leave.

    Args:
        k: the least number of units in a class, at least 2. Units are counted, not rows.
        quasi_identifiers: the columns that an adversary may know; those of the schema if not given.
        hierarchies: for a column of texts, which values stay together and what groups are called. Declared categories
            need none: they are cut in their declared order. Texts of the caller's own table need one each. Numbers and
            declared digits need none; they are cut as numbers also where a hierarchy of intervals or prefixes is given,
            and of one that codes top or bottom each tail is never cut.
        l: l-diversity of the sensitive column: a number for the distinct kind, or a model.
        t: t-closeness of the sensitive column: a number for equal distances, or a model.
        models: further models of the sensitive column, such as ``BetaLikeness``.
        sensitive: the column that ``l``, ``t`` and ``models`` are about; that of the schema if it has one only.
        seed: None for the real thing. A number makes the order of the released rows repeatable, for tests.

    **Guarantee**: k-anonymity, for the declared unit: each released row has the same quasi-identifiers as rows of at
    least k - 1 other units, and the given models hold in each class. Rows come in random order without an index; none
    is left out. It has no price in differential privacy: where cuts fall depends on everybody's data, and the ledger
    records it uncharged.

    What labels and covers tell: where the cuts lie, and so a little of the values on both sides of each. A cut lies at
    the number with the fewest digits between the two values that it parts, or where the coarsest groups meet of those
    that meet between them. Values next to each other, such as the ages 38 and 39, are parted at the greater, and
    somebody has it. A class is told as all that lies between its cuts, not as its least and greatest value: these are
    single people's values, the whole table's among them. The outermost regions of numbers end at the declared bounds;
    without a declaration they are open. Regions of numbers, dates, and what was declared value by value end where
    their neighbours begin. Only beside a value, or a date's group, that a whole class shares there is a gap, since the
    class is told as just that; and of codes that are declared nowhere labels name the groups that the table has. So
    what nobody has may show there.

    Texts are told by their hierarchy's groups between the cuts, and covers are what these groups cover. A single value
    is named only if it was declared, as a category or in a hierarchy that lists it (``flat``, ``taxonomy``, ``read``),
    if a whole class shares it, or if k rows of the table have it. Else dates and codes of the caller's own table are
    told by their group on the hierarchy's first level, or by a coarser one.

    Equal rows are never parted, and the classes are a function of the rows as a multiset. The release's value is a
    dataframe of the kind that went in, as ``KAnonymize`` gives it.

    Source: LeFevre, DeWitt and Ramakrishnan 2006, strict multidimensional partitioning.
    """

    def __init__(
        self,
        k: int = 5,
        quasi_identifiers: Sequence[str] | None = None,
        hierarchies: Mapping[str, Hierarchy] | None = None,
        l: int | Model | None = None,  # noqa: E741 (the field's name)
        t: float | Model | None = None,
        models: Sequence[Model] = (),
        sensitive: str | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(seed)
        self.k = whole("k", k, 2)
        self.quasi_identifiers = None if quasi_identifiers is None else column_names(quasi_identifiers)
        self.hierarchies = hierarchies_by_column(hierarchies)
        stray = [model for model in models if not isinstance(model, Model)] if isinstance(models, (list, tuple)) else []
        if stray:
            raise InvalidRequest(
                f"the model {stray[0]!r} was given",
                "models of a sensitive column; KAnonymize holds those of a population",
                "models=[un.deid.BetaLikeness(1)]",
            )
        self.promises = Promises.of(l, t, models, sensitive, None)

    def plan(self, data: Dataset) -> Plan[Any]:
        """Decide on columns and hierarchies.

        Raises:
            InvalidRequest: no quasi-identifiers, unknown ones, or a hierarchy that is missing or does not fit.
        """
        names = self.quasi_identifiers or column_names(data.schema.quasi_identifiers)
        known(data, names)
        belong(self.hierarchies, names)
        given = hierarchies_for(data, list(self.hierarchies), self.hierarchies)
        if isinstance(data, OwnTable):
            schema = data.frame.schema
            hierarchies_for(data, [name for name in names if name not in given and not schema[name].is_numeric()], {})
        promises = self.promises.about(data, names)
        promised = KAnonymity(self.k, names, data.schema.unit_name, promises.held(), data.schema.max_rows_per_unit)
        return Plan(self.unless_seeded(promised), unpriced(), lambda: self._run(data, names, promises, given))

    def _run(
        self, data: Dataset, names: Sequence[str], promises: Promises, hierarchies: Mapping[str, Hierarchy]
    ) -> Outcome[Any]:
        frame, units = counted(data)
        frame = normal(frame, names)
        columns = {name: distinct(frame[name]) for name in names}
        domains = data.schema.columns
        axes = [axis(name, *columns[name], self.k, domains.get(name), hierarchies.get(name)) for name in names]
        sensitive = promises.values(frame)
        demands = [] if sensitive is None else [sensitive]
        found = classes(axes, units, self.k, demands) if len(units) else Classes(units, units[:0], ())
        if found is None:
            raise DataFault(
                f"k={self.k} was asked for of {len(np.unique(units))} {data.schema.unit_name}s"
                + "".join(f", {line}" for line in promises.words()),
                "at least k units, and models that hold of the whole table as one class",
            )
        origin = Entropy(self.seed).permutation(len(units)).astype(np.int64)
        labels: dict[str, NDArray[Any]] = {}
        covers: dict[str, dict[Any, Cover]] = {}
        lost = 0.0
        for name, one, between in zip(names, axes, found.between, strict=False):
            named = one.named(between)
            lost += float(named.loss @ found.sizes)
            covers[name] = dict(zip(named.labels.tolist(), named.covers, strict=True))
            if named.labels.dtype.kind in "iuf":  # what counted as one is told as one, as a number of the old type
                told, dtype = named.labels[named.of[found.of]], frame.schema[name]
                frame = frame.with_columns(nw.new_series(name, told, dtype, backend=frame.implementation))
            else:
                labels[name] = named.labels[named.of[found.of[origin]]]
        proof = LocalProof(
            len(found.sizes),
            int(found.sizes.min(initial=len(units))),
            int(found.sizes.max(initial=0)),
            lost / max(1, len(names) * len(units)),
            f"No median of a column parts any of the {len(found.sizes):,} classes into two with {self.k} units each"
            + " for which the models hold too" * bool(demands) + ".",
            origin,
        )  # fmt: skip
        covers = covers or {name: {} for name in names}
        value = released(frame, origin, labels, narrow=not isinstance(data, OwnTable))
        return Outcome(value, covers=covers, proof=proof)
