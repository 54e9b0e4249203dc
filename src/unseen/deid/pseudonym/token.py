"""Tokens: short keyed codes that say nothing but whether two values are the same."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.core.errors import DataFault, InvalidRequest
from unseen.core.guarantee import whole
from unseen.deid.pseudonym.operation import Keyed, Scope

__all__ = ["Token", "base32", "digests", "shared"]

ALPHABET = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz234567", dtype="S1")
BITS = 5
LEAST, MOST = 8, 51


def digests(key: bytes, messages: Sequence[str]) -> NDArray[np.uint8]:
    """HMAC-SHA256 of each message, shape (n, 32).

    Source: RFC 2104, FIPS 198-1.
    """
    made = b"".join([hmac.digest(key, message.encode("utf-8", "surrogatepass"), "sha256") for message in messages])
    return np.frombuffer(made, dtype=np.uint8).reshape(-1, 32)


def base32(content: NDArray[np.uint8], length: int) -> list[str]:
    """The first ``length`` signs of each row in base 32 (RFC 4648, lower case, no padding).

    Args:
        content: shape (n, bytes), with at least ``5 * length`` bits a row; short of them, zeros follow.
        length: signs.
    """
    bits = np.unpackbits(content, axis=1)[:, : BITS * length]
    if bits.shape[1] < BITS * length:
        bits = np.pad(bits, ((0, 0), (0, BITS * length - bits.shape[1])))
    weights = np.array([16, 8, 4, 2, 1], dtype=np.uint8)
    signs = ALPHABET[bits.reshape(len(content), length, BITS) @ weights]
    joined = np.ascontiguousarray(signs).view(f"S{length}").reshape(-1)
    found: list[str] = joined.astype(f"U{length}").tolist()
    return found


@dataclass(frozen=True)
class Token(Keyed):
    """A code of fixed length in place of each value. Without the way back: only who holds the key can try candidates.

    Args:
        of: see ``Keyed``.
        alike: see ``Keyed``.
        length: signs of base 32, 5 bits each, 8 to 51.
        prefix: what stands before each, such as ``"p-"``.

    **Guarantee**: among n values two share a token with probability at most n² / 2^(5·length + 1); a column where
    that happens is refused. At 16 signs that is 4·10⁻¹³ for a million values.

    Source: RFC 2104 (HMAC), FIPS 180-4 (SHA-256).
    """

    length: int = 16
    prefix: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "length", whole("length", self.length, LEAST))
        if self.length > MOST:
            raise InvalidRequest(f"length={self.length} was asked for", f"{LEAST} to {MOST} signs")
        if not isinstance(self.prefix, str):
            raise InvalidRequest(f"prefix={self.prefix!r} was given", "a text")

    def collision_bound(self, count: int) -> float:
        """The greatest probability that any two of ``count`` values share a token."""
        return float(min(1.0, count * (count - 1) / 2 ** (BITS * self.length + 1)))

    def replace(self, values: Sequence[Any], scope: Scope, name: str) -> list[str]:
        """Each value's token."""
        key = scope.subkey(f"token of {self.of}")
        found = base32(digests(key, self.canon(values, name)), self.length)
        return [self.prefix + token for token in found] if self.prefix else found


def shared(operation: Keyed, values: Sequence[Any], made: Sequence[str], name: str) -> int:
    """How many pseudonyms fewer there are than values that are not alike.

    Args:
        operation: what made the pseudonyms.
        values: shape (n,), the distinct values.
        made: shape (n,), the pseudonym of each.
        name: the column or entity.

    Raises:
        DataFault: tokens are shared, which longer ones would not be.
    """
    distinct = len(set(made))
    if distinct == len(made):
        return 0
    apart = len(set(operation.canon(values, name))) - distinct
    if apart and isinstance(operation, Token):
        raise DataFault(f"{apart:,} tokens of {name!r} would be shared", "longer ones", "Token(length=20)")
    return apart
