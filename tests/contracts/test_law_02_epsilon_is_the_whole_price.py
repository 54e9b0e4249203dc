"""Law 2: epsilon is the whole price of a call, and cost shows it beforehand."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from unseen.core import accounting
from unseen.core.noise import scalar
from unseen.query import Count

from .subjects import STATISTICS, named, protect, training_guards


def charges_the_whole_price_once(act: Callable[[Any], Any], guard: Any, epsilon: float, data: Any) -> bool:
    """Whether the ledger grows by one entry of exactly ε, as ``cost`` said and the receipt says."""
    told, before = guard.cost(data), data.ledger.entries()
    act(data)
    new = data.ledger.entries()[len(before) :]
    return (
        [entry.epsilon for entry in new] == [epsilon]
        and new[0].guarantee == told.to_dict()
        and Fraction(repr(told.epsilon)) == Fraction(repr(epsilon))
        and new[0].delta == told.delta
    )


class PricePerGroup(Count):
    """Broken: ε for each group, as smartnoise's 4.0 for one SELECT."""

    def release(self, data: Any, purpose: str = "", request: str | None = None) -> Any:
        for _ in self.keys(data) or ("",):
            found = super().release(data, purpose, request)
        return found


@pytest.mark.parametrize("guard", STATISTICS, ids=named)
def test_epsilon_is_the_whole_price_of_a_statistic(tmp_path: Path, guard: Any) -> None:
    assert charges_the_whole_price_once(guard.release, guard, 0.25, protect(tmp_path))


@pytest.mark.parametrize("guard", STATISTICS, ids=named)
def test_the_noise_of_a_statistic_is_certified_for_that_price(tmp_path: Path, guard: Any) -> None:
    mechanism = guard.mechanism(protect(tmp_path, max_rows_per_unit=3))
    certified = scalar._mechanism(mechanism.scale).map(mechanism.sensitivity)
    assert Fraction(certified) <= Fraction("0.25")
    assert accounting.interpret(mechanism.event).noise_multiplier <= 4 * (1 + 1e-12)


def test_epsilon_is_the_whole_price_of_training(tmp_path: Path) -> None:
    for guard in training_guards():
        data = protect(tmp_path)
        guard.fit(data, target="ill")
        (entry,) = data.ledger.entries()
        assert entry.epsilon == 0.25 and 0 < entry.delta <= 1e-7


def test_a_price_per_group_is_seen(tmp_path: Path) -> None:
    broken = PricePerGroup(0.25, by="ill")
    assert not charges_the_whole_price_once(broken.release, broken, 0.25, protect(tmp_path))
