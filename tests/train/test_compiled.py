"""A compiled pass gives what the pass gives, on any rows of its shapes; what can't be compiled is not."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from unseen.train.clipping import Flat, PerLayer
from unseen.train.gradients import ClippedSum
from unseen.train.sampling import Draw
from unseen.train.slow import SlowModel

CROSS_ENTROPY = torch.nn.functional.cross_entropy
TORCHS_OWN = ("ignore::DeprecationWarning:torch", "ignore::FutureWarning:torch")

pytestmark = [
    pytest.mark.skipif(shutil.which("g++") is None, reason="wants a C++ compiler"),
    *(pytest.mark.filterwarnings(one) for one in TORCHS_OWN),
]


def rows(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 6, generator=generator), torch.randint(3, (count,), generator=generator)


@pytest.mark.slow
def test_a_compiled_pass_gives_the_same_sums_whatever_is_drawn() -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    fast, plain = (ClippedSum(model, PerLayer(), 16, compile=compile) for compile in (True, False))
    for seed, counts in enumerate(([1] * 16, [1] * 9, [1] * 37, [])):
        batch = rows(sum(counts), seed)
        draw = Draw(np.arange(sum(counts)), np.array(counts, dtype=np.intp))
        bound = 0.2 + 0.3 * seed
        (found, inside), (expected, within) = (one(CROSS_ENTROPY, batch, draw, bound) for one in (fast, plain))
        assert inside == within
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(0.9)  # what was compiled follows the parameters
    assert list(fast._graphs.values()) != [None]
    batch = rows(16, 9)
    batch[0][3] = float("nan")
    draw = Draw(np.arange(16), np.ones(16, dtype=np.intp))
    for one, other in zip(*(each(CROSS_ENTROPY, batch, draw, 0.5)[0] for each in (fast, plain)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_a_value_from_outside_torch_does_not_become_a_constant() -> None:
    class Outside(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = torch.nn.Linear(6, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            scale = torch.from_numpy(np.abs(x.detach().numpy()).max(axis=1, keepdims=True))
            return self.one(x / scale)  # type: ignore[no-any-return]

    model = Outside()
    batch, draw = rows(8, 0), Draw(np.arange(8), np.ones(8, dtype=np.intp))
    with pytest.warns(SlowModel, match="not compiled"):
        found, _ = ClippedSum(model, Flat(), 8, compile=True)(CROSS_ENTROPY, batch, draw, 0.5)
    expected, _ = ClippedSum(model, Flat(), 8)(CROSS_ENTROPY, batch, draw, 0.5)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)
