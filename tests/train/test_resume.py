"""A run that is killed and resumed stays within what was charged; with a seed it ends as if it was never stopped."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

import unseen as un
from unseen.core.errors import InvalidRequest, LedgerError
from unseen.core.guarantee import Nothing
from unseen.train import DPSGD, Adaptive, Clipping, Poisson, Session, Shuffled, session
from unseen.train.steps import Steps

CROSS_ENTROPY = torch.nn.functional.cross_entropy


def rows(count: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, 2, generator=generator), torch.arange(count) % 2


def people(folder: Path) -> un.Dataset:
    x = np.linspace(0, 1, 40)
    return un.protect(
        pd.DataFrame({"x": x, "y": 1 - x, "ill": ["no", "yes"] * 20}),
        unit=un.EachRow(),
        columns={"x": un.Range(0, 1), "y": un.Range(0, 1), "ill": un.Categorical("no", "yes")},
        budget=un.DP(epsilon=3, delta=1e-5),
        ledger=folder / "people.ledger",
    )


def network() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Dropout(0.2), torch.nn.Linear(8, 2))
    return model, torch.optim.Adam(model.parameters(), lr=0.05)


def sequence() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    """Convolution and attention over positions: their norms can be had in several ways, which round otherwise."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Unflatten(1, (2, 1)),
        torch.nn.Linear(1, 8),
        torch.nn.TransformerEncoderLayer(8, 2, 16, dropout=0.2, batch_first=True),
        torch.nn.Conv1d(2, 4, 3, padding=1),
        torch.nn.Flatten(),
        torch.nn.Linear(32, 2),
    )
    return model, torch.optim.Adam(model.parameters(), lr=0.05)


def guard(**changed: Any) -> DPSGD:
    asked: dict[str, Any] = {"epsilon": 1, "delta": 1e-6, "expected_batch_size": 10, "steps": 12, "dataset_size": 40}
    return DPSGD(**(asked | changed))


def go(run: Session, steps: int | None = None) -> int:
    """So many steps, or all that are left; how many were noised."""
    done = 0
    for batch in run.batches():
        run.step(CROSS_ENTROPY, *batch)
        done += 1
        if done == steps:
            break
    return done


# --- within what was charged -------------------------------------------------------------------------------------


def test_a_stopped_run_goes_on_where_it_was_and_charges_nothing(tmp_path: Path) -> None:
    data, own = people(tmp_path), dict[str, Any](target="ill")
    run = guard(clipping=Adaptive(quantile=0.9)).open(*network(), data, **own)
    assert go(run, 5) == 5
    run.checkpoint(tmp_path / "run.pt")
    model, optimizer = network()
    after = guard(clipping=Adaptive(quantile=0.9)).resume(tmp_path / "run.pt", model, optimizer, data, **own)
    assert after.steps_left == 7
    assert after._bound == run._bound
    for p, q in zip(model.parameters(), run._model.parameters(), strict=True):
        assert torch.equal(p, q)
    assert go(after) == 7
    assert len(data.ledger.entries()) == 1
    release = after.release()
    assert release.receipt == run.release().receipt
    assert release.guarantee == run.release().guarantee
    assert release.guarantee.epsilon == 1


@pytest.mark.parametrize("ledger", [True, False])
def test_all_who_go_on_with_a_run_share_its_steps(ledger: bool, tmp_path: Path) -> None:
    """The first goes on after its checkpoint, and it is resumed twice: together they noise what was charged."""
    data: Any = people(tmp_path) if ledger else rows()
    own: dict[str, Any] = {"target": "ill"} if ledger else {}
    first = guard().open(*network(), data, **own)
    noised = go(first, 3)
    first.checkpoint(tmp_path / "run.pt")
    noised += go(first, 2)
    second = guard().resume(tmp_path / "run.pt", *network(), data, **own)
    noised += go(second, 2)
    third = guard().resume(tmp_path / "run.pt", *network(), data, **own)
    assert third.steps_left <= 12 - noised
    for run in (first, third, second, first):
        noised += go(run)
    assert noised == 12
    assert guard().resume(tmp_path / "run.pt", *network(), data, **own).steps_left == 0


