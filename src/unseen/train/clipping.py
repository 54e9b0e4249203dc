"""How one unit's gradient is bounded before it enters the sum."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unseen.core.guarantee import number

if TYPE_CHECKING:
    import torch

__all__ = ["Adaptive", "Automatic", "Clipping", "Flat", "PerLayer", "factors_within"]

LEAST = 1e-30
"""A smaller factor is 0: float32 would round it, and up."""

MARGIN = 256
"""Units in the last place by which a norm stays below the bound, for the rounding of norms, factors and products."""


class Clipping(ABC):
    """A rule that weighs a unit's gradient. Whatever it says, no weighted gradient's norm exceeds the bound.

    A rule sees one unit's norms at a time: a factor that followed other units' norms would tell of them.
    """

    shrinks_only = False
    """Whether the rule asks for nothing but the bound itself, so that ``factors`` is 1."""

    @abstractmethod
    def factors(self, norms: torch.Tensor, bound: float | torch.Tensor) -> torch.Tensor:
        """What one unit's gradient is multiplied by, layer by layer, before the bound is enforced.

        Args:
            norms: of the unit's gradient, shape (layers,), float64; layers that share a parameter are one.
            bound: C > 0, on the norm over all layers together.

        Returns:
            shape (layers,), or one number for all; what is not a number or negative counts as 0. It must depend on the
            arguments alone, by what torch.func.vmap can run.
        """

    def count_noise(self, expected_batch_size: int) -> float | None:
        """Standard deviation of the noise on the count of norms below the bound; None where none is counted."""
        return None

    def next_bound(self, bound: float, share_below: float) -> float:
        """The next step's bound, from a noisy share of norms below this one's."""
        return bound


@dataclass(frozen=True)
class Flat(Clipping):
    """Shrink a gradient whose norm over all parameters exceeds C to norm C.

    Source: Abadi et al. 2016, algorithm 1.
    """

    shrinks_only = True

    def factors(self, norms: torch.Tensor, bound: float | torch.Tensor) -> torch.Tensor:
        """1: the bound alone."""
        import torch

        return torch.ones_like(norms)


@dataclass(frozen=True)
class PerLayer(Clipping):
    """Shrink each of L layers' gradients to norm C / √L on its own; together they have norm C at most.

    Source: McMahan et al. 2018, section 2.2.
    """

    def factors(self, norms: torch.Tensor, bound: float | torch.Tensor) -> torch.Tensor:
        """C / √L over the layer's norm, at most 1."""
        factors: torch.Tensor = bound / math.sqrt(len(norms)) / norms
        return factors.clamp(max=1.0)


@dataclass(frozen=True)
class Automatic(Clipping):
    """Give every gradient nearly the norm C: multiply it by C / (norm + γ) (AUTO-S).

    Args:
        stability: γ > 0; a gradient much smaller than it stays small.

    Source: Bu et al. 2023, "Automatic clipping", equation 4.
    """

    stability: float = 0.01

    def __post_init__(self) -> None:
        number("stability", self.stability, 0, open_low=True)

    def factors(self, norms: torch.Tensor, bound: float | torch.Tensor) -> torch.Tensor:
        """C over the norm and γ."""
        factors: torch.Tensor = bound / (norms.square().sum().sqrt() + self.stability)
        return factors


@dataclass(frozen=True)
class Adaptive(Flat):
    """Flat clipping whose bound follows a quantile of the norms, which is learned with noise.

    Each step also counts, with Gaussian noise, how many norms are at most the bound. Count and gradient share one
    sample of units and are priced as one Gaussian mechanism, so the noise on the gradient is a little larger.

    Args:
        quantile: the share of norms that the bound aims to exceed, in [0, 1].
        rate: how fast it follows, in (0, 10]: the bound is multiplied by exp(-rate · (share below - quantile)).
        noise: standard deviation on the count, > 0; a twentieth of the expected batch size if not given. It is raised
            to the run's noise multiplier where it is less, or the count would cost more than the gradient.
        largest: the bound never grows beyond it, nor shrinks below its inverse; at most 1e6.

    Source: Andrew et al. 2021, algorithm 1 and theorem 1.
    """

    quantile: float = 0.5
    rate: float = 0.2
    noise: float | None = None
    largest: float = 1e6

    def __post_init__(self) -> None:
        number("quantile", self.quantile, 0, 1)
        number("rate", self.rate, 0, 10, open_low=True)
        number("largest", self.largest, 1, 1e6)
        if self.noise is not None:
            number("noise", self.noise, 0, open_low=True)

    def count_noise(self, expected_batch_size: int) -> float:
        """As given, or a twentieth of the expected batch size."""
        return expected_batch_size / 20 if self.noise is None else self.noise

    def next_bound(self, bound: float, share_below: float) -> float:
        """Geometric steps towards the quantile."""
        step = math.exp(-self.rate * (min(max(share_below, -1.0), 2.0) - self.quantile))
        return min(max(bound * step, 1 / self.largest), self.largest)


def factors_within(
    clipping: Clipping, squares: torch.Tensor, bound: float | torch.Tensor, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """A rule's factors, shrunk where a weighted gradient would exceed the bound; 0 where one is not finite.

    Args:
        clipping: the rule.
        squares: the squared norms, shape (layers, units), float64.
        bound: C > 0, also as a tensor.
        dtype: of the arithmetic beneath, which says how much the norms are rounded.

    Returns:
        the factors, shape (layers, units), float64; and which units' gradients are finite, shape (units,).
    """
    import torch

    whole = squares.sum(0)
    finite = torch.isfinite(whole)
    margin = 1 - MARGIN * torch.finfo(torch.promote_types(dtype, torch.float32)).eps
    if clipping.shrinks_only:  # the usual rule in few operations: small models feel each of them
        within = (bound * margin / whole.sqrt()).clamp(max=1.0)  # 0 or NaN where one is not finite
        return torch.where(within > LEAST, within, 0.0).expand_as(squares), finite
    norms = torch.where(finite, squares, 0.0).clamp(min=0).sqrt()
    each = torch.func.vmap(lambda norms: clipping.factors(norms, bound).double().expand_as(norms))
    asked = torch.nan_to_num(each(norms.T).T, nan=0.0, posinf=1e30).clamp(min=0.0)
    together = (asked * norms).square().sum(0).sqrt()
    shrunk = asked * (bound * margin / together).clamp(max=1.0)
    shrunk = torch.nan_to_num(shrunk, nan=0.0)
    return torch.where(finite & (shrunk > LEAST), shrunk, 0.0), finite
