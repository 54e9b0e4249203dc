"""The words that names and places are told by: given names, surnames, places and common words, read from packages."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import gzip
import json
import pkgutil
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources
from types import MappingProxyType

from unseen.core.errors import extra
from unseen.deid.detect.vocabulary import LOWER_INTRODUCTION, LOWER_PREPOSITION, LOWER_TITLE

__all__ = ["COMMON", "Lexicon", "fold"]

COMMON = 4.0
"""Uses per million words of lower-case English from which a word counts as common; names leak in below that."""

# Letters that Unicode does not decompose but that people leave out or write in plain letters.
_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ß": "ss", "æ": "ae", "œ": "oe", "ı": "i"})
_GIVEN = re.compile(r"(?:first|middle)_(?:romanized_)?names")
_SURNAME = re.compile(r"(?:\w+_)?last_(?:romanized_)?names")
_PLACES = re.compile(
    r"cit(?:y_name|ie)s|real_city_names|towns|villages|localities|municipalities|communes|concelhos|freguesias"
    r"|provinces|districts|regions|counties|departments|cantons|prefectures|settlements|places|area_names"
)
_REGIONS = re.compile(r"countries|states|territories")
_TOWN = re.compile(r"""'(?:en|de|fr|es|pt|it)': ?u?\(?['"]([^'"\n]+)['"]""")
# Dictionaries whose lower-case words are also no names where they are frequent.
_OTHERS = ("fr", "es", "it", "de")
_PER_MILLION_ELSEWHERE = 4.0


def fold(word: str) -> str:
    """The word in lower case, without accents; one form for all spellings of a name."""
    word = word.lower()
    if word.isascii():
        return word
    word = unicodedata.normalize("NFKD", word.translate(_PLAIN))
    return "".join(letter for letter in word if not unicodedata.combining(letter)).replace("’", "'")


@dataclass(frozen=True, eq=False, repr=False)
class Lexicon:
    """Sets of folded words; a lookup is all the evidence that they give.

    Args:
        given: given names.
        surnames: surnames.
        places: cities, towns and districts; several words with one space between them.
        regions: countries, states and provinces.
        english: uses per million words of English text written in lower case; a name that is also a common word
            ("Will", "Rose") shows by a figure of `COMMON` or more.
        elsewhere: frequent words of French, Spanish, Italian and German.

    **Guarantee**: none. A name that is in no list is found by its context and form only, or not at all.
    """

    given: frozenset[str]
    surnames: frozenset[str]
    places: frozenset[str]
    regions: frozenset[str]
    english: Mapping[str, float]
    elsewhere: frozenset[str]

    @classmethod
    def load(cls, without: frozenset[str] = frozenset()) -> Lexicon:
        """The lexicon of the installed packages; read once a process and then kept.

        Args:
            without: locales of Faker to leave out, such as ``frozenset({"fi_FI"})``.

        Raises:
            MissingExtra: the packages of the extra `[deid]` are not installed.

        Source: names and places: Faker's providers of all locales (MIT); towns also: the telephone prefixes of
        phonenumbers (Apache-2.0). Word counts: pyspellchecker's dictionaries
        (MIT), counted over film subtitles in their own spelling, so that a name's capital keeps most of its uses out.
        """
        return _load(without)

    @cached_property
    def rare_given(self) -> frozenset[str]:
        """Given names that say so even in lower case: hardly an English word, no frequent word elsewhere, no place."""
        known = self.places | self.regions | self.elsewhere
        return frozenset(
            name for name in self.given if len(name) > 2 and name not in known and self.english.get(name, 0.0) < 1.5
        )

    @cached_property
    def paired_given(self) -> frozenset[str]:
        """Given names that need a second name beside them in lower case: the rare ones, places and rarer words too."""
        return frozenset(
            name
            for name in self.given
            if len(name) > 2 and self.english.get(name, 0.0) < 30 and name not in self.elsewhere
        )

    @cached_property
    def telling(self) -> frozenset[str]:
        """Lower-case words at which `lowercase` looks closer."""
        return self.paired_given | LOWER_INTRODUCTION | LOWER_PREPOSITION | LOWER_TITLE

    def common(self, word: str) -> bool:
        """Whether a folded word is a common one, in English or in another language of the dictionaries."""
        return self.english.get(word, 0.0) >= COMMON or word in self.elsewhere


@lru_cache(maxsize=4)
def _load(without: frozenset[str]) -> Lexicon:
    given, surnames = _collect("person", without, _GIVEN), _collect("person", without, _SURNAME)
    places, regions = _collect("address", without, _PLACES), _collect("address", without, _REGIONS)
    places |= _dialled()
    english = _frequencies("en")
    elsewhere = frozenset(
        word for name in _OTHERS for word, uses in _frequencies(name).items() if uses >= _PER_MILLION_ELSEWHERE
    )
    return Lexicon(
        frozenset(word for name in given for word in fold(name).split() if len(word) > 1),
        frozenset(word for name in surnames for word in fold(name).split() if len(word) > 1),
        frozenset(place for place in map(_plain, places) if len(place) > 2),
        frozenset(region for region in map(_plain, regions) if len(region) > 2),
        MappingProxyType(english),
        elsewhere,
    )


def _plain(place: str) -> str:
    return " ".join(fold(re.sub(r"\s*(?:[(,/]| - ).*", "", place)).split())


def _collect(kind: str, without: frozenset[str], wanted: re.Pattern[str]) -> set[str]:
    package = extra(f"faker.providers.{kind}", "deid")
    found: set[str] = set()
    for module in pkgutil.iter_modules(package.__path__):
        if module.name in without:
            continue
        provider = extra(f"{package.__name__}.{module.name}", "deid").Provider
        for parent in provider.__mro__:
            if parent.__module__.rpartition(".")[2] not in without:
                own = [name for name in vars(parent) if wanted.match(name)]
                found.update(word for name in own for word in _strings(vars(parent)[name]))
    return found


def _dialled() -> set[str]:
    """Towns that have a telephone prefix; read as text, because importing the tables would keep 100 MB."""
    found: set[str] = set()
    for file in resources.files(extra("phonenumbers", "deid")).joinpath("geodata").iterdir():
        if file.name.startswith("data") and file.name.endswith(".py"):
            found.update(match[1] for match in _TOWN.finditer(file.read_text(encoding="utf-8")))
    return {town for town in found if "\\" not in town}


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (key for key in value if isinstance(key, str))
    elif isinstance(value, Iterable):
        for each in value:
            yield from _strings(each)


def _frequencies(language: str) -> dict[str, float]:
    file = resources.files(extra("spellchecker", "deid")).joinpath("resources", f"{language}.json.gz")
    counts: dict[str, int] = json.loads(gzip.decompress(file.read_bytes()))
    scale = 1e6 / sum(counts.values())
    return {fold(word): uses * scale for word, uses in counts.items()}
