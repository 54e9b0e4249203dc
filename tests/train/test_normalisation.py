"""Normalisations, PReLU and Bilinear give the loop's clipped sum, whatever their options and shapes."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.train.oracle import assert_same, engine, loop, summed_loss

from unseen.train.layers import layer_of
from unseen.train.layers.layer import squared

SHAPES = st.lists(st.integers(2, 4), min_size=1, max_size=3)


def filled(module: torch.nn.Module, seed: int) -> torch.nn.Module:
    """In float64, no weight alike, and some below zero."""
    generator = torch.Generator().manual_seed(seed)
    module = module.double()
    with torch.no_grad():
        for one in module.parameters():
            one.copy_(torch.randn(one.shape, generator=generator, dtype=one.dtype))
    return module


def rows_of(count: int, shape: tuple[int, ...], seed: int) -> torch.Tensor:
    return torch.randn((count, *shape), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


COUNTS = st.sampled_from([[1], [1, 1, 1], [2, 2], [1, 3, 2]])


@settings(max_examples=30)
@given(
    lead=st.lists(st.integers(1, 3), max_size=2),
    shape=SHAPES,
    counts=COUNTS,
    bias=st.booleans(),
    rms=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_layer_and_rms_norm_equal_the_loop(
    lead: list[int], shape: list[int], counts: list[int], bias: bool, rms: bool, seed: int
) -> None:
    norm = torch.nn.RMSNorm(shape) if rms else torch.nn.LayerNorm(shape, eps=1e-2, bias=bias)
    inputs = rows_of(sum(counts), (*lead, *shape), seed)
    assert_same(filled(norm, seed), (inputs,), counts)


@settings(max_examples=30)
@given(
    groups=st.integers(1, 3),
    each=st.integers(2, 3),
    places=st.lists(st.integers(1, 3), max_size=3),
    counts=COUNTS,
    seed=st.integers(0, 1000),
)
def test_group_norm_equals_the_loop(groups: int, each: int, places: list[int], counts: list[int], seed: int) -> None:
    channels = groups * each
    model = filled(torch.nn.GroupNorm(groups, channels, eps=1e-2), seed)
    assert_same(model, (rows_of(sum(counts), (channels, *places), seed),), counts)


@settings(max_examples=20)
@given(
    channels=st.integers(1, 3),
    places=st.lists(st.integers(2, 4), min_size=1, max_size=3),
    counts=COUNTS,
    seed=st.integers(0, 1000),
)
def test_instance_norm_equals_the_loop(channels: int, places: list[int], counts: list[int], seed: int) -> None:
    kind = (torch.nn.InstanceNorm1d, torch.nn.InstanceNorm2d, torch.nn.InstanceNorm3d)[len(places) - 1]
    model = filled(kind(channels, eps=1e-2, affine=True), seed)
    assert_same(model, (rows_of(sum(counts), (channels, *places), seed),), counts)


@settings(max_examples=20)
@given(
    channels=st.integers(1, 3),
    places=st.lists(st.integers(1, 3), max_size=2),
    shared=st.booleans(),
    counts=COUNTS,
    seed=st.integers(0, 1000),
)
def test_prelu_equals_the_loop(channels: int, places: list[int], shared: bool, counts: list[int], seed: int) -> None:
    model = filled(torch.nn.PReLU(1 if shared else channels), seed)
    assert_same(model, (rows_of(sum(counts), (channels, *places), seed),), counts)


class Paired(torch.nn.Module):
    """Feeds both inputs of a bilinear map from one."""

    def __init__(self, bilinear: torch.nn.Bilinear, by_name: bool) -> None:
        super().__init__()
        self.bilinear, self.by_name = bilinear, by_name

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = x[..., : self.bilinear.in1_features]
        second = x[..., self.bilinear.in1_features :]
        found: torch.Tensor = (
            self.bilinear(input2=second, input1=first) if self.by_name else self.bilinear(first, second)
        )
        return found


@settings(max_examples=20)
@given(
    sizes=st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3)),
    lead=st.lists(st.integers(1, 3), max_size=2),
    bias=st.booleans(),
    by_name=st.booleans(),
    counts=COUNTS,
    seed=st.integers(0, 1000),
)
def test_bilinear_equals_the_loop(
    sizes: tuple[int, int, int], lead: list[int], bias: bool, by_name: bool, counts: list[int], seed: int
) -> None:
    model = filled(Paired(torch.nn.Bilinear(*sizes, bias=bias), by_name), seed)
    assert_same(model, (rows_of(sum(counts), (*lead, sizes[0] + sizes[1]), seed),), counts)


MODULES: list[tuple[Callable[[], torch.nn.Module], tuple[int, ...]]] = [
    (lambda: torch.nn.LayerNorm(4), (3, 4)),
    (lambda: torch.nn.RMSNorm((3, 4)), (3, 4)),
    (lambda: torch.nn.GroupNorm(2, 4), (4, 3)),
    (lambda: torch.nn.InstanceNorm1d(4, affine=True), (4, 3)),
    (lambda: torch.nn.PReLU(4), (4, 3)),
]


@pytest.mark.parametrize(("build", "shape"), MODULES)
@pytest.mark.parametrize("frozen", ["weight", "bias"])
def test_a_frozen_weight_or_bias_is_left_out(
    build: Callable[[], torch.nn.Module], shape: tuple[int, ...], frozen: str
) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(shape[-1], shape[-1]), filled(build(), 1)).double()
    for name, one in model[1].named_parameters():
        one.requires_grad_(name != frozen)
    assert_same(model, (rows_of(5, shape, 2),), [2, 2, 1])


class SequenceFirst(torch.nn.Module):
    """Has its rows on the second axis, as sequences often do."""

    def __init__(self, norm: torch.nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.norm(x.transpose(0, 1)).transpose(0, 1)
        return found


@pytest.mark.parametrize("norm", [torch.nn.LayerNorm(4), torch.nn.RMSNorm(4), torch.nn.PReLU()])
def test_rows_need_not_come_first(norm: torch.nn.Module) -> None:
    assert_same(SequenceFirst(filled(norm, 3)), (rows_of(4, (5, 4), 4),), [2, 2])


class Twice(torch.nn.Module):
    """Calls one norm two times."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = torch.nn.LayerNorm(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.norm(torch.sin(self.norm(x)))
        return found


