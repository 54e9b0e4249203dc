"""Runs a recipe: everything is checked and priced before the first charge, then released, attacked, reported."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from unseen.core.accounting import Event
from unseen.core.dataset import Dataset
from unseen.core.errors import BudgetExceeded, InvalidRequest, LedgerMismatch, PolicyRefused, UnseenError
from unseen.core.guarantee import DP, Guarantee, price
from unseen.core.ledger import Basic, Change, Ledger
from unseen.core.schema import EachRow, Range
from unseen.data import protect
from unseen.recipe.derive import derived
from unseen.recipe.document import Document, Part, read, source_of
from unseen.recipe.keys import Keys
from unseen.recipe.registry import tasks
from unseen.recipe.task import Done, Task
from unseen.report.summary import Account, Released, Summary

__all__ = ["SHAREABLE", "Interrupted", "Progress", "Recipe"]

SHAREABLE = "shareable"

Progress = Callable[[str, int, int], None]
"""Called before each step with what is done next, how many steps are done, and how many there are."""

LIBRARIES = ("unseen", "opendp", "dp-accounting", "duckdb", "numpy", "torch", "scikit-learn")


@dataclass(frozen=True)
class Recipe:
    """A recipe, read from its file; ``read`` makes it.

    Args:
        document: what the file says.
        steps: each release with the attack on it, or None.
    """

    document: Document
    steps: tuple[tuple[Task, Part | None], ...]

    @classmethod
    def read(cls, path: str | Path) -> Recipe:
        """Read and check a recipe's file; touches no data.

        Raises:
            InvalidRecipe: naming file, key and what is allowed.
        """
        document = read(path)
        return cls(document, tuple(tasks(document)))

    def check(self, data: Dataset) -> tuple[Guarantee, ...]:
        """What each release would promise. Charges nothing and reads no private value.

        Args:
            data: the protected table, or an empty one that fits the schema.

        Raises:
            InvalidRecipe: a release does not fit the schema.
            PolicyRefused: the recipe's policy does not let one out.
            BudgetExceeded: all of them together cost more than the ledger has left.
        """
        planned = self._planned(data)
        if data.ledger is not None:
            _afford(self.document, planned, data.ledger)
        return tuple(promised for _, promised in planned)

    def _planned(self, data: Dataset) -> list[tuple[Event, Guarantee]]:
        planned = []
        for task, _ in self.steps:
            with task.part.keys.faults():
                event, found = task.price(data)
            planned.append((event, found))
            if self.document.policy is not None:
                try:
                    self.document.policy.check(task.part.kind, found)
                except PolicyRefused as error:
                    keys = task.part.keys
                    raise PolicyRefused(f"{keys.file}: {keys.where}: {error.asked}", error.allowed) from None
        return planned

    def run(
        self,
        out: str | Path,
        shareable: bool = False,
        progress: Progress = lambda what, done, of: None,
        changed: Change | None = None,
    ) -> Summary:
        """Check everything, charge, release, attack, and write ``report.html`` and ``report.json``.

        Args:
            out: folder of the results; made if it is not there. The ledger lies in it unless the recipe says otherwise.
            shareable: leave out of everything that is written what was computed without a price, and write it into a
                folder of its own in ``out``, away from ledger and key.
            progress: told before each step.
            changed: what has happened to the data since the ledger was bound to them; see ``un.protect``.

        Returns:
            The owner's whole summary, also where a shareable one was written.

        Raises:
            UnseenError: bad input, data, ledger or budget; nothing was charged.
            Interrupted: a release failed after others were charged.
        """
        from unseen.report.page import render  # loaded before anything is charged

        clock = _Clock(progress, 3 + len(self.steps) + sum(attack is not None for _, attack in self.steps))
        clock.next("checking the recipe")
        folder = Path(out)
        ledger, key = self._places(folder)
        self._rehearse(ledger, key)
        clock.next("reading the data")
        results = folder / SHAREABLE if shareable else folder
        _prepare(results, ledger, key)
        data = self.protect(ledger, key, changed)
        self.check(data)
        done = self._release(data, results, shareable, clock)
        summary = self._summary(data, self._attack(done, data, clock))
        clock.next("writing the report")
        shown = summary.for_sharing() if shareable else summary
        text = json.dumps(shown.to_dict(), indent=1, ensure_ascii=False, default=str)
        (results / "report.json").write_text(text, encoding="utf-8")
        (results / "report.html").write_text(render(shown), encoding="utf-8")
        clock.end()
        return summary

    def protect(self, ledger: str | Path, key: str | Path | None = None, changed: Change | None = None) -> Dataset:
        """The recipe's table, with derived columns, bound to a ledger.

        Args:
            ledger: its path, or a PostgreSQL URL; made if it is not there.
            key: the owner's key; see ``un.protect``.
            changed: what has happened to the data since the ledger was bound to them.

        Raises:
            DataFault: the data cannot be read, or do not fit the schema.
            LedgerError: the ledger cannot be used, or is for other data.
        """
        return self._protect(self._source(), ledger, key, changed)

    # --- Before the charge ------------------------------------------------------------------------------

    def _places(self, folder: Path) -> tuple[str | Path, Path | None]:
        """Where ledger and key lie: relative paths begin in the folder of the results."""
        document = self.document
        ledger = document.ledger if "://" in document.ledger else folder / document.ledger
        return ledger, None if document.key is None else folder / document.key

    def _rehearse(self, ledger: str | Path, key: Path | None) -> None:
        """Check against an empty table and a ledger of the same budget, so that a bad recipe makes no ledger."""
        import pyarrow as pa

        document = self.document
        schema = document.schema
        kinds = {name: pa.float64() if isinstance(d, Range) else pa.string() for name, d in schema.columns.items()}
        if isinstance(schema.unit, str):
            kinds[schema.unit] = pa.string()
        empty = pa.table({name: pa.array([], kind) for name, kind in (kinds or {"row": pa.string()}).items()})
        held = Ledger(ledger, key) if Ledger.exists(ledger) else None  # a corrupt one speaks before the data are read
        with tempfile.TemporaryDirectory() as folder:
            data = self._protect(empty, Path(folder) / "rehearsal.ledger")
            planned = self._planned(data)
            if ledger_or_new := held or data.ledger:
                _afford(document, planned, ledger_or_new)

    def _source(self) -> Any:
        document = self.document
        source = source_of(document)
        if not document.derive:
            return source
        with Keys(document.path.name, "[data]", {}).faults("derive"):
            return derived(source, document.derive, document.schema)

    def _protect(
        self, source: Any, ledger: str | Path, key: str | Path | None = None, changed: Change | None = None
    ) -> Dataset:
        schema = self.document.schema
        try:
            return protect(
                source,
                unit=schema.unit,
                columns=schema.columns,
                quasi_identifiers=schema.quasi_identifiers,
                sensitive=schema.sensitive,
                budget=self.document.budget,
                ledger=ledger,
                key=key,
                composition=self.document.composition,
                changed=changed,
                max_rows_per_unit=schema.max_rows_per_unit,
            )
        except LedgerMismatch as error:  # the way on, where there is one, in the words of the command line
            way = "unseen run --data-changed same-people" if error.fits else ""
            raise LedgerMismatch(error.asked, error.allowed, way) from None

    # --- From the first charge on -------------------------------------------------------------------------

    def _release(self, data: Dataset, folder: Path, shareable: bool, clock: _Clock) -> dict[str, Done]:
        """All releases; unpriced ones first: they may fail on the data, and then nothing was charged yet."""
        made: dict[str, Done] = {}
        order = sorted(self.steps, key=lambda step: isinstance(step[0].price(data)[1], DP))
        for task, _ in order:
            clock.next(f"releasing {task.part.name}")
            try:
                done = task.release(data, task.part.name)
            except UnseenError as error:
                charged = [one for one in made.values() if isinstance(one.guarantee, DP)]
                if charged:
                    raise Interrupted(f"{task.part.name}: {error}", len(charged)) from error
                raise
            made[task.part.name] = done
            if isinstance(done.guarantee, DP) or not shareable:
                _keep(folder / task.part.name, done)
        return made

    def _attack(self, made: dict[str, Done], data: Dataset, clock: _Clock) -> tuple[Released, ...]:
        found = []
        for task, attack in self.steps:
            done = made[task.part.name]
            if attack is not None:
                clock.next(f"attacking {task.part.name}")
            report = task.attacked(done, data, attack)
            found.append(Released(task.part.name, done.what, done.release, report, done.utility, done.exact))
        return tuple(found)

    def _summary(self, data: Dataset, released: tuple[Released, ...]) -> Summary:
        document = self.document
        schema = document.schema
        people = "every row is another person" if isinstance(schema.unit, EachRow) else f"people named by {schema.unit}"
        return Summary(
            title=document.title,
            purpose=document.purpose,
            source=f"{document.source}; {people}; columns {', '.join(schema.columns)}",
            released=released,
            account=None if data.ledger is None else Account.of(data.ledger),
            made=datetime.now(UTC).isoformat(timespec="seconds"),
            versions=_versions(),
        )


class Interrupted(UnseenError):
    """A release failed after others were charged.

    Args:
        problem: what happened.
        charged: how many releases had been charged.
    """

    def __init__(self, problem: str, charged: int) -> None:
        super().__init__(f"stopped at {problem}", f"{charged} releases before it were charged, and lie in the folder")
        self.charged = charged


class _Clock:
    """Counts steps for whoever watches."""

    def __init__(self, progress: Progress, steps: int) -> None:
        self.progress, self.steps, self.done = progress, steps, 0

    def next(self, what: str) -> None:
        self.progress(what, self.done, self.steps)
        self.done += 1

    def end(self) -> None:
        self.progress("done", self.steps, self.steps)


def _afford(document: Document, planned: list[tuple[Event, Guarantee]], ledger: Ledger) -> None:
    priced = [(event, one) for event, one in planned if isinstance(one, DP)]
    costs = [tuple(map(Fraction, ledger.head.spent)), *(ledger.filter.cost(event, one) for event, one in priced)]
    if not ledger.filter.admits(tuple(sum(parts, Fraction(0)) for parts in zip(*costs, strict=True))):
        epsilon = sum((price(one.epsilon) for _, one in priced), Fraction(0))
        delta = sum((price(one.delta) for _, one in priced), Fraction(0))
        left = ledger.left
        raise BudgetExceeded(
            f"{document.path.name}: its {len(priced)} priced releases ask for ε {float(epsilon):g}, δ {float(delta):g}",
            f"ε {left[0]:.6g}, δ {left[1]:.6g} of ε {ledger.budget.epsilon:g}, δ {ledger.budget.delta:g} are left"
            f"{'' if ledger.composition == Basic.name else ' for one release'}",
        )


def _prepare(folder: Path, *places: str | Path | None) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for place in places:
            if isinstance(place, Path):
                place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or error
        raise InvalidRequest(f"results in {str(folder)!r} were asked for", f"a folder ({problem})") from None


def _keep(path: Path, done: Done) -> None:
    """Write a release as soon as it was made: what was paid for is not lost if a later step fails."""
    if done.table is not None:
        import narwhals as nw

        nw.from_native(done.table, eager_only=True).write_csv(path.with_name(path.name + ".csv"))
    text = json.dumps(done.release, indent=1, ensure_ascii=False, default=str)
    path.with_name(path.name + ".json").write_text(text, encoding="utf-8")


def _versions() -> dict[str, str]:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
