"""Tables that are looked into: Embedding and EmbeddingBag."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch

from unseen.core.errors import InvalidRequest
from unseen.train.layers.layer import Kept, Layer, Seen, Way, squared, wide
from unseen.train.layers.pieces import pieces

__all__ = ["Embedding", "EmbeddingBag"]

# A look-up of nothing has the number of entries as its id. What is added there is thrown away, NaN and all.


class _Table(Layer):
    """A table of shape (entries, features); its gradient is a sum of vectors, each at one id."""

    def __init__(self, module: torch.nn.Module, parameters: dict[str, torch.nn.Parameter]) -> None:
        super().__init__(module, parameters)
        for option, given, fix in (
            ("max_norm", module.max_norm is not None, "max_norm=None"),
            ("scale_grad_by_freq", module.scale_grad_by_freq, "scale_grad_by_freq=False"),
        ):
            if given:
                raise InvalidRequest(
                    f"{option} of {type(module).__name__} was given",
                    "tables whose entries change by noised gradients alone, and each row's gradient by that row alone",
                    fix,
                )
        self.entries: int = module.num_embeddings  # type: ignore[assignment]

    @abstractmethod
    def found(self, seen: Seen, units: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids (units, positions) and gradients (units, positions, features); or ids for each feature by itself."""

    def expanded(self, seen: Seen) -> int:
        """How many numbers the gradients have that ``found`` gives."""
        return seen[-1].numel()

    def each(self, seen: Seen, units: int) -> tuple[torch.Tensor, ...]:
        """See ``Layer.each``; dense."""
        ids, values = self.found(seen, units)
        inside = ids < self.entries
        start = torch.arange(units, device=ids.device).view(-1, *[1] * (ids.dim() - 1)) * self.entries
        values = values.masked_fill(~_beside(inside, values), 0)
        table = values.new_zeros(units * self.entries, values.shape[-1])
        _add(table, torch.where(inside, ids, 0) + start, values)
        return (table.reshape(units, self.entries, values.shape[-1]),)

    def total(self, seen: Seen, factors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """See ``Layer.total``."""
        kind = torch.promote_types(seen[-1].dtype, torch.float32)
        table = torch.zeros(self.entries + 1, seen[-1].shape[-1], dtype=kind, device=seen[-1].device)
        factors = factors.to(kind)
        units = len(factors)
        for part, some in pieces(seen, units, self.expanded(seen) // max(1, units) * kind.itemsize):
            of_g = factors[part].repeat_interleave(some[-1].shape[0] // (part.stop - part.start))
            scaled = some[-1] * of_g.view(-1, *[1] * (some[-1].dim() - 1))
            _add(table, *self.found((*some[:-1], scaled), part.stop - part.start))
        return (table[: self.entries],)

    def ways(self, seen: Seen, units: int) -> Sequence[Way]:
        """Gradients at the same id added up, or dense ones where there are more positions than entries."""
        if self.expanded(seen) > units * self.elements:
            return [Kept(self, self.each)]
        return [_Merged(self)]

    def known(self, ids: torch.Tensor) -> torch.Tensor:
        """Ids as whole numbers, the padding's and those below zero replaced by nothing's."""
        ids, padding = ids.long(), self.module.padding_idx
        nothing = ids < 0
        return torch.where(nothing if padding is None else nothing | (ids == padding), self.entries, ids)


class Embedding(_Table):
    """``torch.nn.Embedding`` over ids of shape (rows, …).

    One with ``sparse=True`` is given a dense gradient, since noise is dense.

    Raises:
        InvalidRequest: ``max_norm``, by which look-ups change the table; ``scale_grad_by_freq``, by which other
            rows' look-ups scale a row's gradient.
    """

    def found(self, seen: Seen, units: int) -> tuple[torch.Tensor, torch.Tensor]:
        """One vector for each id."""
        ids, g = seen
        positions = math.prod(g.shape[:-1]) // max(1, units)
        return self.known(ids).reshape(units, positions), wide(g).reshape(units, positions, g.shape[-1])


class EmbeddingBag(_Table):
    """``torch.nn.EmbeddingBag`` in both call forms and all modes; a row may have several bags.

    Bags of unequal lengths are filled up to the longest. One with ``sparse=True`` is given a dense gradient.

    Raises:
        InvalidRequest: as ``Embedding``.
    """

    def saves(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[torch.Tensor, ...]:
        """Ids of shape (bags, longest), -1 where a bag is shorter, and their weights if there are any.

        With ``mode="max"`` the ids of the greatest values, (bags, features), -1 in an empty bag.
        """
        given = dict(zip(("input", "offsets", "per_sample_weights"), args, strict=False)) | keywords
        ids, offsets, weights = given["input"], given.get("offsets"), given.get("per_sample_weights")
        if self.module.mode == "max":
            return (self._greatest(ids, offsets),)
        kept = (ids,) if weights is None else (ids, weights)
        return kept if offsets is None else _filled_up(kept, offsets, bool(self.module.include_last_offset))

    def _greatest(self, ids: torch.Tensor, offsets: torch.Tensor | None) -> torch.Tensor:
        table: torch.Tensor = self.module.weight  # type: ignore[assignment]
        padding: int | None = self.module.padding_idx  # type: ignore[assignment]
        last = offsets is not None and bool(self.module.include_last_offset)
        if offsets is None:
            offsets = torch.arange(len(ids), device=ids.device, dtype=ids.dtype) * ids.shape[1]
        _, _, sizes, greatest = torch.embedding_bag(
            table.detach(), ids.flatten(), offsets, False, 2, False, None, last, padding
        )
        return torch.where(sizes[: len(greatest), None] == 0, -1, greatest)

    def shares(self, seen: Seen) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids, and what share of a bag each has; both of shape (bags, longest)."""
        ids = self.known(seen[0])
        if len(seen) == 3:
            return ids, wide(seen[1])
        inside = (ids < self.entries).to(wide(seen[-1]).dtype)
        return ids, inside / inside.sum(1, keepdim=True).clamp(min=1) if self.module.mode == "mean" else inside

    def found(self, seen: Seen, units: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A bag's gradient at each of its ids."""
        g = wide(seen[-1])
        bags, features = len(g) // max(1, units), g.shape[1]
        if self.module.mode == "max":
            return self.known(seen[0]).reshape(units, bags, features), g.reshape(units, bags, features)
        ids, share = self.shares(seen)
        positions = bags * ids.shape[1]
        spread = share.to(g.dtype).unsqueeze(-1) * g.unsqueeze(1)
        return ids.reshape(units, positions), spread.reshape(units, positions, features)

    def expanded(self, seen: Seen) -> int:
        """One vector for each id."""
        return seen[-1].numel() * (1 if self.module.mode == "max" else seen[0].shape[1])

    def ways(self, seen: Seen, units: int) -> Sequence[Way]:
        """Where a unit has one bag, without any vector but that bag's gradient."""
        if self.module.mode != "max" and len(seen[-1]) == units:
            return [_OneBag(self)]
        return super().ways(seen, units)


class _Merged(Way):
    """Add up each unit's gradients at the same id. What is weighted is what was measured."""

    layer: _Table

    def squares(self, seen: Seen, units: int) -> tuple[torch.Tensor, Seen]:
        """Of what is left at different ids."""
        ids, values = _merged(*self.layer.found(seen, units), self.layer.entries)
        nothing = ids == self.layer.entries
        if ids.dim() == values.dim():
            return squared(values.masked_fill(nothing, 0)), (ids, values)
        each = squared(values.flatten(0, 1)).reshape(ids.shape)
        return each.masked_fill_(nothing, 0).sum(1), (ids, values)

    def total(self, kept: Seen, factors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Each vector added to its entry."""
        values, units = kept[1], len(factors)
        table = values.new_zeros(self.layer.entries + 1, values.shape[-1])
        factors = factors.to(values.dtype).view(-1, 1, 1)
        for part, (some, vectors) in pieces(kept, units, values.numel() // max(1, units) * values.element_size()):
            _add(table, some, vectors * factors[part])
        return (table[: self.layer.entries],)

    def keeps(self, seen: Seen, units: int) -> int:
        """An id and a vector for each look-up."""
        vectors = self.layer.expanded(seen) * max(4, seen[-1].element_size())
        return vectors + self.layer.expanded(seen) // seen[-1].shape[-1] * 8

    def scratch(self, seen: Seen, units: int) -> int:
        """Vectors before they are added up, and the order of the ids."""
        return 3 * self.keeps(seen, units)


class _OneBag(Way):
    """The norm of an outer product: of a bag's gradient and how often the bag has each id."""

    layer: EmbeddingBag

    def squares(self, seen: Seen, units: int) -> tuple[torch.Tensor, Seen]:
        """The product of both squared norms."""
        ids, share = self.layer.shares(seen)
        ids, values = _merged(ids, share.unsqueeze(-1), self.layer.entries)
        share = values.squeeze(-1).masked_fill(ids == self.layer.entries, 0)
        return squared(share) * squared(seen[-1]), (ids, share, seen[-1])

    def total(self, kept: Seen, factors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """See ``Layer.total``."""
        return self.layer.total(kept, factors)


def _merged(ids: torch.Tensor, values: torch.Tensor, nothing: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Each unit's values at the same id added up in one place; the places that are left over belong to nothing."""
    if ids.shape[1] < 2:
        return ids, values
    ordered, order = ids.sort(1)
    changes = ordered.diff(dim=1) != 0
    places = torch.zeros_like(ids)
    places[:, 1:] = changes.cumsum(1)
    left = torch.full_like(ids, nothing).scatter_(1, places, ordered)
    at = torch.empty_like(ids).scatter_(1, order, places)
    if ids.dim() == values.dim():
        return left, torch.zeros_like(values).scatter_add_(1, at, values)
    at += torch.arange(len(ids), device=ids.device).unsqueeze(1) * ids.shape[1]
    sums = values.new_zeros(ids.numel(), values.shape[-1])
    return left, sums.index_add_(0, at.flatten(), values.flatten(0, 1)).reshape(values.shape)


def _add(table: torch.Tensor, ids: torch.Tensor, values: torch.Tensor) -> None:
    """Add values of shape (units, positions, features) to a table, each at its id."""
    if ids.dim() == values.dim():
        table.scatter_add_(0, ids.flatten(0, 1), values.flatten(0, 1))
    else:
        table.index_add_(0, ids.flatten(), values.flatten(0, 1))


def _filled_up(kept: Seen, offsets: torch.Tensor, last: bool) -> Seen:
    """Bags that stand one after the other as rows of equal length: -1, or weight 0, where a bag is shorter."""
    ends = torch.cat([offsets[1:], offsets.new_tensor([] if last else [len(kept[0])])])
    starts = offsets[: len(ends)]
    sizes = (ends - starts).unsqueeze(1)
    place = torch.arange(int(sizes.max()) if len(sizes) else 0, device=offsets.device)
    inside = place < sizes
    where = torch.where(inside, starts.unsqueeze(1) + place, 0)
    return tuple(torch.where(inside, one[where], -1 if not one.is_floating_point() else 0) for one in kept)


def _beside(mask: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    return mask if mask.dim() == values.dim() else mask.unsqueeze(-1)
