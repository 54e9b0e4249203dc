"""HIPAA's Safe Harbor: its eighteen rules one by one, each with what a scan can say about it."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from unseen.deid.detect.calibration import Recall, recall
from unseen.deid.detect.columns import UNIQUE
from unseen.deid.detect.finding import Entity, Finding
from unseen.deid.detect.recogniser import Recogniser
from unseen.deid.detect.scan import Scan, scan

__all__ = ["RuleEvidence", "SafeHarbor", "SafeHarborReport", "Verdict"]


class Verdict(Enum):
    """What a scan can say about one rule."""

    FOUND = "found"
    NOT_FOUND = "not found"
    NOT_BY_MACHINE = "cannot be found by machine"


_E = Entity
# Letter of the paragraph, what must go, the kinds that a scan finds of it, and what it cannot see.
_RULES: tuple[tuple[str, str, frozenset[Entity], str], ...] = (
    ("A", "names", frozenset({_E.PERSON}), "unusual names without a telling context are missed"),
    (
        "B",
        "places smaller than a state; a ZIP code's first three digits may stay where over 20,000 people live",
        frozenset({_E.STREET_ADDRESS, _E.POSTAL_CODE, _E.LOCATION}),
        "states and countries may stay: look at the places found",
    ),
    (
        "C",
        "dates but the year, and ages over 89",
        frozenset({_E.DATE, _E.AGE_OVER_89}),
        "a year of birth that tells an age over 89 is not seen",
    ),
    ("D", "telephone numbers", frozenset({_E.PHONE_NUMBER}), ""),
    ("E", "fax numbers", frozenset({_E.FAX_NUMBER}), "one without its label counts as a telephone number"),
    ("F", "e-mail addresses", frozenset({_E.EMAIL_ADDRESS}), ""),
    ("G", "social security numbers", frozenset({_E.US_SSN}), ""),
    ("H", "medical record numbers", frozenset({_E.MEDICAL_RECORD_NUMBER}), "only beside their label"),
    ("I", "health plan beneficiary numbers", frozenset({_E.HEALTH_PLAN_NUMBER}), "only beside their label"),
    (
        "J",
        "account numbers",
        frozenset({_E.ACCOUNT_NUMBER, _E.IBAN, _E.CREDIT_CARD, _E.CRYPTO_WALLET}),
        "accounts without a check digit only beside their label",
    ),
    (
        "K",
        "certificate and licence numbers",
        frozenset({_E.DRIVERS_LICENCE, _E.PROFESSIONAL_LICENCE, _E.PASSPORT}),
        "only beside their label",
    ),
    (
        "L",
        "vehicle identifiers and licence plates",
        frozenset({_E.VEHICLE_ID, _E.LICENCE_PLATE}),
        "plates only beside their label",
    ),
    (
        "M",
        "device identifiers and serial numbers",
        frozenset({_E.DEVICE_ID, _E.MAC_ADDRESS}),
        "serial numbers only beside their label",
    ),
    ("N", "URLs", frozenset({_E.URL}), ""),
    ("O", "IP addresses", frozenset({_E.IP_ADDRESS}), ""),
    ("P", "biometric identifiers, finger and voice prints among them", frozenset(), "no text shows them"),
    ("Q", "full-face photographs and comparable images", frozenset(), "images are not looked at"),
    (
        "R",
        "any other unique identifying number, characteristic or code",
        frozenset({_E.NATIONAL_ID}),
        "a rare characteristic that tells who a person is stays unseen; a person has to look",
    ),
)
_ALWAYS_BY_HAND = frozenset("PQR")
_YEARS = frozenset({"year after its word", "four digits like a year"})


@dataclass(frozen=True)
class RuleEvidence:
    """One of the eighteen rules.

    Args:
        letter: of the paragraph 45 CFR 164.514(b)(2)(i), A to R.
        rule: what must go.
        verdict: what the scan says.
        count: findings that speak against it.
        columns: the columns that hold them, most findings first; empty for texts.
        recall: the share that a scan finds where the truth is known, of the kind among these that it finds worst; None
            if none was measured. It was measured at a least score of 0.5; a check at a lower one finds no less.
        caveat: what the scan cannot see of this.
    """

    letter: str
    rule: str
    verdict: Verdict
    count: int
    columns: tuple[str, ...]
    recall: Recall | None
    caveat: str

    def __str__(self) -> str:
        parts = [self.verdict.value + (f", {self.count} times" if self.count else "")]
        parts += [f"in {', '.join(self.columns)}"] if self.columns else []
        parts += [f"recall {self.recall}"] if self.recall else []
        parts += [self.caveat] if self.caveat else []
        return f"({self.letter}) {self.rule}: {'; '.join(parts)}"


@dataclass(frozen=True, repr=False)
class SafeHarborReport:
    """The eighteen rules with their evidence. It holds no text.

    **Guarantee**: none. A rule without findings is not proven kept, and Safe Harbor also asks that the owner knows of
    no way to identify a person from what remains (164.514(b)(2)(ii)), which no machine can say.
    """

    rules: tuple[RuleEvidence, ...]
    scan: Scan

    def __getitem__(self, letter: str) -> RuleEvidence:
        return self.rules["ABCDEFGHIJKLMNOPQR".index(letter)]

    @property
    def broken(self) -> tuple[str, ...]:
        """Letters of the rules that findings speak against."""
        return tuple(rule.letter for rule in self.rules if rule.verdict is Verdict.FOUND)

    @property
    def by_hand(self) -> tuple[str, ...]:
        """Letters of the rules that a person has to look at in any case."""
        return tuple(rule.letter for rule in self.rules if rule.letter in _ALWAYS_BY_HAND)

    def __str__(self) -> str:
        told = self.scan.told
        lines = [str(replace(rule, columns=tuple(map(told, rule.columns)))) for rule in self.rules]
        lines.append("Beyond the eighteen, the owner must know of no way to identify a person from what remains.")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"SafeHarborReport(broken={''.join(self.broken)!r})"


class SafeHarbor:
    """The check of 45 CFR 164.514(b)(2) on texts or a dataframe.

    Args:
        recognisers: what is looked for; None for all.
        least: the least score that counts, from 0 to 1; lower than a scan's, because here a miss costs more.

    Source: 45 CFR 164.514(b)(2)(i), (A) to (R).
    """

    def __init__(self, recognisers: Sequence[Recogniser] | None = None, least: float = 0.4) -> None:
        self._recognisers, self._least = recognisers, least

    def check(self, source: Any) -> SafeHarborReport:
        """The rules with their evidence.

        Args:
            source: as for `scan`.

        Raises:
            InvalidRequest: as for `scan`.
        """
        found = scan(source, recognisers=self._recognisers, least=self._least)
        return SafeHarborReport(tuple(_evidence(*rule, found) for rule in _RULES), found)


def _evidence(letter: str, rule: str, kinds: frozenset[Entity], caveat: str, found: Scan) -> RuleEvidence:
    against = [finding for finding in found if finding.entity in kinds and not _stays(finding)]
    columns = Counter(finding.column for finding in against if finding.column is not None)
    names = [name for name, _ in columns.most_common()]
    if letter == "R":
        names += [column.name for column in found.columns if column.reason == UNIQUE and column.name not in columns]
    if against or names:
        verdict = Verdict.FOUND
    elif letter in _ALWAYS_BY_HAND:
        verdict = Verdict.NOT_BY_MACHINE
    else:
        verdict = Verdict.NOT_FOUND
    measured = [] if letter in _ALWAYS_BY_HAND else [one for kind in kinds if (one := recall(kind)) is not None]
    known = min(measured, key=lambda one: one.value, default=None)
    return RuleEvidence(letter, rule, verdict, len(against), tuple(names), known, caveat)


def _stays(finding: Finding) -> bool:
    """Whether it is a year alone, which may stay."""
    return finding.entity is Entity.DATE and finding.evidence in _YEARS
