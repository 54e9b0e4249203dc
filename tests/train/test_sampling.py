"""Units come into steps as the price assumes; shuffled batches have a price and a relation of their own."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import unseen as un
from unseen.core import accounting
from unseen.core.dataset import Dataset
from unseen.core.errors import InvalidRequest
from unseen.core.guarantee import DP, Neighbours, Nothing
from unseen.core.ledger import Ledger
from unseen.core.noise.entropy import Entropy
from unseen.core.schema import EachRow, Schema
from unseen.train import DPSGD, CentralLimit, Poisson, Shuffled, session
from unseen.train.sampling import PoissonSampler, ShuffledSampler

CROSS_ENTROPY = torch.nn.functional.cross_entropy
FIXED = [Neighbours.REPLACE_ONE, Neighbours.ZERO_OUT]


def declared(folder: Path, relation: Neighbours, rows: int = 20) -> Dataset:
    """People under any relation, with a ledger that counts it."""
    frame = pd.DataFrame({"x": np.linspace(0, 1, rows), "ill": ["no", "yes"] * (rows // 2)})
    schema = Schema(EachRow(), {"x": un.Range(0, 1), "ill": un.Categorical("no", "yes")})
    budget = DP(3, 1e-5, schema.unit_name, relation)
    ledger = Ledger.create(folder / "people.ledger", budget, Dataset(frame, schema, None, relation).fingerprint)
    return Dataset(frame, schema, ledger, relation)


def train(guard: DPSGD, data: Any, **named: Any) -> Any:
    model = torch.nn.Linear(1, 2)
    with guard.open(model, torch.optim.SGD(model.parameters(), lr=0.1), data, **named) as run:
        for batch in run.batches():
            run.step(CROSS_ENTROPY, *batch)
    return run.release()


# --- samplers ----------------------------------------------------------------------------------------------------


@given(
    counts=st.lists(st.integers(1, 3), max_size=12),
    size=st.integers(1, 6),
    seed=st.one_of(st.none(), st.integers(0, 9)),
    epochs=st.integers(1, 3),
)
def test_each_unit_is_once_in_an_epoch_with_all_its_rows(
    counts: list[int], size: int, seed: int | None, epochs: int
) -> None:
    units = np.repeat(np.arange(len(counts)), counts).astype(np.int64)
    sampler = ShuffledSampler(units, size, Entropy(seed))
    assert sampler.together == max(1, math.ceil(len(counts) / size))
    for _ in range(epochs):
        draws = [sampler.draw() for _ in range(sampler.together)]
        assert sorted(np.concatenate([draw.rows for draw in draws])) == list(range(len(units)))
        sizes = [len(draw.counts) for draw in draws]
        assert max(sizes) <= size
        assert max(sizes) - min(sizes) <= 1
        for draw in draws:
            assert np.array_equal(units[draw.rows], np.repeat(np.unique(units[draw.rows]), draw.counts))


def test_shuffles_are_fresh_each_epoch_and_each_run() -> None:
    units = np.arange(200)
    one, other = (ShuffledSampler(units, 100, Entropy()) for _ in range(2))
    drawn = [tuple(one.draw(step).rows) for step in range(4)] + [tuple(other.draw(step).rows) for step in range(4)]
    assert len(set(drawn)) == 8


@pytest.mark.parametrize("sampler", [PoissonSampler, ShuffledSampler])
def test_a_seeded_step_is_the_same_whatever_was_drawn_before(sampler: Any) -> None:
    rate = 0.5 if sampler is PoissonSampler else 7
    one, other = (sampler(np.arange(30), rate, Entropy(4)) for _ in range(2))
    all_of_one = [one.draw().rows for _ in range(10)]
    for step in (7, 3, 9):
        assert np.array_equal(other.draw(step).rows, all_of_one[step])
    assert len({tuple(rows) for rows in all_of_one}) == 10


def test_an_epoch_whose_shuffle_is_lost_is_not_gone_on_with() -> None:
    with pytest.raises(RuntimeError):
        ShuffledSampler(np.arange(20), 5, Entropy()).draw(2)


@pytest.mark.statistical
def test_a_unit_is_in_any_batch_as_likely_as_in_another(proof_runs: Callable[[int, int], int]) -> None:
    """Chi-square over the batch of one unit, false alarm 1e-6; power above 0.99 where half the units are not moved."""
    runs = proof_runs(2000, 20_000)
    sampler = ShuffledSampler(np.arange(40), 10, Entropy())
    places = np.zeros(4)
    for _ in range(runs):
        draws = [sampler.draw() for _ in range(4)]
        places[[0 in draw.rows for draw in draws].index(True)] += 1
    assert stats.chisquare(places).pvalue > 1e-6
    stuck = places / 2 + np.array([runs / 2, 0, 0, 0])
    assert stats.chisquare(stuck).pvalue < 1e-6


# --- the price of shuffled batches -------------------------------------------------------------------------------


def exact_delta(mu: float, epsilon: float) -> float:
    """δ of Gaussians at distance μ (Balle and Wang 2018, theorem 8)."""
    return float(
        stats.norm.cdf(mu / 2 - epsilon / mu) - math.exp(epsilon + float(stats.norm.logcdf(-mu / 2 - epsilon / mu)))
    )


@settings(max_examples=15)
@given(relation=st.sampled_from(FIXED), epochs=st.integers(1, 20), epsilon=st.floats(0.2, 8))
def test_an_epoch_costs_one_unamplified_gaussian(relation: Neighbours, epochs: int, epsilon: float) -> None:
    """By the exact formula for Gaussians, written down independently; 2 % less noise would not do."""
    guard = DPSGD(epsilon, delta=1e-6, expected_batch_size=5, epochs=epochs, sampling=Shuffled(relation))
    data = (torch.zeros(40, 1), torch.zeros(40, dtype=torch.int64))
    model = torch.nn.Linear(1, 2)
    run = guard.open(model, torch.optim.SGD(model.parameters(), lr=0.1), data)
    reach = 2 if relation is Neighbours.REPLACE_ONE else 1
    mu = reach * math.sqrt(epochs) / run.noise_multiplier
    assert exact_delta(mu, epsilon) <= 1e-6 < exact_delta(mu * 1.02, epsilon)
    assert run.steps == epochs * 8
    event, guarantee = guard.price(data)
    assert event == accounting.dpsgd(1.0, run.noise_multiplier / reach, epochs)
    assert isinstance(guarantee, DP)
    assert (guarantee.epsilon, guarantee.neighbours) == (epsilon, relation)


@pytest.mark.parametrize("relation", FIXED)
def test_a_ledger_that_counts_the_relation_is_charged_for_the_epochs(relation: Neighbours, tmp_path: Path) -> None:
    data = declared(tmp_path, relation)
    release = train(DPSGD(1.0, expected_batch_size=8, epochs=2, sampling=Shuffled(relation)), data, target="ill")
    (entry,) = data.ledger.entries()  # type: ignore[union-attr]
    assert entry.epsilon == 1.0
    assert release.guarantee.neighbours is relation
    assert relation.value in str(release.guarantee)


@pytest.mark.parametrize(
    ("relation", "sampling", "fix"),
    [
        (Neighbours.ADD_REMOVE, Shuffled(), r"Poisson\(\)"),
        (Neighbours.ADD_REMOVE, Shuffled(Neighbours.ZERO_OUT), r"Poisson\(\)"),
        (Neighbours.REPLACE_ONE, Poisson(), r"Shuffled\(un.Neighbours.REPLACE_ONE\)"),
        (Neighbours.ZERO_OUT, Poisson(), r"Shuffled\(un.Neighbours.ZERO_OUT\)"),
        (Neighbours.ZERO_OUT, Shuffled(), r"Shuffled\(un.Neighbours.ZERO_OUT\)"),
        (Neighbours.REPLACE_ONE, Shuffled(Neighbours.ZERO_OUT), r"Shuffled\(un.Neighbours.REPLACE_ONE\)"),
    ],
)
def test_another_relation_than_the_datas_is_refused_with_the_fix(
    relation: Neighbours, sampling: Any, fix: str, tmp_path: Path
) -> None:
    data = declared(tmp_path, relation)
    guard = DPSGD(1.0, expected_batch_size=8, epochs=2, sampling=sampling)
    with pytest.raises(InvalidRequest, match=fix):
        guard.cost(data)
    with pytest.raises(InvalidRequest, match=fix):
        train(guard, data, target="ill")
    assert data.ledger.entries() == []  # type: ignore[union-attr]
    assert hasattr(un, "Neighbours")


@pytest.mark.parametrize("relation", FIXED)
def test_a_part_has_no_fixed_number_of_units(relation: Neighbours, tmp_path: Path) -> None:
    part = declared(tmp_path, relation).parts("ill")["yes"]
    with pytest.raises(InvalidRequest, match="whole dataset"):
        train(
            DPSGD(1.0, expected_batch_size=8, epochs=2, sampling=Shuffled(relation)), part, target="ill", features=["x"]
        )


@pytest.mark.parametrize(
    "wrong", [{"steps": 10}, {"epochs": 1.5}, {"epochs": 2, "dataset_size": 100}], ids=lambda wrong: "-".join(wrong)
)
def test_shuffled_batches_come_in_whole_epochs_of_all_units(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        DPSGD(1.0, expected_batch_size=8, sampling=Shuffled, **wrong)
    with pytest.raises(InvalidRequest):
        Shuffled(Neighbours.ADD_REMOVE)


def test_exchanging_a_unit_moves_an_epoch_by_what_is_priced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows that pull in opposite directions, the same shuffle: all sums of an epoch together move by 2C."""
    sums: list[torch.Tensor] = []
    real = session.add_gaussian_

    def noting(found: list[torch.Tensor], deviation: float, entropy: Any, factor: float) -> None:
        sums.append(torch.cat([one.flatten() for one in found]))
        real(found, deviation, entropy, factor)

    monkeypatch.setattr(session, "add_gaussian_", noting)

    def epoch(last: float) -> torch.Tensor:
        sums.clear()
        model = torch.nn.Linear(1, 1, bias=False)
        guard = DPSGD(1.0, delta=1e-6, expected_batch_size=4, epochs=1, max_grad_norm=0.5, sampling=Shuffled, seed=3)
        data = (torch.tensor([[1.0], [2.0], [3.0], [-1.0], [-2.0], [0.1], [0.2], [0.3], [last]]),)
        run = guard.open(model, torch.optim.SGD(model.parameters(), lr=0.0), data)
        for batch in run.batches():
            run.step(lambda output: output.sum(), *batch)
        return torch.stack(sums).clone()

    moved = float((epoch(9.0) - epoch(-9.0)).norm())
    assert 1.99 * 0.5 < moved <= 2 * 0.5


