"""A run is charged once, as a whole, before anything is drawn; its noise and its samples are as priced."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import unseen as un
from unseen.core import accounting
from unseen.core.errors import BudgetExceeded, InvalidRequest
from unseen.core.noise.entropy import Entropy
from unseen.train import DPSGD, gradients
from unseen.train.sampling import Draw, PoissonSampler

CROSS_ENTROPY = torch.nn.functional.cross_entropy


def protected(frame: pd.DataFrame, folder: Path, epsilon: float = 1.0) -> un.Dataset:
    return un.protect(
        frame,
        unit="person",
        columns={"x": un.Range(0, 1), "ill": un.Categorical("no", "yes")},
        budget=un.DP(epsilon=epsilon, delta=1e-5),
        ledger=folder / "people.ledger",
        max_rows_per_unit=2,
    )


def people(rows: int = 60) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "person": [f"p{i // 2}" for i in range(rows)],
            "x": np.linspace(0, 1, rows),
            "ill": np.where(np.arange(rows) % 3 == 0, "yes", "no"),
        }
    )


def network() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    model = torch.nn.Linear(1, 2)
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


def train(guard: DPSGD, data: Any, **named: Any) -> Any:
    with guard.open(*network(), data, **named) as session:
        for batch in session.batches():
            session.step(CROSS_ENTROPY, *batch)
    return session.release()


def test_whole_run_is_one_entry_of_exactly_epsilon(tmp_path: Path) -> None:
    data = protected(people(), tmp_path)
    guard = DPSGD(epsilon=0.3, expected_batch_size=10, epochs=2)
    release = train(guard, data, target="ill")
    assert release.guarantee == guard.cost(data)
    (entry,) = data.ledger.entries()
    assert entry.epsilon == 0.3
    assert entry.delta == pytest.approx(1e-6)
    assert release.interval is None


def test_charge_stands_before_the_first_coin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = protected(people(), tmp_path)
    entries_at_draw: list[int] = []
    words = Entropy.words

    def watched(self: Entropy, count: int) -> Any:
        entries_at_draw.append(len(data.ledger.entries()))
        return words(self, count)

    monkeypatch.setattr(Entropy, "words", watched)
    train(DPSGD(epsilon=0.3, expected_batch_size=10, steps=3, dataset_size=30), data, target="ill")
    assert set(entries_at_draw) == {1}


def test_exhausted_budget_trains_nothing(tmp_path: Path) -> None:
    data = protected(people(), tmp_path, epsilon=0.2)
    model, optimizer = network()
    before = [p.clone() for p in model.parameters()]
    with pytest.raises(BudgetExceeded):
        DPSGD(epsilon=0.3, expected_batch_size=10, steps=3).open(model, optimizer, data, target="ill")
    assert all(torch.equal(p, q) for p, q in zip(before, model.parameters(), strict=True))
    assert data.ledger.entries() == []


@pytest.mark.parametrize("rows", [0, 1])
def test_hardly_any_rows_give_a_normal_charged_release(rows: int, tmp_path: Path) -> None:
    frame = people(2).head(rows).astype({"person": str, "x": float, "ill": str})
    data = protected(frame, tmp_path)
    release = train(DPSGD(epsilon=0.3, expected_batch_size=10, steps=3), data, target="ill")
    assert release.receipt.epsilon == 0.3


def test_nan_in_data_gives_a_normal_charged_release(tmp_path: Path) -> None:
    frame = people()
    frame.loc[3, "x"], frame.loc[4, "ill"] = np.nan, None
    release = train(DPSGD(epsilon=0.3, expected_batch_size=10, steps=3), protected(frame, tmp_path), target="ill")
    assert release.receipt.epsilon == 0.3
    own = (torch.tensor([[np.nan], [1.0]], dtype=torch.float32), torch.tensor([0, 1]))
    release = train(DPSGD(epsilon=1, delta=1e-6, expected_batch_size=1, steps=5, dataset_size=2), own)
    assert all(torch.isfinite(p).all() for p in release.value.parameters())
    assert release.receipt is None


def test_no_step_beyond_the_charged_ones_and_one_a_batch() -> None:
    data = (torch.randn(20, 1), torch.zeros(20, dtype=torch.int64))
    guard = DPSGD(epsilon=1, delta=1e-6, expected_batch_size=5, steps=3, dataset_size=20)
    session = guard.open(*network(), data)
    with pytest.raises(InvalidRequest):
        session.step(CROSS_ENTROPY, *data)
    batch: tuple[torch.Tensor, ...] = ()
    for batch in session.batches():
        session.step(CROSS_ENTROPY, *batch)
    with pytest.raises(InvalidRequest):
        session.step(CROSS_ENTROPY, *batch)
    assert session.steps_left == 0
    assert list(session.batches()) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"epsilon": 1, "noise_multiplier": 1},
        {"epsilon": 1, "steps": 1, "epochs": 1},
        {"epsilon": float("nan"), "steps": 1},
        {"noise_multiplier": 1, "steps": 1},
        {"epsilon": 1, "steps": 1, "max_grad_norm": 0},
        {"epsilon": 1, "steps": 1, "delta": 1},
        {"epsilon": 1, "steps": 1, "clipping": "flat"},
        {"epsilon": 1, "steps": 1, "sampling": "poisson"},
        {"epsilon": 1, "steps": 1, "accountant": "gdp"},
    ],
)
def test_wrong_arguments_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        DPSGD(expected_batch_size=5, **wrong)


def test_noise_multiplier_without_dataset_size_names_it() -> None:
    with pytest.raises(InvalidRequest, match="dataset_size"):
        DPSGD(noise_multiplier=1, steps=1, expected_batch_size=5)


def test_calibration_stays_below_an_independent_renyi_bound() -> None:
    """PLD is tighter than RDP, so RDP's ε at the calibrated noise bounds ours from above, and not by much."""
    import dp_accounting as dp
    from dp_accounting.rdp import RdpAccountant

    data = (torch.zeros(2000, 1), torch.zeros(2000, dtype=torch.int64))
    session = DPSGD(epsilon=1, delta=1e-6, expected_batch_size=200, steps=50, dataset_size=2000).open(*network(), data)
    accountant = RdpAccountant()
    step = dp.PoissonSampledDpEvent(0.1, dp.GaussianDpEvent(session.noise_multiplier))
    accountant.compose(dp.SelfComposedDpEvent(step, 50))
    assert 1.0 <= accountant.get_epsilon(1e-6) <= 1.4
    fine = dp.pld.PLDAccountant(value_discretization_interval=1e-4)
    fine.compose(dp.SelfComposedDpEvent(step, 50))
    assert fine.get_epsilon(1e-6) <= 1.0


