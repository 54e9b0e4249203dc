"""Names and places in text without capitals: only what the lexicon or a clear introduction vouches for."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Iterator

from unseen.deid.detect.finding import Entity, Finding
from unseen.deid.detect.lexicon import Lexicon, fold
from unseen.deid.detect.tokens import Words, bare
from unseen.deid.detect.vocabulary import (
    CALENDAR,
    GREETING,
    INTRODUCTION,
    LOWER_INTRODUCTION,
    LOWER_PREPOSITION,
    LOWER_TITLE,
    PARTICLE,
    TITLE,
)

__all__ = ["lowercase"]

_ENGLISH = 20.0  # uses per million of a neighbour that shows the text to be English
_WORD = 1.0  # uses per million from which a lower-case word is taken for a word


def lowercase(words: Words, lexicon: Lexicon) -> Iterator[Finding]:
    """Persons and places among the words that start with no capital, or whose script has none.

    Args:
        words: the words of a batch.
        lexicon: what is known.
    """
    given, raw, telling = lexicon.paired_given, words.raw, lexicon.telling
    done = -1
    for at, word in enumerate(raw):
        if word in telling:
            key = word
        elif word.isascii() and "'" not in word:
            continue
        else:
            key = fold(bare(word))
        if at <= done or word[0].isupper():
            continue
        if key in given:
            found = _person(words, at, key, lexicon)
        elif key in LOWER_PREPOSITION and at + 1 < len(raw) and not raw[at + 1][0].isupper():
            found = _place(words, at + 1, lexicon)
        elif (key in LOWER_INTRODUCTION or key in LOWER_TITLE) and at + 1 < len(raw) and not raw[at + 1][0].isupper():
            found = _introduced(words, at, key, lexicon)
        else:
            continue
        if found is not None:
            last, finding = found
            done = last
            yield finding


def _person(words: Words, at: int, key: str, lexicon: Lexicon) -> tuple[int, Finding] | None:
    if words.embedded(at) or len(words.raw[at]) < 3:
        return None
    last = at
    rare = key in lexicon.rare_given
    initial = at + 2 < len(words) and len(words.raw[at + 1]) == 1 and words.gap(at + 1) in (" ", ". ")
    if initial and words.gap(at) == " " and _name(words.raw[at + 2], lexicon):
        last = at + 2
    while last + 1 < len(words) and last - at < 3 and words.gap(last) == " " and _name(words.raw[last + 1], lexicon):
        last += 1
    if not rare and (last == at or not _listed(words.raw[last], lexicon)):
        return None
    left = words.before(at, 2)
    introduced = bool(left) and (left[0] in INTRODUCTION or left[0] in TITLE or left[0] in GREETING)
    if last > at:
        score, evidence = (0.8 if rare else 0.65), "given name + name, no capitals"
    elif introduced or " ".join(reversed(left)) in INTRODUCTION:
        score, evidence = 0.85, "given name + introduction, no capitals"
    elif len(words.raw[at]) > 3 and _english(words, at, left, lexicon):
        score, evidence = 0.6, "given name, no capitals"
    else:
        return None
    return last, _finding(words, at, last, Entity.PERSON, score, evidence)


def _listed(raw: str, lexicon: Lexicon) -> bool:
    folded = fold(raw)
    return folded in lexicon.surnames or folded in lexicon.given


def _name(raw: str, lexicon: Lexicon) -> bool:
    """Whether a lower-case word can go on a name: in a list and hardly a word, or in no list of words at all."""
    folded = fold(raw)
    uses = lexicon.english.get(folded, 0.0)
    if len(folded) < 3 or raw[0].isupper() or folded in lexicon.elsewhere or uses >= _WORD or folded in CALENDAR:
        return False
    return (
        folded in lexicon.surnames or folded in lexicon.given or (uses == 0.0 and folded.isalpha() and raw[0].islower())
    )


def _english(words: Words, at: int, left: list[str], lexicon: Lexicon) -> bool:
    around = [*left[:1], words.after(at)]
    return any(lexicon.english.get(word, 0.0) >= _ENGLISH for word in around if word)


def _introduced(words: Words, at: int, key: str, lexicon: Lexicon) -> tuple[int, Finding] | None:
    gap = words.gap(at)
    if gap != " " and not (key in LOWER_TITLE and gap == ". "):
        return None
    before = words.before(at, 1)
    if key in ("is", "me", "this") and f"{before[0] if before else ''} {key}" not in ("name is", "call me", "calls me"):
        return None
    last = at
    while last + 1 < len(words) and last - at < 3 and (last == at or words.gap(last) == " "):
        if not _name(words.raw[last + 1], lexicon):
            break
        last += 1
    if last == at or words.embedded(at + 1):
        return None
    return last, _finding(words, at + 1, last, Entity.PERSON, 0.75, "introduction, no capitals")


def _place(words: Words, at: int, lexicon: Lexicon) -> tuple[int, Finding] | None:
    if words.gap(at - 1) != " " or words.embedded(at):
        return None
    parts: list[str] = []
    best = -1
    for last in range(at, min(at + 4, len(words))):
        if last > at and words.gap(last - 1) != " ":
            break
        parts.append(fold(words.raw[last]))
        phrase = " ".join(parts)
        listed = phrase in lexicon.regions or phrase in lexicon.places
        if listed and len(phrase) > 3 and phrase not in PARTICLE and lexicon.english.get(phrase, 0.0) < _WORD:
            best = last
    return (
        None
        if best < 0
        else (best, _finding(words, at, best, Entity.LOCATION, 0.75, "place + preposition, no capitals"))
    )


def _finding(words: Words, first: int, last: int, entity: Entity, score: float, evidence: str) -> Finding:
    return Finding(entity, words.starts[first], words.end(last), score, evidence)
