"""Evidence that a piece of text names a place: lists, endings, prepositions, and its spot in an address."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from unseen.deid.detect.lexicon import Lexicon
from unseen.deid.detect.piece import Piece
from unseen.deid.detect.vocabulary import (
    BEFORE_PLACE,
    FIELD_OF_PLACE,
    LEGAL_FORM,
    ORGANISATION_TYPE,
    PLACE_ENDING,
    PLACE_PREFIX,
    WEAK_PLACE,
)

__all__ = ["PLACE", "place"]

PLACE: Mapping[str, float] = MappingProxyType(
    {
        "place": -2.6,
        "country or state": 5.0,
        "city": 2.8,
        "city of several words": 2.0,
        "city, also a given name": -0.8,
        "also a word": -2.5,
        "person's name": -0.7,
        "given name": -1.2,
        "unknown word": 0.7,
        "initial": -1.5,
        "common word": -0.8,
        "place ending": 0.8,
        "place prefix": 1.2,
        "preposition": 2.8,
        "weak preposition": 1.7,
        "field": 2.2,
        "after a number": 1.9,
        "before a number": 1.2,
        "before a region": 2.2,
        "capitals only": 0.8,
        "possessive": -0.5,
        "more than three words": -1.0,
        "title": -2.0,
        "organisation": -4.0,
    }
)
"""Log-odds of each clue: set by hand, then some moved part of the way to a logistic fit on tuning texts."""


def place(piece: Piece, lexicon: Lexicon, titled: bool) -> list[str]:
    """The clues of `PLACE` that a piece shows."""
    clues = ["place"]
    parted = piece.phrase.replace("-", " ")  # as in "United-States"
    if piece.phrase in lexicon.regions or parted in lexicon.regions:
        clues.append("country or state")
    elif piece.phrase in lexicon.places or parted in lexicon.places:
        clues.append("city")
        if " " in parted:
            clues.append("city of several words")
        elif piece.seen[0].given and not piece.seen[0].common:
            clues.append("city, also a given name")
    else:
        clues += _form(piece)
    if len(piece.seen) == 1 and piece.seen[0].common and len(clues) > 1:
        clues.append("also a word")
    if len(piece.seen) > 3:
        clues.append("more than three words")
    if titled:
        clues.append("title")
    last = piece.seen[-1].folded
    if piece.described or (len(piece.seen) > 1 and (last in LEGAL_FORM or last in ORGANISATION_TYPE)):
        clues.append("organisation")
    return clues + _around(piece)


def _form(piece: Piece) -> list[str]:
    clues = []
    first, last = piece.seen[0], piece.seen[-1]
    person = common = initial = False
    unknown = capitals = True
    for seen in piece.seen:
        person = person or seen.given or seen.surname
        common, initial = common or seen.common, initial or seen.initial
        unknown, capitals = unknown and seen.unknown, capitals and seen.text.isupper()
    if len(piece.seen) > 1 and first.folded in PLACE_PREFIX:
        clues.append("place prefix")
    if first.given and not first.common:
        clues.append("given name")
    elif person:
        clues.append("person's name")
    if unknown:
        clues.append("unknown word")
    if common:
        clues.append("common word")
    if initial:
        clues.append("initial")
    if last.folded.endswith(PLACE_ENDING) and len(last.folded) > 4:
        clues.append("place ending")
    if capitals and len(first.text) > 3:
        clues.append("capitals only")
    return clues


def _around(piece: Piece) -> list[str]:
    clues = []
    if piece.last in BEFORE_PLACE or piece.two in BEFORE_PLACE or piece.three in BEFORE_PLACE:
        clues.append("preposition")
    elif piece.last in WEAK_PLACE:
        clues.append("weak preposition")
    if piece.label in FIELD_OF_PLACE:
        clues.append("field")
    if piece.number_before:
        clues.append("after a number")
    if piece.number_after:
        clues.append("before a number")
    if piece.comma_after == "place":
        clues.append("before a region")
    if piece.owns:
        clues.append("possessive")
    return clues
