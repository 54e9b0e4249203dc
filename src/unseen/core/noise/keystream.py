"""AES-256 in counter mode, by the processor's own instructions where it has them: faster, and the same bits."""
# SPDX-License-Identifier: Apache-2.0
# What Numba keeps on disk for ``normals`` holds this file's code too, and is renewed when ``normals`` is.

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from unseen.core.compiled import compiled
from unseen.core.errors import extra

__all__ = ["STRIDE", "expanded", "fill", "inlined", "lanes", "round_keys"]

numba: Any = extra("numba", "train")
cgutils: Any = extra("numba.core.cgutils", "train")
extending: Any = extra("numba.extending", "train")
ir: Any = extra("llvmlite.ir", "train")
cpu_target: Any = extra("numba.core.registry", "train").cpu_target

STRIDE = 64
"""Words that are made at once, by whatever instructions: a multiple of them is made."""

AT_ONCE = 8
"""Registers that go through the rounds together: a round's result comes cycles after it was begun."""

F = TypeVar("F", bound=Callable[..., Any])


def round_keys(key: bytes) -> NDArray[np.uint32]:
    """The round keys of a key of 32 bytes for ``fill``; none where the processor has no instructions for it."""
    possible = lanes() and not numba.config.DISABLE_JIT
    keys: NDArray[np.uint32] = expanded(np.frombuffer(key, np.uint32)) if possible else np.empty(0, np.uint32)
    return keys


@cache
def lanes() -> int:
    """64-bit lanes of the widest registers with AES that Numba compiles for; 0 if there are none."""
    features = set(cpu_target.target_context.codegen().magic_tuple()[2].split(","))
    return next((lanes for lanes, wanted in _WIDTHS.items() if wanted <= features), 0)


_WIDTHS = {8: {"+aes", "+vaes", "+avx512f", "+avx512bw"}, 4: {"+aes", "+vaes", "+avx2"}, 2: {"+aes", "+ssse3"}}


def inlined(function: F) -> F:
    """The function compiled into those that call it, without which their loops are not turned into vectors."""
    part: F = numba.njit(error_model="numpy", forceinline=True)(function)
    return part


def _intrinsic(build: Callable[..., Any]) -> Any:
    return extending.intrinsic(build)


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


@_intrinsic
def _substituted(_: Any, word: Any) -> Any:
    """The S-box on each byte of a 32-bit word: AES's last round on four copies, so that shifted rows are the same."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        zero, pair = ir.Constant(ir.IntType(32), 0), ir.VectorType(ir.IntType(64), 2)
        one = builder.insert_element(ir.Constant(ir.VectorType(zero.type, 1), ir.Undefined), arguments[0], zero)
        state = builder.bitcast(_copies(builder, one, 4), pair)
        done = _round(builder, "aesenclast", state, ir.Constant(pair, [0, 0]))
        return builder.trunc(builder.extract_element(done, zero), zero.type)

    return numba.types.uint32(numba.types.uint32), build


@_intrinsic
def _encrypt(_: Any, schedule: Any, block: Any, words: Any, place: Any) -> Any:
    """``words[place : place + STRIDE]`` become the encrypted numbers block, block + 1, … of 16 bytes each."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        count, lane = lanes(), ir.IntType(64)
        if not count:
            return context.get_dummy_value()  # nothing has round keys to call it with
        vector, pair = ir.VectorType(lane, count), ir.VectorType(lane, 2)
        keys, out = (context.make_array(signature.args[k])(context, builder, arguments[k]).data for k in (0, 2))
        keys = builder.bitcast(keys, pair.as_pointer())
        out = builder.bitcast(builder.gep(out, [arguments[3]]), vector.as_pointer())
        reverse = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector]), f"llvm.bswap.v{count}i64"
        )
        number = builder.insert_element(ir.Constant(pair, [0, 0]), arguments[1], ir.Constant(lane, 1))
        number = _copies(builder, number, count)

        def key(place: int) -> Any:
            one = builder.load(builder.gep(keys, [ir.Constant(lane, place)]), align=4)
            return _copies(builder, one, count)

        for start in range(0, STRIDE // count, AT_ONCE):
            state, whitening = [], key(0)
            for register in range(start, start + AT_ONCE):
                ahead = [half for k in range(count // 2) for half in (0, register * count // 2 + k)]
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
def fill(schedule: NDArray[np.uint32], block: int, words: NDArray[np.uint64]) -> None:
    """Overwrite words by the stream from its ``block``-th 16 bytes on: the bits of ``entropy.counter_mode``.

    Args:
        schedule: of ``round_keys``, not empty.
        block: from 0; the last that is made is below 2^63.
        words: a multiple of ``STRIDE``, contiguous.

    The instructions look nothing up in memory.

    Source: FIPS 197; NIST SP 800-38A (counter mode).
    """
    for place in range(0, len(words), STRIDE):
        _encrypt(schedule, np.uint64(block + place // 2), words, place)
