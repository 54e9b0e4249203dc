"""The steps that a run was charged for, each given out once, also where the run is killed and resumed."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock

from unseen.core.errors import InvalidRequest, LedgerError
from unseen.core.noise.entropy import this_process

__all__ = ["Steps"]

SHARE = 100
"""A killed process loses at most one in so many of the charged steps, or one epoch of shuffled batches, if that is
more, beside those since its checkpoint."""


class Steps:
    """Charged steps, given out in their order.

    As long as nobody else can go on with the run they are counted in memory. Once there is a checkpoint, they are
    counted in a file: steps are reserved in it, in blocks, before the first of a block is given out.

    Args:
        charged: how many.
        together: steps that another process must not begin in the middle of: an epoch of shuffled batches.
        first: the first that is left.

    **Guarantee**: all processes that go on with one run, one after another or at once, are together given each step at
    most once, whatever is killed when; a reservation is on the disk before a step of it is given out. Assumed: the
    file is neither copied nor put back to an older state, and its disk keeps what it says it wrote.
    """

    def __init__(self, charged: int, together: int = 1, first: int = 0) -> None:
        self.charged, self.together = charged, together
        self._next, self._end = first, charged
        self._file: Path | None = None
        self._process = this_process()
        self._one_at_a_time = Lock()

    @classmethod
    def resumed(cls, file: Path, run: str, charged: int, together: int = 1) -> Steps:
        """What is left of a run whose steps are counted in a file.

        Raises:
            LedgerError: the file is not there, or not this run's.
        """
        steps = cls(charged, together)
        with _written(file) as connection:
            found = connection.execute("SELECT run, charged, begun FROM steps").fetchone()
        if found is None or found[:2] != (run, charged):
            raise LedgerError(f"the count of steps at {str(file)!r} is another run's", "the file that the run made")
        steps._file, steps._next, steps._end = file, found[2], found[2]
        return steps

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("charged steps are not copied: they would be drawn twice")

    @property
    def given(self) -> int:
        """How many were given out, or are lost."""
        return self._next

    @property
    def left(self) -> int:
        """How many are left, unless another process takes them."""
        return self.charged - self._next

    def take(self) -> int | None:
        """The next step's number; None if none is left.

        Raises:
            InvalidRequest: this process is a fork of the one that holds the steps.
            LedgerError: they can't be counted any more.
        """
        if this_process() != self._process:
            raise InvalidRequest(
                "a step in a forked process was asked for",
                "the process that opened the run: charged steps are drawn once",
                "a checkpoint, and DPSGD.resume",
            )
        with self._one_at_a_time:
            if self._next >= self._end and self._file is not None:
                self._reserve(self._file)
            if self._next >= self._end:
                return None
            self._next += 1
            return self._next - 1

    def keep(self, file: Path, run: str) -> None:
        """Count in a file from now on, and give back in it what this process had reserved and not used.

        Raises:
            InvalidRequest: they are counted in another file.
        """
        if self._file is None:
            self._end = min(self.charged, self._whole(self._next))
            _make(file, run, self.charged, self._end)
            self._file = file
        elif file != self._file:
            raise InvalidRequest(
                f"a checkpoint in {str(file.parent)!r} was asked for",
                f"the folder of the first, {str(self._file.parent)!r}, where the run's steps are counted",
            )
        else:
            used = min(self.charged, self._whole(self._next))
            with _written(file) as connection:
                # If another has reserved since, what was not used lies before its steps and stays lost.
                if connection.execute("UPDATE steps SET begun = ? WHERE begun = ?", (used, self._end)).rowcount:
                    self._end = used

    def _whole(self, steps: int) -> int:
        return -(-steps // self.together) * self.together

    def _reserve(self, file: Path) -> None:
        with _written(file) as connection:
            (begun,) = connection.execute("SELECT begun FROM steps").fetchone()
            end = min(self.charged, begun + self._whole(max(1, self.charged // SHARE)))
            connection.execute("UPDATE steps SET begun = ?", (end,))
        self._next, self._end = begun, end


@contextmanager
def _written(file: Path) -> Iterator[sqlite3.Connection]:
    """One serialised transaction that is durable once it has ended."""
    try:
        with closing(
            sqlite3.connect(f"{file.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=60)
        ) as connection:
            connection.execute("PRAGMA synchronous=EXTRA")
            connection.execute("PRAGMA fullfsync=ON")
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
    except (sqlite3.Error, TypeError) as error:
        raise LedgerError(
            f"the count of steps at {str(file)!r} can't be used ({error})",
            "the file that the run made beside its ledger's key, or beside its first checkpoint",
        ) from None


def _make(file: Path, run: str, charged: int, begun: int) -> None:
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise LedgerError(f"a count of steps at {str(file)!r} can't be made ({error.strerror})", "a new file") from None
    with _written(file) as connection:
        connection.execute("CREATE TABLE steps (run TEXT NOT NULL, charged INTEGER NOT NULL, begun INTEGER NOT NULL)")
        connection.execute("INSERT INTO steps VALUES (?, ?, ?)", (run, charged, begun))
