"""Gaussian noise for sums of clipped gradients."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from typing import TYPE_CHECKING

from unseen.core.noise.entropy import Entropy

if TYPE_CHECKING:
    import torch

__all__ = ["FLOAT_CAVEAT", "add_gaussian"]

FLOAT_CAVEAT = "attacks on the low bits of floating-point sums and Gaussian noise (Mironov 2012)"


def add_gaussian(sums: list[torch.Tensor], standard_deviation: float, entropy: Entropy) -> list[torch.Tensor]:
    """Add independent normal noise to every element.

    Args:
        sums: tensors of any shape.
        standard_deviation: of each element's noise.
        entropy: the stream to draw from.

    **Guarantee**: the Gaussian mechanism in exact arithmetic. Here noise and sum are floating-point numbers,
    so the guarantee of whoever uses it carries ``FLOAT_CAVEAT``.

    Source: Dwork and Roth 2014, appendix A; Abadi et al. 2016, algorithm 1.
    """
    import torch

    sizes = [tensor.numel() for tensor in sums]
    noise = torch.from_numpy(entropy.normal(sum(sizes))).mul_(standard_deviation)
    return [
        tensor + part.reshape(tensor.shape).to(tensor)
        for tensor, part in zip(sums, torch.split(noise, sizes), strict=True)
    ]
