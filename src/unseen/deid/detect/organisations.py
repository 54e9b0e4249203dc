"""Evidence that a piece of text names an organisation: legal forms, kinds of organisation, and what people do there."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from unseen.deid.detect.piece import Piece
from unseen.deid.detect.vocabulary import (
    ABOUT_ORGANISATION,
    BEFORE_ORGANISATION,
    FIELD_OF_ORGANISATION,
    LEGAL_FORM,
    ORGANISATION_TYPE,
    WEAK_PLACE,
)

__all__ = ["ORGANISATION", "organisation"]

ORGANISATION: Mapping[str, float] = MappingProxyType(
    {
        "organisation": -2.8,
        "legal form": 5.5,
        "kind of organisation": 3.0,
        "place of work": 3.4,
        "weak preposition": 0.8,
        "noun of organisations": 2.0,
        "described": 4.5,
        "field": 3.0,
        "unknown word": 0.8,
        "given name": -0.3,
        "initial": -0.8,
        "inner capital": 1.2,
        "two surnames": 1.5,
        "capitals only": 0.4,
        "alone on its line": 0.6,
        "title": -3.0,
    }
)
"""Log-odds of each clue: set by hand, then some moved part of the way to a logistic fit on tuning texts."""


def organisation(piece: Piece, titled: bool) -> list[str]:
    """The clues of `ORGANISATION` that a piece shows."""
    clues = ["organisation"]
    last = piece.seen[-1].folded
    if len(piece.seen) > 1 and last in LEGAL_FORM:
        clues.append("legal form")
    elif len(piece.seen) > 1 and last in ORGANISATION_TYPE:
        clues.append("kind of organisation")
    unknown = given = initial = False
    for seen in piece.seen:
        unknown, initial = unknown or seen.unknown, initial or seen.initial
        given = given or (seen.given and not seen.common)
    if unknown:
        clues.append("unknown word")
    if given:
        clues.append("given name")
    if initial:
        clues.append("initial")
    text = piece.seen[0].text
    if len(piece.seen) == 1:
        if (
            any(letter.isupper() for letter in text[1:])
            and not text.isupper()
            and not text.startswith(("Mc", "Mac", "O'"))
        ):
            clues.append("two surnames" if "-" in text and piece.seen[0].surname else "inner capital")
        elif text.isupper() and 1 < len(text) < 6:
            clues.append("capitals only")
    if titled:
        clues.append("title")
    return clues + _around(piece)


def _around(piece: Piece) -> list[str]:
    clues = []
    if piece.last in BEFORE_ORGANISATION or piece.two in BEFORE_ORGANISATION:
        clues.append("place of work")
    elif piece.last in WEAK_PLACE:
        clues.append("weak preposition")
    if piece.described:
        clues.append("described")
    if piece.right in ABOUT_ORGANISATION:
        clues.append("noun of organisations")
    if piece.label in FIELD_OF_ORGANISATION:
        clues.append("field")
    if piece.alone:
        clues.append("alone on its line")
    return clues
