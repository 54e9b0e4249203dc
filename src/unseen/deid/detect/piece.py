"""A piece of text that may be a name: its words as the lexicon knows them, and what stands around it."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from typing import NamedTuple

from unseen.deid.detect.lexicon import COMMON, Lexicon, fold
from unseen.deid.detect.tokens import bare
from unseen.deid.detect.vocabulary import CALENDAR, PARTICLE

__all__ = ["Piece", "Seen", "see"]

_RARE = 0.2  # uses per million below which an English dictionary entry says nothing
_NEVER = 300.0  # uses per million from which a word is no name, whatever a list says ("the", "my", "said")
_STILL = frozenset({"will", "may", "love", "young", "hope", "guy", "best", "day", "little", "long"})  # but these are
# Names that film subtitles also write without their capital: as words they are rare.
_NO_WORDS = frozenset({"emily", "jack", "john", "julian", "mike", "roger", "sally", "sean", "sebastian", "tom"})
_TURKEY = 30.0  # uses per million up to which a country that is also a word is first a country


class Seen(NamedTuple):
    """A word with what the lexicon says of it.

    Args:
        text: as written, without a possessive ending.
        folded: see `lexicon.fold`.
        given, surname: whether it is in that list; of a hyphenated word, whether each part is.
        uses: uses per million in lower-case English.
        common: a common word of some language, or of the calendar.
        unknown: in no list and in no dictionary: most often a name of some kind.
        initial: one capital letter.
    """

    text: str
    folded: str
    given: bool
    surname: bool
    uses: float
    common: bool
    unknown: bool
    initial: bool


class Piece(NamedTuple):
    """Consecutive words of one line with their surroundings; all folded.

    Args:
        start, end: offsets into the text.
        seen: the words.
        phrase: the words with one space between them.
        last, two, three: the word, the two and the three words before, of the same sentence, or empty.
        right: the word after, of the same sentence, or empty.
        label: the word before a colon that stands before the piece, or empty.
        opens: it opens a sentence or a line.
        owns: a possessive ending follows.
        alone: nothing else stands on its line.
        number_before, number_after: a number stands directly before or after, commas and one line end apart.
        speaks: a colon follows at once, as in a dialogue, at the start of a line.
        comma_after: what follows a comma after it: "place" for a region or a state's letters, "list" for a capital.
        described: what follows says that it is an organisation ("is a design agency").
        vocative: a comma stands before it and the sentence ends after it.
    """

    start: int
    end: int
    seen: tuple[Seen, ...]
    phrase: str
    last: str
    two: str
    three: str
    right: str
    label: str
    opens: bool
    owns: bool
    alone: bool
    number_before: bool
    number_after: bool
    speaks: bool
    comma_after: str
    described: bool
    vocative: bool


def see(raw: str, lexicon: Lexicon) -> Seen:
    """Look a word up as it is written."""
    text = bare(raw)
    folded = fold(text)
    uses = lexicon.english.get(folded, 0.0)
    listed = uses < _NEVER or folded in _STILL
    given, surname = listed and folded in lexicon.given, listed and folded in lexicon.surnames
    common = (
        uses >= COMMON
        or folded in CALENDAR
        or any(letter.isdigit() for letter in folded)
        or (folded in lexicon.elsewhere and not (given or surname))
    )
    if (folded in lexicon.regions and uses < _TURKEY) or folded in _NO_WORDS:
        common = False
    if "-" in folded and not (given or surname):
        parts = folded.split("-")
        given = all(part in lexicon.given for part in parts)
        surname = all(part in lexicon.surnames or part in lexicon.given for part in parts)
        if not (given or surname):
            common = common or any(lexicon.common(part) or part in CALENDAR for part in parts)
    elif "'" in folded:
        common = common or (lexicon.english.get(folded.split("'")[0], 0.0) >= COMMON and len(folded.split("'")[0]) > 1)
    unknown = not (given or surname or common) and uses < _RARE and folded not in PARTICLE
    return Seen(text, folded, given, surname, uses, common, unknown, len(folded) == 1)
