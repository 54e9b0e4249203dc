"""Law 1: the ledger commits the charge before the first noise bit is drawn, and nothing is given back."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import unseen as un
from unseen.core.errors import BudgetExceeded
from unseen.core.guard import Guard, Plan, charge
from unseen.core.noise import scalar
from unseen.core.noise.entropy import Entropy
from unseen.query import Count

from .subjects import STATISTICS, named, protect, training_guards


@contextmanager
def traced(ledger: Path) -> Iterator[list[tuple[str, int]]]:
    """Note each draw of noise with the number of entries that are durable, as another reader of the file sees them."""
    seen: list[tuple[str, int]] = []

    def durable() -> int:
        connection = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)
        try:
            return int(connection.execute("SELECT count(*) FROM entries").fetchone()[0])
        finally:
            connection.close()

    def watching(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            seen.append((name, durable()))
            return real(*arguments, **named)

        return call

    class Watched:
        """OpenDP's measurement, whose call draws."""

        def __init__(self, real: Any) -> None:
            self.real, self.map = real, real.map

        def __call__(self, exact: list[int]) -> Any:
            seen.append(("opendp", durable()))
            return self.real(exact)

    make = scalar._mechanism
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scalar, "_mechanism", lambda scale: Watched(make(scale)))
        patch.setattr(Entropy, "words", watching("entropy", Entropy.words))
        yield seen


def charges_before_noise(act: Callable[[Any], Any], data: Any) -> bool:
    """Whether every bit of noise was drawn after one more entry was durable."""
    before = data.ledger.verify()
    with traced(data.ledger.path) as seen:
        act(data)
    assert seen, "no noise was drawn at all: the trace has lost its sampler"
    return all(entries == before + 1 for _, entries in seen)


class NoiseFirst(Count):
    """Broken: draws, and charges only what came out."""

    def release(self, data: Any, purpose: str = "", request: str | None = None) -> Any:
        plan = self.plan(data)
        found = plan.run()
        receipt = charge(data, "NoiseFirst", plan.event, plan.guarantee, purpose)
        return un.Release(found.value, found.interval, plan.guarantee, receipt)


class PlansWithNoise(Count):
    """Broken: draws while it only plans."""

    def plan(self, data: Any) -> Plan[Any]:
        plan = super().plan(data)
        found = plan.run()
        return Plan(plan.guarantee, plan.event, lambda: found)


@pytest.mark.parametrize("guard", STATISTICS, ids=named)
def test_a_statistic_charges_before_its_first_bit_of_noise(tmp_path: Path, guard: Guard[Any]) -> None:
    assert charges_before_noise(guard.release, protect(tmp_path))


def test_training_charges_before_its_first_bit_of_noise(tmp_path: Path) -> None:
    for guard in training_guards():
        assert charges_before_noise(partial(guard.fit, target="ill"), protect(tmp_path))


@pytest.mark.parametrize("broken", [NoiseFirst, PlansWithNoise])
def test_noise_before_the_charge_is_seen(tmp_path: Path, broken: type[Count]) -> None:
    assert not charges_before_noise(broken(0.25).release, protect(tmp_path))


def test_a_refused_charge_draws_nothing(tmp_path: Path) -> None:
    data = protect(tmp_path)
    with traced(data.ledger.path) as seen, pytest.raises(BudgetExceeded):
        Count(3.5).release(data)
    assert seen == []


def test_a_failure_after_the_charge_counts_as_a_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = protect(tmp_path)

    def crash(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(scalar, "laplace", crash)
        with pytest.raises(KeyboardInterrupt):
            data.count(epsilon=0.25)
    assert data.ledger.spent == (0.25, 0)


def test_a_price_shown_beforehand_draws_and_charges_nothing(tmp_path: Path) -> None:
    data = protect(tmp_path)
    with traced(data.ledger.path) as seen:
        for guard in STATISTICS:
            guard.cost(data)
    assert seen == [] and data.ledger.verify() == 0
