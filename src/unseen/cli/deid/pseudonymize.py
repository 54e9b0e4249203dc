"""unseen deid pseudonymize and reidentify: pseudonyms by one policy, and the way back for who holds the key."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unseen.cli.deid.files import named, page_at, page_place, read_table, vacant, write_table
from unseen.cli.deid.lines import line, table
from unseen.cli.deid.tally import Search
from unseen.cli.terminal import FINE, print_json, watched
from unseen.core.errors import InvalidRequest

if TYPE_CHECKING:
    from unseen.deid import Finding
    from unseen.deid.pseudonym.columns import Cells
    from unseen.report.deid_page import DeidPage

__all__ = ["back", "command"]

WARNING = "It counts what was replaced. The key stays where it is, with the owner; who has it can undo the pseudonyms."
OWNER_ONLY = 0o600
"""Permissions of a table in which people can be read again."""


def command(
    file: str,
    policy: Path,
    key: Path,
    make_key: bool,
    search: Search,
    to: Path,
    out: Path | None,
    force: bool,
    as_json: bool,
) -> int:
    """Pseudonymise a table, write it and the page, and print what matters."""
    from unseen.deid import Key, Policy, Pseudonymize

    vacant(to, force, file, policy, key)
    place = page_place(out, f"{named(file)}.pseudonymize.html", file, policy, key, to)
    with watched() as progress:
        progress("reading", 0, 3)
        told = Policy.read(policy)
        frame = read_table(file)
        secret = Key.create(key) if make_key else Key.open(key)
        try:
            progress("replacing", 1, 3)
            release = Pseudonymize(told, secret, find=_finding(search)).release(frame.to_native())
            progress("writing", 2, 3)
            write_table(release.value, to, force, file)
        except BaseException:
            if make_key:
                key.unlink()  # nothing was made with it
            raise
        said = _said(file, to, len(frame), told, release)
        try:
            page = page_at(_page(said), place)
        except InvalidRequest as error:
            made = f"the table is made without it, under the check value {said['check']}"
            raise InvalidRequest(error.asked, f"{error.allowed}; {made}") from None
    if as_json:
        print_json({**said, "page": str(page)})
    else:
        _print(said, page)
    return FINE


def back(file: str, policy: Path, key: Path, check: str, to: Path, out: Path | None, force: bool, as_json: bool) -> int:
    """Undo what can be undone, write the table for its owner alone, and the page."""
    from unseen.deid import Key, Policy, reidentify
    from unseen.report.deid_page import DeidPage, Section

    vacant(to, force, file, policy, key)
    place = page_place(out, f"{named(file)}.reidentify.html", file, policy, key, to)
    with watched() as progress:
        progress("reading", 0, 3)
        told, secret = Policy.read(policy), Key.open(key)
        frame = read_table(file)
        progress("undoing", 1, 3)
        restored = _restored(reidentify(frame.to_native(), told, secret, check))
        progress("writing", 2, 3)
        write_table(restored.to_native(), to, force, file, OWNER_ONLY)
        undone = [one for one in frame.columns if not _same(frame[one], restored[one])]
        name = Path(file).name
        said: dict[str, Any] = {"file": name, "to": str(to), "rows": len(frame), "project": told.project}
        said["undone"] = undone
        said["stay"] = stay = [one for one in frame.columns if one not in undone]
        section = Section("What was undone", "", (), ("column", ""), [
            *((one, "undone") for one in undone), *((one, "stays as it was") for one in stay)
        ])  # fmt: skip
        warning = "The new table names people again; only its owner may read it, and it may not be passed on."
        outcome = [f"{len(undone)} of {len(frame.columns)} columns undone"]
        purpose = f"{len(frame):,} rows of the project {told.project}."
        shown = DeidPage("reidentify", "Pseudonyms undone", name, purpose, outcome, warning, [section])
        page = page_at(shown, place)
    if as_json:
        print_json({**said, "page": str(page)})
    else:
        _print_back(said, page)
    return FINE


def _finding(search: Search) -> Callable[[Cells], list[list[Finding]]]:
    """What finds in a column's texts, by row; the column's name counts as the label of its cells."""
    import pyarrow as pa

    from unseen.deid import scan

    def find(texts: Cells) -> list[list[Finding]]:
        found: list[list[Finding]] = [[] for _ in texts]
        table = pa.table({texts.column: pa.array(texts, pa.string())})
        for one in scan(table, least=search.least, regions=search.regions):
            found[one.row].append(one)
        return found

    return find


def _restored(found: Any) -> Any:
    import narwhals as nw

    return nw.from_native(found, eager_only=True)


def _same(one: Any, other: Any) -> bool:
    return bool(one.dtype == other.dtype and one.to_list() == other.to_list())


def _said(file: str, to: Path, rows: int, policy: Any, release: Any) -> dict[str, Any]:
    counted = release.proof.replaced
    return {
        "file": Path(file).name,
        "to": str(to),
        "rows": rows,
        "project": policy.project,
        "check": release.guarantee.check,
        "values": counted.values,
        "collisions": {name: count for name, count in counted.collisions.items() if count},
        "spans": counted.spans,
        "collisions_in_texts": counted.collisions_in_texts,
        "redacted_instead": counted.redacted_instead,
        "guarantee": str(release.guarantee),
    }


def _page(said: dict[str, Any]) -> DeidPage:
    from unseen.report.deid_page import DeidPage, Section

    columns = [(name, count, said["collisions"].get(name, 0)) for name, count in said["values"].items()]
    instead, shared = said["redacted_instead"], said["collisions_in_texts"]
    spans = [(name, count, instead.get(name, 0), shared.get(name, 0)) for name, count in said["spans"].items()]
    sections = [
        Section("What is promised", "", [said["guarantee"], f"The key's check value is {said['check']}."]),
        Section("Columns", "", (), ("column", "different values", "collisions"), columns),
        Section("Texts", "", (), ("kind", "replaced", "of these, by a label instead", "collisions"), spans),
    ]
    outcome = [f"{len(columns)} columns", f"{sum(said['spans'].values()):,} findings in texts"]
    purpose = f"{said['rows']:,} rows, for the project {said['project']}."
    return DeidPage("pseudonymize", "A pseudonymised table", said["file"], purpose, outcome, WARNING, sections)


def _print(said: dict[str, Any], page: Path) -> None:
    from rich.console import Console

    console = Console()
    console.print(line(f"{said['to']}: {said['rows']:,} rows for the project {said['project']}"), soft_wrap=True)
    values = [(name, f"{count:,}") for name, count in said["values"].items()]
    table(console, ("column", "values replaced"), values, ("values replaced",))
    table(console, ("in texts", "replaced"), [(name, f"{count:,}") for name, count in said["spans"].items()])
    shared = sum(said["collisions"].values()) + sum(said["collisions_in_texts"].values())
    if shared:
        console.print(line(f"{shared:,} pseudonyms fewer than values that are not alike: these share one."))
    console.print(line(said["guarantee"]))
    console.print(line(f"The key's check value, which reidentify takes: --check {said['check']}"), soft_wrap=True)
    console.print(line(f"Page, for the owner alone: {page}"), soft_wrap=True)


def _print_back(said: dict[str, Any], page: Path) -> None:
    from rich.console import Console

    console = Console()
    undone = ", ".join(said["undone"]) or "nothing that could be"
    undone += "; as they were: " + (", ".join(said["stay"]) or "none")
    console.print(line(f"{said['to']}: {said['rows']:,} rows; undone: {undone}"), soft_wrap=True)
    console.print(line("It names people again: keep it where the key is."))
    console.print(line(f"Page, for the owner alone: {page}"), soft_wrap=True)
