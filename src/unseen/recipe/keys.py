"""One table of a recipe, read key by key; every error names the file, the key and what is allowed there."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from unseen.core.errors import InvalidRecipe, InvalidRequest, shown

__all__ = ["FLAG", "NUMBER", "NUMBERS", "TABLE", "TEXT", "TEXTS", "WHOLE", "Keys", "Kind", "either"]


@dataclass(frozen=True)
class Kind:
    """What a key's value may be, in words and as a test."""

    words: str
    fits: Callable[[object], bool]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _list_of(fits: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list) and all(map(fits, value))


NUMBER = Kind("a finite number", _is_number)
WHOLE = Kind("a whole number", _is_whole)
TEXT = Kind("a text", _is_text)
TEXTS = Kind("a list of texts", _list_of(_is_text))
NUMBERS = Kind("a list of finite numbers", _list_of(_is_number))
FLAG = Kind("true or false", lambda value: isinstance(value, bool))
TABLE = Kind("a table", lambda value: isinstance(value, dict))


def either(*kinds: Kind) -> Kind:
    """A value of any of the kinds."""
    return Kind(" or ".join(kind.words for kind in kinds), lambda value: any(kind.fits(value) for kind in kinds))


class Keys:
    """A table of a recipe.

    Args:
        file: the recipe's file name, for messages.
        where: the table's name, such as ``"[data]"``.
        table: what the file says there.
        allowed: the keys that may stand there; None for any.

    Raises:
        InvalidRecipe: it is no table, or holds a key that is not allowed.
    """

    def __init__(self, file: str, where: str, table: object, allowed: Collection[str] | None = None) -> None:
        self.file, self.where = file, where
        if not isinstance(table, Mapping):
            raise InvalidRecipe(f"{file}: {where} is {_brief(table)}", "a table")
        self.table: Mapping[str, Any] = table
        for key in table if allowed is not None else ():
            if key not in (allowed or ()):
                raise self.fault(f"unknown key {key!r}", f"keys are {shown(allowed, 16)}", near(key, allowed or ()))

    def fault(self, asked: str, allowed: str, fits: str = "") -> InvalidRecipe:
        """An error about this table."""
        return InvalidRecipe(f"{self.file}: {self.where}: {asked}", allowed, fits)

    def take(self, key: str, kind: Kind, default: Any = ...) -> Any:
        """A key's value, or the default where it is absent.

        Raises:
            InvalidRecipe: it is absent without a default, or of another kind.
        """
        if key not in self.table:
            if default is ...:
                raise self.fault(f"{key!r} is missing", f"{key} = {kind.words}")
            return default
        value = self.table[key]
        if not kind.fits(value):
            raise self.fault(f"{key} = {_brief(value)}", f"{key} is {kind.words}")
        return value

    @contextmanager
    def faults(self, key: str = "") -> Iterator[None]:
        """Give what is refused inside the file's and the table's name."""
        try:
            yield
        except InvalidRecipe:
            raise
        except InvalidRequest as error:
            place = f"{self.file}: {self.where}{': ' + key if key else ''}"
            raise InvalidRecipe(f"{place}: {error.asked}", error.allowed, error.fits) from None


def near(word: str, known: Collection[str]) -> str:
    """The known word that was probably meant, or an empty text."""
    folded = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), folded, 1)
    return folded[found[0]] if found else ""


def _brief(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "..."