def test_checkpoints_of_one_run_share_one_count(tmp_path: Path) -> None:
    run = guard().open(*network(), rows())
    go(run, 3)
    run.checkpoint(tmp_path / "three.pt")
    go(run, 3)
    run.checkpoint(tmp_path / "six.pt")
    assert guard().resume(tmp_path / "three.pt", *network(), rows()).steps_left == 6
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(InvalidRequest, match="folder"):
        run.checkpoint(tmp_path / "elsewhere" / "run.pt")


def test_a_checkpoint_whose_count_is_lost_is_not_resumed(tmp_path: Path) -> None:
    run = guard().open(*network(), rows())
    go(run, 3)
    run.checkpoint(tmp_path / "run.pt")
    (tmp_path / "copy").mkdir()
    shutil.copy(tmp_path / "run.pt", tmp_path / "copy")
    with pytest.raises(LedgerError):
        guard().resume(tmp_path / "copy" / "run.pt", *network(), rows())
    (count,) = tmp_path.glob("*.steps")
    count.write_bytes(b"")
    for act in (lambda: guard().resume(tmp_path / "run.pt", *network(), rows()), lambda: go(run)):
        with pytest.raises(LedgerError):
            act()


def test_copies_of_a_checkpoint_share_the_count_beside_the_ledgers_key(tmp_path: Path) -> None:
    data = people(tmp_path)
    run = guard().open(*network(), data, target="ill")
    go(run, 3)
    run.checkpoint(tmp_path / "run.pt")
    (tmp_path / "copy").mkdir()
    shutil.copy(tmp_path / "run.pt", tmp_path / "copy")
    after = guard().resume(tmp_path / "copy" / "run.pt", *network(), data, target="ill")
    assert go(run) + go(after) == 9


def test_an_epoch_of_shuffled_batches_is_not_gone_on_with(tmp_path: Path) -> None:
    """Its shuffle is gone: another would bring a unit into a second batch of the same epoch."""
    asked: dict[str, Any] = {"steps": None, "epochs": 3, "dataset_size": None, "sampling": Shuffled}
    run = guard(**asked).open(*network(), rows())
    assert run.steps == 12
    go(run, 5)
    run.checkpoint(tmp_path / "run.pt")
    after = guard(**asked).resume(tmp_path / "run.pt", *network(), rows())
    assert after.steps_left == 4
    seen: list[np.ndarray[Any, Any]] = []
    for batch in after.batches():
        seen.append(batch[0].numpy())
        after.step(CROSS_ENTROPY, *batch)
    assert len(np.unique(np.concatenate(seen), axis=0)) == 40
    assert go(run) == 3
    with pytest.raises(InvalidRequest, match="units"):
        guard(**asked).resume(tmp_path / "run.pt", *network(), rows(41))


def test_a_checkpoint_holds_no_noise_and_no_private_figure(tmp_path: Path) -> None:
    run = guard(diagnostics=True).open(*network(), rows())
    go(run, 3)
    path = run.checkpoint(tmp_path / "run.pt")
    assert path.stat().st_mode & 0o777 == 0o600
    held = torch.load(path, weights_only=True)
    assert set(held) == {
        *("format", "run", "configuration", "size", "steps", "given", "bound", "receipt"),
        *("model", "optimizers", "kinds", "others"),
    }
    (state,) = held["optimizers"]
    assert set(state) == {"state", "param_groups"}
    assert set(state["state"][0]) == {"step", "exp_avg", "exp_avg_sq"}
    assert sorted(one.suffix for one in tmp_path.iterdir()) == [".pt", ".steps"]  # no draft is left


def test_a_checkpoint_is_not_written_between_a_batch_and_its_step(tmp_path: Path) -> None:
    run = guard().open(*network(), rows())
    batch = next(run.batches())
    with pytest.raises(InvalidRequest):
        run.checkpoint(tmp_path / "run.pt")
    run.step(CROSS_ENTROPY, *batch)
    run.checkpoint(tmp_path / "run.pt")


