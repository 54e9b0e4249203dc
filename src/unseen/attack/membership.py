"""Membership inference: does a model tell who was among those it learned from."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, final, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from unseen.attack.base import Attack, claimed_dp, seed_of
from unseen.attack.curve import Roc, accuracy_ceiling, area_ceiling, balanced_accuracy, rate_ceiling
from unseen.attack.interval import CONFIDENCE, area_interval, newcombe
from unseen.core.errors import InvalidRequest, shown
from unseen.core.noise.entropy import Entropy
from unseen.report.claims import Measured, Report

__all__ = ["HasLosses", "HasProbabilities", "Membership"]

MEMBERS, NONMEMBERS = 30, 1000
EXPECTED_FALSE_POSITIVES = 10
RATE = 0.01
TARGET = "this model"


@runtime_checkable
class HasLosses(Protocol):
    """A model that gives each example's loss."""

    def losses(self, data: Any) -> Any:
        """Losses of the examples, shape (n,)."""
        ...


@runtime_checkable
class HasProbabilities(Protocol):
    """A classifier of scikit-learn's shape; its data are given as ``(X, y)``."""

    classes_: Any

    def predict_proba(self, features: Any, /) -> Any:
        """Probabilities, shape (n, classes)."""
        ...


@final
class Membership(Attack):
    """An adversary who takes people with a low loss for members.

    Args:
        baselines: further models by name, attacked alike on the same people: one trained alike without DP, one that
            memorises. Their areas become figures and their ROC curves curves of the same names.
        seed: None draws the halves for the balanced accuracy from the system's entropy.

    Raises:
        InvalidRequest: baselines that are no mapping of names to models, a seed that is no whole number.

    Source: Yeom, Giacomelli, Fredrikson and Jha 2018.
    """

    def __init__(self, baselines: Mapping[str, Any] | None = None, seed: int | None = None) -> None:
        if baselines is not None and not isinstance(baselines, Mapping):
            raise InvalidRequest(
                f"baselines of type {type(baselines).__name__} was given", "a mapping of names to models"
            )
        self.baselines = dict(baselines or {})
        self.seed = seed_of(seed)
        for name, model in self.baselines.items():
            if not isinstance(name, str) or name in _RESERVED:
                raise InvalidRequest(f"a baseline is named {name!r}", f"a text other than {shown(sorted(_RESERVED))}")
            _check_model(model, f"baseline {name!r}")

    def audit(self, model: Any, members: Any, nonmembers: Any, claim: Any = None) -> Report:
        """Tell members from non-members by the model's losses.

        Args:
            model: it has ``losses(data) -> (n,)``, or ``predict_proba`` and ``classes_``.
            members: examples the model learned from, at least 30, as ``losses`` takes them, or ``(X, y)``.
            nonmembers: examples drawn at random from the same population and not learned from, at least 1,000.
            claim: a guarantee or release; None for the model's own ``guarantee_``.

        Returns:
            A report on the area under the ROC curve (ties count half), with the wider of DeLong's and
            Newcombe's intervals. Claimed, if the guarantee is DP, is ``area_ceiling``: exact when each
            person is a member by an independent coin, so that members and non-members differ
            in nothing else. A loss that is NaN or infinite counts as the greatest.

        Raises:
            InvalidRequest: too few people, a model that gives no losses, or a claim that is no guarantee.
        """
        _check_model(model, "model")
        promised = claimed_dp(getattr(model, "guarantee_", None) if claim is None else claim)
        inside = _losses(model, members, "members", MEMBERS)
        outside = _losses(model, nonmembers, "nonmembers", NONMEMBERS)
        roc = Roc(inside, outside)
        measured = Measured(*area_interval(-inside, -outside, CONFIDENCE))
        figures = {
            "members": float(len(inside)),
            "nonmembers": float(len(outside)),
            "balanced accuracy": balanced_accuracy(inside, outside, Entropy(self.seed)),
        }
        notes = [
            "The claim is exact when each person is a member by an independent coin (add-or-remove): members and "
            "non-members must differ in nothing but that.",
            "The interval is over people; the model was trained once.",
        ]
        if promised:
            figures["bound on balanced accuracy"] = accuracy_ceiling(promised)
        expected = len(outside) // round(1 / RATE)
        if expected >= EXPECTED_FALSE_POSITIVES:
            figures["TPR at 1 % FPR"] = roc.true_rate(RATE)
            if promised:
                figures["bound on TPR at 1 % FPR"] = rate_ceiling(promised, RATE)
        else:
            notes.append(f"TPR at 1 % FPR is left out: {expected} false positives are expected, 10 are needed.")
        curves = {TARGET: roc.points()}
        for name, baseline in self.baselines.items():
            known = _losses(baseline, members, "members", MEMBERS)
            unknown = _losses(baseline, nonmembers, "nonmembers", NONMEMBERS)
            figures[name] = area_interval(-known, -unknown, CONFIDENCE)[0]
            curves[name] = Roc(known, unknown).points()
        return Report(
            attack="membership inference",
            scale="AUC of membership inference",
            claimed=area_ceiling(promised) if promised else None,
            measured=measured,
            reach=newcombe(1.0, len(inside), len(outside), CONFIDENCE)[0],
            confidence=CONFIDENCE,
            figures=figures,
            notes=tuple(notes),
            curves=curves,
        )


