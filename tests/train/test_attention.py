"""Attention computes what torch's does, and clipped sums through it are those of a loop over rows."""
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
from unseen.train.slow import SlowModel
from unseen.train.tape import Tape

from .oracle import assert_same, engine, loop, summed_loss

WIDTH, HEADS, MEMORY = 4, 2, 3


class Reader(torch.nn.Module):
    """Attention from a row's first three steps to all of its steps, or among all, with masks made from the row."""

    def __init__(
        self, attention: torch.nn.MultiheadAttention, given: str, masks: str = "", weights: bool = False, times: int = 1
    ) -> None:
        super().__init__()
        self.attention, self.given, self.masks, self.weights, self.times = attention, given, masks, weights, times

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = []
        for _ in range(self.times):
            query = x if self.given == "self" else x[:, :MEMORY] * 2
            key = query if self.given == "self" else x[..., : self.attention.kdim].contiguous()
            value = key if self.given != "three" else x[..., -self.attention.vdim :].sin()
            inputs = [query, key, value]
            if not self.attention.batch_first:
                swapped = {id(one): one.transpose(0, 1) for one in inputs}
                inputs = [swapped[id(one)] for one in inputs]
            output, weights = self.attention(*inputs, **self.masked(x, query.shape[1]), need_weights=self.weights)
            output = output if self.attention.batch_first else output.transpose(0, 1)
            found.append(output.flatten(1))
            if weights is not None:
                found.append(weights.flatten(1))
            x = x.flip(1)
        return torch.cat(found, 1)

    def masked(self, x: torch.Tensor, queries: int) -> dict[str, Any]:
        steps = x.shape[1]
        late = torch.ones(queries, steps).triu(1).bool()
        made: dict[str, Any] = {}
        if "causal" in self.masks:
            made |= {"attn_mask": late, "is_causal": True}
        if "two" in self.masks:
            made["attn_mask"] = torch.linspace(-1, 1, queries * steps).to(x).reshape(queries, steps)
        if "three" in self.masks:
            made["attn_mask"] = (x[:, :queries, :1] * x[:, None, :, 0]).repeat_interleave(HEADS, 0)
        if "padding" in self.masks:
            padding = x[..., 0] > 0.3
            padding[:, 0] = False
            made["key_padding_mask"] = padding if "two" not in self.masks else x[..., 0]
        return made


def attention(seed: int = 0, **options: Any) -> torch.nn.MultiheadAttention:
    torch.manual_seed(seed)
    module = torch.nn.MultiheadAttention(WIDTH, HEADS, dtype=torch.float64, **options)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return module


