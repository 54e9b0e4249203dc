"""Tables whose columns are replaced, column by column on the distinct values."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import narwhals as nw
import numpy as np

from unseen.core.errors import DataFault, InvalidRequest, shown
from unseen.core.generalised import Cover
from unseen.deid.pseudonym.alike import Alike, canonical, kind_of
from unseen.deid.pseudonym.columns import Cells, Column, arrow, with_columns
from unseen.deid.pseudonym.dates import DateShift, moved
from unseen.deid.pseudonym.encrypt import Encrypt, reopened
from unseen.deid.pseudonym.mask import Drop, FreeText, Keep
from unseen.deid.pseudonym.operation import Keyed, Operation, Replacing, Scope, texts_of
from unseen.deid.pseudonym.surrogate import Surrogate
from unseen.deid.pseudonym.texts import Texts
from unseen.deid.pseudonym.token import shared

if TYPE_CHECKING:
    from unseen.deid.pseudonym.policy import Policy

__all__ = ["Frames", "Replaced"]

Frame = nw.DataFrame[Any]

NAMES = ("person", "first_name", "last_name")


@dataclass(frozen=True)
class Replaced:
    """What was replaced, counted. The owner's: it tells how many people and values there are.

    Args:
        values: for each replaced column its distinct values.
        collisions: for each column how many pseudonyms fewer there are than values that are not alike.
        spans: for each entity how many findings in texts were replaced.
        redacted_instead: of these, those whose operation did not fit and that a label stands for.
        collisions_in_texts: for each entity how many pseudonyms fewer there are than mentions that are not alike.
    """

    values: dict[str, int]
    collisions: dict[str, int]
    spans: dict[str, int]
    redacted_instead: dict[str, int]
    collisions_in_texts: dict[str, int] = field(default_factory=dict)


@dataclass
class Frames:
    """Replaces the columns of a table, or brings them back.

    Args:
        policy: what happens to which column.
        scope: key, project and locale.
    """

    policy: Policy
    scope: Scope
    values: dict[str, int] = field(default_factory=dict)
    collisions: dict[str, int] = field(default_factory=dict)
    covers: dict[str, dict[Any, Cover]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.texts = Texts(self.policy, self.scope)

    @property
    def counted(self) -> Replaced:
        """What was replaced."""
        spans, instead = self.texts.replaced_spans, self.texts.redacted_instead
        return Replaced(
            dict(self.values), dict(self.collisions), dict(spans), dict(instead), dict(self.texts.collisions)
        )

    def operations(self, columns: Sequence[str]) -> dict[str, Operation]:
        """What happens to each column.

        Raises:
            InvalidRequest: nothing is said of one, or one that is named is not there.
        """
        named = [*self.policy.columns, *([self.policy.person] if self.policy.person else [])]
        absent = [name for name in dict.fromkeys(named) if name not in columns]
        if absent:
            raise InvalidRequest(f"the policy names {shown(absent)}", f"the table has {shown(columns)}")
        found = {name: self.policy.operation(name) for name in columns}
        silent = [name for name, operation in found.items() if operation is None]
        if silent:
            raise InvalidRequest(
                f"the policy says nothing of {shown(silent)}", "an operation for each column, or others=Drop()"
            )
        return {name: operation for name, operation in found.items() if operation is not None}

    def replaced(self, frame: Frame, findings: Any = None) -> Frame:
        """The table with its columns replaced, rows in their order.

        Args:
            frame: the table.
            findings: what was found in columns of free text, or what finds it: called with the texts of one column.
        """
        operations = self.operations(frame.columns)
        persons = Column.of(frame[self.policy.person]) if self.policy.person else None
        known = self._known(frame, operations)
        made: dict[str, Any] = self._two_columns(frame)
        for name, operation in operations.items():
            if isinstance(operation, (Keep, Drop)) or name in made:
                continue
            if isinstance(operation, DateShift):
                made[name] = self._shifted(frame[name], operation, persons, 1)
            elif isinstance(operation, FreeText):
                made[name] = self._read(frame[name], findings, persons, known)
            elif isinstance(operation, Replacing):
                made[name] = self._column(Column.of(frame[name]), operation)
            else:
                raise InvalidRequest(f"{name!r} was given as {operation!r}", "an operation that does something")
        kept = [name for name, operation in operations.items() if not isinstance(operation, Drop)]
        return with_columns(frame, kept, made)

    def _column(self, column: Column, operation: Replacing) -> Any:
        found = operation.replace(column.values, self.scope, column.name)
        self.values[column.name] = len(found)
        meant = operation.covers(list(dict.fromkeys(found)))
        if meant is not None:
            self.covers[column.name] = meant
        apart = shared(operation, column.values, found, column.name) if isinstance(operation, Keyed) else 0
        if apart:
            self.collisions[column.name] = apart
        return column.filled(found)

    def _two_columns(self, frame: Frame) -> dict[str, Any]:
        """The first and last names of people whose name stands in two columns: parts of one surrogate."""
        import pyarrow as pa

        if self.policy.names is None:
            return {}
        whole = self._names(frame)
        surrogate = Surrogate("person")
        canon = surrogate.canon(whole.values, whole.name)
        parts = surrogate.parts(canon, self.scope)
        apart = len(set(canon)) - len(set(parts))
        made = {}
        for at, name in enumerate(self.policy.names):
            missing = ~arrow(frame[name]).is_valid().to_numpy(zero_copy_only=False)
            places = pa.array(whole.places, mask=missing)
            made[name] = pa.array([part[at] for part in parts], pa.string()).take(places)
            self.values[name] = len(set(canon))
            if apart:
                self.collisions[name] = apart
        return made

    def _names(self, frame: Frame) -> Column:
        return Column.joined("names", [Column.of(frame[name]) for name in self.policy.names or ()])

    def _shifted(self, series: nw.Series[Any], operation: DateShift, persons: Column | None, sign: int) -> Any:
        import pyarrow as pa

        array, name = arrow(series), series.name
        days = np.zeros(len(array), dtype=np.int64)
        if persons is not None:
            shifts = operation.shifts(self.policy.canonical_persons(persons.values), self.scope)
            lost = persons.missing & array.is_valid().to_numpy(zero_copy_only=False)
            if lost.any():
                raise DataFault(
                    f"{int(lost.sum()):,} rows have a date in {name!r} and nobody in {self.policy.person!r}",
                    "a person for each date",
                )
            days = np.where(persons.missing, 0, np.append(shifts, 0)[persons.places]) * sign
        self.values[name] = len(array) - array.null_count
        if (
            pa.types.is_temporal(array.type)
            and not pa.types.is_time(array.type)
            and not pa.types.is_duration(array.type)
        ):
            return moved(array, days, name)
        column = Column.of(series)
        there = np.flatnonzero(~column.missing)
        if not all(isinstance(value, str) for value in column.values):
            raise DataFault(f"{name!r} holds no dates", "dates, timestamps, or texts that are dates")
        texts = [column.values[at] for at in column.places[there].tolist()]
        found: list[str | None] = [None] * len(array)
        for at, text in zip(there.tolist(), operation.moved_texts(texts, days[there], name), strict=True):
            found[at] = text
        return pa.array(found, pa.string())

    def _known(self, frame: Frame, operations: dict[str, Operation]) -> list[list[str]] | None:
        """For each row the names in its other columns, unless these stay: of columns that hold people by their name or
        by what is done to them.
        """
        whole = [
            Column.of(frame[name])
            for name, one in operations.items()
            if not isinstance(one, (Keep, FreeText))
            and (kind_of(name) in NAMES or (isinstance(one, Keyed) and one.of in NAMES))
        ]
        if self.policy.names is not None:
            whole.append(self._names(frame))
        if not whole or not any(isinstance(one, FreeText) for one in operations.values()):
            return None
        found: list[list[str]] = [[] for _ in range(len(frame))]
        for column in whole:
            canon = [canonical(text, Alike.NAME) for text in texts_of(column.values, column.name)]
            for row, (place, missing) in enumerate(zip(column.places.tolist(), column.missing.tolist(), strict=True)):
                if not missing:
                    found[row].append(canon[place])
        return found

    def _read(
        self, series: nw.Series[Any], findings: Any, persons: Column | None, known: list[list[str]] | None
    ) -> Any:
        import pyarrow as pa

        column = Column.of(series)
        texts: list[Any] = column.filled(column.values).to_pylist()
        if any(text is not None and not isinstance(text, str) for text in texts):
            raise DataFault(f"{series.name!r} was to be read as text", "texts")
        found = findings
        if callable(findings):
            found = findings(Cells(("" if text is None else text for text in texts), series.name))
        elif findings is None:
            raise InvalidRequest(f"the text of {series.name!r} was given without findings", "what un.deid.scan finds")
        whom = None if persons is None else persons.filled(persons.values).to_pylist()
        new = self.texts.replaced(texts, found, whom, known, None if callable(findings) else series.name)
        self.values[series.name] = len(column.values)
        return pa.array(new, pa.string())

    # --- The way back -------------------------------------------------------------------------------

    def restored(self, frame: Frame) -> Frame:
        """The table with what can be undone undone; all else stays as it is."""
        made: dict[str, Any] = {}
        for name in frame.columns:
            operation = self.policy.columns.get(name)
            if isinstance(operation, FreeText):
                made[name] = self._reread(Column.of(frame[name]))
            elif isinstance(operation, Keyed):
                column = Column.of(frame[name])
                found = operation.restore(column.values, self.scope, name)
                if found is not None:
                    made[name] = column.filled(found)
        back = with_columns(frame, frame.columns, made)
        kept = isinstance(self.policy.columns.get(self.policy.person), Keep)
        if self.policy.person in made or (kept and self.policy.person in frame.columns):
            persons = Column.of(back[self.policy.person])
            dates = {
                name: self._shifted(back[name], one, persons, -1)
                for name, one in self.policy.columns.items()
                if isinstance(one, DateShift) and name in frame.columns
            }
            back = with_columns(back, back.columns, dates)
        return back

    def _reread(self, column: Column) -> Any:
        operations = [one for one in self.policy.entities.values() if isinstance(one, Encrypt)]
        texts = [value if isinstance(value, str) else str(value) for value in column.values]
        return column.filled(reopened(texts, operations, self.scope, column.name))
