"""What a run's Gaussians cost: by privacy loss distributions, or by a central limit, which proves nothing."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from unseen.core import accounting
from unseen.core.guarantee import DP, Guarantee, Nothing
from unseen.core.losses import multiplier_by_central_limit

__all__ = ["Accountant", "CentralLimit", "PrivacyLoss"]


class Accountant(ABC):
    """Prices ``times`` Gaussian sums of Poisson samples, and finds the noise for a price.

    Everywhere here: ``probability`` of each unit in each sum, in (0, 1]; ``times`` at least 1; ``delta`` in (0, 1);
    noise multipliers are standard deviations in units of what one unit can move the sum by.
    """

    @abstractmethod
    def noise_multiplier(self, probability: float, times: int, epsilon: float, delta: float) -> float:
        """About the least that costs at most ε."""

    @abstractmethod
    def epsilon(self, probability: float, noise_multiplier: float, times: int, delta: float) -> float:
        """The price."""

    @abstractmethod
    def promise(self, priced: DP) -> Guarantee:
        """What a price that was found so promises."""


@dataclass(frozen=True)
class PrivacyLoss(Accountant):
    """By privacy loss distributions, rounded up: a certificate. See ``accounting.epsilon_of_dpsgd``."""

    def noise_multiplier(self, probability: float, times: int, epsilon: float, delta: float) -> float:
        """The least within 0.1 %, certified."""
        noise = accounting.calibrate_dpsgd(probability, times, epsilon, delta)
        if self.epsilon(probability, noise, times, delta) > epsilon:
            raise RuntimeError(
                "a noise multiplier was found that costs more than ε: a fault of unseen, please report it"
            )
        return noise

    def epsilon(self, probability: float, noise_multiplier: float, times: int, delta: float) -> float:
        """Certified."""
        return accounting.epsilon_of_dpsgd(probability, noise_multiplier, times, delta)

    def promise(self, priced: DP) -> Guarantee:
        """The price itself."""
        return priced


@dataclass(frozen=True)
class CentralLimit(Accountant):
    """By a central limit, as "gdp" accountants do: for comparison with figures that others print.

    It may say less than is true (2.51 where a run costs 3.11), so a run that is priced by it promises nothing, and a
    ledger records it as unpriced. See ``accounting.epsilon_by_central_limit``.

    Source: Bu, Dong, Long and Su 2020 (the limit); Gopi, Lee and Wutschitz 2021 (that it underestimates).
    """

    def noise_multiplier(self, probability: float, times: int, epsilon: float, delta: float) -> float:
        """The one at which the limit has this price."""
        return multiplier_by_central_limit(probability, times, epsilon, delta)

    def epsilon(self, probability: float, noise_multiplier: float, times: int, delta: float) -> float:
        """The limit's price."""
        return accounting.epsilon_by_central_limit(probability, noise_multiplier, times, delta)

    def promise(self, priced: DP) -> Guarantee:
        """Nothing, and what the limit says."""
        return Nothing(
            f"a central limit says about ε = {priced.epsilon:.3g} at δ = {priced.delta:g}, an approximation from "
            "below: the true price may be higher"
        )
