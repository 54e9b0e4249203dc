"""Refusals in the words of the command line: options and policy files instead of Python."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["rephrased", "spoken"]

QUOTED = r"(?<!\w)'[^']*'|\"[^\"]*\""
PHRASES = (
    (re.compile(r"un\.deid\.Key\.open\([^;]*\), or Key\.rotate"), "the same without --make-key"),
    (re.compile(rf"(?:un\.deid\.)?Key\.create(?:\((?:{QUOTED})\))?"), "--make-key"),
    (re.compile(r"the release itself, or the check value in its guarantee"), "the check value that was told with it"),
    (re.compile(r"check=release\.guarantee\.check"), "--check HEX"),
    (re.compile(r"a path to (a \.csv or \.parquet file), a dataframe, or a DuckDB relation"), r"\1"),
    (re.compile(r"such as Token\b"), "such as 'token'"),
    (re.compile(r"\b(flat|intervals|prefixes)\(([^()]*)\)"), r"\1 \2"),
    (re.compile(r" or None\b"), " or nothing"),
    (re.compile(r"\bNone\b"), "nothing"),
)
"""What is said otherwise here, word for word."""

OPTIONS = frozenset(
    (
        "k",
        "l",
        "t",
        "quality",
        "quasi_identifiers",
        "suppress_at_most",
        "sensitive",
        "hierarchies",
        "threshold",
        "check",
        "least",
        "regions",
    )
)
CALL = re.compile(rf"\b([A-Z]\w+)\(((?:{QUOTED}|[^()'\"])*)\)")
NAMED = re.compile(rf"({QUOTED})|\b(\w+)=(?=\S)")
BARE = re.compile(rf"({QUOTED})|(?<![\w-])([a-z]+(?:_[a-z]+)+)\b")
PYTHON = re.compile(r"\bun\.\w|\w\([^)]*\)|\w+=\S")


def rephrased(text: str) -> str:
    """A part of a message, as the command line would say it.

    >>> rephrased("suppress_at_most=2.0 was asked for"), rephrased("DateShift(formats=['%d/%m/%Y'])")
    ('--suppress-at-most 2.0 was asked for', "{operation = 'shift', formats = ['%d/%m/%Y']}")
    """
    for pattern, instead in PHRASES:
        text = pattern.sub(instead, text)
    text = CALL.sub(lambda match: _operation(match[1], match[2]) or match[0], text)
    text = NAMED.sub(lambda match: match[1] or _option(match[2]), text)
    return BARE.sub(lambda match: match[1] or _dashed(match[2]), text)


def _operation(kind: str, arguments: str) -> str:
    """An operation as a policy's file names it; empty for anything else."""
    from unseen.deid.pseudonym.written import OPERATIONS

    names = [name for name, one in OPERATIONS.items() if one.__name__ == kind]
    if not names:
        return ""
    given = [one for one in re.split(r", (?=\w+=)", arguments) if one and not one.endswith(("=''", "=nothing"))]
    return f"{{operation = '{names[0]}', {', '.join(given)}}}" if given else f"'{names[0]}'"


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')} " if name in OPTIONS else f"{name} = "


def _dashed(name: str) -> str:
    return f"--{name.replace('_', '-')}" if name in OPTIONS else name


@contextmanager
def spoken() -> Iterator[None]:
    """What is refused inside is told in the words of the command line."""
    from unseen.core.errors import UnseenError

    try:
        yield
    except UnseenError as error:
        fits = rephrased(error.fits)
        told = UnseenError.__new__(type(error))
        UnseenError.__init__(
            told, rephrased(error.asked), rephrased(error.allowed), "" if PYTHON.search(fits) else fits
        )
        raise told from None