def test_a_norm_may_be_called_twice() -> None:
    assert_same(filled(Twice(), 5), (rows_of(4, (3, 4), 6),), [1, 3])


@pytest.mark.parametrize(("build", "shape"), MODULES)
def test_cutting_into_pieces_changes_nothing(build: Callable[[], torch.nn.Module], shape: tuple[int, ...]) -> None:
    """So many rows that they are looked at in several pieces."""
    module = filled(build(), 7).float()
    layer = layer_of(module, dict(module.named_parameters()))
    assert layer is not None
    units = 40_000
    generator = torch.Generator().manual_seed(8)
    seen = tuple(torch.randn((units, *shape), generator=generator) for _ in range(2))
    factors = torch.rand(units, generator=generator)
    whole = layer.each(seen, units)
    for way in layer.ways(seen, units):
        squares, kept = way.squares(seen, units)
        torch.testing.assert_close(squares, sum(squared(one) for one in whole), rtol=1e-5, atol=1e-12)
        for one, each in zip(way.total(kept, factors), whole, strict=True):
            expected = (each.double() * factors.double().view(-1, *[1] * (each.dim() - 1))).sum(0)
            torch.testing.assert_close(one.double(), expected, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize(("build", "shape"), MODULES)
def test_half_precision_is_summed_in_float32(build: Callable[[], torch.nn.Module], shape: tuple[int, ...]) -> None:
    module = filled(build(), 9)
    inputs = rows_of(6, shape, 10).bfloat16()
    (exact,) = loop(torch.nn.Sequential(module), summed_loss, (inputs.double(),), [1] * 6)[:1]
    found = engine(torch.nn.Sequential(module.bfloat16()), summed_loss, (inputs,), [1] * 6)
    assert all(one.dtype == torch.float32 for one in found)
    torch.testing.assert_close(found[0].double(), exact, rtol=0.1, atol=0.1)


def test_sums_equal_those_of_opacus() -> None:
    """Its per-row gradients, clipped by hand."""
    pytest.importorskip("opacus")
    from opacus.grad_sample import GradSampleModule

    for build, shape in MODULES[:4]:
        module = filled(build(), 11)
        inputs = rows_of(5, shape, 12)
        found = engine(module, summed_loss, (inputs,), [1] * 5)
        other = GradSampleModule(module, loss_reduction="sum")
        # Its hooks want an input that has a gradient.
        output = other(inputs.clone().requires_grad_())
        torch.stack([summed_loss(output[row : row + 1]) for row in range(5)]).sum().backward()
        rows = [one.grad_sample for one in other.parameters()]
        norms = torch.stack([one.flatten(1).square().sum(1) for one in rows]).sum(0).sqrt()
        factors = (0.5 / norms).clamp(max=1)
        for one, each in zip(found, rows, strict=True):
            expected = torch.einsum("u,u...->...", factors, each)
            assert float((one - expected).norm()) <= 1e-12 * max(float(expected.norm()), 1e-3)
