"""One step of private training against one step of non-private training: time and peak memory, six models, all ways.

A step is forward, backward, clipping, noise and SGD. Every step of every way sees the same whole batch; drawing it is
timed for nobody. Opacus runs with secure_mode off and without Poisson sampling.
"""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import math
import os
import platform
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from train_models import CASES, Case
from train_peers import USUAL, WAYS, Way, hush

TURN = 0.15  # seconds that a way's turn should fill
PATIENCE = 1.0  # seconds; a way with a longer turn sits out rounds
LEAST_TURNS = 3
SMALL = 64  # MiB; a peak below it moves by a few MiB between processes, so the median of three is taken
MIB = 1 << 20


@dataclass
class Seen:
    """What one way showed on one model."""

    title: str
    steps: int = 1  # in a turn
    stride: int = 1  # it has a turn in each so-manieth round
    times: dict[int, float] = field(default_factory=dict)  # by round, the median step in seconds
    memory: float | None = None  # MiB
    trouble: str = ""


def built(case: Case, way: str, rows: int, device: torch.device) -> Way:
    inputs, labels = case.rows(rows)
    return WAYS[way](case.model(way).to(device), (inputs.to(device), labels.to(device)))


def reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"not supported: {type(error).__name__}: {' '.join(lines)[:160]}"


