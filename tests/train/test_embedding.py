"""Embedding and EmbeddingBag give the loop's clipped sum, in both call forms and all modes."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.train.oracle import assert_same, engine, loop, summed_loss

from unseen.core.errors import InvalidRequest
from unseen.train.clipping import Flat
from unseen.train.gradients import ClippedSum
from unseen.train.layers import layer_of
from unseen.train.layers.layer import Kept, squared

ENTRIES, FEATURES = 6, 3
COUNTS = st.sampled_from([[1], [1, 1, 1, 1], [2, 2], [1, 3, 2]])


def ids_of(count: int, shape: tuple[int, ...], seed: int, entries: int = ENTRIES) -> torch.Tensor:
    return torch.randint(entries, (count, *shape), generator=torch.Generator().manual_seed(seed))


def seeded(model: torch.nn.Module, seed: int) -> torch.nn.Module:
    """In float64, no entry alike."""
    generator = torch.Generator().manual_seed(seed)
    model = model.double()
    with torch.no_grad():
        for one in model.parameters():
            one.copy_(torch.randn(one.shape, generator=generator, dtype=one.dtype))
    return model


@settings(max_examples=40)
@given(
    shape=st.lists(st.integers(1, 5), max_size=2),
    counts=COUNTS,
    entries=st.sampled_from([2, ENTRIES, 40]),
    padding=st.sampled_from([None, 0, 1]),
    seed=st.integers(0, 1000),
)
def test_embedding_equals_the_loop(
    shape: list[int], counts: list[int], entries: int, padding: int | None, seed: int
) -> None:
    model = seeded(torch.nn.Embedding(entries, FEATURES, padding_idx=padding), seed)
    assert_same(model, (ids_of(sum(counts), tuple(shape), seed, entries),), counts)


class Bags(torch.nn.Module):
    """Calls a bag in the form that is asked for, on ids below zero where there is none.

    Args:
        bag: whose ids and weights come from one matrix of numbers, (rows, longest).
        matrix: whether ids are given as a matrix, in which nothing is missing.
        weighted: whether the ids have weights, which are learned.
        each: how many bags a row is cut into.
    """

    def __init__(self, bag: torch.nn.EmbeddingBag, matrix: bool, weighted: bool, each: int = 1) -> None:
        super().__init__()
        self.bag, self.matrix, self.each = bag, matrix, each
        self.scale = torch.nn.Embedding(bag.num_embeddings, 1) if weighted else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = len(x)
        x = x.reshape(rows * self.each, x.shape[1] // self.each)
        inside = x >= 0
        scale = None if self.scale is None else self.scale(x.clamp(min=0)).squeeze(-1)
        if self.matrix:
            found = self.bag(x.clamp(min=0), per_sample_weights=scale)
        else:
            lengths = inside.sum(1)
            ends = lengths.cumsum(0)
            offsets = torch.cat([ends.new_zeros(1), ends]) if self.bag.include_last_offset else ends - lengths
            weights = () if scale is None else (scale[inside],)
            found = self.bag(x[inside], offsets, *weights)
        output: torch.Tensor = found.reshape(rows, -1)
        return output


@settings(max_examples=80)
@given(
    mode=st.sampled_from(["sum", "mean", "max"]),
    counts=COUNTS,
    each=st.integers(1, 2),
    longest=st.integers(1, 5),
    matrix=st.booleans(),
    last=st.booleans(),
    weighted=st.booleans(),
    padding=st.sampled_from([None, 0, 1]),
    entries=st.sampled_from([2, ENTRIES, 40]),
    seed=st.integers(0, 1000),
)
def test_bag_equals_the_loop(
    mode: str,
    counts: list[int],
    each: int,
    longest: int,
    matrix: bool,
    last: bool,
    weighted: bool,
    padding: int | None,
    entries: int,
    seed: int,
) -> None:
    bag = torch.nn.EmbeddingBag(entries, FEATURES, mode=mode, padding_idx=padding, include_last_offset=last)
    model = seeded(Bags(bag, matrix, weighted and mode == "sum", each), seed)
    missing = 0 if matrix else 2
    ids = ids_of(sum(counts), (longest * each,), seed, entries + missing) - missing
    assert_same(model, (ids.clamp(min=-1),), counts)


def test_rows_of_unequal_and_no_ids_are_normal() -> None:
    model = seeded(Bags(torch.nn.EmbeddingBag(ENTRIES, FEATURES, mode="sum"), False, True), 1)
    ids = torch.tensor([[-1, -1, -1, -1], [0, 0, 0, 0], [3, -1, 3, 2], [-1, -1, -1, 5]])
    assert_same(model, (ids,))
    assert_same(model, (torch.full((3, 4), -1),))


class Tied(torch.nn.Module):
    """Reads by the table that it writes by."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(ENTRIES, FEATURES, padding_idx=1)
        self.head = torch.nn.Linear(FEATURES, ENTRIES)
        self.head.weight = self.embedding.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(torch.tanh(self.embedding(x)))
        return found


@pytest.mark.parametrize("counts", [[1] * 6, [3, 3], [1, 2, 3]])
def test_a_tied_table_equals_the_loop(counts: list[int]) -> None:
    assert_same(seeded(Tied(), 2), (ids_of(6, (4,), 3),), counts)


class TwoLengths(torch.nn.Module):
    """Looks twice into one table, at unequally many ids."""

    def __init__(self, table: torch.nn.Module) -> None:
        super().__init__()
        self.table = table

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one, two = self.table(x[:, :3]), self.table(x[:, 3:])
        return torch.cat([one.flatten(1), torch.sin(two.flatten(1))], 1)


