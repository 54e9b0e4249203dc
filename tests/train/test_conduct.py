"""What a loop does beside its steps is told, and what can't be trained well is said before the charge."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import unseen as un
from unseen.core.errors import InvalidRequest

STEPS = 6


def session(model: nn.Module, optimizer: Any = None, **options: Any) -> Any:
    torch.manual_seed(0)
    data = (torch.randn(20, 4), torch.randint(2, (20,)))
    guard = un.train.DPSGD(
        noise_multiplier=1.0, delta=1e-5, expected_batch_size=10, steps=STEPS, dataset_size=20, **options
    )
    return guard.open(model, optimizer or torch.optim.SGD(model.parameters(), lr=0.1), data)


def linear() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(4, 2)


def test_a_proper_loop_is_not_scolded() -> None:
    model = linear()
    with session(model) as one:
        for batch in one.batches():
            one.step(cross_entropy, *batch)
    one.release()


def own_step(one: Any, model: nn.Module, optimizer: Any, batch: Any) -> None:
    optimizer.zero_grad()
    cross_entropy(model(batch[0]), batch[1]).sum().backward()
    optimizer.step()


def after_its_own(one: Any, model: nn.Module, optimizer: Any, batch: Any) -> None:
    one.step(cross_entropy, *batch)
    own_step(one, model, optimizer, batch)


@pytest.mark.parametrize("loop", [own_step, after_its_own])
def test_a_model_that_is_changed_outside_a_step_is_told(loop: Callable[..., None]) -> None:
    model = linear()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    one = session(model, optimizer)
    batches = one.batches()
    loop(one, model, optimizer, next(batches))
    with pytest.warns(un.train.OutsideStep, match="neither clipped nor noised"):
        one.step(cross_entropy, *next(batches)) if loop is after_its_own else next(batches)


def test_a_change_before_the_release_is_told() -> None:
    model = linear()
    one = session(model)
    for batch in one.batches():
        one.step(cross_entropy, *batch)
    with torch.no_grad():
        model.weight.add_(1.0)
    with pytest.warns(un.train.OutsideStep, match="outside session.step"):
        one.release()


def test_batches_without_a_step_are_told() -> None:
    one = session(linear())
    with pytest.warns(un.train.OutsideStep, match=f"{STEPS} of the {STEPS} batches"):
        list(one.batches())


def test_a_loss_that_fails_leaves_the_other_steps() -> None:
    def shapes_apart(output: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        return (output @ label.float()).sum()

    one = session(linear())
    batches = one.batches()
    with pytest.raises(InvalidRequest, match=f"{STEPS - 1} of {STEPS} charged steps are left") as seen:
        one.step(shapes_apart, *next(batches))
    assert isinstance(seen.value.__cause__, RuntimeError)
    one.step(cross_entropy, *next(batches))
    assert one.steps_left == STEPS - 2


def test_parameters_that_no_optimizer_holds_are_refused() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    with pytest.raises(InvalidRequest, match="no optimizer holds") as seen:
        session(model, torch.optim.SGD(model[1].parameters(), lr=0.1))
    assert "'0.weight'" in str(seen.value)
    model[0].requires_grad_(False)
    session(model, torch.optim.SGD(model[1].parameters(), lr=0.1))


def test_a_frozen_batch_normalisation_stays_and_one_that_trains_is_refused() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2))
    with pytest.raises(InvalidRequest, match="GroupNorm"):
        session(model)
    with torch.no_grad():
        model[1](torch.randn(50, 3))  # public rows
    before = model[1].running_mean.clone()
    model[1].requires_grad_(False).eval()
    one = session(model)
    batches = one.batches()
    one.step(cross_entropy, *next(batches))
    assert torch.equal(before, model[1].running_mean)
    model.train()  # somebody switches it on again in the middle
    with pytest.raises(InvalidRequest, match="GroupNorm"):
        one.step(cross_entropy, *next(batches))


def test_a_batch_of_more_than_all_units_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="at most all units"):
        un.train.DPSGD(noise_multiplier=1.0, delta=1e-5, expected_batch_size=21, steps=1, dataset_size=20)


def test_another_kind_of_optimizer_is_refused_at_a_resume(tmp_path: Path) -> None:
    model = linear()
    data = (torch.randn(20, 4), torch.randint(2, (20,)))
    guard = un.train.DPSGD(noise_multiplier=1.0, delta=1e-5, expected_batch_size=10, steps=STEPS, dataset_size=20)
    one = guard.open(model, torch.optim.Adam(model.parameters()), data)
    one.step(cross_entropy, *next(one.batches()))
    place = one.checkpoint(tmp_path / "run")
    for other in (torch.optim.AdamW, torch.optim.SGD):
        with pytest.raises(InvalidRequest, match=r"Adam, as at the checkpoint"):
            guard.resume(place, model, other(model.parameters(), lr=0.1), data)


def test_a_list_of_categories_is_not_one_category() -> None:
    with pytest.raises(un.core.errors.InvalidSchema, match="one by one"):
        un.Categorical(["no", "yes"])
