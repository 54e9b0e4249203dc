"""Recurrent networks."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from unseen.core.errors import InvalidRequest
from unseen.train.layers.composite import become
from unseen.train.layers.recurrence import Gated, LongShort, Plain, before
from unseen.train.layers.recurrent_maps import BOTH, INPUT, PROJECT, STATE, Map, added
from unseen.train.layers.watcher import Watcher

__all__ = ["GRU", "LSTM", "RNN"]

States = tuple[torch.Tensor, ...]


class _Direction(ABC):
    """One layer in one direction.

    Args:
        module: holds the parameters.
        tape: watches.
        name: of the module.
        suffix: of the parameters' names.
    """

    maps: tuple[tuple[str, ...], ...]

    def __init__(self, module: torch.nn.RNNBase, tape: Watcher, name: str, suffix: str) -> None:
        self._module, self._suffix = module, suffix
        self.back = suffix.endswith("_reverse")
        self.watched = [Map(module, tape, name, kinds, suffix) for kinds in self.maps]

    def own(self, kind: str) -> torch.Tensor | None:
        """A parameter, if there is one of that kind."""
        found: torch.Tensor | None = getattr(self._module, kind + self._suffix, None)
        return found

    def gates(self, x: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """What the inputs give, and a bias."""
        return F.linear(x, getattr(self._module, INPUT[0] + self._suffix), bias)

    def weight(self, gates: torch.Tensor) -> torch.Tensor:
        """From states to gates, out of the graph."""
        found: torch.Tensor = getattr(self._module, STATE[0] + self._suffix)
        return found.detach().to(gates.dtype)

    @abstractmethod
    def __call__(self, x: torch.Tensor, first: States) -> tuple[torch.Tensor, States]:
        """Outputs, (steps, rows, …), and last states, of inputs and first states."""


class _PlainDirection(_Direction):
    maps = (BOTH,)

    def __call__(self, x: torch.Tensor, first: States) -> tuple[torch.Tensor, States]:
        gates = self.gates(x, added(self.own(INPUT[1]), self.own(STATE[1])))
        weight, (state,) = self.weight(gates), _like(gates, first)
        how = (self._module.mode == "RNN_RELU", self.back)
        with torch.no_grad():
            y = Plain.run(gates, state, weight, *how)
        gates = self.watched[0]({INPUT[0]: x, STATE[0]: before(y, state, self.back)}, gates)
        y = Plain.apply(gates, state, (y,), weight, *how)  # type: ignore[no-untyped-call]
        return y, (_last(y, self.back),)


class _GatedDirection(_Direction):
    maps = (INPUT, STATE)

    def __call__(self, x: torch.Tensor, first: States) -> tuple[torch.Tensor, States]:
        gates, bias = self.gates(x, self.own(INPUT[1])), self.own(STATE[1])
        weight, (state,) = self.weight(gates), _like(gates, first)
        with torch.no_grad():
            y, own = Gated.run(gates.detach(), state, weight, None if bias is None else bias.to(gates.dtype), self.back)
        of_input, of_state = self.watched
        gates = of_input({INPUT[0]: x}, gates)
        own = of_state({STATE[0]: before(y, state, self.back)}, own)
        y = Gated.apply(gates, own, state, (y,), weight, self.back)  # type: ignore[no-untyped-call]
        return y, (_last(y, self.back),)


class _LongShortDirection(_Direction):
    maps = (BOTH, PROJECT)

    def __call__(self, x: torch.Tensor, first: States) -> tuple[torch.Tensor, States]:
        gates = self.gates(x, added(self.own(INPUT[1]), self.own(STATE[1])))
        weight, (state, memory) = self.weight(gates), _like(gates, first)
        project = self.own(PROJECT[0])
        project = None if project is None else project.detach().to(gates.dtype)
        with torch.no_grad():
            y, cells, shown, whole = LongShort.run(gates.detach(), (state, memory), weight, project, self.back)
        of_gates, of_projection = self.watched
        gates = of_gates({INPUT[0]: x, STATE[0]: before(y, state, self.back)}, gates)
        projected = None if project is None else of_projection({PROJECT[0]: whole}, y)
        ran = LongShort.apply(gates, state, memory, projected, (y, cells, shown), weight, project, self.back)  # type: ignore[no-untyped-call]
        y, memory = ran
        return y, (_last(y, self.back), memory)


class _Stack:
    """All layers and directions of a network.

    Args:
        module: the stand-in.
        tape: watches.
        name: of the module.
        kind: of a direction.
    """

    def __init__(self, module: torch.nn.RNNBase, tape: Watcher, name: str, kind: type[_Direction]) -> None:
        self._module, self._name = module, name
        ends = ("", "_reverse") if module.bidirectional else ("",)
        self._layers = [
            [kind(module, tape, name, f"_l{layer}{end}") for end in ends] for layer in range(module.num_layers)
        ]

    def __call__(self, x: torch.Tensor, first: States | None, widths: tuple[int, ...]) -> tuple[torch.Tensor, States]:
        """Outputs and last states as torch arranges them.

        Args:
            x: the input.
            first: the first states; zero if there are none.
            widths: of the states.

        Raises:
            InvalidRequest: a packed sequence was given.
        """
        module, kind = self._module, type(self._module).__name__
        if isinstance(x, PackedSequence):
            raise InvalidRequest(
                f"the module {self._name!r}, a {kind}, was given a packed sequence",
                "tensors with an axis of rows: a packed sequence has each step's rows where others' lengths put them",
                "the padded tensor, and output[torch.arange(rows), lengths - 1] for the last step",
            )
        batched = x.dim() == 3
        if x.dim() not in (2, 3):
            raise ValueError(f"{kind}: the input has {x.dim()} axes, not 2 or 3")
        if first is not None and any(one.dim() != x.dim() for one in first):
            raise RuntimeError(f"{kind}: an input of {x.dim()} axes goes with states of {x.dim()}")
        if not batched:
            x = x.unsqueeze(0 if module.batch_first else 1)
            first = None if first is None else tuple(one.unsqueeze(1) for one in first)
        steps = x.transpose(0, 1).contiguous() if module.batch_first else x
        count = module.num_layers * len(self._layers[0])
        if first is None:
            first = tuple(x.new_zeros(count, steps.shape[1], width) for width in widths)
        module.check_forward_args(x, first if len(first) > 1 else first[0], None)  # type: ignore[arg-type]
        if not len(steps):
            raise RuntimeError(f"{kind}: the input has no steps")
        lasts: list[States] = []
        for number, layer in enumerate(self._layers):
            outputs = []
            for direction in layer:
                y, last = direction(steps, tuple(one[len(lasts)] for one in first))
                outputs.append(y)
                lasts.append(last)
            steps = outputs[0] if len(outputs) == 1 else torch.cat(outputs, 2)
            if module.dropout > 0 and module.training and number + 1 < len(self._layers):
                steps = F.dropout(steps, module.dropout)
        states = tuple(torch.stack(ones) for ones in zip(*lasts, strict=True))
        if not batched:
            return steps.squeeze(1), tuple(one.squeeze(1) for one in states)
        return steps.transpose(0, 1) if module.batch_first else steps, states


class RNN(torch.nn.RNN):
    """Stands for a ``torch.nn.RNN`` in a mirror and gives the same.

    Args:
        module: stands in the model and is not changed.
        tape: watches.
        name: of the module.
    """

    def __init__(self, module: torch.nn.RNN, tape: Watcher, name: str) -> None:
        become(self, module, name)
        self._stack = _Stack(self, tape, name, _PlainDirection)

    def forward(  # type: ignore[override]
        self, input: torch.Tensor, hx: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As in torch, without packed sequences."""
        output, (state,) = self._stack(input, None if hx is None else (hx,), (self.hidden_size,))
        return output, state


