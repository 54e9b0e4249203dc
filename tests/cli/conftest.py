"""A table, a recipe and a ledger that are fine, for tests of what is not; and the command line in this process."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import unseen as un
from unseen.cli import main
from unseen.core.ledger import Ledger

RECIPE = """
title = "Small"
[data]
source = "people.csv"
derive = { old = "age >= 65" }
[schema]
unit = "person"
max_rows_per_unit = 1
quasi_identifiers = ["age", "zip"]
sensitive = ["ill"]
[schema.columns]
age = { range = [0, 100] }
zip = { digits = 5 }
ill = { categories = ["no", "yes"] }
old = { categories = ["false", "true"] }
[budget]
epsilon = 3
delta = 1e-6
[[release]]
name = "table"
guard = "KAnonymize"
k = 3
suppress_at_most = 0.1
[[release]]
name = "people"
guard = "Count"
by = "ill"
epsilon = 0.5
[[release]]
name = "mean age"
guard = "Mean"
column = "age"
epsilon = 0.5
[[release]]
name = "ages"
guard = "Histogram"
column = "age"
edges = 5
epsilon = 0.25
[[attack]]
name = "Linkage"
on = "table"
[[attack]]
name = "Distinguish"
on = "people"
runs = 2000
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Workplace:
    """A folder with people.csv, small.toml, and out/small.ledger with one entry."""

    folder: Path
    unseen: Callable[..., Ended]

    @property
    def ledger(self) -> Path:
        return self.folder / "out" / "small.ledger"

    def recipe(self, text: str = RECIPE) -> Path:
        path = self.folder / "small.toml"
        path.write_text(text, encoding="utf-8")
        return path

    def run(self, text: str = RECIPE, *more: str) -> Ended:
        return self.unseen("run", str(self.recipe(text)), "--out", str(self.folder / "out"), *more)

    def entries(self) -> int:
        return Ledger(self.ledger).verify()


def table(rows: int = 400) -> str:
    """A csv in which every person has one row."""
    lines = [f"P{i:04d},{20 + i * 7 % 60},{10000 + i % 4},{'yes' if i % 3 == 0 else 'no'}" for i in range(rows)]
    return "\n".join(["person,age,zip,ill", *lines]) + "\n"


@pytest.fixture
def unseen(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """The command line, without a new process."""

    def run(*arguments: str) -> Ended:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main(arguments)
        said = capsys.readouterr()
        return Ended(int(left.value.code or 0), said.out, said.err)

    return run


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workplace's files, made once."""
    import duckdb

    from unseen.recipe import Recipe

    folder = tmp_path_factory.mktemp("prepared")
    (folder / "people.csv").write_text(table(), encoding="utf-8")
    (folder / "small.toml").write_text(RECIPE, encoding="utf-8")
    duckdb.connect(str(folder / "other.duckdb")).close()
    (folder / "out").mkdir()
    recipe = Recipe.read(folder / "small.toml")
    data = recipe.protect(folder / "out" / "small.ledger")
    un.query.Count(epsilon=0.25).release(data)
    return folder


@pytest.fixture
def workplace(prepared: Path, tmp_path: Path, unseen: Callable[..., Ended]) -> Workplace:
    folder = tmp_path / "work"
    shutil.copytree(prepared, folder)
    return Workplace(folder, unseen)
