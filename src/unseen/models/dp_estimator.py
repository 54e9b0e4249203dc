"""What all estimators share: reading data, predicting, losses, and the fit by DP-SGD."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from abc import abstractmethod
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from unseen.core.accounting import Event
from unseen.core.dataset import Dataset
from unseen.core.errors import InvalidRequest, extra
from unseen.core.guarantee import Guarantee, number, whole
from unseen.core.schema import Categorical
from unseen.models.features import TARGET, Features, own_dataset, read
from unseen.train.dpsgd import DPSGD
from unseen.train.examples import Examples

if TYPE_CHECKING:
    import torch

__all__ = ["DPEstimator", "Predictor", "falling_rate"]

MOMENTUM = 0.9


class Predictor(ClassifierMixin, BaseEstimator):
    """A fitted classifier over declared columns."""

    @abstractmethod
    def _log_probabilities(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        """Of each class, shape (rows, classes)."""

    def _task(
        self, data: Any, y: Any, target: str | None, columns: Any, classes: Any, features: Any
    ) -> tuple[Dataset, str]:
        """The dataset and the target's name; sets what prediction needs."""
        if isinstance(data, Dataset):
            if y is not None or target is None:
                raise InvalidRequest(
                    "fit on a dataset was asked for without the target's name",
                    "the name of a column declared as Categorical",
                    'fit(data, target="ill")',
                )
            dataset, name = data, target
        else:
            if y is None:
                raise InvalidRequest("fit on a table of the caller's own was asked for without y", "fit(X, y)")
            dataset, name = own_dataset(data, y, columns, classes), TARGET
        domain = dataset.schema.domain(name, Categorical, "a classifier")
        values = domain.values if isinstance(domain, Categorical) else ()
        encoder = Features.of(dataset.schema, name, features)
        self._features, self._target, self._texts = encoder, name, values
        self.classes_ = np.asarray(values if isinstance(data, Dataset) else list(classes))
        self.n_features_in_ = len(encoder.names)
        return dataset, name

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Each class's probability for each row of a dataset, frame or array, shape (rows, classes)."""
        self._check_fitted()
        inputs = read(self._features, X)
        return np.exp(self._log_probabilities(inputs))

    def predict(self, X: Any) -> NDArray[Any]:
        """Each row's likeliest class, shape (rows,)."""
        likeliest = self.predict_proba(X).argmax(axis=1)
        found: NDArray[Any] = self.classes_[likeliest]
        return found

    def losses(self, data: Any) -> NDArray[np.float64]:
        """Each row's cross-entropy, shape (rows,): the owner's, never to be shown without a price.

        Args:
            data: a ``Dataset`` that holds the target, of which the rows that a fit would see are taken;
                or a pair (X, y) of the caller's own.
        """
        self._check_fitted()
        if isinstance(data, Dataset):
            dataset, target = data, self._target
        elif isinstance(data, (tuple, list)) and len(data) == 2:
            dataset = own_dataset(data[0], data[1], dict(self._features.columns), list(self.classes_))
            target = TARGET
        else:
            raise InvalidRequest(
                f"losses on {type(data).__name__!r} was asked for", "a dataset with the target, or (X, y)"
            )
        (inputs, wanted), _ = Examples(dataset, target, self._features.names).read()
        scores = self._log_probabilities(inputs.numpy())
        losses: NDArray[np.float64] = -scores[np.arange(len(scores)), wanted.numpy()]
        return losses

    def _check_fitted(self) -> None:
        if not hasattr(self, "guarantee_"):
            raise InvalidRequest(f"an unfitted {type(self).__name__} was asked to predict", "fit it first")


