"""The maps of a recurrent network: of an input and of a state, added up."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Mapping

import torch

from unseen.train.layers.composite import Watch
from unseen.train.layers.joint import Joint
from unseen.train.layers.watcher import Watcher

__all__ = ["BOTH", "INPUT", "PROJECT", "STATE", "Map", "added"]

INPUT, STATE, PROJECT = ("weight_ih", "bias_ih"), ("weight_hh", "bias_hh"), ("weight_hr",)
BOTH = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class Map:
    """Maps of an input and of a state, added up: those of one layer in one direction.

    Args:
        module: holds the parameters.
        tape: watches.
        name: of the module.
        kinds: which parameters.
        suffix: of the parameters' names.
    """

    def __init__(
        self, module: torch.nn.Module, tape: Watcher, name: str, kinds: tuple[str, ...], suffix: str = ""
    ) -> None:
        parameters = {kind: getattr(module, kind + suffix, None) for kind in kinds}
        self._watch = Watch(tape, Joint, module, f"{name}.{kinds[0]}{suffix}", parameters)

    def __call__(self, inputs: Mapping[str, torch.Tensor], output: torch.Tensor) -> torch.Tensor:
        """Watch a fresh output.

        Args:
            inputs: by the names of the weights.
            output: what came out.
        """
        trained = self._watch.trained
        if not trained or not torch.is_grad_enabled():
            return output
        one = output.new_ones(()).expand(*output.shape[:-1], 1)
        parts = [inputs[kind].detach() if kind in inputs else one for kind in trained]
        return self._watch((parts[0] if len(parts) == 1 else torch.cat(parts, -1),), output)


def added(one: torch.Tensor | None, other: torch.Tensor | None) -> torch.Tensor | None:
    """The sum of two biases, if there are any."""
    return None if one is None or other is None else one + other
