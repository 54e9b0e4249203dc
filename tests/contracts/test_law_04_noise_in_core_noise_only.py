"""Law 4: noise is drawn in core/noise only, and what a seed made promises nothing."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

import unseen as un
from unseen.core.guard import Guard
from unseen.query import Count, Histogram, Mean

from .subjects import COLUMNS, FRAME, ROOT, named, protect

SOURCES = {
    "random",
    "secrets",
    "numpy.random",
    "opendp.measurements",
    "opendp.mod",
    "opendp",
    "torch.distributions",
    "os.urandom",
    "uuid",
}
DRAWS = {
    "urandom",
    "default_rng",
    "randn",
    "rand",
    "randint",
    "randperm",
    "normal_",
    "uniform_",
    "bernoulli",
    "multinomial",
    "rvs",
}
LINES = {
    ("core/ledger/", "secrets"): "makes the owner's key, the ledger's name and the name of a draft file",
    ("core/dataset.py", "urandom"): "salts which rows are kept, and names tables; nothing of it protects a number",
    ("datasets/", "default_rng"): "generates people who do not exist",
}


def draws_elsewhere(package: Path) -> list[str]:
    """Each place outside core/noise that could draw a random number, whitelisted ones left out."""
    found = []
    for file in sorted(package.rglob("*.py")):
        place = file.relative_to(package).as_posix()
        if place.startswith("core/noise/"):
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names if alias.name in SOURCES]
            elif isinstance(node, ast.ImportFrom) and node.module:
                full = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
                names = [name for name in full if name in SOURCES]
            elif isinstance(node, ast.Attribute) and node.attr in DRAWS:
                names = [node.attr]
            found += [
                f"{place}:{getattr(node, 'lineno', 0)} {name}"
                for name in names
                if not any(place.startswith(start) and name == what for start, what in LINES)
            ]
    return found


def test_noise_is_drawn_in_core_noise_only() -> None:
    assert draws_elsewhere(ROOT / "src" / "unseen") == []


@pytest.mark.parametrize(
    "line",
    [
        "import random",
        "from random import gauss",
        "import secrets",
        "import os; os.urandom(8)",
        "import numpy as np; np.random.default_rng().laplace()",
        "from numpy.random import Generator",
        "import torch; torch.randn(3)",
        "def add(t):\n    return t.normal_()",
        "from opendp.measurements import make_laplace",
    ],
)
def test_a_draw_elsewhere_is_seen(tmp_path: Path, line: str) -> None:
    (tmp_path / "query").mkdir()
    (tmp_path / "query" / "planted.py").write_text(line + "\n")
    assert len(draws_elsewhere(tmp_path)) == 1
    (tmp_path / "core" / "noise").mkdir(parents=True)
    (tmp_path / "query" / "planted.py").rename(tmp_path / "core" / "noise" / "planted.py")
    assert draws_elsewhere(tmp_path) == []


@pytest.mark.parametrize("guard", [Count(1, seed=3), Mean("age", 1, seed=3), Histogram("ill", 1, seed=3)], ids=named)
def test_a_seeded_release_promises_nothing(tmp_path: Path, guard: Guard[Any]) -> None:
    assert isinstance(guard.cost(protect(tmp_path)), un.Nothing)
    release = guard.release(un.Dataset(FRAME, un.Schema("id", COLUMNS)))
    assert isinstance(release.guarantee, un.Nothing) and "seeded" in str(release.guarantee)
