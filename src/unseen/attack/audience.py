"""Whom an adversary knows, by which columns, beside a released table; and whether its promise is about so much."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from unseen.attack.matching import Column
from unseen.attack.table import read
from unseen.core.errors import InvalidRequest, shown
from unseen.core.generalised import Covers
from unseen.core.guarantee import KAnonymity
from unseen.core.labels import labelled
from unseen.core.release import Release

if TYPE_CHECKING:
    import narwhals as nw

__all__ = ["Audience", "audience", "distinct_names"]


@dataclass(frozen=True, eq=False)
class Audience:
    """People of whom an adversary knows some columns, and the released rows that they are looked for in.

    Args:
        people: what the adversary knows, a row a person.
        rows: what was released.
        covers: what the released values stand for.
        anonymity: the k-anonymity that the release promises, if it does.
        columns: what is matched on, in both tables.
        apart: the columns that the adversary is after, so cannot know.
        bare: whether the table came without its covers, so that labels are read by their form.
    """

    people: nw.DataFrame[Any]
    rows: nw.DataFrame[Any]
    covers: Covers
    anonymity: KAnonymity | None
    columns: tuple[str, ...]
    apart: tuple[str, ...] = ()
    bare: bool = False

    @property
    def unread(self) -> list[str]:
        """Of a bare table each column with labels that fit nobody's value, and some of them."""
        if not self.bare:
            return []
        found = {name: self.column(name).unfit() for name in self.columns}
        return [f"{name} {shown(labels, 3)}" for name, labels in found.items() if labels]

    @property
    def notes(self) -> list[str]:
        """How the labels of a bare table were read: names of groups have no form that tells their members."""
        if not self.unread and not (self.bare and any(self.covers.values())):
            return []
        unread = (
            f" Nobody's value fits {'; '.join(self.unread)}: where these are names of groups the attack is weaker than "
            "with the release itself, which says who they are."
        )
        return ["The table came without its covers, so labels were read by their form." + unread * bool(self.unread)]

    @property
    def beyond(self) -> list[str]:
        """What the adversary knows and the promise is not about."""
        about = self.anonymity.quasi_identifiers if self.anonymity else self.columns
        return [name for name in self.columns if name not in about]

    @property
    def unknown(self) -> list[str]:
        """What the promise is about and the adversary does not know."""
        about = self.anonymity.quasi_identifiers if self.anonymity else ()
        return [name for name in about if name in self.rows.columns and name not in (*self.columns, *self.apart)]

    def judged(self, claimed: float | None, reach: float) -> tuple[float | None, float, list[str]]:
        """A claim about all quasi-identifiers, and the attack's reach, for what this adversary knows.

        Nothing is claimed against who knows more, and who knows less cannot confirm the claim, though refute it.

        Returns:
            the claim, the reach, and notes that say why they are not as before.
        """
        if claimed is None:
            return None, reach, []
        if self.beyond:
            return None, reach, [f"The release promises nothing against who also knows {shown(self.beyond)}."]
        if self.unknown:
            note = (
                f"The claim also stands against who knows {shown(self.unknown)}, which this adversary does not: "
                "the attack is weaker than the claim and cannot confirm it."
            )
            return claimed, 0.0, [note]
        return claimed, reach, []

    def column(self, name: str, values: Sequence[Any] | None = None) -> Column:
        """One matched column; ``values`` where not all people are looked for, or in another order."""
        known = self.people[name].to_list() if values is None else values
        return Column(self.rows[name].to_list(), known, self.covers.get(name, {}))


def distinct_names(columns: Sequence[str] | None, apart: Sequence[str] = ()) -> tuple[str, ...] | None:
    """Check what is to be matched on, and give it back; None is left to the release.

    Raises:
        InvalidRequest: no list, an empty one, a name twice, or one of ``apart``.
    """
    if columns is None:
        return None
    names = (columns,) if isinstance(columns, str) else tuple(columns)
    if isinstance(columns, str) or not names or len(set(names)) < len(names) or set(names) & set(apart):
        other = f" other than {shown(apart)}, which the adversary is after" if apart else ""
        raise InvalidRequest(f"columns={columns!r} was asked for", f"a list of distinct column names{other}")
    return names


def audience(
    auxiliary: Any, target: Any, columns: tuple[str, ...] | None = None, apart: tuple[str, ...] = ()
) -> Audience:
    """Read both tables, and decide what to match on.

    Args:
        auxiliary: what the adversary knows, as ``table.read`` takes it.
        target: a release of a table, or a bare table.
        columns: what to match on. None is the quasi-identifiers of a release that promises k-anonymity, else its
            generalised columns, else all columns; of them those that both tables have.
        apart: columns that are never matched on by default.

    Raises:
        InvalidRequest: no table, no people, or no such columns.
    """
    release = target if isinstance(target, Release) else None
    rows = read(target if release is None else release.value, "the release's value" if release else "target")
    people = read(auxiliary, "auxiliary")
    if not len(people):
        raise InvalidRequest("auxiliary holds no people", "at least one row")
    covers: Covers = (release.covers if release else None) or {}
    if release is None:
        covers = {name: labelled(rows[name].to_list()) for name in rows.columns}
    promised = release.guarantee if release else None
    anonymity = promised if isinstance(promised, KAnonymity) else None
    if columns is None:
        named = (anonymity.quasi_identifiers if anonymity else tuple(covers)) or tuple(rows.columns)
        columns = tuple(name for name in named if name in rows.columns and name in people.columns and name not in apart)
        if not columns:
            raise InvalidRequest(
                f"auxiliary has the columns {shown(people.columns)}",
                f"at least one of the release's {shown([name for name in named if name not in apart])}",
            )
    for whose, table in (("auxiliary", people), ("the release", rows)):
        lacking = [name for name in (*columns, *(apart if table is rows else ())) if name not in table.columns]
        if lacking:
            raise InvalidRequest(
                f"{shown(lacking)} was asked for",
                f"{whose} lacks {shown(lacking)}; it has {shown(table.columns)}",
            )
    return Audience(people, rows, covers, anonymity, columns, apart, bare=release is None)
