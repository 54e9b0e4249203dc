"""What hides without a key: mask, redact, truncate, generalise; and keep, drop, and free text."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from unseen.core.errors import DataFault, InvalidRequest
from unseen.core.generalised import Anything, Cover, Members, Prefix
from unseen.core.guarantee import whole
from unseen.deid.hierarchies.hierarchy import Hierarchy
from unseen.deid.pseudonym.operation import Leaves, Operation, Replacing, Scope, texts_of
from unseen.deid.pseudonym.signs import stays

__all__ = ["Drop", "FreeText", "GeneralizeTo", "Keep", "Mask", "Redact", "Truncate"]


@dataclass(frozen=True)
class Keep(Replacing):
    """The value as it is."""

    leaves: ClassVar[Leaves] = Leaves.ALL

    def replace(self, values: Sequence[Any], scope: Scope, name: str) -> list[str]:
        """The values as texts."""
        return texts_of(values, name)


@dataclass(frozen=True)
class Drop(Replacing):
    """Nothing: the column is left out, a span of a text is cut out."""

    def replace(self, values: Sequence[Any], scope: Scope, name: str) -> list[str]:
        """Empty texts."""
        return [""] * len(values)


@dataclass(frozen=True)
class Redact(Replacing):
    """One label in place of every value.

    Args:
        label: the label; by default the column's or entity's name in brackets.
    """

    label: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.label, str):
            raise InvalidRequest(f"label={self.label!r} was given", "a text")

    def named(self, name: str) -> Self:
        """With the label that follows from a name, if none was given."""
        return self if self.label else type(self)(f"[{name.upper()}]")

    def replace(self, values: Sequence[Any], scope: Scope, name: str) -> list[str]:
        """The label, for each."""
        return [self.label] * len(values)

    def covers(self, labels: Sequence[str]) -> dict[Any, Cover]:
        """The label stands for anything."""
        return {label: Anything() for label in labels}


@dataclass(frozen=True)
class Mask(Replacing):
    """A sign in place of each character but punctuation and spaces, which show, as the length does.

    Args:
        keep_first: characters that stay readable at the beginning, punctuation and spaces not counted.
        keep_last: the same at the end.
        sign: what stands for the others.
    """

    keep_first: int = 0
    keep_last: int = 0
    sign: str = "*"
    leaves: ClassVar[Leaves] = Leaves.PARTS

    def __post_init__(self) -> None:
        for name in ("keep_first", "keep_last"):
            object.__setattr__(self, name, whole(name, getattr(self, name)))
        if not isinstance(self.sign, str) or len(self.sign) != 1:
            raise InvalidRequest(f"sign={self.sign!r} was given", "one sign")

    def replace(self, values: Sequence[Any], scope: Scope, name: str) -> list[str]:
        """Each value masked; one that is no longer than what would stay is masked whole."""
        return [self._masked(text) for text in texts_of(values, name)]

    def _masked(self, text: str) -> str:
        total = sum(not stays(sign) for sign in text)
        whole_of_it = self.keep_first + self.keep_last >= total
        made, place = [], 0
        for sign in text:
            if stays(sign):
                made.append(sign)
                continue
            shown = not whole_of_it and (place < self.keep_first or place >= total - self.keep_last)
            made.append(sign if shown else self.sign)
            place += 1
        return "".join(made)


@dataclass(frozen=True)
class Truncate(Replacing):
    """The first signs of each value: 3 of a zip code, 4 of a date in ISO 8601 for its year.

    Args:
        length: signs that stay, at least 1. Values that are no longer stay as they are.
    """

    length: int
    leaves: ClassVar[Leaves] = Leaves.PARTS

    def __post_init__(self) -> None:
        object.__setattr__(self, "length", whole("length", self.length, 1))

    def replace(self, values: Sequence[Any], scope: Scope, name: str) -> list[str]:
        """The beginnings."""
        return [text[: self.length] for text in texts_of(values, name)]

    def covers(self, labels: Sequence[str]) -> dict[Any, Cover]:
        """A beginning stands for all that begins so; what is shorter, for itself."""
        return {label: Prefix(label) if len(label) == self.length else Members(frozenset({label})) for label in labels}


@dataclass(frozen=True)
class GeneralizeTo(Replacing):
    """The label of each value at one level of a hierarchy.

    Args:
        hierarchy: the owner's.
        level: 0 is the value itself.
    """

    hierarchy: Hierarchy
    level: int
    leaves: ClassVar[Leaves] = Leaves.VAGUER

    def __post_init__(self) -> None:
        if not isinstance(self.hierarchy, Hierarchy):
            raise InvalidRequest(
                f"a hierarchy of type {type(self.hierarchy).__name__} was given",
                "an un.deid.Hierarchy",
                "un.deid.Hierarchy.prefixes(5)",
            )
        if not 0 <= whole("level", self.level) < self.hierarchy.levels:
            raise InvalidRequest(f"level={self.level!r} was asked for", f"0 to {self.hierarchy.levels - 1}")
        object.__setattr__(self, "level", whole("level", self.level))

    def replace(self, values: Sequence[Any], scope: Scope, name: str) -> list[str]:
        """The labels."""
        lacking = sum(self.unfit(values, name))
        if lacking:
            raise DataFault(f"{lacking:,} values of {name!r} have no place in its hierarchy", "one that holds them")
        return texts_of(self.hierarchy.label(_array(values, name), self.level).tolist(), name)

    def covers(self, labels: Sequence[str]) -> dict[Any, Cover]:
        """What the hierarchy says."""
        return self.hierarchy.covers(self.level, labels)

    def unfit(self, values: Sequence[Any], name: str) -> list[bool]:
        """Those without a place in the hierarchy."""
        return [bool(lacking) for lacking in self.hierarchy.lacks(_array(values, name))]


def _array(values: Sequence[Any], name: str) -> NDArray[Any]:
    if all(isinstance(value, (int, float)) for value in values):
        return np.array(list(values))
    return np.array(texts_of(values, name), dtype=object)


@dataclass(frozen=True)
class FreeText(Operation):
    """Running text: what is found in it is replaced as the policy's entities say, and the rest stays."""
