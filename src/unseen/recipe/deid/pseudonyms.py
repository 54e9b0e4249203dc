"""A pseudonymised table in a recipe."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from unseen.recipe.deid.tables import TableTask
from unseen.recipe.keys import TABLE, TEXT, Kind, either

if TYPE_CHECKING:
    from unseen.deid import Policy, Pseudonymize

__all__ = ["PseudonymizeTask"]


class PseudonymizeTask(TableTask):
    """``guard = "Pseudonymize"``: pseudonyms for what identifies, other columns as the policy says.

    ``policy`` is the path of a TOML file with a table ``[policy]``, or that table itself; ``key`` is the path of the
    key's file, which ``unseen deid pseudonymize --make-key`` or ``un.deid.Key.create`` makes.
    """

    guard: Pseudonymize
    keys: ClassVar[Mapping[str, tuple[Kind, Any]]] = {"policy": (either(TEXT, TABLE), ...), "key": (TEXT, ...)}

    def made(self) -> Pseudonymize:
        """The guard."""
        from unseen.deid import Key, Pseudonymize

        return Pseudonymize(self._policy(), Key.open(self.part.path(self.arguments["key"])))

    def _policy(self) -> Policy:
        from unseen.deid import Policy

        given = self.arguments["policy"]
        return Policy.of(given, self.part.folder) if isinstance(given, dict) else Policy.read(self.part.path(given))

    def names(self) -> Sequence[str]:
        """The quasi-identifiers that stay as they are."""
        from unseen.deid.pseudonym import Keep

        kept = self.guard.policy.operation
        return [name for name in self.schema.quasi_identifiers if isinstance(kept(name), Keep)]

    def what(self) -> str:
        """Whose pseudonyms."""
        return f"The table itself, with pseudonyms of the project {self.guard.policy.project}."
