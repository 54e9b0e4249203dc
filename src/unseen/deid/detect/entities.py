"""Persons, places, organisations and street addresses without a model: candidates, clues, and one decision for each."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from unseen.deid.detect.addresses import Address, addresses
from unseen.deid.detect.candidates import candidates
from unseen.deid.detect.finding import Entity, Finding
from unseen.deid.detect.firms import firms
from unseen.deid.detect.joined import joined
from unseen.deid.detect.lexicon import Lexicon
from unseen.deid.detect.lowercase import lowercase
from unseen.deid.detect.names import PERSON, person
from unseen.deid.detect.organisations import ORGANISATION, organisation
from unseen.deid.detect.piece import Piece
from unseen.deid.detect.places import PLACE, place
from unseen.deid.detect.recogniser import BREAK, Recogniser
from unseen.deid.detect.tails import code_after, continued
from unseen.deid.detect.tokens import Words

__all__ = ["Named"]

_KINDS: tuple[tuple[Entity, Mapping[str, float]], ...] = (
    (Entity.PERSON, PERSON),
    (Entity.LOCATION, PLACE),
    (Entity.ORGANISATION, ORGANISATION),
)
_LISTED = re.compile(r"(?:,[ ]?(?:and |or |& )?| and | & | or )")
_BESIDE_A_PERSON = 2.0
_KNOWN = 0.8  # probability from which a person's words count as that person's elsewhere in the same text
_AGAIN = 0.85
_CONTINUED = 0.95  # what a code or country after its town makes of a street
_CODE = 0.85  # of a code after a place that is at least so sure
_TOLD = 4  # how many clues a finding names


class _Judged(NamedTuple):
    piece: Piece
    clues: tuple[list[str], ...]
    odds: tuple[float, ...]


class Named(Recogniser):
    """Persons, places, organisations and street addresses by lexicon, form and context.

    Args:
        lexicon: what names and places are known; None for the installed packages' (read at the first text).
        least: the least probability that is told, from 0 to 1.

    Each candidate (capitalised words that stand together) gets a log-odds for every kind: the sum of the weights of
    its clues, which `names.PERSON`, `places.PLACE` and `organisations.ORGANISATION` list. The softmax of these and of
    "none" (0) is the score. A person's surname that comes again in the same text is found there too.

    **Guarantee**: none. Names that are in no list and stand in no telling context are missed; text in scripts without
    spaces (Chinese, Japanese, Thai) is not read; the context words are English, with titles of other languages.
    """

    def __init__(self, lexicon: Lexicon | None = None, least: float = 0.5) -> None:
        self._lexicon, self._least = lexicon, least

    def find(self, text: str) -> Iterator[Finding]:
        """See `Recogniser.find`."""
        lexicon = self._lexicon or Lexicon.load()
        words = Words(text)
        streets = [_whole(text, street, lexicon) for street in addresses(words)]
        for street in streets:
            yield Finding(Entity.STREET_ADDRESS, street.start, street.end, street.score, street.evidence)
        companies = list(firms(text))
        for firm in companies:
            yield Finding(Entity.ORGANISATION, firm.start, firm.end, firm.score, firm.evidence)
        taken = _apart([*(each[:2] for each in streets), *(each[:2] for each in companies)])
        judged: list[_Judged] = []
        end = -1
        for piece, titled in candidates(words, lexicon, taken):
            if piece.start > end:
                yield from self._decide(text, judged)
                judged = []
                end = text.find(BREAK, piece.start)
                end = len(text) if end < 0 else end
            judged.append(_judge(piece, titled, lexicon))
        yield from self._decide(text, judged)
        yield from lowercase(words, lexicon)
        yield from joined(text, lexicon)

    def _decide(self, text: str, judged: list[_Judged]) -> Iterator[Finding]:
        """The findings among the candidates of one text of the batch."""
        chances = _listed(text, judged)
        people: set[str] = set()
        for each, chance in zip(judged, chances, strict=True):
            if chance[0] >= _KNOWN:
                people.update(seen.folded for seen in each.piece.seen if len(seen.folded) > 2)
        for each, chance in zip(judged, chances, strict=True):
            best = max(range(len(_KINDS)), key=chance.__getitem__)
            entity, score = _KINDS[best][0], chance[best]
            evidence = ""
            if score < _AGAIN and each.piece.phrase in people:
                entity, score, evidence = Entity.PERSON, _AGAIN, "a person of the same text"
            if score >= self._least:
                evidence = evidence or _evidence(each.clues[best], _KINDS[best][1])
                yield Finding(entity, each.piece.start, each.piece.end, round(score, 4), evidence)
                code = code_after(text, each.piece.end) if entity is Entity.LOCATION and score >= _CODE else None
                if code:
                    yield Finding(Entity.POSTAL_CODE, *code, _CODE, "after a place")


def _whole(text: str, street: Address, lexicon: Lexicon) -> Address:
    """The address with its town, code and country, where they follow."""
    end = continued(text, street.start, street.end, lexicon)
    if end == street.end:
        return street
    return Address(street.start, end, max(street.score, _CONTINUED), street.evidence + " + town")


def _apart(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans in order, overlapping ones joined."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start < joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def _judge(piece: Piece, titled: bool, lexicon: Lexicon) -> _Judged:
    clues = (person(piece, titled), place(piece, lexicon, titled), organisation(piece, titled))
    odds = tuple(sum(map(weights.__getitem__, told)) for told, (_, weights) in zip(clues, _KINDS, strict=True))
    return _Judged(piece, clues, odds)


def _listed(text: str, judged: list[_Judged]) -> list[tuple[float, ...]]:
    """Probabilities by kind; a candidate beside a likely person in a list ("A, B and C") gains."""
    alone = [_softmax(each.odds) for each in judged]
    chances = []
    for at, each in enumerate(judged):
        gain = 0.0
        for other in (at - 1, at + 1):
            if 0 <= other < len(judged) and alone[other][0] * _BESIDE_A_PERSON > gain:
                first, second = judged[min(at, other)].piece, judged[max(at, other)].piece
                if second.start - first.end < 7 and _LISTED.fullmatch(text, first.end, second.start):
                    gain = _BESIDE_A_PERSON * alone[other][0]
        chances.append(_softmax((each.odds[0] + gain, *each.odds[1:])) if gain else alone[at])
    return chances


def _softmax(odds: tuple[float, ...]) -> tuple[float, ...]:
    powers = [math.exp(odd) for odd in odds]
    total = 1.0 + sum(powers)
    return tuple(power / total for power in powers)


def _evidence(clues: list[str], weights: Mapping[str, float]) -> str:
    strong = sorted({clue for clue in clues if weights[clue] > 0}, key=lambda clue: -weights[clue])
    return ", ".join(strong[:_TOLD])
