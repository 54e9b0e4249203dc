"""unseen ledger: what was spent, and whether the record is whole."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from unseen.cli.terminal import FINE, print_json

__all__ = ["show", "verify"]


def show(path: Path, as_json: bool) -> int:
    """Print the budget, what is left, and every release."""
    from unseen.core.ledger import Ledger

    ledger = Ledger(path)
    budget, spent, left, entries = ledger.budget, ledger.spent, ledger.left, ledger.entries()
    if as_json:
        print_json(
            {
                "path": str(path),
                "id": ledger.id,
                "budget": {"epsilon": budget.epsilon, "delta": budget.delta},
                "unit": budget.unit,
                "neighbours": budget.neighbours.value,
                "spent": {"epsilon": spent[0], "delta": spent[1]},
                "left": {"epsilon": left[0], "delta": left[1]},
                "total": ledger.total,
                "entries": [asdict(entry) for entry in entries],
            }
        )
        return FINE
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table(title=Text(f"{path}, per {budget.unit}, {budget.neighbours.value}"), title_justify="left", box=None)
    for heading in ("#", "guard", "purpose", "ε", "δ", "when"):
        table.add_column(heading, justify="right" if heading in "#εδ" else "left", overflow="fold")
    for entry in entries:
        cost = (f"{entry.epsilon:g}", f"{entry.delta:g}") if entry.priced else ("unpriced", "")
        table.add_row(*map(Text, (str(entry.sequence), entry.guard, entry.purpose, *cost, entry.when)))
    console.print(table)
    whole = f"of ε {budget.epsilon:g}, δ {budget.delta:g}"
    console.print(Text(f"\nSpent ε {spent[0]:.6g}, δ {spent[1]:.3g} {whole}; left ε {left[0]:.6g}, δ {left[1]:.3g}."))
    console.print(Text(f"{ledger.total}."))
    return FINE


def verify(path: Path, as_json: bool) -> int:
    """Check the whole chain; a broken one is an error."""
    from unseen.core.ledger import Ledger

    count = Ledger(path).verify()
    if as_json:
        print_json({"path": str(path), "verifies": True, "entries": count})
    else:
        print(f"{path} verifies: {count} entries")
    return FINE
