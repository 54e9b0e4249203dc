"""unseen check: the owner's first look at a table, on the terminal and as one page."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path
from typing import Any

from unseen.cli.terminal import FINE, print_json, watched

__all__ = ["command"]


def command(file: str, out: Path | None, unit: str | None, as_json: bool) -> int:
    """Look at a table, write the page, and print what matters."""
    from unseen.cli.look import look
    from unseen.core.errors import InvalidRequest
    from unseen.report.check_page import render_check

    with watched() as progress:
        found = look(file, unit, progress)
        name = Path(file.rpartition(":")[2]).stem
        page = (Path() if out is None else out) / f"{name}.check.html"
        try:
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(render_check(found), encoding="utf-8")
        except OSError as error:
            raise InvalidRequest(f"a page at {str(page)!r} was asked for", f"a folder ({error.strerror})") from None
    if as_json:
        print_json({**found, "page": str(page)})
    else:
        _print(found, page)
    return FINE


def _print(found: dict[str, Any], page: Path) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table(
        box=None, padding=(0, 2, 0, 0), title=Text(f"{found['file']}: {found['rows']:,} rows"), title_justify="left"
    )
    for heading in ("column", "kind", "distinct", "role", "identifies"):
        table.add_column(heading, justify="right" if heading == "distinct" else "left", overflow="fold")
    for column in found["columns"][:60]:
        said = " ".join(column["identifies"])
        cells = (column["name"], column["kind"], f"{column['distinct']:,}", column["role"], said)
        table.add_row(*map(Text, cells))
    console.print(table)
    for one in found["uniqueness"][:6]:
        console.print(Text(f"{one['unique']:.1%} are unique on {', '.join(one['columns'])}"))
    console.print()
    console.print(Text(found["schema"]), soft_wrap=True)
    for note in found["notes"]:
        console.print(Text(note))
    console.print(Text("What cells and texts hold is not looked into here: unseen deid scan does that."))
    console.print(Text(f"Page: {page}"), soft_wrap=True)
