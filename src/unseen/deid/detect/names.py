"""Evidence that a piece of text names a person: lists, the form of the words, and what stands before and after."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from unseen.deid.detect.piece import Piece
from unseen.deid.detect.vocabulary import (
    AFTER_PERSON,
    BEFORE_PERSON,
    FIELD_OF_PERSON,
    GENERATION,
    GREETING,
    INTRODUCTION,
    KIN,
    LEGAL_FORM,
    ORGANISATION_TYPE,
    PARTICLE,
    SPEECH,
    SURNAME_ENDING,
    WORD_GIVEN,
    WORK,
)

__all__ = ["PERSON", "person"]

PERSON: Mapping[str, float] = MappingProxyType(
    {
        "person": -2.4,
        "given name": 2.9,
        "given name, also a word": 0.3,
        "surname": 1.8,
        "surname, also a word": 0.3,
        "unknown word": 1.0,
        "dictionary word": -0.9,
        "common word": -1.6,
        "initial": 0.9,
        "particle": 0.2,
        "surname ending": 0.7,
        "two or three words": 0.9,
        "four words": 0.2,
        "more words": -1.5,
        "given name first": 0.8,
        "given name and surname, also words": 2.9,
        "capitals only": -1.0,
        "title": 4.5,
        "introduced": 2.6,
        "greeting": 2.8,
        "kin or trade": 2.2,
        "before a person": 0.8,
        "speech": 1.8,
        "work": 1.8,
        "organisation": -5.0,
        "verb of a person": 0.8,
        "possessive": 0.9,
        "field": 2.2,
        "alone on its line": 0.7,
        "speaks": 2.0,
        "list": 0.5,
        "vocative": 0.8,
        "opens, one word": -0.3,
        "opens, also a word": -1.2,
        "article": -1.6,
        "preposition of place": -1.2,
        "number beside": -1.0,
    }
)
"""Log-odds of each clue: set by hand, then some moved part of the way to a logistic fit on tuning texts."""


def person(piece: Piece, titled: bool) -> list[str]:
    """The clues of `PERSON` that a piece shows."""
    clues = ["person"]
    names = 0
    for at, seen in enumerate(piece.seen):
        if seen.initial:
            clues.append("initial")
        elif seen.folded in PARTICLE and not seen.text[0].isupper():
            clues.append("particle")
            continue
        elif seen.given:
            clues.append("given name, also a word" if seen.common else "given name")
            if at == 0 and len(piece.seen) > 1 and not seen.common:
                clues.append("given name first")
        elif seen.surname:
            clues.append("surname, also a word" if seen.common else "surname")
        elif seen.common:
            clues.append("common word")
        elif seen.unknown:
            clues.append("unknown word")
            if seen.folded.endswith(SURNAME_ENDING):
                clues.append("surname ending")
        else:
            clues.append("dictionary word")
        names += 1
    if _in_full(piece):
        clues.append("given name and surname, also words")
    if titled:
        clues.append("title")
    if _is_organisation(piece):
        clues.append("organisation")
    clues += _form(piece, names)
    clues += _around(piece)
    return clues


def _in_full(piece: Piece) -> bool:
    """Whether an ordinary given name that is also a word, and at the end a surname, make up the piece."""
    ends = [seen for seen in piece.seen if seen.folded not in GENERATION]
    return len(ends) in (2, 3) and ends[0].common and ends[0].folded in WORD_GIVEN and ends[-1].surname


def _is_organisation(piece: Piece) -> bool:
    last = piece.seen[-1].folded
    return piece.described or (len(piece.seen) > 1 and (last in LEGAL_FORM or last in ORGANISATION_TYPE))


def _form(piece: Piece, names: int) -> list[str]:
    clues = []
    if 2 <= names <= 3:
        clues.append("two or three words")
    elif names == 4:
        clues.append("four words")
    elif names > 4:
        clues.append("more words")
    first = piece.seen[0]
    listed = names == 1 and len(first.text) > 3 and (first.given or first.surname) and not first.common
    if first.text.isupper() and len(first.text) > 1 and piece.seen[-1].text.isupper() and not listed:
        clues.append("capitals only")
    if piece.opens and names == 1 and not (piece.alone or piece.speaks or piece.label):
        clues.append("opens, also a word" if first.common else "opens, one word")
    return clues


def _around(piece: Piece) -> list[str]:
    clues = []
    last = piece.last
    if last in SPEECH:
        clues.append("speech")
    elif last in GREETING:
        clues.append("greeting")
    elif last in INTRODUCTION or piece.two in INTRODUCTION:
        clues.append("introduced")
    elif last in KIN:
        clues.append("kin or trade")
    elif last in BEFORE_PERSON:
        clues.append("before a person")
    elif last in ("the", "a", "an"):
        clues.append("article")
    if last in ("in", "at", "near", "to", "from"):
        clues.append("preposition of place")
    if piece.right in SPEECH:
        clues.append("speech")
    elif piece.right in WORK:
        clues.append("work")
    elif piece.right in AFTER_PERSON:
        clues.append("verb of a person")
    if piece.owns:
        clues.append("possessive")
    if piece.label in FIELD_OF_PERSON:
        clues.append("field")
    if piece.alone:
        clues.append("alone on its line")
    if piece.speaks:
        clues.append("speaks")
    if piece.vocative:
        clues.append("vocative")
    if piece.comma_after == "list":
        clues.append("list")
    if piece.number_before or piece.number_after:
        clues.append("number beside")
    return clues
