"""Drives child.py: a warm process that forks workers on request, so that hundreds can be killed in a minute."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

__all__ = ["Warm", "lines"]


def lines(log: Path) -> list[dict[str, Any]]:
    """What was logged; a line is whole or not there."""
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


class Warm:
    """The parent of workers. A worker is known by its number until it is reaped, so no other process can be hit."""

    def __enter__(self) -> Warm:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("child.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},  # a fork has one thread, and must not miss others
        )
        self._alive: set[int] = set()
        self._heard: list[tuple[str, str]] = []
        self._answer("warm")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pid in self._alive:
            os.kill(pid, signal.SIGKILL)
        self._process.communicate()

    def ask(self, job: dict[str, Any]) -> None:
        """Hand over a job."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()

    def fork(self, job: dict[str, Any]) -> int:
        """Start a worker and give its number."""
        self.ask(job)
        pid = int(self._answer("forked"))
        self._alive.add(pid)
        return pid

    def ready(self) -> None:
        """Wait until the worker that was forked last has its datasets open."""
        self._answer("ready")

    def inherit(self, job: dict[str, Any]) -> None:
        """Open a ledger in the warm process, for all workers to inherit."""
        self.ask({**job, "job": "inherit"})
        self._answer("inherited")

    def reap(self, pid: int) -> int:
        """Wait for a worker's end and give its exit code, negative for a signal."""
        self.ask({"job": "reap", "pid": pid})
        code = int(self._answer("reaped"))
        self._alive.discard(pid)
        if not self._alive:
            self._heard.clear()  # what the dead had still said
        return code

    def _answer(self, wanted: str) -> str:
        """The next line that begins with this word; others are kept, as workers and their parent share the pipe."""
        assert self._process.stdout is not None
        for index, (word, rest) in enumerate(self._heard):
            if word == wanted:
                del self._heard[index]
                return rest
        while line := self._process.stdout.readline():
            word, _, rest = line.strip().partition(" ")
            if word == wanted:
                return rest
            if word == "failed":  # it will never say what is waited for
                raise RuntimeError(f"a worker ended with {rest}")
            self._heard.append((word, rest))
        raise RuntimeError(f"the warm process ended with {self._process.wait()}")