def test_noise_multiplier_is_certified_before_the_charge(tmp_path: Path) -> None:
    data = protected(people(), tmp_path, epsilon=3.0)
    guard = DPSGD(noise_multiplier=5.0, expected_batch_size=10, steps=4, dataset_size=30)
    train(guard, data, target="ill")
    (entry,) = data.ledger.entries()
    assert entry.epsilon == accounting.epsilon_of_dpsgd(10 / 30, 5.0, 4, entry.delta)


def test_seeded_runs_repeat_and_promise_nothing() -> None:
    data = (torch.linspace(0, 1, 30)[:, None], torch.arange(30) % 2)
    found = []
    for _ in range(2):
        model = torch.nn.Linear(1, 2)
        torch.nn.init.zeros_(model.weight)
        torch.nn.init.zeros_(model.bias)
        guard = DPSGD(epsilon=1, delta=1e-6, expected_batch_size=10, steps=4, seed=3)
        session = guard.open(model, torch.optim.SGD(model.parameters(), lr=0.1), data)
        for batch in session.batches():
            session.step(CROSS_ENTROPY, *batch)
        release = session.release()
        assert isinstance(release.guarantee, un.core.guarantee.Nothing)
        assert release.guarantee.reason.startswith("seeded")
        found.append(model.weight.detach().clone())
    assert torch.equal(*found)


