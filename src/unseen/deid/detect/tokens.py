"""Words with their offsets, and runs of capitalised words that stand together as a name would."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re
from collections.abc import Iterator

from unseen.deid.detect.lexicon import fold
from unseen.deid.detect.vocabulary import FIELD_OF_PERSON, PARTICLE

__all__ = ["Words", "bare", "runs"]

# Vowel signs and other marks are no \w: a decomposed é, and the vowels of Hebrew, Arabic and the scripts of India.
_MARKS = "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0dff"
_WORD = re.compile(rf"[^\W\d_][\w{_MARKS}]*(?:['’\-][^\W\d_][\w{_MARKS}]*)*")
_STOP = re.compile(r"[.!?:;=\n\0\"“”()\[\]<>|*•]")
_MAX_RUN = 12


def bare(raw: str) -> str:
    """The word without a possessive ending."""
    return raw[:-2] if len(raw) > 2 and raw[-2] in "'’" and raw[-1] in "sS" else raw


class Words:
    """The words of one batch, in order.

    Args:
        text: the batch.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        found = [(match.start(), match.group()) for match in _WORD.finditer(text)]
        self.starts = [start for start, _ in found]
        self.raw = [word for _, word in found]

    def __len__(self) -> int:
        return len(self.raw)

    def end(self, at: int) -> int:
        """Offset after the word at an index, its possessive ending left out."""
        return self.starts[at] + len(bare(self.raw[at]))

    def gap(self, at: int) -> str:
        """What stands between the word at an index and the next one; to the text's end after the last."""
        begin = self.starts[at] + len(self.raw[at])
        return self.text[begin : self.starts[at + 1]] if at + 1 < len(self.raw) else self.text[begin:]

    def before(self, at: int, count: int = 3) -> list[str]:
        """Up to `count` folded words to the left of an index, nearest first, of the same sentence."""
        found: list[str] = []
        while len(found) < count and at > 0 and not _STOP.search(gap := self.gap(at - 1)) and len(gap) < 4:
            at -= 1
            found.append(fold(self.raw[at]))
        return found

    def after(self, at: int) -> str:
        """The folded word to the right of an index, of the same sentence; empty where there is none."""
        if at + 1 >= len(self.raw) or len(gap := self.gap(at)) > 3 or _STOP.search(gap):
            return ""
        return fold(self.raw[at + 1])

    def starts_sentence(self, at: int) -> bool:
        """Whether the word at an index opens a sentence, a line or a quotation."""
        return at == 0 or _STOP.search(self.gap(at - 1)) is not None

    def embedded(self, at: int) -> bool:
        """Whether the word is a piece of an address, a path, a number or a tag."""
        text, start = self.text, self.starts[at]
        end = start + len(self.raw[at])
        before, after = text[start - 1 : start], text[end : end + 2]
        if before == "=" and at and fold(self.raw[at - 1]).rpartition("_")[2] in FIELD_OF_PERSON:
            return False
        if before in {"@", "/", "\\", "_", "#", "$", "=", "&", "{"} or before.isdigit():
            return True
        if before == "." and text[start - 2 : start - 1].islower():
            return True
        return (
            after[:1] in {"@", "/", "\\", "_", "=", "}"} or (after[:1] == "." and after[1:].islower()) or after == "':"
        )


def runs(words: Words) -> Iterator[tuple[int, int]]:
    """Index ranges of capitalised words that one space, an initial's dot or small particles join; never over a line."""
    raw, size = words.raw, len(words)
    at = 0
    while at < size:
        if not raw[at][0].isupper() or words.embedded(at):
            at += 1
            continue
        stop = at + 1
        while stop < size and stop - at < _MAX_RUN:
            if not _joins(words, stop - 1):
                break
            ahead = stop
            while ahead < size and ahead - stop < 3 and raw[ahead] in PARTICLE and words.gap(ahead) == " ":
                ahead += 1
            if ahead >= size or not raw[ahead][0].isupper() or words.embedded(ahead):
                break
            stop = ahead + 1
        yield at, stop
        at = stop


def _joins(words: Words, at: int) -> bool:
    gap, raw = words.gap(at), words.raw[at]
    if gap == " ":
        return raw[-2:] not in ("'s", "’s")
    return gap in (". ", ".") and (len(raw) == 1 or fold(raw) in _DOTTED)


_DOTTED = frozenset(
    [
        "dr",
        "mr",
        "mrs",
        "ms",
        "st",
        "sr",
        "jr",
        "prof",
        "rev",
        "col",
        "sgt",
        "lt",
        "gen",
        "hon",
        "mag",
        "ing",
        "mudr",
        "judr",
        "dipl",
    ]
)
