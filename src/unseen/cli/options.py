"""What several commands share: the exit codes in words, `--json`, and names in a list."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["EPILOG", "Json", "wants_json"]

EPILOG = (
    "Exit codes: 0 fine · 1 a fault of unseen, or a run that stopped after something was charged · "
    "2 refused: bad input, data, ledger or budget; nothing was charged · 3 an attack broke a claim."
)
Json = Annotated[bool, typer.Option("--json", help="Print JSON to standard output instead of text.")]


def wants_json(context: typer.Context, here: bool) -> bool:
    """Whether JSON was asked for, here or before the command."""
    return here or bool(context.find_root().obj)
