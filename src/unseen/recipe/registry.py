"""The closed list of what a recipe may name: guards, and the attacks on what they release."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Mapping

from unseen.core.errors import shown
from unseen.core.schema import Schema
from unseen.recipe.deid import GeneralizeTask, KAnonymizeTask, MondrianTask, PseudonymizeTask
from unseen.recipe.document import Document, Part
from unseen.recipe.keys import near
from unseen.recipe.statistics import CountTask, HistogramTask, MeanTask, SumTask
from unseen.recipe.task import Task
from unseen.recipe.training import ClassifierTask, LogisticRegressionTask

__all__ = ["ATTACKS", "GUARDS", "tasks"]

GUARDS: Mapping[str, type[Task]] = {
    "Count": CountTask,
    "Sum": SumTask,
    "Mean": MeanTask,
    "Histogram": HistogramTask,
    "KAnonymize": KAnonymizeTask,
    "Mondrian": MondrianTask,
    "Generalize": GeneralizeTask,
    "Pseudonymize": PseudonymizeTask,
    "Classifier": ClassifierTask,
    "LogisticRegression": LogisticRegressionTask,
}
ATTACKS = ("Distinguish", "Linkage", "Homogeneity", "Membership")


def tasks(document: Document) -> list[tuple[Task, Part | None]]:
    """Each release with the attack on it, or None; in the file's order.

    Raises:
        InvalidRecipe: a guard, an attack or an argument that is not allowed.
    """
    made = [_task(part, document.schema) for part in document.releases]
    names = {task.part.name: task for task in made}
    attacks: dict[str, Part] = {}
    for attack in document.attacks:
        if attack.name not in ATTACKS:
            raise attack.keys.fault(
                f"name = {attack.name!r}", f"attacks are {shown(ATTACKS)}", near(attack.name, ATTACKS)
            )
        if attack.kind not in names:
            raise attack.keys.fault(
                f"on = {attack.kind!r}", f"the recipe releases {shown(names)}", near(attack.kind, names)
            )
        if attack.kind in attacks:
            raise attack.keys.fault(f"on = {attack.kind!r}", "one attack on each release")
        names[attack.kind].check_attack(attack)
        attacks[attack.kind] = attack
    return [(task, attacks.get(task.part.name)) for task in made]


def _task(part: Part, schema: Schema) -> Task:
    if part.kind not in GUARDS:
        raise part.keys.fault(f"guard = {part.kind!r}", f"guards are {shown(GUARDS)}", near(part.kind, GUARDS))
    return GUARDS[part.kind](part, schema)
