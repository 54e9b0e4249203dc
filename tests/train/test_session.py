"""A session works with torch's own loop, and shows nothing private that was not asked for."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import copy
import json
import math
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import unseen as un
from unseen.core.errors import InvalidRequest
from unseen.train import DPSGD, Adaptive, Session, session

CROSS_ENTROPY = torch.nn.functional.cross_entropy
NO_NOISE: dict[str, Any] = {"noise_multiplier": 1e-3, "delta": 1e-6}


def people(folder: Path, rows: int = 40) -> un.Dataset:
    frame = pd.DataFrame(
        {"x": np.linspace(0, 1, rows), "y": np.linspace(1, 0, rows), "ill": ["no", "yes"] * (rows // 2)}
    )
    return un.protect(
        frame,
        unit=un.EachRow(),
        columns={"x": un.Range(0, 1), "y": un.Range(0, 1), "ill": un.Categorical("no", "yes")},
        budget=un.DP(epsilon=3, delta=1e-5),
        ledger=folder / "people.ledger",
    )


def rows(count: int = 30, width: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, width, generator=generator), torch.arange(count) % 2


def linear(width: int = 2) -> torch.nn.Linear:
    model = torch.nn.Linear(width, 2)
    torch.nn.init.zeros_(model.weight)
    torch.nn.init.zeros_(model.bias)
    return model


def guard(**changed: Any) -> DPSGD:
    asked: dict[str, Any] = {"epsilon": 1, "delta": 1e-6, "expected_batch_size": 10, "steps": 4, "dataset_size": 30}
    return DPSGD(**(asked | changed))


def loop(run: Session, **named: Any) -> Any:
    for batch in run.batches():
        assert run.step(CROSS_ENTROPY, *batch, **named) is None  # type: ignore[func-returns-value]
    return run.release()


# --- torch's own loop --------------------------------------------------------------------------------------------


def test_a_learning_rate_follows_its_scheduler() -> None:
    model = linear()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    run = guard(seed=1).open(model, optimizer, rows())
    moves, before = [], model.weight.detach().clone()
    for batch in run.batches():
        run.step(CROSS_ENTROPY, *batch)
        scheduler.step()
        moves.append(float((model.weight.detach() - before).norm()))
        before = model.weight.detach().clone()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(1 / 16)
    assert moves[3] < moves[0]


def test_several_optimizers_all_step_and_together_equal_one() -> None:
    one, two = (torch.nn.Sequential(linear(), torch.nn.Tanh(), linear()) for _ in range(2))
    loop(guard(seed=2).open(one, torch.optim.SGD(one.parameters(), lr=0.1), rows()))
    parts = [torch.optim.SGD(two[0].parameters(), lr=0.1), torch.optim.SGD(two[2].parameters(), lr=0.1)]
    loop(guard(seed=2).open(two, parts, rows()))
    for p, q in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(p, q)


def test_an_optimizer_of_another_model_is_refused_before_the_charge(tmp_path: Path) -> None:
    data, model, other = people(tmp_path), linear(), linear()
    wrong: list[Any] = [
        [],
        torch.optim.SGD(other.parameters()),
        [torch.optim.SGD(model.parameters()), torch.optim.SGD(other.parameters())],
        [torch.optim.SGD(model.parameters()), "Adam"],
    ]
    for optimizer in wrong:
        with pytest.raises(InvalidRequest):
            guard().open(model, optimizer, data, target="ill")
    assert data.ledger.entries() == []


def fresh(optimizer: Any, **named: Any) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    model = linear()
    if optimizer is torch.optim.Muon:  # for matrices alone
        model.bias.requires_grad_(False)  # type: ignore[union-attr]
        return model, optimizer([model.weight], **named)
    return model, optimizer(model.parameters(), **named)


KINDS = [getattr(torch.optim, name) for name in torch.optim.__all__ if name not in ("Optimizer", "lr_scheduler")]


@pytest.mark.parametrize("kind", [one for one in KINDS if isinstance(one, type)], ids=lambda kind: kind.__name__)
def test_an_optimizer_that_fails_at_its_first_step_is_refused_before_the_charge(kind: Any, tmp_path: Path) -> None:
    """Whether it would is found by a step of its own; with a scheduler too, which wraps its method."""
    for named in ({}, {"differentiable": True}):
        try:
            model, optimizer = fresh(kind, **named)
        except TypeError:
            assert named
            continue
        torch.optim.lr_scheduler.StepLR(optimizer, 1)
        for parameter in model.parameters():
            parameter.grad = torch.ones_like(parameter)
        try:
            optimizer.step()
            fails = False
        except (RuntimeError, TypeError):
            fails = True
        model, optimizer = fresh(kind, **named)
        torch.optim.lr_scheduler.StepLR(optimizer, 1)
        if not fails:
            guard().open(model, optimizer, rows())
            continue
        data = people(tmp_path)
        with pytest.raises(InvalidRequest, match="SGD or Adam"):
            guard().open(model, optimizer, data, target="ill")
        assert data.ledger.entries() == []


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW, torch.optim.RMSprop, torch.optim.Adagrad])
def test_any_optimizer_of_torch_steps(optimizer: Any) -> None:
    model = linear()
    loop(guard().open(model, optimizer(model.parameters(), lr=0.1), rows()))
    assert float(model.weight.detach().abs().sum()) > 0


def without_noise(model: torch.nn.Module, data: Any, **changed: Any) -> None:
    asked: dict[str, Any] = {**NO_NOISE, "epsilon": None, "expected_batch_size": 30, "steps": 3, "max_grad_norm": 100.0}
    run = guard(**(asked | changed)).open(model, torch.optim.SGD(model.parameters(), lr=0.5), data)
    for batch in run.batches():
        run.step(CROSS_ENTROPY, *batch)


def test_bfloat16_models_train_as_float32_ones_about() -> None:
    wide, narrow = linear(), linear().bfloat16()
    x, y = rows()
    without_noise(wide, (x, y), max_grad_norm=1.0)
    without_noise(narrow, (x.bfloat16(), y), max_grad_norm=1.0)
    assert narrow.weight.dtype == torch.bfloat16
    assert torch.allclose(narrow.weight.float(), wide.weight, atol=0.02)


def test_a_datasets_features_come_in_the_models_dtype(tmp_path: Path) -> None:
    for dtype in (torch.bfloat16, torch.float64):
        model = linear().to(dtype)
        run = guard(epsilon=0.5).open(model, torch.optim.SGD(model.parameters()), people(tmp_path), target="ill")
        assert next(run.batches())[0].dtype == dtype


def test_autocast_lowers_the_forward_pass_and_not_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums and norms in bfloat16 would leave a unit's gradient above the bound."""
    sums: list[torch.Tensor] = []
    real = session.add_gaussian_

    def noting(found: list[torch.Tensor], deviation: float, entropy: Any, factor: float) -> None:
        sums.append(torch.cat([one.flatten().double() for one in found]))
        real(found, deviation, entropy, factor)

    monkeypatch.setattr(session, "add_gaussian_", noting)
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(32, 32), torch.nn.ReLU(), torch.nn.Linear(32, 2))
    seen: set[torch.dtype] = set()

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        seen.add(output.dtype)
        return torch.nn.functional.mse_loss(output.float(), target)

    data = (10 * torch.randn(1, 12, 32), torch.randn(1, 12, 2))
    run = guard(expected_batch_size=1, dataset_size=1, max_grad_norm=0.1, steps=8).open(
        model, torch.optim.SGD(model.parameters(), lr=1e-3), data
    )
    for batch in run.batches():
        with torch.autocast("cpu", dtype=torch.bfloat16):
            run.step(loss, *batch)
    assert torch.bfloat16 in seen
    norms = [float(one.norm()) for one in sums]
    assert max(norms) <= 0.1
    assert min(norms) > 0.099


