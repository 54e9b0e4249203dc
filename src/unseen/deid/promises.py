"""What a k-anonymous table is to promise beside k: which models, of which sensitive column, over which population."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from unseen.core.dataset import Dataset
from unseen.core.errors import DataFault, InvalidRequest, shown
from unseen.core.privacy_models import PrivacyModel
from unseen.deid.hierarchies.hierarchy import Hierarchy
from unseen.deid.models import DistinctDiversity, Model, PopulationModel, TCloseness
from unseen.deid.search.problem import Column, People, Sensitive
from unseen.deid.table import OwnTable, coded, distinct

__all__ = ["Promises"]

SEVERAL = "a value that every unit of a class has beside others"

Values = tuple[NDArray[Any], NDArray[np.int64]]


@dataclass(frozen=True)
class Promises:
    """Models beside k.

    Args:
        models: of the sensitive column.
        over: of the population.
        sensitive: the sensitive column.
        population: the population, as it was given.
        several: whether a unit may have several rows, and so several sensitive values.
    """

    models: tuple[Model, ...]
    over: tuple[PopulationModel, ...]
    sensitive: str | None
    population: Any = field(repr=False)
    several: bool = False

    @staticmethod
    def of(
        l: int | Model | None,  # noqa: E741 (the field's name)
        t: float | Model | None,
        models: Sequence[Model | PopulationModel],
        sensitive: str | None,
        population: Any,
    ) -> Promises:
        """From the arguments of a guard.

        Raises:
            InvalidRequest: no model, or a population without a model of it or the other way round.
        """
        if isinstance(models, str) or not isinstance(models, Sequence):
            raise InvalidRequest(f"models={models!r} was given", "a list of models", "models=[un.deid.BetaLikeness(1)]")
        given = [*models]
        if l is not None:
            given.append(l if isinstance(l, Model) else DistinctDiversity(l))
        if t is not None:
            given.append(t if isinstance(t, Model) else TCloseness(t))
        stray = next((model for model in given if not isinstance(model, (Model, PopulationModel))), None)
        if stray is not None:
            raise InvalidRequest(
                f"the model {stray!r} was given", "a model such as un.deid.EntropyDiversity(3) or un.deid.KMap(10)"
            )
        if sensitive is not None and not isinstance(sensitive, str):
            raise InvalidRequest(f"sensitive={sensitive!r} was given", "the name of one column")
        over = tuple(model for model in given if isinstance(model, PopulationModel))
        if bool(over) != (population is not None):
            raise InvalidRequest(
                f"{shown(over)} without a population was asked for"
                if over
                else "a population without a model was given",
                "both: models such as KMap look at a population",
                "models=[un.deid.KMap(10)], population=frame",
            )
        return Promises(tuple(model for model in given if isinstance(model, Model)), over, sensitive, population)

    def about(self, data: Dataset, quasi_identifiers: Sequence[str]) -> Promises:
        """With the sensitive column of this table, if a model needs one, and the population's table.

        Raises:
            InvalidRequest: there is none, more than one was declared, or it is a quasi-identifier; or the population
                lacks a quasi-identifier.
        """
        people = None
        if self.over:
            people = self.population if isinstance(self.population, OwnTable) else OwnTable(self.population)
            absent = [name for name in quasi_identifiers if name not in people.frame.columns]
            if absent:
                raise InvalidRequest(f"a population without {shown(absent)} was given", "all quasi-identifiers in it")
        if not self.models:
            return replace(self, sensitive=None, population=people)
        declared = data.schema.sensitive
        name = self.sensitive or (declared[0] if len(declared) == 1 else None)
        columns = data.frame.columns if isinstance(data, OwnTable) else list(data.schema.columns)
        if name is None or name not in columns:
            raise InvalidRequest(
                f"a model of the sensitive column {name!r} was asked for"
                if name is not None
                else "a model of a sensitive column was asked for",
                f"the name of one column; the table has {shown(columns)}",
                "sensitive='diagnosis'" if name is None else "",
            )
        if name in quasi_identifiers:
            raise InvalidRequest(f"{name!r} was named quasi-identifying and sensitive", "one of the two")
        return replace(self, sensitive=name, population=people, several=data.schema.max_rows_per_unit > 1)

    def held(self) -> tuple[PrivacyModel, ...]:
        """What is promised, for each model."""
        told = [model.held(self.sensitive or "") for model in self.models]
        if self.several:
            told = [replace(one, limits=f"{one.limits}, {SEVERAL}") for one in told]
        return (*told, *(model.held() for model in self.over))

    def words(self) -> tuple[str, ...]:
        """The same in words."""
        return tuple(one.sentence for one in self.held())

    def values(self, frame: nw.DataFrame[Any]) -> Sensitive | None:
        """The sensitive column in codes, and the models for its values.

        Raises:
            DataFault: a value is missing, or has no place in an order or hierarchy; only the owner sees this.
        """
        if self.sensitive is None:
            return None
        found, places = distinct(frame[self.sensitive], "sensitive column")
        values, codes = np.unique(found, return_inverse=True)
        return Sensitive(codes[places].astype(np.int64), tuple(model.of(values) for model in self.models))

    def columns(
        self, values: Mapping[str, Values], hierarchies: Mapping[str, Hierarchy]
    ) -> tuple[list[Column], People | None]:
        """The quasi-identifiers in codes, of the table and of the population.

        Args:
            values: for each quasi-identifier its distinct values and each row's place among them.
            hierarchies: for each its hierarchy.

        Raises:
            DataFault: a value has no place in the hierarchy; only the owner sees this.
        """
        if not self.over:
            return [coded(name, *values[name], hierarchy) for name, hierarchy in hierarchies.items()], None
        columns, people = [], []
        for name, hierarchy in hierarchies.items():
            column, strangers = _both(name, values[name], distinct(self.population.frame[name]), hierarchy)
            columns.append(column)
            people.append(strangers)
        return columns, People(tuple(people), self.over)


def _both(name: str, table: Values, population: Values, hierarchy: Hierarchy) -> tuple[Column, NDArray[np.int64]]:
    """A column of the table, and the population's codes in it."""
    if (table[0].dtype.kind in "iuf") != (population[0].dtype.kind in "iuf") and len(table[0]) and len(population[0]):
        raise DataFault(f"{name!r} holds numbers in one of table and population", "numbers or texts in both")
    values, back = np.unique(np.concatenate(_alike(name, table[0], population[0])), return_inverse=True)
    places = back[np.concatenate([table[1], population[1] + len(table[0])])].astype(np.int64)
    column, rows = coded(name, values, places, hierarchy), len(table[1])
    return Column(column.codes[:rows], column.up, column.loss), column.codes[rows:]


def _alike(name: str, *values: NDArray[Any]) -> list[NDArray[Any]]:
    """Numbers as one type in which none of them changes: what merges here would be counted together."""
    kinds = {one.dtype.kind for one in values if len(one)}
    if kinds <= {"i", "u"} and kinds:
        if max(int(one.max(initial=0)) for one in values) < 2**63:
            return [one.astype(np.int64) for one in values]
    elif kinds - {"f"} and "f" in kinds:
        whole = [one for one in values if one.dtype.kind in "iu"]
        if max(int(np.abs(one.astype(object)).max(initial=0)) for one in whole) <= 2**53:
            return list(values)
    else:
        return list(values)
    raise DataFault(f"{name!r} holds whole numbers too large to compare", "texts, or whole numbers in both tables")
