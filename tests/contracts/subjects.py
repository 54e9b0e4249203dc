"""What the laws are tried on: a table, a declaration, every statistic, and whatever trains."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import unseen as un
from unseen.core.guard import Guard
from unseen.query import Count, Histogram, Mean, Sum

ROOT = Path(__file__).parents[2]
COLUMNS = {"age": un.Range(0, 110), "ill": un.Categorical("no", "yes"), "zip": un.Digits(5)}
ROWS = 409
FRAME = pd.DataFrame(
    {
        "id": np.arange(ROWS),
        "age": np.arange(ROWS) % 90 + 0.25,
        "ill": np.where(np.arange(ROWS) % 3 == 0, "yes", "no"),
        "zip": [f"{12000 + i % 40}" for i in range(ROWS)],
    }
)

STATISTICS: list[Guard[Any]] = [
    Count(0.25),
    Count(0.25, by="ill"),
    Sum("age", 0.25),
    Sum("age", 0.25, by="ill"),
    Mean("age", 0.25),
    Mean("age", 0.25, by="ill"),
    Histogram("age", 0.25, edges=7),
    Histogram("ill", 0.25),
    Histogram("age", 0.25, edges=50, by="ill"),
]


def named(guard: object) -> str:
    return " ".join(map(str, [type(guard).__name__, getattr(guard, "column", ""), getattr(guard, "by", "")]))


def protect(folder: Path, frame: pd.DataFrame = FRAME, name: str = "a", **changed: Any) -> Any:
    told = {"unit": "id", "columns": COLUMNS, "budget": un.DP(3, 1e-6), "ledger": folder / f"{name}.ledger", **changed}
    return un.protect(frame, **told)


def training_guards() -> list[Any]:
    """Whatever is there that trains; each is called as ``release(data)``."""
    models = pytest.importorskip("unseen.models", reason="wants unseen.models")
    return [models.LogisticRegression(epsilon=0.25)]


NEIGHBOURS = {
    "whole": FRAME,
    "one less": FRAME.iloc[1:],
    "one more": pd.concat([FRAME, pd.DataFrame({"id": [9999], "age": [1e308], "ill": ["never"], "zip": ["x"]})]),
    "none": FRAME.iloc[:0],
    "one": FRAME.iloc[:1],
    "NaN": FRAME.assign(age=math.nan, ill=None),
}
CALLS: dict[str, Callable[[Any], Any]] = {
    "no column": lambda d: d.mean("height", epsilon=0.1),
    "no edges": lambda d: d.histogram("age", epsilon=0.1),
    "not categorical": lambda d: d.count(epsilon=0.1, by="zip"),
    "too dear": lambda d: d.count(epsilon=4),
    "NaN": lambda d: d.count(epsilon=math.nan),
    "too fine": lambda d: d.sum("age", epsilon=1e-16),
    **{f"fine {named(guard)}": guard.release for guard in STATISTICS},
}
