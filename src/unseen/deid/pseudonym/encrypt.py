"""Encrypted tokens: whoever has the key reads the value in them."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from unseen.core.errors import DataFault, InvalidRequest
from unseen.deid.pseudonym.alike import Alike, canonical
from unseen.deid.pseudonym.operation import Keyed, Scope, texts_of
from unseen.deid.pseudonym.token import base32

__all__ = ["Encrypt", "reopened"]

PREFIX = "sealed-"
LIKE = re.compile(r"sealed-[a-z2-7]{52,}")
"""How an encrypted token looks; in a text, letters of the word that it is part of may follow."""

BLOCK = 16
MOST_FOLLOWING = 64
"""Letters that may follow a token in a text: no word of which a part was found has more."""

KINDS: dict[type, bytes] = {str: b"s", bool: b"b", int: b"i", float: b"f", datetime: b"t", date: b"d", Decimal: b"n"}
READ: dict[bytes, Callable[[str], Any]] = {
    b"s": str,
    b"b": "true".__eq__,
    b"i": int,
    b"f": float,
    b"t": lambda text: _time(text),
    b"d": date.fromisoformat,
    b"n": Decimal,
}


@dataclass(frozen=True)
class Encrypt(Keyed):
    """The value itself, encrypted with AES-SIV. ``reidentify`` brings it back.

    Texts, truth values, dates, and times in their zone come back as they were; whole numbers in 64 bits; others as
    doubles; decimals with the digits that they need. Times come back in microseconds, or as texts where a column has
    some that are finer; categories come back as texts.

    Args:
        of: see ``Keyed``.
        alike: what two writings of one value may differ in and still have one token; it is their common writing that
            comes back then. For texts alone. By default nothing, so that what comes back is what went in.

    **Guarantee**: without the key a token says which values are equal, and how long they are up to 16 bytes; a changed
    token or another key is recognised.

    Source: RFC 5297 (AES-SIV, deterministic authenticated encryption).
    """

    @property
    def likeness(self) -> Alike:
        """What two writings of one value may differ in."""
        return self.alike or Alike.EXACT

    def replace(self, values: Sequence[Any], scope: Scope, name: str) -> list[str]:
        """Each value's encrypted token.

        Raises:
            DataFault: values that are no texts were to be alike in anything; nothing but themselves would come back.
        """
        cipher = self._cipher(scope)
        plain = [_written(value, text) for value, text in zip(values, texts_of(values, name), strict=True)]
        if self.alike is not None:
            if self.alike is not Alike.EXACT and not all(isinstance(value, str) for value in values):
                raise DataFault(
                    f"{name!r} holds values that are no texts, which have one writing each", "no likeness", "Encrypt()"
                )
            plain = [canonical(text, self.alike) for text in plain]
        kinds = [KINDS.get(type(value), b"s") for value in values]
        sealed = [
            cipher.encrypt(_padded(kind + text.encode("utf-8", "surrogatepass")), None)
            for kind, text in zip(kinds, plain, strict=True)
        ]
        return _in_signs(sealed)

    def restore(self, values: Sequence[str], scope: Scope, name: str) -> list[Any]:
        """What the tokens hold.

        Raises:
            InvalidRequest: the key opens none of them.
            DataFault: it opens some, and others were changed.
        """
        cipher = self._cipher(scope)
        found = [_opened(value, cipher) for value in values]
        _all_open(len(found), sum(one is None for one in found), name)
        return [one[0] for one in found if one is not None]

    def _cipher(self, scope: Scope) -> Any:
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV

        return AESSIV(scope.subkey(f"encrypt {self.of}", 64))


def reopened(texts: Sequence[str], operations: Sequence[Encrypt], scope: Scope, name: str) -> list[str]:
    """Texts in which values stand in the place of their tokens again.

    Args:
        texts: the texts.
        operations: by which the tokens may have been made.
        scope: key and project.
        name: the column, for messages.

    Raises:
        InvalidRequest: the key opens none of the tokens.
        DataFault: it opens some, and others were changed.
    """
    ciphers = [one._cipher(scope) for one in dict.fromkeys(operations)]
    made, total, shut = [], 0, 0
    for text in texts if ciphers else ():
        pieces, reached = [], 0
        while (match := LIKE.search(text, reached)) is not None:
            total += 1
            length, value = _longest(match.group(), ciphers)
            shut += not length
            end = match.start() + (length or len(PREFIX))
            pieces += [text[reached : match.start()], value if length else PREFIX]
            reached = end
        made.append("".join([*pieces, text[reached:]]))
    _all_open(total, shut, name)
    return made if ciphers else list(texts)


def _longest(signs: str, ciphers: Sequence[Any]) -> tuple[int, str]:
    """The longest token that signs begin with: its length, 0 where there is none, and what it holds."""
    for size in range((len(signs) - len(PREFIX)) * 5 // 8 // BLOCK * BLOCK, BLOCK, -BLOCK):
        length = len(PREFIX) + -(-8 * size // 5)
        if len(signs) - length > MOST_FOLLOWING:
            break
        for cipher in ciphers:
            found = _opened(signs[:length], cipher)
            if found is not None:
                return length, str(found[0])
    return 0, ""


def _opened(token: Any, cipher: Any) -> tuple[Any] | None:
    """What one token holds; None if this is not its key, or it is no token."""
    from cryptography.exceptions import InvalidTag

    if not isinstance(token, str) or not LIKE.fullmatch(token):
        return None
    signs = token.removeprefix(PREFIX).upper()
    try:
        plain = cipher.decrypt(base64.b32decode(signs + "=" * (-len(signs) % 8)), None)
    except (InvalidTag, ValueError):
        return None
    content = plain.rstrip(b"\0")[:-1]
    return (READ[content[:1]](content[1:].decode("utf-8", "surrogatepass")),)


def _all_open(total: int, shut: int, name: str) -> None:
    if shut and shut == total:
        raise InvalidRequest(f"the key opens nothing in {name!r}", "the key and the policy that it was made with")
    if shut:
        raise DataFault(f"{shut:,} of {total:,} tokens in {name!r} were changed", "tokens as they were made")


def _written(value: Any, text: str) -> str:
    """What is encrypted of a value: beyond its text the sign of a zero, and the name of a zone."""
    if isinstance(value, float) and value == 0 and math.copysign(1, value) < 0:
        return "-0.0"
    zone = getattr(getattr(value, "tzinfo", None), "key", None)
    return f"{text}[{zone}]" if isinstance(zone, str) and type(value) is datetime else text


def _time(text: str) -> datetime:
    written, _, zone = text.partition("[")
    found = datetime.fromisoformat(written)
    return found.astimezone(ZoneInfo(zone.rstrip("]"))) if zone else found


def _padded(content: bytes) -> bytes:
    """Up to a whole number of blocks, as ISO/IEC 7816-4 does."""
    return content + b"\x80" + bytes((-len(content) - 1) % BLOCK)


def _in_signs(sealed: Sequence[bytes]) -> list[str]:
    found = [""] * len(sealed)
    sizes = np.array([len(one) for one in sealed], dtype=np.int64)
    for size in np.unique(sizes).tolist():
        places = np.flatnonzero(sizes == size).tolist()
        table = np.frombuffer(b"".join(sealed[at] for at in places), dtype=np.uint8).reshape(len(places), size)
        for at, signs in zip(places, base32(table, -(-8 * size // 5)), strict=True):
            found[at] = PREFIX + signs
    return found
