"""Anonymous tables in a recipe: the best levels of whole columns, cuts of each part, or levels chosen by hand."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from unseen.recipe.deid.hierarchies import HIERARCHIES, hierarchies
from unseen.recipe.deid.models import OF_A_COLUMN, OF_A_POPULATION, models
from unseen.recipe.deid.tables import TableTask
from unseen.recipe.keys import NUMBER, TABLE, TEXT, TEXTS, WHOLE, Keys, Kind, either
from unseen.report.summary import Utility

if TYPE_CHECKING:
    from unseen.deid import Generalize, KAnonymize, Mondrian

__all__ = ["GeneralizeTask", "KAnonymizeTask", "MondrianTask"]

Arguments = Mapping[str, tuple[Kind, Any]]
LOSS = "mean loss of detail in the quasi-identifiers"


class AnonymityTask(TableTask):
    """A table with vaguer quasi-identifiers; each kind makes its guard."""

    def names(self) -> Sequence[str]:
        """The quasi-identifiers."""
        return self.arguments["quasi_identifiers"] or self.schema.quasi_identifiers

    def what(self) -> str:
        """Which columns became vaguer."""
        return f"The table itself, with vaguer {', '.join(self.names())}; other columns as they are."

    def utility(self, proof: Any) -> tuple[Utility, ...]:
        """The loss, or what else was minimised."""
        named = LOSS if proof.quality == "loss" else proof.quality
        return (Utility(named, proof.score, 0.0, higher_is_better=False),)


class KAnonymizeTask(AnonymityTask):
    """``guard = "KAnonymize"``: see ``hierarchies`` and ``models`` for what these keys hold.

    ``quality`` is a measure's name, or ``{downstream = "salary"}``.
    """

    keys: ClassVar[Arguments] = {
        "k": (WHOLE, 5),
        "quasi_identifiers": (TEXTS, None),
        "suppress_at_most": (NUMBER, 0.02),
        "hierarchies": (HIERARCHIES, None),
        "quality": (either(TEXT, TABLE), "loss"),
        **OF_A_COLUMN,
        **OF_A_POPULATION,
    }

    def made(self) -> KAnonymize:
        """The guard."""
        from unseen.deid import Downstream, KAnonymize

        quality = self.arguments["quality"]
        if isinstance(quality, dict):
            told = Keys(self.part.keys.file, f"{self.part.keys.where} quality", quality, ("downstream",))
            quality = Downstream(told.take("downstream", TEXT))
        return KAnonymize(
            self.arguments["k"],
            self.arguments["quasi_identifiers"],
            self.arguments["suppress_at_most"],
            hierarchies(self.arguments["hierarchies"], self.names(), self.part, self.schema),
            quality,
            **models(self.arguments, self.part, self.schema),
        )


class MondrianTask(AnonymityTask):
    """``guard = "Mondrian"``: cuts at medians, for millions of rows."""

    keys: ClassVar[Arguments] = {
        "k": (WHOLE, 5),
        "quasi_identifiers": (TEXTS, None),
        "hierarchies": (HIERARCHIES, None),
        **OF_A_COLUMN,
    }

    def made(self) -> Mondrian:
        """The guard."""
        from unseen.deid import Mondrian

        return Mondrian(
            self.arguments["k"],
            self.arguments["quasi_identifiers"],
            hierarchies(self.arguments["hierarchies"], self.names(), self.part, self.schema),
            **models(self.arguments, self.part, self.schema),
        )


class GeneralizeTask(AnonymityTask):
    """``guard = "Generalize"``: ``levels = { age = 2, zip = -1 }``, -1 for hidden."""

    keys: ClassVar[Arguments] = {
        "levels": (TABLE, ...),
        "k": (WHOLE, None),
        "suppress_at_most": (NUMBER, 0.0),
        "hierarchies": (HIERARCHIES, None),
    }

    def made(self) -> Generalize:
        """The guard."""
        from unseen.deid import Generalize

        return Generalize(
            self.arguments["levels"],
            self.arguments["k"],
            self.arguments["suppress_at_most"],
            hierarchies(self.arguments["hierarchies"], self.names(), self.part, self.schema),
        )

    def names(self) -> Sequence[str]:
        """The columns that have a level."""
        return list(self.arguments["levels"])
