"""AES-256 in counter mode by the processor's own vector instructions, where it has them."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from unseen.core.errors import extra
from unseen.core.noise.entropy import counter_mode

__all__ = ["STRIDE", "Keystream", "Vectored", "compiled"]

numba: Any = extra("numba", "train")
cgutils: Any = extra("numba.core.cgutils", "train")
extending: Any = extra("numba.extending", "train")
ir: Any = extra("llvmlite.ir", "train")
cpu_target: Any = extra("numba.core.registry", "train").cpu_target

AT_ONCE = 8
"""Registers that go through the rounds together: an instruction takes about as many cycles as are begun meanwhile."""

STRIDE = 64 * AT_ONCE // 8
"""Words that are made at once."""

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """The function compiled, without the interpreter's lock, kept on disk where there is a folder for it."""
    try:
        kept: F = numba.njit(nogil=True, error_model="numpy", cache=True)(function)
    except RuntimeError:  # there is no folder to keep it in
        kept = numba.njit(nogil=True, error_model="numpy")(function)
    return kept


def _instruction(builder: Any, name: str, vector: Any) -> Any:
    """One round of AES on each 16 bytes of a vector, as LLVM names it."""
    width = "" if vector.count == 2 else f".{64 * vector.count}"
    return cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(vector, [vector, vector]), f"llvm.x86.aesni.{name}{width}"
    )


@extending.intrinsic
def _substituted(_: Any, word: Any) -> Any:
    """The S-box on each byte of a 32-bit word: the last round on four copies, whose rows it may shift."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector, lane = ir.VectorType(ir.IntType(64), 2), ir.IntType(32)
        both = builder.zext(arguments[0], ir.IntType(64))
        both = builder.or_(both, builder.shl(both, ir.Constant(ir.IntType(64), 32)))
        copies = ir.Constant(vector, ir.Undefined)
        for place in (0, 1):
            copies = builder.insert_element(copies, both, ir.Constant(lane, place))
        done = builder.call(_instruction(builder, "aesenclast", vector), [copies, ir.Constant(vector, [0, 0])])
        return builder.trunc(builder.extract_element(done, ir.Constant(lane, 0)), lane)

    return numba.types.uint32(numba.types.uint32), build


@extending.intrinsic
def _encrypt(_: Any, schedule: Any, block: Any, words: Any, place: Any) -> Any:
    """``words[place : place + STRIDE]`` become the encrypted numbers block, block + 1, …, each of 16 bytes."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        i64 = ir.IntType(64)
        vector, pair = ir.VectorType(i64, 8), ir.VectorType(i64, 2)
        keys, _, out, _ = (
            context.make_array(kind)(context, builder, value).data if isinstance(kind, numba.types.Array) else value
            for kind, value in zip(signature.args, arguments, strict=True)
        )
        keys = builder.bitcast(keys, pair.as_pointer())
        out = builder.bitcast(builder.gep(out, [arguments[3]]), vector.as_pointer())
        spread = ir.Constant(ir.VectorType(ir.IntType(32), 8), [0, 1] * 4)
        swap = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector]), "llvm.bswap.v8i64")

        def key(number: int) -> Any:
            one = builder.load(builder.gep(keys, [ir.Constant(i64, number)]), align=8)
            return builder.shuffle_vector(one, ir.Constant(pair, ir.Undefined), spread)

        first = builder.insert_element(ir.Constant(vector, ir.Undefined), arguments[1], ir.Constant(ir.IntType(32), 0))
        first = builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(ir.IntType(32), 8), [0] * 8))
        odd, state, whitening = ir.Constant(vector, [0, 2**64 - 1] * 4), [], key(0)
        for number in range(AT_ONCE):  # counters are big-endian, and their upper half is zero
            offsets = ir.Constant(vector, [4 * number + lane // 2 for lane in range(8)])
            counters = builder.and_(builder.call(swap, [builder.add(first, offsets)]), odd)
            state.append(builder.xor(counters, whitening))
        for number in range(1, 15):
            name, round_key = "aesenc" if number < 14 else "aesenclast", key(number)
            state = [builder.call(_instruction(builder, name, vector), [one, round_key]) for one in state]
        for number, one in enumerate(state):
            builder.store(one, builder.gep(out, [ir.Constant(i64, number)]), align=8)
        return context.get_dummy_value()

    return numba.types.void(schedule, block, words, place), build


@compiled
def _expanded(key: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The 15 round keys of a key of 8 words (FIPS 197, section 5.2)."""
    schedule = np.empty(60, np.uint32)
    schedule[:8] = key
    constant = np.uint32(1)
    for place in range(8, 60):
        word = schedule[place - 1]
        if place % 8 == 0:  # words are little-endian here, so that they rotate to the right
            word = _substituted(np.uint32((word >> np.uint32(8)) | (word << np.uint32(24)))) ^ constant
            constant = np.uint32(constant << np.uint32(1))
        elif place % 8 == 4:
            word = _substituted(word)
        schedule[place] = schedule[place - 8] ^ np.uint32(word)
    return schedule


@compiled
def _fill(schedule: NDArray[np.uint32], block: int, words: NDArray[np.uint64]) -> None:
    for place in range(0, len(words), STRIDE):
        _encrypt(schedule, np.uint64(block) + np.uint64(place // 2), words, place)
