"""Statistics in a recipe: the noised value beside the exact one, attacked on generated neighbours."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from unseen.core.accounting import Event
from unseen.core.dataset import Dataset
from unseen.core.guarantee import Guarantee
from unseen.core.schema import Schema
from unseen.query import Count, Histogram, Mean, Sum
from unseen.query.bounding import group_sums
from unseen.query.statistic import Statistic
from unseen.recipe.document import Part
from unseen.recipe.keys import NUMBER, NUMBERS, TEXT, WHOLE, Kind, either
from unseen.recipe.neighbours import neighbours
from unseen.recipe.task import Done, Task
from unseen.report.claims import Report
from unseen.report.summary import Utility

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CountTask", "HistogramTask", "MeanTask", "SumTask"]

Arguments = Mapping[str, tuple[Kind, Any]]
GROUPED: Arguments = {"epsilon": (NUMBER, ...), "by": (TEXT, None)}
COLUMN: Arguments = {"column": (TEXT, ...), **GROUPED}


class StatisticTask(Task):
    """A statistic; each kind names its guard and its sentence."""

    attacks: ClassVar[Mapping[str, Arguments]] = {
        "Distinguish": {"runs": (WHOLE, 20_000), "confidence": (NUMBER, 0.999)}
    }
    guard: ClassVar[type[Statistic]]
    sentence: ClassVar[str]

    def __init__(self, part: Part, schema: Schema) -> None:
        super().__init__(part, schema)
        with part.keys.faults():
            self.statistic = self.guard(**self.arguments)

    def price(self, data: Dataset) -> tuple[Event, Guarantee]:
        """What the release would do and promise, from the schema alone."""
        return self.statistic.price(data)

    def release(self, data: Dataset, purpose: str) -> Done:
        """Charge, draw the noise, and keep the exact result for the owner."""
        found = self.statistic.release(data, purpose)
        exact = _exact(self.statistic, data)
        return Done(self.what(), found.to_dict(), found.guarantee, _utility(found.value, exact), exact)

    def what(self) -> str:
        """What is released, in plain words."""
        groups = f", for each {self.statistic.by}" if self.statistic.by else ""
        return self.sentence.format(column=self.arguments.get("column", "")) + groups + ", with noise."

    def try_attack(self, name: str, arguments: Mapping[str, Any]) -> None:
        """Too few runs, or no confidence."""
        from unseen.attack import Distinguish

        Distinguish(lambda runs: None, lambda runs: None, **arguments)

    def audit(self, done: Done, data: Dataset, attack: Part) -> Report:
        """Tell two generated neighbouring tables apart from the guard's outputs."""
        from unseen.attack import Distinguish

        without, with_one = neighbours(data.schema, self.statistic)
        attacker = Distinguish(
            lambda runs: self.statistic.replay(without, runs),
            lambda runs: self.statistic.replay(with_one, runs),
            **self.attack_arguments(attack),
        )
        return attacker.audit(done.guarantee)


class CountTask(StatisticTask):
    """``guard = "Count"``."""

    keys, guard, sentence = GROUPED, Count, "How many rows there are"


class SumTask(StatisticTask):
    """``guard = "Sum"``."""

    keys, guard, sentence = COLUMN, Sum, "The sum of {column}"


class MeanTask(StatisticTask):
    """``guard = "Mean"``."""

    keys, guard, sentence = COLUMN, Mean, "The mean of {column}"


class HistogramTask(StatisticTask):
    """``guard = "Histogram"``."""

    keys: ClassVar[Arguments] = {**COLUMN, "edges": (either(WHOLE, NUMBERS), None)}
    guard, sentence = Histogram, "How many rows fall into each bin of {column}"


def _exact(statistic: Statistic, data: Dataset) -> Any:
    """What the release would say without noise, over the same bounded rows. The owner's."""
    keys = statistic.keys(data)
    sums = group_sums(data, statistic.query(data), statistic.by, keys)
    return statistic.outcome(sums, statistic.mechanism(data), keys, data).value


def _utility(released: Any, exact: Any) -> tuple[Utility, ...]:
    if not isinstance(exact, dict):
        return (Utility("the number itself", float(released), float(exact)),)
    noised, true = _numbers(released), _numbers(exact)
    error = float(np.abs(noised - true).mean()) if len(true) else 0.0
    return (Utility(f"mean error of the {len(true)} numbers", error, 0.0, higher_is_better=False),)


def _numbers(value: Any) -> NDArray[np.float64]:
    if isinstance(value, dict):
        return np.concatenate([_numbers(part) for part in value.values()]) if value else np.zeros(0)
    return np.array([float(value)])
