"""Whom a mention of a name means, by the names of its row and its text."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["whose"]


def whose(mention: str, own: Iterable[str], others: Iterable[str]) -> str:
    """The full name that a mention stands for, or the mention itself where that is none or several.

    Args:
        mention: a name or a part of one, in its common writing.
        own: the full names of the mention's row, which come first. A mention with an initial, or with or without
            middle names, may be one of them.
        others: the full names of its text, of which it may be the first or the last part.

    >>> whose("schmidt", ["anna schmidt"], ["anna m schmidt", "anna schmidt"])
    'anna schmidt'
    >>> whose("a schmidt", ["anna schmidt"], []), whose("otto schmidt", ["anna schmidt"], [])
    ('anna schmidt', 'otto schmidt')
    """
    names = set(own)
    if mention in names:
        return mention
    words = mention.split()
    found = {name for name in names if _may_be(words, name.split())}
    if not found and len(words) == 1:
        found = {name for name in others if mention in (name.split()[0], name.split()[-1])}
    return found.pop() if len(found) == 1 else mention


def _may_be(words: list[str], name: list[str]) -> bool:
    if len(words) == 1:
        return words[0] in (name[0], name[-1])
    given, told = [words[0], *words[1:-1]], [name[0], *name[1:-1]]
    return words[-1:] == name[-1:] and all(map(_alike, given, told))


def _alike(one: str, other: str) -> bool:
    """The same name, or the initial of it."""
    return one == other or (len(one) == 1 and other.startswith(one)) or (len(other) == 1 and one.startswith(other))
