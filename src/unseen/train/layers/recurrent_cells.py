"""The cells of recurrent networks."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import torch
from torch.nn import functional as F

from unseen.train.layers.composite import become
from unseen.train.layers.recurrent_maps import BOTH, INPUT, STATE, Map, added
from unseen.train.layers.watcher import Watcher

__all__ = ["GRUCell", "LSTMCell", "RNNCell"]

States = tuple[torch.Tensor, ...]


class RNNCell(torch.nn.RNNCell):
    """Stands for a ``torch.nn.RNNCell`` in a mirror and gives the same.

    Args:
        module: stands in the model and is not changed.
        tape: watches.
        name: of the module.
    """

    def __init__(self, module: torch.nn.RNNCell, tape: Watcher, name: str) -> None:
        become(self, module, name)
        self._both = Map(module, tape, name, BOTH)

    def forward(self, input: torch.Tensor, hx: torch.Tensor | None = None) -> torch.Tensor:
        """As in torch."""
        x, (state,) = _of_cell(self, input, None if hx is None else (hx,), 1)
        gates = F.linear(x, self.weight_ih, added(self.bias_ih, self.bias_hh)) + F.linear(state, self.weight_hh)
        gates = self._both({INPUT[0]: x, STATE[0]: state}, gates)
        return _as(input, gates.relu() if self.nonlinearity == "relu" else gates.tanh())


class GRUCell(torch.nn.GRUCell):
    """Stands for a ``torch.nn.GRUCell`` in a mirror and gives the same.

    Args:
        module: stands in the model and is not changed.
        tape: watches.
        name: of the module.
    """

    def __init__(self, module: torch.nn.GRUCell, tape: Watcher, name: str) -> None:
        become(self, module, name)
        self._of_input, self._of_state = (Map(module, tape, name, kinds) for kinds in (INPUT, STATE))

    def forward(self, input: torch.Tensor, hx: torch.Tensor | None = None) -> torch.Tensor:
        """As in torch."""
        x, (state,) = _of_cell(self, input, None if hx is None else (hx,), 1)
        gates = self._of_input({INPUT[0]: x}, F.linear(x, self.weight_ih, self.bias_ih))
        own = self._of_state({STATE[0]: state}, F.linear(state, self.weight_hh, self.bias_hh))
        reset, update, new = gates.chunk(3, 1)
        own_reset, own_update, own_new = own.chunk(3, 1)
        new = torch.addcmul(new, (reset + own_reset).sigmoid(), own_new).tanh()
        return _as(input, new + (update + own_update).sigmoid() * (state - new))


class LSTMCell(torch.nn.LSTMCell):
    """Stands for a ``torch.nn.LSTMCell`` in a mirror and gives the same.

    Args:
        module: stands in the model and is not changed.
        tape: watches.
        name: of the module.
    """

    def __init__(self, module: torch.nn.LSTMCell, tape: Watcher, name: str) -> None:
        become(self, module, name)
        self._both = Map(module, tape, name, BOTH)

    def forward(
        self, input: torch.Tensor, hx: tuple[torch.Tensor, torch.Tensor] | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As in torch."""
        x, (state, memory) = _of_cell(self, input, hx, 2)
        gates = F.linear(x, self.weight_ih, added(self.bias_ih, self.bias_hh)) + F.linear(state, self.weight_hh)
        enters, stays, new, leaves = self._both({INPUT[0]: x, STATE[0]: state}, gates).chunk(4, 1)
        memory = stays.sigmoid() * memory + enters.sigmoid() * new.tanh()
        return _as(input, leaves.sigmoid() * memory.tanh()), _as(input, memory)


def _of_cell(
    cell: torch.nn.RNNCellBase, x: torch.Tensor, states: States | None, count: int
) -> tuple[torch.Tensor, States]:
    """Input and states with an axis of rows; zero states if there are none."""
    kind = type(cell).__name__
    if x.dim() not in (1, 2):
        raise ValueError(f"{kind}: the input has {x.dim()} axes, not 1 or 2")
    if states is not None and any(one.dim() != x.dim() for one in states):
        raise ValueError(f"{kind}: an input of {x.dim()} axes goes with states of {x.dim()}")
    if x.dim() == 1:
        x = x.unsqueeze(0)
        states = None if states is None else tuple(one.unsqueeze(0) for one in states)
    if states is None:
        states = (x.new_zeros(len(x), cell.hidden_size),) * count
    return x, states


def _as(given: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
    return found.squeeze(0) if given.dim() == 1 else found
