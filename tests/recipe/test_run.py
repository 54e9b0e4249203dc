"""A recipe from file to report: what it writes, what it charges, and that odd data behave as their neighbours do."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import unseen as un
from unseen.core.errors import BudgetExceeded, DataFault, InvalidRequest
from unseen.core.ledger import Ledger
from unseen.query import Count, Histogram, Mean, Sum
from unseen.query.statistic import Statistic
from unseen.recipe import Recipe
from unseen.recipe.neighbours import neighbours
from unseen.report.claims import Verdict

STATISTICS = """
[data]
source = "people.csv"
derive = { old = "age >= 65 and not ill == 'yes'" }
[schema]
unit = "row"
quasi_identifiers = ["age", "zip"]
sensitive = ["ill"]
[schema.columns]
age = { range = [0, 100] }
zip = { digits = 5 }
score = { range = [0, 1] }
ill = { categories = ["no", "yes"] }
old = { categories = ["false", "true"] }
[budget]
epsilon = 3
delta = 1e-6
[[release]]
name = "people"
guard = "Count"
epsilon = 0.5
[[release]]
name = "mean age"
guard = "Mean"
column = "age"
by = "ill"
epsilon = 0.5
[[release]]
name = "ages"
guard = "Histogram"
column = "age"
edges = [0, 50, 100]
epsilon = 0.1
[[attack]]
name = "Distinguish"
on = "people"
runs = 4000
"""
TABLE = """
[[release]]
name = "table"
guard = "KAnonymize"
k = 5
suppress_at_most = 0.05
hierarchies = { age = { widths = [10, 20] } }
[[attack]]
name = "Linkage"
on = "table"
"""
MODEL = """
[[release]]
name = "model"
guard = "LogisticRegression"
target = "ill"
train_share = 0.6
epsilon = 0.5
epochs = 2
[[attack]]
name = "Membership"
on = "model"
"""


def people(rows: int) -> list[str]:
    draw = np.random.default_rng(5)
    ages, zips = draw.integers(18, 95, rows), draw.integers(0, 6, rows)
    pairs = zip(ages, zips, strict=True)
    return [f"{a},{10000 + z},{'yes' if draw.random() < a / 100 else 'no'},{draw.random():.6f}" for a, z in pairs]


def written(folder: Path, recipe: str, rows: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "people.csv").write_text("\n".join(["age,zip,ill,score", *rows]) + "\n", encoding="utf-8")
    (folder / "recipe.toml").write_text(recipe, encoding="utf-8")
    return folder / "recipe.toml"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ran")
    Recipe.read(written(folder, STATISTICS + TABLE + MODEL, people(4000))).run(folder / "out")
    return folder


def test_report_json_holds_the_names_that_others_rely_on(ran: Path) -> None:
    report = json.loads((ran / "out" / "report.json").read_text())
    assert [one["name"] for one in report["releases"]] == ["people", "mean age", "ages", "table", "model"]
    for one in report["releases"]:
        assert {"name", "scale", "claimed", "measured", "verdict"} <= one.keys()
        assert one["measured"] is None or {"value", "low", "high"} <= one["measured"].keys()
        assert one["what"].endswith(".")
    verdicts = {one["name"]: one["verdict"] for one in report["releases"]}
    assert verdicts["ages"] == verdicts["mean age"] == Verdict.NOT_ATTACKED.value
    assert verdicts["table"] == verdicts["model"] == verdicts["people"] == Verdict.HOLDS.value


def test_the_linkage_figure_before_protection_stands_beside_the_measured_one(ran: Path) -> None:
    table = json.loads((ran / "out" / "report.json").read_text())["releases"][3]
    assert table["claimed"] == 0.2
    assert table["measured"]["value"] < table["claimed"] < table["figures"]["before protection"] + 0.2
    assert table["figures"]["before protection"] > table["measured"]["value"]


def test_baselines_are_attacked_beside_the_model_and_the_memoriser_leaks(ran: Path) -> None:
    model = json.loads((ran / "out" / "report.json").read_text())["releases"][4]
    leaks = [value for name, value in model["figures"].items() if "memorises" in name]
    assert leaks and leaks[0] > model["claimed"]
    assert any("without DP" in name for name in model["figures"])
    assert model["utility"][0]["measure"].startswith("AUC")


def test_one_ledger_holds_all_of_it_and_the_sum_is_the_recipe_s(ran: Path) -> None:
    ledger = Ledger(ran / "out" / "recipe.ledger")
    assert ledger.verify() == 5
    assert ledger.spent == (pytest.approx(1.6), 1e-7)
    assert ledger.entries()[0].purpose == "table"  # may fail on data, so it comes first
    assert ledger.total == "ε covers 4 of 5 releases; not covered: KAnonymize (entry 1)"


def test_releases_are_written_as_soon_as_they_are_made(ran: Path) -> None:
    assert (ran / "out" / "table.csv").read_text().splitlines()[0].replace('"', "") == "age,zip,score,ill,old"
    assert json.loads((ran / "out" / "people.json").read_text())["receipt"]["epsilon"] == 0.5
    assert (ran / "out" / "report.html").read_text().startswith("<!doctype html>")


def test_a_second_run_into_the_same_folder_is_refused_when_the_budget_is_gone(ran: Path) -> None:
    with pytest.raises(BudgetExceeded, match=r"ε 1.6.* left"):
        Recipe.read(ran / "recipe.toml").run(ran / "out")
    assert Ledger(ran / "out" / "recipe.ledger").verify() == 5


def test_a_shareable_report_holds_nothing_that_was_not_paid_for(tmp_path: Path) -> None:
    recipe = written(tmp_path, STATISTICS + TABLE, people(600))
    summary = Recipe.read(recipe).run(tmp_path / "out", shareable=True)
    assert summary.released[0].report.measured is not None  # the owner still gets it
    report = json.loads((tmp_path / "out" / "shareable" / "report.json").read_text())
    assert report["shareable"] is True
    for one in report["releases"]:
        assert one["measured"] is None and not one["figures"] and not one["utility"]
    table = next(one for one in report["releases"] if one["name"] == "table")
    assert not table["release"].get("value") and not table["release"].get("covers")
    assert not any((tmp_path / "out").rglob("table.*"))
    assert not any((tmp_path / "out" / "shareable").rglob("*.ledger*"))
    assert (tmp_path / "out" / "recipe.ledger.key").exists()


ODD = {
    "no rows": [],
    "one row": ["44,10001,yes,0.5"],
    "all values missing": [",,,"] * 30,
    "NaN and infinity": ["nan,10001,yes,1", "inf,10002,no,nan", "-inf,,,"] * 10,
    "out of domain": ["-5,abc,perhaps,-1", "1e9,123456,YES,2"] * 10,
    "text for numbers": ["44,10001,yes,0.5", "old,zip,ill,high"] * 10,
    "all alike": ["44,10001,yes,0.5"] * 50,
}


@pytest.mark.parametrize("name", ODD)
def test_what_depends_on_private_values_is_a_normal_charged_release(tmp_path: Path, name: str) -> None:
    summary = Recipe.read(written(tmp_path, STATISTICS + MODEL, ODD[name])).run(tmp_path / "out")
    charged = [(e.guard, e.epsilon, e.delta) for e in Ledger(tmp_path / "out" / "recipe.ledger").entries()]
    assert charged == [("Count", 0.5, 0), ("Mean", 0.5, 0), ("Histogram", 0.1, 0), ("DPSGD", 0.5, 1e-7)]
    assert summary.released[0].report.verdict is Verdict.HOLDS
    assert all(one.report.verdict is not Verdict.BROKEN for one in summary.released)


def test_neighbouring_tables_are_charged_alike(tmp_path: Path) -> None:
    rows, bodies = people(40), []
    for place, table in enumerate((rows, rows[:-1], [*rows, "nan,,,"])):
        folder = tmp_path / str(place)
        Recipe.read(written(folder, STATISTICS, table)).run(folder / "out")
        entries = Ledger(folder / "out" / "recipe.ledger").entries()
        bodies.append([(e.guard, e.purpose, e.event, e.guarantee) for e in entries])
    assert bodies[0] == bodies[1] == bodies[2]


def test_k_anonymity_that_the_data_do_not_allow_stops_before_anything_is_charged(tmp_path: Path) -> None:
    with pytest.raises(DataFault, match="k=5"):
        Recipe.read(written(tmp_path, STATISTICS + TABLE, people(3))).run(tmp_path / "out")
    assert Ledger(tmp_path / "out" / "recipe.ledger").spent == (0, 0)


def test_a_recipe_asks_for_its_own_file_s_neighbour_whatever_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe.read(written(tmp_path / "here", STATISTICS, people(30)))
    monkeypatch.chdir("/")
    data = recipe.protect(tmp_path / "here" / "mine.ledger")
    promised = recipe.check(data)
    assert [one.to_dict()["epsilon"] for one in promised] == [0.5, 0.5, 0.1]
    assert data.ledger is not None and data.ledger.verify() == 0


@pytest.mark.parametrize(
    "statistic",
    [
        Count(epsilon=0.7),
        Count(epsilon=0.7, by="kind"),
        Sum("x", epsilon=0.7),
        Mean("x", epsilon=0.7),
        Mean("x", epsilon=0.7, by="kind"),
        Histogram("x", epsilon=0.7, edges=4),
        Histogram("kind", epsilon=0.7),
    ],
)
@pytest.mark.parametrize("rows", [1, 3])
def test_generated_neighbours_show_most_of_epsilon_and_catch_a_guard_that_spends_double(
    statistic: Statistic, rows: int
) -> None:
    """False alarm of each attack at confidence .999: at most 5e-4 by its bound, far less by its construction."""
    columns = {"x": un.Range(-3, 2), "kind": un.Categorical("a", "b"), "zip": un.Digits(3)}
    schema = un.Schema("person" if rows > 1 else un.EachRow(), columns, max_rows_per_unit=rows)
    one, other = neighbours(schema, statistic)
    report = un.attack.Distinguish(
        lambda runs: statistic.replay(one, runs), lambda runs: statistic.replay(other, runs), 20_000, 0.999
    ).audit(statistic.guarantee(one))
    assert report.verdict is Verdict.HOLDS
    assert report.measured is not None and report.measured.low > 0.4
    lying = un.attack.Distinguish(
        lambda runs: statistic.replay(one, runs), lambda runs: statistic.replay(other, runs), 20_000, 0.999
    ).audit(un.DP(0.35, unit="row"))
    assert lying.verdict is Verdict.BROKEN


def test_neighbours_differ_in_one_unit_that_has_too_many_rows() -> None:
    schema = un.Schema("person", {"x": un.Range(0, 1)}, max_rows_per_unit=4)
    one, other = neighbours(schema, Count(epsilon=1))
    count = {data: int(data.arrays(["x"], bounded=False)["x"].size) for data in (one, other)}
    kept = {data: int(data.arrays(["x"], bounded=True)["x"].size) for data in (one, other)}
    assert count[other] - count[one] == 9 and kept[other] - kept[one] == 4


def test_a_replay_never_touches_a_table_with_a_ledger(tmp_path: Path) -> None:
    data = Recipe.read(written(tmp_path, STATISTICS, people(30))).protect(tmp_path / "x.ledger")
    with pytest.raises(InvalidRequest, match="generated"):
        Mean("age", epsilon=1).replay(data, 10)


@pytest.mark.parametrize(("name", "budget", "steps", "attacks"), [
    ("affairs", un.DP(3, 1e-6), 6, 5), ("adult", un.DP(3, 1e-6), 6, 5), ("census", un.DP(1), 3, 3)
])  # fmt: skip
def test_the_examples_are_good_recipes(
    name: str, budget: un.DP, steps: int, attacks: int, needs_data: Callable[[str], Path]
) -> None:
    if name == "adult":
        needs_data("adult/adult_hierarchy_age.csv")
    recipe = Recipe.read(Path(__file__).parents[2] / "examples" / f"{name}.toml")
    assert recipe.document.budget == budget
    assert len(recipe.steps) == steps and sum(attack is not None for _, attack in recipe.steps) == attacks


def test_the_main_job_s_survey_fits_its_declaration(tmp_path: Path) -> None:
    recipe = Recipe.read(Path(__file__).parents[2] / "examples" / "affairs.toml")
    data = recipe.protect(tmp_path / "affairs.ledger")
    promised = recipe.check(data)
    assert [type(one).__name__ for one in promised] == ["KAnonymity", "DP", "DP", "DP", "DP", "DP"]
    assert sum(data.arrays(["affair"], bounded=False)["affair"] == "true") == 2053
