"""A classifier in a recipe: trained on people chosen by secret coins, attacked with the people left out."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from unseen.core.accounting import Event
from unseen.core.dataset import Dataset
from unseen.core.errors import extra
from unseen.core.guarantee import Guarantee, number
from unseen.core.schema import Categorical, Schema
from unseen.recipe.document import Part
from unseen.recipe.keys import NUMBER, TEXT, TEXTS, WHOLE, Kind
from unseen.recipe.task import Done, Task
from unseen.report.claims import Report
from unseen.report.summary import Utility

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["ClassifierTask", "LogisticRegressionTask"]

Arguments = Mapping[str, tuple[Kind, Any]]
NAMES = {"Classifier": "neural classifier", "LogisticRegression": "logistic regression"}
WITHOUT = "AUC without DP, trained alike"
LEAKS = "AUC of a model that memorises, known to leak"


def _at_least_one(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


COMMON: Arguments = {
    "target": (TEXT, ...),
    "train_share": (NUMBER, 0.7),
    "epsilon": (NUMBER, ...),
    "delta": (NUMBER, None),
    "features": (TEXTS, None),
    "epochs": (NUMBER, None),
    "expected_batch_size": (WHOLE, None),
    "learning_rate": (NUMBER, None),
    "max_grad_norm": (NUMBER, None),
    "dataset_size": (WHOLE, None),
}
OWN = ("target", "train_share")
WIDTHS = Kind("a list of whole numbers of at least 1", lambda v: isinstance(v, list) and all(map(_at_least_one, v)))


@dataclass(frozen=True)
class Trained:
    """What the attack's judge needs. The owner's."""

    model: Any
    unprotected: Any
    members: Dataset
    others: Dataset


class TrainingTask(Task):
    """A model; each kind names its estimator."""

    keys: ClassVar[Arguments] = COMMON
    attacks: ClassVar[Mapping[str, Arguments]] = {"Membership": {}}
    estimator: ClassVar[str]

    def __init__(self, part: Part, schema: Schema) -> None:
        super().__init__(part, schema)
        self.target = str(self.arguments["target"])
        self.share = float(self.arguments["train_share"])
        if not 0 < self.share < 1:
            raise part.keys.fault(f"train_share = {self.share:g}", "a share above 0 and below 1")
        with part.keys.faults():
            number("learning_rate", self.arguments["learning_rate"] or 1, 0, open_low=True)

    def _model(self) -> Any:
        extra("torch", "models")
        from unseen import models

        given = {name: v for name, v in self.arguments.items() if name not in OWN and v is not None}
        if "hidden" in given:
            given["hidden"] = tuple(given["hidden"])
        return getattr(models, self.estimator)(**given)

    def price(self, data: Dataset) -> tuple[Event, Guarantee]:
        """What the training would do and promise, from schema and ledger alone."""
        from unseen.train.features import Features

        data.schema.domain(self.target, Categorical, f"{self.estimator} target")
        Features.of(data.schema, self.target, self.arguments["features"])
        planned: tuple[Event, Guarantee] = self._model().price(data)
        return planned

    def release(self, data: Dataset, purpose: str) -> Done:
        """Charge, train on people chosen by coins, and keep the others for the judge."""
        from unseen.models import Unprotected

        members, others = data.split(self.share)
        model = self._model().fit(members, target=self.target, purpose=purpose)
        unprotected = Unprotected(self._model()).fit(members, target=self.target)
        trained = Trained(model, unprotected, members, others)
        return Done(
            what=f"A {NAMES[self.estimator]} that predicts {self.target}, trained by DP-SGD on people chosen by coins.",
            release=self._described(model, data),
            guarantee=model.guarantee_,
            utility=_utility(trained, self.target),
            secret=trained,
        )

    def _described(self, model: Any, data: Dataset) -> dict[str, Any]:
        """The model in the shape of ``Release.to_dict``."""
        names = self.arguments["features"] or [name for name in data.schema.columns if name != self.target]
        parameters = sum(one.numel() for one in model.release_.value.parameters())
        described = f"{parameters:,} parameters that predict {self.target} from {', '.join(names)}"
        return {**model.release_.to_dict(), "guard": self.estimator, "value": described}

    def audit(self, done: Done, data: Dataset, attack: Part) -> Report:
        """Tell members from the others by the model's losses; beside it a model without DP, and one that memorises."""
        from unseen.attack import Membership
        from unseen.models import Memoriser

        trained: Trained = done.secret
        memoriser = Memoriser(features=self.arguments["features"]).fit(trained.members, target=self.target)
        baselines = {WITHOUT: trained.unprotected, LEAKS: memoriser}
        return Membership(baselines=baselines).audit(trained.model, trained.members, trained.others)


class ClassifierTask(TrainingTask):
    """``guard = "Classifier"``."""

    keys: ClassVar[Arguments] = {**COMMON, "hidden": (WIDTHS, None)}
    estimator = "Classifier"


class LogisticRegressionTask(TrainingTask):
    """``guard = "LogisticRegression"``."""

    estimator = "LogisticRegression"


def _utility(trained: Trained, target: str) -> tuple[Utility, ...]:
    """Protected beside unprotected on people who were not trained on; nothing where these show one class only."""
    others = trained.others
    labels = others.arrays([target], bounded=False)[target].astype(str)
    classes = [str(one) for one in trained.model.classes_]
    if len(np.unique(labels)) < 2:
        return ()
    chances = [model.predict_proba(others) for model in (trained.model, trained.unprotected)]
    if len(classes) == 2:
        what, found = "AUC", [_area(one[:, 1], labels == classes[1]) for one in chances]
    else:
        right = [np.array(classes)[one.argmax(axis=1)] == labels for one in chances]
        what, found = "accuracy", [float(one.mean()) for one in right]
    return (Utility(f"{what} on people who were not trained on", released=found[0], unprotected=found[1]),)


def _area(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """The chance that a positive scores above a negative; ties count half."""
    from scipy.stats import rankdata

    ranks, count = rankdata(scores), int(positive.sum())
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(scores) - count)))
