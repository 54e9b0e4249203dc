"""k-map and delta-presence: how many people of a population a class has to fit."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from unseen.core.guarantee import number, whole
from unseen.deid.models.demand import ROUNDING, Counts, PopulationModel

__all__ = ["DeltaPresence", "KMap"]


@dataclass(frozen=True)
class KMap(PopulationModel):
    """k-map: each released row's quasi-identifiers are those of at least k people of the population.

    **Guarantee**: whoever links a row to the population finds at least k people. It does not bound the risk of
    somebody who is known to be in the table: their class there may be of one.

    Merging: populations add up. A part has no more population than its class, so a class that fails is suppressed
    whole.

    Source: Sweeney 2001 (Computational disclosure control, k-map); El Emam and Dankar 2008.
    """

    k: int
    shared: ClassVar[bool] = True
    limits: ClassVar[str] = "the risk of somebody who is known to be in the table"

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", whole("k", self.k, 2))

    def holds(self, units: Counts, population: Counts) -> NDArray[np.bool_]:
        """Which classes have k people."""
        found: NDArray[np.bool_] = population >= self.k
        return found

    def most(self, units: Counts, population: Counts) -> NDArray[np.float64]:
        """All or nothing."""
        return np.where(population >= self.k, units, 0.0)

    def promise(self) -> str:
        """k people of the population."""
        return f"the quasi-identifiers of each row are those of at least {self.k} people of the population"


@dataclass(frozen=True)
class DeltaPresence(PopulationModel):
    """δ-presence: of the people of the population that a class fits, a share from δ_min to δ_max is in the table.

    Args:
        high: δ_max, in (0, 1].
        low: δ_min, in [0, δ_max]. Above 0 no row may be suppressed, and no cell of the population may be empty.

    **Guarantee**: whoever knows the population learns that somebody is in the released table with a probability within
    these. It does not bound what is learned of somebody known to be in it, or outside the given population.

    Merging: the share of a union lies between those of its parts. Largest part: n ≤ δ_max N, and N does not grow.

    Source: Nergiz, Atzori and Clifton 2007, definition 2.
    """

    high: float
    low: float = 0.0
    limits: ClassVar[str] = "what is learned of somebody who is known to be in the table, people outside the population"

    def __post_init__(self) -> None:
        object.__setattr__(self, "high", number("high", self.high, 0, 1, open_low=True))
        object.__setattr__(self, "low", number("low", self.low, 0, self.high))

    @property
    def complete(self) -> bool:
        """Whether an empty cell of the population is below the least share."""
        return self.low > 0

    def holds(self, units: Counts, population: Counts) -> NDArray[np.bool_]:
        """Which classes have such a share."""
        found: NDArray[np.bool_] = (units <= self.high * population * (1 + ROUNDING)) & (
            units >= self.low * population * (1 - ROUNDING)
        )
        return found

    def most(self, units: Counts, population: Counts) -> NDArray[np.float64]:
        """All, or the greatest share of the population."""
        most: NDArray[np.float64] = np.minimum(units, np.floor(self.high * population * (1 + ROUNDING)))
        return most

    def promise(self) -> str:
        """The shares."""
        return (
            f"of the population's people that a class fits, between {self.low:g} and {self.high:g} are in the release"
        )