def unclipped(clipping: Any, squares: torch.Tensor, bound: float, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    """The fault: no bound at all."""
    return torch.ones_like(squares), torch.isfinite(squares).all(0)


def one_step(rows: int, size: int) -> tuple[np.ndarray, float]:
    """The change that one step of rate 1 makes to many parameters, times B, and the noise's deviation."""
    model = torch.nn.Linear(size, 1, bias=False)
    torch.nn.init.zeros_(model.weight)
    guard = DPSGD(noise_multiplier=2.0, delta=1e-6, max_grad_norm=0.5, expected_batch_size=1, steps=1, dataset_size=1)
    data = (torch.ones(rows, size) * 100.0,)
    session = guard.open(model, torch.optim.SGD(model.parameters(), lr=1.0), data)
    for batch in session.batches():
        session.step(lambda output: -output.sum(), *batch)
    return model.weight.detach().double().numpy().ravel(), session.noise_multiplier * 0.5


def test_a_sum_of_a_million_features_is_not_taken_for_a_mixture_of_rows() -> None:
    """Alone and among others a row's sum is made in another order, and where it nearly cancels out that shows."""
    change, _ = one_step(0, 1_000_000)
    assert len(change) == 1_000_000


@pytest.mark.statistical
def test_noise_has_the_charged_deviation(proof_runs: Callable[[int, int], int]) -> None:
    """False alarm 1e-6 (chi-square on the variance); power above 0.999 against σ off by 5 %."""
    size = proof_runs(40_000, 1_000_000)
    change, deviation = one_step(0, size)

    def accepted(sample: np.ndarray) -> bool:
        statistic = (sample**2).sum() / deviation**2
        return bool(stats.chi2.ppf(5e-7, size) < statistic < stats.chi2.ppf(1 - 5e-7, size))

    assert accepted(change)
    assert not accepted(change * 0.95)
    assert not accepted(change * 1.05)


@pytest.mark.statistical
def test_one_unit_moves_a_step_by_at_most_the_bound(
    proof_runs: Callable[[int, int], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shift along the unit's own direction, against a normal; false alarm 1e-6; missing clipping is seen."""
    size = proof_runs(1000, 1000)
    limit = 0.5 - 2.0 * 0.5 * float(stats.norm.ppf(1e-6))

    def shift() -> float:
        change, _ = one_step(1, size)
        return float(change.sum() / np.sqrt(size))

    assert shift() <= limit
    monkeypatch.setattr(gradients, "factors_within", unclipped)
    assert shift() > limit


@pytest.mark.statistical
def test_units_enter_at_the_charged_rate_with_all_their_rows(proof_runs: Callable[[int, int], int]) -> None:
    """Binomial test of all coins, false alarm 1e-6; power above 1 - 1e-9 against a rate off by 5 %."""
    draws = proof_runs(1_000, 10_000)
    units = np.repeat(np.arange(200), np.arange(200) % 3 + 1)
    sampler = PoissonSampler(units, 0.2, Entropy())
    seen = 0
    for _ in range(draws):
        draw = sampler.draw()
        assert np.array_equal(draw.counts, np.unique(units[draw.rows], return_counts=True)[1])
        assert np.array_equal(draw.counts, np.unique(units[draw.rows]) % 3 + 1)
        seen += len(draw.counts)
    coins = draws * 200
    assert stats.binomtest(seen, coins, 0.2).pvalue > 1e-6
    assert stats.binomtest(seen, coins, 0.2 * 1.05).pvalue < 1e-6


@given(counts=st.lists(st.integers(1, 6), max_size=30), limit=st.integers(1, 20))
def test_physical_batches_hold_every_row_once_and_whole_units(counts: list[int], limit: int) -> None:
    draw = Draw(np.arange(sum(counts)), np.array(counts, dtype=np.intp))
    owner = np.repeat(np.arange(len(counts)), counts)
    weight = np.zeros(sum(counts))
    for part in draw.physical(limit):
        rows, weights = part.rows, part.weights
        assert len(rows) <= limit or part.units == 1
        assert all(len(set(unit)) == 1 for unit in owner[rows].reshape(part.units, -1))
        np.add.at(weight, rows, weights)
    assert np.allclose(weight, 1 / np.repeat(counts, counts) if counts else [])
