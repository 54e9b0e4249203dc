"""AES-256 in counter mode, by the processor's own instructions where it has them: faster, and the same bits."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from unseen.core.errors import extra
from unseen.core.noise.entropy import counter_mode

__all__ = ["STRIDE", "Compiled", "Keystream", "Library", "compiled", "keystream"]

numba: Any = extra("numba", "train")
cgutils: Any = extra("numba.core.cgutils", "train")
intrinsic: Any = extra("numba.extending", "train").intrinsic
ir: Any = extra("llvmlite.ir", "train")
cpu_target: Any = extra("numba.core.registry", "train").cpu_target

STRIDE = 64
"""Words that are made at once, by whatever instructions: a multiple of them is made."""

AT_ONCE = 8
"""Registers that go through the rounds together: a round's result comes cycles after it was begun."""

F = TypeVar("F", bound=Callable[..., Any])


class Keystream(Protocol):
    """A stream of random words under a key that is used for nothing else."""

    def fill(self, words: NDArray[np.uint64], block: int) -> None:
        """Overwrite the words by the stream from its ``block``-th 16 bytes on; their number is one of ``STRIDE``s."""


class Library:
    """The stream as ``cryptography`` makes it, on any machine."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def fill(self, words: NDArray[np.uint64], block: int) -> None:
        words[:] = np.frombuffer(counter_mode(self._key, block).update(bytes(words.nbytes)), np.uint64)


class Compiled:
    """The stream by AES instructions on the widest registers that there are. They look nothing up in memory.

    Args:
        key: 32 bytes.

    Source: FIPS 197; NIST SP 800-38A (counter mode).
    """

    def __init__(self, key: bytes) -> None:
        self._schedule = expanded(np.frombuffer(key, np.uint32))

    def fill(self, words: NDArray[np.uint64], block: int) -> None:
        _fill(self._schedule, block, words)


def keystream(key: bytes) -> Keystream:
    """The faster of the two that this machine has; their bits are the same."""
    return Compiled(key) if _lanes() and not numba.config.DISABLE_JIT else Library(key)


@cache
def _lanes() -> int:
    """64-bit lanes of the widest registers with AES that Numba compiles for; 0 if there are none."""
    features = set(cpu_target.target_context.codegen().magic_tuple()[2].split(","))
    return next((lanes for lanes, wanted in _WIDTHS.items() if wanted <= features), 0)


_WIDTHS = {8: {"+vaes", "+avx512f", "+avx512bw"}, 4: {"+vaes", "+avx2"}, 2: {"+aes", "+ssse3"}}


def compiled(function: F) -> F:
    """The function compiled, free of the interpreter's lock, and kept on disk where there is a folder for it."""
    try:
        kept: F = numba.njit(nogil=True, error_model="numpy")(function)
    except RuntimeError:  # there is no folder to keep it in
        kept = numba.njit(nogil=True, error_model="numpy")(function)
    return kept


def _round(builder: Any, name: str, state: Any, key: Any) -> Any:
    """A round of AES, ``aesenc`` or the last, on each 16 bytes of a vector."""
    width = "" if state.type.count == 2 else f".{64 * state.type.count}"
    kind = ir.FunctionType(state.type, [state.type, state.type])
    call = cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.aesni.{name}{width}")
    return builder.call(call, [state, key])


def _copies(builder: Any, vector: Any, count: int) -> Any:
    """The vector's lanes, over and over until there are ``count``."""
    lanes = [lane % vector.type.count for lane in range(count)]
    order = ir.Constant(ir.VectorType(ir.IntType(32), count), lanes)
    return builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), order)


@intrinsic
def _substituted(_: Any, word: Any) -> Any:
    """The S-box on each byte of a 32-bit word: AES's last round on four copies, so that shifted rows are the same."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        zero, pair = ir.Constant(ir.IntType(32), 0), ir.VectorType(ir.IntType(64), 2)
        one = builder.insert_element(ir.Constant(ir.VectorType(zero.type, 1), ir.Undefined), arguments[0], zero)
        state = builder.bitcast(_copies(builder, one, 4), pair)
        done = _round(builder, "aesenclast", state, ir.Constant(pair, [0, 0]))
        return builder.trunc(builder.extract_element(done, zero), zero.type)

    return numba.types.uint32(numba.types.uint32), build


@intrinsic
def _encrypt(_: Any, schedule: Any, block: Any, words: Any, place: Any) -> Any:
    """``words[place : place + STRIDE]`` become the encrypted numbers block, block + 1, … of 16 bytes each."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes, lane = _lanes(), ir.IntType(64)
        vector, pair = ir.VectorType(lane, lanes), ir.VectorType(lane, 2)
        keys, out = (
            context.make_array(signature.args[k])(context, builder, arguments[k]).data for k in (0, 2)
        )
        keys = builder.bitcast(keys, pair.as_pointer())
        out = builder.bitcast(builder.gep(out, [arguments[3]]), vector.as_pointer())
        reverse = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector]), f"llvm.bswap.v{lanes}i64"
        )
        number = builder.insert_element(ir.Constant(pair, [0, 0]), arguments[1], ir.Constant(lane, 1))
        number = _copies(builder, number, lanes)

        def key(place: int) -> Any:
            one = builder.load(builder.gep(keys, [ir.Constant(lane, place)]), align=4)
            return _copies(builder, one, lanes)

        for start in range(0, STRIDE // lanes, AT_ONCE):
            state, whitening = [], key(0)
            for register in range(start, start + AT_ONCE):
                ahead = [half for k in range(lanes // 2) for half in (0, register * lanes // 2 + k)]
                counter = builder.call(reverse, [builder.add(number, ir.Constant(vector, ahead))])  # big-endian
                state.append(builder.xor(counter, whitening))
            for place in range(1, 15):
                name, round_key = "aesenc" if place < 14 else "aesenclast", key(place)
                state = [_round(builder, name, one, round_key) for one in state]
            for register, one in enumerate(state, start):
                builder.store(one, builder.gep(out, [ir.Constant(lane, register)]), align=8)
        return context.get_dummy_value()

    return numba.types.void(schedule, block, words, place), build


@compiled
def expanded(key: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The 15 round keys, of 4 words each, of a key of 8 words (FIPS 197, section 5.2)."""
    schedule = np.empty(60, np.uint32)
    constant = np.uint32(1)
    for place in range(60):
        if place < 8:
            schedule[place] = key[place]
            continue
        word = schedule[place - 1]
        if place % 8 == 0:  # the first byte is a word's lowest here
            word = np.uint32(_substituted(np.uint32((word >> np.uint32(8)) | (word << np.uint32(24)))) ^ constant)
            constant = np.uint32(constant << np.uint32(1))
        elif place % 8 == 4:
            word = _substituted(word)
        schedule[place] = schedule[place - 8] ^ word
    return schedule


@compiled
def _fill(schedule: NDArray[np.uint32], block: int, words: NDArray[np.uint64]) -> None:
    for place in range(0, len(words), STRIDE):
        _encrypt(schedule, np.uint64(block + place // 2), words, place)
