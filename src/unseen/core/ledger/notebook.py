"""How a ledger shows itself in a notebook."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from html import escape

from unseen.core.ledger.chain import Entry, Kind

__all__ = ["html"]

NAMES = {Kind.RELEASE: "", Kind.BINDING: "data changed", Kind.RECONCILED: "lost, counted", Kind.EXHAUSTED: "all spent"}
LAST = 20


def html(title: str, used: Fraction, told: Sequence[str], locked: str, entries: Sequence[Entry]) -> str:
    """One block: a bar of what is used, what is said about it, and the last entries.

    Args:
        title: the ledger, in a few words.
        used: the share of the budget.
        told: lines below the bar.
        locked: why nothing can be charged; empty if it can.
        entries: all of them.
    """
    share = float(min(used, Fraction(1)))
    bar = f"<div style='width:{100 * share:.1f}%;height:8px;border-radius:4px;background:#0e6262'></div>"
    lines = [
        f"<b>{escape(title)}</b>",
        f"<div style='background:#8883;height:8px;border-radius:4px;margin:6px 0'>{bar}</div>",
        *(f"<div>{escape(line)}</div>" for line in told),
    ]
    if locked:
        lines.append(f"<div style='color:#b3261e'><b>Locked:</b> {escape(locked)}</div>")
    if len(entries) > LAST:
        lines.append(f"<div>The last {LAST} of {len(entries):,} entries:</div>")
    lines.append(_table(entries[-LAST:]))
    return f"<div style='font-family:system-ui;line-height:1.45;max-width:44em'>{''.join(lines)}</div>"


def _table(entries: Sequence[Entry]) -> str:
    parts = any(entry.part for entry in entries)
    head = ["#", "guard", "purpose", *(["part"] if parts else []), "ε", "δ", "when"]
    rows = []
    for entry in entries:
        release = entry.kind is Kind.RELEASE
        prices = (f"{entry.epsilon:g}", f"{entry.delta:g}") if entry.priced else ("unpriced" if release else "", "")
        part = [" = ".join(entry.part) if entry.part else ""] if parts else []
        cells = [str(entry.sequence), entry.guard or NAMES[entry.kind], entry.purpose, *part, *prices, entry.when]
        rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    heads = "".join(f"<th>{name}</th>" for name in head)
    return f"<table><tr>{heads}</tr>{''.join(rows)}</table>" if entries else ""
