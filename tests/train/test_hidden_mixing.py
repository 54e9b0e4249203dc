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
from unseen.train import gradients, probe
from unseen.train.clipping import Clipping, Flat, factors_within
from unseen.train.gradients import ClippedSum
from unseen.train.layers.layer import squared
from unseen.train.sampling import Draw
from unseen.train.slow import SlowModel

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


class ByPlace(nn.Module):
    """A table of positions, for time first; given rows first it tells rows apart by their place."""

    def __init__(self, width: int) -> None:
        super().__init__()
        place = torch.arange(512.0).unsqueeze(1)
        self.register_buffer("table", torch.sin(place * torch.arange(1, width + 1)).unsqueeze(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.table[: x.size(0)]  # type: ignore[index]


def sometimes(x: torch.Tensor) -> torch.Tensor:
    return x - x.mean(0) if torch.rand(()) < 0.3 else x


def centred(x: torch.Tensor) -> torch.Tensor:
    return x - x.mean(0)


def by_fours(x: torch.Tensor) -> torch.Tensor:
    whole = len(x) // 4 * 4
    groups = x[:whole].reshape(-1, 4, *x.shape[1:])
    return torch.cat([(groups - groups.mean(1, keepdim=True)).flatten(0, 1), x[whole:]])


MASK = torch.tensor([False, True])
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
    "by place": (nn.Sequential(ByPlace(8), nn.Flatten(), nn.Linear(40, 2)), torch.zeros(1, 5, 8)),
    "by number": (nn.Sequential(nn.Linear(4, 2), Through(lambda z: z / len(z))), torch.zeros(1, 4)),
    "behind a mask": (
        nn.Sequential(Through(centred), nn.Linear(4, 2), Through(lambda z: z.masked_fill(MASK, -1e9))),
        torch.zeros(1, 4),
    ),
    "bytes": (
        nn.Sequential(Through(lambda x: x.float() / x.max()), nn.Linear(4, 2)),
        torch.zeros(1, 4, dtype=torch.uint8),
    ),
    "sometimes": (nn.Sequential(Through(sometimes, True), nn.Linear(4, 2)), torch.zeros(1, 4)),
    "by fours": (nn.Sequential(Through(by_fours), nn.Linear(4, 2)), torch.zeros(1, 4)),
    "where there are many": (
        nn.Sequential(Through(lambda x: centred(x) if len(x) >= 8 else x), nn.Linear(4, 2)),
        torch.zeros(1, 4),
    ),
    "where one is not finite": (
        nn.Sequential(Through(lambda x: x if x.isfinite().all() else -x), nn.Linear(4, 2)),
        torch.zeros(1, 4),
    ),
    "where one is large": (
        nn.Sequential(Through(lambda x: x / x.abs().max() if x.abs().max() > 1e4 else x), nn.Linear(4, 2)),
        torch.zeros(1, 4),
    ),
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
    model = nn.Sequential(nn.Linear(4, 4), Through(Squeezed.apply), nn.Linear(4, 2))
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


def dropped_where_large(gradient: torch.Tensor) -> torch.Tensor:
    return gradient if float(gradient.abs().max()) < 1e3 else torch.zeros_like(gradient)


def hooked(x: torch.Tensor) -> torch.Tensor:
    if x.requires_grad:
        x.register_hook(dropped_where_large)  # type: ignore[no-untyped-call]
    return x


def test_a_backward_pass_that_mixes_where_a_gradient_is_large_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="backward pass"):
        ClippedSum(nn.Sequential(nn.Linear(4, 4), Through(hooked), nn.Linear(4, 2)), Flat(), 8).probe(torch.zeros(1, 4))


class Shared(nn.Module):
    """Its rows share a parameter's mean, in training alone."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.linspace(0.5, 1.5, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * (self.gate.mean() if self.training else self.gate)


def test_a_bare_parameter_is_looked_at_in_training() -> None:
    model = nn.Sequential(Shared(), nn.Linear(4, 2)).double()
    x = torch.cat([torch.randn(7, 4), 30 * torch.randn(1, 4)]).double()
    draw = Draw(np.arange(8), np.ones(8, dtype=np.intp))

    def loss(output: torch.Tensor) -> torch.Tensor:
        return output.square().sum()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SlowModel)
        found, _ = ClippedSum(model, Flat(), 64)(loss, (x,), draw, 0.5)
    for one, other in zip(found, loop(model, loss, (x,), [1] * 8), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


class Weighed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.alpha = 0.0
        self.register_buffer("beta", torch.zeros(()))
        self.head = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x - x.mean(0) if self.alpha or self.beta else x)  # type: ignore[no-any-return]


class Centred(Weighed):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(centred(x))  # type: ignore[no-any-return]


def attribute(model: Weighed) -> None:
    model.alpha = 1.0


def buffer(model: Weighed) -> None:
    model.beta.fill_(1.0)  # type: ignore[operator]


def hook(model: Weighed) -> None:
    model.register_forward_pre_hook(lambda _, args: (centred(args[0]),))


def its_class(model: Weighed) -> None:
    model.__class__ = Centred


@pytest.mark.parametrize("change", [attribute, buffer, hook, its_class])
def test_a_model_that_computes_otherwise_is_looked_at_again(change: Callable[[Weighed], None]) -> None:
    model = Weighed()
    sums = ClippedSum(model, Flat(), 8)
    sums.probe(torch.zeros(1, 4))
    change(model)
    with pytest.raises(InvalidRequest, match="mixes rows"):
        sums.probe(torch.zeros(1, 4))


def test_an_address_that_is_used_again_is_another_module() -> None:
    """Without the old one being kept, the new one mostly gets its address."""
    for _ in range(20):
        model = nn.Sequential(nn.Identity(), nn.Linear(4, 2))
        sums = ClippedSum(model, Flat(), 8)
        sums.probe(torch.zeros(1, 4))
        model[0] = None  # type: ignore[assignment]
        model[0] = Through(centred)
        with pytest.raises(InvalidRequest, match="mixes rows"):
            sums.probe(torch.zeros(1, 4))


def test_a_model_that_is_left_alone_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Any] = []
    real = probe.places_of

    def noting(*args: Any) -> Any:
        looks.append(args)
        return real(*args)

    monkeypatch.setattr(gradients, "places_of", noting)
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.1), nn.GroupNorm(2, 4), nn.Linear(4, 2))
    sums = ClippedSum(model, Flat(), 8)
    draw = Draw(np.arange(5), np.ones(5, dtype=np.intp))
    for _ in range(4):
        sums(nn.functional.cross_entropy, (torch.randn(5, 4), torch.zeros(5, dtype=torch.long)), draw, 1.0)
    assert len(looks) == 1


class Running:
    """A loss over its own running mean."""

    def __init__(self) -> None:
        self.mean = 1.0

    def __call__(self, output: torch.Tensor) -> torch.Tensor:
        value = output.square().sum()
        self.mean = 0.9 * self.mean + 0.1 * value.item()
        return value / self.mean


def test_a_loss_that_keeps_something_is_refused() -> None:
    draw = Draw(np.arange(4), np.ones(4, dtype=np.intp))
    with pytest.raises(InvalidRequest, match="keeps something of the rows"):
        ClippedSum(nn.Linear(4, 2), Flat(), 8)(Running(), (torch.randn(4, 4),), draw, 1.0)


def test_a_loss_that_draws_random_numbers_is_taken() -> None:
    draw = Draw(np.arange(4), np.ones(4, dtype=np.intp))

    def loss(output: torch.Tensor) -> torch.Tensor:
        return (output * torch.rand_like(output)).sum()

    ClippedSum(nn.Linear(4, 2), Flat(), 8)(loss, (torch.randn(4, 4),), draw, 1.0)


class Meter:
    def __init__(self) -> None:
        self.total = 0.0


class Noting(nn.Module):
    """Keeps what it sees where a look at tensors alone does not find it."""

    rows: list[Any] = []  # noqa: RUF012  # a list of the class is the point

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where, self.meter, self.array = where, Meter(), np.zeros(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.where == "array":
            self.array[:] = x.detach()[0].numpy()
        elif self.where == "object":
            self.meter.total += float(x.detach().sum())
        else:
            self.rows.append(x.detach().numpy())
        return x


@pytest.mark.parametrize("where", ["array", "object", "class"])
def test_what_is_kept_out_of_sight_is_found(where: str) -> None:
    with pytest.raises(InvalidRequest, match="keeps something"):
        ClippedSum(nn.Sequential(Noting(where), nn.Linear(4, 2)), Flat(), 8).probe(torch.zeros(1, 4))


def test_a_model_that_takes_gradients_of_its_own_is_looked_at() -> None:
    slope = torch.func.vmap(torch.func.grad(lambda row: row.pow(3).sum()))
    model = nn.Sequential(Through(lambda x: x + slope(x)), nn.Linear(4, 2))
    ClippedSum(model, Flat(), 8).probe(torch.zeros(1, 4))
    mixing = nn.Sequential(Through(lambda x: x + slope(x) / len(x)), nn.Linear(4, 2))
    with pytest.raises(InvalidRequest, match="mixes rows"):
        ClippedSum(mixing, Flat(), 8).probe(torch.zeros(1, 4))
