"""A k-anonymous table in a recipe, attacked by somebody who knows everybody's quasi-identifiers."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from unseen import datasets
from unseen.core.accounting import Event
from unseen.core.dataset import Dataset
from unseen.core.errors import InvalidRequest
from unseen.core.guarantee import Guarantee
from unseen.core.release import Release
from unseen.core.schema import Range, Schema
from unseen.recipe.document import Part
from unseen.recipe.keys import NUMBER, NUMBERS, TABLE, TEXT, TEXTS, WHOLE, Keys, Kind, either
from unseen.recipe.task import Done, Task
from unseen.report.claims import Report
from unseen.report.summary import Utility

if TYPE_CHECKING:
    from unseen.deid import Hierarchy, KAnonymize

__all__ = ["KAnonymizeTask"]

Arguments = Mapping[str, tuple[Kind, Any]]
SHOWN = 20
"""Rows of a released table that the report shows."""


class KAnonymizeTask(Task):
    """``guard = "KAnonymize"``: the whole table, with vaguer quasi-identifiers.

    ``hierarchies`` is ``"dataset:adult"``, or for a column the path of a hierarchy as ARX writes it (relative to
    the recipe, ``${UNSEEN_DATA}`` is filled in), ``{widths = [5, 10]}``, ``{prefixes = 5}`` or
    ``{parents = {nurse = ["health"]}}``.
    """

    keys: ClassVar[Arguments] = {
        "k": (WHOLE, 5),
        "quasi_identifiers": (TEXTS, None),
        "suppress_at_most": (NUMBER, 0.02),
        "hierarchies": (either(TEXT, TABLE), None),
    }
    attacks: ClassVar[Mapping[str, Arguments]] = {"Linkage": {"columns": (TEXTS, None)}}

    def __init__(self, part: Part) -> None:
        super().__init__(part)
        self._made: KAnonymize | None = None
        with part.keys.faults():
            self._guard(None)

    def _guard(self, schema: Schema | None) -> KAnonymize:
        """The guard; without a schema only to check its arguments."""
        from unseen.deid import KAnonymize

        given = self.arguments["hierarchies"]
        known = None if schema is None or given is None else self._hierarchies(given, schema)
        return KAnonymize(**{**self.arguments, "hierarchies": known})

    def _names(self, schema: Schema) -> Sequence[str]:
        return self.arguments["quasi_identifiers"] or schema.quasi_identifiers

    def _hierarchies(self, given: str | dict[str, Any], schema: Schema) -> dict[str, Hierarchy]:
        from unseen.deid import Hierarchy

        if isinstance(given, str):
            if given != datasets.PREFIX + "adult":
                raise InvalidRequest(
                    f"hierarchies = {given!r} was given", "a table of columns, or dataset:adult", "dataset:adult"
                )
            paths = {name: datasets.stored(f"adult/adult_hierarchy_{name}.csv") for name in self._names(schema)}
            return {name: Hierarchy.read(path) for name, path in paths.items()}
        return {name: self._hierarchy(name, value, schema) for name, value in given.items()}

    def _hierarchy(self, name: str, value: Any, schema: Schema) -> Hierarchy:
        from unseen.deid import Hierarchy

        keys = self.part.keys
        if isinstance(value, str):
            return Hierarchy.read(_path(value, self.part))
        inner = Keys(keys.file, f"{keys.where} hierarchies {name}", value, ("widths", "prefixes", "parents"))
        if len(inner.table) != 1:
            raise inner.fault(f"{len(inner.table)} ways were given", "one of a path, {widths}, {prefixes}, {parents}")
        with inner.faults():
            if "prefixes" in inner.table:
                return Hierarchy.prefixes(inner.take("prefixes", WHOLE))
            if "parents" in inner.table:
                return Hierarchy.taxonomy(inner.take("parents", TABLE))
            domain = schema.domain(name, Range, "a hierarchy of widths")
            low, high = domain.to_dict()["range"]
            return Hierarchy.intervals(low, high, inner.take("widths", NUMBERS))

    def price(self, data: Dataset) -> tuple[Event, Guarantee]:
        """k-anonymity, which has no price."""
        self._made = self._guard(data.schema)
        return self._made.price(data)

    def release(self, data: Dataset, purpose: str) -> Done:
        """Record it and search the least lossy table."""
        guard = self._made or self._guard(data.schema)
        found = guard.release(data, purpose)
        names = self._names(data.schema)
        people = data.arrays(list(data.schema.columns)[:1], bounded=False)
        rows = len(next(iter(people.values())))
        share = (rows - found.proof.suppressed) / rows if rows else 1.0
        utility = (
            Utility("share of the rows that stayed", share, 1.0),
            Utility("mean loss of detail in the quasi-identifiers", found.proof.score, 0.0, higher_is_better=False),
        )
        what = f"The table itself, with vaguer {', '.join(names)}; other columns as they are."
        return Done(what, _cut(found), found.guarantee, utility, None, found.value, found)

    def try_attack(self, arguments: Mapping[str, Any], schema: Schema) -> None:
        """Columns that are not declared."""
        schema.known(arguments["columns"] or (), "columns")

    def audit(self, done: Done, data: Dataset, attack: Part) -> Report:
        """Link everybody's true quasi-identifiers to the released rows, and to the rows before protection."""
        import pyarrow as pa

        from unseen.attack import Linkage

        release, names = done.secret, list(self.attack_arguments(attack)["columns"] or self._names(data.schema))
        known = data.arrays(names, bounded=False)
        people = pa.table({name: known[name] for name in names})
        truth = np.full(len(people), -1, dtype=np.int64)
        truth[release.proof.origin] = np.arange(len(release.proof.origin))
        report = Linkage(people, truth=truth, columns=names).audit(release)
        before = Linkage(people, columns=names).audit(people)
        share = before.measured.value if before.measured else 0.0
        return replace(report, figures={**report.figures, "before protection": share})


def _path(value: str, part: Part) -> Path:
    def filled(found: re.Match[str]) -> str:
        if found[1] not in os.environ:
            raise InvalidRequest(f"{value!r} was given", f"the environment variable {found[1]} is set")
        return os.environ[found[1]]

    path = Path(re.sub(r"\$\{(\w+)\}", filled, value))
    beside = part.folder / path
    return beside if beside.is_file() else path


def _cut(found: Release[Any]) -> dict[str, Any]:
    """The release as JSON-ready values with its first rows; the whole table is written beside the report."""
    import narwhals as nw

    frame = nw.from_native(found.value, eager_only=True)
    plain = replace(found, value=frame.head(SHOWN).to_native(), proof=None).to_dict()
    return {**plain, "rows": len(frame), "columns": list(frame.columns)}
