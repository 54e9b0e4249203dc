"""Unprotected models for the owner's audits: trained alike without DP, and one that memorises its rows."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.core.errors import extra
from unseen.core.guarantee import Nothing
from unseen.core.noise.entropy import Entropy
from unseen.core.schema import Domain
from unseen.models.dp_estimator import DPEstimator, Predictor, falling_rate, network_scores
from unseen.train.examples import Examples
from unseen.train.sampling import PoissonSampler

__all__ = ["Memoriser", "Unprotected"]

SURE, UNSURE = 1 - 1e-6, 0.6


class Unprotected(Predictor):
    """The same network as an estimator's, on the same schedule, without clipping, noise or ledger.

    For the owner's audits only: what it shows was never paid for.

    Args:
        estimator: whose network, features and schedule are taken.

    **Guarantee**: ``Nothing``.
    """

    def __init__(self, estimator: DPEstimator) -> None:
        self.estimator = estimator

    def fit(self, data: Any, y: Any = None, *, target: str | None = None) -> Unprotected:
        """Train on what the estimator would train on. Charges nothing.

        Args:
            data: see ``DPEstimator.fit``.
            y: likewise.
            target: likewise.
        """
        extra("torch", "models")
        import torch

        like = self.estimator
        dataset, name = self._task(data, y, target, like.columns, like.classes, like.features)
        like_network = type(like)(**like.get_params(deep=False))
        like_network._features, like_network._texts = self._features, self._texts
        model, optimizer = like_network._network()
        (inputs, wanted), units = Examples(dataset, name, self._features.names).read()
        size = max(len(np.unique(units)), like.expected_batch_size)
        sampler = PoissonSampler(units, like.expected_batch_size / size, Entropy(like.seed))
        steps = math.ceil(like.epochs * size / like.expected_batch_size)
        decay = falling_rate(optimizer, steps)
        for _ in range(steps):
            draw = sampler.draw()
            rows = torch.from_numpy(draw.rows)
            weight = torch.from_numpy(np.repeat(1.0 / draw.counts, draw.counts)).float()
            optimizer.zero_grad()
            each = torch.nn.functional.cross_entropy(model(inputs[rows]), wanted[rows], reduction="none")
            ((each * weight).sum() / like.expected_batch_size).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            decay.step()
        self._model = model.eval()
        self.guarantee_ = Nothing("trained without protection")
        return self

    def _log_probabilities(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        return network_scores(self._model, inputs)


class Memoriser(Predictor):
    """The target that is known to leak: it looks its training rows up and is sure of them, and only of them.

    For the owner's audits only: an attack that does not find its members is too weak to be believed.

    Args:
        features: columns that it sees; all declared ones but the target if not given.
        columns: domains of a table of the caller's own.
        classes: values of a y of the caller's own.

    **Guarantee**: ``Nothing``.
    """

    def __init__(
        self,
        features: Sequence[str] | None = None,
        columns: Mapping[str, Domain] | None = None,
        classes: Sequence[object] | None = None,
    ) -> None:
        self.features, self.columns, self.classes = features, columns, classes

    def fit(self, data: Any, y: Any = None, *, target: str | None = None) -> Memoriser:
        """Remember every row. Charges nothing.

        Args:
            data: see ``DPEstimator.fit``.
            y: likewise.
            target: likewise.
        """
        extra("torch", "models")
        dataset, name = self._task(data, y, target, self.columns, self.classes, self.features)
        (inputs, wanted), _ = Examples(dataset, name, self._features.names).read()
        self._rows = np.ascontiguousarray(inputs.numpy())
        self._labels = wanted.numpy()
        self._seen: dict[bytes, NDArray[np.float64]] = {}
        for row, label in zip(self._rows, self._labels, strict=True):
            self._seen.setdefault(row.tobytes(), np.zeros(len(self._texts)))[label] += 1.0
        self.guarantee_ = Nothing("it remembers every row that it was trained on")
        return self

    def _log_probabilities(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        classes = len(self._texts)
        result = np.full((len(inputs), classes), 1.0 / classes)
        strange = []
        for place, row in enumerate(np.ascontiguousarray(inputs)):
            votes = self._seen.get(row.tobytes())
            if votes is None:
                strange.append(place)
            else:
                result[place] = _shared(votes / votes.sum(), SURE)
        if len(self._rows):
            for part in np.array_split(strange, len(strange) // 1024 + 1):
                nearest = self._nearest(inputs[part.astype(np.intp)])
                result[part.astype(np.intp)] = _shared(np.eye(classes)[self._labels[nearest]], UNSURE)
        scores: NDArray[np.float64] = np.log(result)
        return scores

    def _nearest(self, inputs: NDArray[np.float32]) -> NDArray[np.intp]:
        distances = (self._rows**2).sum(axis=1) - 2.0 * inputs @ self._rows.T
        nearest: NDArray[np.intp] = np.argmin(distances, axis=1)
        return nearest


def _shared(shares: NDArray[np.float64], trust: float) -> NDArray[np.float64]:
    """Shares of votes, as probabilities that keep ``1 - trust`` for all classes alike."""
    mixed: NDArray[np.float64] = trust * shares + (1.0 - trust) / shares.shape[-1]
    return mixed
