"""The pages of `unseen deid`: what was found, done and measured, as figures, tables and plain sentences."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from unseen.report.writing import environment

__all__ = ["DeidPage", "Section", "render_deid"]

MOST_ROWS = 600

Cell = str | int | float | None


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Args:
        heading: what it is about.
        intro: one sentence below it.
        lines: paragraphs.
        headings: of the table's columns; none without a table.
        rows: of the table, one cell a heading; the first names the row.
        figures: heading, inline SVG and caption of each plot.
    """

    heading: str
    intro: str = ""
    lines: Sequence[str] = ()
    headings: Sequence[str] = ()
    rows: Sequence[Sequence[Cell]] = ()
    figures: Sequence[tuple[str, str, str]] = ()


@dataclass(frozen=True)
class DeidPage:
    """What one command found or did.

    Args:
        command: its name.
        what: the eyebrow, in words.
        file: the table's name.
        purpose: one sentence on what was read.
        outcome: what matters most, in a few short lines.
        warning: why the page stays with the owner.
        sections: the parts, in their order.
    """

    command: str
    what: str
    file: str
    purpose: str
    outcome: Sequence[str]
    warning: str
    sections: Sequence[Section]


def render_deid(page: DeidPage) -> str:
    """One HTML page; it opens offline and needs no script.

    Args:
        page: what it shows; parts without content are left out.
    """
    parts = [one for one in page.sections if one.lines or one.rows or any(svg for _, svg, _ in one.figures)]
    return environment().get_template("deid.html").render(page=page, sections=parts, most=MOST_ROWS)
