"""Poisson samples of units: every unit enters a step by its own secret coin, with all of its rows."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unseen.core.guarantee import number
from unseen.core.noise.entropy import Entropy

__all__ = ["Draw", "PoissonSampler"]


@dataclass(frozen=True)
class Draw:
    """One step's sample.

    Args:
        rows: indices of the rows, shape (rows,), those of one unit next to each other.
        counts: how many of them each sampled unit has, shape (units,), each at least 1.
    """

    rows: NDArray[np.intp]
    counts: NDArray[np.intp]

    def chunks(self, limit: int) -> Iterator[tuple[slice, NDArray[np.intp]]]:
        """Cut the sample into physical batches of whole units; together they are the sample, nothing is left out.

        Args:
            limit: greatest number of rows of one physical batch; one unit with more rows is a batch by itself.

        Yields:
            the slice of ``rows``, and its units' row counts.
        """
        ends = np.cumsum(self.counts)
        first, start = 0, 0
        while first < len(ends):
            last = max(first + 1, int(np.searchsorted(ends, start + limit, side="right")))
            stop = int(ends[last - 1])
            yield slice(start, stop), self.counts[first:last]
            first, start = last, stop


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
