"""A small neural classifier under differential privacy."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Mapping, Sequence

from unseen.core.schema import Domain
from unseen.models.dp_estimator import DPEstimator

__all__ = ["Classifier"]


class Classifier(DPEstimator):
    """A network with tanh layers, trained by DP-SGD.

    Args:
        epsilon: ε, the price of the whole training.
        delta: δ; a tenth of the budget's if not given.
        hidden: widths of the hidden layers.
        epochs: expected number of times each unit is seen.
        expected_batch_size: expected number of units in a step; all of them where ``dataset_size`` says fewer.
        learning_rate: of SGD with momentum 0.9, falling linearly.
        max_grad_norm: bound of one unit's gradient.
        features: columns that the model sees; all declared ones but the target if not given.
        columns: domains of a table of the caller's own.
        classes: values of a y of the caller's own.
        dataset_size: number of units as the owner declares it; without it 5 % of ε buys a noisy count.
        seed: see ``core.guard.Guard``.

    **Guarantee**: (ε, δ)-DP for the declared unit under add-or-remove; see ``train.DPSGD``.
    """

    def __init__(
        self,
        epsilon: float,
        delta: float | None = None,
        hidden: tuple[int, ...] = (16,),
        epochs: float = 10,
        expected_batch_size: int = 1024,
        learning_rate: float = 0.6,
        max_grad_norm: float = 0.5,
        features: Sequence[str] | None = None,
        columns: Mapping[str, Domain] | None = None,
        classes: Sequence[object] | None = None,
        dataset_size: int | None = None,
        seed: int | None = None,
    ) -> None:
        self.epsilon, self.delta, self.hidden = epsilon, delta, hidden
        self.epochs, self.expected_batch_size = epochs, expected_batch_size
        self.learning_rate, self.max_grad_norm = learning_rate, max_grad_norm
        self.features, self.columns, self.classes = features, columns, classes
        self.dataset_size, self.seed = dataset_size, seed

    def _widths(self) -> tuple[int, ...]:
        return tuple(self.hidden)
