"""What a loop does beside its steps, as far as it shows: whom the guarantee does not cover is told."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["Conduct", "OutsideStep"]


class OutsideStep(UserWarning):
    """A loop changed the model, or left a batch, outside ``Session.step``."""


class Conduct:
    """Follows one session's loop.

    A parameter's version counts its changes in place. Changes through ``.data`` are not counted: silence is no proof.

    Args:
        model: the session's.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self._model = model
        self._drawn = self._taken = 0
        self._said: set[str] = set()
        self.rest()

    def rest(self) -> None:
        """The model is as a step left it."""
        self._versions = self._now()

    def look(self) -> None:
        """Warn, once, if it no longer is."""
        if self._now() != self._versions:
            self._say(
                "the model's parameters were changed outside session.step: gradients are neither clipped nor noised "
                "there, and the guarantee holds only if no private row had a part in the change"
            )
            self.rest()

    def draw(self) -> None:
        """A batch was given out."""
        self._drawn += 1

    def take(self) -> None:
        """A step was taken on it."""
        self._taken += 1

    def end(self) -> None:
        """The loop is over: warn of batches without a step."""
        if self._taken < self._drawn:
            self._say(
                f"{self._drawn - self._taken} of the {self._drawn} batches that were drawn had no session.step; they "
                "are spent all the same"
            )

    def _now(self) -> list[tuple[int, int]]:
        return [(id(one), one._version) for one in self._model.parameters()]

    def _say(self, what: str) -> None:
        if what not in self._said:
            self._said.add(what)
            warnings.warn(what, OutsideStep, stacklevel=4)
