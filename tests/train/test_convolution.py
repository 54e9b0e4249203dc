"""Convolutions of every kind and option give the loop's clipped sum; no way measures a norm too small."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.train.oracle import assert_same, engine, loop, summed_loss

from unseen.core.errors import InvalidRequest
from unseen.train.clipping import MARGIN
from unseen.train.layers import layer_of
from unseen.train.layers.correlation import Geometry, gram, grouped, slack, unfolded
from unseen.train.layers.layer import Dropped, Kept, Layer, Normed, Seen
from unseen.train.mirror import trained

PLAIN: tuple[type[torch.nn.Module], ...] = (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)
TRANSPOSED: tuple[type[torch.nn.Module], ...] = (
    torch.nn.ConvTranspose1d,
    torch.nn.ConvTranspose2d,
    torch.nn.ConvTranspose3d,
)
SAME_AND_EVEN = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
COUNTS = st.sampled_from([[1], [1, 1, 1], [2, 2], [3], [1, 3, 2]])


def filled(module: torch.nn.Module, seed: int, dtype: torch.dtype = torch.float64) -> torch.nn.Module:
    """No weight alike."""
    generator = torch.Generator().manual_seed(seed)
    module = module.to(dtype)
    with torch.no_grad():
        for one in module.parameters():
            one.copy_(torch.randn(one.shape, generator=generator, dtype=torch.float64))
    return module


def rows_of(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@dataclass(frozen=True)
class Made:
    """A convolution and what it takes."""

    module: torch.nn.Module
    channels: int
    places: tuple[int, ...]
    seed: int

    def rows(self, count: int) -> torch.Tensor:
        return rows_of((count, self.channels, *self.places), self.seed)


def axes_of(draw: Any, axes: int, low: int, high: int) -> tuple[int, ...]:
    return tuple(draw(st.integers(low, high)) for _ in range(axes))


@st.composite
def convolutions(draw: Any) -> Made:
    axes = draw(st.integers(1, 3))
    groups = draw(st.integers(1, 3))
    inputs, outputs = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 3))
    kernel, dilation = axes_of(draw, axes, 1, 3), axes_of(draw, axes, 1, 2)
    reach = [step * (size - 1) for size, step in zip(kernel, dilation, strict=True)]
    mode = draw(st.sampled_from(["zeros", "zeros", "reflect", "replicate", "circular"]))
    padding = draw(st.sampled_from(["numbers", "numbers", "same", "valid"]))
    stride = (1,) * axes if padding == "same" else axes_of(draw, axes, 1, 3)
    given_padding = padding if padding != "numbers" else axes_of(draw, axes, 0, 2)
    # Reflection needs more pixels than it pads; every padding leaves room for the kernel.
    places = tuple(draw(st.integers(max(one + 1, 3), one + 4)) for one in reach)
    module = PLAIN[axes - 1](
        inputs,  # type: ignore[arg-type]
        outputs,
        kernel,
        stride,
        given_padding,
        dilation,
        groups,
        draw(st.booleans()),
        mode,
    )
    return Made(frozen(draw, module), inputs, places, draw(st.integers(0, 1000)))


@st.composite
def transposed_convolutions(draw: Any) -> Made:
    axes = draw(st.integers(1, 3))
    groups = draw(st.integers(1, 3))
    inputs, outputs = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 2))
    kernel, dilation, stride = (axes_of(draw, axes, 1, 3) for _ in range(3))
    reach = [step * (size - 1) for size, step in zip(kernel, dilation, strict=True)]
    padding = tuple(draw(st.integers(0, min(2, one // 2))) for one in reach)
    more = tuple(draw(st.integers(0, max(one, two) - 1)) for one, two in zip(stride, dilation, strict=True))
    module = TRANSPOSED[axes - 1](
        inputs,  # type: ignore[arg-type]
        outputs,
        kernel,
        stride,
        padding,
        more,
        groups,
        draw(st.booleans()),
        dilation,
    )
    return Made(frozen(draw, module), inputs, axes_of(draw, axes, 2, 4), draw(st.integers(0, 1000)))


def frozen(draw: Any, module: torch.nn.Module) -> torch.nn.Module:
    """At most one of weight and bias is."""
    still = draw(st.sampled_from(["", "", "", "weight", "bias"]))
    if still and getattr(module, "bias", None) is not None:
        getattr(module, still).requires_grad_(False)
    return module


def assert_every_way_same(made: Made, counts: list[int]) -> None:
    """Within 1e-12, unless positions cancel so far that the bounds of rounding, of about 1e-14, are more than that."""
    module, rows = filled(made.module, made.seed), made.rows(sum(counts))
    output = module(rows).detach().requires_grad_()
    (g,) = torch.autograd.grad(summed_loss(output), output)
    norms = torch.stack([one.flatten(1).square().sum(1) for one in layer_for(module).each((rows, g), len(rows))])
    spread = rows.flatten(1).square().sum(1) * g.flatten(1).square().sum(1) * math.prod(module.kernel_size)  # type: ignore[arg-type]
    condition = float((spread / norms.sum(0)).max())
    assert_same(module, (rows,), counts, ways=4, relative=1e-12 * max(1.0, condition / 50))


@settings(max_examples=60)
@given(made=convolutions(), counts=COUNTS)
@SAME_AND_EVEN
def test_every_way_of_a_convolution_equals_the_loop(made: Made, counts: list[int]) -> None:
    assert_every_way_same(made, counts)


@settings(max_examples=40)
@given(made=transposed_convolutions(), counts=COUNTS)
def test_every_way_of_a_transposed_convolution_equals_the_loop(made: Made, counts: list[int]) -> None:
    assert_every_way_same(made, counts)


@pytest.mark.parametrize("position", range(4))
def test_a_small_network_equals_the_loop(position: int) -> None:
    model = torch.nn.Sequential(
        torch.nn.Conv2d(2, 8, 3, padding=1, bias=False),
        torch.nn.GroupNorm(2, 8),
        torch.nn.ReLU(),
        torch.nn.Conv2d(8, 12, 3, stride=2, padding=1),
        torch.nn.ReLU(),
        torch.nn.ConvTranspose2d(12, 4, 2, stride=2),
        torch.nn.Flatten(),
        torch.nn.Linear(4 * 6 * 6, 3),
    )
    batch, counts = (rows_of((6, 2, 6, 6), 0),), [1, 2, 3]
    expected = loop(filled(model, 1), summed_loss, batch, counts)
    found = engine(model, summed_loss, batch, counts, way=position)
    for one, other in zip(found, expected, strict=True):
        assert float((one - other).norm()) <= 1e-12 * float(other.norm())


def test_output_padding_beyond_the_stride_equals_the_loop() -> None:
    module = torch.nn.ConvTranspose2d(2, 3, (2, 3), (1, 2), (1, 0), (1, 2), dilation=(2, 3))
    assert_every_way_same(Made(module, 2, (2, 3), 0), [1, 2])


def test_channels_last_equals_the_loop() -> None:
    model = filled(torch.nn.Conv2d(3, 4, 3, stride=2, padding=1), 0).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    batch = rows_of((4, 3, 7, 6), 1).contiguous(memory_format=torch.channels_last)
    assert_same(model, (batch,), [2, 2], ways=4)


def test_a_row_folded_into_several_calls_rows_equals_the_loop() -> None:
    class Frames(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(2, 3, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.conv(x.flatten(0, 1))
            return found.unflatten(0, x.shape[:2])

    assert_same(filled(Frames(), 0), (rows_of((4, 5, 2, 5, 5), 1),), [1, 1, 2], ways=4)


# --- Norms -------------------------------------------------------------------------------------------------


@st.composite
def geometries(draw: Any) -> tuple[Geometry, tuple[int, ...], int]:
    axes, groups = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    kernel, stride, dilation = (axes_of(draw, axes, 1, 3) for _ in range(3))
    geometry = Geometry(kernel, stride, axes_of(draw, axes, 0, 2), dilation, groups)
    places = tuple(step * (size - 1) + draw(st.integers(1, 4)) for size, step in zip(kernel, dilation, strict=True))
    return geometry, places, draw(st.integers(0, 1000))


@settings(max_examples=50)
@given(drawn=geometries(), units=st.integers(1, 3), each=st.integers(1, 2))
def test_grouping_unfolding_and_gram_matrices_are_one_gradient(
    drawn: tuple[Geometry, tuple[int, ...], int], units: int, each: int
) -> None:
    geometry, places, seed = drawn
    positions = [
        (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
        for size, padding, dilation, kernel, stride in zip(
            places, geometry.padding, geometry.dilation, geometry.kernel, geometry.stride, strict=True
        )
    ]
    wide = rows_of((units * each, 2 * geometry.groups, *places), seed)
    narrow = rows_of((units * each, 3 * geometry.groups, *positions), seed + 1)
    one, other = grouped(wide, narrow, geometry, units), unfolded(wide, narrow, geometry, units)
    assert torch.allclose(one, other, rtol=1e-12, atol=1e-12)
    squares = one.flatten(1).square().sum(1)
    bounds = gram(wide, narrow, geometry, units)
    spread = slack(wide, narrow, geometry, units, bias=False)
    assert bool((bounds >= squares).all())
    assert bool((bounds <= squares + 1e-12 * (squares + (spread / torch.finfo(torch.float64).eps).square())).all())


def seen_by(module: torch.nn.Module, rows: torch.Tensor, cancel: bool) -> Seen:
    g = rows_of(tuple(module(rows).shape), 7).to(rows.dtype)
    if cancel:  # constant rows, and gradients that add up to nearly nothing
        rows = torch.ones_like(rows) + 1e-3 * rows
        g = g - g.flatten(2).mean(2).view(*g.shape[:2], *[1] * (g.dim() - 2))
    return rows, g


SHAPES = {
    "first of LeNet": (torch.nn.Conv2d(1, 10, 5), (1, 28, 28)),
    "second of LeNet": (torch.nn.Conv2d(10, 20, 5), (10, 12, 12)),
    "wide": (torch.nn.Conv2d(64, 64, 3, padding=1, bias=False), (64, 8, 8)),
    "strided": (torch.nn.Conv2d(32, 64, 3, stride=2, padding=1), (32, 8, 8)),
    "one by one": (torch.nn.Conv2d(64, 128, 1, stride=2), (64, 8, 8)),
    "by channel": (torch.nn.Conv2d(16, 16, 3, padding=1, groups=16), (16, 8, 8)),
    "circular": (torch.nn.Conv1d(16, 32, 3, padding=1, padding_mode="circular"), (16, 32)),
    "one weight": (torch.nn.Conv1d(1, 1, 1, bias=False), (1, 16)),
    "transposed": (torch.nn.ConvTranspose2d(64, 16, 4, stride=2, padding=1), (64, 5, 5)),
}


@pytest.mark.parametrize("cancel", [False, True], ids=["", "cancelling"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("name", SHAPES)
def test_no_way_weighs_more_than_it_measured(name: str, dtype: torch.dtype, cancel: bool) -> None:
    module, shape = SHAPES[name]
    module = filled(module, 3, dtype)
    units = 4
    seen = tuple(one.detach() for one in seen_by(module, rows_of((2 * units, *shape), 5).to(dtype), cancel))
    exact = layer_for(module.double())
    layer = layer_for(module.to(dtype))
    true = exact.each(tuple(one.double() for one in seen), units)
    norms = torch.stack([one.flatten(1).square().sum(1) for one in true]).sum(0).sqrt()
    margin = 1 - MARGIN * torch.finfo(torch.float32).eps
    for way in layer.ways(seen, units):
        squares, kept = way.squares(seen, units)
        assert squares.dtype == torch.float64
        for unit in range(units):
            factors = torch.zeros(units, dtype=torch.float32)
            factors[unit] = 1.0
            total = way.total(kept, factors)
            assert all(one.dtype == torch.float32 for one in total)
            weighed = float(torch.stack([one.double().square().sum() for one in total]).sum().sqrt())
            assert weighed * margin <= float(squares[unit].sqrt()), type(way).__name__
        if dtype == torch.float32:
            assert bool((squares.sqrt() >= norms * margin).all()), type(way).__name__
            assert cancel or bool((squares.sqrt() <= norms * 1.02).all()), type(way).__name__


def layer_for(module: torch.nn.Module) -> Layer:
    found = layer_of(module, trained(module))
    assert found is not None
    return found


def test_few_positions_are_measured_by_gram_matrices_and_many_by_gradients() -> None:
    deep, early = torch.nn.Conv2d(256, 256, 3, padding=1), torch.nn.Conv2d(32, 32, 3, padding=1)
    few, many = torch.ones(2, 256, 4, 4), torch.ones(2, 32, 32, 32)
    assert isinstance(layer_for(deep).ways((few, few), 2)[0], Normed)
    kinds = [type(way) for way in layer_for(early).ways((many, many), 2)]
    assert kinds == [Kept, Kept, Dropped]


def test_a_call_whose_rows_are_pixels_is_refused_with_the_fix() -> None:
    layer = layer_for(torch.nn.Conv1d(3, 4, 1))
    with pytest.raises(InvalidRequest, match="Linear"):
        layer.each((torch.ones(5, 1, 3), torch.ones(5, 1, 4)), 5)


# --- Opacus ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (torch.nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), (4, 9)),
        (torch.nn.Conv2d(2, 4, 3, padding="same"), (2, 6, 5)),
        (torch.nn.Conv2d(4, 8, 3, stride=2, dilation=2, groups=4), (4, 9, 8)),
        (torch.nn.Conv3d(2, 3, 2, padding=1), (2, 4, 3, 4)),
    ],
    ids=["one axis", "same", "dilated", "three axes"],
)
def test_rows_gradients_equal_opacus(module: torch.nn.Module, shape: tuple[int, ...]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        opacus = pytest.importorskip("opacus")
        module = filled(module, 0)
        rows = rows_of((5, *shape), 1)
        wrapped = opacus.GradSampleModule(module, loss_reduction="sum")
        output = wrapped(rows)
        g = rows_of(tuple(output.shape), 2)
        (output * g).sum().backward()
        expected = [one.grad_sample for one in module.parameters()]
        wrapped.remove_hooks()
    found = layer_for(module).each((rows, g), 5)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-12, atol=1e-12)
