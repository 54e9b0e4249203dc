"""Firms that are named after several people: "Hall, Reyes and Wu", where something tells that it is a firm."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Firm", "firms"]

_CAPITAL = r"[^\W\d_a-zß-öø-ÿ][\w'’\-]{1,30}"
_AND = r"(?:and|&|und|y|et)"
_PARTNERS = re.compile(rf"(?<![\w,'’]){_CAPITAL},[ ]{_CAPITAL},?[ ]{_AND}[ ]{_CAPITAL}(?![\w'’])")
_FAMILY = re.compile(
    rf"(?<![\w'’]){_CAPITAL}(?:,?[ ]{_CAPITAL}){{0,2}},?[ ]{_AND}[ ]"
    r"(?:Sons?|Daughters|Brothers|Bros|Co|Company|Partners|Associates|Söhne|Partner|Hijos|Fils|Figli)(?!\w)\.?"
)
_AFTER = re.compile(
    r",?[ ](?:Inc|Ltd|LL[CP]|PLC|GmbH|Orchestra|Group|Foundation|Bank|Clinic|Hospital|Law|Attorneys|Solicitors"
    r"|(?:is|was|are)[ ](?:an?|the|our)[ ](?:[\w'’\-]{1,30},?[ ]){0,4}?(?:company|agency|bank|firm|startup|brand"
    r"|business|corporation|organi[sz]ation|practice|partnership|provider)|office|employees?|shares)(?!\w)"
)
_BEFORE = re.compile(
    r"(?:[Ww]ork(?:s|ed|ing)? (?:for|at)|[Ee]mployed by|[Hh]ired by|[Jj]oin(?:ed)?|[Cc]ompany|[Ff]irm|[Ee]mployer"
    r"|year at|[Oo]ffices? of|CEO of|founder of|address of|lawyers? at|partner at)[: ][ ]?$"
)
_LEAD = re.compile(r"(?:^|[\n\0])[ >?*\t]{0,6}$")
_TAIL = re.compile(r"[ \t,.]{0,3}(?:[\n\0]|$)")


class Firm(NamedTuple):
    """A firm: offsets, score and evidence."""

    start: int
    end: int
    score: float
    evidence: str


def firms(text: str) -> Iterator[Firm]:
    """Firms in the order of the text; none overlaps another.

    Args:
        text: the batch.
    """
    found = [Firm(match.start(), match.end(), 0.85, "family firm") for match in _FAMILY.finditer(text)]
    for match in _PARTNERS.finditer(text):
        start, end = match.span()
        after = _AFTER.match(text, end)
        if after or _BEFORE.search(text, max(0, start - 24), start):
            found.append(Firm(start, end, 0.85, "surnames in a row + context words"))
        elif _LEAD.search(text, max(0, start - 8), start) and _TAIL.match(text, end):
            found.append(Firm(start, end, 0.7, "surnames in a row, alone on their line"))
    found.sort()
    last = -1
    for firm in found:
        if firm.start >= last:
            last = firm.end
            yield firm
