"""unseen ledger: what was spent, whether the record is whole, copies of it, and what to do when it is not."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unseen.cli.terminal import FINE, print_json, printable, watched

if TYPE_CHECKING:
    from unseen.core.ledger import Entry, Ledger
    from unseen.core.release import Receipt

__all__ = ["backup", "check", "export", "reconcile", "restore", "show", "verify"]

BOOKKEEPING = "bookkeeping, not a guarantee"
WAYS = {
    "older-copy": "it is an older copy of the one ledger there was",
    "fork": "both went on, and what was spent here and there is added up",
    "nothing-lost": "nothing came after its last entry",
    "exhausted": "nobody knows, and all is declared as spent",
}
UNLOCK = "`unseen ledger reconcile` unlocks it, with " + ", ".join(f"--{way} if {when}" for way, when in WAYS.items())


def show(location: str, key: Path | None, plot: Path | None, as_json: bool) -> int:
    """Print the budget, what is left, and every entry; draw the odometer."""
    from unseen.core.errors import InvalidRequest
    from unseen.core.ledger import Ledger

    if plot is not None and plot.suffix.lower() not in (".svg", ".html"):
        raise InvalidRequest(f"a plot in {str(plot)!r} was asked for", "a file that ends in .svg or .html")
    ledger = Ledger(location, key)
    with watched() as progress:
        progress("adding up privacy losses", 0, 1)
        supposed = ledger.bookkeeping()
    entries, locked = ledger.entries(), ledger.locked
    if plot is not None:
        _draw(ledger, plot, supposed, locked)
    if as_json:
        print_json(_shown(ledger, entries, supposed, locked))
    else:
        _print(ledger, entries, supposed, locked, plot)
    return FINE


def _shown(ledger: Ledger, entries: Sequence[Entry], supposed: float, locked: str) -> dict[str, Any]:
    budget, (epsilon, delta), left = ledger.budget, ledger.spent, ledger.left
    so_far = {"spent": {"epsilon": epsilon, "delta": delta}}
    return {
        "ledger": ledger.location,
        "id": ledger.id,
        "budget": {"epsilon": budget.epsilon, "delta": budget.delta},
        "unit": budget.unit,
        "neighbours": budget.neighbours.value,
        "composition": ledger.composition,
        **(so_far if ledger.composition == "basic" else {}),
        "left": {"epsilon": left[0], "delta": left[1]},
        "share": _share(ledger),
        "total": ledger.total,
        BOOKKEEPING: {"epsilon": supposed, "delta": budget.delta, **(so_far if ledger.composition != "basic" else {})},
        "locked": locked,
        "head": ledger.head.to_dict(),
        "entries": [asdict(entry) for entry in entries],
    }


def _share(ledger: Ledger, head: Receipt | None = None) -> float:
    """The part of the whole budget that is spent, of whatever most is spent of."""
    return float(ledger.filter.share(tuple(map(Fraction, (head or ledger.head).spent))))


def _print(ledger: Ledger, entries: Sequence[Entry], supposed: float, locked: str, plot: Path | None) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console, budget = Console(), ledger.budget
    title = f"{ledger.location}, per {budget.unit}, {budget.neighbours.value}, {ledger.composition} composition"
    console.print(Text(title, style="italic"), soft_wrap=True)
    table = Table(box=None)
    kinds, parts = any(one.kind != "release" for one in entries), any(one.part for one in entries)
    for heading, shown in (
        *(("#", True), ("kind", kinds), ("guard", True), ("purpose", True), ("part", parts)),
        *(("ε", True), ("δ", True), ("when (UTC)", True)),
    ):
        if shown:
            table.add_column(heading, justify="right" if heading in "#εδ" else "left", overflow="fold")
    for one in entries:
        when = one.when[:19].replace("T", " ")
        cost = (f"{one.epsilon:g}", f"{one.delta:g}") if one.priced else ("unpriced", "")
        cells = [str(one.sequence), one.guard, one.purpose, *(cost if one.kind == "release" else ("", "")), when]
        if parts:
            cells.insert(3, " = ".join(one.part or ()))
        if kinds:
            cells.insert(1, "data changed" if one.kind == "binding" else one.kind)
        table.add_row(*(Text(printable(cell)) for cell in cells))
    console.print(table)
    console.print(Text(f"\n{_standing(ledger)}"))
    console.print(Text(printable(f"{ledger.total}.")))
    console.print(Text(f"Head: entry {ledger.head.sequence}; public key {ledger.public_key}."), soft_wrap=True)
    if said := _supposed(ledger, supposed):
        console.print(Text(f"{BOOKKEEPING}: {said}.", style="dim"))
    if locked:
        console.print(Text(f"Locked, nothing can be charged: {locked}; {UNLOCK}.", style="bold red"))
    if plot is not None:
        console.print(Text(f"Plot: {plot}"), soft_wrap=True)


def _standing(ledger: Ledger) -> str:
    """What was spent and what is left, in words."""
    budget, spent, left = ledger.budget, ledger.spent, ledger.left
    whole = f"ε {budget.epsilon:g}, δ {budget.delta:g}"
    if ledger.composition == "basic":
        return f"Spent ε {spent[0]:.6g}, δ {spent[1]:.3g} of {whole}; left ε {left[0]:.6g}, δ {left[1]:.3g}."
    return (
        f"Used {100 * _share(ledger):.3g} % of the curve for {whole}; "
        f"the next release may have up to ε {left[0]:.6g}, δ {left[1]:.3g}."
    )


def _supposed(ledger: Ledger, epsilon: float) -> str:
    """Other figures than the filter's own sum, where they say something else."""
    spent, slack = ledger.spent
    less = f"{epsilon:.4g}" != f"{spent:.4g}" and epsilon < spent
    fixed = f"ε {epsilon:.4g} at δ {ledger.budget.delta:g} by privacy loss distributions, had all been fixed in advance"
    if ledger.composition == "basic":
        return fixed if less else ""
    so_far = f"ε {spent:.4g} at δ {slack:g} by the curve so far"
    return f"{so_far}; {fixed}" if less else so_far if spent else ""


