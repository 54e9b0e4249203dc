"""Which values name the same person or thing, however they are written, and what kind of thing a column holds."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re
import unicodedata
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

__all__ = ["ALIKE", "Alike", "as_text", "canonical", "kind_of"]


class Alike(StrEnum):
    """What two writings of one value may differ in."""

    EXACT = "exact"
    """Nothing but Unicode's composition and spaces at the ends."""
    TEXT = "text"
    """Case, accents, spaces, and signs that are not seen, such as soft hyphens."""
    NAME = "name"
    """As ``TEXT``, and "Last, First", titles and full stops."""
    CODE = "code"
    """Case, and whatever is no letter or digit: spaces, hyphens, dots."""


ALIKE = {
    "person": Alike.NAME,
    "first_name": Alike.NAME,
    "last_name": Alike.NAME,
    "organisation": Alike.TEXT,
    "location": Alike.TEXT,
    "street_address": Alike.TEXT,
    "email": Alike.TEXT,
    **dict.fromkeys(("phone", "fax", "card", "ssn", "iban", "mac_address", "licence_plate", "vehicle_id"), Alike.CODE),
}
"""How values of a kind are compared, where an operation does not say; others exactly."""

SAME_KIND = {
    "name": "person",
    "full_name": "person",
    "given_name": "first_name",
    "surname": "last_name",
    "family_name": "last_name",
    "organization": "organisation",
    "company": "organisation",
    "address": "street_address",
    "city": "location",
    "email_address": "email",
    "e_mail": "email",
    "mail": "email",
    "phone_number": "phone",
    "telephone": "phone",
    "fax_number": "fax",
    "credit_card": "card",
    "us_ssn": "ssn",
    "iban_code": "iban",
}

TITLES = frozenset(("mr", "mrs", "ms", "miss", "mx", "dr", "prof", "sir", "madam", "herr", "frau", "mme", "mlle"))
AFTER_A_COMMA = frozenset(("jr", "sr", "ii", "iii", "iv", "md", "phd", "esq"))
LAST_OF_LATIN = "\u024f"


def kind_of(name: str) -> str:
    """The kind of thing that a column's or entity's name stands for.

    >>> kind_of("EMAIL_ADDRESS"), kind_of("Full name"), kind_of("visit")
    ('email', 'person', 'visit')
    """
    plain = re.sub(r"[\s\-]+", "_", name.strip().casefold())
    return SAME_KIND.get(plain, plain)


def as_text(value: Any) -> str | None:
    """A value as the text that it is compared by: whole numbers without a trailing ``.0``; None if it has none."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Decimal)):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    return None


def canonical(text: str, alike: Alike) -> str:
    """The one writing that stands for all that are alike; of itself it is itself.

    >>> canonical("Müller,  Dr. Anna", Alike.NAME) == canonical("ANNA MULLER", Alike.NAME)
    True
    """
    if alike is Alike.EXACT:
        return unicodedata.normalize("NFC", text).strip()
    if text.isascii():
        plain = text.lower()
    else:
        seen = "".join(sign for sign in text if unicodedata.category(sign) != "Cf")
        plain = _without_accents(unicodedata.normalize("NFKC", _without_accents(seen).casefold()))
    if alike is Alike.CODE:
        return "".join(filter(str.isalnum, plain)) or " ".join(plain.split())
    if alike is Alike.NAME:
        plain = _name(plain)
    return " ".join(plain.split())


def _without_accents(text: str) -> str:
    """Latin letters without marks; those of other scripts, where a mark makes another letter, as they are."""
    found: list[str] = []
    base = ""
    for sign in unicodedata.normalize("NFKD", text):
        if not unicodedata.combining(sign):
            base = sign
        elif base <= LAST_OF_LATIN:
            continue
        found.append(sign)
    return unicodedata.normalize("NFC", "".join(found))


def _name(plain: str) -> str:
    words = plain.replace("’", "'").replace(".", " ")
    last, comma, first = words.partition(",")
    if comma and first.strip() and not set(first.replace(",", " ").split()) <= AFTER_A_COMMA:
        words = f"{first} {last}"
    kept = words.replace(",", " ").split()
    while len(kept) > 1 and kept[0] in TITLES:
        del kept[0]
    return " ".join(kept)