def test_no_units_are_an_empty_epoch() -> None:
    release = train(
        DPSGD(1.0, delta=1e-6, expected_batch_size=4, epochs=3, sampling=Shuffled),
        (torch.zeros(0, 1), torch.zeros(0, dtype=torch.int64)),
    )
    assert all(torch.isfinite(one).all() for one in release.value.parameters())


# --- a central limit promises nothing -----------------------------------------------------------------------------


def test_a_central_limit_promises_nothing_and_is_recorded_as_unpriced(tmp_path: Path) -> None:
    data = declared(tmp_path, Neighbours.ADD_REMOVE)
    guard = DPSGD(2.0, expected_batch_size=2, steps=20, dataset_size=20, accountant=CentralLimit)
    release = train(guard, data, target="ill")
    assert isinstance(release.guarantee, Nothing)
    assert "central limit" in release.guarantee.reason
    (entry,) = data.ledger.entries()  # type: ignore[union-attr]
    assert not entry.priced
    assert "0 of 1" in data.ledger.total  # type: ignore[union-attr]


def test_a_central_limit_says_less_than_is_certified() -> None:
    data = (torch.zeros(2, 1),)
    asked: dict[str, Any] = {
        "noise_multiplier": 0.72,
        "delta": 1e-5,
        "expected_batch_size": 256,
        "epochs": 15,
        "dataset_size": 60_000,
    }
    certified = DPSGD(**asked).cost(data)
    limit = DPSGD(**asked, accountant=CentralLimit).cost(data)
    assert isinstance(certified, DP)
    assert isinstance(limit, Nothing)
    assert certified.epsilon > 3.1
    assert "2.51" in limit.reason
