"""Pseudonymize: a table in which pseudonyms stand for people, and the way back for who holds the key."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import numpy as np
from numpy.typing import NDArray

from unseen.core.accounting import unpriced
from unseen.core.dataset import Dataset
from unseen.core.errors import InvalidRequest, InvalidSchema, shown
from unseen.core.guarantee import Nothing
from unseen.core.guard import Outcome, Plan
from unseen.core.noise.entropy import Entropy
from unseen.core.release import Release
from unseen.core.snapshot import UNIT_NAME, quoted
from unseen.deid.owners import Owners
from unseen.deid.pseudonym.columns import Cells, eager, plain
from unseen.deid.pseudonym.dates import DateShift
from unseen.deid.pseudonym.encrypt import Encrypt
from unseen.deid.pseudonym.formats import FormatPreserving
from unseen.deid.pseudonym.frames import Frames, Replaced
from unseen.deid.pseudonym.key import Key
from unseen.deid.pseudonym.mask import FreeText, Keep
from unseen.deid.pseudonym.operation import Scope
from unseen.deid.pseudonym.policy import Policy
from unseen.deid.released import released
from unseen.deid.table import OwnTable, read
from unseen.deid.table_guard import TableGuard

__all__ = ["PseudonymProof", "Pseudonymize", "Pseudonymous", "reidentify"]

REASON = (
    "this is pseudonymised, not anonymous: it remains personal data (GDPR article 4(5)); whoever holds the key can "
    "undo its pseudonyms or try candidates on them; everybody sees which values are equal, how often each occurs and "
    "what was kept, and may know people again by it; what no finding covers stands in the texts as it was"
)


@dataclass(frozen=True)
class Pseudonymous(Nothing):
    """No promise, why, and which key can undo it.

    Args:
        reason: why nothing is promised.
        project: whose pseudonyms these are.
        check: the check value of the key in this project; it tells a wrong key and nothing else.
    """

    reason: str = REASON
    project: str = ""
    check: str = ""


@dataclass(frozen=True, eq=False)
class PseudonymProof(Owners):
    """What was done, for the owner alone.

    Args:
        replaced: counts of values, collisions and spans.
        origin: shape (rows,): released row i was row ``origin[i]`` of the table.
    """

    replaced: Replaced
    origin: NDArray[np.int64]


class Pseudonymize(TableGuard):
    """Put pseudonyms in the place of what identifies, in columns and in free text, as one policy says.

    Args:
        policy: what happens to which column and entity.
        key: the owner's key; it goes into no release, ledger or message.
        find: what finds personal information in columns of free text: called with the texts of a column, a list whose
            ``column`` is its name, gives findings as ``Policy.apply`` takes them. Needed where the policy has such
            columns.
        seed: None for the real thing. A number makes the order of the released rows repeatable, for tests.

    **Guarantee**: ``Nothing``: pseudonymised data remain personal data. Without the key no pseudonym can be undone
    or linked to another project's; see each operation for what it shows. Rows come in random order without an index.
    The ledger records it uncharged.

    The release's value is a dataframe of the kind that went in. Of a protected dataset it has the declared columns, and
    the unit's where the policy names it.

    Source: GDPR article 4(5).
    """

    def __init__(
        self,
        policy: Policy,
        key: Key,
        find: Callable[[Cells], Any] | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(seed)
        if not isinstance(policy, Policy):
            raise InvalidRequest(f"a policy of type {type(policy).__name__} was given", "an un.deid.Policy")
        if find is not None and not callable(find):
            raise InvalidRequest(f"find of type {type(find).__name__} was given", "a function of texts")
        self.policy, self.find = policy, find
        self._scope = policy.scope(key)

    def plan(self, data: Dataset) -> Plan[Any]:
        """Decide what happens to each column.

        Raises:
            InvalidRequest: the policy says nothing of a column, or names one that is not there.
        """
        operations = Frames(self.policy, self._scope).operations(self._columns(data))
        unread = [name for name, operation in operations.items() if isinstance(operation, FreeText)]
        if unread and self.find is None:
            raise InvalidRequest(
                f"{shown(unread)} was to be read as free text", "what finds personal information", "find="
            )
        promised = Pseudonymous(project=self.policy.project, check=self._scope.check)
        return Plan(self.unless_seeded(promised), unpriced(), lambda: self._run(data))

    def _columns(self, data: Dataset) -> list[str]:
        if isinstance(data, OwnTable):
            return list(data.frame.columns)
        unit = data.schema.unit
        named = isinstance(unit, str) and (unit in self.policy.columns or unit == self.policy.person)
        return [*([unit] if named and isinstance(unit, str) else []), *data.schema.columns]

    def _run(self, data: Dataset) -> Outcome[Any]:
        frame = read(data)[0]
        columns = self._columns(data)
        if not isinstance(data, OwnTable) and data.schema.unit in columns:
            frame = _with_unit(data, frame, str(data.schema.unit)).select(*columns)
        work = Frames(self.policy, self._scope)
        made = work.replaced(frame, self.find)
        origin = Entropy(self.seed).permutation(len(frame)).astype(np.int64)
        return Outcome(released(made, origin, {}), covers=work.covers, proof=PseudonymProof(work.counted, origin))


def _with_unit(data: Dataset, frame: nw.DataFrame[Any], unit: str) -> nw.DataFrame[Any]:
    if unit in frame.columns:
        raise InvalidSchema(f"the unit {unit!r} is a column too", "one of the two")
    query = f"SELECT {quoted(UNIT_NAME)} FROM {data.table(bounded=False)}"
    names = [row[0] for row in data.connection.execute(query).fetchall()]
    return frame.with_columns(nw.new_series(unit, names, nw.String, backend=frame.implementation))


def reidentify(released: Any, policy: Policy, key: Key, check: str = "") -> Any:
    """Undo what can be undone: ``Encrypt``, ``FormatPreserving``, and shifted dates where the person comes back.

    Args:
        released: a release of ``Pseudonymize``, or its table.
        policy: the policy that it was made with.
        key: the key that it was made with, or one that was rotated since.
        check: the check value in the release's guarantee; a bare table needs it where format-preserving pseudonyms
            or dates would be undone and nothing encrypted stands in a column, since nothing would tell a wrong key.

    Returns:
        a table of the same kind. Tokens, surrogates and what was masked, redacted, truncated or generalised stay;
        so does what format-preserving pseudonyms stand for in texts.

    Raises:
        InvalidRequest: another key, project or policy.
        DataFault: encrypted tokens, in columns or texts, were changed.
    """
    if not isinstance(policy, Policy):
        raise InvalidRequest(f"a policy of type {type(policy).__name__} was given", "an un.deid.Policy")
    scope = policy.scope(key)
    data = released
    if isinstance(released, Release):
        data = released.value
        check = check or getattr(released.guarantee, "check", "")
    check = check or policy.check
    frame = eager(data)
    if check:
        scope = Scope(key.matching(policy.project, check), policy.project, policy.locale)
    else:
        _sealed_at_least(frame, policy)
    return plain(Frames(policy, scope).restored(frame))


def _sealed_at_least(frame: nw.DataFrame[Any], policy: Policy) -> None:
    """Refuse where a wrong key would give wrong values instead of an error."""
    filled = {name: policy.columns.get(name) for name in frame.columns if frame[name].null_count() < len(frame)}
    kinds = {type(operation) for operation in filled.values()}
    dated = DateShift in kinds and isinstance(filled.get(policy.person), (Keep, FormatPreserving))
    if (FormatPreserving in kinds or dated) and Encrypt not in kinds:
        raise InvalidRequest(
            "a table of format-preserving pseudonyms or shifted dates was given, in which a wrong key cannot be told",
            "the release itself, or the check value in its guarantee",
            "check=release.guarantee.check",
        )
