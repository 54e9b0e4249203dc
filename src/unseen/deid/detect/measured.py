"""Counts of what was found and missed by kind; `benchmarks/bench_detection.py --table` writes them."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from typing import NamedTuple

from unseen.deid.detect.finding import Entity

__all__ = ["CORPUS", "GENERATED", "SEEN", "Count"]


class Count(NamedTuple):
    """Spans of one kind.

    Args:
        found: that a finding of their kind touches.
        missed: the others.
        whole: of the found, those of which no letter and no digit stays outside all findings.
    """

    found: int
    missed: int
    whole: int


CORPUS: dict[Entity, Count] = {
    Entity.PERSON: Count(369, 66, 365),
    Entity.STREET_ADDRESS: Count(262, 14, 235),
    Entity.LOCATION: Count(164, 48, 160),
    Entity.ORGANISATION: Count(50, 85, 45),
    Entity.CREDIT_CARD: Count(57, 0, 57),
    Entity.DATE: Count(53, 0, 53),
    Entity.PHONE_NUMBER: Count(23, 1, 23),
    Entity.AGE: Count(31, 10, 31),
    Entity.EMAIL_ADDRESS: Count(12, 0, 12),
    Entity.POSTAL_CODE: Count(11, 16, 11),
    Entity.URL: Count(17, 0, 17),
    Entity.IBAN: Count(11, 0, 11),
    Entity.US_SSN: Count(10, 0, 10),
    Entity.IP_ADDRESS: Count(5, 0, 5),
}
"""Spans of presidio-research's second generated set, templates with odd numbers; patterns were tuned on the others."""

SEEN = frozenset({Entity.PERSON, Entity.LOCATION, Entity.ORGANISATION, Entity.STREET_ADDRESS})
"""Kinds of `CORPUS` some of whose weights and words were chosen where texts of all its templates were seen, odd ones
too: what was counted is an upper bound. Words that made sense for odd templates alone were taken out again."""

GENERATED: dict[Entity, Count] = {
    Entity.FAX_NUMBER: Count(200, 0, 200),
    Entity.AGE_OVER_89: Count(167, 33, 167),
    Entity.MAC_ADDRESS: Count(200, 0, 200),
    Entity.NATIONAL_ID: Count(200, 0, 200),
    Entity.PASSPORT: Count(200, 0, 200),
    Entity.DRIVERS_LICENCE: Count(200, 0, 200),
    Entity.PROFESSIONAL_LICENCE: Count(200, 0, 200),
    Entity.MEDICAL_RECORD_NUMBER: Count(200, 0, 200),
    Entity.HEALTH_PLAN_NUMBER: Count(200, 0, 200),
    Entity.ACCOUNT_NUMBER: Count(200, 0, 200),
    Entity.CRYPTO_WALLET: Count(200, 0, 200),
    Entity.VEHICLE_ID: Count(200, 0, 200),
    Entity.LICENCE_PLATE: Count(198, 2, 198),
    Entity.DEVICE_ID: Count(200, 0, 200),
}
"""Identifiers made by their standards beside their labels, 200 a kind."""
