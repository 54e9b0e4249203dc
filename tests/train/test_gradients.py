"""The clipped sum is the sum over units of gradients of norm at most C, taken one unit at a time."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unseen.core.errors import InvalidRequest
from unseen.train.clipping import Flat
from unseen.train.gradients import check_model, clipped_sum
from unseen.train.sampling import Draw

CROSS_ENTROPY = torch.nn.functional.cross_entropy


@given(
    counts=st.lists(st.integers(1, 4), max_size=7),
    width=st.integers(1, 5),
    hidden=st.integers(1, 4),
    limit=st.integers(1, 9),
    bound=st.floats(0.01, 10),
    frozen=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_sum_equals_a_loop_over_units(
    counts: list[int], width: int, hidden: int, limit: int, bound: float, frozen: bool, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(width, hidden), torch.nn.Tanh(), torch.nn.Linear(hidden, 3)).double()
    if frozen:
        model[0].weight.requires_grad_(False)
    rows = sum(counts)
    inputs = torch.randn(rows, width, generator=generator, dtype=torch.float64)
    labels = torch.randint(3, (rows,), generator=generator)
    draw = Draw(np.arange(rows), np.array(counts, dtype=np.intp))
    found = clipped_sum(model, CROSS_ENTROPY, (inputs, labels), draw, Flat(bound), limit)

    parameters = [p for p in model.parameters() if p.requires_grad]
    expected = [torch.zeros_like(p) for p in parameters]
    start = 0
    for count in counts:
        part = slice(start, start + count)
        start += count
        gradient = torch.autograd.grad(CROSS_ENTROPY(model(inputs[part]), labels[part]), parameters)
        norm = torch.sqrt(sum(g.square().sum() for g in gradient))
        for total, g in zip(expected, gradient, strict=True):
            total += g * min(1.0, bound / float(norm))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


@given(
    values=st.lists(st.lists(st.floats(width=32), min_size=3, max_size=3), min_size=1, max_size=6),
    bound=st.floats(1e-3, 1e3),
)
def test_no_norm_exceeds_the_bound_and_what_is_not_finite_is_zero(values: list[list[float]], bound: float) -> None:
    gradient = torch.tensor(values, dtype=torch.float32)
    (clipped,) = Flat(bound).clipped([gradient])
    assert (clipped.double().norm(dim=1) <= bound).all()
    assert (clipped[~torch.isfinite(gradient).all(dim=1)] == 0).all()


def test_a_non_finite_unit_leaves_the_others_untouched() -> None:
    model = torch.nn.Linear(2, 2)
    inputs = torch.tensor([[1.0, 2.0], [float("nan"), 0.0]])
    draw = Draw(np.arange(2), np.ones(2, dtype=np.intp))
    labels = torch.tensor([0, 1])
    both = clipped_sum(model, CROSS_ENTROPY, (inputs, labels), draw, Flat(1.0), 10)
    alone = clipped_sum(
        model,
        CROSS_ENTROPY,
        (inputs[:1], labels[:1]),
        Draw(np.arange(1), np.ones(1, dtype=np.intp)),
        Flat(1.0),
        10,
    )
    for one, other in zip(both, alone, strict=True):
        torch.testing.assert_close(one, other)


def test_batch_norm_is_refused_with_the_fix() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.BatchNorm1d(4))
    with pytest.raises(InvalidRequest, match=r"GroupNorm\(1, 4\)"):
        check_model(model, torch.optim.SGD(model.parameters(), lr=0.1))
