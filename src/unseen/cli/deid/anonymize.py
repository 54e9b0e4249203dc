"""unseen deid anonymize: the table in which every row shares its quasi-identifiers with k - 1 others at least."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unseen.cli.deid.files import known, named, page_at, page_place, read_table, vacant, write_table
from unseen.cli.deid.kept import decided
from unseen.cli.deid.lines import line, table
from unseen.cli.deid.steps import hierarchies_in, needed, of_numbers, with_numbers
from unseen.cli.terminal import FINE, print_json, watched
from unseen.core.errors import DataFault, InvalidRequest, shown

if TYPE_CHECKING:
    import narwhals as nw

    from unseen.report.deid_page import DeidPage

__all__ = ["Asked", "command"]

WARNING = (
    "It tells how the levels were chosen, and figures of the table as it was: both help whoever wants to undo the "
    "release. Pass on the new table alone."
)


@dataclass(frozen=True)
class Asked:
    """What the options say; see the command."""

    quasi_identifiers: list[str]
    k: int
    suppress_at_most: float | None
    hierarchies: Path | None
    quality: str | None
    l: int | None  # noqa: E741 (the field's name)
    t: float | None
    sensitive: str | None
    local: bool
    drop: list[str]
    keep: list[str]
    drop_missing: bool


def command(file: str, to: Path, asked: Asked, out: Path | None, force: bool, as_json: bool) -> int:
    """Anonymise a table, write it and the page, and print what matters."""
    from unseen.deid import reidentification

    vacant(to, force, file)
    place = page_place(out, f"{named(file)}.anonymize.html", file, to)
    with watched() as progress:
        progress("reading", 0, 4)
        whole = _chosen(read_table(file), asked)
        frame = _complete(whole, asked)
        rows = len(frame)
        used = (*asked.quasi_identifiers, asked.sensitive)
        known_of = decided(frame, [name for name in frame.columns if name not in used], asked.keep)
        progress("searching", 1, 4)
        guard = _guard(frame, asked, named(file))
        numbers = asked.quasi_identifiers if asked.local else of_numbers(guard.hierarchies)
        release = guard.release(with_numbers(frame, numbers).to_native())
        progress("writing", 2, 4)
        write_table(release.value, to, force, file)
        progress("measuring risk", 3, 4)
        names = asked.quasi_identifiers
        before = reidentification(frame.to_native(), names) if rows else None
        after = reidentification(release.value, names) if len(release.value) else None
        said = _said(file, to, asked, frame, release, (before, after))
        said["tops"] = {name: one.levels - 1 for name, one in guard.hierarchies.items()}
        said["incomplete"] = len(whole) - rows
        if known_of:
            said["notes"].append(
                f"Somebody may know these of a person, and nothing protects them: {', '.join(known_of[:12])}. Name "
                "them with --quasi-identifiers, or leave them out with --drop."
            )
        page = page_at(_page(said, before, after), place)
    if as_json:
        print_json({**said, "page": str(page)})
    else:
        _print(said, page)
    return FINE


def _chosen(frame: nw.DataFrame[Any], asked: Asked) -> nw.DataFrame[Any]:
    names = asked.quasi_identifiers
    if not names:
        raise InvalidRequest(
            "k-anonymity without quasi-identifiers was asked for",
            "the columns that somebody may know of a person",
            "--quasi-identifiers age,zip",
        )
    if asked.local and (asked.suppress_at_most is not None or asked.quality is not None):
        raise InvalidRequest("--suppress-at-most or --quality was given with --local", "--local leaves no row out")
    known(frame, names, "--quasi-identifiers")
    known(frame, asked.drop, "--drop")
    known(frame, asked.keep, "--keep")
    if asked.sensitive is not None:
        known(frame, [asked.sensitive], "--sensitive")
    nested = [name for name in (*names, asked.sensitive) if name is not None and frame.schema[name].is_nested()]
    if nested:
        raise DataFault(f"column {nested[0]!r} holds lists or structures", "columns of numbers or texts")
    both = [name for name in asked.drop if name in (*names, asked.sensitive, *asked.keep)]
    if both:
        raise InvalidRequest(f"{both[0]!r} was to be dropped and used", "one of the two")
    if (asked.l is None and asked.t is None) != (asked.sensitive is None):
        raise InvalidRequest(
            "a model of a sensitive column needs both the column and --l or --t; one alone was given",
            "both or neither",
            "--sensitive diagnosis --l 3",
        )
    return frame.select([name for name in frame.columns if name not in asked.drop])


def _complete(frame: nw.DataFrame[Any], asked: Asked) -> nw.DataFrame[Any]:
    """The rows that have a value in every quasi-identifier and the sensitive column, if the others may be left out."""
    names = [name for name in (*asked.quasi_identifiers, asked.sensitive) if name is not None]
    for name in names:
        if frame.schema[name].is_float():
            frame = frame.with_columns(frame[name].fill_nan(None))
    complete = frame.drop_nulls(subset=names)
    lost = len(frame) - len(complete)
    if lost and not asked.drop_missing:
        lacking = [name for name in names if frame[name].null_count()]
        raise DataFault(
            f"{lost:,} of {len(frame):,} rows lack a value in {shown(lacking)}",
            "a value in each of these columns, or leave these rows out",
            "--drop-missing",
        )
    return complete


def _guard(frame: nw.DataFrame[Any], asked: Asked, name: str) -> Any:
    from unseen.deid import KAnonymize, Mondrian

    columns = asked.quasi_identifiers
    if asked.local:
        # Numbers are cut at medians, also where the folder has a hierarchy of them.
        schema = with_numbers(frame, columns).schema
        texts = [one for one in columns if not schema[one].is_numeric()]
        found = hierarchies_in(asked.hierarchies, texts, name)
        needed(texts, list(found), asked.hierarchies)
        return Mondrian(asked.k, columns, found, l=asked.l, t=asked.t, sensitive=asked.sensitive)
    found = hierarchies_in(asked.hierarchies, columns, name)
    needed(columns, list(found), asked.hierarchies)
    return KAnonymize(
        asked.k,
        columns,
        0.02 if asked.suppress_at_most is None else asked.suppress_at_most,
        found,
        asked.quality or "loss",
        l=asked.l,
        t=asked.t,
        sensitive=asked.sensitive,
    )


def _said(
    file: str, to: Path, asked: Asked, frame: nw.DataFrame[Any], release: Any, risks: tuple[Any, Any]
) -> dict[str, Any]:
    proof = release.proof
    kept = [name for name in frame.columns if name not in asked.quasi_identifiers]
    notes = []
    if kept:
        stay = "1 column stays as it is" if len(kept) == 1 else f"{len(kept)} columns stay as they are"
        notes.append(f"{stay}: {', '.join(kept[:12])}{', …' * (len(kept) > 12)}.")
    if asked.local:
        how: dict[str, Any] = {"classes": proof.classes, "smallest": proof.smallest, "largest": proof.largest}
        how["suppressed"] = 0
    else:
        how = {"levels": proof.levels, "suppressed": proof.suppressed, "checked": proof.checked}
        how |= {"pruned": proof.pruned, "quality": proof.quality}
    before, after = risks
    return {
        "file": Path(file).name,
        "to": str(to),
        "rows": len(frame),
        "released": len(release.value),
        "k": asked.k,
        "quasi_identifiers": asked.quasi_identifiers,
        "method": "local" if asked.local else "full-domain",
        **how,
        "score": proof.score,
        "why": proof.why,
        "guarantee": str(release.guarantee),
        "smallest_class": None if after is None else min(after.sizes),
        "unique_before": None if before is None else before.unique,
        "average_risk_before": None if before is None else before.marketer.average,
        "average_risk": None if after is None else after.marketer.average,
        "notes": notes,
    }


def _levels(said: dict[str, Any]) -> list[tuple[str, str]]:
    """Each column with its level, of how many."""
    found = []
    for name, level in said.get("levels", {}).items():
        top = said["tops"][name]
        found.append((name, f"{level} of {top}" + (" (hidden)" if level == top else " (as it is)" * (level == 0))))
    return found


def _measure(said: dict[str, Any]) -> str:
    """What the score measures."""
    return str(said.get("quality", "loss")).capitalize()


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.3g} %"


def _page(said: dict[str, Any], before: Any, after: Any) -> DeidPage:
    from unseen.report.deid_page import DeidPage, Section

    rows: list[tuple[str, Any, Any]] = [
        ("rows", said["rows"], said["released"]),
        ("people alone with their values", said["unique_before"], None if after is None else after.unique),
        ("rows of the smallest class", None if before is None else min(before.sizes), said["smallest_class"]),
        ("found by guessing, on average", _share(said["average_risk_before"]), _share(said["average_risk"])),
    ]
    levels = _levels(said)
    first = [] if before is None else [(f"Before: {title}", svg, text) for title, svg, text in before.figures()[:1]]
    last = [] if after is None else [(f"After: {title}", svg, text) for title, svg, text in after.figures()[:1]]
    outcome = [
        f"{said['released']:,} of {said['rows']:,} rows released",
        f"{_measure(said).lower()} {said['score']:.4g}",
    ]
    sections = [
        Section("What is promised", "", [said["guarantee"], *said["notes"]]),
        Section("Before and after", "As if nobody else were in the population.", (), ("", "before", "after"), rows,
                [*first, *last]),
        Section("How vague each column is told", "0 is the value itself.", (), ("column", "level"), levels),
        Section("Why nothing better was found" if levels else "Why it was not cut further", "", [said["why"]]),
    ]  # fmt: skip
    purpose = f"{said['k']}-anonymous on {', '.join(said['quasi_identifiers'])}."
    return DeidPage("anonymize", "An anonymised table", said["file"], purpose, outcome, WARNING, sections)


def _print(said: dict[str, Any], page: Path) -> None:
    from rich.console import Console

    console = Console()
    incomplete = f"; {said['incomplete']:,} more lacked a value" * bool(said["incomplete"])
    told = f"{said['to']}: {said['released']:,} of {said['rows']:,} rows; {said['suppressed']:,} left out{incomplete}"
    console.print(line(told))
    if "levels" in said:
        table(console, ("column", "level"), _levels(said))
    else:
        sizes = f"{said['smallest']:,} to {said['largest']:,} rows"
        console.print(line(f"{said['classes']:,} classes of {sizes}"))
    console.print(line(f"{_measure(said)} {said['score']:.5f}. {said['why']}"))
    if said["average_risk"] is not None:
        risk = f"{_share(said['average_risk_before'])} before, {_share(said['average_risk'])} after"
        console.print(line(f"Found by guessing, on average: {risk}."))
    console.print(line(said["guarantee"]))
    for note in said["notes"]:
        console.print(line(note))
    console.print(line(f"Page, for the owner alone: {page}"), soft_wrap=True)
