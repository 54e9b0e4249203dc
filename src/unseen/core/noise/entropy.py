"""A cryptographic stream of random bits: AES-256 in counter mode under a key from the system's entropy."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import hashlib
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Entropy", "counter_mode", "this_process"]

_birth = object()  # another one in each forked child: process numbers come round again


def _born() -> None:
    global _birth
    _birth = object()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_born)


def this_process() -> tuple[object, int]:
    """A mark that equals an earlier one only in the same process, not in its forks."""
    return _birth, os.getpid()


class Entropy:
    """Random bits, uniforms and coins.

    Args:
        seed: None draws the key from the operating system. A number makes the stream repeatable,
            for tests: what is drawn from it protects nobody.
        rank: of this process among those that train together. It parts their seeded streams; without a
            seed each has a key of its own anyway.

    No two processes and no two runs share a key: a forked child takes a new one, and so does a copy, also one that was
    pickled into a checkpoint or sent to another process. A seeded stream repeats in all of these, from its start in a
    copy. A machine that is restored from a snapshot while it runs repeats what it drew since; nothing here sees that.

    Source: NIST SP 800-38A (counter mode).
    """

    def __init__(self, seed: int | None = None, rank: int = 0) -> None:
        self.seed, self.rank = seed, rank
        self._start()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.seed, self.rank)

    def _start(self) -> None:
        name = b"unseen seeded stream %d" % (self.seed or 0) + (b" of rank %d" % self.rank if self.rank else b"")
        self._cipher: Any = counter_mode(os.urandom(32) if self.seed is None else hashlib.sha256(name).digest())
        self._process = this_process()

    def words(self, count: int) -> NDArray[np.uint64]:
        """``count`` independent uniform 64-bit words."""
        if self.seed is None and self._process != this_process():
            self._start()
        stream: bytes = self._cipher.update(bytes(8 * count))
        return np.frombuffer(stream, dtype=np.uint64)

    def key(self) -> bytes:
        """A key for a stream of its own."""
        return self.words(4).tobytes()

    def uniform(self, count: int) -> NDArray[np.float64]:
        """``count`` uniforms on the multiples of 2^-53 in [0, 1)."""
        return (self.words(count) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def coins(self, count: int, probability: float) -> NDArray[np.bool_]:
        """``count`` independent coins that show True with ``probability``, rounded down to a multiple of 2^-53."""
        heads: NDArray[np.bool_] = self.uniform(count) < np.floor(probability * 2.0**53) * 2.0**-53
        return heads

    def permutation(self, count: int) -> NDArray[np.intp]:
        """A uniform permutation of 0 … count-1, up to ties among 64-bit words."""
        return np.argsort(self.words(count), kind="stable")


def counter_mode(key: bytes, block: int = 0) -> Any:
    """The stream of AES under a key that is used for nothing else, from its ``block``-th 16 bytes on."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    return Cipher(algorithms.AES(key), modes.CTR(block.to_bytes(16, "big"))).encryptor()
