"""The exception tree: every error says what was asked, what is allowed and what would fit.

UnseenError
├── InvalidRequest          an argument, a declaration or a recipe that cannot be honoured
│   ├── InvalidSchema       the owner's declaration of the data
│   ├── InvalidRecipe       a recipe: file, key and what is allowed there
│   └── DataFault           the data do not fit the declaration (seen by the owner alone)
├── BudgetExceeded          the ledger cannot pay for it
├── PolicyRefused           the owner's policy does not let it out unasked
├── LedgerError             the ledger cannot be used
│   ├── LedgerCorrupt       its chain does not verify
│   ├── LedgerLocked        it is older than, or another than, a head that is known of it
│   └── LedgerMismatch      it belongs to other data or another declaration
└── MissingExtra            an optional dependency is not installed
"""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import importlib
from types import ModuleType

__all__ = [
    "BudgetExceeded",
    "DataFault",
    "InvalidRecipe",
    "InvalidRequest",
    "InvalidSchema",
    "LedgerCorrupt",
    "LedgerError",
    "LedgerLocked",
    "LedgerMismatch",
    "MissingExtra",
    "PolicyRefused",
    "UnseenError",
    "extra",
    "shown",
]


class UnseenError(Exception):
    """Root of all errors that unseen raises on purpose.

    Args:
        asked: what the caller asked for.
        allowed: what would have been allowed.
        fits: what to write instead, if one thing fits.

    The message is one line and holds nothing that was computed from private values.
    """

    def __init__(self, asked: str, allowed: str = "", fits: str = "") -> None:
        self.asked, self.allowed, self.fits = asked, allowed, fits
        parts = [asked, allowed, f"try: {fits}" if fits else ""]
        super().__init__("; ".join(" ".join(part.split()) for part in parts if part))


class InvalidRequest(UnseenError, ValueError):
    """An argument, a declaration or a recipe cannot be honoured."""


class InvalidSchema(InvalidRequest):
    """The owner's declaration of the data is incomplete or contradicts itself."""


class InvalidRecipe(InvalidRequest):
    """A recipe has an unknown, missing or unusable entry."""


class DataFault(InvalidRequest):
    """The data do not fit their declaration; only the owner sees this, at ``protect``."""


class BudgetExceeded(UnseenError):
    """The ledger does not hold what the release costs; nothing was charged."""


class PolicyRefused(UnseenError):
    """The owner's policy does not let this out without asking; nothing was charged."""


class LedgerError(UnseenError):
    """The ledger cannot be used; nothing was charged."""


class LedgerCorrupt(LedgerError):
    """The ledger's chain does not verify."""


class LedgerLocked(LedgerError):
    """Entries that are known to have been there are not; nothing is charged until they are reconciled."""


class LedgerMismatch(LedgerError):
    """The ledger belongs to other data, another unit, relation or budget."""


class MissingExtra(UnseenError, ImportError):
    """An optional dependency is not installed; the message names the install command."""


def extra(module: str, name: str) -> ModuleType:
    """Import an optional dependency.

    Args:
        module: the module to import, such as ``"torch"``.
        name: the extra of unseen that brings it, such as ``"train"``.

    Raises:
        MissingExtra: naming the exact ``pip install`` command.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtra(
            f"this needs {module.split('.')[0]}, which is not installed", fits=f'pip install "unseen[{name}]"'
        ) from error


def shown(names: object, limit: int = 8) -> str:
    """List names in an error message, cut after ``limit``.

    >>> shown(["age", "zip"])
    "'age', 'zip'"
    """
    items = [repr(name) for name in names]  # type: ignore[attr-defined]
    more = f" and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(items[:limit]) + more
