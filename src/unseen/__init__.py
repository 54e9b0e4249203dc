"""unseen: machine learning on data you cannot see."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unseen import attack, datasets, deid, models, query, train
    from unseen.core.calibration import calibrate_for
    from unseen.core.dataset import Dataset
    from unseen.core.errors import UnseenError
    from unseen.core.guarantee import (
        DP,
        Encrypted,
        Guarantee,
        KAnonymity,
        Neighbours,
        Norm,
        Nothing,
        Robust,
        SecureSum,
    )
    from unseen.core.guard import Guard
    from unseen.core.ledger import Basic, Change, Ledger, Renyi
    from unseen.core.policy import Policy
    from unseen.core.release import Receipt, Release
    from unseen.core.schema import Categorical, Digits, EachRow, Range, Schema
    from unseen.data import protect
    from unseen.recipe import Recipe
    from unseen.report.claims import Measured, Report, Verdict

__version__ = "0.1.0"

_HOMES = {
    "unseen.core.dataset": ("Dataset",),
    "unseen.core.errors": ("UnseenError",),
    "unseen.core.guarantee": (
        "DP",
        "Encrypted",
        "Guarantee",
        "KAnonymity",
        "Neighbours",
        "Norm",
        "Nothing",
        "Robust",
        "SecureSum",
    ),
    "unseen.core.guard": ("Guard",),
    "unseen.core.calibration": ("calibrate_for",),
    "unseen.core.ledger": ("Basic", "Change", "Ledger", "Renyi"),
    "unseen.core.policy": ("Policy",),
    "unseen.core.release": ("Receipt", "Release"),
    "unseen.core.schema": ("Categorical", "Digits", "EachRow", "Range", "Schema"),
    "unseen.data": ("protect",),
    "unseen.recipe": ("Recipe",),
    "unseen.report.claims": ("Measured", "Report", "Verdict"),
}
_WINGS = ("attack", "datasets", "deid", "models", "query", "train")
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "DP",
    "Basic",
    "Categorical",
    "Change",
    "Dataset",
    "Digits",
    "EachRow",
    "Encrypted",
    "Guarantee",
    "Guard",
    "KAnonymity",
    "Ledger",
    "Measured",
    "Neighbours",
    "Norm",
    "Nothing",
    "Policy",
    "Range",
    "Receipt",
    "Recipe",
    "Release",
    "Renyi",
    "Report",
    "Robust",
    "Schema",
    "SecureSum",
    "UnseenError",
    "Verdict",
    "__version__",
    "attack",
    "calibrate_for",
    "datasets",
    "deid",
    "models",
    "protect",
    "query",
    "train",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its home when it is first used."""
    if name in _WINGS:
        return importlib.import_module(f"unseen.{name}")
    if name in _HOME_OF:
        return getattr(importlib.import_module(_HOME_OF[name]), name)
    raise AttributeError(f"module 'unseen' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
