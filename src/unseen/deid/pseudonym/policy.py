"""One policy for tables and texts: what happens to which column, and to which kind of thing that a text names."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from unseen.core.errors import InvalidRequest, shown
from unseen.deid.pseudonym.alike import ALIKE, Alike, canonical, kind_of
from unseen.deid.pseudonym.dates import DateShift
from unseen.deid.pseudonym.key import Key
from unseen.deid.pseudonym.mask import Drop, FreeText, Keep, Redact
from unseen.deid.pseudonym.operation import Keyed, Operation, Scope, texts_of
from unseen.deid.pseudonym.surrogate import Surrogate, check_locale

__all__ = ["Policy"]


@dataclass(frozen=True)
class Policy:
    """What happens to which column, and to which kind of thing that is found in a text.

    Args:
        project: pseudonyms of one project are linked to those of no other.
        columns: for each column an operation, such as ``Token()``, ``Surrogate()`` or ``Keep()``.
        entities: for each kind of finding an operation; findings of other kinds are redacted.
        others: what happens to columns that are not named: ``Keep()``, ``Drop()`` or ``Redact()``. None refuses them.
        person: the column that says whom a row is about; dates are shifted by it. It is left out
            unless ``columns`` names it.
        names: the columns of first and last names where people's names stand in two; both are surrogates then, parts of
            the one that a text has for the full name.
        locale: language and country of surrogates, such as ``"en_US"``.
        check: check value of the one key that this policy goes with; empty for any.

    Alike values of one kind have one pseudonym in every column, table and text: give a column and an entity the
    same operation and, where their names do not tell, the same ``of``.

    Raises:
        InvalidRequest: an operation that is none, or does not fit.
    """

    project: str
    columns: Mapping[str, Operation] = field(default_factory=dict)
    entities: Mapping[str, Operation] = field(default_factory=dict)
    others: Operation | None = None
    person: str = ""
    names: tuple[str, str] | None = None
    locale: str = "en_US"
    check: str = ""

    def __post_init__(self) -> None:
        for name in ("project", "person", "locale", "check"):
            if not isinstance(getattr(self, name), str):
                raise InvalidRequest(f"{name}={getattr(self, name)!r} was given", "a text")
        if not self.project:
            raise InvalidRequest(
                "a policy without a project was given", "a name, which parts its pseudonyms from others"
            )
        object.__setattr__(self, "columns", self._named("columns", self.columns))
        entities = self._named("entities", self.entities)
        kinds = {kind_of(name): operation for name, operation in entities.items()}
        if len(kinds) < len(entities):
            raise InvalidRequest(f"entities {shown(entities)} were given", "each kind once")
        if any(isinstance(operation, FreeText) for operation in entities.values()):
            raise InvalidRequest("an entity was to be read as free text", "an operation on what was found")
        object.__setattr__(self, "entities", kinds)
        if self.others is not None and not isinstance(self.others, (Keep, Drop, Redact)):
            raise InvalidRequest(f"others={self.others!r} was given", "Keep(), Drop(), Redact() or None")
        if any(isinstance(operation, DateShift) for operation in self.columns.values()) and not self.person:
            raise InvalidRequest(
                "dates were to be shifted without a person", "the column that names whom a row is about"
            )
        shifts = {one.days for one in (*self.columns.values(), *kinds.values()) if isinstance(one, DateShift)}
        if len(shifts) > 1:
            raise InvalidRequest(
                f"dates were to be shifted by up to {shown(sorted(shifts))} days",
                "one number: all dates of a person move alike",
            )
        if self.names is not None:
            self._two_columns(self.names)
        if any(isinstance(one, Surrogate) for one in (*self.columns.values(), *kinds.values())):
            check_locale(self.locale)
            for name, one in (*self.columns.items(), *kinds.items()):
                if isinstance(one, Surrogate) and name not in (self.names or ()):
                    one.check(self.locale, name)

    def _two_columns(self, names: object) -> None:
        fits = "two columns, the first names' and the last names', both of them Surrogate()"
        if isinstance(names, str) or not isinstance(names, Sequence) or len(names) != 2 or names[0] == names[1]:
            raise InvalidRequest(f"names={names!r} was given", fits, 'names=["first", "last"]')
        object.__setattr__(self, "names", tuple(names))
        if not all(isinstance(self.columns.get(name), Surrogate) for name in names):
            raise InvalidRequest(f"names={list(names)!r} was given for other operations", fits)

    def _named(self, what: str, given: object) -> dict[str, Operation]:
        if not isinstance(given, Mapping):
            raise InvalidRequest(
                f"{what} of type {type(given).__name__} were given",
                "a mapping from name to operation",
                "{'id': Token()}",
            )
        for name, operation in given.items():
            if not isinstance(name, str) or not name or not isinstance(operation, Operation):
                raise InvalidRequest(
                    f"{what}: {name!r} was given as {operation!r}", "a name and an operation", "Token()"
                )
        return {str(name): operation.named(str(name)) for name, operation in given.items()}

    def scope(self, key: Key) -> Scope:
        """Key, project and locale together.

        Raises:
            InvalidRequest: no key, or not the one of ``check``.
        """
        if not isinstance(key, Key):
            raise InvalidRequest(f"a key of type {type(key).__name__} was given", "a Key", "un.deid.Key.open(path)")
        return Scope(key.matching(self.project, self.check) if self.check else key, self.project, self.locale)

    def pinned(self, key: Key) -> Policy:
        """This policy for this key alone: it carries its check value, and refuses any other."""
        return replace(self, check=key.check(self.project))

    def operation(self, column: str) -> Operation | None:
        """What happens to a column."""
        if column in self.columns:
            return self.columns[column]
        if column == self.person:
            return Drop()
        return None if self.others is None else self.others.named(column)

    def for_entity(self, entity: object) -> Operation:
        """What happens to a kind of finding."""
        return self.entities.get(kind_of(str(entity))) or Redact().named(str(entity))

    def canonical_persons(self, values: Sequence[Any]) -> list[str]:
        """The writing by which each value of the person's column is known."""
        operation = self.columns.get(self.person)
        likeness = operation.likeness if isinstance(operation, Keyed) else ALIKE.get(kind_of(self.person), Alike.EXACT)
        return [canonical(text, likeness) for text in texts_of(values, self.person or "persons")]

    def apply(self, data: Any, key: Key, findings: Any = None, persons: Sequence[Any] | None = None) -> Any:
        """Replace what a table or texts hold, in the order in which it stands there. For the owner: an order links
        back, so what leaves goes through ``Pseudonymize``.

        Args:
            data: a table of any kind that unseen reads, one text, or a list of texts.
            key: the key.
            findings: what was found in the texts, or in the columns of free text: objects with ``entity``, ``start``
                and ``end``, a list for each text or one list with ``row`` and ``column`` too.
            persons: for each text whom it is about, in the values of the person's column; dates need it.

        Returns:
            of the kind that went in.

        Raises:
            InvalidRequest: a column without an operation, findings that do not fit, or another key.
            DataFault: values that an operation cannot be done to.
        """
        from unseen.deid.pseudonym.columns import eager, plain
        from unseen.deid.pseudonym.frames import Frames
        from unseen.deid.pseudonym.texts import Texts

        scope = self.scope(key)
        if isinstance(data, str) and findings is not None:
            return Texts(self, scope).replaced([data], [list(findings)], persons)[0]
        if isinstance(data, (list, tuple)):
            return Texts(self, scope).replaced(list(data), findings, persons)
        if persons is not None:
            raise InvalidRequest(
                "persons were given for a table", "the policy's person, a column", 'person="patient_id"'
            )
        return plain(Frames(self, scope).replaced(eager(data), findings))

    @classmethod
    def read(cls, path: str | Path) -> Policy:
        """The table ``[policy]`` of a TOML file.

        Raises:
            InvalidRequest: no such file, no such table, or an entry that is not known.
        """
        try:
            content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise InvalidRequest(
                f"the policy {str(path)!r} cannot be read ({type(error).__name__})", "a TOML file with a table [policy]"
            ) from None
        if not isinstance(content.get("policy"), dict):
            raise InvalidRequest(f"{str(path)!r} has no table [policy]", "[policy] with project, columns and entities")
        return cls.of(content["policy"], Path(path).parent)

    @classmethod
    def of(cls, table: Mapping[str, Any], folder: str | Path = ".") -> Policy:
        """A policy from plain values, as TOML or JSON hold them.

        Args:
            table: as the arguments; an operation is its name or a table such as ``{operation = "token", length = 20}``.
            folder: where files of hierarchies lie.

        >>> Policy.of({"project": "study", "columns": {"zip": {"operation": "truncate", "length": 3}}}).columns
        {'zip': Truncate(length=3)}
        """
        from unseen.deid.pseudonym.written import operation

        known = tuple(cls.__dataclass_fields__)
        stray = [name for name in table if name not in known]
        if stray:
            raise InvalidRequest(f"[policy] has {shown(stray)}", f"{shown(known)}")
        values = dict(table)
        for name in ("columns", "entities"):
            if isinstance(values.get(name), Mapping):
                values[name] = {one: operation(told, folder, one) for one, told in values[name].items()}
        if values.get("others") is not None:
            values["others"] = operation(values["others"], folder, "others")
        if "project" not in values:
            raise InvalidRequest("[policy] has no project", "a name, which parts its pseudonyms from others")
        return cls(**values)
