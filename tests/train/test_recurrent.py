"""Recurrent networks compute what torch's do, and their clipped sums are those of a loop over rows."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unseen.core.errors import InvalidRequest
from unseen.train.layers import composite_of
from unseen.train.mirror import mirrored
from unseen.train.probe import places_of
from unseen.train.tape import Tape

from .oracle import assert_same, engine, summed_loss

FEATURES = 3
KINDS = st.sampled_from(["LSTM", "LSTM projected", "GRU", "RNN tanh", "RNN relu"])


def network(kind: str, hidden: int = 4, **options: Any) -> torch.nn.RNNBase:
    name, _, more = kind.partition(" ")
    if more == "projected":
        options["proj_size"] = 2
    elif more:
        options["nonlinearity"] = more
    module: torch.nn.RNNBase = getattr(torch.nn, name)(FEATURES, hidden, dtype=torch.float64, **options)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.6)
    return module


class Reader(torch.nn.Module):
    """Gives all that a network gives on rows of (steps, features), as numbers of each row."""

    def __init__(self, network: torch.nn.RNNBase, begun: bool = False, times: int = 1) -> None:
        super().__init__()
        self.network, self.begun, self.times = network, begun, times

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = self.first(x) if self.begun else None
        found = []
        for _ in range(self.times):
            output, last = self.network(x if self.network.batch_first else x.transpose(0, 1), state)
            found.append(output if self.network.batch_first else output.transpose(0, 1))
            found += [one.transpose(0, 1) for one in (last if isinstance(last, tuple) else (last,))]
            x, state = x.flip(1) * 0.5, last
        return torch.cat([one.flatten(1) for one in found], 1)

    def first(self, x: torch.Tensor) -> Any:
        net = self.network
        count = net.num_layers * (2 if net.bidirectional else 1)
        widths = (net.proj_size or net.hidden_size, net.hidden_size)
        made = [x[:, 0, :1].expand(count, -1, width) * torch.linspace(-1, 1, width).to(x) for width in widths]
        return tuple(made) if isinstance(net, torch.nn.LSTM) else made[0]


def rows(number: int, steps: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(number, steps, FEATURES, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


OPTIONS = st.fixed_dictionaries(
    {
        "num_layers": st.integers(1, 3),
        "bidirectional": st.booleans(),
        "bias": st.booleans(),
        "batch_first": st.booleans(),
    }
)


@given(
    kind=KINDS,
    options=OPTIONS,
    number=st.integers(1, 4),
    steps=st.integers(1, 5),
    begun=st.booleans(),
    training=st.booleans(),
)
def test_a_mirror_gives_what_torch_gives(
    kind: str, options: dict[str, Any], number: int, steps: int, begun: bool, training: bool
) -> None:
    dropout = 0.5 if options["num_layers"] > 1 else 0.0
    model = Reader(network(kind, **options, dropout=dropout), begun, times=2).train(training)
    tape = Tape()
    mirror = mirrored(model, tape)
    tape.begin(number, number)
    found = []
    for one in (model, mirror):
        torch.manual_seed(1)
        given = rows(number, steps).requires_grad_()
        output = one(given)
        found.append((output, *torch.autograd.grad(summed_loss(output), given)))
    for theirs, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-12)


@settings(max_examples=settings().max_examples // 2)
@given(
    kind=KINDS,
    options=OPTIONS,
    counts=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    steps=st.integers(1, 5),
    begun=st.booleans(),
    times=st.integers(1, 2),
    frozen=st.sets(st.integers(0, 9)),
    seed=st.integers(0, 100),
)
def test_every_way_gives_the_sum_of_a_loop(
    kind: str,
    options: dict[str, Any],
    counts: list[int],
    steps: int,
    begun: bool,
    times: int,
    frozen: set[int],
    seed: int,
) -> None:
    torch.manual_seed(seed)
    # Everything is dropped between layers, so that it is the same for a row by itself. A relu would be dead then.
    dropout = float(seed % 3 == 0 and options["num_layers"] > 1 and kind != "RNN relu")
    model = Reader(network(kind, **options, dropout=dropout), begun, times)
    for number, parameter in enumerate(list(model.parameters())[1:]):
        parameter.requires_grad_(number not in frozen)
    assert_same(model, (rows(sum(counts), steps, seed),), counts)


@pytest.mark.parametrize("kind", ["LSTM", "LSTM projected", "GRU", "RNN tanh"])
def test_long_sequences_keep_the_promise(kind: str) -> None:
    torch.manual_seed(2)
    assert_same(Reader(network(kind, 6, batch_first=True)), (rows(3, 200),))


class Steps(torch.nn.Module):
    """A loop over steps by a cell."""

    def __init__(self, cell: torch.nn.RNNCellBase, begun: bool) -> None:
        super().__init__()
        self.cell, self.begun = cell, begun

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state: Any = None
        if self.begun:
            state = x[:, 0, :1].expand(-1, self.cell.hidden_size) * 0.3
            state = (state, state * 2) if isinstance(self.cell, torch.nn.LSTMCell) else state
        found = []
        for step in x.unbind(1):
            state = self.cell(step, state)
            found.append(state[0] + state[1] if isinstance(state, tuple) else state)
        return torch.cat(found, 1)


@given(
    kind=st.sampled_from(["LSTMCell", "GRUCell", "RNNCell tanh", "RNNCell relu"]),
    bias=st.booleans(),
    counts=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    steps=st.integers(1, 4),
    begun=st.booleans(),
    frozen=st.sets(st.integers(0, 2)),
)
def test_cells_give_what_torchs_do_and_the_sum_of_a_loop(
    kind: str, bias: bool, counts: list[int], steps: int, begun: bool, frozen: set[int]
) -> None:
    name, _, how = kind.partition(" ")
    options = {"nonlinearity": how} if how else {}
    torch.manual_seed(steps)
    model = Steps(getattr(torch.nn, name)(FEATURES, 4, bias, dtype=torch.float64, **options), begun)
    for number, parameter in enumerate(list(model.parameters())[1:]):
        parameter.requires_grad_(number not in frozen)
    x = rows(sum(counts), steps)
    torch.testing.assert_close(mirrored(model, Tape())(x), model(x), rtol=1e-12, atol=1e-13)
    assert_same(model, (x,), counts)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN tanh"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_one_sequence_without_an_axis_of_rows_is_computed_as_in_torch(kind: str, batch_first: bool) -> None:
    module = network(kind, batch_first=batch_first, bidirectional=True)
    stand_in = composite_of(module, Tape(), "")
    assert stand_in is not None
    with torch.no_grad():
        for theirs, ours in zip(_flat(module(rows(1, 4)[0])), _flat(stand_in(rows(1, 4)[0])), strict=True):
            assert ours.shape == theirs.shape
            torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-13)


def _flat(given: Any) -> list[torch.Tensor]:
    return [given] if torch.is_tensor(given) else [leaf for one in given for leaf in _flat(one)]


def test_one_unbatched_step_of_a_cell_is_computed_as_in_torch() -> None:
    cell = torch.nn.LSTMCell(FEATURES, 4, dtype=torch.float64)
    stand_in = composite_of(cell, Tape(), "")
    assert stand_in is not None
    for theirs, ours in zip(cell(rows(1, 1)[0, 0]), stand_in(rows(1, 1)[0, 0]), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_networks_of_the_same_parameters_are_clipped_as_one() -> None:
    torch.manual_seed(3)
    model = torch.nn.Sequential(*(Reader(network("GRU", batch_first=True)) for _ in range(2)))
    model[1].network.weight_hh_l0 = model[0].network.weight_hh_l0

    class Sum(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.both = model

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.both[0](x) + self.both[1](x * 2)

    assert_same(Sum(), (rows(4, 3),), [1, 3])


def test_an_output_may_be_changed_in_place() -> None:
    class Cut(torch.nn.Module):
        def __init__(self, kind: str) -> None:
            super().__init__()
            self.network = network(kind, batch_first=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu_(self.network(x)[0] * 1.0) + torch.relu_(self.network(x)[0])

    for kind in ("LSTM projected", "LSTM"):
        torch.manual_seed(4)
        assert_same(Cut(kind), (rows(3, 2),))


def test_half_precision_is_clipped_near_the_sum_in_double() -> None:
    torch.manual_seed(5)
    model, x = Reader(network("LSTM", batch_first=True)), rows(6, 4)
    exact = engine(model, summed_loss, (x,), [2] * 3)
    rough = engine(model.bfloat16(), summed_loss, (x.bfloat16(),), [2] * 3)
    for one, other in zip(rough, exact, strict=True):
        assert float((one - other).norm()) < 0.1 * float(other.norm()) + 0.01


def test_a_packed_sequence_is_refused_with_the_fix() -> None:
    stand_in = composite_of(network("LSTM", batch_first=True), Tape(), "reader")
    assert stand_in is not None
    packed = torch.nn.utils.rnn.pack_padded_sequence(rows(2, 3), torch.tensor([3, 2]), batch_first=True)
    with pytest.raises(InvalidRequest, match=r"'reader'.*the padded tensor, and output\[torch"):
        stand_in(packed)


def test_a_weight_that_is_computed_is_refused_with_the_fix() -> None:
    new, old = network("LSTM"), network("GRU")
    torch.nn.utils.parametrizations.weight_norm(new, "weight_hh_l0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.nn.utils.weight_norm(old, "weight_hh_l0")
    for module in (new, old):
        with pytest.raises(InvalidRequest, match=r"'reader.*weight_hh.*remove_parametrizations"):
            composite_of(module, Tape(), "reader")


def test_rows_taken_for_steps_are_refused() -> None:
    class Swapped(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network("GRU", batch_first=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            output: torch.Tensor = self.network(x)[0]
            return output

    with pytest.raises(InvalidRequest, match="mixes rows"):
        places_of(Swapped(), rows(4, 3))


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
def test_the_sum_is_that_of_opacus() -> None:
    opacus = pytest.importorskip("opacus")
    torch.manual_seed(7)
    theirs = opacus.layers.DPLSTM(FEATURES, 4, num_layers=2, bidirectional=True, batch_first=True).double()
    ours = torch.nn.LSTM(FEATURES, 4, num_layers=2, bidirectional=True, batch_first=True, dtype=torch.float64)
    ours.load_state_dict(theirs.state_dict())
    x = rows(5, 4)
    wrapped = opacus.GradSampleModule(theirs)
    summed_loss(wrapped(x.clone().requires_grad_())[0]).backward()
    samples = {name: one.grad_sample for name, one in theirs.named_parameters()}
    norms = torch.stack([one.flatten(1).square().sum(1) for one in samples.values()]).sum(0).sqrt()
    factors = (0.5 / norms).clamp(max=1)

    class Outputs(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = ours

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            output: torch.Tensor = self.network(x)[0]
            return output

    found = engine(Outputs(), summed_loss, (x,), [1] * 5, 0.5)
    for (name, _), one in zip(ours.named_parameters(), found, strict=True):
        expected = torch.einsum("i,i...->...", factors, samples[name])
        torch.testing.assert_close(one, expected, rtol=1e-9, atol=1e-12)
