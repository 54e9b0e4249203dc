"""unseen doctor: versions, extras, entropy, disk and sandbox of this installation."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from unseen.cli.terminal import FAULT, FINE, print_json

__all__ = ["command"]

NEEDED = (
    *("cryptography", "dp-accounting", "duckdb", "jinja2", "matplotlib", "narwhals", "numpy", "opendp"),
    *("pyarrow", "rich", "scipy", "sqlalchemy", "typer"),
)
EXTRAS = {
    "train": ("torch",),
    "models": ("torch", "scikit-learn"),
    "examples": ("pandas", "statsmodels"),
}
Finding = tuple[str, bool, bool, str]
"""What was looked at, whether it is fine, whether unseen needs it, and what was found."""


def command(as_json: bool) -> int:
    """Print what was found; a needed thing that is absent is a fault."""
    found = list(_findings())
    fine = all(good or not needed for _, good, needed, _ in found)
    if as_json:
        checks = [{"check": name, "fine": good, "needed": needed, "found": text} for name, good, needed, text in found]
        print_json({"fine": fine, "checks": checks})
        return FINE if fine else FAULT
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False)
    for name, good, needed, text in found:
        mark = (
            Text("ok", style="green")
            if good
            else Text("missing" if needed else "absent", style="red" if needed else "dim")
        )
        table.add_row(mark, Text(name), Text(text))
    Console().print(table)
    return FINE if fine else FAULT


def _findings() -> Iterator[Finding]:
    yield "python", sys.version_info >= (3, 11), True, platform.python_version()
    for name in ("unseen", *NEEDED):
        found = _version(name)
        yield name, found is not None, True, found or "not installed"
    for extra, packages in EXTRAS.items():
        missing = [name for name in packages if _version(name) is None]
        text = f'pip install "unseen[{extra}]"' if missing else ", ".join(f"{n} {_version(n)}" for n in packages)
        yield f"extra {extra}", not missing, False, text
    yield _entropy()
    for name, folder in (("working directory", Path()), ("temporary folder", Path(tempfile.gettempdir()))):
        yield _writable(name, folder)
    program = shutil.which("bwrap")
    yield "sandbox (bubblewrap)", program is not None, False, program or "not found; only the room needs it"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _entropy() -> Finding:
    from unseen.core.noise.entropy import Entropy

    first, second = Entropy().words(4), Entropy().words(4)
    good = bool((first != second).all())
    return "entropy", good, True, "the system's, through AES-256" if good else "two draws were alike"


def _writable(name: str, folder: Path) -> Finding:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return name, True, False, f"{folder.resolve()} can be written"
    except OSError as error:
        return name, False, False, f"{folder.resolve()} cannot be written ({error.strerror})"
