"""Tables on the terminal, of which nothing is read as markup."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["line", "table"]

MOST_LINES = 60


def line(text: str) -> Text:
    """A text without markup, and without what could steer the terminal."""
    from rich.text import Text

    from unseen.cli.terminal import printable

    return Text(printable(text))


def table(console: Console, headings: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> None:
    """A table without rules, and a line on what did not fit; nothing where there are no rows.

    Args:
        console: where it goes.
        headings: of the columns.
        rows: one text a heading.
        right: headings of columns of numbers.
    """
    from rich.table import Table

    if not rows:
        return
    made = Table(box=None, padding=(0, 2, 0, 0))
    for heading in headings:
        made.add_column(heading, overflow="fold", justify="right" if heading in right else "left")
    for row in rows[:MOST_LINES]:
        made.add_row(*(line(cell) for cell in row))
    console.print(made)
    if len(rows) > MOST_LINES:
        console.print(line(f"… and {len(rows) - MOST_LINES:,} more on the page"))
    console.print()