def _draw(ledger: Ledger, plot: Path, supposed: float, locked: str) -> None:
    from unseen.core.errors import InvalidRequest
    from unseen.report import odometer
    from unseen.report.page import render_ledger
    from unseen.report.summary import Account

    account = Account.of(ledger)
    if not account.entries:
        raise InvalidRequest(f"a plot of ledger {ledger.location!r} was asked for", "a ledger with an entry to draw")
    if plot.suffix.lower() == ".svg":
        text = odometer.standalone(odometer.figure(account))
    else:
        beside = ""
        if account.composition != "basic":
            sums = [tuple(map(Fraction, one.spent)) for one in ledger.entries()]
            beside = odometer.bookkeeping(account, [ledger.filter.spent(one)[0] for one in sums])
        name = ledger.location.rsplit("/", 1)[-1]
        text = render_ledger(account, name, locked, _supposed(ledger, supposed), beside)
    try:
        plot.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InvalidRequest(
            f"a plot in {str(plot)!r} was asked for", f"a file that can be written ({error.strerror})"
        ) from None


def verify(location: str, key: Path | None, against: Sequence[Path], as_json: bool) -> int:
    """Check the whole chain, and that it holds receipts; a broken or shortened one is an error."""
    from unseen.core.ledger import Ledger

    ledger, receipts = Ledger(location, key), _receipts(against)
    count = ledger.verify()
    for receipt in receipts:
        ledger.verify(receipt)
    held = [receipt.sequence for receipt in receipts]
    if as_json:
        print_json({"ledger": ledger.location, "verifies": True, "entries": count, "accounts_for": held})
    else:
        known = f", and accounts for {_entries(held)}" if held else ""
        print(f"{ledger.location} verifies: {count} entries{known}")
    return FINE


