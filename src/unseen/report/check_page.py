"""The page of `unseen check`: what identifies, how many people are unique on what, and a schema to complete."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unseen.report import plots
from unseen.report.plots import Bar, finite
from unseen.report.writing import environment, number

__all__ = ["render_check"]

MOST_BARS = 14
MOST_COLUMNS = 400


def render_check(check: Mapping[str, Any]) -> str:
    """One HTML page for the owner's first look at a file; it opens offline and needs no script.

    Args:
        check: ``file``, ``rows``, ``columns`` (``name``, ``kind``, ``distinct``, ``missing``, ``identifies``,
            ``role``, ``declare``), ``uniqueness`` (``columns``, ``unique``, ``units``; the worst first),
            ``schema`` (proposed TOML) and ``notes``. What is missing is left out of the page.
    """
    rows = check.get("rows") or 0
    columns = [_column(one, rows) for one in check.get("columns") or ()]
    sets = [
        {"names": [str(n) for n in one.get("columns", ())], "unique": float(one["unique"]), "units": one.get("units")}
        for one in check.get("uniqueness") or ()
        if finite(one.get("unique"))
    ]
    worst = max(sets, key=lambda one: one["unique"], default=None)
    return (
        environment()
        .get_template("check.html")
        .render(
            file=str(check.get("file", "")),
            rows=rows,
            columns=columns[:MOST_COLUMNS],
            all=len(columns),
            identifying=[one for one in columns if one["identifies"]],
            sets=sets,
            worst=worst,
            schema=str(check.get("schema") or ""),
            notes=[str(note) for note in check.get("notes") or ()],
            figures=_figures(columns, sets, rows),
        )
    )


def _column(one: Mapping[str, Any], rows: int) -> dict[str, Any]:
    return {
        "name": str(one.get("name", "")),
        "kind": str(one.get("kind") or ""),
        "distinct": one.get("distinct"),
        "missing": one.get("missing") or 0,
        "missing_share": (one.get("missing") or 0) / rows if rows else 0.0,
        "identifies": [str(finding) for finding in one.get("identifies") or ()],
        "role": str(one.get("role") or ""),
        "declare": str(one.get("declare") or ""),
    }


def _figures(columns: list[dict[str, Any]], sets: list[dict[str, Any]], rows: int) -> list[tuple[str, str, str]]:
    """Triples of a heading, a figure and a caption."""
    made = []
    unique = [Bar(" + ".join(one["names"]), one["unique"], _percent(one["unique"])) for one in sets[:MOST_BARS]]
    made.append((
        "People who are unique, by what is known of them",
        plots.bars("Share of people who are unique on each set of columns", unique, end=1.0),
        "Who knows these columns of somebody finds that person’s row, and no other.",
    ))  # fmt: skip
    made.append((
        "How fast plain facts add up",
        plots.bars("Greatest share of unique people, by the number of columns known", _by_number(sets), end=1.0),
        "The most telling set of each size: how many facts an adversary needs.",
    ))  # fmt: skip
    made.append((
        "The most telling pairs",
        plots.bars("Share of people who are unique on two columns", _pairs(sets)),
        "Unique on no more than two facts: what to make vaguer first.",
    ))  # fmt: skip
    several = sorted((c for c in columns if finite(c["distinct"])), key=lambda c: -c["distinct"])[:MOST_BARS]
    distinct = [
        Bar(c["name"], c["distinct"] / rows, number(c["distinct"]), strong=c["distinct"] < rows)
        for c in several
        if rows
    ]
    made.append((
        "Different values in each column",
        plots.bars("Different values in each column, as a share of the rows", distinct, end=1.0),
        "Against the number of rows. A full bar tells every row apart: it is an identifier, or close to one.",
    ))  # fmt: skip
    gaps = sorted((c for c in columns if c["missing"]), key=lambda c: -c["missing"])[:MOST_BARS]
    missing = [Bar(c["name"], c["missing_share"], _percent(c["missing_share"])) for c in gaps]
    made.append((
        "Missing values",
        plots.bars("Share of values missing in each column", missing, end=1.0),
        "What a missing value becomes is declared with the column, never guessed.",
    ))  # fmt: skip
    return [one for one in made if one[1]]


def _by_number(sets: list[dict[str, Any]]) -> list[Bar]:
    best: dict[int, float] = {}
    for one in sets:
        best[len(one["names"])] = max(best.get(len(one["names"]), 0.0), one["unique"])
    return [Bar(f"{count} known", share, _percent(share)) for count, share in sorted(best.items())]


def _pairs(sets: list[dict[str, Any]]) -> list[Bar]:
    pairs = sorted((one for one in sets if len(one["names"]) == 2), key=lambda one: -one["unique"])
    return [Bar(" + ".join(one["names"]), one["unique"], _percent(one["unique"])) for one in pairs[:MOST_BARS]]


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
