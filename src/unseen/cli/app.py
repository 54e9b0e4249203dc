"""The commands, and how every end becomes an exit code. Loads typer and rich; the rest is loaded when it is used."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from unseen.cli.deid.group import deid
from unseen.cli.options import EPILOG, Json, wants_json
from unseen.cli.terminal import FAULT, REFUSED, fault, refusal

__all__ = ["app", "main"]

app = typer.Typer(
    name="unseen",
    help="Machine learning on data you cannot see.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
ledgers = typer.Typer(help="What was spent on a population.", no_args_is_help=True)
app.add_typer(ledgers, name="ledger")
app.add_typer(deid, name="deid")

Place = Annotated[str, typer.Argument(metavar="LEDGER", help="Path of the ledger, or postgresql://user@host/database.")]
Key = Annotated[Path | None, typer.Option("--key", help="The owner's key; beside a ledger's file it is LEDGER.key.")]
Against = Annotated[
    list[Path] | None,
    typer.Option("--against", metavar="RECEIPT.json", help="A receipt that the ledger gave; may be repeated."),
]


def _version(asked: bool) -> None:
    if asked:
        from unseen import __version__

        print(f"unseen {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    json: Json = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Machine learning on data you cannot see."""
    context.obj = json


@app.command(epilog=EPILOG)
def run(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The recipe, a TOML file.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of report, releases and ledger; made if need be.")],
    shareable: Annotated[
        bool,
        typer.Option(
            "--shareable",
            help="Write only what was paid for, into OUT/shareable: no measurements, no exact results, no ledger.",
        ),
    ] = False,
    data_changed: Annotated[
        Literal["same-people", "appended-rows"] | None,
        typer.Option("--data-changed", help="What has happened to the data since the ledger was bound to them."),
    ] = None,
    json: Json = False,
) -> None:
    """Release what a recipe asks for, attack it, and report claimed against measured."""
    from unseen.cli.run import command

    raise typer.Exit(command(file, out, shareable, data_changed, wants_json(context, json)))


@app.command(epilog=EPILOG)
def check(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="A .csv or .parquet file, or dataset:NAME.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the page; the working directory if absent.")
    ] = None,
    unit: Annotated[
        str | None, typer.Option("--unit", help="Column that names the person; else each row is one.")
    ] = None,
    json: Json = False,
) -> None:
    """The owner's first look: what identifies, who is unique on what, and a schema to fill in."""
    from unseen.cli.check import command

    raise typer.Exit(command(file, out, unit, wants_json(context, json)))


@ledgers.command("show", epilog=EPILOG)
def show(
    context: typer.Context,
    ledger: Place,
    key: Key = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE.svg|.html", help="Draw what was spent, release by release.")
    ] = None,
    json: Json = False,
) -> None:
    """Print the budget, what is left, and every release."""
    from unseen.cli.ledger import show as command

    raise typer.Exit(command(ledger, key, plot, wants_json(context, json)))


@ledgers.command("verify", epilog=EPILOG)
def verify(context: typer.Context, ledger: Place, key: Key = None, against: Against = None, json: Json = False) -> None:
    """Check every entry against the owner's key, the sums, and that nothing is missing."""
    from unseen.cli.ledger import verify as command

    raise typer.Exit(command(ledger, key, against or [], wants_json(context, json)))


@ledgers.command("check", epilog=EPILOG)
def check_receipt(
    context: typer.Context,
    receipt: Annotated[Path, typer.Argument(metavar="RECEIPT.json", help="A saved release, or a receipt.")],
    public_key: Annotated[
        str | None, typer.Option("--public-key", metavar="HEX", help="The owner's, as you know it.")
    ] = None,
    json: Json = False,
) -> None:
    """Check the signature of a receipt, without its ledger, and say what it says."""
    from unseen.cli.ledger import check as command

    raise typer.Exit(command(receipt, public_key, wants_json(context, json)))


@ledgers.command("export", epilog=EPILOG)
def export(
    context: typer.Context,
    ledger: Place,
    file: Annotated[Path, typer.Argument(metavar="FILE.jsonl", help="A new file.")],
    key: Key = None,
    json: Json = False,
) -> None:
    """Write all records as JSON lines that anybody can read."""
    from unseen.cli.ledger import export as command

    raise typer.Exit(command(ledger, key, file, wants_json(context, json)))


@ledgers.command("backup", epilog=EPILOG)
def backup(
    context: typer.Context,
    ledger: Place,
    file: Annotated[Path, typer.Argument(help="A new file.")],
    key: Key = None,
    json: Json = False,
) -> None:
    """Write a copy of all records; keep the owner's key elsewhere, it is not in it."""
    from unseen.cli.ledger import backup as command

    raise typer.Exit(command(ledger, key, file, wants_json(context, json)))


@ledgers.command("restore", epilog=EPILOG)
def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="BACKUP", help="What backup wrote.")],
    ledger: Place,
    key: Key = None,
    json: Json = False,
) -> None:
    """Make a ledger of a backup; it stays locked if it is older than what was seen here."""
    from unseen.cli.ledger import restore as command

    raise typer.Exit(command(file, ledger, key, wants_json(context, json)))


@ledgers.command("reconcile", epilog=EPILOG)
def reconcile(
    context: typer.Context,
    ledger: Place,
    key: Key = None,
    against: Against = None,
    older_copy: Annotated[
        bool,
        typer.Option(
            "--older-copy", help="It is an older copy of the one ledger there was: the highest receipt counts."
        ),
    ] = False,
    fork: Annotated[
        bool, typer.Option("--fork", help="Both went on, or nobody is sure: what was spent here and there is added up.")
    ] = False,
    nothing_lost: Annotated[
        bool, typer.Option("--nothing-lost", help="Nothing came after its last entry; no receipt says otherwise.")
    ] = False,
    exhausted: Annotated[
        bool, typer.Option("--exhausted", help="It is not known what was lost: everything is declared as spent.")
    ] = False,
    json: Json = False,
) -> None:
    """Count what was spent in entries that were lost, in exactly one of four ways, and unlock the ledger.

    With none of them nothing is written, and it is told what each would count. Nothing is given back.
    """
    from unseen.cli.ledger import reconcile as command

    told = {"older-copy": older_copy, "fork": fork, "nothing-lost": nothing_lost, "exhausted": exhausted}
    ways = [way for way, meant in told.items() if meant]
    raise typer.Exit(command(ledger, key, against or [], ways, wants_json(context, json)))


@app.command(epilog=EPILOG)
def doctor(context: typer.Context, json: Json = False) -> None:
    """Check this installation: versions, extras, entropy, disk, sandbox."""
    from unseen.cli.doctor import command

    raise typer.Exit(command(wants_json(context, json)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code.

    Args:
        arguments: instead of the process's own.
    """
    sys.exit(_code(list(sys.argv[1:] if arguments is None else arguments)))


def _code(arguments: list[str]) -> int:
    from unseen.core.errors import UnseenError

    try:
        # Without standalone mode the parser's own errors come here, to be one line like all others.
        result: Any = app(args=arguments, prog_name="unseen", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except UnseenError as error:
        refusal(error)
        return REFUSED
    except (KeyboardInterrupt, typer.Abort):
        refusal("interrupted")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # the last door: nobody sees a traceback, which may show private values
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # the parser's
            if message := error.format_message():
                refusal(f"{message.rstrip('.')}; see: unseen --help")
            return REFUSED if message else 0
        fault(error)
        return FAULT
