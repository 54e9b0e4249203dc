"""One forward and one backward pass in which layers give norms of per-unit gradients instead of a gradient."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from unseen.core.errors import InvalidRequest
from unseen.train.layers.layer import Layer, Seen, Way, grouped, squared, sum_of, weighted
from unseen.train.layout import Layout

__all__ = ["LEADING", "Block", "Choice", "Place", "Record", "Tape", "first_way"]

Choice = Callable[["Record", Seen, int], Way]
"""Which way a layer takes, from what it saw and the number of units."""

LEADING = -1
"""See ``Place.lift``."""

Totals = dict[torch.nn.Parameter, torch.Tensor]


@dataclass(frozen=True)
class Place:
    """Where a layer's rows are.

    Args:
        layout: of what it sees; None where the rows come first.
        unused: whether it saw nothing when the model was looked at.
        by_row: of a module that is run row by row, which of its inputs have rows.
        lift: of a module whose own parameters are lifted to one for each row, how many axes of length 1 come between
            the rows and the parameter's; ``LEADING`` if the rows take the place of its first axis, which is 1.
    """

    layout: Layout | None = None
    unused: bool = False
    by_row: tuple[bool, ...] | None = None
    lift: int | None = None


class _Tap(torch.autograd.Function):
    """The identity, in place; shows the gradient to ``receive`` and hands it on.

    The backward pass is asked for the anchor's gradient only, so it goes through every tap and computes no weight's.
    """

    @staticmethod
    def forward(context: Any, output: torch.Tensor, _: torch.Tensor, receive: Callable[[torch.Tensor], None]) -> Any:
        context.receive = receive
        context.mark_dirty(output)
        return output

    @staticmethod
    def backward(context: Any, *gradients: Any) -> Any:
        context.receive(gradients[0])
        return gradients[0], None, None


@dataclass(eq=False)
class Record:
    """What one layer saw in one pass.

    Args:
        name: of the module in the model.
        layer: its family's view of it.
        place: where its rows are.
        calls: how often it was called in this pass.
        seen: what it saw in calls that wait to be looked at together.
    """

    name: str
    layer: Layer
    place: Place
    calls: int = 0
    seen: list[Seen] = field(default_factory=list)


@dataclass(eq=False)
class Block:
    """Layers that share no parameter with other layers: mostly one layer. Its gradient is clipped with one factor.

    Args:
        records: the layers'.
        squares: upper bounds of the units' squared norms, once they are known.
        kept: what the sum will want.
        way: how it is had; None where gradients were instantiated and added.
    """

    records: list[Record]
    squares: torch.Tensor | None = None
    kept: Seen = ()
    way: Way | None = None

    @property
    def parameters(self) -> list[torch.nn.Parameter]:
        """Its trained parameters, each once."""
        return list(dict.fromkeys(one for record in self.records for one in record.layer.parameters.values()))

    @property
    def at_once(self) -> bool:
        """Whether one call of one layer is all that there is to see."""
        return len(self.records) == 1 and self.records[0].calls == 1

    def look(self, record: Record, seen: Seen, units: int, choose: Choice) -> None:
        """Take the norms of one layer that shares nothing."""
        self.way = choose(record, seen, units)
        self.squares, self.kept = self.way.squares(seen, units)

    def finish(self, units: int, choose: Choice) -> None:
        """Take the norms of what was seen in several calls."""
        calls = [(record, seen) for record in self.records for seen in record.seen]
        for record in self.records:
            record.seen = []
        if not calls:
            return
        if len(self.records) == 1 and len({tuple(one.shape[1:] for one in seen) for _, seen in calls}) == 1:
            joined = zip(*(seen for _, seen in calls), strict=True)
            seen = tuple(torch.cat([grouped(one, units) for one in ones], 1).flatten(0, 1) for ones in joined)
            return self.look(self.records[0], seen, units, choose)
        found: Totals = {}
        for record, seen in calls:
            for parameter, each in zip(record.layer.parameters.values(), record.layer.each(seen, units), strict=True):
                found[parameter] = found[parameter] + each if parameter in found else each
        self.kept = tuple(found[parameter] for parameter in self.parameters)
        self.squares = sum_of([squared(each) for each in self.kept])

    def total(self, factors: torch.Tensor, finite: torch.Tensor | None) -> Totals:
        """The sum over units of factor times gradient, for each of its parameters; nothing of what is not finite.

        Args:
            factors: shape (units,), 0 where a gradient is not finite.
            finite: shape (units,), which gradients are; None where all are.
        """
        kept, self.kept = self.kept, ()
        if not kept:
            return {}
        if finite is not None:
            kept = tuple(_cleaned(one, finite) for one in kept)
        if self.way is None:
            totals = tuple(weighted(each, factors) for each in kept)
        else:
            totals = self.way.total(kept, factors)
        return dict(zip(self.parameters, totals, strict=True))


def first_way(record: Record, seen: Seen, units: int) -> Way:
    """Each layer's first guess: nothing is measured, so that the same run rounds in the same way again."""
    return record.layer.ways(seen, units)[0]


