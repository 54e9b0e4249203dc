"""One place where personal information stands: what kind, from where to where, how sure, and on what evidence."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Entity", "Finding"]


class Entity(StrEnum):
    """Kinds of personal information; each equals its name as a string, so that `finding.entity == "PHONE_NUMBER"`."""

    PERSON = "PERSON"
    TITLE = "TITLE"
    NATIONALITY = "NATIONALITY"
    ORGANISATION = "ORGANISATION"
    LOCATION = "LOCATION"
    STREET_ADDRESS = "STREET_ADDRESS"
    POSTAL_CODE = "POSTAL_CODE"
    DATE = "DATE"
    AGE = "AGE"
    AGE_OVER_89 = "AGE_OVER_89"
    EMAIL_ADDRESS = "EMAIL_ADDRESS"
    URL = "URL"
    IP_ADDRESS = "IP_ADDRESS"
    MAC_ADDRESS = "MAC_ADDRESS"
    PHONE_NUMBER = "PHONE_NUMBER"
    FAX_NUMBER = "FAX_NUMBER"
    US_SSN = "US_SSN"
    NATIONAL_ID = "NATIONAL_ID"
    PASSPORT = "PASSPORT"
    DRIVERS_LICENCE = "DRIVERS_LICENCE"
    PROFESSIONAL_LICENCE = "PROFESSIONAL_LICENCE"
    MEDICAL_RECORD_NUMBER = "MEDICAL_RECORD_NUMBER"
    HEALTH_PLAN_NUMBER = "HEALTH_PLAN_NUMBER"
    ACCOUNT_NUMBER = "ACCOUNT_NUMBER"
    IBAN = "IBAN"
    CREDIT_CARD = "CREDIT_CARD"
    CRYPTO_WALLET = "CRYPTO_WALLET"
    VEHICLE_ID = "VEHICLE_ID"
    LICENCE_PLATE = "LICENCE_PLATE"
    DEVICE_ID = "DEVICE_ID"


@dataclass(frozen=True, slots=True)
class Finding:
    """A span of one text that looks like one kind of personal information. It never holds the text itself.

    Args:
        entity: what kind.
        start: index of the first character, counted in Python characters from the text's beginning.
        end: index after the last character; above `start`.
        score: from 0 to 1, an estimate of the share of such findings that are right.
        evidence: why, in a few words: "checksum", "form + context word". Never a part of the text.
        row: which text (0 for the first); which row, in a dataframe.
        column: which column of a dataframe; None for texts.
    """

    entity: Entity
    start: int
    end: int
    score: float
    evidence: str = ""
    row: int = 0
    column: str | None = None
