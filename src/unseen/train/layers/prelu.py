"""PReLU, the one activation with a parameter."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import torch

from unseen.train.layers.normalisation import Channelwise

__all__ = ["PReLU"]


class PReLU(Channelwise):
    """``torch.nn.PReLU``: its weight scales what is below zero, in all channels alike or in each by itself."""

    def scaled(self, inputs: torch.Tensor) -> torch.Tensor:
        """What is below zero."""
        return inputs.clamp(max=0)

    def added(self, products: torch.Tensor, units: int) -> torch.Tensor:
        """Over places, and over channels where they share the weight."""
        if self.module.num_parameters != 1:
            return super().added(products, units)
        return products.reshape(units, products.numel() // max(1, units)).sum(1, keepdim=True)
