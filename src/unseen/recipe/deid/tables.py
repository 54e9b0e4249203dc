"""A released table in a recipe, and who finds people or their secrets in it."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unseen.core.accounting import Event
from unseen.core.dataset import Dataset
from unseen.core.errors import InvalidRequest
from unseen.core.guarantee import Guarantee, whole
from unseen.core.guard import Guard
from unseen.core.release import Release
from unseen.core.schema import Schema
from unseen.core.snapshot import UNIT
from unseen.recipe.document import Part
from unseen.recipe.keys import TEXT, TEXTS, WHOLE, Kind
from unseen.recipe.task import Done, Task
from unseen.report.claims import Report
from unseen.report.summary import Utility

__all__ = ["TableTask"]

Arguments = Mapping[str, tuple[Kind, Any]]
SHOWN = 20
"""Rows of a released table that the report shows."""


class TableTask(Task):
    """A whole table; each kind makes its guard and says what it did."""

    attacks: ClassVar[Mapping[str, Arguments]] = {
        "Linkage": {"columns": (TEXTS, None)},
        "Homogeneity": {"sensitive": (TEXT, None), "ruled_out": (WHOLE, 0)},
    }

    def __init__(self, part: Part, schema: Schema) -> None:
        super().__init__(part, schema)
        with part.keys.faults():
            self.guard = self.made()

    @abstractmethod
    def made(self) -> Guard[Any]:
        """The guard."""

    @abstractmethod
    def names(self) -> Sequence[str]:
        """What somebody may know of a person, for the attacks."""

    @abstractmethod
    def what(self) -> str:
        """What is released, in plain words."""

    def utility(self, proof: Any) -> tuple[Utility, ...]:
        """What the owner compares, beside the rows that stayed."""
        return ()

    def price(self, data: Dataset) -> tuple[Event, Guarantee]:
        """What it promises; it has no price."""
        return self.guard.price(data)

    def release(self, data: Dataset, purpose: str) -> Done:
        """Record it, and make the table."""
        found = self.guard.release(data, purpose)
        first = data.arrays(list(data.schema.columns)[:1], bounded=False)
        rows = len(next(iter(first.values())))
        share = len(found.proof.origin) / rows if rows else 1.0
        utility = (Utility("share of the rows that stayed", share, 1.0), *self.utility(found.proof))
        return Done(self.what(), _cut(found), found.guarantee, utility, None, found.value, found)

    def try_attack(self, name: str, arguments: Mapping[str, Any]) -> None:
        """Columns that are not declared, or nothing to learn."""
        if name == "Linkage":
            self.schema.known(arguments["columns"] or self.names(), "columns")
            if not (arguments["columns"] or self.names()):
                raise InvalidRequest("linkage without columns was asked for", "what somebody knows of a person")
        else:
            whole("ruled_out", arguments["ruled_out"])
            self.schema.known([self._sensitive(arguments)], "sensitive")
            if not self.names():
                raise InvalidRequest("homogeneity without quasi-identifiers was asked for", "columns of a class")

    def audit(self, done: Done, data: Dataset, attack: Part) -> Report:
        """Find people in the released rows, or their secrets, and in the rows before protection."""
        arguments = self.attack_arguments(attack)
        if attack.name == "Linkage":
            return self._linkage(done.secret, data, list(arguments["columns"] or self.names()))
        return self._homogeneity(done.secret, data, self._sensitive(arguments), arguments["ruled_out"])

    def _linkage(self, release: Release[Any], data: Dataset, names: list[str]) -> Report:
        from unseen.attack import Linkage

        people, units = _people(data, names)
        released = _rows_of(units, release.proof.origin)
        report = Linkage(people, truth=released, columns=names).audit(release)
        before = Linkage(people, truth=_rows_of(units, np.arange(len(units))), columns=names).audit(people)
        return _beside(report, before.figures["expected share"])

    def _homogeneity(self, release: Release[Any], data: Dataset, secret: str, ruled_out: int) -> Report:
        from unseen.attack.homogeneity import CERTAIN, Homogeneity

        names = [name for name in self.names() if name != secret]
        people, _ = _people(data, [*names, secret])
        truth = people.column(secret).to_pylist()
        attack = Homogeneity(people.select(names), secret, truth, names, ruled_out)
        report, before = attack.audit(release), attack.audit(people)
        return _beside(report, before.figures["certain" if report.scale == CERTAIN else "greatest share of a class"])

    def _sensitive(self, arguments: Mapping[str, Any]) -> str:
        declared = self.schema.sensitive
        found = arguments["sensitive"] or self.arguments.get("sensitive") or (declared[0] if len(declared) == 1 else "")
        if not found:
            raise InvalidRequest(
                "homogeneity without a sensitive column was asked for", "the one to learn", 'sensitive = "diagnosis"'
            )
        return str(found)


def _people(data: Dataset, names: Sequence[str]) -> tuple[Any, NDArray[np.int64]]:
    """What is known of whose rows, a row each, and each row's unit."""
    import pyarrow as pa

    known = data.arrays(list(names), bounded=False)
    return pa.table({name: known[name] for name in names}), known[UNIT].astype(np.int64)


def _rows_of(units: NDArray[np.int64], origin: NDArray[np.int64]) -> Any:
    """For each row all released rows of its unit, a list that rows of one unit share; or the one, -1 for none.

    Args:
        units: shape (rows,), each row's unit.
        origin: shape (released rows,), which row each was.
    """
    distinct, unit = np.unique(units, return_inverse=True)
    if len(distinct) == len(units):
        place = np.full(len(units), -1, dtype=np.int64)
        place[origin] = np.arange(len(origin))
        return place
    whose = unit[origin]
    order = np.argsort(whose, kind="stable")
    sets = np.split(order, np.searchsorted(whose[order], np.arange(1, len(distinct))))
    return [sets[one] for one in unit.tolist()]


def _beside(report: Report, before: float) -> Report:
    return replace(report, figures={**report.figures, "before protection": before})


def _cut(found: Release[Any]) -> dict[str, Any]:
    """The release as JSON-ready values with its first rows; the whole table is written beside the report."""
    import narwhals as nw

    frame = nw.from_native(found.value, eager_only=True)
    plain = replace(found, value=frame.head(SHOWN).to_native(), proof=None).to_dict()
    return {**plain, "rows": len(frame), "columns": list(frame.columns)}
