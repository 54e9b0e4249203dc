"""unseen deid scan: what identifies in a table or text, counted; no value that was found is printed."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from unseen.cli.deid.files import named, page_at, page_place, read_table
from unseen.cli.deid.lines import line, table
from unseen.cli.deid.tally import Search, Tally, tally_table, tally_texts
from unseen.cli.terminal import FINE, print_json, watched
from unseen.core.errors import InvalidRequest

if TYPE_CHECKING:
    import narwhals as nw

    from unseen.deid.detect.calibration import Recall
    from unseen.report.deid_page import DeidPage

__all__ = ["command"]

FULL = 0.95
"""The share of a column's cells from which on it is as good as found."""
WARNING = (
    "Counts of what was found, read off the data without a price. What was not found is not known to be absent; roles "
    "are suggestions, and the owner decides."
)


def command(file: str, sample: int | None, out: Path | None, search: Search, as_json: bool) -> int:
    """Scan a file, write the page, and print what matters."""
    place = page_place(out, f"{named(file)}.scan.html", file)
    with watched() as progress:
        progress("reading", 0, 1)
        if sample is not None and sample < 1:
            raise InvalidRequest(f"--sample {sample} was asked for", "at least one row")
        if Path(file).suffix.lower() == ".txt":
            if sample is not None:
                raise InvalidRequest("--sample of a text was asked for", "a sample of a table's rows")
            found = tally_texts(Path(file), search, progress)
        else:
            frame, note = _sampled(read_table(file), sample)
            found = tally_table(frame, search, progress)
            found.notes += note
        said = _said(Path(file).name, found)
        page = page_at(_page(said, found), place)
    if as_json:
        print_json({**said, "page": str(page)})
    else:
        _print(said, page)
    return FINE


def _sampled(frame: nw.DataFrame[Any], sample: int | None) -> tuple[nw.DataFrame[Any], list[str]]:
    """So many rows by chance, and a note that there are more."""
    from unseen.core.noise.entropy import Entropy

    if sample is None or sample >= len(frame):
        return frame, []
    rows = sorted(Entropy().permutation(len(frame))[:sample].tolist())
    note = f"Only {sample:,} of {len(frame):,} rows, drawn by chance, were read; what is rare may stand in the others."
    return frame[rows, :], [note]


def _said(file: str, found: Tally) -> dict[str, Any]:
    from unseen.deid.detect.calibration import MEASURED_ON, overall, recall

    whole = overall(found.counts)
    notes = list(found.notes)
    if whole is not None:
        if any(one.share >= FULL for one, _ in found.columns):
            notes.append(
                "Recall is that of running text: of a column in which nearly every cell was found it says too little."
            )
        notes.append(f"Recall was measured on {MEASURED_ON}; your data may differ.")
    return {
        "file": file,
        "rows": found.rows,
        "texts": found.texts,
        "characters": found.characters,
        "texts_with_findings": found.holding,
        "findings": [
            {"entity": str(entity), "count": count, "recall": _recall(recall(entity))}
            for entity, count in found.counts.most_common()
        ],
        "expected_recall": _recall(whole),
        "columns": [
            {
                "name": one.name,
                "cells": one.cells,
                "share": one.share,
                "entity": None if one.entity is None else str(one.entity),
                "findings": {str(entity): count for entity, count in counts.most_common()},
                "suggestion": one.suggestion.value,
                "reason": one.reason,
            }
            for one, counts in found.columns
        ],
        "safe_harbor": [
            {
                "letter": rule.letter,
                "rule": rule.rule,
                "verdict": rule.verdict.value,
                "count": rule.count,
                "columns": list(rule.columns),
                "recall": _recall(rule.recall),
                "caveat": rule.caveat,
            }
            for rule in found.rules.values()
        ],
        "notes": notes,
    }


