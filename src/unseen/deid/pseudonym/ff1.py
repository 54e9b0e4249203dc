"""FF1: a keyed permutation of the strings of one length over one alphabet, for many strings at once."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.core.errors import InvalidRequest
from unseen.core.guarantee import whole

__all__ = ["FF1"]

LEAST_DOMAIN = 1_000_000
MOST_RADIX = 1 << 16
ROUNDS = 10
WORDS = 1 << 48
"""Moduli up to here leave room for 16 more bits in an unsigned word of 64."""


class FF1:
    """Format-preserving encryption FF1 with AES.

    Args:
        key: 16, 24 or 32 bytes.
        radix: size of the alphabet, 2 to 65,536.

    **Guarantee**: without the key a pseudorandom permutation of the strings of one length and tweak, so equal strings
    stay equal; it authenticates nothing: another key gives another string, not an error.

    Source: NIST SP 800-38G (algorithms 7 and 8), with revision 1's least domain of a million strings.
    """

    def __init__(self, key: bytes, radix: int) -> None:
        if not isinstance(key, bytes) or len(key) not in (16, 24, 32):
            raise InvalidRequest("a key of another size or type was given", "16, 24 or 32 bytes")
        self.radix = whole("radix", radix, 2)
        if self.radix > MOST_RADIX:
            raise InvalidRequest(f"radix={radix} was asked for", f"2 to {MOST_RADIX}")
        self._key = key

    def __repr__(self) -> str:
        return f"<FF1 of radix {self.radix}>"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a cipher holds a key, which does not leave its process")

    @property
    def shortest(self) -> int:
        """The least length of a string: there are a million of it."""
        length = 2
        while self.radix**length < LEAST_DOMAIN:
            length += 1
        return length

    def encrypt(self, numerals: Any, tweak: bytes = b"") -> NDArray[np.int64]:
        """Encrypt strings of one length.

        Args:
            numerals: shape (length,) or (count, length), whole numbers from 0 to radix - 1.
            tweak: what else the permutation depends on; need not be secret.

        Returns:
            as ``numerals``.

        Raises:
            InvalidRequest: too short, or not numerals of this radix.
        """
        return self._feistel(numerals, tweak, range(ROUNDS))

    def decrypt(self, numerals: Any, tweak: bytes = b"") -> NDArray[np.int64]:
        """Undo ``encrypt`` with the same key, radix and tweak."""
        return self._feistel(numerals, tweak, range(ROUNDS - 1, -1, -1))

    def _feistel(self, numerals: Any, tweak: bytes, rounds: Sequence[int]) -> NDArray[np.int64]:
        given = np.asarray(numerals)
        table = self._checked(given)
        length = table.shape[1]
        left, right = length // 2, length - length // 2
        moduli = (self.radix**left, self.radix**right)
        kind = np.uint64 if moduli[1] <= WORDS else object  # Python's own integers where words are too short
        a, b = (self._number(half, kind) for half in (table[:, :left], table[:, left:]))
        size = ((moduli[1] - 1).bit_length() + 7) // 8
        prf = _Prf(self._key, self.radix, length, left, tweak, size)
        forward = rounds[0] == 0
        for i in rounds:
            modulus = moduli[i % 2]
            if forward:
                a, b = b, (a + prf(i, b, modulus)) % modulus
            else:
                a, b = (b + (modulus - prf(i, a, modulus))) % modulus, a
        halves = [self._string(number, width) for number, width in ((a, left), (b, right))]
        return np.concatenate(halves, axis=1).reshape(given.shape)

    def _checked(self, given: NDArray[Any]) -> NDArray[np.int64]:
        if given.ndim not in (1, 2) or given.dtype.kind not in "iu":
            raise InvalidRequest(
                "strings that are no numerals were given", "whole numbers, shape (length,) or (n, length)"
            )
        length = given.shape[-1]
        if length < self.shortest:
            raise InvalidRequest(
                f"strings of {length} numerals of radix {self.radix} were given",
                f"at least {self.shortest}: fewer than a million strings can be tried out",
            )
        if given.size and (int(given.min()) < 0 or int(given.max()) >= self.radix):
            raise InvalidRequest("a numeral out of range was given", f"0 to {self.radix - 1}")
        return given.reshape(-1, length).astype(np.int64)

    def _number(self, half: NDArray[np.int64], kind: Any) -> NDArray[Any]:
        number = np.zeros(len(half), dtype=kind)
        for column in half.T:
            number = number * self.radix + column.astype(kind)
        return number

    def _string(self, number: NDArray[Any], width: int) -> NDArray[np.int64]:
        digits = np.empty((len(number), width), dtype=np.int64)
        for place in range(width - 1, -1, -1):
            digits[:, place] = (number % self.radix).astype(np.int64)
            number = number // self.radix
        return digits


class _Prf:
    """The round function: the CBC-MAC of what is fixed, the round and a half; stretched, and modulo the other half."""

    def __init__(self, key: bytes, radix: int, length: int, left: int, tweak: bytes, size: int) -> None:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        # One block at a time and nothing else: ECB is the bare permutation that the mode is built from.
        self._permutation: Any = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
        self._size, self._out = size, 4 * ((size + 3) // 4) + 4
        fixed = (
            bytes([1, 2, 1])
            + radix.to_bytes(3, "big")
            + bytes([10, left % 256])
            + length.to_bytes(4, "big")
            + len(tweak).to_bytes(4, "big")
            + tweak
            + bytes((-len(tweak) - size - 1) % 16)
        )
        whole_blocks = len(fixed) // 16
        state = np.zeros((1, 16), dtype=np.uint8)
        for at in range(whole_blocks):
            state = self._aes(state ^ np.frombuffer(fixed[16 * at : 16 * at + 16], dtype=np.uint8))
        self._state, self._rest = state, np.frombuffer(fixed[16 * whole_blocks :], dtype=np.uint8)

    def __call__(self, i: int, half: NDArray[Any], modulus: int) -> NDArray[Any]:
        count, start = len(half), len(self._rest)
        tail = np.empty((count, start + 1 + self._size), dtype=np.uint8)
        tail[:, :start], tail[:, start], tail[:, start + 1 :] = self._rest, i, self._bytes(half)
        state = np.broadcast_to(self._state, (count, 16))
        for at in range(0, tail.shape[1], 16):
            state = self._aes(state ^ tail[:, at : at + 16])
        stretched = [state]
        for block in range(1, (self._out + 15) // 16):
            stretched.append(self._aes(state ^ np.frombuffer(block.to_bytes(16, "big"), dtype=np.uint8)))
        return self._modulo(np.concatenate(stretched, axis=1)[:, : self._out], modulus, half.dtype)

    def _aes(self, blocks: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.frombuffer(self._permutation.update(blocks.tobytes()), dtype=np.uint8).reshape(-1, 16)

    def _bytes(self, half: NDArray[Any]) -> NDArray[np.uint8]:
        if half.dtype == np.uint64:
            return half.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 8 - self._size :]
        joined = b"".join(number.to_bytes(self._size, "big") for number in half.tolist())
        return np.frombuffer(joined, dtype=np.uint8).reshape(-1, self._size)

    def _modulo(self, stretched: NDArray[np.uint8], modulus: int, kind: Any) -> NDArray[Any]:
        if kind != np.uint64:
            content = np.ascontiguousarray(stretched).tobytes()
            numbers = [
                int.from_bytes(content[at : at + self._out], "big") % modulus
                for at in range(0, len(content), self._out)
            ]
            found = np.empty(len(numbers), dtype=object)
            found[:] = numbers
            return found
        width = 4 if modulus <= 1 << 32 else 2
        words = np.ascontiguousarray(stretched).view(f">u{width}").astype(np.uint64)
        rest = np.zeros(len(words), dtype=np.uint64)
        for word in words.T:
            rest = ((rest << np.uint64(8 * width)) | word) % modulus
        return rest
