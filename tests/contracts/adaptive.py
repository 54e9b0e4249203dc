"""What the tests of law 6 share: prices as an oracle reads them, and how long they search."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import os
from decimal import Decimal
from fractions import Fraction

from hypothesis import HealthCheck, Phase, settings

import unseen as un

UNIT = "id"


def exactly(value: float) -> Fraction:
    """The number that a price prints as: the oracle's own reading, by way of decimals."""
    return Fraction(Decimal(repr(value)))


def promise(epsilon: float, delta: float = 0.0) -> un.DP:
    return un.DP(epsilon, delta, UNIT)


FULL = os.environ.get("UNSEEN_PROOF") == "full"
ON_DISK = settings(
    max_examples=150 if FULL else 12,
    stateful_step_count=30 if FULL else 14,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
IN_MEMORY = settings(
    max_examples=120,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
