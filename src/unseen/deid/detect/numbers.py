"""Numbers that a label announces: records, accounts, passports, licences, plates, devices; and those with a check."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re
from collections.abc import Iterator

from unseen.core.errors import extra
from unseen.deid.detect.checksums import luhn_holds, vin_holds
from unseen.deid.detect.finding import Entity, Finding
from unseen.deid.detect.labels import Label, announces, label_before
from unseen.deid.detect.national import SHORTEST, identify
from unseen.deid.detect.recogniser import Recogniser

__all__ = ["Labelled", "Ssn", "Vin"]

# A run of letters and digits, in groups, from its first digit on; what stands before that digit is read backwards.
_RUN = re.compile(
    r"[0-9](?<![0-9].)[0-9A-Za-z]*+(?:[ ./-](?:[A-Z]{0,3}[0-9][0-9A-Z]{0,12}|[A-Z])(?![^\W_])){0,6}", re.S
)
_SSN = re.compile(r"-[0-9]{2}-[0-9]{4}(?![\w-])(?<=[0-9]{3}.{8})(?<![\w-].{11})", re.S)
_BACK = re.compile(r"(?:[A-Za-z]|[ ./-](?=[A-Z0-9])){0,12}")
_VIN = re.compile(r"[A-HJ-NPR-Z0-9](?<!\w.)[A-HJ-NPR-Z0-9]{16}(?!\w)", re.S)

_CHECKED = frozenset("12345L")
"""First characters of the makers in North America and China, where the check digit is the law."""

# What a label makes of a number: the kind, least and most characters without separators, score.
_RULES: dict[Label, tuple[Entity, int, int, float]] = {
    Label.PASSPORT: (Entity.PASSPORT, 6, 12, 0.9),
    Label.DRIVER: (Entity.DRIVERS_LICENCE, 4, 19, 0.9),
    Label.PROFESSION: (Entity.PROFESSIONAL_LICENCE, 4, 15, 0.8),
    Label.MEDICAL_RECORD: (Entity.MEDICAL_RECORD_NUMBER, 4, 15, 0.9),
    Label.HEALTH_PLAN: (Entity.HEALTH_PLAN_NUMBER, 5, 20, 0.85),
    Label.ACCOUNT: (Entity.ACCOUNT_NUMBER, 5, 24, 0.85),
    Label.NATIONAL_ID: (Entity.NATIONAL_ID, 6, 18, 0.75),
    Label.TAX_ID: (Entity.NATIONAL_ID, 7, 15, 0.75),
    Label.PLATE: (Entity.LICENCE_PLATE, 4, 9, 0.8),
    Label.IMEI: (Entity.DEVICE_ID, 14, 16, 0.8),
    Label.DEVICE: (Entity.DEVICE_ID, 5, 24, 0.8),
    Label.VEHICLE: (Entity.VEHICLE_ID, 11, 17, 0.85),
}
_SEPARATORS = frozenset(" ./-")


class Labelled(Recogniser):
    """Numbers that the word before them names, national ids with a check digit, and IMEIs.

    Source: 45 CFR 164.514(b)(2)(i) for the list; 3GPP TS 23.003 for the IMEI; python-stdnum for national ids.
    """

    def find(self, text: str) -> Iterator[Finding]:
        """The numbers in the batch."""
        for run in _RUN.finditer(text):
            start, end = run.span()
            before = text[start - 1] if start else " "
            if before.isalpha() or (before in _SEPARATORS and text[max(0, start - 2) : start - 1].isupper()):
                start = _extended(text, start)
            elif end - start < 5 or before == ".":
                continue
            whole = text[start:end]
            number = whole if whole.isdigit() else whole.encode().translate(None, b" ./-").decode()
            if 5 <= len(number) <= 40:
                yield from _judged(text, start, whole, number)


class Vin(Recogniser):
    """Vehicle identification numbers: by their check digit, or 17 characters beside their label.

    Source: ISO 3779; 49 CFR 565 for the check digit.
    """

    def find(self, text: str) -> Iterator[Finding]:
        """The numbers in the batch."""
        for found in _VIN.finditer(text):
            number = found.group()
            if number.isalpha() or number.isdigit() or not number[13:].isdigit():
                continue
            yield from _vehicle(number, found.start(), label_before(text, found.start()) is Label.VEHICLE)


class Ssn(Recogniser):
    """Social security numbers of the United States in their usual form.

    Source: the Social Security Administration's rules on what it never issues, as python-stdnum has them.
    """

    def find(self, text: str) -> Iterator[Finding]:
        """The numbers in the batch."""
        itin, ssn = extra("stdnum.us.itin", "deid"), extra("stdnum.us.ssn", "deid")
        for found in _SSN.finditer(text):
            start, end = found.start() - 3, found.end()
            number = text[start:end]
            label = label_before(text, start)
            if ssn.is_valid(number):
                if label is Label.SSN:
                    yield Finding(Entity.US_SSN, start, end, 0.98, "check + label")
                elif label is None or label is Label.NUMBER:
                    yield Finding(Entity.US_SSN, start, end, 0.9, "check")
                else:
                    yield Finding(Entity.US_SSN, start, end, 0.7, "check, other label")
            elif itin.is_valid(number):
                yield Finding(Entity.NATIONAL_ID, start, end, 0.85, "check")
            elif label is Label.SSN:
                yield Finding(Entity.US_SSN, start, end, 0.45, "label, never issued")


def _vehicle(number: str, start: int, labelled: bool) -> Iterator[Finding]:
    if not _VIN.fullmatch(number):
        return
    if vin_holds(number):
        yield Finding(Entity.VEHICLE_ID, start, start + 17, 0.97, "checksum")
    elif labelled:
        # Where no rule asks for a check digit, its absence says nothing.
        broken = number[0] in _CHECKED
        yield Finding(
            Entity.VEHICLE_ID,
            start,
            start + 17,
            0.45 if broken else 0.85,
            "label, broken checksum" if broken else "label",
        )


def _judged(text: str, start: int, whole: str, number: str) -> Iterator[Finding]:
    end = start + len(whole)
    national = identify(whole) if end - start >= SHORTEST else None
    label = label_before(text, start, reach=6) if national or len(number) >= 5 else None
    if national:
        entity, score, length = national
        known = label in (Label.NATIONAL_ID, Label.TAX_ID, Label.HEALTH_PLAN, Label.MEDICAL_RECORD, Label.SSN)
        if known:
            yield Finding(entity, start, start + length, max(score, 0.97), "checksum + label")
        else:
            yield Finding(entity, start, start + length, score * (1 if label is None else 0.8), "checksum")
        if known:
            return
    if label is None:
        return
    if number.isdigit() and len(number) == 15 and label in (Label.IMEI, Label.DEVICE, Label.PHONE):
        if luhn_holds(number):
            yield Finding(Entity.DEVICE_ID, start, end, 0.98, "checksum + label")
        elif label is Label.IMEI:
            yield Finding(Entity.DEVICE_ID, start, end, 0.45, "label, broken checksum")
        return
    if label is Label.SSN:
        if number.isdigit() and len(number) == 9 and "-" not in whole:
            issued = extra("stdnum.us.ssn", "deid").is_valid(number)
            score, evidence = (0.95, "check + label") if issued else (0.45, "label, never issued")
            yield Finding(Entity.US_SSN, start, end, score, evidence)
        return
    if label is Label.VEHICLE and len(number) == 17:
        if not whole.isupper():  # the other recogniser reads capitals
            yield from _vehicle(number.upper(), start, True)
        return
    rule = _RULES.get(label)
    if rule is not None:
        entity, least, most, score = rule
        if least <= len(number) <= most:
            yield Finding(entity, start, end, score, "label")


def _extended(text: str, start: int) -> int:
    """Where a number that begins with letters really begins: A12 34 from the 1 on."""
    back = _BACK.match(text[max(0, start - 12) : start][::-1])
    begin = start - (back.end() if back else 0)
    while begin < start and text[begin] in " ./-":
        begin += 1
    # Only the group that touches the first digit, or a short one in capitals before it.
    group = max(text.rfind(mark, begin, start) for mark in " ./-") + 1
    if group == start and group > begin:
        earlier = max((text.rfind(mark, begin, group - 1) for mark in " ./-"), default=-1) + 1
        candidate = text[max(begin, earlier) : group - 1]
        short = 1 <= len(candidate) <= 3 and candidate.isupper() and not announces(candidate)
        return max(begin, earlier) if short else start
    return max(begin, group)
