"""A release carries all that leaves, and leaves the owner's proof behind."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import unseen as un
from unseen.core.generalised import Interval, Members

SECRET = "the owner's evidence"


def release(value: Any = 47.1, interval: Any = (46.7, 47.5), **more: Any) -> un.Release[Any]:
    return un.Release(value, interval, un.DP(1, unit="row"), None, "Mean", proof=SECRET, **more)


def test_the_proof_stays_in_this_process(tmp_path: Path) -> None:
    made = release()
    assert made.proof == SECRET
    for twin in (pickle.loads(pickle.dumps(made)), copy.copy(made), copy.deepcopy(made)):
        assert twin.proof is None and twin == made
    assert SECRET.encode() not in pickle.dumps(made)
    for text in (
        repr(made),
        str(made),
        made._repr_html_(),
        json.dumps(made.to_dict()),
        made.save(tmp_path / "r").read_text(),
    ):
        assert SECRET not in text


@pytest.mark.parametrize(
    "value",
    [
        3,
        2.5,
        {"a": 1, "b": {"c": np.float64(2.5)}},
        np.arange(3),
        (np.int64(1), None, True),
        pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
        pl.DataFrame({"a": [1, 2]}),
    ],
    ids=lambda v: type(v).__name__,
)
def test_a_release_of_any_kind_is_json_ready(value: Any) -> None:
    covers = {"age": {"20-29": Interval(20, 30), "old": Members(frozenset({"90", "91"}))}}
    told = json.loads(json.dumps(release(value, None, covers=covers).to_dict(), allow_nan=False))
    assert set(told) == {"guard", "value", "interval", "guarantee", "receipt", "covers"}
    assert told["covers"]["age"]["20-29"] == {"interval": [20, 30], "closed": False}


def test_a_release_shows_value_interval_and_charge() -> None:
    assert str(release()) == "47.10 ± 0.40 (95 %) · not charged to any ledger"


@pytest.mark.parametrize("high", [1e290, 1e300, 1e308])
def test_a_release_can_be_shown_and_saved_whatever_the_noise_was(high: float, tmp_path: Path) -> None:
    """Bounds are refused when they are declared, or every sum of them can be printed and stored."""
    try:
        domain = un.Range(0, high)
    except un.UnseenError:
        return
    frame = pd.DataFrame({"x": [high] * 1000})
    made = un.query.Sum("x", epsilon=1e-6).release(un.protect(frame, unit=un.EachRow(), columns={"x": domain}))
    assert "nan" not in str(made) and made._repr_html_()
    json.dumps(made.to_dict(), allow_nan=False)


def test_html_in_names_is_text() -> None:
    assert "<script>" not in release({"<script>": 1}, None)._repr_html_()
