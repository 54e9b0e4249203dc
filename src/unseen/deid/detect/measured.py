"""Counts of what was found and missed by kind; `benchmarks/bench_detection.py --table` writes them."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from unseen.deid.detect.finding import Entity

__all__ = ["CORPUS", "GENERATED"]

CORPUS: dict[Entity, tuple[int, int]] = {
    Entity.PERSON: (371, 64),
    Entity.STREET_ADDRESS: (236, 40),
    Entity.LOCATION: (155, 57),
    Entity.ORGANISATION: (63, 72),
    Entity.CREDIT_CARD: (57, 0),
    Entity.DATE: (53, 0),
    Entity.PHONE_NUMBER: (23, 1),
    Entity.AGE: (31, 10),
    Entity.EMAIL_ADDRESS: (12, 0),
    Entity.POSTAL_CODE: (9, 18),
    Entity.URL: (17, 0),
    Entity.IBAN: (11, 0),
    Entity.US_SSN: (10, 0),
    Entity.IP_ADDRESS: (5, 0),
}
"""Spans of presidio-research's second generated set, templates with odd numbers: found, missed."""

GENERATED: dict[Entity, tuple[int, int]] = {
    Entity.FAX_NUMBER: (200, 0),
    Entity.AGE_OVER_89: (167, 33),
    Entity.MAC_ADDRESS: (200, 0),
    Entity.NATIONAL_ID: (200, 0),
    Entity.PASSPORT: (200, 0),
    Entity.DRIVERS_LICENCE: (200, 0),
    Entity.PROFESSIONAL_LICENCE: (200, 0),
    Entity.MEDICAL_RECORD_NUMBER: (200, 0),
    Entity.HEALTH_PLAN_NUMBER: (200, 0),
    Entity.ACCOUNT_NUMBER: (200, 0),
    Entity.CRYPTO_WALLET: (200, 0),
    Entity.VEHICLE_ID: (200, 0),
    Entity.LICENCE_PLATE: (198, 2),
    Entity.DEVICE_ID: (200, 0),
}
"""Identifiers made by their standards beside their labels, 200 a kind: found, missed."""