@pytest.mark.parametrize(
    "changed",
    [
        {"epsilon": 2},
        {"noise_multiplier": 0.1, "epsilon": None},
        {"steps": 13},
        {"max_grad_norm": 5},
        {"delta": 1e-5},
        {"clipping": Adaptive()},
        {"expected_batch_size": 11},
        {"dataset_size": 4000},
        {"seed": 1},
    ],
    ids=lambda changed: "-".join(changed),
)
def test_another_configuration_does_not_resume(changed: dict[str, Any], tmp_path: Path) -> None:
    run = guard().open(*network(), rows())
    go(run, 3)
    run.checkpoint(tmp_path / "run.pt")
    told = ", another ".join(sorted({"physical_batch_size", "compile", *changed} if "seed" in changed else changed))
    with pytest.raises(InvalidRequest, match=f"another configuration .* another {told};"):
        guard(**changed).resume(tmp_path / "run.pt", *network(), rows())
    same = guard(physical_batch_size=7, diagnostics=True, sampling=Poisson())
    assert same.resume(tmp_path / "run.pt", *network(), rows()).steps_left == 9


class Halved(Clipping):
    """A rule of somebody's own, which prints as its place in memory."""

    def __init__(self, share: Any = 0.5) -> None:
        self.share = share

    def factors(self, norms: torch.Tensor, bound: float | torch.Tensor) -> torch.Tensor:
        return torch.full_like(norms, float(self.share))


def test_a_rule_of_ones_own_is_known_again_by_what_it_holds(tmp_path: Path) -> None:
    run = guard(clipping=Halved()).open(*network(), rows())
    run.checkpoint(tmp_path / "run.pt")
    assert guard(clipping=Halved()).resume(tmp_path / "run.pt", *network(), rows()).steps_left == 12
    with pytest.raises(InvalidRequest, match="another clipping;"):
        guard(clipping=Halved(0.4)).resume(tmp_path / "run.pt", *network(), rows())


def test_a_rule_that_can_not_be_known_again_is_refused_before_the_charge(tmp_path: Path) -> None:
    data = people(tmp_path)
    for share in (torch.tensor(0.5), lambda: 0.5, object()):
        with pytest.raises(InvalidRequest, match=r"clipping that holds .*dataclass"):
            guard(clipping=Halved(share)).open(*network(), data, target="ill")
    assert data.ledger.entries() == []


def test_other_data_do_not_resume(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    data, other = people(tmp_path), people(tmp_path / "other")
    run = guard().open(*network(), data, target="ill")
    run.checkpoint(tmp_path / "run.pt")
    for wrong in ((other, "ill"), (data, None), (rows(), None)):
        with pytest.raises(InvalidRequest):
            guard().resume(tmp_path / "run.pt", *network(), wrong[0], target=wrong[1])


def test_a_ledger_that_lost_the_runs_entry_does_not_resume(tmp_path: Path) -> None:
    data = people(tmp_path)
    shutil.copy(tmp_path / "people.ledger", tmp_path / "older")
    run = guard().open(*network(), data, target="ill")
    run.checkpoint(tmp_path / "run.pt")
    shutil.copy(tmp_path / "older", tmp_path / "people.ledger")
    with pytest.raises(LedgerError):
        guard().resume(tmp_path / "run.pt", *network(), data, target="ill")


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04"])
def test_what_is_no_checkpoint_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "run.pt").write_bytes(content)
    for name in ("run.pt", "absent.pt"):
        with pytest.raises(InvalidRequest):
            guard().resume(tmp_path / name, *network(), rows())


def test_another_model_does_not_resume(tmp_path: Path) -> None:
    run = guard().open(*network(), rows())
    run.checkpoint(tmp_path / "run.pt")
    other = torch.nn.Linear(2, 2)
    with pytest.raises(InvalidRequest):
        guard().resume(tmp_path / "run.pt", other, torch.optim.Adam(other.parameters()), rows())
    model, optimizer = network()
    with pytest.raises(InvalidRequest):
        guard().resume(tmp_path / "run.pt", model, [optimizer, optimizer], rows())


