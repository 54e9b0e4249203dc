"""What may be done to a column's or an entity's values."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import IntEnum
from typing import Any, ClassVar, Self

from unseen.core.errors import DataFault, InvalidRequest
from unseen.core.generalised import Cover
from unseen.deid.pseudonym.alike import ALIKE, Alike, as_text, canonical, kind_of
from unseen.deid.pseudonym.key import Key

__all__ = ["Keyed", "Leaves", "Operation", "Replacing", "Scope", "texts_of"]


NUMBERS = (int, float, Decimal)


@dataclass(frozen=True)
class Scope:
    """In which project, under which key and in which language pseudonyms are made."""

    key: Key
    project: str
    locale: str

    @property
    def check(self) -> str:
        """The key's check value in the project."""
        return self.key.check(self.project)

    def subkey(self, purpose: str, length: int = 32) -> bytes:
        """The key of one purpose."""
        return self.key.subkey(self.project, purpose, length)


class Leaves(IntEnum):
    """How much of a value can be read where an operation was done to it."""

    NOTHING = 0
    VAGUER = 1
    PARTS = 2
    ALL = 3


@dataclass(frozen=True)
class Operation:
    """What is done to values. A frozen value itself: it holds no key and no data. See its kinds."""

    leaves: ClassVar[Leaves] = Leaves.NOTHING

    def named(self, name: str) -> Self:
        """This operation for a column or an entity; what it leaves open follows from the name."""
        return self


@dataclass(frozen=True)
class Replacing(Operation, ABC):
    """An operation that needs nothing but the values; shifting dates and reading texts need more."""

    @abstractmethod
    def replace(self, values: Sequence[Any], scope: Scope, name: str) -> list[str]:
        """What stands for each value.

        Args:
            values: none of them missing, all of one type.
            scope: key, project and locale.
            name: the column or entity, for messages.

        Raises:
            DataFault: a value that it cannot be done to; the message holds none.
        """

    def unfit(self, values: Sequence[Any], name: str) -> list[bool]:
        """Which of the values ``replace`` would refuse; in a text these are redacted instead."""
        return [False] * len(values)

    def covers(self, labels: Sequence[str]) -> dict[Any, Cover] | None:
        """What each label stands for, where a label stands for a set of values that is known without the key."""
        return None

    def restore(self, values: Sequence[str], scope: Scope, name: str) -> list[Any] | None:
        """Undo ``replace``; None where it cannot be undone."""
        return None


@dataclass(frozen=True)
class Keyed(Replacing):
    """An operation under a key: alike values of one kind have one pseudonym, in all tables and texts of a project.

    Args:
        of: the kind of thing that values name. Columns and entities of one kind share pseudonyms; by default it
            follows from the name of the column or entity (``name`` and ``PERSON`` are both ``"person"``).
        alike: what two writings of one value may differ in; by default it follows from the kind.
    """

    of: str = ""
    alike: Alike | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.of, str):
            raise InvalidRequest(f"of={self.of!r} was given", "the kind of thing that values name", 'of="person"')
        object.__setattr__(self, "of", kind_of(self.of))
        if self.alike is not None:
            try:
                object.__setattr__(self, "alike", Alike(self.alike))
            except ValueError:
                raise InvalidRequest(f"alike={self.alike!r} was given", f"one of {', '.join(Alike)}") from None

    def named(self, name: str) -> Self:
        """With the kind that follows from a name, if none was given."""
        return self if self.of else replace(self, of=kind_of(name))

    @property
    def likeness(self) -> Alike:
        """What two writings of one value may differ in."""
        return self.alike or ALIKE.get(self.of, Alike.EXACT)

    def canon(self, values: Sequence[Any], name: str) -> list[str]:
        """For each value the writing that stands for all alike.

        Raises:
            DataFault: numbers with a sign or a point, which would be lost, were to be compared as codes.
        """
        likeness, texts = self.likeness, texts_of(values, name)
        if likeness is Alike.CODE:
            signed = (
                isinstance(value, NUMBERS) and not text.isalnum() for value, text in zip(values, texts, strict=True)
            )
            if any(signed):
                raise DataFault(
                    f"{name!r} holds numbers with a sign or a point, which codes are compared without",
                    "texts, whole numbers, or another likeness",
                    'alike="exact"',
                )
        return [canonical(text, likeness) for text in texts]


def texts_of(values: Sequence[Any], name: str) -> list[str]:
    """Values as the texts that they are compared by.

    Raises:
        DataFault: they have none: lists, bytes, durations.
    """
    found = [as_text(value) for value in values]
    if None in found:
        kind = type(values[found.index(None)]).__name__
        raise DataFault(f"{name!r} holds values of type {kind}", "texts, numbers or dates; or drop it")
    return found  # type: ignore[return-value]
