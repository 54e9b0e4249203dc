"""A cryptographic stream of random bits: AES-256 in counter mode under a key from the system's entropy."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import hashlib
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Entropy"]


class Entropy:
    """Random bits, uniforms, normals and coins.

    Args:
        seed: None draws the key from the operating system. A number makes the stream repeatable,
            for tests: what is drawn from it protects nobody.

    The stream is re-keyed in a forked child, so that two processes never share noise.

    Source: NIST SP 800-38A (counter mode).
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = seed
        self._start()

    def _start(self) -> None:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        key = os.urandom(32) if self.seed is None else hashlib.sha256(b"unseen seeded stream %d" % self.seed).digest()
        self._cipher: Any = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
        self._process = os.getpid()

    def words(self, count: int) -> NDArray[np.uint64]:
        """``count`` independent uniform 64-bit words."""
        if os.getpid() != self._process and self.seed is None:
            self._start()
        stream: bytes = self._cipher.update(bytes(8 * count))
        return np.frombuffer(stream, dtype=np.uint64)

    def uniform(self, count: int) -> NDArray[np.float64]:
        """``count`` uniforms on the multiples of 2^-53 in [0, 1)."""
        return (self.words(count) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def normal(self, count: int) -> NDArray[np.float64]:
        """``count`` standard normals by the transform of Box and Muller (1958), tails to 8.5."""
        half = (count + 1) // 2
        radius = np.sqrt(-2.0 * np.log1p(-self.uniform(half)))
        angle = 2.0 * np.pi * self.uniform(half)
        pairs: NDArray[np.float64] = np.stack([radius * np.cos(angle), radius * np.sin(angle)])
        return pairs.ravel()[:count]

    def coins(self, count: int, probability: float) -> NDArray[np.bool_]:
        """``count`` independent coins that show True with ``probability``, rounded down to a multiple of 2^-53."""
        heads: NDArray[np.bool_] = self.uniform(count) < np.floor(probability * 2.0**53) * 2.0**-53
        return heads

    def permutation(self, count: int) -> NDArray[np.intp]:
        """A uniform permutation of 0 … count-1, up to ties among 64-bit words."""
        return np.argsort(self.words(count), kind="stable")
