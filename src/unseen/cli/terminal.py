"""What the terminal gets: one line for a refusal, a bar for what takes time, and the exit codes."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["BROKEN", "FAULT", "FINE", "REFUSED", "fault", "print_json", "printable", "refusal", "watched"]

FINE, FAULT, REFUSED, BROKEN = 0, 1, 2, 3
DEBUG = "UNSEEN_DEBUG"


def refusal(error: object) -> None:
    """One line on standard error."""
    print("unseen: " + " ".join(printable(str(error)).split()), file=sys.stderr)


def fault(error: BaseException) -> None:
    """One line about a bug: its kind and place, not its text, which may show private values."""
    last = traceback.extract_tb(error.__traceback__)[-1:]
    place = f" at {last[0].filename}:{last[0].lineno}" if last else ""
    if os.environ.get(DEBUG):
        traceback.print_exception(error)
    refusal(f"a fault of unseen: {type(error).__name__}{place}; {DEBUG}=1 shows all of it, private values too")


def printable(text: str) -> str:
    """The text without what could steer a terminal."""
    return "".join(one if one.isprintable() or one.isspace() else "�" for one in text)


def print_json(value: Any) -> None:
    """JSON on standard output."""
    print(json.dumps(value, indent=1, ensure_ascii=False, default=str))


@contextmanager
def watched() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on standard error, gone when it is done; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns: tuple[ProgressColumn, ...] = (
        SpinnerColumn(),
        BarColumn(24),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
    )
    columns = (*columns, TextColumn("{task.description}", markup=False))
    console = Console(stderr=True)
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with bar:
        task = bar.add_task("starting", total=1)
        yield lambda what, done, of: bar.update(task, description=what, completed=done, total=of)
