"""Candidates for names: runs of capitalised words, cut at titles, common words, street addresses and known places."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from unseen.deid.detect.lexicon import Lexicon, fold
from unseen.deid.detect.piece import Piece, Seen, see
from unseen.deid.detect.tokens import Words, runs
from unseen.deid.detect.vocabulary import (
    GENERATION,
    LEGAL_FORM,
    ORGANISATION_TYPE,
    PARTICLE,
    PROVINCE,
    TITLE,
    US_STATE,
    WORD_GIVEN,
)

__all__ = ["Candidate", "candidates"]

_STATES = US_STATE | PROVINCE
_FUNCTION_WORD = 300.0  # uses per million: "the", "from", "our"
_LABEL = re.compile(r"\s*[:?=][ \t]*(?:\n[ \t]*)?[\"“>*]*")
_AFTER_COMMA = re.compile(
    r"(?:\s{0,3}(,)\s{0,3}|[>?*\s]{0,6}\n[>?* ]{0,6})([^\W\d_][\w.'’\-]*(?:[ ][^\W\d_a-z][\w.'’\-]*){0,3})"
)
_BEFORE = re.compile(r"\d[A-Za-z]?[.,;)]?[\s>?*,]{1,8}$")
_AFTER = re.compile(r"[\s>?*,]{1,8}\d{3,6}\b(?![-./:]\d)")
_LEAD = re.compile(r"(?:^|[\n\0])[\s>?*\-•]{0,8}$")
_TAIL = re.compile(r"[ \t,.]{0,4}(?:[\n\0]|$)")
_DESCRIBED = re.compile(
    r",? (?:is|was|are) (?:an?|the|our|one of the) (?:[\w'’\-]+,? ){0,4}?(?:company|agency|bank|firm|startup|brand"
    r"|business|corporation|organi[sz]ation|charity|nonprofit|non-profit|manufacturer|retailer|provider|supplier|airline|hospital"
    r"|university|insurer|newspaper|publisher|start-up)\b"
)


class Candidate(NamedTuple):
    """A piece, and whether a title stands right before it."""

    piece: Piece
    titled: bool


class _Run:
    """One run of capitalised words and how to cut it."""

    def __init__(self, words: Words, first: int, stop: int, lexicon: Lexicon, known: dict[str, Seen]) -> None:
        self.words, self.first, self.lexicon = words, first, lexicon
        self.seen = [_look(words.raw[at], lexicon, known) for at in range(first, stop)]

    def pieces(self) -> Iterator[tuple[int, int, bool]]:
        """Index ranges into the run, each with whether it is titled."""
        size = len(self.seen)
        if self._shouts():
            return
        at = 0
        stop = self._organisation()
        if stop:
            while at < stop - 2 and self.seen[at].uses >= _FUNCTION_WORD:
                at += 1
            yield at, stop, False
            at = stop
        titled, begin = at == 0 and self._titled(), at
        while at < size:
            width = self._place(at) if at == begin else 0
            if width:
                yield at, at + width, titled
                at += width
                begin, titled = at, False
            elif self._cuts(at, begin):
                yield from self._flush(begin, at, titled)
                titled = self._title(at, begin)
                begin = at = at + 1
            else:
                at += 1
        yield from self._flush(begin, size, titled)

    def _titled(self) -> bool:
        """Whether a title in small letters stands before the run."""
        at = self.first - 1
        return at >= 0 and self.words.gap(at) in (" ", ". ") and fold(self.words.raw[at]) in TITLE

    def _flush(self, begin: int, stop: int, titled: bool) -> Iterator[tuple[int, int, bool]]:
        while begin < stop and self.seen[begin].text in PARTICLE:
            begin += 1
        while begin < stop and self.seen[stop - 1].text in PARTICLE:
            stop -= 1
        if begin < stop and not all(seen.initial for seen in self.seen[begin:stop]):
            yield begin, stop, titled or (stop - begin > 1 and self.seen[begin].folded in TITLE)

    def _title(self, at: int, begin: int) -> bool:
        return at == begin and self.seen[at].folded in TITLE

    def _cuts(self, at: int, begin: int) -> bool:
        """Whether the word belongs to no name: a title, a common word, a word that opens the sentence before a name."""
        seen = self.seen[at]
        folded = seen.folded
        if folded in PARTICLE and not seen.text[0].isupper():
            return False
        if at > begin and folded in GENERATION:
            return False
        last = at + 1 == len(self.seen)
        titles = at == begin and not last and folded in TITLE and folded not in WORD_GIVEN
        if titles and (seen.common or not (seen.given or seen.surname)):
            return True
        if seen.initial:
            return at == begin and (folded in "ia" and "." not in self.words.gap(self.first + at))
        if seen.common and not (seen.given or seen.surname):
            return True
        opens = at == begin and not last and seen.common and self.words.starts_sentence(self.first + at)
        return opens and not seen.given and not self.seen[at + 1].common and self.seen[at + 1].given

    def _organisation(self) -> int:
        """Where the run's organisation ends, or 0."""
        for at in range(len(self.seen) - 1, 0, -1):
            folded = self.seen[at].folded
            if folded in LEGAL_FORM or folded in ORGANISATION_TYPE:
                return at + 1
        return 0

    def _place(self, at: int) -> int:
        """How many words, from two up, are one known place."""
        parts = [seen.folded for seen in self.seen[at : at + 5]]
        for width in range(len(parts), 1, -1):
            phrase = " ".join(parts[:width])
            if phrase in self.lexicon.regions or phrase in self.lexicon.places:
                return width
        return 0

    def _shouts(self) -> bool:
        """Whether capitals say nothing here: all are capitals and some words are common."""
        if not self.seen[0].text.isupper() or not all(seen.text.isupper() for seen in self.seen):
            return False
        if len(self.seen) > 1:
            return any(seen.uses >= 30 and not (seen.given or seen.surname) for seen in self.seen)
        at = self.first
        sides = self.words.raw[max(0, at - 1) : at] + self.words.raw[at + 1 : at + 2]
        return any(len(raw) > 2 and raw.isupper() and self.lexicon.english.get(fold(raw), 0.0) >= 30 for raw in sides)


