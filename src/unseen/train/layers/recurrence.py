"""Recurrences over all time steps: run without a graph, and one backward node for the gradients of all gates."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

__all__ = ["Gated", "LongShort", "Plain"]

# Everywhere here: the first axis is time, the second holds rows. What is computed for a step is written over what it
# came from, into memory of all steps: a step is a handful of calls, and none of them allocates.
#
# `run` works ahead of the graph, so that what went into the maps is known when they are watched; `apply` then puts
# the backward pass into the graph. Gradients of the maps' weights are nobody's business here. What was run comes in a
# tuple: an input that is given back would be a view, in which nothing could be done in place.


class Plain(torch.autograd.Function):
    """y[t] = tanh or relu of gates[t] + weight · y[t - 1]."""

    @staticmethod
    def run(gates: torch.Tensor, first: torch.Tensor, weight: torch.Tensor, relu: bool, back: bool) -> torch.Tensor:
        """All outputs, shape (steps, rows, hidden).

        Args:
            gates: what the inputs and the biases give, of the outputs' shape.
            first: the state before the first step, shape (rows, hidden).
            weight: from state to state, shape (hidden, hidden).
            relu: whether it is relu.
            back: whether time runs backward.
        """
        y = torch.empty_like(gates)
        state, weight = first, weight.t()
        for gate, output in zip(_in_time(gates, back), _in_time(y, back), strict=True):
            torch.addmm(gate, state, weight, out=output)
            state = output.relu_() if relu else output.tanh_()
        return y

    @staticmethod
    def forward(
        context: Any,
        gates: torch.Tensor,
        first: torch.Tensor,
        ran: tuple[torch.Tensor],
        weight: torch.Tensor,
        *how: bool,
    ) -> torch.Tensor:
        """What ``run`` gave, with a graph behind it."""
        context.how, (y,) = how, ran
        context.save_for_backward(y, weight)
        return y

    @staticmethod
    def backward(context: Any, *gradients: Any) -> Any:
        """Gradients of the gates and of the first state."""
        y, weight = context.saved_tensors
        relu, back = context.how
        gate = (y > 0).to(y) if relu else torch.addcmul(torch.ones_like(y), y, y, value=-1)
        gates, given = (_in_time(one, not back) for one in (gate, gradients[0]))
        for step, own in enumerate(gates):
            own.mul_(torch.addmm(given[step], gates[step - 1], weight) if step else given[0])
        return gate, gates[-1] @ weight, None, None, None, None


class Gated(torch.autograd.Function):
    """The gated recurrent unit; its gates are reset, update and new, next to each other."""

    @staticmethod
    def run(
        gates: torch.Tensor, first: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, back: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """All outputs, shape (steps, rows, hidden), and what the states gave to the gates, of the gates' shape.

        Args:
            gates: what the inputs give, shape (steps, rows, 3 * hidden); overwritten with the gates' values.
            first: the state before the first step, shape (rows, hidden).
            weight: from states to gates, shape (3 * hidden, hidden).
            bias: of that map, shape (3 * hidden,).
            back: whether time runs backward.
        """
        hidden = weight.shape[1]
        y, own = gates.new_empty(*gates.shape[:2], hidden), torch.empty_like(gates)
        reset_update, reset, update, new = (
            _in_time(gates[..., part], back) for part in _parts(hidden, (0, 2), (0, 1), (1, 2), (2, 3))
        )
        own_gates, own_new = (_in_time(own[..., part], back) for part in _parts(hidden, (0, 2), (2, 3)))
        state, weight = first, weight.t()
        for step, (all_own, output) in enumerate(zip(_in_time(own, back), _in_time(y, back), strict=True)):
            if bias is None:
                torch.mm(state, weight, out=all_own)
            else:
                torch.addmm(bias, state, weight, out=all_own)
            reset_update[step].add_(own_gates[step]).sigmoid_()
            new[step].addcmul_(reset[step], own_new[step]).tanh_()
            state = torch.lerp(new[step], state, update[step], out=output)
        return y, own

    @staticmethod
    def forward(
        context: Any,
        gates: torch.Tensor,
        own: torch.Tensor,
        first: torch.Tensor,
        ran: tuple[torch.Tensor],
        weight: torch.Tensor,
        back: bool,
    ) -> torch.Tensor:
        """What ``run`` gave, with a graph behind it."""
        context.back, (y,) = back, ran
        context.save_for_backward(gates, own, first, y, weight)
        return y

    @staticmethod
    def backward(context: Any, *gradients: Any) -> Any:
        """Gradients of what the inputs give, of what the states give, and of the first state."""
        gates, own, first, y, weight = context.saved_tensors
        back, hidden = context.back, y.shape[2]
        reset, update, new = torch.unflatten(gates, 2, (3, hidden)).unbind(2)
        by_gates = torch.unflatten(torch.empty_like(gates), 2, (3, hidden))
        by_reset, by_update, by_new = by_gates.unbind(2)
        inside = (1 - update) * torch.addcmul(torch.ones_like(new), new, new, value=-1)
        torch.sub(before(y, first, back), new, out=by_update).mul_(update).mul_(1 - update)
        torch.mul(inside, reset, out=by_new)
        torch.mul(own[..., 2 * hidden :], by_new, out=by_reset).mul_(1 - reset)
        states = torch.empty_like(y)
        given, state, gate, wide, kept = (
            _in_time(one, not back) for one in (gradients[0], states, by_gates.flatten(2), by_gates, update)
        )
        state[0].copy_(given[0])
        for step, here in enumerate(state):
            wide[step].mul_(here.unsqueeze(1))
            if step + 1 < len(state):
                torch.addcmul(given[step + 1], here, kept[step], out=state[step + 1]).addmm_(gate[step], weight)
        by_inputs = by_gates.clone()
        torch.mul(states, inside, out=by_inputs[:, :, 2])
        by_first = torch.addmm(state[-1] * kept[-1], gate[-1], weight)
        return by_inputs.flatten(2), by_gates.flatten(2), by_first, None, None, None


class LongShort(torch.autograd.Function):
    """The long short-term memory; its gates are input, forget, cell and output, next to each other."""

    @staticmethod
    def run(
        gates: torch.Tensor,
        first: tuple[torch.Tensor, torch.Tensor],
        weight: torch.Tensor,
        project: torch.Tensor | None,
        back: bool,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """All outputs, cells, their tanh, and outputs before they are projected, each of shape (steps, rows, …).

        Args:
            gates: what the inputs and the biases give, shape (steps, rows, 4 * hidden); overwritten with the gates'
                values.
            first: output and cell before the first step.
            weight: from outputs to gates, shape (4 * hidden, outputs).
            project: from hidden to outputs, shape (outputs, hidden), if there is such a map.
            back: whether time runs backward.
        """
        hidden = weight.shape[0] // 4
        shape = (*gates.shape[:2], hidden)
        cells, shown, whole = (gates.new_empty(shape) for _ in range(3))
        y = whole if project is None else gates.new_empty(*gates.shape[:2], len(project))
        opens, enters, stays, new, leaves = (
            _in_time(gates[..., part], back) for part in _parts(hidden, (0, 2), (0, 1), (1, 2), (2, 3), (3, 4))
        )
        steps = (_in_time(one, back) for one in (gates, cells, shown, whole, y))
        (state, memory), weight = first, weight.t()
        for step, (gate, cell, show, inner, output) in enumerate(zip(*steps, strict=True)):
            gate.addmm_(state, weight)
            opens[step].sigmoid_()
            new[step].tanh_()
            leaves[step].sigmoid_()
            memory = torch.mul(stays[step], memory, out=cell).addcmul_(enters[step], new[step])
            state = torch.mul(torch.tanh(memory, out=show), leaves[step], out=inner)
            if project is not None:
                state = torch.mm(inner, project.t(), out=output)
        return y, cells, shown, whole

    @staticmethod
    def forward(
        context: Any,
        gates: torch.Tensor,
        first: torch.Tensor,
        memory: torch.Tensor,
        projected: torch.Tensor | None,
        ran: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
        weight: torch.Tensor,
        project: torch.Tensor | None,
        back: bool,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What ``run`` gave, with a graph behind it: all outputs, and the last cell."""
        context.back, (y, cells, shown) = back, ran
        context.set_materialize_grads(False)
        context.save_for_backward(gates, memory, cells, shown, weight, project)
        return y if projected is None else projected.clone(), cells[0 if back else -1].clone()

    @staticmethod
    def backward(context: Any, *gradients: Any) -> Any:
        """Gradients of the gates, of the first output and cell, and of what is projected, if anything is."""
        gates, memory, cells, shown, weight, project = context.saved_tensors
        back, hidden = context.back, cells.shape[2]
        enters, stays, new, leaves = torch.unflatten(gates, 2, (4, hidden)).unbind(2)
        # A gate's slope, times what it is multiplied by.
        by_gates = torch.unflatten(torch.addcmul(gates, gates, gates, value=-1), 2, (4, hidden))
        by_enters, by_stays, by_new, by_leaves = by_gates.unbind(2)
        by_enters.mul_(new)
        by_stays.mul_(before(cells, memory, back))
        torch.addcmul(enters, enters * new, new, value=-1, out=by_new)
        by_leaves.mul_(shown)
        by_cells = torch.addcmul(leaves, leaves * shown, shown, value=-1)
        given, last = gradients
        shape = (*cells.shape[:2], weight.shape[1])
        given = gates.new_zeros(()).expand(shape) if given is None else given
        outputs = given.new_empty(shape) if project is not None else None
        steps = [
            _in_time(one, not back)
            for one in (given, by_gates.flatten(2), by_gates[:, :, :3], by_leaves, by_cells, stays)
        ]
        projected = None if outputs is None else _in_time(outputs, not back)
        cell = torch.zeros_like(memory) if last is None else last.clone()
        gate_before: torch.Tensor | None = None
        for step, (own, gate, inner, leaving, slope, kept) in enumerate(zip(*steps, strict=True)):
            state = own if gate_before is None else torch.addmm(own, gate_before, weight)
            if projected is not None and project is not None:
                projected[step].copy_(state)
                state = state @ project
            cell.addcmul_(state, slope)
            leaving.mul_(state)
            inner.mul_(cell.unsqueeze(1))
            cell.mul_(kept)
            gate_before = gate
        return by_gates.flatten(2), steps[1][-1] @ weight, cell, outputs, None, None, None, None


def before(states: torch.Tensor, first: torch.Tensor, back: bool) -> torch.Tensor:
    """The state before each step, shape (steps, rows, …)."""
    first = first.unsqueeze(0)
    return torch.cat([states[1:], first] if back else [first, states[:-1]])


def _in_time(tensor: torch.Tensor, back: bool) -> Sequence[torch.Tensor]:
    """The steps of a tensor in the order in which they are run."""
    steps = tensor.unbind(0)
    return steps[::-1] if back else steps


def _parts(width: int, *bounds: tuple[int, int]) -> list[slice]:
    return [slice(first * width, last * width) for first, last in bounds]
