"""What an adversary tried on the engine: ways for one person to move the sum by more than the bound."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from unseen.core.errors import InvalidRequest
from unseen.train.clipping import Clipping, Flat, factors_within
from unseen.train.gradients import ClippedSum
from unseen.train.layers.layer import squared
from unseen.train.probe import SlowModel
from unseen.train.sampling import Draw

from .oracle import engine, loop, numbered


def zero_head(width: int, outputs: int = 2) -> nn.Linear:
    head = nn.Linear(width, outputs)
    nn.init.zeros_(head.weight)
    return head


class Through(nn.Module):
    """A function on the way through a network."""

    def __init__(self, function: Callable[..., torch.Tensor], in_training: bool = False) -> None:
        super().__init__()
        self.function, self.in_training = function, in_training

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x) if self.training or not self.in_training else x


class Sorted(nn.Module):
    """Sorts rows by their number of tokens, and back."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.one, self.head = nn.Embedding(7, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        order = (tokens != 0).sum(1).argsort(descending=True, stable=True)
        inner = self.one(self.table(tokens[order])).tanh().mean(1)
        return self.head(inner[order.argsort()])  # type: ignore[no-any-return]


MIXING: dict[str, tuple[nn.Module, torch.Tensor]] = {
    "zero head, time for rows": (
        nn.Sequential(nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0), nn.Flatten(), zero_head(40)),
        torch.zeros(1, 5, 8),
    ),
    "zero head, mean": (
        nn.Sequential(nn.Linear(4, 4), Through(lambda z: z - z.mean(0)), zero_head(4)),
        torch.zeros(1, 4),
    ),
    "zero gate": (
        nn.Sequential(nn.Linear(4, 4), Through(lambda z: z / (1 + z.abs().mean(0))), zero_head(4)),
        torch.zeros(1, 4),
    ),
    **{
        f"{name}, {width}": (nn.Sequential(Through(function), nn.Linear(width, 2)), torch.zeros(1, width))
        for name, function in {
            "greatest": lambda x: x / x.abs().max(),
            "range": lambda x: (x - x.min()) / (x.max() - x.min()),
            "standard": lambda x: (x - x.mean()) / x.std(),
            "mean norm": lambda x: x / x.norm(dim=1).mean(),
            "weakly": lambda x: x - 1e-4 * x.mean(0),
        }.items()
        for width in (16, 784)
    },
    "in training": (nn.Sequential(Through(lambda x: x - x.mean(0), True), nn.Linear(4, 2)), torch.zeros(1, 4)),
    "mixup": (nn.Sequential(Through(lambda x: x + x.roll(1, 0), True), nn.Linear(4, 2)), torch.zeros(1, 4)),
    "half precision": (
        nn.Sequential(Through(lambda x: x - 0.02 * x.mean(0)), nn.Linear(4, 2)).bfloat16(),
        torch.zeros(1, 4, dtype=torch.bfloat16),
    ),
}


@pytest.mark.parametrize("name", MIXING)
def test_mixing_that_hides_is_refused(name: str) -> None:
    model, inputs = MIXING[name]
    with pytest.raises(InvalidRequest, match="mixes rows"):
        ClippedSum(model, Flat(), 8).probe(inputs)


class Squeezed(torch.autograd.Function):
    """Divides a batch's gradients by their common norm."""

    @staticmethod
    def forward(_: Any, x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    @staticmethod
    def backward(_: Any, *gradients: torch.Tensor) -> torch.Tensor:
        return gradients[0] / gradients[0].norm()


def test_mixing_in_the_backward_pass_is_refused() -> None:
    model = nn.Sequential(nn.Linear(4, 4), Through(Squeezed.apply), nn.Linear(4, 2))  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="backward pass"):
        ClippedSum(model, Flat(), 8).probe(torch.zeros(1, 4))


