"""De-identified tables in a recipe: each key reaches its guard, and each release is attacked as its claim demands."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unseen as un
from unseen.core.errors import InvalidRecipe, InvalidRequest
from unseen.recipe import Recipe

DATA = """
[data]
source = "people.csv"
[schema]
unit = "pid"
quasi_identifiers = ["age", "zip"]
sensitive = ["ill"]
[schema.columns]
age = { range = [0, 100] }
zip = { digits = 5 }
ill = { categories = ["flu", "cold", "none", "gout"] }
[budget]
epsilon = 1
"""
WIDTHS = "hierarchies = { age = { widths = [10, 50] } }\n"


def recipe(folder: Path, release: str, attack: str = "") -> Recipe:
    draw = np.random.default_rng(3)
    rows = [
        f"p{i},{draw.integers(18, 95)},{10000 + draw.integers(0, 40)},{draw.choice(['flu', 'cold', 'none', 'gout'])}"
        for i in range(400)
    ]
    (folder / "people.csv").write_text("\n".join(["pid,age,zip,ill", *rows]) + "\n")
    released = f'[[release]]\nname = "table"\n{release}\n'
    attacked = f'[[attack]]\non = "table"\n{attack}\n' if attack else ""
    (folder / "recipe.toml").write_text(DATA + released + attacked)
    return Recipe.read(folder / "recipe.toml")


def guard(made: Recipe) -> Any:
    task: Any = made.steps[0][0]
    return task.guard


def ran(made: Recipe, folder: Path) -> tuple[dict[str, Any], list[dict[str, str]]]:
    made.run(folder / "out")
    report = json.loads((folder / "out" / "report.json").read_text())["releases"][0]
    with (folder / "out" / "table.csv").open() as file:
        return report, list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("keys", "model"),
    [
        ("l = 3", un.deid.DistinctDiversity(3)),
        ("l = { distinct = 2 }", un.deid.DistinctDiversity(2)),
        ("l = { entropy = 2.5 }", un.deid.EntropyDiversity(2.5)),
        ("l = { recursive = [2, 3] }", un.deid.RecursiveDiversity(2, 3)),
        ("t = 0.2", un.deid.TCloseness(0.2)),
        ("t = { equal = 0.3 }", un.deid.TCloseness(0.3)),
        ("t = { ordered = 0.3 }", un.deid.TCloseness(0.3, un.deid.Ordered())),
        ("beta = 1.5", un.deid.BetaLikeness(1.5)),
        ('population = "people.csv"\nk_map = 4', un.deid.KMap(4)),
        ('population = "people.csv"\ndelta_presence = [0, 0.5]', un.deid.DeltaPresence(0.5, 0)),
    ],
)
def test_each_model_that_a_recipe_names_reaches_the_guard(tmp_path: Path, keys: str, model: object) -> None:
    made = guard(recipe(tmp_path, f'guard = "KAnonymize"\n{WIDTHS}{keys}'))
    assert [*made.promises.models, *made.promises.over] == [model]


def test_a_hierarchical_distance_has_the_hierarchy_of_the_recipe(tmp_path: Path) -> None:
    parents = '{ flu = ["nose"], cold = ["nose"], none = ["well"], gout = ["foot"] }'
    keys = f'sensitive = "ill"\nt = {{ hierarchical = 0.4, hierarchy = {{ taxonomy = {parents} }} }}'
    model = guard(recipe(tmp_path, f'guard = "Mondrian"\n{keys}')).promises.models[0]
    assert model.t == 0.4 and model.distance.hierarchy.label(np.array(["flu"], dtype=object), 1)[0] == "nose"


def test_quality_and_its_target_reach_the_guard(tmp_path: Path) -> None:
    assert guard(recipe(tmp_path, f'guard = "KAnonymize"\n{WIDTHS}quality = "entropy"')).quality == un.deid.Entropy()
    tried = guard(recipe(tmp_path, f'guard = "KAnonymize"\n{WIDTHS}quality = {{ downstream = "ill" }}')).quality
    assert isinstance(tried, un.deid.Downstream) and tried.target == "ill"


def test_mondrians_release_is_k_anonymous_and_diverse_and_attacked_on_both(tmp_path: Path) -> None:
    keys = 'guard = "Mondrian"\nk = 4\nl = 3\n'
    report, rows = ran(recipe(tmp_path, keys, 'name = "Homogeneity"\nruled_out = 1'), tmp_path)
    classes: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        classes.setdefault((row["age"], row["zip"]), []).append(row["ill"])
    assert len(rows) == 400 and len(classes) > 5
    assert all(len(values) >= 4 and len(set(values)) >= 3 for values in classes.values())
    assert report["claimed"] == 0 == report["measured"]["value"] and report["verdict"] == "holds"
    linked, _ = ran(recipe(tmp_path, keys, 'name = "Linkage"'), tmp_path)
    assert linked["claimed"] == 0.25 >= linked["measured"]["low"] and linked["figures"]["before protection"] > 0.5


def test_entropy_diversity_claims_a_share_and_so_many_values(tmp_path: Path) -> None:
    keys = 'guard = "Mondrian"\nk = 4\nl = { entropy = 2.5 }\n'
    found = [ran(recipe(tmp_path, keys, f'name = "Homogeneity"\nruled_out = {n}'), tmp_path)[0] for n in (0, 1, 2)]
    assert 0.25 < found[0]["claimed"] < 1 and found[0]["verdict"] == "holds" and "greatest share" in found[0]["scale"]
    assert found[1]["claimed"] == 0 and found[1]["verdict"] == "holds" and "certain" in found[1]["scale"]
    assert found[2]["claimed"] is None and found[2]["verdict"] == "no claim"


def test_levels_by_hand_are_released_as_chosen(tmp_path: Path) -> None:
    keys = f'guard = "Generalize"\nk = 3\nsuppress_at_most = 0.1\n{WIDTHS}levels = {{ age = 2, zip = -1 }}'
    report, rows = ran(recipe(tmp_path, keys, 'name = "Linkage"'), tmp_path)
    assert {row["age"] for row in rows} == {"[0, 50)", "[50, 100]"} and {row["zip"] for row in rows} == {"*"}
    assert report["claimed"] == pytest.approx(1 / 3) and report["what"].startswith("The table itself, with vaguer age")


def test_a_unit_of_several_rows_is_found_by_any_of_them(tmp_path: Path) -> None:
    """96 rows of one person among five: a guess is theirs with .96, and says so whatever was promised."""
    keys = 'guard = "Generalize"\nk = 5\nlevels = { age = -1, zip = -1 }'
    recipe(tmp_path, keys, 'name = "Linkage"')
    rows = [f"{'A' if i < 96 else 'BCDE'[i - 96]},{20 + i % 50},{10000 + i},flu" for i in range(100)]
    (tmp_path / "people.csv").write_text("\n".join(["pid,age,zip,ill", *rows]) + "\n")
    text = (tmp_path / "recipe.toml").read_text()
    (tmp_path / "recipe.toml").write_text(text.replace('unit = "pid"', 'unit = "pid"\nmax_rows_per_unit = 96'))
    report, released = ran(Recipe.read(tmp_path / "recipe.toml"), tmp_path)
    assert len(released) == 100 and report["claimed"] == 0.96 and report["verdict"] == "holds"
    assert report["figures"]["expected share"] == pytest.approx((96 * 0.96 + 4 * 0.01) / 100)
    assert report["figures"]["before protection"] == 1


def test_pseudonyms_promise_nothing_and_linkage_shows_what_was_kept(tmp_path: Path) -> None:
    un.deid.Key.create(tmp_path / "own.key")
    policy = 'policy = { project = "study", columns = { pid = "token" }, others = "keep" }'
    keys = f'guard = "Pseudonymize"\nkey = "own.key"\n{policy}'
    report, rows = ran(recipe(tmp_path, keys, 'name = "Linkage"'), tmp_path)
    assert report["verdict"] == "no claim" and report["measured"]["value"] > 0.5
    assert len({row["pid"] for row in rows} - {f"p{i}" for i in range(400)}) == 400
    (tmp_path / "policy.toml").write_text('[policy]\nproject = "study"\nothers = "keep"\n[policy.columns]\npid="token"')
    again = recipe(tmp_path, 'guard = "Pseudonymize"\nkey = "own.key"\npolicy = "policy.toml"')
    assert {row["pid"] for row in ran(again, tmp_path)[1]} == {row["pid"] for row in rows}


def test_a_shareable_run_writes_no_table_without_a_price(tmp_path: Path) -> None:
    recipe(tmp_path, 'guard = "Mondrian"', 'name = "Linkage"').run(tmp_path / "out", shareable=True)
    assert not any((tmp_path / "out").rglob("table.*"))


@pytest.mark.parametrize(
    ("keys", "attack", "says"),
    [
        ("l = { distinct = 2, entropy = 2 }", "", "table' l: 2 entries"),
        ("l = { odd = 2 }", "", "unknown key 'odd'"),
        ("l = 1", "", "l=1"),
        ("t = { hierarchical = 0.2 }", "", "hierarchy was given alone"),
        ("t = 2", "", "t=2"),
        ("delta_presence = [0.5]", "", "delta_presence"),
        ("quality = { upstream = 'ill' }", "", "unknown key 'upstream'"),
        ("k_map = 3", "", "'k_map' was given alone"),
        ("", 'name = "Linkage"\ncolumns = ["salary"]', "salary"),
        ("", 'name = "Homogeneity"\nsensitive = "salary"', "salary"),
        ("", 'name = "Homogeneity"\nruled_out = -1', "ruled_out"),
        ("", 'name = "Membership"', "KAnonymize is attacked by Linkage, Homogeneity"),
    ],
)
def test_what_does_not_fit_is_refused_before_data_are_read(tmp_path: Path, keys: str, attack: str, says: str) -> None:
    with pytest.raises(InvalidRecipe, match=says):
        recipe(tmp_path, f'guard = "KAnonymize"\n{WIDTHS}{keys}', attack)


def test_a_key_that_is_not_there_is_named(tmp_path: Path) -> None:
    policy = 'policy = { project = "study", columns = { pid = "token" }, others = "keep" }'
    with pytest.raises(InvalidRequest, match=r"own\.key"):
        recipe(tmp_path, f'guard = "Pseudonymize"\nkey = "own.key"\n{policy}')


def test_paths_may_name_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "h").mkdir()
    (tmp_path / "h" / "age.csv").write_text("\n".join(f"{age};{age // 50};*" for age in range(101)))
    keys = 'guard = "Mondrian"\nhierarchies = { age = "${HERE}/age.csv" }'
    monkeypatch.setenv("HERE", str(tmp_path / "h"))
    assert guard(recipe(tmp_path, keys)).hierarchies["age"].levels == 3
    monkeypatch.delenv("HERE")
    with pytest.raises(InvalidRecipe, match="environment variable HERE"):
        recipe(tmp_path, keys)