def candidates(words: Words, lexicon: Lexicon, taken: Sequence[tuple[int, int]]) -> Iterator[Candidate]:
    """Candidates in the order of the text; none overlaps another or what is taken.

    Args:
        words: the words of a batch.
        lexicon: what is known.
        taken: spans that are something else already, apart and in the order of the text.
    """
    starts = [start for start, _ in taken]
    known: dict[str, Seen] = {}
    for first, stop in runs(words):
        if stop - first == 1:
            seen = _look(words.raw[first], lexicon, known)
            if seen.common and not (seen.given or seen.surname):
                continue
        for low, high in _outside(words, first, stop, taken, starts):
            run = _Run(words, low, high, lexicon, known)
            for begin, end, titled in run.pieces():
                yield Candidate(_piece(words, low + begin, tuple(run.seen[begin:end]), lexicon), titled)


def _outside(
    words: Words, first: int, stop: int, taken: Sequence[tuple[int, int]], starts: list[int]
) -> Iterator[tuple[int, int]]:
    """The parts of a run that are not taken."""
    begin = first
    for at in range(first, stop):
        index = bisect_right(starts, words.starts[at]) - 1
        if index >= 0 and taken[index][1] > words.starts[at]:
            if begin < at:
                yield begin, at
            begin = at + 1
    if begin < stop:
        yield begin, stop


def _look(raw: str, lexicon: Lexicon, known: dict[str, Seen]) -> Seen:
    found = known.get(raw)
    if found is None:
        found = known[raw] = see(raw, lexicon)
    return found


def _piece(words: Words, at: int, seen: tuple[Seen, ...], lexicon: Lexicon) -> Piece:
    text, start, end = words.text, words.starts[at], words.end(at + len(seen) - 1)
    last = at + len(seen) - 1
    raw_end = words.starts[last] + len(words.raw[last])
    lead = _LEAD.search(text, max(0, start - 10), start)
    opens = words.starts_sentence(at)
    left = [] if opens else words.before(at)
    label = ""
    if at and _LABEL.fullmatch(gap := words.gap(at - 1)) and len(gap) < 12:
        label = fold(words.raw[at - 1]).rpartition("_")[2]
    gap = text[end : end + 3]
    return Piece(
        start=start,
        end=end,
        seen=seen,
        phrase=seen[0].folded if len(seen) == 1 else " ".join([each.folded for each in seen]),
        last=left[0] if left else "",
        two=f"{left[1]} {left[0]}" if len(left) > 1 else "",
        three=f"{left[2]} {left[1]} {left[0]}" if len(left) > 2 else "",
        right=words.after(last),
        label=label,
        opens=opens,
        owns=raw_end > end or gap[:2] in ("' ", "’ "),
        alone=lead is not None and _TAIL.match(text, raw_end) is not None,
        number_before=_BEFORE.search(text, max(0, start - 12), start) is not None,
        number_after=_AFTER.match(text, raw_end) is not None,
        speaks=lead is not None and gap[:1] == ":",
        comma_after=_comma(text, raw_end, lexicon),
        vocative=text[start - 2 : start] == ", " and gap[:1] in ("!", "?"),
        described=_DESCRIBED.match(text, raw_end) is not None,
    )


def _comma(text: str, end: int, lexicon: Lexicon) -> str:
    match = _AFTER_COMMA.match(text, end)
    if match is None:
        return ""
    next_ = match[2]
    if fold(next_.rstrip(".")) in lexicon.regions or next_.split()[0] in _STATES:
        return "place"
    return "list" if match[1] and next_[0].isupper() else ""