def test_rows_that_are_sorted_by_their_content_stay_their_own() -> None:
    model = Sorted().double()
    tokens = torch.tensor([[1, 2, 0, 0], [3, 0, 0, 0], [4, 5, 6, 1], [2, 2, 2, 0]])

    def loss(output: torch.Tensor) -> torch.Tensor:
        return output.square().sum()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SlowModel)
        try:
            found = engine(model, loss, (tokens,), [1] * 4)
        except InvalidRequest:
            return
    for one, other in zip(found, loop(model, loss, (tokens,), [1] * 4), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_a_layer_that_is_unfrozen_is_looked_at_again() -> None:
    class TimeFirst(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.head = nn.Linear(4, 4), nn.Linear(4, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.one(x.transpose(0, 1)).tanh().mean(0))  # type: ignore[no-any-return]

    model = TimeFirst().double()
    model.one.requires_grad_(False)
    sums = ClippedSum(model, Flat(), 64, numbered(0))
    sums.probe(torch.zeros(1, 6, 4, dtype=torch.float64))
    model.one.requires_grad_(True)
    x = torch.linspace(-1, 1, 6 * 6 * 4, dtype=torch.float64).reshape(6, 6, 4)

    def loss(output: torch.Tensor) -> torch.Tensor:
        return output.square().sum()

    found, _ = sums(loss, (x,), Draw(np.arange(6), np.ones(6, dtype=np.intp)), 0.5)
    for one, other in zip(found, loop(model, loss, (x,), [1] * 6), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_a_module_that_is_replaced_is_looked_at() -> None:
    model = nn.Sequential(nn.Identity(), nn.Linear(4, 2))
    sums = ClippedSum(model, Flat(), 8)
    sums.probe(torch.zeros(1, 4))
    model[0] = Through(lambda x: x - x.mean(0))
    with pytest.raises(InvalidRequest, match="mixes rows"):
        sums.probe(torch.zeros(1, 4))


def test_a_rule_sees_one_unit_at_a_time() -> None:
    class ByGreatest(Clipping):
        def factors(self, norms: torch.Tensor, bound: float | torch.Tensor) -> torch.Tensor:
            factors: torch.Tensor = bound / norms.max()
            return factors

    few = torch.tensor([[1.0, 4.0]], dtype=torch.float64)
    more = torch.tensor([[1.0, 4.0, 1e8]], dtype=torch.float64)
    one, other = (factors_within(ByGreatest(), squares, 1.0, torch.float64)[0] for squares in (few, more))
    assert torch.equal(one, other[:, :2])


@pytest.mark.parametrize("length", [4097, 65_536, 1_000_003])
@pytest.mark.parametrize("value", [0.1, 1.7155659198760986, 3e16])
def test_squares_of_long_vectors_are_upper_bounds_within_the_margin(length: int, value: float) -> None:
    vector = torch.full((1, length), value)
    exact = length * float(vector[0, 0]) ** 2
    assert exact * (1 - 3e-5) <= float(squared(vector)) <= exact * (1 + 1e-4)


def norm_of_one_unit(model: nn.Module, batch: tuple[torch.Tensor, ...], counts: list[int], bound: float) -> float:
    """What one unit adds to the sum, in units of the bound."""
    draw = Draw(np.arange(sum(counts)), np.array(counts, dtype=np.intp))
    worst = 0.0
    for way in range(3):
        sums = ClippedSum(model, Flat(), 2048, numbered(way))
        found, _ = sums(lambda o, k: (o.flatten(1).sum(1, keepdim=True) * k).sum(), batch, draw, bound)
        worst = max(worst, float(torch.stack([one.double().square().sum() for one in found]).sum().sqrt()) / bound)
    return worst


def test_rows_that_nearly_cancel_do_not_exceed_the_bound() -> None:
    """The roundings of a Gram matrix all go one way here."""
    size, value, share = 150_528, 1.7155659198760986, 0.029431052264655342
    x = torch.stack([torch.full((size,), value), torch.full((size,), value * (1 + share))])
    batch = (x, torch.tensor([[1.0], [-1.0]]))
    assert norm_of_one_unit(nn.Linear(size, 1, bias=False), batch, [2], 1.0) <= 1


def test_squares_that_underflow_do_not_exceed_the_bound() -> None:
    x, k = torch.full((1, 4, 4096), 2.6e-23), torch.full((1, 1), 1.8e19)
    assert norm_of_one_unit(nn.Linear(4096, 1, bias=False), (x, k), [1], 0.01) <= 1


def test_a_factor_too_small_for_float32_is_none() -> None:
    x, k = torch.full((1, 4), 1e15), torch.full((1, 1), 1e18)
    assert norm_of_one_unit(nn.Linear(4, 1, bias=False), (x, k), [1], 1e-6) <= 1


def test_a_module_that_keeps_what_it_sees_is_refused_or_keeps_it_from_the_model() -> None:
    class Keeps(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.last = x.detach()
            return x

    class Appends(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[torch.Tensor] = []

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.seen.append(x.detach())
            return x

    for kind in (Keeps, Appends):
        with pytest.raises(InvalidRequest, match="keeps something"):
            ClippedSum(nn.Sequential(kind(), nn.Linear(4, 2)), Flat(), 8).probe(torch.zeros(1, 4))


def test_a_batch_of_one_row_has_the_form_of_others() -> None:
    model = nn.Sequential(nn.Linear(4, 1), Through(lambda x: x.squeeze()))
    with pytest.raises(InvalidRequest, match="one row"):
        ClippedSum(model, Flat(), 8).probe(torch.zeros(1, 4))