def test_a_public_loss_adds_its_own_gradient_after_the_noise() -> None:
    """A discriminator: what it learns of generated rows is neither clipped nor noised."""
    with_it, without = linear(), linear()
    generated = torch.tensor([[50.0, 1.0]])

    def public() -> torch.Tensor:
        return with_it(generated)[0, 0] * 3.0

    for model, loss in ((with_it, public), (without, None)):
        run = guard(seed=5, steps=1).open(model, torch.optim.SGD(model.parameters(), lr=1.0), rows())
        loop(run, public_loss=loss)
    moved = with_it.weight.detach() - without.weight.detach()
    assert torch.allclose(moved, torch.tensor([[-150.0, -3.0], [0.0, 0.0]]), rtol=1e-4)


def test_a_gan_trains_with_both_optimizers() -> None:
    torch.manual_seed(0)
    discriminator = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    generator = torch.nn.Linear(3, 2)
    before = [one.detach().clone() for one in (*generator.parameters(), *discriminator.parameters())]
    own = torch.optim.Adam(generator.parameters(), lr=0.01)
    binary = torch.nn.functional.binary_cross_entropy_with_logits

    def real(output: torch.Tensor) -> torch.Tensor:
        return binary(output, torch.ones_like(output))

    def fake() -> torch.Tensor:
        made = discriminator(generator(torch.randn(10, 3)).detach())
        return binary(made, torch.zeros_like(made))

    run = guard().open(discriminator, torch.optim.Adam(discriminator.parameters(), lr=0.01), rows()[:1])
    for batch in run.batches():
        run.step(real, *batch, public_loss=fake)
        own.zero_grad()
        score = discriminator(generator(torch.randn(10, 3)))
        binary(score, torch.ones_like(score)).backward()
        own.step()
    after = [*generator.parameters(), *discriminator.parameters()]
    assert not any(torch.equal(p, q) for p, q in zip(before, after, strict=True))
    assert all(one.grad is not None for one in discriminator.parameters())  # the generator's loss, by the caller


