"""What goes on after a street: towns, states and countries up to a postal code, or up to a country that is known."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re

from unseen.deid.detect.labels import announces
from unseen.deid.detect.lexicon import Lexicon, fold

__all__ = ["code_after", "continued"]

_GAP = re.compile(r"[ \t>,]{0,5}\n?[ \t>,]{0,5}")
_NAME = r"[^\W\d_a-zß-öø-ÿ][\w'’.\-]{0,30}"
_SMALL = r"(?:[ ](?:de|del|della|di|da|do|dos|das|du|la|le|van|der|den|of|the|na|nad|am|an|sur|u)){0,2}"
_PLACE = re.compile(rf"{_NAME}(?:{_SMALL}[ ]{_NAME}){{0,3}}(?:[ ]?\([^()\n\0]{{1,30}}\))?")
_SMALL_PLACE = re.compile(r"[^\W\d_][\w'’\-]{1,30}(?:[ ][^\W\d_][\w'’\-]{1,30}){0,3}")
_STATE = re.compile(r"[^\W\d_]{2,3}(?!\w)")
_CODE = re.compile(r"(?:[A-Z]{1,2}-)?\d{4,6}(?:-\d{3,4})?(?![\w/:-])")
_ENDS = re.compile(r"[ \t]*(?:[\n\0,;.)\\]|$)")
_YEAR = re.compile(r"(?:1[5-9]|20)\d\d(?!\d)")
_LAST_WORDS = 3
_SEGMENTS = 5  # a district, a town, a state, a country, the code


def continued(text: str, start: int, end: int, lexicon: Lexicon) -> int:
    """Where an address ends that begins at `start` and whose street ends at `end`; `end` where nothing goes on.

    The town must stand at once, a comma or one line end apart, and a code or a known country must close the tail:
    "…, Kissousa, Cyprus 36903", "…, 10115 Berlin". Of a name that is in no list a street alone would say too little.

    Args:
        text: the batch.
        start, end: the street, its number and units.
        lexicon: what countries and states are known.
    """
    towns = _SMALL_PLACE if text[start:end].islower() else _PLACE
    best = at = end
    for step in range(_SEGMENTS):
        gap = _GAP.match(text, at)
        begin = gap.end() if gap else at
        if begin == at:
            break
        code = _CODE.match(text, begin)
        if code:
            if step:
                year = _YEAR.match(text, begin) and not _ENDS.match(text, code.end())
                return best if year else code.end()
            town = towns.match(text, code.end() + 1) if text[code.end() : code.end() + 1] == " " else None
            return town.end() if town and not _YEAR.match(text, begin) else best
        segment = towns.match(text, begin) or ("," in text[at:begin] and _STATE.match(text, begin)) or None
        if segment is None:
            break
        at = segment.end()
        words = [fold(word).strip(".") for word in segment.group().partition("(")[0].split()]
        if announces(words[-1]):
            break
        if any(" ".join(words[-count:]) in lexicon.regions for count in range(1, _LAST_WORDS + 1)):
            best = at
    return best


def code_after(text: str, end: int) -> tuple[int, int] | None:
    """Where the postal code right after a place stands ("Cyprus 36903"); None for a year, or where a text goes on.

    Args:
        text: the batch.
        end: where the place ends.
    """
    begin = end + 1 if text[end : end + 1] == " " else end
    code = _CODE.match(text, begin) if begin > end else None
    if code is None or _YEAR.match(text, begin) or not _ENDS.match(text, code.end()):
        return None
    return code.span()
