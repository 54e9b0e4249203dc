"""The commands do what their help says, load little, and their exit codes mean what is documented."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from unseen import datasets
from unseen.recipe.statistics import CountTask
from unseen.report.claims import Measured

from .conftest import Ended, Workplace

HEAVY = (
    *("torch", "duckdb", "flwr", "matplotlib", "sqlalchemy", "pandas", "scipy", "sklearn", "pyarrow", "numpy"),
    *("statsmodels", "dp_accounting", "opendp", "polars", "jinja2"),
)


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom unseen.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit as left:\n"
        f"    assert not left.code\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"
    assert "Exit codes" in ended.stdout


def test_a_recipe_runs_as_a_program(workplace: Workplace) -> None:
    program = [sys.executable, "-c", "from unseen.cli import main; main()"]
    arguments = ["run", str(workplace.recipe()), "--out", str(workplace.folder / "new")]
    ended = subprocess.run([*program, *arguments], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert not ended.stderr
    assert "holds" in ended.stdout and "not attacked" in ended.stdout and "ε 1.75 of 3" in ended.stdout
    assert str(workplace.folder / "new" / "report.html") in ended.stdout


def test_json_of_a_run_is_the_report(workplace: Workplace) -> None:
    ended = workplace.run(workplace.recipe().read_text(), "--json")
    assert ended.code == 0, ended.err
    printed = json.loads(ended.out)
    assert printed == json.loads((workplace.folder / "out" / "report.json").read_text())
    assert printed["ledger"]["epsilon_left"] == 1.5


def test_a_broken_claim_is_exit_code_3(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = CountTask.audit

    def broken(self: CountTask, *given: object) -> object:
        return replace(honest(self, *given), measured=Measured(2.0, 1.5, 2.5))  # type: ignore[arg-type]

    monkeypatch.setattr(CountTask, "audit", broken)
    ended = workplace.run()
    assert ended.code == 3 and "broken" in ended.out and not ended.err


def test_a_fault_of_unseen_is_exit_code_1_and_shows_no_values(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: CountTask, *given: object) -> object:
        raise RuntimeError("secret value 4711")

    monkeypatch.setattr(CountTask, "release", fails)
    ended = workplace.run()
    assert ended.code == 1 and "RuntimeError" in ended.err
    assert "4711" not in ended.err + ended.out and len(ended.err.strip().splitlines()) == 1


def test_a_run_that_stops_after_a_charge_says_so_and_is_no_refusal(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unseen.core.errors import BudgetExceeded
    from unseen.recipe.statistics import MeanTask

    def spent(self: MeanTask, *given: object) -> object:
        raise BudgetExceeded("somebody else was faster")

    monkeypatch.setattr(MeanTask, "release", spent)
    ended = workplace.run()
    assert ended.code == 1 and "1 releases before it were charged" in ended.err
    assert (workplace.folder / "out" / "people.json").exists()


def test_doctor_finds_this_installation_fine(unseen: Callable[..., Ended]) -> None:
    ended = unseen("doctor", "--json")
    assert ended.code == 0 and json.loads(ended.out)["fine"] is True
    assert {"entropy", "duckdb", "extra models"} <= {one["check"] for one in json.loads(ended.out)["checks"]}
    assert "entropy" in unseen("doctor").out


@pytest.fixture
def patients(tmp_path: Path) -> Path:
    table = datasets.patients(800, seed=1)
    table["e-mail"] = [f"p{i}@example.org" for i in range(len(table))]
    table["born"] = [f"19{i % 100:02d}-0{i % 9 + 1}-11" for i in range(len(table))]
    table.to_csv(tmp_path / "patients.csv", index=False)
    return tmp_path / "patients.csv"


def test_check_says_what_identifies_and_leaves_the_bounds_to_the_owner(
    unseen: Callable[..., Ended], patients: Path
) -> None:
    ended = unseen("check", str(patients), "--out", str(patients.parent / "looked"), "--json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    roles = {column["name"]: column["role"] for column in found["columns"]}
    assert [n for n, role in roles.items() if role == "identifier"] == ["patient_id", "name", "e-mail"]
    assert [n for n, role in roles.items() if role == "quasi-identifier"] == ["age", "zip", "born"]
    assert roles["ill"] == "sensitive"
    kinds = {column["name"]: column["kind"] for column in found["columns"]}
    assert (kinds["age"], kinds["zip"], kinds["born"], kinds["ill"]) == ("number", "code", "date", "category")
    schema = tomllib.loads(found["schema"])["schema"]
    assert schema["columns"] == {"age": {"range": []}, "ill": {"categories": []}, "zip": {"digits": 0}}
    assert Path(found["page"]).read_text().startswith("<!doctype html>")


def test_check_counts_who_is_unique(unseen: Callable[..., Ended], tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("age,sex,city\n1,m,a\n1,m,a\n1,f,a\n2,m,a\n2,m,b\n", encoding="utf-8")
    found = json.loads(unseen("check", str(path), "--out", str(tmp_path), "--json").out)
    units = {tuple(one["columns"]): (one["units"], one["unique"]) for one in found["uniqueness"]}
    assert units["age",] == (0, 0) and units["sex",] == (1, 0.2)
    assert units["age", "sex"] == (1, 0.2) and units["age", "sex", "city"] == (3, 0.6)


def test_check_counts_people_where_a_column_names_them(unseen: Callable[..., Ended], tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("who,age,sex\nA,1,m\nA,1,m\nB,2,m\nC,2,m\n", encoding="utf-8")
    found = json.loads(unseen("check", str(path), "--unit", "who", "--out", str(tmp_path), "--json").out)
    units = {tuple(one["columns"]): (one["units"], one["unique"]) for one in found["uniqueness"]}
    assert units["age",] == (1, pytest.approx(1 / 3))
    assert tomllib.loads(found["schema"])["schema"]["unit"] == "who"
    assert unseen("check", str(path), "--unit", "whom").code == 2


@pytest.mark.parametrize(
    "text",
    ["a,b\n", "a\n1\n", "a,b\n,\n,\n", "Straße,'; DROP TABLE x,a b\n1,2,3\n", 'x\n"\n"\n'],
)
def test_check_survives_odd_tables(unseen: Callable[..., Ended], tmp_path: Path, text: str) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    ended = unseen("check", str(tmp_path / "t.csv"), "--out", str(tmp_path))
    assert ended.code == 0, ended.err


def test_check_refuses_two_columns_of_one_name(unseen: Callable[..., Ended], tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,a\n1,2\n", encoding="utf-8")
    ended = unseen("check", str(tmp_path / "t.csv"), "--out", str(tmp_path))
    assert ended.code == 2 and "each column once" in ended.err


def test_check_of_ten_thousand_columns_is_capped_and_says_so(unseen: Callable[..., Ended], tmp_path: Path) -> None:
    names = ",".join(f"c{i}" for i in range(10_000))
    values = "\n".join(",".join(str(i * j % 7) for i in range(10_000)) for j in range(20))
    (tmp_path / "wide.csv").write_text(f"{names}\n{values}\n", encoding="utf-8")
    begun = time.monotonic()
    ended = unseen("check", str(tmp_path / "wide.csv"), "--out", str(tmp_path), "--json")
    assert ended.code == 0, ended.err
    assert any("first 200 of 10,000 columns" in note for note in json.loads(ended.out)["notes"])
    assert time.monotonic() - begun < 120  # it does not hang; no claim of speed