def clocked(way: Way, device: torch.device) -> float:
    """Seconds of one step; its draw comes before the clock starts."""
    way.ready()
    wait(device)
    start = time.perf_counter()
    way.step()
    wait(device)
    return time.perf_counter() - start


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(case: Case, names: list[str], rounds: int, device: torch.device) -> dict[str, Seen]:
    """All ways in turn, in another order in each round; the first step of a turn warms the caches where it is short."""
    seen = {name: Seen(WAYS[name].title + case.form(name)) for name in names}
    ways: dict[str, Way] = {}
    for name in names:
        try:
            ways[name] = built(case, name, case.batch, device)
            warm = [clocked(ways[name], device)]
            while len(warm) < (2 if warm[0] > 2 else 3) or (sum(warm[1:]) < TURN and len(warm) < 20):
                warm.append(clocked(ways[name], device))
        except Exception as error:  # what a peer cannot do is a line of the table
            ways.pop(name, None)
            seen[name].trouble = reason(error)
            continue
        usual = statistics.median(warm[1:])
        seen[name].steps = max(1, min(20, round(TURN / usual)))
        seen[name].stride = max(1, min(math.ceil(seen[name].steps * usual / PATIENCE), rounds // LEAST_TURNS))
    seen["plain"].stride = 1
    source = random.Random(0)
    for number in range(rounds):
        for name in source.sample(list(ways), len(ways)):
            one = seen[name]
            if number % one.stride == 0:
                if one.steps > 1:
                    clocked(ways[name], device)
                one.times[number] = statistics.median(clocked(ways[name], device) for _ in range(one.steps))
    return seen


# --- Memory: a process of its own for each way ------------------------------------------------------------


def resident(key: str) -> float:
    """MiB of VmRSS, now, or of VmHWM, the most since it was set back."""
    found = re.search(rf"^{key}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else math.nan


def settle() -> None:
    """Give back what is free, so that the baseline holds no leftovers that a step could fill unseen."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)


def peak(case: Case, name: str, device: torch.device) -> float:
    """MiB above the baseline: model, optimiser and batch are there, code is loaded, no step was taken.

    Code is loaded by one step of a second copy on two rows, thrown away. A compiled way takes that step on the
    whole batch, or its compiler would be measured.
    """
    first = built(case, name, case.batch if WAYS[name].compiled else 2, device)
    clocked(first, device)
    del first
    way = built(case, name, case.batch, device)
    way.ready()
    settle()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device) / MIB
    else:
        Path("/proc/self/clear_refs").write_text("5")  # sets VmHWM back to VmRSS
        before = resident("VmRSS")
    way.step()
    start = time.perf_counter()
    for _ in range(4):
        clocked(way, device)
        if time.perf_counter() - start > 3:
            break
    wait(device)
    after = torch.cuda.max_memory_allocated(device) / MIB if device.type == "cuda" else resident("VmHWM")
    return after - before


def measured(case_name: str, name: str, options: argparse.Namespace) -> float | None:
    """``peak`` in a fresh process, under glibc's defaults."""
    command = [sys.executable, __file__, "--peak-of", case_name, name, "--device", options.device]
    if options.threads:
        command += ["--threads", str(options.threads)]
    defaults = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=defaults)
    if done.returncode != 0:
        print(f"memory of {name}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    return float(json.loads(done.stdout.splitlines()[-1]))


# --- The table --------------------------------------------------------------------------------------------


def table(case: Case, seen: dict[str, Seen]) -> None:
    parameters = sum(parameter.numel() for parameter in case.build().parameters())
    print(f"\n{case.title}: {parameters:,} parameters, batch {case.batch}")
    print(f"  {'':42} {'ms':>9} {'ratio':>7} {'its quartiles':>15} {'rounds x steps':>15} {'MiB':>8} {'ratio':>6}")
    plain = seen["plain"]
    for one in seen.values():
        if one.trouble:
            print(f"  {one.title:42} {one.trouble}")
            continue
        ratios = sorted(seconds / plain.times[number] for number, seconds in one.times.items())
        low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
        memory = "" if one.memory is None else f"{one.memory:8.1f}"
        times = f"{one.memory / plain.memory:6.2f}" if one.memory is not None and plain.memory else ""
        print(
            f"  {one.title:42} {statistics.median(one.times.values()) * 1e3:9.2f} {middle:7.2f} "
            f"{f'{low:.2f} - {high:.2f}':>15} {f'{len(ratios)} x {one.steps}':>15} {memory:>8} {times:>6}",
            flush=True,
        )


def words(text: str, known: dict[str, Any]) -> list[str]:
    found = [word for word in text.split(",") if word]
    if unknown := [word for word in found if word not in known]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not one of {', '.join(known)}")
    return found


def among(known: dict[str, Any]) -> Callable[[str], list[str]]:
    return lambda text: words(text, known)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=among(CASES), default=list(CASES), help=", ".join(CASES))
    parser.add_argument("--ways", type=among(WAYS), default=list(WAYS), help=", ".join(WAYS))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, help="torch's own choice if not given")
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--peak-of", nargs=2, metavar=("MODEL", "WAY"), help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    chosen = options()
    hush()
    device = torch.device(chosen.device)
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    if chosen.peak_of:
        case, way = chosen.peak_of
        print(json.dumps(peak(CASES[case], way, device)))
        return
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    print(
        f"{where}, {torch.get_num_threads()} threads of {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the "
        f"start, OMP_WAIT_POLICY {os.environ.get('OMP_WAIT_POLICY', 'not set')}, "
        f"glibc {'keeps' if os.environ.get('MALLOC_TRIM_THRESHOLD_') else 'returns'} freed memory, "
        f"Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in ("torch", "opacus", "unseen"))
    )
    print(
        "ms: median over rounds of a round's median step. ratio: to non-private eager of the same round.\nMiB: peak "
        + ("allocated" if device.type == "cuda" else "resident set (VmHWM, glibc's defaults)")
        + " of up to five steps in a fresh process, above what was there before the first;\n"
        + f"below {SMALL} MiB the median of three.",
        flush=True,
    )
    for name in chosen.models:
        case = CASES[name]
        wanted = [way for way in WAYS if way in chosen.ways and way in (*USUAL, *case.more_ways)]
        seen = timed(case, list(dict.fromkeys(["plain", *wanted])), max(1, chosen.rounds), device)
        gc.collect()
        for way, one in seen.items():
            if not one.trouble and not chosen.no_memory:
                one.memory = measured(name, way, chosen)
                if one.memory is not None and one.memory < SMALL:
                    again = [measured(name, way, chosen) for _ in range(2)]
                    one.memory = statistics.median([one.memory, *(peak for peak in again if peak is not None)])
        table(case, seen)


if __name__ == "__main__":
    main()
