"""Phone numbers, international and national, in the notations that people use, with extensions."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from unseen.core.errors import InvalidRequest, extra
from unseen.deid.detect.finding import Entity, Finding
from unseen.deid.detect.labels import Label, nearby_label
from unseen.deid.detect.recogniser import Recogniser

__all__ = ["Phone"]

_NUMBER = re.compile(r"[+(0-9](?<![\w@#./$€£-].)(?:[0-9]|[ .\-/()‐-–\u00a0]{1,3}(?=[0-9]))*+", re.S)
_MORE = re.compile(r"[ ,]{0,2}(?:x|ext\.?|extn\.?|extension|#)[ :.]{0,2}[0-9]{1,6}(?![0-9])", re.I)
_MARKS = frozenset(" ,xXeE#")
_EXTENSION = re.compile(r"[ ,]{0,2}(?:x|e|#)", re.I)
_DIGITS = re.compile(r"[0-9]+")
_NANP = re.compile(r"(?:1[-. ]?)?(?:\([2-9][0-9]{2}\)[-. /]{0,2}|[2-9][0-9]{2}[-. /])[0-9]{3}[-. ][0-9]{4}")
_UNITS = re.compile(r"\s?(?:[$€£%]|(?:USD|EUR|GBP|km|kg|million|billion|dollars|euros|people|percent)\b)")
_AFTERWARDS = re.compile(
    r"(?: is)?(?: the| my| his| her| our| their)? ?\(?(?:phone|mobile|cell|tel|telephone|fax|home|work|office)\b",
    re.I,
)
_BLANKS = " .-/)‐‑‒–\u00a0"
_SOUGHT = frozenset({Label.PHONE, Label.FAX})
_HARMLESS = frozenset({Label.ADDRESS, Label.DATE, Label.AGE})
_NAME_FOLLOWS = re.compile(r" [^\W\d_a-z][^\W\d_A-Z]")
_YEARS = re.compile(r"(?:1[5-9]|20)[0-9]{2}\s?[-–/]\s?(?:1[5-9]|20)[0-9]{2}")


class Phone(Recogniser):
    """Phone and fax numbers.

    An international number must be possible in its country; a national one is judged by its groups, by the label
    before it, and by whether it is valid in one of the `regions`.

    Args:
        regions: countries whose national numbers are expected, as ISO 3166 codes of two letters; none by default.

    Source: ITU-T E.164 and E.123; numbering plans as phonenumbers has them.
    """

    def __init__(self, regions: Sequence[str] = ()) -> None:
        self.regions = tuple(region.upper() for region in regions)
        for region in self.regions:
            if not re.fullmatch("[A-Z]{2}", region):
                raise InvalidRequest("regions holds something other than a country code", "two letters each", "'US'")

    def find(self, text: str) -> Iterator[Finding]:
        """The numbers in the batch."""
        for found in _NUMBER.finditer(text):
            if found.end() - found.start() < 6:
                continue
            start, end = found.span()
            more = _MORE.match(text, end) if text[end : end + 1] in _MARKS else None
            end = more.end() if more else end
            after = text[end : end + 1]
            if after.isalnum() or after == "@":
                continue
            written = text[start:end]
            if written[0] == "+" and written[1] not in "0123456789(":
                blank = len(written) - len(written[1:].lstrip(_BLANKS))
                start, written = start + blank, written[blank:]
            if written[0] == "(" and ")" not in written:
                start, written = start + 1, written[1:]
            yield from self._judged(text, start, end, written)

    def _judged(self, text: str, start: int, end: int, written: str) -> Iterator[Finding]:
        extension = _EXTENSION.search(written)
        bare = written[: extension.start()] if extension else written
        groups = _DIGITS.findall(bare)
        digits = "".join(groups)
        if not 6 <= len(digits) <= 17:
            return
        if (
            bare[0] == "+"
            or (bare.startswith("00") and len(digits) >= 10)
            or (bare.startswith("011") and len(digits) >= 11)
        ):
            score, evidence = _international(bare, groups), "international form"
        else:
            score, evidence = _by_form(bare, groups, digits), "form"
        if score <= 0.0:
            return
        label = nearby_label(text, start, _SOUGHT)
        if score < 0.97:
            if label in _SOUGHT:
                score, evidence = 1 - (1 - score) * 0.15, evidence + " + label"
            elif _AFTERWARDS.match(text, end) and score >= 0.3:
                score, evidence = 1 - (1 - score) * 0.3, evidence + " + label after"
            elif label is Label.NUMBER:
                score, evidence = (1 - (1 - score) * 0.6 if score >= 0.4 else score), evidence + " + number"
            elif label is not None and (score < 0.6 or label not in _HARMLESS):
                score, evidence = score * 0.5, evidence + ", other label"
            elif _UNITS.match(text, end):
                return
            elif len(groups) == 2 and score < 0.6 and _NAME_FOLLOWS.match(text, end):
                score *= 0.5  # a house number before its street
            elif score < 0.8 and bare[0] != "+" and self._valid(digits):
                score, evidence = min(0.9, score + 0.2), evidence + " + valid"
        if extension and score < 0.95:
            score += (0.98 - score) / 2
        entity = Entity.FAX_NUMBER if label is Label.FAX else Entity.PHONE_NUMBER
        yield Finding(entity, start, end, score, evidence)

    def _valid(self, digits: str) -> bool:
        phonenumbers = extra("phonenumbers", "deid")
        for region in self.regions:
            try:
                if phonenumbers.is_valid_number(phonenumbers.parse(digits, region)):
                    return True
            except phonenumbers.NumberParseException:
                continue
        return False


def _international(bare: str, groups: list[str]) -> float:
    phonenumbers = extra("phonenumbers", "deid")
    if "(0)" in bare:
        groups = "".join(_DIGITS.findall(bare.replace("(0)", ""))).split()
    digits = "".join(groups)
    if bare[0] != "+":
        digits = digits[3:] if digits.startswith("011") else digits[2:]
    try:
        number = phonenumbers.parse("+" + digits, None)
    except phonenumbers.NumberParseException:
        return 0.3 if bare[0] == "+" else 0.2
    if phonenumbers.is_valid_number(number):
        return 0.99 if bare[0] == "+" else 0.95
    if not phonenumbers.is_possible_number(number):
        return 0.4 if bare[0] == "+" else 0.2
    return 0.9 if bare[0] == "+" else 0.6


def _by_form(bare: str, groups: list[str], digits: str) -> float:
    """How likely a national number is from its groups of digits alone; 0 for what is something else."""
    count, lengths = len(digits), [len(group) for group in groups]
    if count > 13 or count < 6 or _YEARS.fullmatch(bare):
        return 0.0
    if _NANP.fullmatch(bare):
        return 0.93
    if len(groups) == 1:
        if count == 10 and digits[0] in "23456789" and digits[3] in "23456789":
            return 0.5
        return 0.5 if count in (10, 11) and digits[0] in "01" else 0.4 if 7 <= count <= 12 else 0.0
    if max(lengths) > 8 or (lengths[0] == 1 and digits[0] not in "01278"):
        return 0.1
    if "(" in bare:
        return 0.85 if count >= 7 and bare.index("(") <= 4 else 0.3
    separators = set(_DIGITS.sub("", bare))
    if len(separators) > 1 and len(groups) < 4:
        return 0.5
    if digits[0] == "0":
        return 0.85 if 9 <= count <= 11 and len(groups) >= 2 and 2 <= lengths[0] <= 6 else 0.4
    if len(groups) >= 3:
        if lengths[1:] == [3] * (len(groups) - 1) and lengths[0] < 3:
            return 0.25 if lengths[0] == 1 else 0.5  # or thousands in groups of three
        return 0.7 if 7 <= count <= 12 and max(lengths) <= 4 else 0.3
    if lengths in ([3, 4], [4, 4], [2, 6]):
        return 0.52  # a local number: North America; Scandinavia, Singapore; Cyprus
    return 0.45 if 6 <= count <= 10 and min(lengths) >= 2 else 0.2
