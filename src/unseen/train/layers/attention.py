"""Attention with several heads."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch.nn import functional as F

from unseen.core.errors import InvalidRequest
from unseen.train.layers.composite import Watch, become
from unseen.train.layers.layer import Kept, Layer, Seen, Way, sum_of
from unseen.train.layers.linear import Linear
from unseen.train.layers.pairs import each_pair, norm_of_pairs, pair_ways, slack, total_pairs
from unseen.train.layers.watcher import Watcher

__all__ = ["Attention", "Projections", "Repeated"]

PACKED, BIAS, SEPARATE = "in_proj_weight", "in_proj_bias", ("q_proj_weight", "k_proj_weight", "v_proj_weight")


class Projections(Layer):
    """The linear maps to queries, keys and values, of one, two or three inputs of shape (rows, positions, features).

    Two inputs give queries, and keys with values. The outputs are joined for each row: (rows, numbers), one map's
    after another's. The parameters' names are torch's; each may be frozen.
    """

    def _maps(self, seen: Seen, units: int) -> list[tuple[torch.Tensor, torch.Tensor, bool, bool]]:
        """Of each map: what went in, the gradient, and whether weight and bias are trained."""
        *inputs, g = seen
        width = int(self.module.embed_dim)  # type: ignore[arg-type]
        widths = {1: [3 * width], 2: [width, 2 * width], 3: [width] * 3}[len(inputs)]
        sizes = [one.shape[1] * wide for one, wide in zip(inputs, widths, strict=True)]
        return [
            (a.reshape(units, -1, a.shape[-1]), part.reshape(units, -1, wide), weight, BIAS in self.parameters)
            for a, part, wide, weight in zip(
                inputs, torch.split(g.flatten(1), sizes, 1), widths, self._weights, strict=False
            )
        ]

    @property
    def _weights(self) -> list[bool]:
        return [PACKED in self.parameters or key in self.parameters for key in SEPARATE]

    def _gathered(self, found: Sequence[tuple[torch.Tensor, ...]], outputs: int) -> tuple[torch.Tensor, ...]:
        """The parameters' gradients from those of the maps, whose axis of outputs is named."""
        weights = [one[0] for one, weight in zip(found, self._weights, strict=False) if weight]
        biases = [one[-1] for one in found] if BIAS in self.parameters else []
        if PACKED in self.parameters:
            weights = [_joined(weights, outputs)]
        return (*weights, *([_joined(biases, outputs)] if biases else []))

    def each(self, seen: Seen, units: int) -> tuple[torch.Tensor, ...]:
        """See ``Layer.each``."""
        return self._gathered([each_pair(*one) for one in self._maps(seen, units)], 1)

    def total(self, seen: Seen, factors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """See ``Layer.total``."""
        maps = self._maps(seen, len(factors))
        return self._gathered([total_pairs(a, g, factors, *trained) for a, g, *trained in maps], 0)

    def _norm(self, seen: Seen, units: int) -> torch.Tensor:
        maps = [one for one in self._maps(seen, units) if one[2] or one[3]]
        return sum_of([norm_of_pairs(*one) for one in maps])

    def _slack(self, seen: Seen, units: int) -> torch.Tensor:
        return sum_of([slack(*one) for one in self._maps(seen, units)])

    def ways(self, seen: Seen, units: int) -> Sequence[Way]:
        """See ``pair_ways``."""
        positions = max(a.shape[1] for a, *_ in self._maps(seen, units))
        return pair_ways(self._norm, Kept(self, self.each), self._slack, seen, units, positions)


class Repeated(Layer):
    """One parameter, given to every row as it is: nothing goes in, and the gradient is the row's."""

    def each(self, seen: Seen, units: int) -> tuple[torch.Tensor, ...]:
        """Each unit's rows added up."""
        (parameter,) = self.parameters.values()
        return (seen[-1].reshape(units, -1, parameter.numel()).sum(1).reshape(units, *parameter.shape),)

    def total(self, seen: Seen, factors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The weighted sum."""
        return Kept(self, self.each).total(self.each(seen, len(factors)), factors)


class Attention(torch.nn.MultiheadAttention):
    """Stands for a ``torch.nn.MultiheadAttention`` in a mirror and gives the same.

    Args:
        module: stands in the model and is not changed.
        tape: watches.
        name: of the module.

    Raises:
        InvalidRequest: its parameters are computed from others.
    """

    def __init__(self, module: torch.nn.MultiheadAttention, tape: Watcher, name: str) -> None:
        become(self, module, name)
        own = {key: getattr(module, key) for key in (PACKED, *SEPARATE, BIAS)}
        out = {key: getattr(module.out_proj, key) for key in ("weight", "bias")}
        self._name = name
        self._in = Watch(tape, Projections, module, f"{name}.in_proj", own)
        self._out = Watch(tape, Linear, module.out_proj, f"{name}.out_proj", out)
        self._more = [Watch(tape, Repeated, module, f"{name}.{key}", {key: getattr(module, key)}) for key in _MORE]

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        key_padding_mask: torch.Tensor | None = None,
        need_weights: bool = True,
        attn_mask: torch.Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """As in torch.

        Raises:
            InvalidRequest: nested tensors were given.
        """
        if query.is_nested or key.is_nested or value.is_nested:
            raise InvalidRequest(
                f"the module {self._name!r}, a MultiheadAttention, was given nested tensors",
                "tensors with an axis of rows",
                "enable_nested_tensor=False and key_padding_mask=…",
            )
        if is_causal and attn_mask is None:
            raise RuntimeError("is_causal=True says what attn_mask is: give that too")
        batched = query.dim() == 3
        if batched and self.batch_first:
            arranged = _all(query, key, value, lambda one: one)
        elif batched:
            arranged = _all(query, key, value, lambda one: one.transpose(0, 1))
        else:
            arranged = _all(query, key, value, lambda one: one.unsqueeze(0))
            key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
        q, k, v = self._heads(*arranged)
        hinted = is_causal and key_padding_mask is None and not need_weights
        mask = None if hinted else self._mask(attn_mask, key_padding_mask, q, arranged[1])
        dropout = self.dropout if self.training else 0.0
        weights = None
        if need_weights:
            scores = (q * math.sqrt(1.0 / q.shape[-1])) @ k.mT
            weights = F.softmax(scores if mask is None else scores + mask, dim=-1)
            weights = F.dropout(weights, dropout) if dropout > 0 else weights
            mixed = weights @ v
            weights = weights.mean(1) if average_attn_weights else weights
        else:
            mixed = F.scaled_dot_product_attention(q, k, v, mask, dropout, is_causal=hinted)
        mixed = mixed.transpose(1, 2).flatten(2)
        output = self._out((mixed,), F.linear(mixed, self.out_proj.weight, self.out_proj.bias))
        if not batched:
            return output.squeeze(0), None if weights is None else weights.squeeze(0)
        return output if self.batch_first else output.transpose(0, 1), weights

    def _heads(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Queries, keys and values, each of shape (rows, heads, positions, features of a head)."""
        width, heads = self.embed_dim, (self.num_heads, self.head_dim)
        if self.in_proj_weight is not None and query is key and key is value:
            joined = self._in((query,), F.linear(query, self.in_proj_weight, self.in_proj_bias))
            q, k, v = torch.unflatten(joined, -1, (3, width)).unbind(2)
        else:
            if self.in_proj_weight is None:
                inputs, counts = [query, key, value], [1, 1, 1]
                weights = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
            else:
                inputs, counts = ([query, key], [1, 2]) if key is value else ([query, key, value], [1, 1, 1])
                weights = list(torch.split(self.in_proj_weight, [width * count for count in counts]))
            biases: Sequence[torch.Tensor | None] = [None] * len(inputs)
            if self.in_proj_bias is not None:
                biases = torch.split(self.in_proj_bias, [width * count for count in counts])
            found = [F.linear(*one).flatten(1) for one in zip(inputs, weights, biases, strict=True)]
            joined = self._in(tuple(inputs), torch.cat(found, 1))
            parts = torch.split(joined, [one.shape[1] for one in found], 1)
            split = [
                torch.unflatten(part, 1, (one.shape[1], count, width))
                for part, one, count in zip(parts, inputs, counts, strict=True)
            ]
            q, k, v = (one for part in split for one in part.unbind(2))
        if self.bias_k is not None and self.bias_v is not None:
            k, v = (
                torch.cat([one, watch((), bias.repeat(len(one), 1, 1)).to(one.dtype)], 1)
                for one, bias, watch in zip((k, v), (self.bias_k, self.bias_v), self._more, strict=True)
            )
        q, k, v = (torch.unflatten(one, -1, heads).transpose(1, 2) for one in (q, k, v))
        if self.add_zero_attn:
            k, v = (F.pad(one, (0, 0, 0, 1)) for one in (k, v))
        return q, k, v

    def _mask(
        self, attn_mask: torch.Tensor | None, padding: torch.Tensor | None, q: torch.Tensor, key: torch.Tensor
    ) -> torch.Tensor | None:
        """What is added to the scores; zero for what was appended to the keys."""
        rows, heads, positions, keys = *q.shape[:3], key.shape[1]
        found = None
        if attn_mask is not None:
            if attn_mask.shape not in ((positions, keys), (rows * heads, positions, keys)):
                raise RuntimeError(
                    f"attn_mask has the shape {tuple(attn_mask.shape)}, not {(positions, keys)} "
                    f"or {(rows * heads, positions, keys)}"
                )
            shape = (rows, heads) if attn_mask.dim() == 3 else (1, 1)
            found = _added(attn_mask, q.dtype).reshape(*shape, positions, keys)
        if padding is not None:
            if padding.shape != (rows, keys):
                raise RuntimeError(f"key_padding_mask has the shape {tuple(padding.shape)}, not {(rows, keys)}")
            of_keys = _added(padding, q.dtype).reshape(rows, 1, 1, keys)
            found = of_keys if found is None else found + of_keys
        more = (self.bias_k is not None) + self.add_zero_attn
        return F.pad(found, (0, more)) if found is not None and more else found


_MORE = ("bias_k", "bias_v")


def _joined(parts: Sequence[torch.Tensor], axis: int) -> torch.Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), axis)


def _all(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, change: Callable[[torch.Tensor], torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """All three changed; what was the same tensor is so after it."""
    made = {id(one): change(one) for one in (query, key, value)}
    return made[id(query)], made[id(key)], made[id(value)]


def _added(mask: torch.Tensor, kind: torch.dtype) -> torch.Tensor:
    """A mask of forbidden places as what is added; one of numbers as it is."""
    if mask.dtype != torch.bool:
        return mask.to(kind)
    return torch.zeros(mask.shape, dtype=kind, device=mask.device).masked_fill_(mask, -math.inf)
