"""KAnonymize: the table with the least loss in which every row shares its quasi-identifiers with k units."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from unseen.core.accounting import unpriced
from unseen.core.dataset import Dataset
from unseen.core.errors import DataFault, InvalidRequest, shown
from unseen.core.generalised import Cover
from unseen.core.guarantee import KAnonymity, number, price, whole
from unseen.core.guard import Outcome, Plan
from unseen.core.noise.entropy import Entropy
from unseen.deid.arguments import column_names, hierarchies_by_column
from unseen.deid.hierarchies.hierarchy import Hierarchy
from unseen.deid.models import Model, PopulationModel
from unseen.deid.owners import Owners
from unseen.deid.promises import Promises
from unseen.deid.released import released
from unseen.deid.search.downstream import Downstream
from unseen.deid.search.kanon import search, strangers
from unseen.deid.search.problem import Column, Optimum, People, Sensitive
from unseen.deid.search.quality import Quality, TrialQuality, measure
from unseen.deid.table import OwnTable, counted, distinct, hierarchies_for, known, normal
from unseen.deid.table_guard import TableGuard, belong

__all__ = ["KAnonymize", "Proof"]


@dataclass(frozen=True, eq=False)
class Proof(Owners):
    """Why this table and no other. The owner's: a published proof helps minimality attacks, and ``origin`` links back.

    Args:
        levels: for each quasi-identifier the level that it is told at; 0 is the original value.
        score: what the quality measure says, from 0 to 1, by default the mean loss over all quasi-identifying cells;
            a suppressed row loses the most.
        suppressed: rows left out.
        checked: combinations of levels that were weighed.
        pruned: combinations that a bound ruled out.
        why: why nothing better exists.
        origin: shape (released rows,): released row i was row ``origin[i]`` of the table.
        quality: the measure's name.
    """

    levels: dict[str, int]
    score: float
    suppressed: int
    checked: int
    pruned: int
    why: str
    origin: NDArray[np.int64]
    quality: str = "loss"


class KAnonymize(TableGuard):
    """Generalise whole columns, and leave rows out, with the least loss at which k-anonymity and further models hold.

    Args:
        k: the least number of units in a class, at least 2. Units are counted, not rows.
        quasi_identifiers: the columns that an adversary may know; those of the schema if not given.
        suppress_at_most: share of the rows that may be left out, in [0, 1].
        hierarchies: for a column how its values become vaguer; by default what follows from its declared domain.
            A table of the caller's own has no declared domains, so it needs one for each quasi-identifier.
        quality: what is minimised: ``"loss"``, ``"precision"``, ``"entropy"``, ``"discernibility"``,
            ``"average class size"``, or a quality measure such as ``Downstream(target)``.
        l: l-diversity of the sensitive column: a number for the distinct kind, or a model.
        t: t-closeness of the sensitive column: a number for equal distances, or a model.
        models: further models, of the sensitive column (such as ``BetaLikeness``) or of the population.
        sensitive: the column that ``l``, ``t`` and ``models`` are about; that of the schema if it has one only.
        population: for models of a population (``KMap``, ``DeltaPresence``) a dataframe or path with a row for each of
            its people, everyone in the table included, and the quasi-identifiers.
        seed: None for the real thing. A number makes the order of the released rows repeatable, for tests.

    **Guarantee**: k-anonymity, for the declared unit: each released row has the same quasi-identifiers as rows of at
    least k - 1 other units. Of each released class the given models hold, counting a unit once for each sensitive
    value that it has in the class; what they do not bound the guarantee says. Rows come in random order without an
    index. It has no price in differential privacy: the choice of levels depends on everybody's data, and the ledger
    records it uncharged.

    The release's value is a dataframe of the kind that went in. Of a protected dataset it has the declared columns,
    of the caller's own table all columns. Of all levels that suppress few enough rows it is the one with the
    least mean loss (see ``Hierarchy.loss``), or what ``quality`` measures.

    Source: Samarati 2001 (full-domain generalisation with suppression), Iyengar 2002 (loss).
    """

    def __init__(
        self,
        k: int = 5,
        quasi_identifiers: Sequence[str] | None = None,
        suppress_at_most: float = 0.02,
        hierarchies: Mapping[str, Hierarchy] | None = None,
        quality: str | Quality = "loss",
        l: int | Model | None = None,  # noqa: E741 (the field's name)
        t: float | Model | None = None,
        models: Sequence[Model | PopulationModel] = (),
        sensitive: str | None = None,
        population: Any = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(seed)
        self.k = whole("k", k, 2)
        self.quasi_identifiers = None if quasi_identifiers is None else column_names(quasi_identifiers)
        self.suppress_at_most = number("suppress_at_most", suppress_at_most, 0, 1)
        self.hierarchies = hierarchies_by_column(hierarchies)
        self.quality = measure(quality)
        self.promises = Promises.of(l, t, models, sensitive, population)

    def plan(self, data: Dataset) -> Plan[Any]:
        """Decide on columns and hierarchies.

        Raises:
            InvalidRequest: no quasi-identifiers, unknown ones, a hierarchy that is missing or does not fit, or models
                without their sensitive column.
        """
        names = self.quasi_identifiers or column_names(data.schema.quasi_identifiers)
        known(data, names)
        belong(self.hierarchies, names)
        hierarchies = hierarchies_for(data, names, self.hierarchies)
        promises = self.promises.about(data, names)
        self._triable(data, hierarchies)
        promised = KAnonymity(self.k, names, data.schema.unit_name, promises.held(), data.schema.max_rows_per_unit)
        return Plan(self.unless_seeded(promised), unpriced(), lambda: self._run(data, hierarchies, promises))

    def _run(self, data: Dataset, hierarchies: Mapping[str, Hierarchy], promises: Promises) -> Outcome[Any]:
        frame, units = counted(data)
        frame = normal(frame, list(hierarchies))
        values = {name: distinct(frame[name]) for name in hierarchies}
        columns, people = promises.columns(values, hierarchies)
        quality = self._measure(frame)
        found = self._best(columns, units, data.schema.unit_name, quality, promises.values(frame), people)
        levels = dict(zip(hierarchies, found.levels, strict=True))
        kept = np.flatnonzero(found.kept)
        origin = kept[Entropy(self.seed).permutation(len(kept))].astype(np.int64)
        labels = {
            name: hierarchy.label(values[name][0], levels[name])[values[name][1][origin]]
            for name, hierarchy in hierarchies.items()
        }
        covers: dict[str, dict[Any, Cover]] = {
            name: hierarchies[name].covers(levels[name], dict.fromkeys(found.tolist()))
            for name, found in labels.items()
        }
        vaguer = {name: label for name, label in labels.items() if levels[name]}
        proof = Proof(
            levels,
            min(found.score, 1.0),
            len(units) - len(kept),
            found.checked,
            found.pruned,
            self._why(found, len(units)),
            origin,
            self.quality.named,
        )
        value = released(frame, origin, vaguer, narrow=not isinstance(data, OwnTable))
        return Outcome(value, covers=covers, proof=proof)

    def _triable(self, data: Dataset, hierarchies: Mapping[str, Hierarchy]) -> None:
        """Refuse a quality measure that tries too many combinations, or predicts what is not there."""
        quality = self.quality
        nodes = math.prod(hierarchy.levels for hierarchy in hierarchies.values())
        if isinstance(quality, TrialQuality) and nodes > quality.most:
            raise InvalidRequest(
                f"{nodes:,} combinations of levels were to be tried one by one",
                f"at most {quality.most:,}: fewer columns or levels, or a quality measure with a bound",
                'quality="loss"',
            )
        columns = data.frame.columns if isinstance(data, OwnTable) else list(data.schema.columns)
        if isinstance(quality, Downstream) and (quality.target in hierarchies or quality.target not in columns):
            raise InvalidRequest(
                f"target={quality.target!r} was asked for",
                f"a column beside the quasi-identifiers; the table has {shown(columns)}",
            )

    def _measure(self, frame: nw.DataFrame[Any]) -> Quality:
        if not isinstance(self.quality, Downstream):
            return self.quality
        values, places = distinct(frame[self.quality.target], "target")
        return self.quality.of(np.unique(values, return_inverse=True)[1][places].astype(np.int64))

    def _best(
        self,
        columns: Sequence[Column],
        units: NDArray[np.int64],
        unit: str,
        quality: Quality,
        sensitive: Sensitive | None,
        people: People | None,
    ) -> Optimum:
        if len(units) == 0:
            if people is not None and len(people.columns[0]) and any(model.complete for model in people.models):
                raise DataFault(
                    "an empty table was given", "rows of each of the population's cells, as the model demands"
                )
            return Optimum((0,) * len(columns), 0.0, np.zeros(0, dtype=bool), 0, 0)
        if people is not None and (beyond := strangers(columns, units, people)):
            raise DataFault(
                f"{beyond:,} of the table's combinations of quasi-identifiers have more {unit}s than the population",
                "a population that holds everyone in the table",
            )
        found = search(columns, units, self.k, self._limit(len(units)), quality, sensitive, people)
        if found is None:
            models = "".join(f", {line}" for line in self.promises.words())
            raise DataFault(
                f"k={self.k} was asked for of {len(np.unique(units))} {unit}s{models}",
                "k units, or more suppression than "
                f"{self.suppress_at_most:g} of the rows: even with every quasi-identifier hidden the rest is too small"
                + " or not as the models demand"
                * bool(models),
            )
        return found

    def _limit(self, rows: int) -> int:
        return math.floor(price(self.suppress_at_most) * rows)

    def _why(self, found: Optimum, rows: int) -> str:
        limit = self._limit(rows)
        beyond = f", or was shown to suppress more than {limit:,} rows" * (limit < rows)
        if isinstance(self.quality, TrialQuality):
            return (
                f"Of {found.checked + found.pruned:,} combinations of levels {found.checked:,} were tried. Each of the "
                f"other {found.pruned:,} suppresses more than {limit:,} rows."
            )
        return (
            f"Of {found.checked + found.pruned:,} combinations of levels {found.checked:,} were weighed. Each of the "
            f"other {found.pruned:,} loses at least {found.score:.6g} ({self.quality.named}), by a lower bound{beyond}."
        )
