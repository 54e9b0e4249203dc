"""Downstream: the error of a model that learns from the generalised table, under cross-validation."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unseen.core.errors import InvalidRequest, extra
from unseen.core.guarantee import whole
from unseen.deid.search.quality import TrialQuality

__all__ = ["Downstream"]

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Downstream(TrialQuality):
    """The share of wrong predictions of a target column from the generalised quasi-identifiers.

    In each fold a model learns from the released rows of the other folds, and is asked for all rows of its own, also
    those that would be suppressed. No bound is known for this, so every combination of levels that fulfils the demands
    is tried; only the limit on suppression prunes.

    Args:
        target: the column to predict; not a quasi-identifier.
        model: an estimator of scikit-learn's shape that takes codes from 0 on; naive Bayes by default.
        folds: how many, at least 2. They follow from the rows as a multiset, not from their order.
        most: combinations of levels that there may be.

    Needs ``unseen[models]``.
    """

    target: str
    model: Any = None
    folds: int = 3
    most: int = 2000
    labels: Codes | None = field(default=None, repr=False, compare=False)
    named: ClassVar[str] = "downstream error"

    def __post_init__(self) -> None:
        if not isinstance(self.target, str):
            raise InvalidRequest(f"target={self.target!r} was given", "the name of a column")
        object.__setattr__(self, "folds", whole("folds", self.folds, 2))
        object.__setattr__(self, "most", whole("most", self.most, 1))

    def of(self, labels: Codes) -> Downstream:
        """For these codes of the target, shape (rows,)."""
        return Downstream(self.target, self.model, self.folds, self.most, labels)

    def score(self, raw: Sequence[Codes], codes: Sequence[Codes], kept: NDArray[np.bool_]) -> float:
        """The share of wrong predictions over all folds."""
        if self.labels is None:
            raise InvalidRequest("a downstream model without its target was asked for", "of(labels) first")
        labels = self.labels
        order = np.lexsort((labels, *raw))  # equal rows are interchangeable
        fold = np.empty(len(labels), dtype=np.int64)
        fold[order] = np.arange(len(labels)) % self.folds
        features, wrong = np.stack(codes, axis=1), 0
        for one in range(self.folds):
            learn, ask = np.flatnonzero((fold != one) & kept), np.flatnonzero(fold == one)
            if not len(learn):
                wrong += len(ask)
                continue
            learn = learn[np.lexsort((labels[learn], *(column[learn] for column in raw)))]
            if len(np.unique(labels[learn])) == 1:
                wrong += int(np.count_nonzero(labels[ask] != labels[learn[0]]))
                continue
            model = self._model(features).fit(features[learn], labels[learn])
            wrong += int(np.count_nonzero(model.predict(features[ask]) != labels[ask]))
        return wrong / len(labels)

    def _model(self, features: Codes) -> Any:
        if self.model is not None:
            return extra("sklearn.base", "models").clone(self.model)
        bayes = extra("sklearn.naive_bayes", "models")
        return bayes.CategoricalNB(min_categories=features.max(axis=0) + 1)
