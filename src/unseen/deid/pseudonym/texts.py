"""Texts in which what was found is replaced; the same person has the same pseudonym in all of them."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from unseen.core.errors import InvalidRequest
from unseen.deid.pseudonym.alike import Alike
from unseen.deid.pseudonym.dates import DateShift
from unseen.deid.pseudonym.mask import Redact
from unseen.deid.pseudonym.operation import Keyed, Leaves, Replacing, Scope
from unseen.deid.pseudonym.own import own_mentions
from unseen.deid.pseudonym.surrogate import Surrogate
from unseen.deid.pseudonym.token import shared
from unseen.deid.pseudonym.whose import whose

if TYPE_CHECKING:
    from unseen.deid.pseudonym.policy import Policy

__all__ = ["Texts", "by_text"]


@dataclass(frozen=True)
class _Span:
    """What is replaced in one text, and the mention that decides by what: overlapping findings are one span."""

    start: int
    end: int
    entity: str
    mention: str


@dataclass
class Texts:
    """Replaces what was found in texts.

    Args:
        policy: what happens to which entity.
        scope: key, project and locale.
    """

    policy: Policy
    scope: Scope
    replaced_spans: Counter[str] = field(default_factory=Counter)
    redacted_instead: Counter[str] = field(default_factory=Counter)
    collisions: Counter[str] = field(default_factory=Counter)

    def replaced(
        self,
        texts: Sequence[str | None],
        findings: Any,
        persons: Sequence[Any] | None = None,
        known: Sequence[Sequence[str]] | None = None,
        column: str | None = None,
    ) -> list[str | None]:
        """The texts with what was found in them replaced; missing ones stay missing.

        Args:
            texts: the texts.
            findings: see ``Policy.apply``.
            persons: for each text whom it is about.
            known: for each text the full names of its row, in their common writing; they are looked for in the text,
                and parts of a name mean these first.
            column: the column that the texts are of.

        Raises:
            InvalidRequest: findings or persons that do not fit the texts.
        """
        if any(text is not None and not isinstance(text, str) for text in texts):
            raise InvalidRequest("something that is no text was given", "texts, or None where one is missing")
        if persons is not None and (isinstance(persons, str) or len(persons) != len(texts)):
            raise InvalidRequest(
                "persons that do not fit the texts were given", f"one for each of {len(texts):,} texts"
            )
        if findings is None:
            raise InvalidRequest("texts without findings were given", "what un.deid.scan finds in them")
        known_kinds: dict[str, Leaves] = {}

        def leaves(entity: str) -> Leaves:
            if entity not in known_kinds:
                known_kinds[entity] = self.policy.for_entity(entity).leaves
            return known_kinds[entity]

        listed = by_text(findings, len(texts), column)
        if known is not None:
            for row, (text, names) in enumerate(zip(texts, known, strict=True)):
                listed[row] += own_mentions(text or "", names)
        spans = [
            _spans(text, found, leaves) if text is not None else [] for text, found in zip(texts, listed, strict=True)
        ]
        new: list[list[str]] = [[""] * len(found) for found in spans]
        places: dict[str, list[tuple[int, int]]] = {}
        for row, found in enumerate(spans):
            for at, span in enumerate(found):
                places.setdefault(span.entity, []).append((row, at))
        for entity, where in places.items():
            mentions = [spans[row][at].mention for row, at in where]
            made = self._made(entity, mentions, [row for row, _ in where], persons, known)
            for (row, at), pseudonym in zip(where, made, strict=True):
                new[row][at] = pseudonym
            self.replaced_spans[entity] += len(where)
        return [
            None if text is None else _joined(text, found, made)
            for text, found, made in zip(texts, spans, new, strict=True)
        ]

    def _made(
        self,
        entity: str,
        mentions: list[str],
        rows: list[int],
        persons: Sequence[Any] | None,
        known: Sequence[Sequence[str]] | None,
    ) -> list[str]:
        operation = self.policy.for_entity(entity)
        if isinstance(operation, DateShift):
            return self._dates(operation, entity, mentions, rows, persons)
        if not isinstance(operation, Replacing):  # a text within a text, which no policy says
            raise InvalidRequest(f"{entity} in texts was to be replaced by {operation!r}", "what replaces a value")
        if isinstance(operation, Keyed) and operation.of == "person" and operation.likeness is Alike.NAME:
            return self._people(operation, entity, mentions, rows, known)
        distinct = list(dict.fromkeys(mentions))
        fit = [one for one, unfit in zip(distinct, operation.unfit(distinct, entity), strict=True) if not unfit]
        found = operation.replace(fit, self.scope, entity)
        self._count(operation, entity, fit, found)
        made = dict(zip(fit, found, strict=True))
        return [made[one] if one in made else self._redacted(entity) for one in mentions]

    def _count(self, operation: Replacing, entity: str, values: Sequence[str], made: Sequence[str]) -> None:
        if isinstance(operation, Keyed) and (apart := shared(operation, values, made, entity)):
            self.collisions[entity] += apart

    def _redacted(self, entity: str) -> str:
        self.redacted_instead[entity] += 1
        return Redact().named(entity).label

    def _dates(
        self, operation: DateShift, entity: str, mentions: list[str], rows: list[int], persons: Sequence[Any] | None
    ) -> list[str]:
        if persons is None:
            raise InvalidRequest(
                f"{entity} in texts was to be shifted without persons",
                "for each text whom it is about, or another operation on dates",
                "persons=[...]",
            )
        chosen = [persons[row] for row in rows]
        whom = list(dict.fromkeys(person for person in chosen if person is not None))
        days = dict(zip(whom, operation.shifts(self.policy.canonical_persons(whom), self.scope).tolist(), strict=True))
        found = [
            None if person is None else operation.written(mention, days[person])
            for mention, person in zip(mentions, chosen, strict=True)
        ]
        return [self._redacted(entity) if one is None else one for one in found]

    def _people(
        self,
        operation: Keyed,
        entity: str,
        mentions: list[str],
        rows: list[int],
        known: Sequence[Sequence[str]] | None,
    ) -> list[str]:
        """A part of a name stands for the one full name of its row that has it, else for the one of its text."""
        names = operation.canon(mentions, "text")
        full: dict[int, set[str]] = {}
        for row, name in zip(rows, names, strict=True):
            if " " in name:
                full.setdefault(row, set()).add(name)
        own = {row: [name for name in known[row] if " " in name] for row in set(rows)} if known else {}
        meant = [whose(name, own.get(row, ()), full.get(row, ())) for row, name in zip(rows, names, strict=True)]
        distinct = list(dict.fromkeys(meant))
        pseudonyms = operation.replace(distinct, self.scope, "text")
        self._count(operation, entity, distinct, pseudonyms)
        made = dict(zip(distinct, pseudonyms, strict=True))
        partial = [at for at, name in enumerate(names) if meant[at] != name and " " not in name]
        found = [made[name] for name in meant]
        if isinstance(operation, Surrogate) and partial:
            parts = operation.parts([meant[at] for at in partial], self.scope)
            for at, (given, family) in zip(partial, parts, strict=True):
                found[at] = given if meant[at].split()[0] == names[at] else family
        return found


def by_text(findings: Any, count: int, column: str | None) -> list[list[Any]]:
    """Findings text by text, from a list for each text or from one list of findings with ``row`` and ``column``.

    Raises:
        InvalidRequest: neither.
    """
    fits = "objects with entity, start and end: a list for each text, or one list with row and column"
    if isinstance(findings, str) or not isinstance(findings, Iterable):
        raise InvalidRequest(f"findings of type {type(findings).__name__} were given", fits)
    listed = list(findings)
    if all(isinstance(one, (list, tuple)) for one in listed) and (listed or not count):
        if len(listed) != count:
            raise InvalidRequest(f"findings for {len(listed):,} texts were given", f"{count:,} texts")
        return [list(one) for one in listed]
    found: list[list[Any]] = [[] for _ in range(count)]
    for one in listed:
        row = getattr(one, "row", None)
        if not hasattr(one, "entity") or not isinstance(row, (int, np.integer)) or not 0 <= row < count:
            raise InvalidRequest("findings that do not fit the texts were given", fits)
        if getattr(one, "column", None) == column:
            found[int(row)].append(one)
    return found


def _spans(text: str, findings: Sequence[Any], leaves: Callable[[str], Leaves]) -> list[_Span]:
    """What is replaced, in order: where findings overlap, all of what they cover, as the strictest of them says, and
    among these the longest. What is kept covers nothing.
    """
    checked = []
    for one in findings:
        start, end = getattr(one, "start", None), getattr(one, "end", None)
        if (
            not isinstance(start, (int, np.integer))
            or not isinstance(end, (int, np.integer))
            or not hasattr(one, "entity")
        ):
            raise InvalidRequest("findings without entity, start and end were given", "what un.deid.scan gives")
        if not 0 <= start < end <= len(text):
            raise InvalidRequest(
                f"a finding from {start} to {end} was given for a text of {len(text)} characters",
                "findings of this very text",
            )
        if leaves(_kind(one)) is not Leaves.ALL:
            checked.append((int(start), int(end), one))
    checked.sort(key=lambda found: (found[0], -found[1]))
    groups: list[list[tuple[int, int, Any]]] = []
    reach = -1
    for found in checked:
        if found[0] < reach:
            groups[-1].append(found)
        else:
            groups.append([found])
        reach = max(reach, found[1])
    spans = []
    for group in groups:
        start, end, best = max(
            group,
            key=lambda found: (
                -leaves(_kind(found[2])),
                found[1] - found[0],
                getattr(found[2], "score", 0.0),
                -found[0],
            ),
        )
        spans.append(_Span(group[0][0], max(one[1] for one in group), _kind(best), text[start:end]))
    return spans


def _kind(finding: Any) -> str:
    return str(getattr(finding.entity, "value", finding.entity))


def _joined(text: str, spans: Sequence[_Span], made: Sequence[str]) -> str:
    pieces, reached = [], 0
    for span, pseudonym in zip(spans, made, strict=True):
        pieces += [text[reached : span.start], pseudonym]
        reached = span.end
    return "".join([*pieces, text[reached:]])
