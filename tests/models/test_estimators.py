"""Estimators keep scikit-learn's shape, learn under DP, and are charged as they say."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

import unseen as un
from unseen.core.errors import InvalidRequest
from unseen.core.guarantee import DP, Nothing
from unseen.core.noise.entropy import Entropy
from unseen.models import Classifier, LogisticRegression, Memoriser, Unprotected

COLUMNS = {"age": un.Range(0, 110), "zip": un.Digits(5), "ill": un.Categorical("no", "yes")}


def patients(rows: int, seed: int = 0) -> pd.DataFrame:
    entropy = Entropy(seed)
    age = entropy.uniform(rows) * 110
    ill = entropy.uniform(rows) < 1 / (1 + np.exp(-(age - 55) / 10))
    zips = [f"{int(z):05d}" for z in entropy.uniform(rows) * 99999]
    return pd.DataFrame({"age": age, "zip": zips, "ill": np.where(ill, "yes", "no")})


def protected(rows: int, folder: Path) -> Any:
    return un.protect(
        patients(rows),
        unit=un.EachRow(),
        columns=COLUMNS,
        budget=un.DP(epsilon=3, delta=1e-6),
        ledger=folder / "patients.ledger",
    )


@pytest.mark.parametrize("estimator", [LogisticRegression(epsilon=1), Classifier(epsilon=1, hidden=(8,))])
def test_learns_and_is_charged_once(estimator: Any, tmp_path: Path) -> None:
    data = protected(4000, tmp_path)
    model = clone(estimator)
    promised = model.cost(data)
    assert model.fit(data, target="ill") is model
    assert model.guarantee_ == promised == model.release_.guarantee
    assert isinstance(promised, DP) and promised.caveats
    assert [entry.epsilon for entry in data.ledger.entries()] == [1.0]
    fresh = patients(2000, seed=9)
    assert (model.predict(fresh) == fresh["ill"].to_numpy()).mean() > 0.75
    shares = model.predict_proba(fresh)
    assert shares.shape == (2000, 2)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    picked = shares[np.arange(2000), (fresh["ill"] == "yes").astype(int)]
    np.testing.assert_allclose(model.losses((fresh, fresh["ill"])), -np.log(picked))
    assert model.losses(data).shape == (4000,)
    assert list(model.classes_) == ["no", "yes"]
    assert model.n_features_in_ == 2


def test_shape_of_scikit_learn() -> None:
    model = Classifier(0.5, 1e-7, hidden=(4,), seed=3)
    assert clone(model).get_params() == model.get_params()
    assert "epsilon=0.5" in repr(model)
    assert clone(Unprotected(model)).estimator.epsilon == 0.5
    with pytest.raises(InvalidRequest, match="fit it first"):
        model.predict(np.zeros((1, 1)))


def test_own_arrays_need_declared_bounds_and_classes() -> None:
    entropy = Entropy(4)
    inputs = entropy.uniform(2000)[:, None]
    labels = (inputs[:, 0] > 0.5).astype(int)
    with pytest.raises(InvalidRequest, match="columns"):
        LogisticRegression(1, 1e-6, classes=(0, 1)).fit(inputs, labels)
    columns = {"0": un.Range(0, 1)}
    with pytest.raises(InvalidRequest, match="classes"):
        LogisticRegression(1, 1e-6, columns=columns).fit(inputs, labels)
    model = LogisticRegression(1, 1e-6, columns=columns, classes=(0, 1)).fit(inputs, labels)
    assert model.release_.receipt is None
    assert model.guarantee_.unit == "row"
    assert model.score(inputs, labels) > 0.8
    assert model.losses((inputs, labels)).shape == (2000,)
    wild = np.array([[-7.0], [np.nan], [np.inf]])
    tame = np.array([[0.0], [0.0], [1.0]])
    np.testing.assert_array_equal(model.predict_proba(wild), model.predict_proba(tame))


def test_predictions_keep_the_rows_order() -> None:
    frame = patients(3000)
    model = Unprotected(LogisticRegression(1, epochs=2, columns=COLUMNS, classes=("no", "yes")))
    columns = {name: domain for name, domain in COLUMNS.items() if name != "ill"}
    model.estimator.columns = columns
    model.fit(frame, frame["ill"])
    whole = model.predict_proba(frame)
    np.testing.assert_allclose(whole[::-1], model.predict_proba(frame.iloc[::-1]), atol=1e-6)


def test_seeded_fits_repeat_and_promise_nothing(tmp_path: Path) -> None:
    charged = protected(300, tmp_path)
    with pytest.raises(un.UnseenError, match="no seed"):
        Classifier(1, epochs=2, seed=5).fit(charged, target="ill")
    assert charged.ledger.entries() == []
    data = un.protect(patients(300), unit=charged.schema.unit, columns=charged.schema.columns)
    first, second = (Classifier(1, 1e-6, epochs=2, seed=5).fit(data, target="ill") for _ in range(2))
    assert isinstance(first.guarantee_, Nothing)
    np.testing.assert_array_equal(first.predict_proba(data), second.predict_proba(data))


def test_baselines_charge_nothing_and_the_memoriser_leaks(tmp_path: Path) -> None:
    data = protected(1500, tmp_path)
    strangers = patients(1500, seed=8)
    plain = Unprotected(Classifier(1)).fit(data, target="ill")
    leaky = Memoriser().fit(data, target="ill")
    assert data.ledger.entries() == []
    assert isinstance(plain.guarantee_, Nothing) and isinstance(leaky.guarantee_, Nothing)
    assert plain.score(strangers, strangers["ill"]) > 0.75
    inside = leaky.losses(data)
    outside = leaky.losses((strangers, strangers["ill"]))
    assert (inside < 0.01).mean() > 0.99
    assert (outside > 0.01).mean() > 0.99


def test_empty_and_single_row_tables_train(tmp_path: Path) -> None:
    for rows in (0, 1):
        folder = tmp_path / str(rows)
        folder.mkdir()
        frame = patients(1).head(rows)
        data = un.protect(
            frame.astype({"zip": str, "ill": str}),
            unit=un.EachRow(),
            columns=COLUMNS,
            budget=un.DP(epsilon=3, delta=1e-6),
            ledger=folder / "l",
        )
        assert LogisticRegression(1, epochs=2).fit(data, target="ill").release_.receipt.epsilon == 1
        Unprotected(LogisticRegression(1, epochs=2)).fit(data, target="ill")
        Memoriser().fit(data, target="ill").predict_proba(patients(3))
