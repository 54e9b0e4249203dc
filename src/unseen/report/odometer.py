"""The odometer: what a ledger has counted, release by release, up to its budget; as a figure and as a page."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from unseen.report import plots
from unseen.report.plots import Mark, finite
from unseen.report.summary import Account

__all__ = ["bookkeeping", "figure", "standalone"]


def figure(account: Account) -> str:
    """What the ledger admits by: ε under basic composition, under Rényi the share of the preset curve.

    Empty where the account does not say what was spent after each entry.
    """
    if not account.entries or not all(finite(entry.get("after")) for entry in account.entries):
        return ""
    last = float(account.entries[-1]["after"])
    if account.composition == "renyi":
        title, limit = f"{100 * last:.3g} % of the curve used", (1.0, f"budget: ε {account.epsilon:g}")
    else:
        title, limit = f"ε {last:.6g} of {account.epsilon:g} spent", (account.epsilon, f"budget: ε {account.epsilon:g}")
    return plots.odometer(title, marks(account.entries), limit, percent=account.composition == "renyi")


def bookkeeping(account: Account, epsilons: Sequence[float]) -> str:
    """Another figure after each entry than the ledger's own sum, such as ε by the curve so far; marked as bookkeeping.

    Args:
        account: the ledger.
        epsilons: one an entry.
    """
    entries = [{**entry, "after": epsilon} for entry, epsilon in zip(account.entries, epsilons, strict=True)]
    last = epsilons[-1] if epsilons else 0.0
    title, limit = f"ε {last:.4g} by the curve so far", (account.epsilon, f"budget: ε {account.epsilon:g}")
    return plots.odometer(title, marks(entries), limit, own=False)


def marks(entries: Sequence[Mapping[str, Any]]) -> list[Mark]:
    """One row an entry, named by its guard."""
    return [Mark(_label(entry), float(entry["after"]), _counts(entry)) for entry in entries]


def _label(entry: Mapping[str, Any]) -> str:
    kind = str(entry.get("kind") or "release")
    if kind != "release":
        return "data changed" if kind == "binding" else kind
    part = entry.get("part")
    return f"{entry.get('guard') or '?'}{f', {part[0]} = {part[1]}' if part else ''}"


def _counts(entry: Mapping[str, Any]) -> bool | None:
    return bool(entry.get("priced", True)) if (entry.get("kind") or "release") == "release" else None


def standalone(svg: str) -> str:
    """A figure as a file of its own, with its colours, light and dark."""
    from unseen.report.writing import environment

    colours = environment().get_template("style.css").render().partition("* {")[0]
    height = svg.partition('viewBox="0 0 ')[2].partition('"')[0].split()[1]
    style = f"<style>{colours} svg {{ font-family: var(--sans); overflow: visible; }}</style>"
    back = f'<rect x="-14" y="-14" width="{plots.WIDTH + 28}" height="{float(height) + 28:g}" fill="var(--card)"/>'
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * (plots.WIDTH + 28)}" '
        f'viewBox="-14 -14 {plots.WIDTH + 28} {float(height) + 28:g}"'
    )
    first, _, rest = svg.replace(f'<svg viewBox="0 0 {plots.WIDTH} {height}"', opening, 1).partition("</title>")
    return f"{first}</title>{style}{back}{rest}\n"
