"""Dates in the notations of many places: numbers, month names, times beside them, weekdays, years."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re
from collections.abc import Iterator

from unseen.deid.detect.finding import Entity, Finding
from unseen.deid.detect.labels import Label, label_before, last_words
from unseen.deid.detect.recogniser import Recogniser

__all__ = ["Date"]

_MONTHS_WORDS = """january february march april may june july august september october november december jan feb mar
apr jun jul aug sep sept oct nov dec januar jänner februar feber märz mai juni juli oktober
dezember mär okt dez janvier février fevrier mars avril juin juillet août aout septembre octobre
novembre décembre enero febrero marzo abril mayo junio julio agosto septiembre setiembre octubre
noviembre diciembre gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre
janeiro fevereiro março maio junho julho setembro outubro novembro dezembro januari februari maart
mei augustus stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października
listopada grudnia augusti marts"""
_MONTHS = frozenset(_MONTHS_WORDS.split())
_WEEKDAYS_WORDS = """monday tuesday wednesday thursday friday saturday sunday montag dienstag donnerstag freitag samstag
sonntag maandag dinsdag woensdag donderdag vrijdag zaterdag zondag mandag tirsdag onsdag torsdag fredag
lørdag søndag måndag tisdag lördag söndag"""
_WEEKDAYS = frozenset(_WEEKDAYS_WORDS.split())
_RUN = re.compile(
    r"[0-9](?<![0-9].)(?:[0-9]{3}|[0-9]?)(?![0-9])"
    r"|[0-9](?<![0-9].)[0-9]{7}(?:T?[0-9]{4,6}Z?)?(?![0-9A-Za-z])",
    re.S,
)
_TIME = (
    r"(?:(?:T|,? (?:at )?|,? um )[0-9]{1,2}[:h.][0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?"
    r"(?: ?[aApP]\.?[mM]\.?)?(?:Z| ?UTC| ?GMT|[+-][0-9]{2}:?[0-9]{2})?(?![0-9A-Za-z]))?"
)
_NUMERIC = re.compile(
    r"([0-9]{1,4})([./-]|\. )([0-9]{1,2})\2([0-9]{4}|[0-9]{1,2})"
    r"(?![0-9A-SU-Za-z]|T(?![0-9]{2}:)|[./-][0-9]{1,2}+(?![./-]))" + _TIME
)
_SHORT = re.compile(r"([0-9]{1,2})([./])([0-9]{4})(?![\w./-])")
_TAILS = frozenset(month[-2:] for month in _MONTHS) | {"of", "de"}
_HEADS = frozenset(month[:2] for month in _MONTHS) | {"of", "de"}
_AFTER_DAY = frozenset(" -/.,snrte°ºª")
_MARKS = frozenset("./-")
_NAME = r"([^\W\d_]{3,12})\.?"
_DAY_MONTH = re.compile(
    r"([0-9]{1,2})(?:st|nd|rd|th|er|º|ª|°|\.)?(?:[ \-/]|, ?)(?:(?:of|de|del) )?"
    + _NAME
    + r"(?:(?:,? |[-/]|,? (?:de|del|of) )"
    r"((?:1[5-9]|2[01])[0-9]{2}|['’]?[0-9]{2})(?![0-9A-Za-z]))?"
)
_AFTER_MONTH = re.compile(
    r"([0-9]{1,2})(?:st|nd|rd|th)?(?![0-9A-Za-z])(?:(?:,? |[-/])((?:1[5-9]|2[01])[0-9]{2})(?![0-9A-Za-z]))?" + _TIME
)
_MONTH_BACK = re.compile(r"(?:[ /-]|ed |fo )[.,]?([^\W\d_]{3,12})(?![^\W_])")
_YEAR_FIRST = re.compile(r"((?:1[5-9]|2[01])[0-9]{2})[ -]" + _NAME + r"[ -]([0-9]{1,2})(?![0-9A-Za-z])")
_DAY = re.compile(r"[dtDT][aA][gyGY](?![^\W_])")
_LETTERS = re.compile(r"[^\W\d_]{1,10}")
_LONG = frozenset({1, 3, 5, 7, 8, 10, 12})
_BEFORE_YEAR_WORDS = """in since of from until till by year born circa during before after around summer winter spring
autumn fall early mid late en im seit bis jahr depuis année nel dal desde año ano anno and through between class
season a the"""
_BEFORE_YEAR = frozenset(_BEFORE_YEAR_WORDS.split())


class Date(Recogniser):
    """Calendar dates, months of a year, years, and weekdays.

    Source: ISO 8601-1 for its forms; month names as the Unicode CLDR has them.
    """

    def find(self, text: str) -> Iterator[Finding]:
        """The dates in the batch."""
        after = -1
        for run in _RUN.finditer(text):
            start, end = run.span()
            if start < after:
                continue
            length, found = end - start, None
            if length >= 8 or text[end : end + 1] in _MARKS:
                found = _numeric(text, start, run, start == after + 1)
            if found is None and length <= 4:
                head = text[end : end + 3].lower()
                if text[max(0, start - 4) : start - 1].strip(" .,")[-2:].lower() in _TAILS:
                    found = _after_month(text, start, run)
                if found is None and head[:1] in _AFTER_DAY and (head[0] != " " or head[1:] in _HEADS):
                    found = _before_month(text, start, run)
                if found is None and length == 4:
                    found = _year(text, start, run)
            if found:
                after = found.end
                yield found
        for day in _DAY.finditer(text):
            back = _LETTERS.match(text[max(0, day.start() - 10) : day.start()][::-1])
            begin = day.start() - (back.end() if back else 0)
            if text[begin : day.end()].lower() in _WEEKDAYS and not text[begin - 1 : begin].isalnum():
                yield Finding(Entity.DATE, begin, day.end(), 0.7, "weekday")


def _numeric(text: str, start: int, run: re.Match[str], joined: bool) -> Finding | None:
    before = text[start - 1] if start else " "
    if (before in "./-_$€£#" and not (joined and before in "-/")) or before.isalpha():
        return None
    if len(run.group()) >= 8:
        digits = run.group()
        if not _calendar(int(digits[:4]), int(digits[4:6]), int(digits[6:8])):
            return None
        label = label_before(text, start, reach=4)
        if len(digits) > 8 or label is Label.DATE:
            return Finding(
                Entity.DATE, *run.span(), 0.95, "basic form + label" if label is Label.DATE else "basic form"
            )
        return Finding(Entity.DATE, *run.span(), 0.4, "basic form")
    found = _NUMERIC.match(text, start)
    if found:
        first, mark, second, third = found.group(1), found.group(2), int(found.group(3)), found.group(4)
        if len(first) == 4:
            good = len(third) <= 2 and _calendar(int(first), second, int(third))
        elif len(third) == 4 and len(first) <= 2:
            good = _calendar(int(third), second, int(first)) or _calendar(int(third), int(first), second)
        elif len(third) == 2 and len(first) <= 2:
            good = _calendar(2000, second, int(first)) or _calendar(2000, int(first), second)
            good = good or (mark == "-" and _calendar(2000, second, int(third)))
        else:
            good = False
        if not good:
            return None
        score = 0.97 if len(first) == 4 or len(third) == 4 else 0.85 if mark == "/" or len(first) == 2 else 0.6
        return Finding(Entity.DATE, start, found.end(), score, "full date" if score > 0.9 else "date, short year")
    short = _SHORT.match(text, start)
    if short and 1 <= int(short.group(1)) <= 12 and 1500 <= int(short.group(3)) <= 2199:
        return Finding(Entity.DATE, start, short.end(), 0.85 if short.group(2) == "/" else 0.6, "month and year")
    return None


def _after_month(text: str, start: int, run: re.Match[str]) -> Finding | None:
    """A day or a year with the month's name before it."""
    back = _MONTH_BACK.match(text[max(0, start - 18) : start][::-1])
    name = back.group(1)[::-1] if back else ""
    # "may" is a verb, "mar" and "jan" in lower case are rarely months.
    if back is None or name.lower() not in _MONTHS or (name.islower() and len(name) < 4 and run.end() - start < 4):
        return None
    begin = start - back.end(1)
    if run.end() - start == 4:
        if 1500 <= int(run.group()) <= 2199:
            return Finding(Entity.DATE, begin, run.end(), 0.93, "month name and year")
        return None
    found = _AFTER_MONTH.match(text, start)
    if found and 1 <= int(found.group(1)) <= 31:
        return Finding(Entity.DATE, begin, found.end(), 0.97 if found.group(2) else 0.85, "month name")
    return None


