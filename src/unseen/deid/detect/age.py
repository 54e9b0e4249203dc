"""Ages, and apart from them the ages over 89 that Safe Harbor does not let pass."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re
from collections.abc import Iterator

from unseen.deid.detect.finding import Entity, Finding
from unseen.deid.detect.labels import Label, label_before, last_words
from unseen.deid.detect.recogniser import BREAK, Recogniser

__all__ = ["Age"]

_NUMBER = re.compile(r"[0-9](?<![\w.,/#$€£+-].)[0-9]{0,2}(?![0-9%°_]|[.,:/][0-9])", re.S)
_OLD = re.compile(
    r"[ -]?(?:years?|yrs?\.?)[ -](?:old|of age)\b|[ -]?(?:y/o|y\.o\.|yo\b)|(?:yrs?|y)\b"
    r"|(?:st|nd|rd|th) birthday\b| (?:Jahre alt|ans\b|años\b|anni\b|anos\b|jaar oud|år gamm?el|år gammal)"
    r"|[ -]?jährig|[ -](?:jaar|year)[ -]?(?:old|oude?)\b"
)
_NEXT = frozenset(" -yjsnrt")
_ONWARD = frozenset("yYjJaå/htd")
_LABEL_WORDS = "aged turned turning turns age ages alter âge edad età"
_BE_WORDS = "am is was are were be being i'm he's she's i’m he’s she’s they're who's"
_PEOPLE_WORDS = """i he she they you m s re who mother father mom mum dad son daughter brother sister wife husband uncle
aunt nephew niece cousin grandmother grandfather grandma grandpa friend patient client boy girl man woman child baby
partner twin twins"""
_NO_PERSON = "it this that there here what which the answer total price score number"
_LABELS = frozenset(_LABEL_WORDS.split())
_BE = frozenset(_BE_WORDS.split())
_PEOPLE = frozenset(_PEOPLE_WORDS.split())
_THINGS = frozenset(_NO_PERSON.split())
_CUES = _LABELS | _BE | {"of", "at"}
_CUE_ENDS = frozenset(cue[-1] for cue in _CUES) | {cue[-1].upper() for cue in _CUES} | {":", "=", " ", "(", "\n"}
_SENTENCE_END = re.compile(r"\s*(?:[.,;!?)\0\n]|$|and |but |when |now\b|last |this |on |in )")
_CLEAN = str.maketrans(":(=", "   ")
_NAME_BEFORE = re.compile(r" ,[^\W\d_]{1,20}[^\W\d_](?<=[^\W\d_a-z])(?![^\W\d_])")


class Age(Recogniser):
    """Ages in years, from 0 to 125; one over 89 is an `AGE_OVER_89`.

    Source: 45 CFR 164.514(b)(2)(i)(C).
    """

    def find(self, text: str) -> Iterator[Finding]:
        """The ages in the batch."""
        for found in _NUMBER.finditer(text):
            years = int(found.group())
            if years <= 125:
                score, evidence = _judged(text, found.start(), found.end())
                if score:
                    entity = Entity.AGE_OVER_89 if years > 89 else Entity.AGE
                    yield Finding(entity, *found.span(), score, evidence)


def _judged(text: str, start: int, end: int) -> tuple[float, str]:
    if text[end : end + 1] in _NEXT and text[end + 1 : end + 2] in _ONWARD and _OLD.match(text, end):
        return 0.96, "words after"
    if text[end : end + 1].isalpha():
        return 0.0, ""
    near = text[max(0, start - 24) : start].rpartition(BREAK)[2]
    if near.endswith(", ") and text[end : end + 2] == ", " and _NAME_BEFORE.match(near[::-1]):
        return 0.7, "between commas after a name"
    if text[start - 2 : start - 1] not in _CUE_ENDS and text[start - 1 : start] not in ":=(":
        return 0.0, ""
    cues = near.translate(_CLEAN).split()[-2:]
    cue = cues[-1].lower() if cues else ""
    if cue not in _CUES:
        return 0.0, ""
    words = last_words(text, start, 3)
    if cue in _LABELS or words[-2:] == ["age", "of"] or label_before(text, start, reach=2) is Label.AGE:
        return 0.93, "label"
    if cue in _BE and _SENTENCE_END.match(text, end):
        if _PEOPLE.intersection(words[-2:]):
            return 0.75, "person and verb"
        subject = cues[0]
        if len(cues) == 2 and subject[0].isupper() and subject.isalpha() and subject.lower() not in _THINGS:
            return 0.55, "name and verb"
    return 0.0, ""
