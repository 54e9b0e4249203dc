"""unseen run: a recipe from its file to the report, and claimed against measured on the terminal."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from unseen.cli.terminal import BROKEN, FAULT, FINE, print_json, refusal, watched

if TYPE_CHECKING:
    from unseen.report.summary import Summary

__all__ = ["command"]

STYLES = {"holds": "green", "broken": "bold red", "not attacked": "dim"}


def command(file: Path, out: Path, shareable: bool, data_changed: str | None, as_json: bool) -> int:
    """Run a recipe and print what came of it."""
    from unseen.core.ledger import Change
    from unseen.recipe import Interrupted, Recipe
    from unseen.report.claims import Verdict

    changed = None if data_changed is None else Change(data_changed.replace("-", " "))
    try:
        with watched() as progress:
            summary = Recipe.read(file).run(out, shareable, progress, changed)
    except Interrupted as stopped:  # no refusal: something was charged
        refusal(stopped)
        return FAULT
    broken = any(one.report.verdict is Verdict.BROKEN for one in summary.released)
    if as_json:
        print_json((summary.for_sharing() if shareable else summary).to_dict())
    else:
        _print(summary.for_sharing() if shareable else summary, out)
    return BROKEN if broken else FINE


def _print(summary: Summary, out: Path) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from unseen.recipe.run import SHAREABLE

    console = Console()
    table = Table(title=Text(summary.title), title_justify="left", box=None, padding=(0, 2, 0, 0))
    for heading in ("release", "claimed", "measured", "verdict", "on the scale of"):
        table.add_column(heading, overflow="fold")
    for one in summary.released:
        verdict = "withheld" if one.withheld else one.report.verdict.value
        claimed = "nothing" if one.report.claimed is None else f"≤ {one.report.claimed:.3g}"
        claimed = "–" if one.withheld else claimed
        cells = (one.name, claimed, str(one.report.measured or "–"))
        styled = Text(verdict, style=STYLES.get(verdict, "yellow"))
        table.add_row(*map(Text, cells), styled, Text(one.report.scale.partition(" (")[0]))
    console.print(table)
    if summary.account is not None:
        held = summary.account
        left = f"Left: ε {held.epsilon_left:.6g} of {held.epsilon:g}, δ {held.delta_left:.3g} of {held.delta:g}."
        if held.composition != "basic":
            left = f"Left for the next release: up to ε {held.epsilon_left:.6g}, δ {held.delta_left:.3g}."
        console.print(Text(f"\n{left} {held.total}."))
    folder = out / SHAREABLE if summary.shareable else out
    console.print(Text(f"Report: {folder / 'report.html'}"), soft_wrap=True)
    if summary.shareable:
        console.print(Text(f"{folder} may be passed on as it is; ledger and key are not in it."), soft_wrap=True)
