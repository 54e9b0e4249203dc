"""Gaussian noise for sums of clipped gradients, and the grid on which such sums are exact."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from unseen.core.noise.entropy import Entropy

if TYPE_CHECKING:
    import torch

__all__ = ["FLOAT_CAVEAT", "add_gaussian", "add_gaussian_", "exact_step", "quantised"]

FLOAT_CAVEAT = "attacks on the low bits of floating-point sums and Gaussian noise (Mironov 2012)"


def add_gaussian(sums: list[torch.Tensor], standard_deviation: float, entropy: Entropy) -> list[torch.Tensor]:
    """The sums with independent normal noise on every element, as new tensors.

    Arguments, **guarantee** and source are those of ``add_gaussian_``.
    """
    import torch

    noised = [tensor.detach().clone(memory_format=torch.contiguous_format) for tensor in sums]
    add_gaussian_(noised, standard_deviation, entropy)
    return noised


def add_gaussian_(sums: list[torch.Tensor], standard_deviation: float, entropy: Entropy, factor: float = 1.0) -> None:
    """Add independent normal noise to every element, in place.

    Args:
        sums: tensors of any shape and any real floating-point dtype, on any device.
        standard_deviation: of each element's noise, finite and not negative.
        entropy: the stream that keys the noise: one key a call.
        factor: by which each sum with its noise is multiplied in the same pass, finite.

    **Guarantee**: the Gaussian mechanism in exact arithmetic, against whoever cannot tell AES-256 in counter mode
    from random bits. Here noise and sum are floating-point numbers, so the guarantee of whoever uses it carries
    ``FLOAT_CAVEAT``.

    Proven about floats: the noise is finite, at most 9.5 standard deviations, and symmetric to the last bit until it
    is added. Its tails are right up to a probability of 2^-65 in exact arithmetic; in floats by tests
    (``normals.transform``). For float32 sums it is the product of a radius and a coordinate of 24 bits each, within
    5e-7; that product, the sum and the factor are taken in double precision and rounded once. Not proven: anything
    about the low bits. Which floats can come out
    depends on the sum beneath, also where that lies on a grid, so that a single output may tell two neighbours
    apart; and what a normal beyond 9.5 standard deviations would hide, 2^-65 of the draws, is not hidden. Dtypes below
    float32, other devices and tensors that are not contiguous round the noise, then the sum, then the product.

    Source: Dwork and Roth 2014, appendix A; Abadi et al. 2016, algorithm 1.
    """
    import torch

    from unseen.core.noise import normals

    if not math.isfinite(factor):
        raise ValueError(f"a factor is finite, not {factor}")
    direct, detour = [], []  # the noise is written into a sum itself, or into zeros that are added to it
    for tensor in sums:
        if not tensor.is_floating_point():
            raise TypeError(f"noise is for real floating-point sums, not {tensor.dtype}")
        wide = torch.float64 if tensor.dtype == torch.float64 else torch.float32
        if tensor.device.type == "cpu" and tensor.dtype == wide and tensor.is_contiguous():
            direct.append(tensor.detach())
        else:
            detour.append((tensor.detach(), torch.zeros(tensor.shape, dtype=wide)))
    arrays = [tensor.numpy().reshape(-1) for tensor in (*direct, *(noise for _, noise in detour))]
    factors = [factor] * len(direct) + [1.0] * len(detour)
    normals.add_normals(arrays, standard_deviation, entropy, torch.get_num_threads(), factors)
    for tensor, noise in detour:
        tensor.add_(noise.to(tensor.device)).mul_(factor)


def quantised(tensor: torch.Tensor, step: float) -> torch.Tensor:
    """Round every element toward zero to a multiple of ``step``.

    Args:
        tensor: of a floating-point dtype; one unit's clipped gradient, or many units'.
        step: a power of two between the dtype's smallest normal number and one over it.

    Infinities and NaN stay what they are.

    **Guarantee**: proven for floats as they are: each element becomes a multiple of ``step`` exactly, and none
    grows, so that no norm, taken in exact arithmetic, grows. With ``step`` from ``exact_step`` the sum of the
    units is exact in any order and any grouping of additions in the dtype, so that its sensitivity is that of real
    numbers. Not proven here: that the tensor's norm was at most C. A factor C / norm that was computed in floats may
    leave it a few units in the last place above, so a caller who promises C rounds the factor down by as much. A
    matrix product that weights and sums at once is not made of such addends. And the noise that is added afterwards
    still carries ``FLOAT_CAVEAT``.

    >>> import torch
    >>> quantised(torch.tensor([0.3, -0.3, 0.25, 7.0]), 0.25).tolist()
    [0.25, -0.25, 0.25, 7.0]
    """
    import torch

    kind = torch.finfo(tensor.dtype)
    if not kind.tiny <= step <= 1 / kind.tiny or math.frexp(step)[0] != 0.5:
        raise ValueError(f"a step is a power of two from {kind.tiny:g} to {1 / kind.tiny:g}, not {step}")
    # From step / eps on, neighbours in the dtype are a step or more apart. Scaling by a power of two is exact.
    return torch.where(tensor.abs() < step / kind.eps, torch.trunc(tensor / step) * step, tensor)


def exact_step(bound: float, addends: int, dtype: torch.dtype) -> float:
    """The least power of two, up to a factor of two, on whose multiples sums are exact.

    Args:
        bound: no addend is larger; the clipping norm C > 0.
        addends: at most so many are added, ≥ 1.
        dtype: in which they are added.

    Every partial sum is a multiple of the step of at most ``bound * addends``, which the dtype's significand holds.

    >>> import torch
    >>> exact_step(1.0, 256, torch.float32) == 2.0**-15
    True
    """
    import torch

    if not 0 < bound < math.inf or addends < 1:
        raise ValueError(f"a bound is positive and finite, and addends are at least 1, not {bound} and {addends}")
    kind = torch.finfo(dtype)
    _, exponent = math.frexp(bound * addends)  # the product is below 2^exponent, and rounding does not cross it
    return max(kind.tiny, math.ldexp(kind.eps / 2, exponent))
