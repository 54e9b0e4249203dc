"""Street addresses: a street's name with its kind and number in the orders that countries write it, units and boxes."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from unseen.deid.detect.lexicon import fold
from unseen.deid.detect.tokens import Words
from unseen.deid.detect.vocabulary import CALENDAR, PARTICLE

__all__ = ["Address", "addresses"]


class Address(NamedTuple):
    """An address or a piece of one: offsets, score and evidence."""

    start: int
    end: int
    score: float
    evidence: str


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# Kinds that stand after the name, folded. The first alone make a street; the second need a number, or are also words.
_SURE_AFTER = _set(
    """street road avenue boulevard lane crescent highway parkway strasse gasse gatan vagen veien straat utca utja
    ulitsa caddesi bulvari sokak"""
)
_AFTER = _SURE_AFTER | _set(
    """str st rd ave av ln drive dr blvd court ct place pl square sq terrace ter way close cres circle cir hwy pkwy
    alley plaza row mews gardens grove hill park walk trail trl loop pike path quay wharf esplanade ul u ut ter tere
    koz sk cd marg gata vei gate vej gade katu tie laan weg platz allee ring ufer damm plein isle harbor common
    crossing meadow ridge union gateway coves junction turnpike expressway mall station islands springs summit valley"""
)
_SURE_BEFORE = _set(
    "rue via viale piazza calle avenida avda rua travessa strada ulica ulice boulevard praca corso jalan"
)
_BEFORE = _SURE_BEFORE | _set(
    """avenue av bd place impasse chemin allee route quai cours piazzale vicolo largo paseo plaza camino carrera
    carretera ronda alameda estrada rodovia ulitsa ul namesti nam trida aleja al pl plac os str bulevardul calea улица
    ул проспект οδος λεωφορος λ jl kampung lorong nabrezi sidliste cesta trg"""
)
_FUSED = (
    *("strasse", "str", "gasse", "weg", "platz", "allee", "gatan", "vagen", "grand", "gata", "gate", "gaten", "veien"),
    *("vegen", "vej", "gade", "vegur", "stigur", "straeti", "braut", "gotu", "vaenget", "tie", "katu", "kuja", "polku"),
    *("straat", "laan", "plein", "gracht", "kade", "steeg", "dreef", "utca", "kroken", "bakken", "stien", "parken"),
    "toften",
)
_ANY = _AFTER | _BEFORE | _set("út útja tér utca")
_NUMBER_LEFT = re.compile(r"(?<![\w.,/-])(?:\d{1,6}[A-Za-z]?,?[ ]){1,2}$")
_NUMBER_RIGHT = re.compile(
    r"\.?,?[ ](?:[Nn][or]?\.?[ ]?)?\d{1,5}(?:[-/ ]?[A-Da-d])?\b(?![.,]?\d|[ ](?:years|percent|%))\.?"
)
_CAPITAL = r"[^\W\d_a-zß-öø-ÿ][\w'’\-]{0,30}\.?"
_NUMBERED = re.compile(
    rf"(?<![\w.,/:-])\d{{1,6}}[A-Za-z]?,?[ ](?:\d{{1,4}}[ ])?(?P<name>{_CAPITAL}"
    rf"(?:[ ](?:(?:de|del|della|di|da|do|dos|das|du|la|le|van|der|den|of|the)[ ]){{0,2}}{_CAPITAL}){{0,4}}"
    r"(?:[ ](?:u|út|útja|utca|tér|str)\b\.?)?)[ ]\d{1,4}\b(?![.:/,-]?\d)"
)
_PIECES = re.compile(
    r"\b(?:(?P<unit>(?:[Aa]p(?:t|artment|pt)|APT|[Ss](?:ui)?te|SUITE|[Uu]nit|[Ff]l(?:at|oor)|[Rr]oom|[Bb]ldg)\b"
    r"\.?[ ]{1,2}#?\d{1,5}[A-Za-z]?\b(?!,?[ ][Bb]ox))"
    r"|(?P<box>(?:(?<![\w.,/-])\d{1,6}[ ])?(?:[Pp]\.?[ ]?[Oo]\.?[ ]?[Bb]ox|[Pp]ost(?:fach|bus)|[Aa]partado"
    r"|(?:PSC|psc|Unit|unit)[ ]\d{1,5},?[ ][Bb]ox"
    r"|[Cc]asella [Pp]ostale|[Bb]oîte [Pp]ostale|BP)[ ]{1,2}\d{1,7}\b)"
    r"|(?P<military>(?:(?:US(?:S|CGC|NS|NV)|us(?:s|cgc|ns|nv))[ ][\w ]{2,30}?\s)?(?:[AFD]PO|[afd]po)[ ,]{1,2}"
    r"(?:A[AEP]|a[aep])[ ]\d{5}\b))"
)
_SCORES = {"unit": 0.7, "box": 0.95, "military": 0.95}
_CUED = re.compile(
    r"\b(?:[Cc]orner of|[Aa]ddress(?: is)?:?|(?:[Ll]ive|[Rr]eside)[sd]? (?:at|on)|[Ll]ocated (?:at|on)|[Oo]ffice is at)"
    rf"\s(?P<at>(?:\d{{1,6}}[ ])?{_CAPITAL}(?:[ ]{_CAPITAL}){{0,3}}[ ]\d{{1,5}}\b)(?![.:/,-]?\d)"
)
_CORNER = re.compile(
    rf"\b[Cc]orner of[ ](?P<at>(?:\d{{1,6}}[ ])?{_CAPITAL}(?:[ ]{_CAPITAL}){{0,3}}(?:[ ]\d{{1,5}}\b\.?)?[ ]and[ ]"
    rf"(?:\d{{1,6}}[ ])?{_CAPITAL}(?:[ ]{_CAPITAL}){{0,3}}(?:[ ]\d{{1,5}}\b)?)"
)
_LOWER = re.compile(r"(?:(?<![\w.,/-])\d{1,6}[ ])?(?P<street>\b[^\W\d_A-Z]{6,})[ ]\d{1,5}\b(?![.:/,-]?\d)")
_TRAILING = re.compile(rf"(?<!\w){_CAPITAL}(?:[ ]{_CAPITAL}){{0,3}}[ ]\d{{1,5}}[ ](?:St\b\.?|[Ss]treet\b)")
_BETWEEN = re.compile(r"[ ,.;>?*\t]{0,6}\n?[ ,>?*\t]{0,6}")
# A second street's name, or a quarter, between a street and its unit.
_NAMED_BETWEEN = re.compile(rf",?[ ]{_CAPITAL}(?:[ ]{_CAPITAL}){{0,2}}[ ,]{{0,3}}\n?[ ,>*\t]{{0,6}}")


def addresses(words: Words) -> Iterator[Address]:
    """Addresses in the order of the text; none overlaps another.

    Args:
        words: the words of a batch.
    """
    text = words.text
    found = [
        Address(m.start(), m.end(), 0.75, "number, name, number")
        for m in _NUMBERED.finditer(text)
        if not any(fold(part).strip(".") in CALENDAR for part in m["name"].split())
    ]
    for m in _PIECES.finditer(text):
        kind = m.lastgroup or "unit"
        found.append(Address(m.start(), m.end(), _SCORES[kind], kind))
    found += [Address(m.start("at"), m.end("at"), 0.85, "context words + number") for m in _CUED.finditer(text)]
    found += [Address(m.start("at"), m.end("at"), 0.9, "corner of two streets") for m in _CORNER.finditer(text)]
    found += [Address(m.start(), m.end(), 0.85, "number + street kind") for m in _TRAILING.finditer(text)]
    found += [
        Address(m.start(), m.end(), 0.75, "street ending + number")
        for m in _LOWER.finditer(text)
        if fold(m["street"]).endswith(_FUSED)
    ]
    for at, raw in enumerate(words.raw):
        if raw.islower() and raw not in _ANY:
            continue
        folded = fold(raw)
        street = None
        if folded in _AFTER and at:
            street = _after(words, at, folded in _SURE_AFTER)
        if street is None and folded in _BEFORE:
            street = _before(words, at, folded in _SURE_BEFORE)
        if street is None and len(raw) > 5 and raw[0].isupper() and folded.endswith(_FUSED):
            street = _numbered(words, _leftmost(words, at, 2), at, 0.9, 0.0, "street ending")
        if street is not None:
            found.append(street)
    return _merged(text, found)


def _leftmost(words: Words, at: int, most: int) -> int:
    """The first of the capitalised words that lead up to an index."""
    while (
        most
        and at
        and words.gap(at - 1) in (" ", ". ")
        and words.raw[at - 1][0].isupper()
        and not words.embedded(at - 1)
    ):
        at, most = at - 1, most - 1
    return at


def _after(words: Words, at: int, sure: bool) -> Address | None:
    raw = words.raw[at]
    if words.gap(at - 1) not in (" ", ". ") or not (
        raw[0].isupper() or sure or raw in ("u", "út", "útja", "tér", "str", "st")
    ):
        return None
    first = _leftmost(words, at, 4)
    if first == at:
        return None
    alone = 0.8 if sure and raw[0].isupper() else 0.0
    return _numbered(words, first, at, 0.93, alone, "street kind")


def _before(words: Words, at: int, sure: bool) -> Address | None:
    raw, last = words.raw, at
    while (
        last + 1 < len(raw)
        and last - at < 6
        and words.gap(last) in (" ", ". ")
        and (raw[last + 1][0].isupper() or fold(raw[last + 1]) in PARTICLE)
    ):
        last += 1
    while last > at and raw[last] in PARTICLE and not raw[last][0].isupper():
        last -= 1
    if last == at:
        return None
    alone = 0.75 if sure and raw[at][0].isupper() and len(raw[at]) > 2 else 0.0
    return _numbered(words, at, last, 0.93, alone, "street kind")


def _numbered(words: Words, first: int, last: int, score: float, alone: float, evidence: str) -> Address | None:
    """The street with the number on its left or right; without one it needs a score of its own."""
    text, start = words.text, words.starts[first]
    end = words.starts[last] + len(words.raw[last])
    left = _NUMBER_LEFT.search(text, max(0, start - 16), start)
    right = _NUMBER_RIGHT.match(text, end)
    if left is None and right is None:
        return Address(start, end, alone, evidence) if alone else None
    return Address(left.start() if left else start, right.end() if right else end, score, evidence + " + number")


def _merged(text: str, found: list[Address]) -> Iterator[Address]:
    """Overlapping pieces become one, and a unit or box joins the street before it or after it."""
    found.sort()
    open_: Address | None = None
    for piece in found:
        if open_ is None:
            open_ = piece
        elif (
            piece.start <= open_.end
            or _BETWEEN.fullmatch(text, open_.end, piece.start)
            or (piece.evidence == "unit" and _NAMED_BETWEEN.fullmatch(text, open_.end, piece.start))
        ):
            best = max(open_, piece, key=lambda each: each.score)
            open_ = Address(open_.start, max(open_.end, piece.end), best.score, best.evidence)
        else:
            yield open_
            open_ = piece
    if open_ is not None:
        yield open_
