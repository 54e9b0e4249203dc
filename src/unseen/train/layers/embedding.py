"""Tables that are looked into: Embedding and EmbeddingBag."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from unseen.core.errors import InvalidRequest
from unseen.train.layers.layer import Kept, Layer, Seen, Way, squared
from unseen.train.layers.pieces import pieces

if TYPE_CHECKING:
    import torch

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
                    f"a {type(module).__name__} with {option} was given",
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
        import torch

        ids, values = self.found(seen, units)
        inside = ids < self.entries
        start = torch.arange(units, device=ids.device).view(-1, *[1] * (ids.dim() - 1)) * self.entries
        values = values.masked_fill(~_beside(inside, values), 0)
        table = values.new_zeros(units * self.entries, values.shape[-1])
        _add(table, torch.where(inside, ids, 0) + start, values)
        return (table.reshape(units, self.entries, values.shape[-1]),)

    def total(self, seen: Seen, factors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """See ``Layer.total``."""
        import torch

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
        """Ids as whole numbers, with the padding's and those below zero replaced by that of nothing."""
        import torch

        ids, padding = ids.long(), self.module.padding_idx
        return ids if padding is None else torch.where(ids == padding, self.entries, ids)


class Embedding(_Table):
    """``torch.nn.Embedding`` over ids of shape (rows, …).

    One with ``sparse=True`` is given a dense gradient: noise is dense.

    Raises:
        InvalidRequest: ``max_norm``, which changes the table by what is looked up, or ``scale_grad_by_freq``, which
            scales one row's gradient by what other rows look up.
    """

    def found(self, seen: Seen, units: int) -> tuple[torch.Tensor, torch.Tensor]:
        """One vector for each id."""
        ids, g = seen
        positions = math.prod(g.shape[:-1]) // max(1, units)
        return self.known(ids).reshape(units, positions), _wide(g).reshape(units, positions, g.shape[-1])


class EmbeddingBag(_Table):
    """``torch.nn.EmbeddingBag`` in both call forms; one bag, or several, for each row.

    Bags of unequal length are filled up to the longest. One with ``sparse=True`` is given a dense gradient.

    Raises:
        InvalidRequest: as ``Embedding``.
    """

    def saves(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[torch.Tensor, ...]:
        """Ids of shape (bags, longest), -1 where a bag is shorter, and their weights if there are any.

        With ``mode="max"`` the ids that have the greatest value in each feature, shape (bags, features).
        """
        names = ("input", "offsets", "per_sample_weights")
        given = dict(zip(names, args, strict=False)) | keywords
        ids, offsets, weights = given["input"].detach(), given.get("offsets"), given.get("per_sample_weights")
        if self.module.mode == "max":
            return (self._greatest(ids, offsets),)
        kept = (ids,) if weights is None else (ids, weights.detach())
        return kept if offsets is None else _filled_up(kept, offsets, bool(self.module.include_last_offset))

    def _greatest(self, ids: torch.Tensor, offsets: torch.Tensor | None) -> torch.Tensor:
        import torch

        module: Any = self.module
        if offsets is None:
            offsets = torch.arange(0, max(1, ids.numel()), max(1, ids.shape[1]), device=ids.device, dtype=ids.dtype)
            offsets, last = offsets[: len(ids)], False
        else:
            last = module.include_last_offset
        _, _, sizes, greatest = torch.embedding_bag(
            module.weight.detach(), ids.flatten(), offsets, False, 2, False, None, last, module.padding_idx
        )
        return torch.where(sizes[: len(greatest), None] == 0, -1, greatest)
