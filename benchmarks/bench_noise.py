"""Noise for gradients against torch's and NumPy's generators, and against the bytes that it cannot do without."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from unseen.core.noise.entropy import Entropy, counter_mode
from unseen.core.noise.gradient import add_gaussian_
from unseen.core.noise.keystream import fill, lanes, round_keys
from unseen.core.noise.normals import BLOCK, PART, transform

ROUNDS = 15
SIZES = [("one layer of 1024 x 1024", 1 << 20), ("a model of 16 million", 1 << 24)]
SMALL = [256 * 784, 256, 256 * 256, 256, 10 * 256, 10]  # a small perceptron's tensors


def measured(acts: dict[str, Callable[[], Any]], elements: int) -> dict[str, tuple[float, float]]:
    """Nanoseconds an element, median and least, all acts in turn in each round; of one thread those it worked."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    seen: dict[str, list[float]] = {name: [] for name in acts}
    for act in acts.values():
        act()
    for _ in range(ROUNDS):
        for name, act in acts.items():
            start = clock()
            act()
            seen[name].append((clock() - start) / elements * 1e9)
    return {name: (statistics.median(times), min(times)) for name, times in seen.items()}


def table(title: str, seen: dict[str, tuple[float, float]], against: str) -> None:
    print(f"\n{title}\n{'':46} {'median':>7} {'least':>7}   ns an element; ratio to {against}")
    for name, (median, least) in seen.items():
        print(
            f"{name:46} {median:7.2f} {least:7.2f}   {median / seen[against][0]:5.2f} {least / seen[against][1]:5.2f}"
        )


def encrypted(bytes_each: int, elements: int) -> Callable[[], None]:
    """As many bytes of AES by the processor's instructions, without the transform, in blocks that stay in a cache."""
    words, schedule = np.empty(BLOCK // 8 * bytes_each, np.uint64), round_keys(bytes(32))

    def act() -> None:
        for _ in range(elements // BLOCK):
            fill(schedule, 0, words)

    return act


def library(bytes_each: int, elements: int) -> Callable[[], None]:
    """As many bytes of AES as ``cryptography`` makes them."""
    zeros, out = np.zeros(BLOCK * bytes_each, np.uint8), np.empty(BLOCK * bytes_each + 16, np.uint8)

    def act() -> None:
        stream = counter_mode(bytes(32))
        for _ in range(elements // BLOCK):
            stream.update_into(zeros, out)

    return act


def transformed(dtype: Any, elements: int) -> Callable[[], None]:
    """The transform alone, of words that are there."""
    words, given = Entropy().words(PART).copy(), np.empty(0, np.uint32)
    out, compiled = np.zeros(PART, dtype), transform(np.dtype(dtype))

    def act() -> None:
        for _ in range(elements // PART):
            compiled(given, 0, words, out, 1.0, 1.0)

    return act


def compare(title: str, sizes: list[int], dtype: torch.dtype, threads: int) -> None:
    torch.set_num_threads(threads)
    kind = np.float32 if dtype == torch.float32 else np.float64
    elements = sum(sizes)
    entropy, numpy = Entropy(), np.random.Generator(np.random.SFC64())
    sums, theirs = ([torch.zeros(size, dtype=dtype) for size in sizes] for _ in range(2))
    arrays = [np.zeros(size, kind) for size in sizes]

    def normal_() -> None:
        for tensor in theirs:
            tensor.normal_()

    def added() -> None:
        for tensor in theirs:
            tensor += torch.normal(0.0, 1.0, tensor.shape, dtype=dtype)

    def standard_normal() -> None:
        for array in arrays:
            numpy.standard_normal(out=array, dtype=kind)

    def written() -> None:
        for tensor in theirs:
            tensor.zero_()

    bytes_each = 6 if dtype == torch.float32 else 8
    acts: dict[str, Callable[[], Any]] = {
        "torch normal_ (Mersenne Twister, 24-bit)": normal_,
        "torch.normal, then added": added,
        "NumPy standard_normal (SFC64, ziggurat)": standard_normal,
        "ours, added in place (AES-256)": lambda: add_gaussian_(sums, 1.0, entropy),
        "ours, added and divided in place": lambda: add_gaussian_(sums, 1.0, entropy, 1 / 256),
        f"  AES-256 of {bytes_each} bytes, cryptography": library(bytes_each, elements),
        **(
            {f"  AES-256 of {bytes_each} bytes, {64 * lanes()} bits at once": encrypted(bytes_each, elements)}
            if lanes()
            else {}
        ),
        "  the transform": transformed(kind, elements),
        "  floor: the memory written": written,
    }
    if elements < BLOCK * 64:
        acts = dict(list(acts.items())[:5])
    table(f"{title}, {str(dtype)[6:]}, {threads} thread(s)", measured(acts, elements), next(iter(acts)))


def main() -> None:
    """Each table is one interleaved run."""
    print(
        f"{platform.machine()}, {torch.get_num_threads()} threads, Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "numba", "cryptography"))
    )
    most = torch.get_num_threads()
    for threads in sorted({1, most}):
        for dtype in (torch.float32, torch.float64):
            for title, size in SIZES:
                compare(title, [size], dtype, threads)
        compare("a small perceptron's six tensors (269,000)", SMALL, torch.float32, threads)


if __name__ == "__main__":
    main()
