"""The names of a row's own person in its text, whether or not a detector knows them for names."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from unseen.deid.pseudonym.alike import Alike, canonical

__all__ = ["Mention", "own_mentions"]

MARKS = r"\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0900-\u0e7f"
"""Blocks with marks that stand within words."""
WORD = re.compile(rf"[^\W\d_](?:[^\W\d_]|[{MARKS}]|['’\-](?=[^\W\d_]))*")
BETWEEN = re.compile(r"[\s,_.\-]{1,3}(?:[^\W\d_]\.?\s{1,2})?")
UNSPACED = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff]")
"""Scripts that put no spaces between words."""
"""What may stand between two parts of one name: spaces, a comma, an initial."""
SHORTEST = 2


@dataclass(frozen=True)
class Mention:
    """A finding of a person: see ``Policy.apply``."""

    start: int
    end: int
    entity: str = "PERSON"
    score: float = 1.0


def own_mentions(text: str, names: Iterable[str]) -> list[Mention]:
    """Where parts of these names stand in a text, neighbouring ones together.

    One part alone counts where it is not in small letters, or no script of capitals; a name that is an ordinary word
    too ("Park", "Hope") is then taken for the name: a word too many is replaced rather than a name left.

    Args:
        text: of a row.
        names: the full names in the row's other columns, in their common writing.

    >>> [(one.start, one.end) for one in own_mentions("Hope Park, seen by Park.", ["hope park"])]
    [(0, 9), (19, 23)]
    """
    parts = {part for name in names for part in re.split(r"[\s\-]+", name) if len(part) >= SHORTEST}
    whole = [name for name in names if UNSPACED.search(name)]
    return [*_together(text, parts), *_within(text, whole)] if parts else []


def _within(text: str, names: Iterable[str]) -> Iterator[Mention]:
    """Names of scripts without spaces, wherever they stand."""
    for name in names:
        for found in re.finditer(re.escape(name), text):
            yield Mention(*found.span())


def _together(text: str, parts: set[str]) -> Iterator[Mention]:
    runs: list[list[re.Match[str]]] = []
    for word in WORD.finditer(text):
        if not _is_part(word[0], parts):
            continue
        if runs and BETWEEN.fullmatch(text, runs[-1][-1].end(), word.start()):
            runs[-1].append(word)
        else:
            runs.append([word])
    for run in runs:
        if len({word[0].casefold() for word in run}) > 1 or not all(word[0][0].islower() for word in run):
            yield Mention(run[0].start(), run[-1].end())


def _is_part(word: str, parts: set[str]) -> bool:
    """Also as half of a double name, or before an apostrophe and s."""
    plain = canonical(word, Alike.TEXT).replace("’", "'")
    return plain in parts or plain.removesuffix("'s") in parts or any(half in parts for half in plain.split("-"))