def _before_month(text: str, start: int, run: re.Match[str]) -> Finding | None:
    """A day or a year with the month's name behind it."""
    if run.end() - start == 4:
        found = _YEAR_FIRST.match(text, start)
        good = found and found.group(2).lower() in _MONTHS and 1 <= int(found.group(3)) <= 31
        return Finding(Entity.DATE, start, found.end(), 0.97, "month name") if found and good else None
    found = _DAY_MONTH.match(text, start)
    if found and found.group(2).lower() in _MONTHS and 1 <= int(found.group(1)) <= 31:
        return Finding(Entity.DATE, start, found.end(), 0.97 if found.group(3) else 0.85, "month name")
    return None


def _year(text: str, start: int, run: re.Match[str]) -> Finding | None:
    if not 1850 <= int(run.group()) <= 2100:
        return None
    before, after = text[start - 1 : start], text[run.end() : run.end() + 2]
    if before.isalnum() or before in ("#", "$", "€", "£", "-", "+", "/", ".", ":", "_", "@") or after[:1].isalnum():
        return None
    if after[:1] in ("-", "/", ".", ",", " ") and after[1:2].isdigit():
        return None
    word = last_words(text, start, 1)
    if word and word[0] in _BEFORE_YEAR and text[start - 1] in " \t\n(":
        return Finding(Entity.DATE, start, run.end(), 0.8, "year after its word")
    return Finding(Entity.DATE, start, run.end(), 0.35, "four digits like a year")


def _calendar(year: int, month: int, day: int) -> bool:
    return 1500 <= year <= 2199 and 1 <= month <= 12 and 1 <= day <= (29 if month == 2 else 30 + (month in _LONG))
