"""The layer families, one file each, and which of them serves a module."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from unseen.train.layers.layer import Layer
from unseen.train.layers.linear import Linear

if TYPE_CHECKING:
    from unseen.train.tape import Tape

__all__ = ["composite_of", "layer_of"]

FAMILIES: dict[type[torch.nn.Module], type[Layer]] = {torch.nn.Linear: Linear}
COMPOSITES: dict[type[torch.nn.Module], type[torch.nn.Module]] = {}


def layer_of(module: torch.nn.Module, parameters: dict[str, torch.nn.Parameter]) -> Layer | None:
    """The layer of a module of a known family; a subclass belongs to it if it computes the same.

    Args:
        module: any.
        parameters: those of its own that are trained.
    """
    for kind, family in FAMILIES.items():
        if isinstance(module, kind) and type(module).forward is kind.forward and _plain(module, kind):
            return family(module, parameters)
    return None


def composite_of(module: torch.nn.Module, tape: Tape, name: str) -> torch.nn.Module | None:
    """What stands in a mirror for a module that is made of several maps, if its family is known."""
    for kind, family in COMPOSITES.items():
        if isinstance(module, kind) and type(module).forward is kind.forward:
            return family(module, tape, name)
    return None


def _plain(module: torch.nn.Module, kind: type[torch.nn.Module]) -> bool:
    """Whether the parameters are the family's own: those that weight normalisation replaced are not."""
    return all(isinstance(one, torch.nn.Parameter) or one is None for one in _own(module))


def _own(module: torch.nn.Module) -> list[object]:
    return [getattr(module, name, None) for name in ("weight", "bias")]
