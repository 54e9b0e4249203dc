"""What a stand-in in a mirror tells of its maps, and to whom."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from typing import Any, Protocol

import torch

from unseen.train.layers.layer import Layer, Seen

__all__ = ["Watcher"]


class Watcher(Protocol):
    """Takes down what layers see in one pass, as ``unseen.train.tape.Tape`` does. A record is its own affair."""

    def record(self, layer: Layer, name: str) -> Any:
        """A new layer, by the name of its module; what is given back stands for it."""

    def tap(self, record: Any, inputs: Seen, output: torch.Tensor) -> torch.Tensor:
        """Watch one call of a layer; gives the output to go on with."""

    def by_row(self, record: Any, inputs: list[Any]) -> tuple[bool, ...]:
        """Which of a module's inputs have a row for each of the batch in their first axis."""

    def expand(self, record: Any, parameters: list[torch.nn.Parameter]) -> list[torch.Tensor]:
        """The parameters with a first axis of rows."""
