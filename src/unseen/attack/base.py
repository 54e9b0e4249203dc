"""What every attack is: an adversary configured in the constructor, whose `audit` measures it."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

from unseen.core.errors import InvalidRequest
from unseen.core.guarantee import DP, Guarantee, number, whole
from unseen.core.release import Release
from unseen.report.claims import Report

__all__ = ["Attack", "bounds_of", "claimed_dp", "seed_of"]


class Attack(ABC):
    """A configured adversary.

    An attack knows releases and plain models, never the guard or the ledger. What it measures is
    the owner's: a report is computed without a price.
    """

    @abstractmethod
    def audit(self, *args: Any, **kwargs: Any) -> Report:
        """Attack a target, and put what was got beside what was claimed, on one scale."""


def seed_of(seed: object) -> int | None:
    """Check a seed and give it back.

    Raises:
        InvalidRequest: neither None nor a whole number of at least 0.
    """
    return None if seed is None else whole("seed", seed)


def bounds_of(bounds: tuple[float, float] | None) -> tuple[float, float]:
    """Check what an adversary takes for the least and the greatest value, and give it back; None is no bounds.

    Raises:
        InvalidRequest: no two numbers, or reversed ones.
    """
    if bounds is None:
        return -math.inf, math.inf
    try:
        low, high = bounds
    except (TypeError, ValueError):
        raise InvalidRequest(f"bounds={bounds!r} was given", "the least and the greatest value", "(0, 110)") from None
    found = number("bounds low", low), number("bounds high", high)
    if found[0] >= found[1]:
        raise InvalidRequest(f"bounds={bounds!r} was given", "low lies below high")
    return found


def claimed_dp(claim: object) -> DP | None:
    """The differential privacy that a claim promises, or None if it promises something else or nothing.

    Args:
        claim: a release, a guarantee, or None.

    Raises:
        InvalidRequest: it is none of these.
    """
    guarantee = claim.guarantee if isinstance(claim, Release) else claim
    if guarantee is not None and not isinstance(guarantee, Guarantee):
        raise InvalidRequest(
            f"a claim of type {type(claim).__name__} was given", "a claim is a Release, a Guarantee or None"
        )
    return guarantee if isinstance(guarantee, DP) else None
