"""un.protect, and the dataset that it gives: core's, with a shortcut for each statistic."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from unseen.core.dataset import Dataset
from unseen.core.errors import InvalidRequest, LedgerError
from unseen.core.guarantee import DP, Neighbours
from unseen.core.ledger import Change, Composition, Ledger, without_password
from unseen.core.release import Release
from unseen.core.schema import Domain, EachRow, Schema
from unseen.query import Count, Histogram, Mean, Sum

__all__ = ["ProtectedDataset", "protect"]


class ProtectedDataset(Dataset):
    """A dataset whose statistics are one call away; each call builds one guard and releases it.

    With a ``request`` key a retry gives the same release and charges nothing; see ``Guard.release``.
    """

    def count(self, *, epsilon: float, by: str | None = None, request: str | None = None) -> Release[Any]:
        """How many rows there are; see ``query.Count``."""
        return Count(epsilon=epsilon, by=by).release(self, request=request)

    def sum(self, column: str, *, epsilon: float, by: str | None = None, request: str | None = None) -> Release[Any]:
        """The sum of a column; see ``query.Sum``."""
        return Sum(column, epsilon=epsilon, by=by).release(self, request=request)

    def mean(self, column: str, *, epsilon: float, by: str | None = None, request: str | None = None) -> Release[Any]:
        """The mean of a column; see ``query.Mean``."""
        return Mean(column, epsilon=epsilon, by=by).release(self, request=request)

    def histogram(
        self,
        column: str,
        *,
        epsilon: float,
        edges: Sequence[float] | int | None = None,
        by: str | None = None,
        request: str | None = None,
    ) -> Release[Any]:
        """How many rows fall into each bin of a column; see ``query.Histogram``."""
        return Histogram(column, epsilon=epsilon, edges=edges, by=by).release(self, request=request)


def protect(
    source: Any,
    *,
    unit: str | EachRow,
    columns: Mapping[str, Domain],
    quasi_identifiers: Iterable[str] = (),
    sensitive: Iterable[str] = (),
    budget: DP | None = None,
    ledger: str | Path | None = None,
    key: str | Path | None = None,
    composition: Composition | None = None,
    changed: Change | None = None,
    max_rows_per_unit: int = 1,
) -> ProtectedDataset:
    """Declare a table and its budget, and get the dataset that guards take.

    Args:
        source: a path to a csv or parquet file, a dataframe that narwhals knows, or a DuckDB relation.
        unit: the column that names the unit of privacy, or ``un.EachRow()`` where every row is another person.
        columns: each used column's domain: ``un.Range``, ``un.Categorical``, ``un.Digits``. Others never leave.
        quasi_identifiers: columns that an adversary may know.
        sensitive: columns that nobody should learn about a person.
        budget: ε and δ for everything that will ever be released of these people; needed with a new ledger.
        ledger: the ledger's path, or a PostgreSQL URL; made on first use, later opened and compared with data and
            declaration.
        key: the owner's key file; beside a ledger's path it is ``LEDGER.key`` if nothing else is said.
        composition: how prices add up: ``un.Basic()``, which is taken if nothing is said, or ``un.Renyi()``; fixed
            when the ledger is made.
        changed: what has happened to the data since the ledger was bound to them, where they are not the same:
            ``un.Change.SAME_PEOPLE`` or ``un.Change.APPENDED_ROWS``; a new population takes a new ledger.
        max_rows_per_unit: rows that one unit may contribute to a priced release.

    Raises:
        InvalidSchema: the declaration is incomplete or contradicts itself.
        DataFault: the data do not fit it.
        LedgerMismatch: the ledger is for other data, unit or budget.
        LedgerCorrupt: the ledger does not verify.
        LedgerLocked: entries of the ledger are known to be missing.

    >>> import pandas as pd, unseen as un
    >>> people = pd.DataFrame({"age": [31, 47, 52]})
    >>> un.protect(people, unit=un.EachRow(), columns={"age": un.Range(0, 110)})
    <Dataset of rows: age: Range; no ledger>
    """
    schema = Schema(unit, columns, tuple(_listed(quasi_identifiers)), tuple(_listed(sensitive)), max_rows_per_unit)
    full = _checked(budget, schema, ledger)
    for name, place in (("ledger", ledger), ("key", key)):
        if place is not None and (not isinstance(place, (str, Path)) or not str(place) or "\0" in str(place)):
            raise InvalidRequest(f"{name}={place!r} was given", "a path", f'{name}="patients.{name}"')
    if composition is not None and not isinstance(composition, Composition):
        raise InvalidRequest(f"composition={composition!r} was declared", "un.Basic() or un.Renyi()", "un.Basic()")
    if changed is not None and changed not in tuple(Change):
        raise InvalidRequest(
            f"changed={changed!r} was declared", "a member of un.Change", "changed=un.Change.SAME_PEOPLE"
        )
    data = ProtectedDataset(source, schema)
    if ledger is not None:
        _bind(ledger, key, full, composition, changed, data)
    return data


def _listed(names: Iterable[str]) -> Iterable[str]:
    return (names,) if isinstance(names, str) else names


def _checked(budget: DP | None, schema: Schema, ledger: str | Path | None) -> DP | None:
    if budget is None:
        return None
    if not isinstance(budget, DP):
        raise InvalidRequest(f"budget={budget!r} was declared", "a un.DP value", "un.DP(epsilon=3, delta=1e-6)")
    if budget.unit not in (None, schema.unit_name):
        raise InvalidRequest(f"a budget for {budget.unit!r} was declared", f"the data's unit, {schema.unit_name!r}")
    if budget.neighbours is not Neighbours.ADD_REMOVE:
        raise InvalidRequest(
            f"a budget under {budget.neighbours.value} was declared",
            "add-or-remove, the relation that the guards prove",
        )
    if ledger is None:
        raise InvalidRequest(
            "a budget without a ledger was declared",
            "a ledger that records what was spent",
            'ledger="patients.ledger"',
        )
    return replace(budget, unit=schema.unit_name)


def _bind(
    location: str | Path,
    key: str | Path | None,
    budget: DP | None,
    composition: Composition | None,
    changed: Change | None,
    data: Dataset,
) -> None:
    fingerprint = lru_cache(data.fingerprint)  # it reads every row
    if Ledger.exists(location):
        held = Ledger(location, key)
    elif budget is None:
        raise LedgerError(
            f"no ledger at {without_password(location)!r}",
            "a budget to make one with",
            "budget=un.DP(epsilon=3, delta=1e-6)",
        )
    else:
        held = Ledger.create(location, budget, fingerprint, composition=composition, key=key)
    declared = budget or replace(held.budget, unit=data.schema.unit_name)
    data.attach(held, held.bind(declared, fingerprint, composition=composition, changed=changed))