class GRU(torch.nn.GRU):
    """Stands for a ``torch.nn.GRU`` in a mirror and gives the same.

    Args:
        module: stands in the model and is not changed.
        tape: watches.
        name: of the module.
    """

    def __init__(self, module: torch.nn.GRU, tape: Watcher, name: str) -> None:
        become(self, module, name)
        self._stack = _Stack(self, tape, name, _GatedDirection)

    def forward(  # type: ignore[override]
        self, input: torch.Tensor, hx: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As in torch, without packed sequences."""
        output, (state,) = self._stack(input, None if hx is None else (hx,), (self.hidden_size,))
        return output, state


class LSTM(torch.nn.LSTM):
    """Stands for a ``torch.nn.LSTM`` in a mirror and gives the same.

    Args:
        module: stands in the model and is not changed.
        tape: watches.
        name: of the module.
    """

    def __init__(self, module: torch.nn.LSTM, tape: Watcher, name: str) -> None:
        become(self, module, name)
        self._stack = _Stack(self, tape, name, _LongShortDirection)

    def forward(  # type: ignore[override]
        self, input: torch.Tensor, hx: tuple[torch.Tensor, torch.Tensor] | None = None
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor]]:
        """As in torch, without packed sequences."""
        output, (state, memory) = self._stack(input, hx, (self.proj_size or self.hidden_size, self.hidden_size))
        return output, (state, memory)


def _last(y: torch.Tensor, back: bool) -> torch.Tensor:
    """The state after the last step."""
    return y[0 if back else -1]


def _like(gates: torch.Tensor, states: States) -> States:
    return tuple(one.to(gates.dtype) for one in states)
