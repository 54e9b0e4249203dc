"""The floors of the house hold, a broken one is seen, and nothing heavy is loaded before it is used."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "duckdb", "flwr", "matplotlib", "sqlalchemy", "pandas")
SLOW_TO_START = (*HEAVY, "scipy", "sklearn", "statsmodels", "dp_accounting", "opendp", "pyarrow", "polars")


def python(code: str, source: Path = ROOT / "src") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(source)}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)


def loaded_after(code: str, modules: tuple[str, ...], source: Path = ROOT / "src") -> list[str]:
    """Which of the modules the code loads in a fresh interpreter."""
    tail = f"\nimport json, sys\nprint('\\n' + json.dumps([m for m in {modules!r} if m in sys.modules]))"
    ended = python(code + tail, source)
    assert ended.returncode == 0, ended.stderr
    return list(json.loads(ended.stdout.splitlines()[-1]))


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    code = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", code, "--no-cache", "--no-logo", "--config", str(root / "pyproject.toml")],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root / "src"), "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the house, to break."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def plant(root: Path, module: str, line: str) -> None:
    """Append a line to a module of the copy; the module and its packages are made where they are missing."""
    file = root / "src" / Path(*module.split(".")).with_suffix(".py")
    package = file.with_suffix("") / "__init__.py"
    file = package if package.exists() else file
    file.parent.mkdir(parents=True, exist_ok=True)
    for folder in file.parents:
        if folder == root / "src":
            break
        (folder / "__init__.py").touch()
    with file.open("a", encoding="utf-8") as text:
        text.write(f"\n{line}\n")


def test_every_import_runs_down() -> None:
    ended = lint_imports(ROOT)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_an_untouched_copy_passes(copy: Path) -> None:
    ended = lint_imports(copy)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("unseen.core.planted", "unseen.query.engine"),
        ("unseen.core.planted", "unseen.report.page"),
        ("unseen.core.noise.planted", "unseen.train.dpsgd"),
        ("unseen.report.planted", "unseen.deid.search.kanon"),
        ("unseen.datasets", "unseen.query.engine"),
        ("unseen.query.planted", "unseen.deid.search.kanon"),
        ("unseen.query.planted", "unseen.models.linear"),
        ("unseen.train.planted", "unseen.query.engine"),
        ("unseen.synth.planted", "unseen.train.dpsgd"),
        ("unseen.deid.planted", "unseen.attack.linkage"),
        ("unseen.attack.planted", "unseen.core.ledger"),
        ("unseen.attack.planted", "unseen.core.guard"),
        ("unseen.attack.planted", "unseen.deid.search.kanon"),
        ("unseen.attack.planted", "unseen.query.engine"),
        ("unseen.attack.planted", "unseen.train.dpsgd"),
        ("unseen.attack.planted", "unseen.models.linear"),
        ("unseen.deid.planted", "unseen.data"),
        ("unseen.data", "unseen.recipe"),
        ("unseen.recipe", "unseen.cli.planted"),
    ],
)
def test_an_arrow_that_runs_up_or_across_breaks_the_build(copy: Path, importer: str, imported: str) -> None:
    plant(copy, imported, "")
    plant(copy, importer, f"import {imported}")
    ended = lint_imports(copy)
    assert ended.returncode == 1
    assert f"{importer} -> {imported}" in " ".join(ended.stdout.split()), ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("unseen.models.planted", "unseen.query.engine"),
        ("unseen.models.planted", "unseen.train.dpsgd"),
        ("unseen.synth.planted", "unseen.query.engine"),
        ("unseen.query.planted", "unseen.datasets"),
        ("unseen.data", "unseen.deid.search.kanon"),
        ("unseen.recipe", "unseen.attack.linkage"),
    ],
)
def test_an_arrow_that_the_design_allows_is_let_through(copy: Path, importer: str, imported: str) -> None:
    plant(copy, imported, "")
    plant(copy, importer, f"import {imported}")
    ended = lint_imports(copy)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("name", ["utils", "helpers", "common"])
def test_a_module_without_a_floor_breaks_the_build(copy: Path, name: str) -> None:
    plant(copy, f"unseen.{name}", "")
    ended = lint_imports(copy)
    assert ended.returncode == 1
    assert f"unseen.{name}" in ended.stdout, ended.stdout + ended.stderr


def test_import_unseen_loads_nothing_heavy() -> None:
    assert loaded_after("import unseen", HEAVY) == []


@pytest.mark.parametrize(
    "code", ["import unseen.train", "import unseen as un\nfor name in un.train.__all__:\n    getattr(un.train, name)"]
)
def test_training_loads_torch_only_when_it_is_used(code: str) -> None:
    """SQLAlchemy is no extra: a guard charges a ledger, which it keeps."""
    assert set(loaded_after(code, HEAVY)) <= {"sqlalchemy"}


def test_models_load_nothing_heavy_and_their_estimators_no_torch() -> None:
    """An estimator is scikit-learn's own kind of class, so that library is loaded with the first of them."""
    assert loaded_after("import unseen.models", (*HEAVY, "sklearn")) == []
    assert "torch" not in loaded_after("import unseen as un\nun.models.LogisticRegression(1.0).get_params()", HEAVY)


def test_whoever_trains_without_torch_is_told_what_to_install() -> None:
    code = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name=name)
sys.meta_path.insert(0, Absent())
import unseen as un
guard = un.train.DPSGD(1.0, delta=1e-6, expected_batch_size=1, steps=1, dataset_size=1, clipping=un.train.Adaptive())
assert guard.cost(([0.0],)).epsilon == 1
try:
    guard.open(None, None, ([0.0],))
except un.core.errors.MissingExtra as error:
    print(error)
"""
    ended = python(code)
    assert ended.returncode == 0, ended.stderr
    assert "unseen[train]" in ended.stdout


def test_a_heavy_import_at_the_top_is_seen(copy: Path) -> None:
    plant(copy, "unseen", "import duckdb")
    assert "duckdb" in loaded_after("import unseen", HEAVY, copy / "src")


def test_asking_for_help_loads_nothing_slow() -> None:
    code = """
import sys
sys.argv = ["unseen", "--help"]
from unseen.cli import main
try:
    main()
except SystemExit as ended:
    if ended.code:
        raise
"""
    assert loaded_after(code, SLOW_TO_START) == []


def imported_distributions() -> dict[str, set[str]]:
    """Each distribution that the package imports, and the files that do."""
    known = packages_distributions()
    found: dict[str, set[str]] = {}
    for file in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            else:
                continue
            for name in {n.split(".")[0] for n in names} - set(sys.stdlib_module_names) - {"unseen"}:
                for distribution in known.get(name, [name]):
                    found.setdefault(distribution.lower().replace("_", "-"), set()).add(file.name)
    return found


def test_what_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = [
        *project["dependencies"],
        *(line for extra in extras if extra != "test" for line in extras[extra]),
    ]
    declared = {re.split(r"[\[<>=!~; ]", line)[0].lower().replace("_", "-") for line in lines}
    undeclared = {name: files for name, files in imported_distributions().items() if name not in declared}
    assert undeclared == {}
