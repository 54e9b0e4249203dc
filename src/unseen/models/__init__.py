"""Estimators with scikit-learn's shape: differentially private ones, and the unprotected ones to audit against."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unseen.models.baseline import Memoriser, Unprotected
    from unseen.models.classifier import Classifier
    from unseen.models.logistic import LogisticRegression

__all__ = ["Classifier", "LogisticRegression", "Memoriser", "Unprotected"]

_HOMES = {
    "Classifier": "classifier",
    "LogisticRegression": "logistic",
    "Memoriser": "baseline",
    "Unprotected": "baseline",
}


def __getattr__(name: str) -> Any:
    """Load an estimator, and scikit-learn with it, when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'unseen.models' has no attribute {name!r}")
    from unseen.core.errors import extra

    extra("sklearn.base", "models")
    return getattr(importlib.import_module(f"unseen.models.{_HOMES[name]}"), name)