class DPEstimator(Predictor):
    """A network that is trained by DP-SGD. Subclasses hold its parameters; the data come with ``fit``.

    **Guarantee**: that of ``train.DPSGD``: everything that the fitted estimator knows of the data is the released
    network. ``losses`` and predictions on the owner's rows touch private data again.
    """

    epsilon: float
    delta: float | None
    epochs: float
    expected_batch_size: int
    learning_rate: float
    max_grad_norm: float
    features: Any
    columns: Any
    classes: Any
    dataset_size: int | None
    seed: int | None

    def _widths(self) -> tuple[int, ...]:
        """Of the hidden layers."""
        return ()

    @property
    def _batch(self) -> int:
        """As asked, or all units where they are said to be fewer."""
        few = isinstance(self.dataset_size, int) and 0 < self.dataset_size < self.expected_batch_size
        return self.dataset_size if few and self.dataset_size else self.expected_batch_size

    def _guard(self) -> DPSGD:
        return DPSGD(
            epsilon=self.epsilon,
            delta=self.delta,
            max_grad_norm=self.max_grad_norm,
            expected_batch_size=self._batch,
            epochs=self.epochs,
            dataset_size=self.dataset_size,
            seed=self.seed,
        )

    def cost(self, data: Any) -> Guarantee:
        """What ``fit`` would promise, and so what the ledger would charge. Charges nothing.

        Args:
            data: a ``Dataset``, or a table of the caller's own.
        """
        return self.price(data)[1]

    def price(self, data: Any) -> tuple[Event, Guarantee]:
        """What ``fit`` would do and promise: what a ledger's composition prices. Charges nothing."""
        return self._guard().price(data if isinstance(data, Dataset) else (np.empty(0),))

    def fit(self, data: Any, y: Any = None, *, target: str | None = None, purpose: str = "") -> DPEstimator:
        """Charge the ledger for the whole training, then train.

        Args:
            data: a ``Dataset``; or a dataframe or array of the caller's own, for which ``columns`` and
                ``classes`` were declared and no ledger is charged.
            y: the target of a table of the caller's own.
            target: of a ``Dataset``, the Categorical column to predict.
            purpose: why, for the ledger.

        Raises:
            InvalidRequest: the request does not fit the schema; nothing was charged.
            BudgetExceeded: the ledger cannot pay; nothing was charged.
            MissingExtra: torch is not installed.
        """
        extra("torch", "models")
        import torch

        guard = self._guard()
        dataset, name = self._task(data, y, target, self.columns, self.classes, self.features)
        model, optimizer = self._network()
        why = purpose or f"{type(self).__name__} of {name}"
        with guard.open(model, optimizer, dataset, target=name, features=self._features.names, purpose=why) as session:
            decay = falling_rate(optimizer, session.steps)
            for batch in session.batches():
                session.step(torch.nn.functional.cross_entropy, *batch)
                decay.step()
        self.release_ = session.release()
        self.guarantee_ = self.release_.guarantee
        self._model = model.eval()
        return self

    def _network(self) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
        """A network initialised independently of the data, and its optimizer."""
        import torch

        rate = number("learning_rate", self.learning_rate, 0, open_low=True)
        with torch.random.fork_rng(devices=[]) if self.seed is not None else nullcontext():
            if self.seed is not None:
                torch.manual_seed(self.seed)
            layers: list[torch.nn.Module] = []
            width = self._features.width
            for hidden in self._widths():
                layers += [torch.nn.Linear(width, whole("hidden", hidden, 1)), torch.nn.Tanh()]
                width = hidden
            last = torch.nn.Linear(width, len(self._texts))
        torch.nn.init.zeros_(last.weight)
        torch.nn.init.zeros_(last.bias)
        model = torch.nn.Sequential(*layers, last)
        return model, torch.optim.SGD(model.parameters(), lr=rate, momentum=MOMENTUM)

    def _log_probabilities(self, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
        return network_scores(self._model, inputs)


def network_scores(model: torch.nn.Module, inputs: NDArray[np.float32]) -> NDArray[np.float64]:
    """A network's log-probabilities, shape (rows, classes)."""
    import torch

    with torch.no_grad():
        logits = model(torch.from_numpy(inputs)).double()
        scores: NDArray[np.float64] = torch.nn.functional.log_softmax(logits, dim=1).numpy()
    return scores


def falling_rate(optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    """A rate that falls linearly to a twentieth: the last steps' noise is averaged away."""
    import torch

    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0 - 0.95 * min(step / steps, 1.0))
