"""Postal codes: in the forms that speak for themselves, after a state, or after their label."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re
from collections.abc import Iterator

from unseen.deid.detect.finding import Entity, Finding
from unseen.deid.detect.labels import Label, label_before
from unseen.deid.detect.recogniser import Recogniser
from unseen.deid.detect.vocabulary import US_STATE, US_TERRITORY

__all__ = ["PostalCode"]

_STATES = "|".join(sorted(US_STATE | US_TERRITORY))
# All begin at a digit, so that one pass finds the few places to look at. The marks: state and ZIP, ZIP+4, the inward
# half of a British code, a Canadian code from its second character on, a Dutch one.
_CODE = re.compile(
    rf"[0-9](?<![0-9a-z].)(?:(?<=(?:{_STATES})[ ].)(?<![\w]....)[0-9]{{4}}(?:-[0-9]{{4}})?(?![\w-])(?P<state>)"
    r"|(?<![\w$€£#.,+/-].)[0-9]{4}-[0-9]{4}(?![\w-])(?P<nine>)"
    r"|(?<=[A-Z0-9][ ].)[ABD-HJLNP-UW-Z]{2}(?!\w)(?P<inward>)"
    r"|(?<=[ABCEGHJ-NPRSTVXY].)(?<!\w..)[ABCEGHJ-NPRSTV-Z] ?[0-9][ABCEGHJ-NPRSTV-Z][0-9](?!\w)(?P<canada>)"
    r"|(?<![\w.,$€£#+/-].)(?<!0)[0-9]{3} (?!S[ADS])[A-Z]{2}(?! ?[0-9]|\w)(?P<dutch>))",
    re.S,
)
_OUTWARD = re.compile(
    r"(?:[A-PR-UWYZ][0-9]{1,2}|[A-PR-UWYZ][A-HK-Y][0-9]{1,2}|[A-PR-UWYZ][0-9][A-HJKPS-UW]"
    r"|[A-PR-UWYZ][A-HK-Y][0-9][ABEHMNPRV-Y])"
)
_BEFORE = re.compile(r"[A-Z0-9]{2,4}")
_DIGITS = re.compile(r"[0-9](?<![\w.].)[0-9]{1,5}(?:[ -](?:[0-9]{2,4}|[A-Z]{2}))?(?!\w)", re.S)
_HINT = re.compile(r"[zZpPcC](?:[iI][pP]|[lL][zZ]|[oO][sS][tT]|[eE][pP]|[oOóÓ][dD][eEiI])")
_SCORES = {"state": (0.9, "after a state"), "nine": (0.8, "form"), "canada": (0.9, "form"), "dutch": (0.6, "form")}


class PostalCode(Recogniser):
    """Postal codes of the United States, Britain, Canada and the Netherlands by form; any after its label.

    Source: USPS Publication 28; BS 7666; Canada Post's and PostNL's addressing guides for the forms.
    """

    def find(self, text: str) -> Iterator[Finding]:
        """The codes in the batch."""
        for found in _CODE.finditer(text):
            start, end = found.span()
            kind = str(found.lastgroup)
            if kind == "inward":
                before = _BEFORE.match(text[max(0, start - 6) : start - 1][::-1])
                outward = before.group()[::-1] if before else ""
                begin = start - 1 - len(outward)
                if _OUTWARD.fullmatch(outward) and not text[begin - 1 : begin].isalnum():
                    yield Finding(Entity.POSTAL_CODE, begin, end, 0.9, "form")
                continue
            score, evidence = _SCORES[kind]
            yield Finding(Entity.POSTAL_CODE, start - (kind == "canada"), end, score, evidence)
        for hint in _HINT.finditer(text):
            code = _DIGITS.search(text, hint.end(), hint.end() + 40)
            if code is not None and label_before(text, code.start(), reach=5) is Label.POSTCODE:
                yield Finding(Entity.POSTAL_CODE, *code.span(), 0.93, "label")
