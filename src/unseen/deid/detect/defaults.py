"""What a scan looks for unless it is told otherwise."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence

from unseen.deid.detect.age import Age
from unseen.deid.detect.date import Date
from unseen.deid.detect.internet import Email, Url
from unseen.deid.detect.network import IpAddress, MacAddress
from unseen.deid.detect.numbers import Labelled, Ssn, Vin
from unseen.deid.detect.payment import Card, Iban, Wallet
from unseen.deid.detect.phone import Phone
from unseen.deid.detect.postcode import PostalCode
from unseen.deid.detect.recogniser import Recogniser

__all__ = ["everything", "patterns"]


def patterns(regions: Sequence[str] = ()) -> tuple[Recogniser, ...]:
    """What patterns, check digits and labels find; no names and no places.

    Args:
        regions: countries whose national phone numbers are expected, as ISO 3166 codes of two letters.
    """
    return (
        Email(),
        Url(),
        IpAddress(),
        MacAddress(),
        Card(),
        Iban(),
        Wallet(),
        Ssn(),
        Labelled(),
        Vin(),
        Phone(regions),
        Date(),
        Age(),
        PostalCode(),
    )


def everything(regions: Sequence[str] = ()) -> tuple[Recogniser, ...]:
    """The patterns, and persons, places, organisations and addresses from the lexicon.

    Args:
        regions: countries whose national phone numbers are expected, as ISO 3166 codes of two letters.
    """
    from unseen.deid.detect.entities import Named

    return (*patterns(regions), Named())