def _receipts(paths: Sequence[Path]) -> list[Receipt]:
    from unseen.core.release import Receipt

    return [Receipt.read(path) for path in paths]


def _entries(numbers: Sequence[int]) -> str:
    word = "receipt" if len(numbers) == 1 else "receipts"
    return f"{word} {', '.join(map(str, numbers))}"


def check(path: Path, public_key: str | None, as_json: bool) -> int:
    """Check a receipt's signature, without its ledger, and say what it says."""
    from unseen.core.release import Receipt

    receipt = Receipt.read(path)
    known = public_key.strip().lower() if public_key is not None else None
    receipt.verify(known)
    words = [*_said(receipt)]
    if known is None:
        words.append(
            f"The signature fits the public key that the receipt itself names, {receipt.public_key}. Whether that is "
            "the owner's is for you to compare, or give it with --public-key."
        )
    else:
        words.append("The signature is that of the owner with this public key.")
    if as_json:
        told = {"verifies": True, "key": "given" if known else "the receipt's own", "words": " ".join(words)}
        print_json({**told, "receipt": receipt.to_dict()})
    else:
        print("\n".join(words))
    return FINE


def _said(receipt: Receipt) -> list[str]:
    if receipt.sequence == 0:
        done = f"Ledger {receipt.ledger} was made at {receipt.when}."
    elif receipt.epsilon or receipt.delta:
        done = (
            f"Entry {receipt.sequence} of ledger {receipt.ledger} charged ε {receipt.epsilon:.6g}, "
            f"δ {receipt.delta:g} at {receipt.when}."
        )
    else:
        done = f"Entry {receipt.sequence} of ledger {receipt.ledger} charged nothing; it is of {receipt.when}."
    then = (
        f"After it one more release could have up to ε {receipt.epsilon_left:.6g}, δ {receipt.delta_left:g}; "
        f"ε covered {receipt.priced} of {receipt.releases} releases."
    )
    return [done, then]


def export(location: str, key: Path | None, path: Path, as_json: bool) -> int:
    """Write all records as JSON lines."""
    from unseen.core.ledger import Ledger

    ledger = Ledger(location, key)
    ledger.export(path)
    return _copied(ledger, path, "exported", as_json)


def backup(location: str, key: Path | None, path: Path, as_json: bool) -> int:
    """Write a copy of all records; the key is not in it."""
    from unseen.core.ledger import Ledger

    ledger = Ledger(location, key)
    ledger.backup(path)
    return _copied(ledger, path, "backed up", as_json)


def _copied(ledger: Ledger, path: Path, done: str, as_json: bool) -> int:
    count = len(ledger.entries())
    if as_json:
        print_json({"ledger": ledger.location, "file": str(path), "entries": count})
    else:
        print(f"{ledger.location} {done}: {count} entries in {path}; the owner's key, {ledger.key_path}, is not in it")
    return FINE


def restore(source: Path, location: str, key: Path | None, as_json: bool) -> int:
    """Make a ledger of a backup, and say whether it is locked."""
    from unseen.core.ledger import Ledger

    ledger = Ledger.restore(source, location, key)
    count, locked = len(ledger.entries()), ledger.locked
    if as_json:
        print_json({"ledger": ledger.location, "entries": count, "locked": locked, "head": ledger.head.to_dict()})
    else:
        print(f"{ledger.location} restored: {count} entries")
        print(f"It is locked: {locked}; {UNLOCK}" if locked else _standing(ledger))
    return FINE