def _recall(one: Recall | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {"value": one.value, "low": one.low, "high": one.high, "whole": one.whole, "at_best": one.at_best}


def _written(one: dict[str, Any] | None) -> str:
    if one is None:
        return "not measured"
    best = " at best" if one["at_best"] else ""
    return f"{one['value']:.3f} [{one['low']:.3f}, {one['high']:.3f}]{best}, whole {one['whole']:.3f}"


def _where(said: dict[str, Any]) -> str:
    if said["rows"] is None:
        return f"{said['texts']:,} texts ({said['characters']:,} characters)"
    return f"{said['rows']:,} rows, {len(said['columns']):,} columns"


def _total(said: dict[str, Any]) -> str:
    return f"{sum(one['count'] for one in said['findings']):,} findings"


def _rule(rule: dict[str, Any]) -> str:
    times = f", {rule['count']:,} times" if rule["count"] else ""
    return f"{rule['verdict']}{times}"


def _page(said: dict[str, Any], found: Tally) -> DeidPage:
    from unseen.report import plots
    from unseen.report.deid_page import DeidPage, Section
    from unseen.report.plots import Bar

    shares = sorted((one for one in said["columns"] if one["share"]), key=lambda one: -one["share"])[:14]
    bars = [Bar(one["name"], one["share"], f"{100 * one['share']:.3g} %") for one in shares]
    measured = [one for one in said["findings"] if one["recall"]][:14]
    known = [
        Bar(one["entity"], r["value"], _written(r), r["low"], r["high"], strong=not r["at_best"])
        for one in measured
        for r in (one["recall"],)
    ]
    figures = [
        (
            "Cells that hold something",
            plots.bars("Share of each column's cells in which something was found", bars, end=1.0),
            "Of the cells that are not empty.",
        ),
        (
            "How much of each kind is found",
            plots.bars("Recall by kind, with its 95 % interval", known, end=1.0),
            "Where the truth was known; in ochre what was measured on identifiers made for it, an upper bound.",
        ),
    ]
    outcome = [_total(said)]
    if said["expected_recall"]:
        outcome.append(f"expected recall {_written(said['expected_recall'])}")
    if broken := [rule["letter"] for rule in said["safe_harbor"] if rule["verdict"] == "found"]:
        outcome.append(f"Safe Harbor: found against {', '.join(broken)}")
    sections = [
        Section("What was found", "Counts by kind.", (), ("kind", "findings", "recall"),
                [(one["entity"], one["count"], _written(one["recall"])) for one in said["findings"]],
                figures),
        Section("The columns", "What each seems to be; the owner decides.", (),
                ("column", "filled cells", "with findings", "mostly", "suggestion", "because of"),
                [(one["name"], one["cells"], f"{100 * one['share']:.3g} %", one["entity"] or "–", one["suggestion"],
                  one["reason"]) for one in said["columns"]]),
        Section("Safe Harbor, rule by rule", "45 CFR 164.514(b)(2)(i). Beyond the eighteen, the owner must know of no "
                "way to identify a person from what remains.", (), ("rule", "what must go", "verdict", "where", "note"),
                [(rule["letter"], rule["rule"], _rule(rule), ", ".join(rule["columns"][:20]), rule["caveat"])
                 for rule in said["safe_harbor"]]),
        Section("Notes", lines=said["notes"]),
    ]  # fmt: skip
    return DeidPage("scan", "What identifies", said["file"], f"{_where(said)}.", outcome, WARNING, sections)


def _print(said: dict[str, Any], page: Path) -> None:
    from rich.console import Console

    console = Console()
    console.print(line(f"{said['file']}: {_where(said)}: {_total(said)}"), soft_wrap=True)
    kinds = [(one["entity"], f"{one['count']:,}", _written(one["recall"])) for one in said["findings"]]
    table(console, ("kind", "findings", "recall"), kinds, ("findings",))
    columns = [
        (one["name"], one["entity"] or "–", f"{one['share']:.1%}", one["suggestion"], one["reason"])
        for one in said["columns"]
    ]
    table(console, ("column", "mostly", "of cells", "suggestion", "because of"), columns, ("of cells",))
    rules = [
        (rule["letter"], rule["rule"], _rule(rule), ", ".join(rule["columns"][:6])) for rule in said["safe_harbor"]
    ]
    table(console, ("rule", "what must go", "verdict", "where"), rules)
    if said["expected_recall"]:
        console.print(line(f"Expected recall: {_written(said['expected_recall'])}"))
    for note in said["notes"]:
        console.print(line(note))
    console.print(line(f"Page: {page}"), soft_wrap=True)