# --- draws of any size -------------------------------------------------------------------------------------------


def test_empty_draws_are_steps_of_noise_alone() -> None:
    model = linear()
    run = guard(expected_batch_size=1, dataset_size=10**6, steps=3).open(
        model, torch.optim.SGD(model.parameters(), lr=0.1), rows(2)
    )
    sizes = []
    for batch in run.batches():
        sizes.append(len(batch[0]))
        before = model.weight.detach().clone()
        run.step(CROSS_ENTROPY, *batch)
        assert not torch.equal(before, model.weight)
    assert sum(sizes) <= 1


def test_a_draw_that_is_more_than_a_pass_holds_spills_over_and_nothing_is_cut() -> None:
    small, large = linear(), linear()
    for model, limit in ((small, 3), (large, 4096)):
        without_noise(model, rows(), seed=3, physical_batch_size=limit)
    assert torch.allclose(small.weight, large.weight, atol=1e-6)
    assert float(small.weight.detach().abs().sum()) > 0.1


def test_a_row_that_is_not_a_number_counts_for_nothing() -> None:
    x, y = rows(29)
    sick = (torch.cat([x, torch.full((1, 2), math.nan)]), torch.cat([y, torch.ones(1, dtype=torch.int64)]))
    one, two = linear(), linear()
    for model, data in ((one, (x, y)), (two, sick)):
        run = guard(expected_batch_size=30, steps=3, seed=8).open(
            model, torch.optim.SGD(model.parameters(), lr=0.1), data
        )
        loop(run)
    assert torch.allclose(one.weight, two.weight, atol=1e-6)


# --- before the charge -------------------------------------------------------------------------------------------


def test_a_model_that_does_not_fit_is_refused_free_of_charge(tmp_path: Path) -> None:
    data = people(tmp_path)
    mixing = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Softmax(dim=0))
    for model in (linear(3), mixing):
        with pytest.raises(InvalidRequest):
            guard().open(model, torch.optim.SGD(model.parameters()), data, target="ill")
    assert data.ledger.entries() == []


def test_a_loop_that_transforms_rows_says_what_the_model_is_given(tmp_path: Path) -> None:
    data, model = people(tmp_path), torch.nn.Sequential(torch.nn.Conv1d(1, 2, 2), torch.nn.Flatten())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(InvalidRequest):
        guard().open(model, optimizer, data, target="ill")
    run = guard().open(model, optimizer, data, target="ill", inputs=torch.zeros(1, 1, 2))
    for x, y in run.batches():
        run.step(CROSS_ENTROPY, x[:, None], y)
    assert len(data.ledger.entries()) == 1


# --- what is private stays so ------------------------------------------------------------------------------------


def test_nothing_private_is_shown_unless_asked_for() -> None:
    model = linear()
    run = guard().open(model, torch.optim.SGD(model.parameters()), rows())
    release = loop(run)
    assert repr(run) == "<Session: 0 of 4 steps left>"
    with pytest.raises(InvalidRequest, match="diagnostics=True"):
        _ = run.private
    assert set(release.to_dict()) == {"guard", "value", "interval", "guarantee", "receipt", "covers"}


def test_the_owner_may_ask_for_private_figures_which_go_nowhere_else() -> None:
    model = linear()
    run = guard(diagnostics=True, seed=1, max_grad_norm=0.5).open(
        model, torch.optim.SGD(model.parameters(), lr=0.1), rows()
    )
    with pytest.raises(InvalidRequest):
        _ = run.private
    for x, y in run.batches():
        with torch.no_grad():
            norms = (x.square().sum(1) + 1).sqrt() * (torch.softmax(model(x), 1) - torch.eye(2)[y]).norm(dim=1)
            loss = float(CROSS_ENTROPY(model(x), y))
        run.step(CROSS_ENTROPY, x, y)
        assert run.private.units == len(x)
        assert run.private.loss == pytest.approx(loss, rel=1e-5)
        assert run.private.clipped == pytest.approx(float((norms > 0.5).float().mean()))
        assert repr(run.private) == "Private()"
        with pytest.raises(TypeError):
            pickle.dumps(run.private)
    release = run.release()
    told = json.dumps(release.to_dict()) + repr(release) + repr(run)
    assert "units" not in told.replace("units and", "")
    assert "loss" not in told