def reconcile(location: str, key: Path | None, against: Sequence[Path], ways: Sequence[str], as_json: bool) -> int:
    """Count what was spent in entries that are lost, in the one way that was told, and unlock the ledger."""
    from unseen.core.ledger import Ledger

    ledger, receipts = Ledger(location, key), _receipts(against)
    before = ledger.head
    _check_way(ledger, before, ledger.missing(*receipts), ways)
    head = ledger.reconcile(*receipts, **{way.replace("-", "_"): True for way in ways if way != "fork"})
    written = head.head != before.head and ledger.entries()[-1].kind != "release"
    if as_json:
        print_json(
            {
                "ledger": ledger.location,
                "reconciled": written,
                "before": before.to_dict(),
                "head": head.to_dict(),
                "left": {"epsilon": head.epsilon_left, "delta": head.delta_left},
            }
        )
    elif not written:
        print(f"{ledger.location}: nothing is missing, and nothing was written")
    else:
        print(f"{ledger.location} reconciled in entry {head.sequence}: {_counted(ledger, before, head, ways[0])}")
        print(_standing(ledger))
    return FINE


def _check_way(ledger: Ledger, here: Receipt, lost: Sequence[Receipt], ways: Sequence[str]) -> None:
    """Raise unless one way was told, and one that the lost heads do not disprove."""
    from unseen.core.errors import InvalidRequest

    numbers = [head.sequence for head in lost]
    two_lines = bool(lost) and (len(set(numbers)) < len(numbers) or min(numbers) <= here.sequence)
    sums = list(zip(*(map(Fraction, head.spent) for head in (here, *lost)), strict=True))
    now, highest, added = (
        _amount(ledger, [count(parts) for parts in sums]) for count in (lambda parts: parts[0], max, sum)
    )
    can = dict(WAYS)
    if lost:
        entries = "entries of one number differ, so that it cannot be"
        can["older-copy"] += f": {entries}" if two_lines else f": {now} now, {highest} after"
        can["fork"] += f": {now} now, {added} after"
    four = ", ".join(f"--{way} ({when})" for way, when in can.items())
    name = f"ledger {ledger.location!r}"
    if len(ways) != 1:
        untold = "" if lost else "with --against RECEIPT.json" if ledger.locked else "nothing is known to be missing"
        told = (
            "was to be reconciled, and it was not said how" if not ways else f"was to be reconciled in {len(ways)} ways"
        )
        raise InvalidRequest(f"{name} {told}", f"exactly one of {four}" + (f"; {untold}" if untold else ""))
    if ways[0] == "older-copy" and two_lines:
        raise InvalidRequest(f"{name} was declared an older copy, but its entries differ", f"--fork ({can['fork']})")
    if ways[0] == "nothing-lost" and lost:
        raise InvalidRequest(
            f"{name} was declared to have lost nothing, but receipt {max(numbers)} is not among its entries",
            f"one of {', '.join(f'--{way} ({can[way]})' for way in ('older-copy', 'fork'))}",
        )


def _amount(ledger: Ledger, total: Sequence[Fraction]) -> str:
    if ledger.composition == "basic":
        return f"ε {float(total[0]):.6g}"
    return f"{100 * float(ledger.filter.share(tuple(total))):.3g} % of the curve"


def _counted(ledger: Ledger, before: Receipt, head: Receipt, way: str) -> str:
    if way == "exhausted":
        return "the whole budget was declared as spent"
    if way == "nothing-lost":
        return "it was declared that nothing came after its last entry"
    if ledger.composition != "basic":
        was, now = _share(ledger, before), _share(ledger, head)
        return f"{100 * (now - was):.3g} % of the curve were counted for lost entries, beside {100 * was:.3g} % held"
    sums = [
        (float(Fraction(a)), float(Fraction(b) - Fraction(a))) for a, b in zip(before.spent, head.spent, strict=True)
    ]
    (epsilon, more_epsilon), (delta, more_delta) = sums
    return (
        f"ε {more_epsilon:.6g}, δ {more_delta:.3g} were counted for lost entries, "
        f"beside ε {epsilon:.6g}, δ {delta:.3g} that this ledger held"
    )
