"""The layer families, one file each, and which of them serves a module."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import torch

from unseen.train.layers.attention import Attention
from unseen.train.layers.bilinear import Bilinear
from unseen.train.layers.convolution import Convolution, TransposedConvolution
from unseen.train.layers.embedding import Embedding, EmbeddingBag
from unseen.train.layers.layer import Layer
from unseen.train.layers.linear import Linear
from unseen.train.layers.normalisation import GroupNorm, InstanceNorm, LayerNorm, RMSNorm
from unseen.train.layers.prelu import PReLU
from unseen.train.layers.recurrent import GRU, LSTM, RNN
from unseen.train.layers.recurrent_cells import GRUCell, LSTMCell, RNNCell
from unseen.train.layers.watcher import Watcher

__all__ = ["composite_of", "layer_of"]

FAMILIES: dict[type[torch.nn.Module], type[Layer]] = {
    torch.nn.Linear: Linear,
    torch.nn.Bilinear: Bilinear,
    torch.nn.Conv1d: Convolution,
    torch.nn.Conv2d: Convolution,
    torch.nn.Conv3d: Convolution,
    torch.nn.ConvTranspose1d: TransposedConvolution,
    torch.nn.ConvTranspose2d: TransposedConvolution,
    torch.nn.ConvTranspose3d: TransposedConvolution,
    torch.nn.Embedding: Embedding,
    torch.nn.EmbeddingBag: EmbeddingBag,
    torch.nn.GroupNorm: GroupNorm,
    torch.nn.InstanceNorm1d: InstanceNorm,
    torch.nn.InstanceNorm2d: InstanceNorm,
    torch.nn.InstanceNorm3d: InstanceNorm,
    torch.nn.LayerNorm: LayerNorm,
    torch.nn.PReLU: PReLU,
    torch.nn.RMSNorm: RMSNorm,
}
COMPOSITES: dict[type[torch.nn.Module], type[torch.nn.Module]] = {
    torch.nn.MultiheadAttention: Attention,
    torch.nn.RNN: RNN,
    torch.nn.GRU: GRU,
    torch.nn.LSTM: LSTM,
    torch.nn.RNNCell: RNNCell,
    torch.nn.GRUCell: GRUCell,
    torch.nn.LSTMCell: LSTMCell,
}


def layer_of(module: torch.nn.Module, parameters: dict[str, torch.nn.Parameter]) -> Layer | None:
    """The layer of a module of a known family; a subclass belongs to it if it computes the same.

    Args:
        module: any.
        parameters: those of its own that are trained.
    """
    for kind, family in FAMILIES.items():
        if _computes_as(module, kind) and _plain(module):
            return family(module, parameters)
    return None


def composite_of(module: torch.nn.Module, tape: Watcher, name: str) -> torch.nn.Module | None:
    """What stands in a mirror for a module that is made of several maps, if its family is known."""
    for kind, family in COMPOSITES.items():
        if _computes_as(module, kind):
            return family(module, tape, name)
    return None


def _computes_as(module: torch.nn.Module, kind: type[torch.nn.Module]) -> bool:
    """Whether it is of that class, or of one that adds to it and changes nothing but how it is made."""
    if not isinstance(module, kind) or "forward" in vars(module):
        return False
    classes = type(module).__mro__
    added = {name for one in classes[: classes.index(kind)] for name in vars(one)}
    return not any(name in added for name in _METHODS[kind])


def _plain(module: torch.nn.Module) -> bool:
    """Whether weight and bias are parameters: those that weight normalisation computes are not."""
    own = [getattr(module, name, None) for name in ("weight", "bias")]
    return all(one is None or isinstance(one, torch.nn.Parameter) for one in own)


def _methods(kind: type[torch.nn.Module]) -> set[str]:
    """What a class computes with."""
    classes = kind.__mro__
    below = classes[: classes.index(torch.nn.Module)]
    named = {name for one in below for name, value in vars(one).items() if callable(value)}
    return {name for name in named if not name.startswith("__")} - {"extra_repr", "reset_parameters"}


_METHODS = {kind: _methods(kind) for kind in (*FAMILIES, *COMPOSITES)}
