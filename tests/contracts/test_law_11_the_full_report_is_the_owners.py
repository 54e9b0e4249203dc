"""Law 11: what is shared of a run is the same for every table, but for what was paid for."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unseen.core.noise import scalar
from unseen.recipe import Recipe
from unseen.report import page
from unseen.report.summary import Released, Summary

RECIPE = """
title = "Small"
purpose = "To be shared."
[data]
source = "people.csv"
derive = { old = "age >= 65" }
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
[[release]]
name = "table"
guard = "KAnonymize"
k = 5
suppress_at_most = 0.05
hierarchies = { age = { widths = [10, 20] } }
[[release]]
name = "model"
guard = "LogisticRegression"
target = "ill"
train_share = 0.5
epsilon = 0.5
epochs = 1
dataset_size = 1000
[[attack]]
name = "Distinguish"
on = "people"
runs = 400
[[attack]]
name = "Linkage"
on = "table"
"""
ON_MODEL = """[[attack]]
name = "Membership"
on = "model"
"""
RECIPE += ON_MODEL
PAID = 1000  # what each noised sum is, whatever was counted: then all that differs was not paid for
LEDGER = "recipe.ledger"
KEYED = ("ledger", "head", "when", "made", "signature", "public_key", "id")
"""Names under which stand times, names and keyed values: of one run, and of no table."""


def people(rows: int, seed: int = 5) -> list[str]:
    draw = np.random.default_rng(seed)
    ages, zips = draw.integers(18, 95, rows), draw.integers(0, 6, rows)
    pairs = zip(ages, zips, strict=True)
    return [f"{a},{10000 + z},{'yes' if draw.random() < a / 100 else 'no'},{draw.random():.9f}" for a, z in pairs]


MANY = people(2300)
TABLES = {
    "whole": MANY,
    "one less": MANY[:-1],
    "one more": [*MANY, "nan,,,"],
    "others, too few to attack": people(400, seed=9),
}


@contextmanager
def noise_that_hides_everything() -> Iterator[None]:
    """Every noised sum is ``PAID``."""
    make = scalar._mechanism

    class Fixed:
        def __init__(self, real: Any) -> None:
            self.map = real.map

        def __call__(self, exact: list[int]) -> list[int]:
            return [PAID] * len(exact)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scalar, "_mechanism", lambda scale: Fixed(make(scale)))
        yield


@dataclass(frozen=True)
class Run:
    """What a run wrote for sharing, by file name, and what the owner knows beside it."""

    shared: dict[str, str]
    summary: Summary
    rows: list[str]


def run(folder: Path, rows: list[str], recipe: str = RECIPE, shareable: bool = True) -> Run:
    folder.mkdir(parents=True)
    (folder / "people.csv").write_text("\n".join(["age,zip,ill,score", *rows]) + "\n", encoding="utf-8")
    (folder / "recipe.toml").write_text(recipe, encoding="utf-8")
    out = folder / "out"
    with noise_that_hides_everything():
        summary = Recipe.read(folder / "recipe.toml").run(out, shareable=shareable)
    shared = out / "shareable" if shareable else out
    files = sorted(one for one in shared.rglob("*") if one.is_file() and (shareable or not one.name.startswith(LEDGER)))
    return Run({one.relative_to(shared).as_posix(): one.read_text("utf-8") for one in files}, summary, rows)


def masked(shared: dict[str, str]) -> dict[str, str]:
    """The same without names of ledgers, times and keyed values."""
    keyed: set[str] = set()

    def collect(value: Any) -> None:
        for name, part in value.items() if isinstance(value, dict) else enumerate(value):
            if name in KEYED and isinstance(part, str):
                keyed.update((part[:16], part[:16].replace("T", " ")))  # the page cuts them short
            elif isinstance(part, (dict, list)):
                collect(part)

    for name, text in shared.items():
        if name.endswith(".json"):
            collect(json.loads(text))
    one = re.compile(rf"(?:{'|'.join(map(re.escape, sorted(keyed)))})[\w:.+/=-]*")
    return {name: one.sub("~", text) for name, text in shared.items()}


def alike(runs: list[dict[str, str]]) -> bool:
    """Whether nothing that is shared tells one table from another."""
    first, *others = map(masked, runs)
    return all(one == first for one in others)


def unpaid(run: Run) -> set[str]:
    """What was computed without a price, as it would stand in a text: figures, exact results, cells of the table."""
    found: set[str] = set()

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            value = [*value.values(), *value]
        if isinstance(value, (list, tuple)):
            for part in value:
                collect(part)
        elif isinstance(value, float) and np.isfinite(value):
            found.update({repr(value), f"{value:.6g}", page.number(value)})
        elif isinstance(value, int):
            found.update({str(value), page.number(value)})

    for one in run.summary.released:
        report = one.report
        collect([dict(report.figures), dict(report.curves), one.exact])
        collect([[use.released, use.unprotected] for use in one.utility])
        if report.measured is not None:
            collect(list(report.measured.__dict__.values()))
    found |= {row.rsplit(",", 1)[1] for row in run.rows}
    # A short number may stand anywhere; one of four digits or more, or with a comma of thousands, seldom does.
    return {text for text in found if len(re.sub(r"\D", "", text).strip("0")) >= 5 and text != str(PAID)}


def words(text: str) -> set[str]:
    return set(re.findall(r"[\w.]+(?:\N{NARROW NO-BREAK SPACE}[\w.]+)*", text))


def holds_nothing_unpaid(shared: dict[str, str], known: set[str]) -> bool:
    return not any(words(text) & known for text in shared.values())


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    pytest.importorskip("unseen.models", reason="wants unseen.models")
    folder = tmp_path_factory.mktemp("shared")
    return {name: run(folder / str(place), rows) for place, (name, rows) in enumerate(TABLES.items())}


def test_what_is_shared_is_the_same_for_every_table_but_for_what_was_paid(runs: dict[str, Run]) -> None:
    texts = [one.shared for one in runs.values()]
    assert {"report.json", "report.html", "people.json", "model.json"} <= texts[0].keys()
    assert alike(texts)


def test_nothing_that_was_not_paid_for_is_shared(runs: dict[str, Run]) -> None:
    for one in runs.values():
        assert len(unpaid(one)) > 300
        assert holds_nothing_unpaid(one.shared, unpaid(one))
        assert not any(name.startswith("table") for name in one.shared)
        assert all(released["measured"] is None for released in json.loads(one.shared["report.json"])["releases"])


def test_the_owner_s_own_summaries_do_differ(runs: dict[str, Run]) -> None:
    """Else the two tests above would hold of anything."""
    full = [written(one.summary) for one in runs.values()]
    assert not any(alike([first, second]) for place, first in enumerate(full) for second in full[:place])
    assert not any(holds_nothing_unpaid(text, unpaid(one)) for text, one in zip(full, runs.values(), strict=True))


def test_a_summary_is_shared_as_a_run_shares_it(runs: dict[str, Run]) -> None:
    """Else the broken copies below would show nothing."""
    for one in runs.values():
        for name, text in written(one.summary.for_sharing()).items():
            assert one.shared[name] == text


def written(summary: Summary) -> dict[str, str]:
    """A summary's two twins, as a run writes them."""
    text = json.dumps(summary.to_dict(), indent=1, ensure_ascii=False, default=str)
    return {"report.json": text, "report.html": page.render(summary)}