_RESERVED = frozenset(
    {
        TARGET,
        "members",
        "nonmembers",
        "balanced accuracy",
        "bound on balanced accuracy",
        "TPR at 1 % FPR",
        "bound on TPR at 1 % FPR",
    }
)


def _check_model(model: Any, name: str) -> None:
    if not isinstance(model, (HasLosses, HasProbabilities)):
        raise InvalidRequest(
            f"{name} of type {type(model).__name__} was given",
            "a fitted model with losses(data), or with predict_proba(X) and classes_",
        )


def _losses(model: Any, data: Any, name: str, least: int) -> NDArray[np.float64]:
    found = model.losses(data) if isinstance(model, HasLosses) else _odds(model, data, name)
    try:
        losses = np.asarray(found.detach() if hasattr(found, "detach") else found, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"the losses of {name} are no numbers", "one number for each example") from error
    if losses.ndim != 1:
        raise InvalidRequest(
            f"the losses of {name} have the shape {losses.shape}", "one number for each example, shape (n,)"
        )
    if len(losses) < least:
        drawn = " drawn at random" if least == NONMEMBERS else ""
        raise InvalidRequest(f"{len(losses):,} {name} were given", f"at least {least:,}{drawn}")
    return np.where(np.isnan(losses), np.inf, losses)


def _odds(model: HasProbabilities, data: Any, name: str) -> NDArray[np.float64]:
    """The log odds against the true class: they order examples as the loss does, also where it rounds to 0."""
    if not isinstance(data, tuple) or len(data) != 2:
        raise InvalidRequest(
            f"{name} of type {type(data).__name__} was given",
            "a model without losses(data) takes a tuple of features and labels",
            f"{name}=(X, y)",
        )
    features, labels = data[0], np.asarray(data[1]).ravel()
    chances = np.asarray(model.predict_proba(features), dtype=np.float64)
    position = {label: index for index, label in enumerate(np.asarray(model.classes_).tolist())}
    if chances.ndim != 2 or chances.shape != (len(labels), len(position)):
        raise InvalidRequest(
            f"{name} gave {len(labels):,} labels and probabilities of the shape {chances.shape}",
            f"one row for each label and one column for each of {len(position)} classes",
        )
    column = np.array([position.get(label, -1) for label in labels.tolist()], dtype=np.int64)
    if len(column) and (column < 0).all():
        raise InvalidRequest(f"the labels of {name} are none of the model's classes", shown(position))
    chances = np.column_stack([chances, np.zeros(len(labels))])  # a label that is no class has no chance
    rows = np.arange(len(labels))
    right = chances[rows, column].copy()
    chances[rows, column] = 0
    with np.errstate(divide="ignore", invalid="ignore"):
        result: NDArray[np.float64] = np.log(chances.sum(axis=1)) - np.log(right)
    return result