def rows(number: int, steps: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(number, steps, WIDTH, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


OPTIONS = st.fixed_dictionaries(
    {
        "bias": st.booleans(),
        "add_bias_kv": st.booleans(),
        "add_zero_attn": st.booleans(),
        "batch_first": st.booleans(),
        "kdim": st.sampled_from([None, 3]),
        "vdim": st.sampled_from([None, 3]),
    }
)
GIVEN = st.sampled_from(["self", "two", "three"])
MASKS = st.sampled_from(["", "causal", "two", "three", "padding", "causal padding", "two padding"])


def reader(
    options: dict[str, Any], given: str, masks: str, weights: bool, times: int = 1, seed: int = 0, dropout: float = 0.0
) -> Reader:
    """One that torch can run with these options."""
    if given == "self":
        options = options | {"kdim": None, "vdim": None}
    if given == "two":
        options = options | {"vdim": options["kdim"]}
    return Reader(attention(seed, dropout=dropout, **options), given, masks, weights, times)


@given(
    options=OPTIONS,
    given=GIVEN,
    masks=MASKS,
    weights=st.booleans(),
    training=st.booleans(),
    number=st.integers(1, 3),
    steps=st.integers(3, 5),
)
def test_a_mirror_gives_what_torch_gives(
    options: dict[str, Any], given: str, masks: str, weights: bool, training: bool, number: int, steps: int
) -> None:
    # In eval mode nothing is dropped.
    model = reader(options, given, masks, weights, dropout=0.0 if training else 0.5).train(training)
    tape = Tape()
    mirror = mirrored(model, tape)
    tape.begin(number, number)
    found = []
    for one in (model, mirror):
        x = rows(number, steps).requires_grad_()
        output = one(x)
        found.append((output, *torch.autograd.grad(summed_loss(output), x)))
    for theirs, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-12)


@given(
    options=OPTIONS,
    given=GIVEN,
    masks=MASKS,
    weights=st.booleans(),
    counts=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    steps=st.integers(3, 5),
    times=st.integers(1, 2),
    frozen=st.sets(st.integers(0, 7), max_size=4),
    seed=st.integers(0, 100),
)
def test_every_way_gives_the_sum_of_a_loop(
    options: dict[str, Any],
    given: str,
    masks: str,
    weights: bool,
    counts: list[int],
    steps: int,
    times: int,
    frozen: set[int],
    seed: int,
) -> None:
    model = reader(options, given, masks, weights, times, seed)
    for number, parameter in enumerate(list(model.parameters())[1:]):
        parameter.requires_grad_(number not in frozen)
    assert_same(model, (rows(sum(counts), steps, seed),), counts)


def test_average_weights_and_those_of_each_head_are_torchs() -> None:
    module = attention(batch_first=True)
    stand_in = composite_of(module, Tape(), "")
    assert stand_in is not None
    x = rows(2, 3)
    with torch.no_grad():
        for average in (True, False):
            for given in ((x, x, x), (x[0], x[1], x[1])):
                theirs = module(*given, average_attn_weights=average)
                ours = stand_in(*given, average_attn_weights=average)
                for one, other in zip(ours, theirs, strict=True):
                    assert one.shape == other.shape
                    torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("weights", [False, True])
def test_dropout_drops_the_share_that_was_asked_for(weights: bool) -> None:
    module = torch.nn.MultiheadAttention(8, 2, dropout=0.25, batch_first=True)
    stand_in = composite_of(module, Tape(), "")
    assert stand_in is not None
    x = torch.randn(64, 64, 8)
    with torch.no_grad():
        _, found = stand_in(x, x, x, average_attn_weights=False)
        assert float((found == 0).float().mean()) == pytest.approx(0.25, abs=0.01)
        kept = stand_in.eval()(x, x, x, need_weights=weights)[0]
        torch.testing.assert_close(kept, module.eval()(x, x, x, need_weights=weights)[0])


class Coder(torch.nn.Module):
    """One of torch's own encoders or decoders on rows; what a decoder attends to is made from the row."""

    def __init__(self, coder: torch.nn.Module, batch_first: bool, padded: bool = False) -> None:
        super().__init__()
        self.coder, self.batch_first, self.padded = coder, batch_first, padded

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x if self.batch_first else x.transpose(0, 1)
        more: dict[str, Any] = {}
        if self.padded:
            padding = torch.zeros(x.shape[:2], dtype=torch.bool)
            padding[:, -1] = x[:, 0, 0] > 0
            more["src_key_padding_mask"] = padding
        if isinstance(self.coder, torch.nn.Transformer):
            mask = torch.nn.Transformer.generate_square_subsequent_mask(x.shape[1], dtype=x.dtype)
            found = self.coder(y, y.cos(), tgt_mask=mask, tgt_is_causal=True, **more)
        elif isinstance(self.coder, torch.nn.TransformerDecoder | torch.nn.TransformerDecoderLayer):
            found = self.coder(y, y.cos())
        else:
            found = self.coder(y, **more)
        return found if self.batch_first else found.transpose(0, 1)


def coder(kind: str, batch_first: bool, norm_first: bool = False) -> torch.nn.Module:
    torch.manual_seed(1)
    sizes = (WIDTH, HEADS)
    how = {"dropout": 0.0, "batch_first": batch_first, "norm_first": norm_first, "dtype": torch.float64}
    if kind == "transformer":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made: torch.nn.Module = torch.nn.Transformer(*sizes, 1, 2, 5, **how)  # type: ignore[arg-type]
    elif kind.startswith("encoder"):
        made = torch.nn.TransformerEncoderLayer(*sizes, 5, **how)  # type: ignore[arg-type]
        if kind == "encoder":
            made = torch.nn.TransformerEncoder(made, 2, enable_nested_tensor=batch_first and not norm_first)
    else:
        made = torch.nn.TransformerDecoderLayer(*sizes, 5, **how)  # type: ignore[arg-type]
        if kind == "decoder":
            made = torch.nn.TransformerDecoder(made, 2)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return made


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("kind", ["encoder layer", "encoder", "decoder layer", "decoder", "transformer"])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_torchs_own_transformers_give_the_sum_of_a_loop(kind: str, batch_first: bool, training: bool) -> None:
    padded = kind in ("encoder", "transformer")
    model = Coder(coder(kind, batch_first, norm_first=kind == "decoder"), batch_first, padded).train(training)
    assert_same(model, (rows(5, 3),), [2, 2, 1], relative=1e-11)


def test_no_part_of_a_transformer_is_run_row_by_row() -> None:
    model = Coder(coder("transformer", True), True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", SlowModel)
        engine(model, summed_loss, (rows(3, 3),), [1] * 3)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_an_encoder_in_eval_mode_takes_no_path_past_the_taps() -> None:
    """A mostly frozen encoder too, whose padding torch would turn into nested tensors."""
    model = Coder(coder("encoder", True), True, padded=True).eval()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("layers.1.self_attn.in_proj" in name or "layers.0.linear1" in name)
    assert_same(model, (rows(4, 3),))


def test_nested_tensors_are_refused_with_the_fix() -> None:
    stand_in = composite_of(attention(batch_first=True), Tape(), "reader")
    assert stand_in is not None
    nested = torch.nested.nested_tensor([rows(1, 3)[0], rows(1, 2)[0]], layout=torch.jagged)
    with pytest.raises(InvalidRequest, match=r"'reader'.*enable_nested_tensor=False"):
        stand_in(nested, nested, nested)


def test_a_mask_of_another_shape_is_refused_as_in_torch() -> None:
    stand_in = composite_of(attention(batch_first=True), Tape(), "")
    assert stand_in is not None
    x = rows(2, 3)
    for wrong in ({"attn_mask": torch.zeros(1, 3)}, {"key_padding_mask": torch.zeros(1, 3)}, {"is_causal": True}):
        with pytest.raises(RuntimeError):
            stand_in(x, x, x, **wrong)


def test_a_projection_shared_with_a_dense_layer_is_clipped_once() -> None:
    class Tied(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = attention(batch_first=True)
            self.dense = torch.nn.Linear(WIDTH, WIDTH, dtype=torch.float64)
            self.dense.weight = self.attention.out_proj.weight

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.dense(x)
            return self.attention(y, x, x, need_weights=False)[0]

    assert_same(Tied(), (rows(4, 3),), [1, 3])


def test_the_sum_is_that_of_opacus() -> None:
    opacus = pytest.importorskip("opacus")
    torch.manual_seed(3)
    # With batch_first=True Opacus takes steps for rows: its layers see the transposed tensor.
    theirs = opacus.layers.DPMultiheadAttention(WIDTH, HEADS).double()
    ours = torch.nn.MultiheadAttention(WIDTH, HEADS, batch_first=True, dtype=torch.float64)
    theirs.load_state_dict(ours.state_dict())
    x = rows(5, 4)
    wrapped = opacus.GradSampleModule(theirs, batch_first=False)
    summed_loss(wrapped(*[x.transpose(0, 1).clone().requires_grad_()] * 3)[0].transpose(0, 1)).backward()
    samples = {name: one.grad_sample for name, one in theirs.named_parameters()}
    norms = torch.stack([one.flatten(1).square().sum(1) for one in samples.values()]).sum(0).sqrt()
    factors = (0.5 / norms).clamp(max=1)
    found = engine(Reader(ours, "self"), summed_loss, (x,), [1] * 5, 0.5)
    sums = {name: torch.einsum("i,i...->...", factors, one) for name, one in samples.items()}
    parts = [torch.cat([sums[f"{one}linear.{kind}"] for one in "qkv"]) for kind in ("weight", "bias")]
    expected = [*parts, sums["out_proj.weight"], sums["out_proj.bias"]]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


@settings(max_examples=10)
@given(rows_of=st.lists(st.integers(1, 3), min_size=1, max_size=3), frames=st.integers(1, 3))
def test_frames_folded_into_the_rows_are_told_apart(rows_of: list[int], frames: int) -> None:
    class Frames(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.reader = Reader(attention(add_bias_kv=True, batch_first=True), "two")

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = torch.stack([x * (frame + 1) for frame in range(frames)], 1)
            return self.reader(y.flatten(0, 1)).reshape(len(x), -1)

    assert_same(Frames(), (rows(sum(rows_of), 3),), rows_of)


def test_norms_sum_over_the_maps_and_are_never_below_a_loops() -> None:
    """A bound so small that every row is clipped shows each norm."""
    model = Reader(attention(batch_first=True), "three")
    x = rows(4, 4)
    for one, other in zip(
        engine(model, summed_loss, (x,), [1] * 4, 1e-6), loop(model, summed_loss, (x,), [1] * 4, 1e-6), strict=True
    ):
        assert float(one.norm()) <= float(other.norm()) * (1 + 1e-12)