# --- Broken copies of what makes a summary shareable -------------------------------------------------------------


def keeps_what_was_measured(one: Released, kept: Released) -> Released:
    """Broken: claim, measurement and verdict go along."""
    return replace(kept, report=one.report)


def keeps_the_verdict(one: Released, kept: Released) -> Released:
    """Broken: only whether an attack could be run, and how it came out."""
    report = replace(one.report, measured=None, claimed=None, figures={}, notes=(), curves={})
    return replace(kept, report=report)


def keeps_the_comparison(one: Released, kept: Released) -> Released:
    """Broken: how good the release is beside the exact result."""
    return replace(kept, utility=one.utility)


def keeps_the_exact_result(one: Released, kept: Released) -> Released:
    """Broken: the page draws it beside the noised one."""
    return replace(kept, exact=one.exact)


def keeps_the_unpriced_table(one: Released, kept: Released) -> Released:
    """Broken: the first rows of a table that has no price."""
    return replace(kept, release=one.release)


@pytest.mark.parametrize(
    "broken",
    [
        keeps_what_was_measured,
        keeps_the_verdict,
        keeps_the_comparison,
        keeps_the_exact_result,
        keeps_the_unpriced_table,
    ],
)
def test_a_shareable_report_that_keeps_something_is_seen(
    broken: Callable[[Released, Released], Released], runs: dict[str, Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, summaries = Released.shareable, [runs[name].summary for name in (*TABLES,)[::3]]
    originals = {id(one): one for summary in summaries for one in summary.released}
    again: dict[int, Released] = {}

    def leaking(one: Released) -> Released:
        whole = again.get(id(one)) or originals.get(id(one), one)  # the page makes it shareable a second time
        made = broken(whole, real(whole))
        again[id(made)] = whole
        return made

    monkeypatch.setattr(Released, "shareable", leaking)
    held = [one.for_sharing() for one in summaries]
    assert not alike([written(one) for one in held])


def test_a_file_of_an_unpriced_release_is_seen(tmp_path: Path) -> None:
    """The owner's own folder is the broken copy."""
    short = RECIPE[: RECIPE.index('[[release]]\nname = "model"')] + RECIPE[RECIPE.index("[[attack]]") : -len(ON_MODEL)]
    first, second = (run(tmp_path / str(place), rows, short, False) for place, rows in enumerate((MANY, MANY[:-1])))
    for name in ("table.csv", "table.json"):
        one, other = ({name: found.shared[name]} for found in (first, second))
        assert not alike([one, other]) and not holds_nothing_unpaid(one, unpaid(first))
