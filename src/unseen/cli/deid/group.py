"""The commands of `unseen deid`. Loads typer; the rest is loaded when it is used."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from unseen.cli.deid.words import spoken
from unseen.cli.options import EPILOG, Json, wants_json

__all__ = ["deid"]

deid = typer.Typer(help="Find what identifies people, and release tables without it.", no_args_is_help=True)

Table = Annotated[str, typer.Argument(help="A .csv, .tsv or .parquet file, or dataset:NAME.")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder of the page; the working directory if absent.")]
To = Annotated[
    Path,
    typer.Option(
        "--to",
        metavar="FILE.csv|.parquet",
        help="The new table. A cell that begins with = stays so: a spreadsheet may run it.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace the new table's file if there is one.")]
PolicyFile = Annotated[Path, typer.Option("--policy", metavar="FILE.toml", help="What happens to which column.")]
Least = Annotated[
    float | None,
    typer.Option("--least", metavar="SCORE", help="The score from which on a finding counts: 0.5, or 0.4 to replace."),
]
Regions = Annotated[
    list[str] | None,
    typer.Option("--regions", metavar="DE,AT", help="Countries of phone numbers that are written without a code."),
]
KeyFile = Annotated[Path, typer.Option("--key", metavar="FILE", help="The owner's key, mode 0600.")]


@deid.command("scan", epilog=EPILOG)
def scan(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="A .csv, .parquet or .txt file, or dataset:NAME.")],
    sample: Annotated[
        int | None, typer.Option("--sample", metavar="N", help="Read N rows by chance, not all of them.")
    ] = None,
    out: Out = None,
    safe_harbor: Annotated[
        bool, typer.Option("--safe-harbor", help="Also HIPAA's eighteen rules one by one, with evidence.")
    ] = False,
    least: Least = None,
    regions: Regions = None,
    json: Json = False,
) -> None:
    """Count what identifies, by column or kind, and how much of it was probably found; no value is printed."""
    from unseen.cli.deid.files import listed
    from unseen.cli.deid.scan import command
    from unseen.cli.deid.tally import LEAST, Search

    with spoken():
        search = Search(LEAST if least is None else least, tuple(listed(regions)), safe_harbor)
        raise typer.Exit(command(file, sample, out, search, wants_json(context, json)))


@deid.command("anonymize", epilog=EPILOG)
def anonymize(
    context: typer.Context,
    file: Table,
    to: To,
    quasi_identifiers: Annotated[
        list[str] | None,
        typer.Option("--quasi-identifiers", metavar="A,B", help="Columns that somebody may know of a person."),
    ] = None,
    hierarchies: Annotated[
        Path | None,
        typer.Option(
            "--hierarchies",
            metavar="FOLDER|FILE",
            help="A folder with NAME_hierarchy_COLUMN.csv or COLUMN.csv, as ARX writes them; or a TOML file with a "
            "line for each column, such as: age = {widths = [5, 10], low = 0, high = 120}",
        ),
    ] = None,
    k: Annotated[int, typer.Option("--k", help="People who share each combination, at least.")] = 5,
    suppress_at_most: Annotated[
        float | None, typer.Option("--suppress-at-most", help="Share of the rows that may be left out; 0.02 if absent.")
    ] = None,
    quality: Annotated[
        str | None,
        typer.Option(
            "--quality",
            help="What is minimised: loss (if absent), precision, entropy, discernibility, average class size.",
        ),
    ] = None,
    l: Annotated[  # noqa: E741 (the field's name)
        int | None, typer.Option("--l", help="Different sensitive values in each class, at least.")
    ] = None,
    t: Annotated[
        float | None, typer.Option("--t", help="How far a class may be from the whole table in the sensitive column.")
    ] = None,
    sensitive: Annotated[str | None, typer.Option("--sensitive", help="The column that --l and --t are about.")] = None,
    local: Annotated[
        bool,
        typer.Option(
            "--local", help="Mondrian: each part of the table as vague as it has to be; no row is left out, no optimum."
        ),
    ] = False,
    drop: Annotated[list[str] | None, typer.Option("--drop", metavar="A,B", help="Columns to leave out.")] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option("--keep", metavar="A,B", help="Columns to keep as they are though they seem to identify."),
    ] = None,
    drop_missing: Annotated[
        bool, typer.Option("--drop-missing", help="Leave out rows that lack a quasi-identifier or sensitive value.")
    ] = False,
    out: Out = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Write the table with the least loss in which every row shares its quasi-identifiers with k people."""
    from unseen.cli.deid.anonymize import Asked, command
    from unseen.cli.deid.files import listed

    asked = Asked(
        listed(quasi_identifiers),
        k,
        suppress_at_most,
        hierarchies,
        quality,
        l,
        t,
        sensitive,
        local,
        listed(drop),
        listed(keep),
        drop_missing,
    )
    with spoken():
        raise typer.Exit(command(file, to, asked, out, force, wants_json(context, json)))


@deid.command("risk", epilog=EPILOG)
def risk(
    context: typer.Context,
    file: Table,
    columns: Annotated[
        list[str] | None,
        typer.Option("--columns", metavar="A,B", help="Columns that somebody may know; all, one by one, if absent."),
    ] = None,
    population: Annotated[
        str | None,
        typer.Option("--population", metavar="N|FILE", help="How many people it is from, or a table of them."),
    ] = None,
    threshold: Annotated[float, typer.Option("--threshold", help="The risk above which somebody is at risk.")] = 0.2,
    out: Out = None,
    json: Json = False,
) -> None:
    """Measure how many people stand out, and how likely they are to be found; for the owner alone."""
    from unseen.cli.deid.files import listed
    from unseen.cli.deid.risk import command

    with spoken():
        raise typer.Exit(command(file, listed(columns), population, threshold, out, wants_json(context, json)))


@deid.command("pseudonymize", epilog=EPILOG)
def pseudonymize(
    context: typer.Context,
    file: Table,
    policy: PolicyFile,
    key: KeyFile,
    to: To,
    make_key: Annotated[bool, typer.Option("--make-key", help="Make the key, where no file is yet.")] = False,
    least: Least = None,
    regions: Regions = None,
    out: Out = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Write the table with pseudonyms in the place of what identifies, as a policy says; it stays personal data."""
    from unseen.cli.deid.files import listed
    from unseen.cli.deid.pseudonymize import command
    from unseen.cli.deid.tally import STRICT, Search

    with spoken():
        search = Search(STRICT if least is None else least, tuple(listed(regions)))
        raise typer.Exit(command(file, policy, key, make_key, search, to, out, force, wants_json(context, json)))


@deid.command("reidentify", epilog=EPILOG)
def reidentify(
    context: typer.Context,
    file: Table,
    policy: PolicyFile,
    key: KeyFile,
    to: To,
    check: Annotated[str, typer.Option("--check", metavar="HEX", help="The check value that pseudonymize told.")] = "",
    out: Out = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Undo the pseudonyms that can be undone, for who holds the key; the new table is its owner's alone."""
    from unseen.cli.deid.pseudonymize import back

    with spoken():
        raise typer.Exit(back(file, policy, key, check, to, out, force, wants_json(context, json)))
