"""The clipped sum is the sum over units of gradients of norm at most C, taken one row at a time."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unseen.core.errors import InvalidRequest
from unseen.train.clipping import Flat
from unseen.train.gradients import ClippedSum
from unseen.train.refusals import check_model
from unseen.train.slow import SlowModel

from .oracle import assert_same, engine, loop

CROSS_ENTROPY = torch.nn.functional.cross_entropy
DOUBLE = torch.float64


def rows(count: int, *shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


@given(
    counts=st.lists(st.integers(1, 4), min_size=1, max_size=7),
    width=st.integers(1, 5),
    hidden=st.integers(1, 4),
    limit=st.integers(1, 9),
    frozen=st.sampled_from(["nothing", "weight", "bias"]),
    inplace=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_sum_equals_a_loop_over_units(
    counts: list[int], width: int, hidden: int, limit: int, frozen: str, inplace: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    model = torch.nn.Sequential(
        torch.nn.Linear(width, hidden), torch.nn.ReLU(inplace), torch.nn.Linear(hidden, 3)
    ).double()
    if frozen != "nothing":
        getattr(model[0], frozen).requires_grad_(False)
    labels = torch.randint(3, (sum(counts),))
    assert_same(model, (rows(sum(counts), width, seed=seed), labels), counts, CROSS_ENTROPY, ways=1, limit=limit)


class Twice(torch.nn.Module):
    """One layer used twice, and another that shares its weight."""

    def __init__(self) -> None:
        super().__init__()
        self.one = torch.nn.Linear(4, 4)
        self.tied = torch.nn.Linear(4, 4)
        self.tied.weight = self.one.weight
        self.last = torch.nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.tanh(self.tied(torch.tanh(self.one(torch.tanh(self.one(x)))))))  # type: ignore[no-any-return]


class Reused(torch.nn.Module):
    """One layer used twice, over several positions or one."""

    def __init__(self) -> None:
        super().__init__()
        self.one = torch.nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.one(torch.tanh(self.one(x)))  # type: ignore[no-any-return]


class Moved(torch.nn.Module):
    """Rows are not first where the layers see them: behind time, or folded with it either way round."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.one, self.last = torch.nn.Linear(4, 4), torch.nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, time, width = x.shape
        if self.how == "time first":
            return self.last(torch.tanh(self.one(x.transpose(0, 1)))).mean(0)  # type: ignore[no-any-return]
        if self.how == "folded":
            return self.last(torch.tanh(self.one(x.reshape(-1, width))).view(batch, time, width)).mean(1)  # type: ignore[no-any-return]
        y = torch.tanh(self.one(x.transpose(0, 1).reshape(-1, width)))
        return self.last(y.view(time, batch, width)).mean(0)  # type: ignore[no-any-return]


class Bare(torch.nn.Module):
    """Parameters that are no layer's, as a vision transformer has them."""

    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Parameter(torch.randn(1, 1, 4))
        self.place = torch.nn.Parameter(torch.randn(1, 6, 4))
        self.one = torch.nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.cat([self.first.expand(len(x), -1, -1), x], dim=1)
        return self.one((x + self.place).tanh())[:, 0] + self.one(x).sum(1)  # type: ignore[no-any-return]


class Scale(torch.nn.Module):
    """A layer that no family knows: a scale of its features, or of everything."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.randn(shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale


class Product(torch.nn.Module):
    """A layer that no family knows, whose parameter can't be given a row more."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = torch.nn.Parameter(torch.randn(4, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.einsum("...i,ij->...j", x, self.matrix)


COUNTS = [1, 3, 2, 1]
LABELS = torch.tensor([0, 2, 1, 1, 0, 2, 1])


@pytest.mark.parametrize("model", [Twice(), Reused()], ids=["tied", "reused"])
def test_shared_parameters_count_as_one(model: torch.nn.Module) -> None:
    assert_same(model.double(), (rows(7, 4),), COUNTS)


@pytest.mark.parametrize("how", ["time first", "folded", "interleaved"])
def test_rows_are_found_wherever_they_are(how: str) -> None:
    assert_same(Moved(how).double(), (rows(7, 5, 4), LABELS), COUNTS, CROSS_ENTROPY)


def test_several_positions_by_every_way() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.Linear(6, 3)).double()
    assert_same(model, (rows(7, 5, 2, 4),), COUNTS)


@pytest.mark.parametrize(
    "model",
    [
        Bare(),
        *(torch.nn.Sequential(torch.nn.Linear(4, 4), Scale(*shape), torch.nn.Linear(4, 2)) for shape in [(4,), (5, 1)]),
        torch.nn.Sequential(Scale(), torch.nn.Linear(4, 4), Scale()),
    ],
    ids=["bare", "features", "places", "scalar"],
)
def test_bare_parameters_are_lifted_to_one_for_each_row(model: torch.nn.Module) -> None:
    assert_same(model.double(), (rows(7, 5, 4),), COUNTS)


