"""What else holds of each class of a k-anonymous table, as values that an attack can read."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Diversity", "PrivacyModel"]


@dataclass(frozen=True)
class PrivacyModel:
    """A privacy model that holds of each class.

    Args:
        sentence: what it says, in a few words.
        limits: what it does not bound.
    """

    sentence: str
    limits: str


@dataclass(frozen=True)
class Diversity(PrivacyModel):
    """l-diversity of a kind.

    Args:
        sensitive: the column that it is about.
        distinct: how many different values each class has at least.
        entropy: each class is at least as uncertain as so many equally frequent values; 1 promises nothing.
    """

    sensitive: str = ""
    distinct: int = 1
    entropy: float = 1.0