# --- the count ---------------------------------------------------------------------------------------------------

ACTS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["take", "keep", "resume", "kill"])), max_size=40)


@settings(max_examples=15, deadline=None)
@given(acts=ACTS, charged=st.integers(1, 500), together=st.sampled_from([1, 1, 3]))
@example(  # one gives back what it did not use, after another has reserved beyond it
    acts=[(0, "resume"), (1, "take"), (0, "take"), (1, "keep"), (0, "resume"), (2, "take"), (2, "take")],
    charged=500,
    together=1,
)
def test_each_step_is_given_at_most_once_whoever_takes_it(
    acts: list[tuple[int, str]], charged: int, together: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Any order of takes, checkpoints, resumes and deaths; no step twice, no epoch begun in its middle."""
    charged *= together
    file = tmp_path_factory.mktemp("count") / "run.steps"
    first = Steps(charged, together)
    first.keep(file, "run")
    alive, given = [first], []
    for who, act in acts:
        if act == "resume" or not alive:
            alive.append(Steps.resumed(file, "run", charged, together))
            assert alive[-1].given % together == 0
            continue
        holder = alive[who % len(alive)]
        if act == "take":
            found = [holder.take() for _ in range(who + 1)]
            given += [one for one in found if one is not None]
        elif act == "keep":
            holder.keep(file, "run")
        else:
            alive.remove(holder)
    assert len(given) == len(set(given))
    assert all(0 <= one < charged for one in given)


def test_a_kept_count_that_went_on_is_whole_to_the_end(tmp_path: Path) -> None:
    steps = Steps(25)
    steps.keep(tmp_path / "run.steps", "run")
    assert [steps.take() for _ in range(26)] == [*range(25), None]


# --- killed for real ---------------------------------------------------------------------------------------------

CHILD = """
import os, sys
import torch
from tests.train import test_resume as here

folder = here.Path(sys.argv[1])
log = os.open(folder / "noised", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
real = here.session.add_gaussian_

def noted(sums, deviation, entropy, factor):
    os.write(log, b"noise\\n")
    real(sums, deviation, entropy, factor)

here.session.add_gaussian_ = noted
here.whole(folder, sys.argv[2], here.rows() if sys.argv[3:] else here.people(folder), *map(int, sys.argv[3:]))
"""
STEPS = 200


def whole(folder: Path, act: str, data: Any, seed: int | None = None) -> tuple[torch.nn.Module, int]:
    """Open or resume a run and go on to its end, with a checkpoint now and then; its model and the steps it noised."""
    asked = {"seed": seed, "steps": STEPS, "clipping": Adaptive()}
    own: dict[str, Any] = {"target": "ill"} if isinstance(data, un.Dataset) else {}
    model, optimizer = network()
    others = {"decay": torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, STEPS)}
    if act == "open":
        run = guard(**asked).open(model, optimizer, data, **own)
    else:
        run = guard(**asked).resume(folder / "run.pt", model, optimizer, data, others=others, **own)
    done = 0
    for batch in run.batches():
        run.step(CROSS_ENTROPY, *batch)
        others["decay"].step()
        done += 1
        if (run.steps - run.steps_left) % 20 == 0:
            run.checkpoint(folder / "run.pt", others)
    return model, done


def noised(folder: Path) -> int:
    file = folder / "noised"
    return file.read_bytes().count(b"\n") if file.exists() else 0


def killed_after(folder: Path, act: str, steps: int, *seed: int) -> None:
    """Kill it as soon as it has noised so many steps more and written a checkpoint, in whatever it then does."""
    before = noised(folder)
    command = [sys.executable, "-c", CHILD, str(folder), act, *map(str, seed)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, env=environment) as process:
        while process.poll() is None and (noised(folder) < before + steps or not (folder / "run.pt").exists()):
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


def test_a_run_that_is_killed_again_and_again_noises_no_more_steps_than_charged(tmp_path: Path) -> None:
    """Whoever resumes it while another is alive included: both go on from one checkpoint."""
    killed_after(tmp_path, "open", 30)
    killed_after(tmp_path, "resume", 15)
    data = people(tmp_path)
    asked: dict[str, Any] = {"steps": STEPS, "clipping": Adaptive()}
    optimizer = (pair := network())[1]
    decay = {"decay": torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, STEPS)}
    beside = guard(**asked).resume(tmp_path / "run.pt", *pair, data, target="ill", others=decay)
    after = go(beside, 5)
    after += whole(tmp_path, "resume", data)[1] + go(beside)
    assert STEPS - 4 * 2 <= noised(tmp_path) + after <= STEPS  # who dies or ends may lose a block of a hundredth
    (entry,) = data.ledger.entries()
    assert entry.epsilon == 1


def test_a_seeded_run_that_is_killed_ends_as_a_whole_one_to_the_bit(tmp_path: Path) -> None:
    """Parameters, momenta, dropout, learning rate and adaptive bound."""
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    expected, _ = whole(tmp_path / "whole", "open", rows(), 11)
    killed_after(tmp_path / "parts", "open", 50, 11)
    found, done = whole(tmp_path / "parts", "resume", rows(), 11)
    assert 0 < done < STEPS
    for p, q in zip(expected.parameters(), found.parameters(), strict=True):
        assert torch.equal(p, q)


SHUFFLED: dict[str, Any] = {"sampling": Shuffled, "steps": None, "epochs": 3, "dataset_size": None}


@pytest.mark.parametrize(("changed", "made"), [({}, network), (SHUFFLED, network), ({}, sequence)])
def test_a_seeded_run_resumes_to_the_bit_from_any_step(changed: dict[str, Any], made: Any, tmp_path: Path) -> None:
    asked = {"seed": 4, "clipping": Adaptive(), **changed}
    run = guard(**asked).open(*made(), rows())
    for step in range(1, 12):
        go(run, 1)
        run.checkpoint(tmp_path / f"{step}.pt")
    go(run)
    assert isinstance(run.release().guarantee, Nothing)
    for step in (1, 5, 11):
        again = guard(**asked).resume(tmp_path / f"{step}.pt", *made(), rows())
        assert again.steps_left == 12 - step
        go(again)
        assert again._bound == run._bound
        assert isinstance(again.release().guarantee, Nothing)
        for p, q in zip(run._model.parameters(), again._model.parameters(), strict=True):
            assert torch.equal(p, q)


@pytest.mark.parametrize(
    "changed", [{"physical_batch_size": 7}, {"compile": True}], ids=lambda changed: "-".join(changed)
)
def test_a_seeded_run_does_not_resume_with_another_rounding(changed: dict[str, Any], tmp_path: Path) -> None:
    run = guard(seed=4).open(*network(), rows())
    run.checkpoint(tmp_path / "run.pt")
    with pytest.raises(InvalidRequest, match=f"another {next(iter(changed))};"):
        guard(seed=4, **changed).resume(tmp_path / "run.pt", *network(), rows())
    assert guard(seed=4, diagnostics=True).resume(tmp_path / "run.pt", *network(), rows()).steps_left == 12


def test_two_resumes_share_no_noise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the same model at the same step: no element of the noise is the same."""
    found: list[torch.Tensor] = []
    real = session.add_gaussian_

    def noting(sums: list[torch.Tensor], deviation: float, entropy: Any, factor: float) -> None:
        before = [one.clone() for one in sums]
        real(sums, deviation, entropy, factor)
        found.append(torch.cat([(one - old).flatten() for one, old in zip(sums, before, strict=True)]))

    run = guard().open(*network(), rows())
    run.checkpoint(tmp_path / "run.pt")
    monkeypatch.setattr(session, "add_gaussian_", noting)
    for _ in range(2):
        go(guard().resume(tmp_path / "run.pt", *network(), rows(0)), 1)
    assert not bool((found[0] == found[1]).any())