@pytest.mark.parametrize("split", [5, 6])
@pytest.mark.parametrize(
    "table", [torch.nn.Embedding(ENTRIES, FEATURES), torch.nn.EmbeddingBag(ENTRIES, FEATURES, mode="max")]
)
def test_a_table_may_be_looked_into_twice(table: torch.nn.Module, split: int) -> None:
    assert_same(seeded(TwoLengths(table), 4), (ids_of(4, (split,), 5),), [1, 1, 2])


class SequenceFirst(torch.nn.Module):
    """Has its rows on the second axis."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(ENTRIES, FEATURES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.embedding(x.T).transpose(0, 1)
        return found


def test_rows_need_not_come_first() -> None:
    assert_same(seeded(SequenceFirst(), 6), (ids_of(4, (5,), 7),), [2, 2])


def test_small_ids_and_a_frozen_head_are_normal() -> None:
    model = torch.nn.Sequential(torch.nn.Embedding(ENTRIES, FEATURES, sparse=True), torch.nn.Linear(FEATURES, 2))
    model[1].requires_grad_(False)
    assert_same(seeded(model, 8), (ids_of(5, (4,), 9).int(),))


class Shaded(torch.nn.Module):
    """Divides by zero at padding, which no gradient may show."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(ENTRIES, FEATURES, padding_idx=0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.embedding(x) / (x != 0).unsqueeze(-1)


def test_what_is_not_finite_at_padding_counts_for_nothing() -> None:
    model = seeded(Shaded(), 10)
    ids = torch.tensor([[0, 1, 2], [3, 0, 0], [4, 4, 4]])
    for way in range(2):
        found = engine(model, lambda output: (output[:, :, :1] * 0 + output).sum(), (ids,), [1, 1, 1], way=way)
        expected = loop(model, lambda output: output[output.isfinite()].sum(), (ids,), [1, 1, 1])
        assert bool(found[0].isfinite().all())
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("kind", [torch.nn.Embedding, torch.nn.EmbeddingBag])
@pytest.mark.parametrize("option", [{"max_norm": 1.0}, {"scale_grad_by_freq": True}])
def test_options_that_mix_or_store_are_refused_with_the_fix(kind: Any, option: dict[str, Any]) -> None:
    model = kind(ENTRIES, FEATURES, **option)
    with pytest.raises(InvalidRequest, match=next(iter(option)) + "=(None|False)"):
        ClippedSum(model, Flat(), 8).probe(ids_of(3, (2,), 0))


@settings(max_examples=20)
@given(units=st.sampled_from([1, 7, 400]), positions=st.integers(1, 40), seed=st.integers(0, 1000))
def test_norms_without_the_dense_gradient_equal_those_with_it(units: int, positions: int, seed: int) -> None:
    """In float32, in several pieces, with cancelling gradients at the same id."""
    module = torch.nn.Embedding(50, 16, padding_idx=3)
    layer = layer_of(module, dict(module.named_parameters()))
    assert layer is not None
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(50, (units, positions), generator=generator)
    g = torch.randn((units, positions, 16), generator=generator)
    ids, g = torch.cat([ids, ids.flip(1)], 1), torch.cat([g, 1e-3 - g.flip(1)], 1)
    (dense,) = layer.each((ids, g), units)
    factors = torch.rand(units, generator=generator)
    expected = torch.einsum("u,uvd->vd", factors.double(), dense.double())
    (way,) = layer.ways((ids, g), units)
    assert isinstance(way, Kept) == (2 * positions > 50)
    squares, kept = way.squares((ids, g), units)
    torch.testing.assert_close(squares, squared(dense), rtol=1e-3, atol=1e-9)
    for total in (way.total(kept, factors), layer.total((ids, g), factors)):
        torch.testing.assert_close(total[0].double(), expected, rtol=1e-4, atol=1e-4)


def test_sums_equal_those_of_opacus() -> None:
    """Its per-row gradients, clipped by hand; where it has them right: its rule for Embedding gives the padding a
    gradient, and its rule for bags counts an id once that stands twice in a bag."""
    pytest.importorskip("opacus")
    from opacus.grad_sample import GradSampleModule

    distinct = torch.stack([torch.randperm(ENTRIES, generator=torch.Generator().manual_seed(i))[:4] for i in range(5)])
    for model, ids in (
        (torch.nn.Embedding(ENTRIES, FEATURES), ids_of(5, (7,), 11)),
        (Bags(torch.nn.EmbeddingBag(ENTRIES, FEATURES, mode="mean"), False, False), distinct),
        (Bags(torch.nn.EmbeddingBag(ENTRIES, FEATURES, mode="sum"), False, False), distinct),
    ):
        found = engine(seeded(model, 12), summed_loss, (ids,), [1] * 5)
        other = GradSampleModule(model, loss_reduction="sum")
        output = other(ids)
        # Ids have no gradient, and its hooks ask for one.
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Full backward hook")
            torch.stack([summed_loss(output[row : row + 1]) for row in range(5)]).sum().backward()
        (each,) = (one.grad_sample for one in other.parameters())
        factors = (0.5 / each.flatten(1).norm(dim=1)).clamp(max=1)
        expected = torch.einsum("u,u...->...", factors, each)
        assert float((found[0] - expected).norm()) <= 1e-12 * float(expected.norm())