def test_what_no_family_knows_is_run_row_by_row_and_said_once() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), Product(), torch.nn.Linear(4, 2)).double()
    batch = (rows(7, 5, 4),)
    with pytest.warns(SlowModel, match="row by row") as said:
        found = engine(model, summed, batch, COUNTS)
    assert len(said) == 1
    for one, other in zip(found, loop(model, summed, batch, COUNTS), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


class Before(torch.nn.Module):
    """Something of all rows, or of one, before a layer."""

    def __init__(self, what: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.what = what
        self.one = torch.nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.one(self.what(x))  # type: ignore[no-any-return]


class After(Before):
    """The same after it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.what(self.one(x))


@pytest.mark.parametrize("kind", [Before, After])
@pytest.mark.parametrize(
    "what",
    [
        lambda x: x - x.mean(0),
        lambda x: x / x.abs().amax(0),
        lambda x: x.flip(0),
        lambda x: x.cumsum(0),
        lambda x: x + x.roll(1, 0),
        lambda x: torch.nn.functional.normalize(x, dim=0),
    ],
    ids=["mean", "greatest", "order", "sum so far", "neighbour", "norm"],
)
def test_a_model_that_mixes_rows_is_refused(kind: type[Before], what: Callable[[torch.Tensor], torch.Tensor]) -> None:
    with pytest.raises(InvalidRequest, match="mixes rows"):
        ClippedSum(kind(what), Flat(), 10).probe(torch.zeros(1, 4))


def test_a_model_that_mixes_tokens_of_rows_is_refused() -> None:
    class Common(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = torch.nn.Embedding(5, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.table(x.amax(0).expand_as(x))  # type: ignore[no-any-return]

    with pytest.raises(InvalidRequest, match="mixes rows"):
        ClippedSum(Common(), Flat(), 10).probe(torch.zeros(1, 3, dtype=torch.int64))


@pytest.mark.parametrize("pick", [lambda x: x[x[..., 0] > 0], lambda x: x[(x[..., 0] > 0).nonzero(as_tuple=True)]])
def test_a_model_that_picks_by_value_is_refused(pick: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """What it picks may be of any row, and as many as there are rows by chance."""

    class Picks(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = torch.nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.sum((1, 2)) + self.one(pick(x)).sum()  # type: ignore[no-any-return]

    with pytest.raises(InvalidRequest, match=r"depend on the values|mixes rows"):
        ClippedSum(Picks(), Flat(), 10).probe(torch.zeros(1, 5, 4))


def test_a_branch_that_made_up_rows_do_not_take_is_no_way_around() -> None:
    class Rare(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.rare = torch.nn.Linear(4, 3), torch.nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.one(x) if float(x.abs().max()) < 1e5 else self.rare(x)  # type: ignore[no-any-return]

    with pytest.raises(InvalidRequest, match=r"rare|mixes rows"):
        engine(Rare().double(), summed, (1e6 + rows(7, 4),), COUNTS)


def test_a_model_that_stores_its_inputs_is_refused() -> None:
    class Remembers(torch.nn.Linear):
        def __init__(self) -> None:
            super().__init__(4, 3)
            self.register_buffer("last", torch.zeros(4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.last.copy_(x.detach()[0])
            return super().forward(x)

    model = torch.nn.Sequential(torch.nn.Linear(4, 4), Remembers())
    with pytest.raises(InvalidRequest, match="buffer"):
        ClippedSum(model, Flat(), 10).probe(torch.zeros(1, 4))
    assert not model[1].last.any()  # type: ignore[union-attr]


def test_nothing_is_attached_to_the_model() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3)).double()
    before = [dict(module.__dict__) for module in model.modules()]
    engine(model, CROSS_ENTROPY, (rows(7, 4), LABELS), COUNTS)
    assert [dict(module.__dict__) for module in model.modules()] == before
    assert not any(module._forward_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("place", range(7))
def test_a_non_finite_unit_leaves_the_others_untouched(place: int) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Tanh(), torch.nn.Linear(4, 3)).double()
    inputs = rows(7, 4)
    inputs[place, 1] = float("nan") if place % 2 else float("inf")
    unit = [0, 1, 1, 1, 2, 2, 3][place]
    found = engine(model, CROSS_ENTROPY, (inputs, LABELS), COUNTS)
    others = [row for row, owner in enumerate([0, 1, 1, 1, 2, 2, 3]) if owner != unit]
    alone = [count for index, count in enumerate(COUNTS) if index != unit]
    expected = loop(model, CROSS_ENTROPY, (inputs[others], LABELS[others]), alone)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_batch_norm_is_refused_with_the_fix() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.BatchNorm1d(4))
    with pytest.raises(InvalidRequest, match=r"GroupNorm\(1, 4\)"):
        check_model(model, torch.optim.SGD(model.parameters(), lr=0.1))


class Elsewhere(torch.nn.Module):
    """A parameter that is also used outside its own module."""

    def __init__(self) -> None:
        super().__init__()
        self.one = torch.nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.linear(torch.tanh(self.one(x)), self.one.weight)


def test_no_use_of_a_parameter_is_missed() -> None:
    model = Elsewhere().double()
    batch = (rows(7, 4),)
    with pytest.warns(SlowModel, match="elsewhere"):
        found = engine(model, summed, batch, COUNTS)
    for one, other in zip(found, loop(model, summed, batch, COUNTS), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def summed(out: torch.Tensor) -> torch.Tensor:
    return out.square().sum()
