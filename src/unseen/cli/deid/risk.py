"""unseen deid risk: how many people some columns tell apart, and how likely they are to be found by them."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from unseen.cli.deid.files import known, named, page_at, page_place, read_table
from unseen.cli.deid.headings import labels, lacking
from unseen.cli.deid.lines import line, table
from unseen.cli.deid.tally import LEAST
from unseen.cli.terminal import FINE, print_json, watched
from unseen.core.errors import DataFault

if TYPE_CHECKING:
    from unseen.deid import Identifying, Reidentification
    from unseen.report.deid_page import DeidPage

__all__ = ["command"]

WARNING = (
    "Figures of the owner's own table, read off without a price. They tell who stands out, and must not be passed on."
)
SHOWN = 12


def command(
    file: str, columns: list[str], population: str | None, threshold: float, out: Path | None, as_json: bool
) -> int:
    """Measure risk, write the page, and print what matters."""
    from unseen.core.errors import InvalidRequest
    from unseen.deid import identifying, reidentification

    if population is not None and not columns:
        raise InvalidRequest("--population without --columns was given", "the columns that somebody may know")
    place = page_place(out, f"{named(file)}.risk.html", file)
    with watched() as progress:
        progress("reading", 0, 1)
        frame = read_table(file)
        called = _called(frame.columns)
        frame, columns = frame.rename(called), [called.get(name, name) for name in columns]
        known(frame, columns, "--columns")
        if not len(frame):
            raise DataFault("the risk of an empty table was asked for", "at least one row")
        native = frame.to_native()
        sets = identifying(native, columns or None, progress=progress)
        risk = None
        if columns:
            progress("measuring risk", 0, 1)
            risk = reidentification(native, columns, _people(population), threshold)
        said = _said(file, len(frame), sets, risk)
        said["notes"] += lacking(called)
        page = page_at(_page(said, sets, risk), place)
    if as_json:
        print_json({**said, "page": str(page)})
    else:
        _print(said, page)
    return FINE


def _called(names: list[str]) -> dict[str, str]:
    from unseen.core.errors import MissingExtra

    try:
        return labels(names, LEAST)
    except MissingExtra:
        return {name: name for name in names}


def _people(population: str | None) -> Any:
    """How many they are, or a table of them."""
    if population is None:
        return None
    digits = population.replace(",", "").replace("_", "")
    if digits.isascii() and digits.isdigit():
        return int(digits[:30])
    frame = read_table(population)
    return frame.rename(_called(frame.columns)).to_native()


def _said(file: str, rows: int, sets: Identifying, risk: Reidentification | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if risk is not None:
        kinds = {"prosecutor": risk.prosecutor, "journalist": risk.journalist, "marketer": risk.marketer}
        estimates = risk.population
        found = {
            "columns": list(risk.columns),
            "unique": risk.unique,
            "classes": sum(risk.sizes.values()),
            "smallest_class": min(risk.sizes),
            "threshold": risk.threshold,
            "risks": {
                name: {"above": one.above, "highest": one.highest, "average": one.average, "how": one.how}
                for name, one in kinds.items()
                if one is not None
            },
            "population": None
            if estimates is None
            else {
                "people": estimates.population,
                "chosen": estimates.chosen.model,
                "models": {
                    one.model: {"unique": one.uniques, "share": one.share, "why": one.why}
                    for one in (estimates.pitman, estimates.zayatz, estimates.snb)
                },
            },
        }
    return {
        "file": Path(file).name,
        "rows": rows,
        "sets": [
            {"columns": list(one.columns), "unique": one.unique, "uniqueness": one.uniqueness, "classes": one.classes}
            for one in sets.sets
        ],
        **found,
        "notes": [*sets.notes, *(() if risk is None else risk.notes)],
    }


def _page(said: dict[str, Any], sets: Identifying, risk: Reidentification | None) -> DeidPage:
    from unseen.report.deid_page import DeidPage, Section

    sections, outcome = [], []
    if risk is not None:
        outcome.append(f"{_share(risk.unique / risk.units)} are alone with their values")
        outcome.append(f"found by guessing, on average: {_share(risk.marketer.average)}")
        rows = [
            (name, _share(one["average"]), _share(one["highest"]), _share(one["above"]), one["how"])
            for name, one in said["risks"].items()
        ]
        sections.append(
            Section(
                "How likely people are to be found",
                f"By somebody who knows {', '.join(risk.columns[:12])} of them.",
                (),
                ("adversary", "on average", "at most", f"above {_share(risk.threshold)}", "how it was counted"),
                rows,
                risk.figures(),
            )
        )
        if said["population"]:
            models = said["population"]["models"].items()
            intro = f"Of {said['population']['people']:,} people. The rule takes {said['population']['chosen']}."
            sections.append(
                Section(
                    "Unique in the population",
                    intro,
                    (),
                    ("model", "people", "share", "why"),
                    [(name, one["unique"], _share(one["share"]), one["why"]) for name, one in models],
                )
            )
    elif said["sets"]:
        worst = said["sets"][0]
        outcome.append(f"{_share(worst['uniqueness'])} are unique on {', '.join(worst['columns'])}")
    listed = [(" + ".join(one["columns"]), one["unique"], _share(one["uniqueness"])) for one in said["sets"]]
    sections.append(
        Section(
            "What identifies", "Columns, pairs and triples.", (), ("known", "unique", "share"), listed, sets.figures()
        )
    )
    sections.append(Section("Notes", lines=said["notes"]))
    purpose = f"{said['rows']:,} rows; every row counts as another person."
    return DeidPage("risk", "Who can be found", said["file"], purpose, outcome, WARNING, sections)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.3g} %"


def _print(said: dict[str, Any], page: Path) -> None:
    from rich.console import Console

    console = Console()
    console.print(line(f"{said['file']}: {said['rows']:,} rows; every row counts as another person"), soft_wrap=True)
    sets = [
        (", ".join(one["columns"]), f"{one['unique']:,}", _share(one["uniqueness"])) for one in said["sets"][:SHOWN]
    ]
    table(console, ("known", "unique", "share"), sets, ("unique", "share"))
    if "risks" in said:
        alone = f"{said['unique']:,} people are alone with their values of {', '.join(said['columns'])}"
        console.print(line(f"{alone}; the smallest of {said['classes']:,} classes has {said['smallest_class']:,}"))
        rows = [
            (name, _share(one["average"]), _share(one["highest"]), _share(one["above"]), one["how"])
            for name, one in said["risks"].items()
        ]
        above = f"above {_share(said['threshold'])}"
        table(console, ("adversary", "average", "highest", above, "how"), rows, ("average", "highest", above))
    if said.get("population"):
        models = said["population"]["models"].items()
        estimates = [(name, _share(one["share"]), one["why"]) for name, one in models]
        table(console, ("unique in the population", "share", "why"), estimates, ("share",))
    for note in said["notes"]:
        console.print(line(note))
    console.print(line(f"Page, for the owner alone: {page}"), soft_wrap=True)
