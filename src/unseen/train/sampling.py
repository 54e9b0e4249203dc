"""Which units are in which step: by independent secret coins, or dealt out anew each epoch; with all of their rows."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unseen.core.guarantee import number
from unseen.core.noise.entropy import Entropy

if TYPE_CHECKING:
    import torch

__all__ = ["Draw", "Physical", "PoissonSampler", "Sampler", "ShuffledSampler", "Streams"]


@dataclass(frozen=True)
class Physical:
    """Rows that go through the model together: equally many of each unit.

    Args:
        rows: places in the draw, shape (units · rows of a unit,), one unit's next to each other. A unit with fewer
            rows than others has its first once more, with weight 0.
        weights: what each counts in its unit, shape like ``rows``: one over the unit's number of rows.
        units: how many.
    """

    rows: NDArray[np.intp]
    weights: NDArray[np.float64]
    units: int

    def taken(self, tensor: torch.Tensor) -> torch.Tensor:
        """Those of a tensor of the draw's rows; a view where they follow one another."""
        import torch

        return tensor[self._run] if self._run else tensor[torch.from_numpy(self.rows).to(tensor.device)]

    @cached_property
    def _run(self) -> slice | None:
        first = int(self.rows[0])
        following = np.arange(first, first + len(self.rows))
        return slice(first, first + len(self.rows)) if np.array_equal(self.rows, following) else None

    def filled(self, rows: int) -> Physical:
        """The same with further units of weight 0, so that there are as many as fit into so many rows.

        Args:
            rows: no fewer than there are.
        """
        width = len(self.rows) // self.units
        more = max(1, rows // width) - self.units
        return Physical(
            np.concatenate([self.rows, np.tile(self.rows[:width], more)]),
            np.concatenate([self.weights, np.zeros(more * width)]),
            self.units + more,
        )


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
            yield Physical(rows.ravel(), weights.ravel(), len(units))
            first = last


class Streams:
    """Where a run's coins and noise come from.

    Args:
        entropy: fresh, it gives all of them. Seeded, each step has a stream of its own, which depends on seed and step
            alone, so that a run that goes on where another stopped repeats what that would have drawn.
    """

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy

    @property
    def repeatable(self) -> bool:
        """Whether a seed gives them."""
        return self._entropy.seed is not None

    def of(self, part: str, number: int) -> Entropy:
        """The stream of one part of a run.

        Args:
            part: such as "step".
            number: which.
        """
        if self._entropy.seed is None:
            return self._entropy
        name = f"unseen {part} {number} of seed {self._entropy.seed} and rank {self._entropy.rank}"
        return Entropy(int.from_bytes(hashlib.sha256(name.encode()).digest()))


class Sampler(ABC):
    """Draws the units of each step.

    Args:
        units: each row's unit, shape (rows,).
        entropy: of the coins.
    """

    together = 1
    """Steps that whoever goes on with an unseeded run must not begin in the middle of."""

    def __init__(self, units: NDArray[np.int64], entropy: Entropy | Streams) -> None:
        self._streams = Streams(entropy) if isinstance(entropy, Entropy) else entropy
        _, inverse, self._counts = np.unique(units, return_inverse=True, return_counts=True)
        self._order = np.argsort(inverse, kind="stable")
        self._step = 0

    def draw(self, step: int | None = None) -> Draw:
        """One step's sample.

        Args:
            step: its number, from 0; the one after the last draw's if not given.
        """
        step = self._step if step is None else step
        self._step = step + 1
        inside = self._inside(step)
        return Draw(self._order[np.repeat(inside, self._counts)], self._counts[inside])

    @abstractmethod
    def _inside(self, step: int) -> NDArray[np.bool_]:
        """Which units are in a step, shape (units,)."""


class PoissonSampler(Sampler):
    """Draws units independently.

    Args:
        units: each row's unit, shape (rows,).
        probability: of each unit in each draw, in (0, 1]; it does not depend on the data.
        entropy: of the coins.

    **Guarantee**: the sampling that amplification by Poisson subsampling is proven for. An empty draw is a draw.

    Source: Mironov, Talwar and Zhang 2019, section 2.3.
    """

    def __init__(self, units: NDArray[np.int64], probability: float, entropy: Entropy | Streams) -> None:
        super().__init__(units, entropy)
        self._probability = number("probability", probability, 0, 1, open_low=True)

    def _inside(self, step: int) -> NDArray[np.bool_]:
        return self._streams.of("step", step).coins(len(self._counts), self._probability)


class ShuffledSampler(Sampler):
    """Deals all units out into batches, anew each epoch.

    Args:
        units: each row's unit, shape (rows,).
        size: no batch has more units; the batches' sizes differ by one at most.
        entropy: of the shuffles.

    **Guarantee**: each unit is in exactly one batch of an epoch, as long as nobody begins an unseeded epoch in its
    middle: its shuffle is known only to whom began it.
    """

    def __init__(self, units: NDArray[np.int64], size: int, entropy: Entropy | Streams) -> None:
        super().__init__(units, entropy)
        self.together = max(1, -(-len(self._counts) // size))
        self._epoch: int | None = None
        self._batch: NDArray[np.intp] = np.empty(0, np.intp)

    def _inside(self, step: int) -> NDArray[np.bool_]:
        epoch, place = divmod(step, self.together)
        if epoch != self._epoch:
            if place and not self._streams.repeatable:
                raise RuntimeError("an epoch was begun in its middle")
            order = self._streams.of("epoch", epoch).permutation(len(self._counts))
            # The unit at place p of the shuffle is in batch p mod k, so sizes differ by one at most.
            self._batch, self._epoch = np.empty(len(order), np.intp), epoch
            self._batch[order] = np.arange(len(order)) % self.together
        inside: NDArray[np.bool_] = self._batch == place
        return inside
