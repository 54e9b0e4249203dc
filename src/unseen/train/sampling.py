"""Poisson samples of units: every unit enters a step by its own secret coin, with all of its rows."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unseen.core.guarantee import number
from unseen.core.noise.entropy import Entropy

if TYPE_CHECKING:
    import torch

__all__ = ["Draw", "Physical", "PoissonSampler"]


@dataclass(frozen=True)
class Physical:
    """Rows that go through the model together: equally many of each unit.

    Args:
        rows: places in the draw, shape (units · rows of a unit,), one unit's next to each other. A unit with fewer
            rows than others has its first once more, with weight 0.
        weights: what each counts in its unit, shape like ``rows``: one over the unit's number of rows.
        units: how many.
    """

    rows: torch.Tensor
    weights: torch.Tensor
    units: int


@dataclass(frozen=True)
class Draw:
    """One step's sample.

    Args:
        rows: indices of the rows, shape (rows,), those of one unit next to each other.
        counts: how many of them each sampled unit has, shape (units,), each at least 1.
    """

    rows: NDArray[np.intp]
    counts: NDArray[np.intp]

    def physical(self, limit: int) -> Iterator[Physical]:
        """Cut the sample into physical batches of whole units; together they are the sample, nothing is left out.

        Units with equally many rows come together, so that few places are filled up.

        Args:
            limit: greatest number of rows of one physical batch; one unit with more is a batch by itself.
        """
        import torch

        order = np.argsort(self.counts, kind="stable")
        starts = np.cumsum(self.counts) - self.counts
        first = 0
        while first < len(order):
            # A unit's rows are as many as the last unit's, which has most.
            sizes = self.counts[order[first:]]
            fit = sizes * np.arange(1, len(sizes) + 1) <= limit
            last = first + max(1, len(fit) if fit.all() else int(np.argmin(fit)))
            units, width = order[first:last], self.counts[order[last - 1]]
            place = np.arange(width)
            inside = place < self.counts[units][:, None]
            rows = starts[units][:, None] + np.where(inside, place, 0)
            weights = inside / self.counts[units][:, None]
            yield Physical(torch.from_numpy(rows.ravel()), torch.from_numpy(weights.ravel()), len(units))
            first = last


class PoissonSampler:
    """Draws units independently.

    Args:
        units: each row's unit, shape (rows,).
        probability: of each unit in each draw, in (0, 1]; it does not depend on the data.
        entropy: the stream of the coins.

    **Guarantee**: the sampling that amplification by Poisson subsampling is proven for. An empty draw is a draw.

    Source: Mironov, Talwar and Zhang 2019, section 2.3.
    """

    def __init__(self, units: NDArray[np.int64], probability: float, entropy: Entropy) -> None:
        self._probability = number("probability", probability, 0, 1, open_low=True)
        self._entropy = entropy
        _, inverse, self._counts = np.unique(units, return_inverse=True, return_counts=True)
        self._order = np.argsort(inverse, kind="stable")

    def draw(self) -> Draw:
        """The next sample."""
        inside = self._entropy.coins(len(self._counts), self._probability)
        return Draw(self._order[np.repeat(inside, self._counts)], self._counts[inside])
