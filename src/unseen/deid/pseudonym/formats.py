"""Format-preserving pseudonyms: a card number for a card number, with its spaces and hyphens where they were."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.core.errors import DataFault, InvalidRequest
from unseen.deid.pseudonym.ff1 import FF1, MOST_RADIX
from unseen.deid.pseudonym.operation import Keyed, Scope, texts_of
from unseen.deid.pseudonym.signs import stays

__all__ = ["DIGITS", "FormatPreserving"]

DIGITS = "0123456789"


@dataclass(frozen=True)
class FormatPreserving(Keyed):
    """Another string of the same form in place of each: FF1 on the signs of an alphabet; punctuation stays in place.

    Args:
        of: see ``Keyed``.
        alike: not to be given: a value keeps its own form, and its signs alone decide.
        alphabet: the signs that are encrypted, each once, 2 to 65,536. Between them only punctuation and spaces may
            stand, which stay; all else is refused, since it would stay readable.
        luhn: values end in a Luhn check digit (cards), and so do their pseudonyms.

    **Guarantee**: see ``FF1``. Length and punctuation show. Values of one length have different pseudonyms, each of
    which may be a real number of somebody else. The key alone undoes it; numbers come back as texts.

    Source: NIST SP 800-38G (FF1).
    """

    alphabet: str = DIGITS
    luhn: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        signs = self.alphabet
        if not isinstance(signs, str) or not 2 <= len(signs) <= MOST_RADIX or len(set(signs)) < len(signs):
            raise InvalidRequest("an alphabet that cannot be used was given", f"2 to {MOST_RADIX} signs, each once")
        if not isinstance(self.luhn, bool) or (self.luhn and signs != DIGITS):
            raise InvalidRequest(f"luhn={self.luhn!r} was given", "true or false; true for decimal digits alone")
        if self.alike is not None:
            raise InvalidRequest(f"alike={self.alike.value!r} was given with a format", "none: a value keeps its form")

    def canon(self, values: Sequence[Any], name: str) -> list[str]:
        """The values: no two have one pseudonym."""
        return texts_of(values, name)

    def replace(self, values: Sequence[Any], scope: Scope, name: str) -> list[str]:
        """Each value's pseudonym."""
        return self._each(texts_of(values, name), scope, name, undo=False)

    def restore(self, values: Sequence[str], scope: Scope, name: str) -> list[Any]:
        """The values that the pseudonyms stand for. Another key gives other values: compare check values before."""
        return self._each(texts_of(values, name), scope, name, undo=True)

    def unfit(self, values: Sequence[Any], name: str) -> list[bool]:
        """Which of the values cannot be replaced: too short, with other signs, or without its Luhn check digit."""
        shortest = self._cipher_length()
        found = []
        for text in texts_of(values, name):
            signs = "".join(sign for sign in text if sign in self._signs)
            stray = not all(stays(sign) for sign in text if sign not in self._signs)
            wrong = self.luhn and len(signs) > 0 and _check_digits(_rows([signs[:-1]]))[0] != int(signs[-1])
            found.append(stray or len(signs) < shortest + self.luhn or wrong)
        return found

    @property
    def _signs(self) -> frozenset[str]:
        return frozenset(self.alphabet)

    def _cipher_length(self) -> int:
        return FF1(bytes(32), len(self.alphabet)).shortest

    def _each(self, texts: list[str], scope: Scope, name: str, *, undo: bool) -> list[str]:
        cipher = FF1(scope.subkey(f"format of {self.of}, {len(self.alphabet)} signs"), len(self.alphabet))
        inside = self._signs
        bare = [text if inside.issuperset(text) else "".join(filter(inside.__contains__, text)) for text in texts]
        self._check(texts, bare, cipher.shortest, name)
        points = np.array([ord(sign) for sign in self.alphabet], dtype=np.uint32)
        order = np.argsort(points)
        lengths = np.array([len(one) for one in bare], dtype=np.int64)
        found = list(texts)
        for length in np.unique(lengths).tolist():
            places = np.flatnonzero(lengths == length).tolist()
            table = _rows([bare[at] for at in places])
            numerals = order[np.searchsorted(points, table, sorter=order)].astype(np.int64)
            if self.luhn:
                self._check_luhn(table, name)
                numerals = numerals[:, :-1]
            numerals = cipher.decrypt(numerals) if undo else cipher.encrypt(numerals)
            made = points[numerals]
            if self.luhn:
                made = np.concatenate([made, (_check_digits(made) + ord("0"))[:, None].astype(np.uint32)], axis=1)
            joined = np.ascontiguousarray(made).view(f"<U{length}").reshape(-1).tolist()
            for at, signs in zip(places, _whole(joined, length), strict=True):
                found[at] = signs if len(texts[at]) == length else _put_back(texts[at], signs, inside)
        return found

    def _check(self, texts: list[str], bare: list[str], shortest: int, name: str) -> None:
        inside = self._signs
        stray = sum(
            len(text) > len(one) and not all(stays(sign) for sign in text if sign not in inside)
            for text, one in zip(texts, bare, strict=True)
        )
        if stray:
            raise DataFault(
                f"{stray:,} values in {name!r} have signs beyond the alphabet, which would stay readable",
                "an alphabet that holds them, or another operation",
            )
        short = sum(len(one) < shortest + self.luhn for one in bare)
        if short:
            raise DataFault(
                f"{short:,} values in {name!r} have fewer than {shortest + self.luhn} signs of the alphabet",
                "longer values: fewer than a million strings can be tried out; or another operation, such as Token",
            )

    def _check_luhn(self, table: NDArray[np.uint32], name: str) -> None:
        wrong = int((_check_digits(table[:, :-1]) != table[:, -1].astype(np.int64) - ord("0")).sum())
        if wrong:
            raise DataFault(
                f"{wrong:,} values in {name!r} do not end in their Luhn check digit", "card numbers, or luhn=False"
            )


def _rows(texts: Sequence[str]) -> NDArray[np.uint32]:
    """Texts of one length as code points, shape (n, length)."""
    content = "".join(texts).encode("utf-32-le", "surrogatepass")
    return np.frombuffer(content, dtype="<u4").reshape(len(texts), -1)


def _whole(texts: list[str], length: int) -> list[str]:
    """NumPy cuts zero characters off the end of a text."""
    return [text if len(text) == length else text.ljust(length, "\0") for text in texts]


def _put_back(form: str, signs: str, inside: frozenset[str]) -> str:
    following = iter(signs)
    return "".join(next(following) if sign in inside else sign for sign in form)


def _check_digits(table: NDArray[np.uint32]) -> NDArray[np.int64]:
    """The Luhn check digit of each row of decimal digits without one (ISO/IEC 7812-1)."""
    digits = table.astype(np.int64) - ord("0")
    digits[:, ::-1][:, ::2] *= 2
    total = (digits // 10 + digits % 10).sum(axis=1)
    found: NDArray[np.int64] = -total % 10
    return found
