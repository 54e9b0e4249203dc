"""The names of a row's own person in its text, whether or not a detector knows them for names."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from unseen.deid.pseudonym.alike import Alike, canonical

__all__ = ["Mention", "own_mentions"]

WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|['’\-](?=[^\W\d_]))*")
BETWEEN = re.compile(r"[\s,]{1,3}(?:[^\W\d_]\.?\s{1,2})?")
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
    """Where parts of these names stand in a text with a capital, neighbouring ones together.

    A name that is an ordinary word too ("Park", "Hope") is taken for the name: a word too many is replaced rather than
    a name left.

    Args:
        text: of a row.
        names: the full names in the row's other columns, in their common writing.

    >>> [(one.start, one.end) for one in own_mentions("Hope Park, seen by Park.", ["hope park"])]
    [(0, 9), (19, 23)]
    """
    parts = {part for name in names for part in re.split(r"[\s\-]+", name) if len(part) >= SHORTEST}
    return list(_together(text, parts)) if parts else []


def _together(text: str, parts: set[str]) -> Iterator[Mention]:
    start = end = -1
    for word in WORD.finditer(text):
        if not word[0][0].isupper() or not _is_part(word[0], parts):
            continue
        if start >= 0 and not BETWEEN.fullmatch(text, end, word.start()):
            yield Mention(start, end)
            start = -1
        start = word.start() if start < 0 else start
        end = word.end()
    if start >= 0:
        yield Mention(start, end)


def _is_part(word: str, parts: set[str]) -> bool:
    """Also as half of a double name, or before an apostrophe and s."""
    plain = canonical(word, Alike.TEXT).replace("’", "'")
    return plain in parts or plain.removesuffix("'s") in parts or any(half in parts for half in plain.split("-"))
