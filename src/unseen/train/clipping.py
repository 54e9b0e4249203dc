"""How one unit's gradient is bounded before it enters the sum."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from unseen.core.guarantee import number

if TYPE_CHECKING:
    import torch

__all__ = ["Clipping", "Flat"]


class Clipping(ABC):
    """Bounds each unit's gradient to an L2 norm of at most ``max_grad_norm`` over all parameters together.

    Args:
        max_grad_norm: the bound C > 0, the sensitivity of the sum.
    """

    def __init__(self, max_grad_norm: float) -> None:
        self.max_grad_norm = number("max_grad_norm", max_grad_norm, 1e-30, 1e30)

    @abstractmethod
    def clipped(self, gradients: list[torch.Tensor]) -> list[torch.Tensor]:
        """Each unit's gradient, bounded.

        Args:
            gradients: a tensor of shape (units, *parameter) for each parameter. The result is float64.
        """

    def __repr__(self) -> str:
        return f"{type(self).__name__}(max_grad_norm={self.max_grad_norm:g})"


class Flat(Clipping):
    """Shrink a gradient whose norm over all parameters exceeds C to norm C; a non-finite one becomes zero.

    The norm is taken in float64. The factor aims a few units in the last place below C, so that the norm is at
    most C after every product was rounded too.

    Source: Abadi et al. 2016, algorithm 1.
    """

    def clipped(self, gradients: list[torch.Tensor]) -> list[torch.Tensor]:
        """Each unit's gradient, of norm at most C."""
        import torch

        squares = torch.stack([g.flatten(1).double().square().sum(1) for g in gradients]).sum(0)
        norms = squares.sqrt()
        finite = torch.isfinite(norms)
        rounding = 64 * max(torch.finfo(g.dtype).eps for g in gradients)
        factor = torch.clamp(self.max_grad_norm * (1 - rounding) / norms, max=1.0)
        result = []
        for gradient in gradients:
            each = (-1, *[1] * (gradient.dim() - 1))
            shrunk = gradient.double() * factor.view(each)
            result.append(torch.where(finite.view(each), shrunk, torch.zeros_like(shrunk)))
        return result
