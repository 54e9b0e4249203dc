"""What a recipe can do: one release, with its price before, and the attacks that fit it."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from unseen.core.accounting import Event
from unseen.core.dataset import Dataset
from unseen.core.errors import UnseenError
from unseen.core.guarantee import DP, Guarantee, KAnonymity
from unseen.core.schema import Schema
from unseen.recipe.document import Part
from unseen.recipe.keys import Keys, Kind
from unseen.report.claims import Report
from unseen.report.summary import Utility

__all__ = ["Done", "Task", "unattacked"]


@dataclass(frozen=True)
class Done:
    """A release that was made, with what the owner keeps of it.

    Args:
        what: what was released, in plain words.
        release: as JSON-ready values, large tables cut.
        guarantee: what it promises.
        utility: comparisons for the owner.
        exact: the exact result, for the owner's plots.
        table: a released dataframe, to be written as csv; None if there is none.
        secret: what the attack's judge needs, such as the release with its proof. The owner's.
    """

    what: str
    release: Mapping[str, Any]
    guarantee: Guarantee
    utility: tuple[Utility, ...] = ()
    exact: Any = None
    table: Any = None
    secret: Any = None


class Task(ABC):
    """One ``[[release]]``, read and ready.

    Args:
        part: the entry.
        schema: the recipe's.

    Raises:
        InvalidRecipe: a key is unknown, missing or unusable.
    """

    keys: ClassVar[Mapping[str, tuple[Kind, Any]]]
    """Allowed arguments: kind, and default (``...`` where it must be given)."""

    attacks: ClassVar[Mapping[str, Mapping[str, tuple[Kind, Any]]]] = {}
    """Attacks that fit this release, and their arguments."""

    def __init__(self, part: Part, schema: Schema) -> None:
        self.part, self.schema = part, schema
        self.arguments = _arguments(part.keys, ("name", "guard"), self.keys)

    @abstractmethod
    def price(self, data: Dataset) -> tuple[Event, Guarantee]:
        """What the release would do and promise; reads no private value and charges nothing."""

    @abstractmethod
    def release(self, data: Dataset, purpose: str) -> Done:
        """Charge, then release."""

    @abstractmethod
    def audit(self, done: Done, data: Dataset, attack: Part) -> Report:
        """Attack what was released."""

    def attacked(self, done: Done, data: Dataset, attack: Part | None) -> Report:
        """The attack's report, under the release's name.

        "Not attacked" without an attack, or where the data do not allow it: that does not stop a run.
        """
        if attack is None:
            return unattacked(self.part.name, done.guarantee)
        try:
            return replace(self.audit(done, data, attack), release=self.part.name)
        except UnseenError as error:
            note = f"{attack.name} could not be run on these data: {error}."
            return replace(unattacked(self.part.name, done.guarantee), attack=attack.name, notes=(note,))

    def check_attack(self, attack: Part) -> None:
        """Check that an attack fits this release, and its arguments.

        Args:
            attack: the entry.

        Raises:
            InvalidRecipe: it does not.
        """
        fitting = self.attacks.get(attack.name)
        if fitting is None:
            allowed = ", ".join(self.attacks) or "nothing yet"
            raise attack.keys.fault(
                f"on = {self.part.name!r}", f"{self.part.kind} is attacked by {allowed}", next(iter(self.attacks), "")
            )
        arguments = _arguments(attack.keys, ("name", "on"), fitting)
        with attack.keys.faults():
            self.try_attack(attack.name, arguments)

    def try_attack(self, name: str, arguments: Mapping[str, Any]) -> None:
        """Raise where the arguments are unusable, before anything is charged; by default none is."""
        return

    def attack_arguments(self, attack: Part) -> dict[str, Any]:
        """The attack's arguments; None where one was not given."""
        return _arguments(attack.keys, ("name", "on"), self.attacks[attack.name])


def _arguments(keys: Keys, taken: tuple[str, ...], allowed: Mapping[str, tuple[Kind, Any]]) -> dict[str, Any]:
    checked = Keys(keys.file, keys.where, keys.table, (*taken, *allowed))
    return {name: checked.take(name, kind, default) for name, (kind, default) in allowed.items()}


def unattacked(name: str, guarantee: Guarantee) -> Report:
    """A report of the claim alone."""
    if isinstance(guarantee, DP):
        return Report("", "ε", guarantee.epsilon, None, release=name)
    if isinstance(guarantee, KAnonymity):
        return Report("", "share of people re-identified", 1 / guarantee.k, None, release=name)
    return Report("", "no claim", None, None, release=name)
