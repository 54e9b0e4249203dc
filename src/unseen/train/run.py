"""What a charged run does, as one value."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from unseen.core.accounting import gradient_noise_multiplier
from unseen.train.checkpoint import Checkpoint
from unseen.train.clipping import Clipping
from unseen.train.pricing import Schedule

if TYPE_CHECKING:
    from unseen.core.guarantee import Guarantee
    from unseen.core.release import Receipt
    from unseen.train.steps import Steps

__all__ = ["Run"]


@dataclass(frozen=True)
class Run:
    """A run as it was priced and charged.

    Args:
        schedule: steps and noise.
        clipping: the rule.
        expected_batch_size: what sums are divided by.
        physical_batch_size: greatest number of rows of one pass.
        guarantee: what is promised.
        receipt: the ledger's; None if no ledger was charged.
        diagnostics: whether the owner wants private figures.
        name: random, or the ledger's and its entry's.
        configuration: digests by which a checkpoint knows guard and data again.
        size: the number of units as the run knows it.
        count: the file in which steps are counted; None if it lies beside the first checkpoint.
    """

    schedule: Schedule
    clipping: Clipping
    expected_batch_size: int
    physical_batch_size: int
    guarantee: Guarantee
    receipt: Receipt | None
    diagnostics: bool
    name: str
    configuration: dict[str, str]
    size: int
    count: Path | None

    @property
    def count_noise(self) -> float | None:
        """Standard deviation of the noise on the count that an adaptive bound follows; None where none is counted.

        At least the noise multiplier, whatever the rule says: at half of it the count alone would cost as much as the
        whole step, and a run that is charged must not fail on it.
        """
        asked = self.clipping.count_noise(self.expected_batch_size)
        return None if asked is None else max(asked, self.schedule.noise_multiplier)

    @property
    def gradient_noise(self) -> float:
        """The gradients' noise multiplier: more, by 15.5 % at most, where a count is noised with them."""
        noise = self.schedule.noise_multiplier
        return noise if self.count_noise is None else gradient_noise_multiplier(noise, self.count_noise)

    def counted_in(self, checkpoint: Path) -> Path:
        """The file in which the steps of a run with this checkpoint are counted."""
        return self.count or checkpoint.with_name(f"{self.name}.steps")

    def checkpoint(self, steps: Steps, bound: float) -> Checkpoint:
        """What a checkpoint says at this point."""
        return Checkpoint(
            self.name, self.configuration, self.size, self.schedule.steps, steps.given, bound, self.receipt
        )
