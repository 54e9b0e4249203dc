"""Where a batch's rows are in a tensor that a layer sees, found from which row's loss depends on which element."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__all__ = ["Axis", "Folded", "Interleaved", "Layout", "found_layout", "owners", "telling"]


class Layout(ABC):
    """How to bring a tensor's rows to the front."""

    @abstractmethod
    def arranged(self, tensor: torch.Tensor, rows: int) -> torch.Tensor:
        """The tensor with a first axis of ``rows``, or of a multiple of it with each row's part together."""

    @abstractmethod
    def fits(self, tensor: torch.Tensor, rows: int) -> bool:
        """Whether a tensor of this shape can have its rows there."""


@dataclass(frozen=True)
class Axis(Layout):
    """The rows are an axis of their own."""

    axis: int

    def arranged(self, tensor: torch.Tensor, rows: int) -> torch.Tensor:
        """That axis first."""
        return tensor.movedim(self.axis, 0)

    def fits(self, tensor: torch.Tensor, rows: int) -> bool:
        """As long as there are rows."""
        return tensor.dim() > self.axis and tensor.shape[self.axis] == rows


@dataclass(frozen=True)
class Folded(Layout):
    """Another axis was folded into the first, each row's part together.

    Args:
        times: that axis's length, at least 2.
    """

    times: int

    def arranged(self, tensor: torch.Tensor, rows: int) -> torch.Tensor:
        """As it is."""
        return tensor

    def fits(self, tensor: torch.Tensor, rows: int) -> bool:
        """As many times the rows."""
        return tensor.dim() > 0 and tensor.shape[0] == self.times * rows


@dataclass(frozen=True)
class Interleaved(Folded):
    """Another axis was folded into the first, and the rows alternate."""

    def arranged(self, tensor: torch.Tensor, rows: int) -> torch.Tensor:
        """Each row's part brought together."""
        return tensor.reshape(-1, rows, *tensor.shape[1:]).movedim(1, 0).flatten(0, 1)


def found_layout(gradients: Sequence[torch.Tensor], fewer: tuple[int, ...], few: int) -> Layout | None:
    """Where the rows are in a tensor, if each of its elements matters to one row at most.

    Args:
        gradients: of each row's own loss by the tensor; as many as there are rows.
        fewer: the tensor's shape where there were ``few`` rows, which tells their axis from others of the same length.
        few: another number of rows.

    Returns:
        None where there is no such place, or where nothing matters and the shape leaves it open.
    """
    rows, shape = len(gradients), gradients[0].shape
    if len(fewer) != len(shape):
        return None
    candidates: list[Layout] = [
        Axis(axis) for axis, (one, two) in enumerate(zip(shape, fewer, strict=True)) if (one, two) == (rows, few)
    ]
    times = shape[0] // rows if shape else 0
    if times > 1 and (shape[0], fewer[0]) == (times * rows, times * few):
        candidates += [Folded(times), Interleaved(times)]
    if not telling(gradients):  # the shape alone must do
        return candidates[0] if len(candidates) == 1 and isinstance(candidates[0], Axis) else None
    for layout in candidates:
        if all(_only(layout.arranged(gradient, rows), row, rows) for row, gradient in enumerate(gradients)):
            return layout
    return None


def telling(gradients: Sequence[torch.Tensor]) -> bool:
    """Whether anything matters at all."""
    return any(bool(gradient.nan_to_num().any()) for gradient in gradients)


def _only(arranged: torch.Tensor, row: int, rows: int) -> bool:
    """Whether nothing but that row's part is other than zero."""
    parts = arranged.nan_to_num().reshape(rows, -1)  # nothing times infinity is no sign of mattering
    return all(not bool(parts[other].any()) for other in range(rows) if other != row)


def owners(gradients: Sequence[torch.Tensor]) -> int:
    """The greatest number of rows to which one element matters."""
    import torch

    return (
        int(torch.stack([gradient.nan_to_num() != 0 for gradient in gradients]).sum(0).max())
        if gradients[0].numel()
        else 0
    )
