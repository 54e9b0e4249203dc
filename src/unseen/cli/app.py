"""The commands, and how every end becomes an exit code. Loads typer and rich; the rest is loaded when it is used."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from unseen.cli.terminal import FAULT, REFUSED, fault, refusal

__all__ = ["app", "main"]

EPILOG = (
    "Exit codes: 0 fine · 1 a fault of unseen, or a run that stopped after something was charged · "
    "2 refused: bad input, data, ledger or budget; nothing was charged · 3 an attack broke a claim."
)

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

Json = Annotated[bool, typer.Option("--json", help="Print JSON to standard output instead of text.")]


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
        bool, typer.Option("--shareable", help="Write only what was paid for: no measurements, no exact results.")
    ] = False,
    json: Json = False,
) -> None:
    """Release what a recipe asks for, attack it, and report claimed against measured."""
    from unseen.cli.run import command

    raise typer.Exit(command(file, out, shareable, _wants_json(context, json)))


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

    raise typer.Exit(command(file, out, unit, _wants_json(context, json)))


@ledgers.command("show", epilog=EPILOG)
def show(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="The ledger.")],
    json: Json = False,
) -> None:
    """Print the budget, what is left, and every release."""
    from unseen.cli.ledger import show as command

    raise typer.Exit(command(path, _wants_json(context, json)))


@ledgers.command("verify", epilog=EPILOG)
def verify(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="The ledger.")],
    json: Json = False,
) -> None:
    """Check every entry against the owner's key, and the sums."""
    from unseen.cli.ledger import verify as command

    raise typer.Exit(command(path, _wants_json(context, json)))


@app.command(epilog=EPILOG)
def doctor(context: typer.Context, json: Json = False) -> None:
    """Check this installation: versions, extras, entropy, disk, sandbox."""
    from unseen.cli.doctor import command

    raise typer.Exit(command(_wants_json(context, json)))


def _wants_json(context: typer.Context, here: bool) -> bool:
    return here or bool(context.find_root().obj)


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
        return FAULT if getattr(error, "charged", 0) else REFUSED
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
