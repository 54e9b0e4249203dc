"""Encrypted tokens: whoever has the key reads the value in them."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np

from unseen.core.errors import DataFault, InvalidRequest
from unseen.deid.pseudonym.alike import Alike, canonical
from unseen.deid.pseudonym.operation import Keyed, Scope, texts_of
from unseen.deid.pseudonym.token import base32

__all__ = ["SEALED", "Encrypt"]

PREFIX = "sealed-"
SEALED = re.compile(r"sealed-[a-z2-7]{52,}(?![a-z2-7])")
"""How an encrypted token looks, so that it is found again in a text."""

BLOCK = 16

KINDS: dict[type, bytes] = {str: b"s", bool: b"b", int: b"i", float: b"f", datetime: b"t", date: b"d", Decimal: b"n"}
READ: dict[bytes, Callable[[str], Any]] = {
    b"s": str,
    b"b": "true".__eq__,
    b"i": int,
    b"f": float,
    b"t": datetime.fromisoformat,
    b"d": date.fromisoformat,
    b"n": Decimal,
}


@dataclass(frozen=True)
class Encrypt(Keyed):
    """The value itself, encrypted with AES-SIV. ``reidentify`` brings it back, with its type.

    Args:
        of: see ``Keyed``.
        alike: what two writings of one value may differ in and still have one token; it is their common writing that
            comes back then. By default nothing, so that what comes back is what went in.

    **Guarantee**: without the key a token says which values are equal, and how long they are up to 16 bytes; a changed
    token or another key is recognised.

    Source: RFC 5297 (AES-SIV, deterministic authenticated encryption).
    """

    @property
    def likeness(self) -> Alike:
        """What two writings of one value may differ in."""
        return self.alike or Alike.EXACT

    def replace(self, values: Sequence[Any], scope: Scope, name: str) -> list[str]:
        """Each value's encrypted token."""
        cipher = self._cipher(scope)
        plain = texts_of(values, name)
        if self.alike is not None:
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
        found = [self.opened(value, scope) for value in values]
        shut = sum(one is None for one in found)
        if shut and shut == len(found):
            raise InvalidRequest(f"the key opens nothing in {name!r}", "the key and the policy that it was made with")
        if shut:
            raise DataFault(f"{shut:,} of {len(found):,} tokens in {name!r} were changed", "tokens as they were made")
        return [one[0] for one in found if one is not None]

    def opened(self, token: Any, scope: Scope) -> tuple[Any] | None:
        """What one token holds; None if this is not its key, or it is no token."""
        from cryptography.exceptions import InvalidTag

        if not isinstance(token, str) or not SEALED.fullmatch(token):
            return None
        signs = token.removeprefix(PREFIX).upper()
        try:
            plain = self._cipher(scope).decrypt(base64.b32decode(signs + "=" * (-len(signs) % 8)), None)
        except (InvalidTag, ValueError):
            return None
        content = plain.rstrip(b"\0")[:-1]
        return (READ[content[:1]](content[1:].decode("utf-8", "surrogatepass")),)

    def _cipher(self, scope: Scope) -> Any:
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV

        return AESSIV(scope.subkey(f"encrypt {self.of}", 64))


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
