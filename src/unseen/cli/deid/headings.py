"""What columns are called on a terminal or page: their numbers, where a value stands for a name."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["labels", "lacking"]


def labels(names: Sequence[str], least: float) -> dict[str, str]:
    """Each column's name, or its number where its name would identify somebody: in a file that has a row where its
    header should be.

    Args:
        names: the columns' names.
        least: the least score that counts.

    Raises:
        MissingExtra: what finds personal information is not installed.
    """
    from unseen.deid import Entity, scan

    kinds = {Entity.PERSON, Entity.EMAIL_ADDRESS, Entity.PHONE_NUMBER, Entity.US_SSN, Entity.STREET_ADDRESS}
    kinds |= {Entity.IBAN, Entity.CREDIT_CARD, Entity.NATIONAL_ID, Entity.DATE, Entity.POSTAL_CODE, Entity.IP_ADDRESS}
    hidden = {one.row for one in scan(list(names), least=least) if one.entity in kinds}
    return {name: f"column {at + 1}" if at in hidden else name for at, name in enumerate(names)}


def lacking(called: dict[str, str]) -> list[str]:
    """What is to be said of columns that numbers stand for."""
    hidden = sum(name != label for name, label in called.items())
    if not hidden:
        return []
    if hidden == 1:
        return ["1 column has a name that looks like a value, so its number stands here: the file may lack a header."]
    return [f"{hidden} columns have names that look like values, so numbers stand here: the file may lack a header."]