class Tape:
    """Collects what the layers of a mirror see in one pass over a batch.

    A layer that is called once gives its norms as soon as the backward pass reaches it, so that what it need not
    keep is freed at once. One that is called several times, or shares a parameter, is looked at when all is seen.

    Args:
        choose: which way a layer takes.
        places: where the rows are for each layer, by its module's name; None where they are first for all.
    """

    def __init__(self, choose: Choice | None = None, places: Mapping[str, Place] | None = None) -> None:
        self._choose = choose or first_way
        self._places = places
        self._anchor: torch.Tensor | None = None
        self._expanded: list[tuple[Record, list[torch.Tensor]]] = []
        self._owner: dict[torch.nn.Parameter, Block] = {}
        self.blocks: list[Block] = []
        self.rows = self.units = 0
        self._again = False

    def place(self, name: str) -> Place:
        """Where the rows are in the module of that name."""
        return (self._places or {}).get(name, Place())

    @property
    def records(self) -> list[Record]:
        """All layers'."""
        return [record for block in self.blocks for record in block.records]

    def record(self, layer: Layer, name: str) -> Record:
        """A new layer of the mirror; it joins the blocks whose parameters it shares."""
        record = Record(name, layer, self.place(name))
        shared = list(dict.fromkeys(self._owner[one] for one in layer.parameters.values() if one in self._owner))
        block = Block([one for other in shared for one in other.records] + [record])
        self.blocks = [other for other in self.blocks if other not in shared] + [block]
        self._owner |= dict.fromkeys(block.parameters, block)
        return record

    def begin(self, rows: int, units: int) -> None:
        """Begin a pass over ``rows`` rows, equally many of each unit, one unit's next to each other."""
        self.rows, self.units = rows, units
        self._expanded = []
        for block in self.blocks:
            block.squares, block.kept, block.way = None, (), None
            for record in block.records:
                record.calls, record.seen = 0, []

    def tap(self, record: Record, inputs: Seen, output: torch.Tensor) -> torch.Tensor:
        """Watch one call of a layer; gives the output to go on with.

        Args:
            record: the layer's.
            inputs: what its family wants to see of what went in.
            output: a fresh tensor that came out.
        """
        record.calls += 1
        if not torch.is_grad_enabled():
            return output
        held, shape = [tensor.detach() for tensor in inputs], output.shape

        def receive(gradient: torch.Tensor) -> None:
            seen = (*held, gradient.reshape(shape))
            if not self._again:
                held.clear()  # the graph outlives what layers let go of
            self.receive(record, seen)

        if self._anchor is None or self._anchor.device != output.device:
            self._anchor = torch.zeros((), device=output.device, requires_grad=True)
        # A linear map gives a view of a matrix; a view that is changed in place is copied over and over.
        base = output._base
        whole = base is not None and base.numel() == output.numel() and base.is_contiguous() and output.is_contiguous()
        tapped: torch.Tensor = _Tap.apply(base if whole else output, self._anchor, receive)  # type: ignore[no-untyped-call]
        return tapped.view(output.shape)

    def receive(self, record: Record, seen: Seen) -> None:
        """Take what a layer saw in one call."""
        block = self._owner[next(iter(record.layer.parameters.values()))]
        layout = record.place.layout
        if layout is not None:
            if not layout.fits(seen[-1], self.rows):
                raise _elsewhere(record)
            seen = tuple(layout.arranged(tensor, self.rows) for tensor in seen)
        elif record.place.unused or (self._places is not None and record.name not in self._places):
            raise _elsewhere(record)
        with torch.no_grad():
            if block.at_once:
                block.look(record, seen, self.units, self._choose)
            else:
                record.seen.append(seen)

    def by_row(self, record: Record, inputs: list[Any]) -> tuple[bool, ...]:
        """Which of a module's inputs have a row for each of the batch in their first axis."""
        if record.place.by_row is not None:
            return record.place.by_row
        return tuple(torch.is_tensor(one) and one.dim() > 0 and one.shape[0] == self.rows for one in inputs)

    def expand(self, record: Record, parameters: list[torch.nn.Parameter]) -> list[torch.Tensor]:
        """The parameters with a first axis of rows; what is made of them gives each row's gradient."""
        record.calls += 1
        lift = record.place.lift or 0
        made = []
        for one in parameters:
            rest = one.shape[1:] if lift == LEADING else (*[1] * lift, *one.shape)
            made.append(one.detach().reshape(1, *rest).expand(self.rows, *rest).requires_grad_())
        self._expanded.append((record, made))
        return made

    def backward(self, loss: torch.Tensor, again: bool = False) -> None:
        """Take the norms of all that the loss depends on.

        Args:
            loss: the sum of the rows' losses, each weighted as it counts in its unit.
            again: whether another backward pass over the same graph will follow.
        """
        # The caller's autocast is for the forward pass: norms and sums in a lower precision would not hold the bound.
        self._again = again
        with torch.autocast(loss.device.type, enabled=False):
            leaves = [leaf for _, made in self._expanded for leaf in made]
            wanted = leaves if self._anchor is None else [self._anchor, *leaves]
            if loss.requires_grad and wanted:
                every = torch.autograd.grad(loss, wanted, retain_graph=again, allow_unused=True)
                found = iter(every[len(wanted) - len(leaves) :])
                for record, made in self._expanded:
                    gradients = [next(found) for _ in made]
                    self.receive(
                        record,
                        tuple(
                            torch.zeros_like(leaf) if gradient is None else gradient
                            for leaf, gradient in zip(made, gradients, strict=True)
                        ),
                    )
            with torch.no_grad():
                for block in self.blocks:
                    block.finish(self.units, self._choose)

    def squares(self) -> torch.Tensor:
        """Upper bounds of the squared norms, shape (blocks, units), float64; 0 of a block that was not reached."""
        device = next(iter(self._owner)).device
        nothing = torch.zeros(self.units, dtype=torch.float64, device=device)
        return torch.stack([nothing if block.squares is None else block.squares for block in self.blocks])

    def totals(self, factors: torch.Tensor, finite: torch.Tensor | None) -> Totals:
        """The sums over units of factor times gradient, for each parameter that the loss depends on.

        Args:
            factors: shape (blocks, units).
            finite: see ``Block.total``.
        """
        found: Totals = {}
        with torch.autocast(factors.device.type, enabled=False):
            for block, factor in zip(self.blocks, factors, strict=True):
                found |= block.total(factor, finite)
        return found


def _elsewhere(record: Record) -> InvalidRequest:
    return InvalidRequest(
        f"a model was given whose module {record.name!r} saw rows elsewhere than when the model was looked at",
        "a model whose shapes and branches do not depend on the values of its inputs",
        "masks in place of branches",
    )


def _cleaned(tensor: torch.Tensor, finite: torch.Tensor) -> torch.Tensor:
    """Zero where a unit's gradient is not finite."""
    rows = finite.repeat_interleave(tensor.shape[0] // len(finite))
    return torch.where(rows.view(-1, *[1] * (tensor.dim() - 1)), tensor, torch.zeros_like(tensor))