def test_diagnostics_change_no_result() -> None:
    models = [torch.nn.Sequential(linear(), torch.nn.Dropout(0.5), linear()) for _ in range(2)]
    for model, asked in zip(models, (False, True), strict=True):
        loop(guard(seed=9, diagnostics=asked).open(model, torch.optim.SGD(model.parameters(), lr=0.1), rows()))
    for p, q in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.equal(p, q)


def test_an_empty_draw_has_no_mean_loss() -> None:
    model = linear()
    run = guard(diagnostics=True).open(model, torch.optim.SGD(model.parameters()), rows(0))
    loop(run)
    assert (run.private.units, run.private.loss, run.private.clipped) == (0, None, None)


def test_a_release_is_pickled_without_its_session() -> None:
    model = linear()
    run = guard(clipping=Adaptive()).open(model, torch.optim.SGD(model.parameters()), rows())
    release = pickle.loads(pickle.dumps(loop(run)))
    assert isinstance(release.value, torch.nn.Linear)
    assert release.guarantee.epsilon == 1


# --- charged steps are drawn once --------------------------------------------------------------------------------


def test_a_session_is_not_copied() -> None:
    model = linear()
    run = guard().open(model, torch.optim.SGD(model.parameters()), rows())
    for act in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            act(run)
        with pytest.raises(TypeError):
            act(run._left)


@pytest.mark.parametrize("same", [False, True], ids=["another number", "the same number"])
def test_a_forked_process_draws_none_of_the_steps(same: bool) -> None:
    """Also where the system gives its number out again, once its parent has ended."""
    model, parent = linear(), os.getpid()
    run = guard().open(model, torch.optim.SGD(model.parameters()), rows())
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if same:
                os.getpid = lambda: parent
            next(run.batches())
        except InvalidRequest:
            code = 42
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42
    assert run.steps_left == 4


def test_a_step_on_other_rows_names_the_fix() -> None:
    model = linear()
    run = guard(expected_batch_size=30).open(model, torch.optim.SGD(model.parameters()), rows())
    batches = run.batches()
    for _ in range(4):
        x, y = next(batches)
        with pytest.raises(InvalidRequest, match=r"try: session.step\(loss_fn, \*batch\)"):
            run.step(CROSS_ENTROPY, x[1:], y)


def test_two_loops_over_one_session_share_its_steps() -> None:
    model = linear()
    run = guard().open(model, torch.optim.SGD(model.parameters()), rows())
    one, other = run.batches(), run.batches()
    for _ in range(2):
        run.step(CROSS_ENTROPY, *next(one))
        run.step(CROSS_ENTROPY, *next(other))
    assert (list(one), list(other), run.steps_left) == ([], [], 0)


def test_somebodys_earlier_gradient_does_not_go_into_the_model() -> None:
    """Of a part that was frozen after a backward pass, and still is in the optimizer."""
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 2))
    batch = (torch.ones(8, 2), torch.zeros(8, dtype=torch.int64))
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    torch.nn.functional.cross_entropy(model(batch[0]), batch[1]).backward()
    model[0].requires_grad_(False)
    before = model[0].weight.detach().clone()
    guard = DPSGD(noise_multiplier=1.0, delta=1e-6, expected_batch_size=8, steps=2, dataset_size=8)
    session = guard.open(model, optimizer, batch)
    for drawn in session.batches():
        session.step(torch.nn.functional.cross_entropy, *drawn)
    assert torch.equal(model[0].weight, before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="wants fork")
def test_a_batch_that_another_process_drew_is_not_stepped() -> None:
    """Each of the children would add noise of its own to one clipped sum."""
    model = torch.nn.Linear(2, 2)
    batch = (torch.ones(8, 2), torch.zeros(8, dtype=torch.int64))
    guard = DPSGD(noise_multiplier=1.0, delta=1e-6, expected_batch_size=8, steps=2, dataset_size=8)
    session = guard.open(model, torch.optim.SGD(model.parameters(), lr=1.0), batch)
    drawn = next(session.batches())
    child = os.fork()
    if child == 0:
        try:
            session.step(torch.nn.functional.cross_entropy, *drawn)
        except InvalidRequest as error:
            os._exit(0 if "another process" in str(error) else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    session.step(torch.nn.functional.cross_entropy, *drawn)
