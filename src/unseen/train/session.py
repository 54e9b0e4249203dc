"""One charged run of DP-SGD: the charged steps and not one more, then the release."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unseen.core.errors import InvalidRequest
from unseen.core.noise.entropy import this_process
from unseen.core.noise.gradient import add_gaussian, add_gaussian_
from unseen.core.release import Release
from unseen.train.conduct import Conduct
from unseen.train.private import Private, mean_loss
from unseen.train.sampling import Draw, Sampler, Streams

if TYPE_CHECKING:
    from types import TracebackType

    import torch

    from unseen.train.checkpoint import Stateful
    from unseen.train.gradients import ClippedSum
    from unseen.train.run import Run
    from unseen.train.steps import Steps

__all__ = ["Session"]


class Session:
    """A run that was charged; ``DPSGD.open`` makes it.

    ::

        with guard.open(model, optimizer, data) as session:
            for batch in session.batches():
                session.step(torch.nn.functional.cross_entropy, *batch)
        release = session.release()

    The batches are the owner's private rows; their sizes, and losses on them, are as private as they are.

    Args:
        model: trained in place.
        optimizers: each of some of its parameters; all are stepped.
        tensors: of all rows.
        clipped: the sum of clipped gradients of this model.
        run: what was charged.
        steps: what is left of it.
        sampler: draws units.
        streams: of noise.
        bound: C, the norm that gradients are clipped to; an adaptive rule moves it.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        optimizers: Sequence[torch.optim.Optimizer],
        tensors: tuple[torch.Tensor, ...],
        clipped: ClippedSum,
        run: Run,
        steps: Steps,
        sampler: Sampler,
        streams: Streams,
        bound: float,
    ) -> None:
        self._model, self._optimizers, self._tensors, self._sum = model, optimizers, tensors, clipped
        self._run, self._left, self._sampler, self._streams, self._bound = run, steps, sampler, streams, bound
        self._conduct = Conduct(model)
        self._current: Draw | None = None
        self._drawn_in = this_process()
        self._number = 0
        self._release: Release[Any] | None = None
        self._private: Private | None = None

    def __repr__(self) -> str:
        return f"<Session: {self.steps_left} of {self.steps} steps left>"

    def __reduce__(self) -> Any:
        raise TypeError("a session is not copied: its charged steps would be drawn twice")

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._current = None

    @property
    def steps(self) -> int:
        """How many steps were charged."""
        return self._run.schedule.steps

    @property
    def steps_left(self) -> int:
        """How many of them are left. A batch that was drawn is a step, whether it was used or not."""
        return self._left.left

    @property
    def noise_multiplier(self) -> float:
        """The run's noise multiplier, as priced.

        Where an adaptive rule counts, the gradient's own is up to 15.5 % more, in units of the bound as it moves.
        """
        return self._run.schedule.noise_multiplier

    @property
    def private(self) -> Private:
        """Figures of the last step, **as private as the data** and covered by no guarantee: the owner's alone.

        Raises:
            InvalidRequest: ``DPSGD(diagnostics=True)`` did not ask for them, or there was no step yet.
        """
        if not self._run.diagnostics or self._private is None:
            raise InvalidRequest(
                "private figures of a step were asked for",
                "the owner alone, who asks for them before the run, after its first step",
                "DPSGD(..., diagnostics=True)",
            )
        return self._private

    def batches(self) -> Iterator[tuple[torch.Tensor, ...]]:
        """The charged steps' samples, each a tuple of tensors with equally many rows, perhaps none.

        All of them in one loop: there is no second epoch to ask for. Warns (``OutsideStep``) of a model that was
        changed otherwise than by ``step``, and of batches without a step, which are spent.
        """
        import torch

        from unseen.train.refusals import trainable

        device = next(iter(trainable(self._model).values())).device
        while self._release is None:
            self._conduct.look()
            number = self._left.take()
            if number is None:
                return self._conduct.end()
            self._conduct.draw()
            self._number, self._current, self._drawn_in = number, self._sampler.draw(number), this_process()
            rows = torch.from_numpy(self._current.rows)
            yield tuple(tensor[rows.to(tensor.device)].to(device) for tensor in self._tensors)

    def step(
        self,
        loss_fn: Callable[..., torch.Tensor],
        *batch: torch.Tensor,
        public_loss: Callable[[], torch.Tensor] | None = None,
    ) -> None:
        """One noisy step on the batch that was drawn last. Gives nothing: losses are private.

        Args:
            loss_fn: called as ``loss_fn(model(first), *others)`` on one row at a time, with a leading axis of
                length 1; gives that row's loss. ``torch.nn.functional.cross_entropy`` is one. What it takes from
                parameters other than through the model's output has no gradient: use the optimizer's
                ``weight_decay``, or ``public_loss``.
            *batch: that batch's tensors, in its order; each row may have been transformed by itself. Other rows, if
                they are as many, go unnoticed, and the guarantee is not about them.
            public_loss: gives, of the same model, a loss that touches no private row, such as a discriminator's on
                rows that were generated. Its gradient is added after the noise and costs nothing, as long as that is
                true: that it reads nothing private but the model is the caller's to see to, and nothing here checks it.

        Raises:
            InvalidRequest: no batch was drawn for it, it was used already, or it has other rows; or model and loss fail
                on it. The run goes on: its other steps are left.
        """
        draw, self._current = self._current, None
        if self._release is not None or draw is None:
            raise InvalidRequest(
                "a step without a batch of its own was asked for",
                f"one step for each batch of session.batches(), {self.steps} in all, before the release",
            )
        if self._drawn_in != this_process():
            raise InvalidRequest(
                "a step on a batch that another process drew was asked for",
                "one process for a run: two steps on one batch with noise of their own would cost twice",
            )
        if not batch or any(len(tensor) != len(draw.rows) for tensor in batch):
            raise InvalidRequest(
                "a step on other rows than those that were drawn was asked for",
                "the batch that session.batches() gave last, all of its rows in their order",
                "session.step(loss_fn, *batch)",
            )
        self._conduct.look()
        try:
            with self._repeatable():
                self._step(loss_fn, batch, draw, public_loss)
            self._conduct.take()
        finally:
            self._conduct.rest()

    def _step(
        self,
        loss_fn: Callable[..., torch.Tensor],
        batch: tuple[torch.Tensor, ...],
        draw: Draw,
        public_loss: Callable[[], torch.Tensor] | None,
    ) -> None:
        import torch

        from unseen.train.refusals import trainable

        device = batch[0].device.type
        if torch.is_autocast_enabled(device):
            with torch.autocast(device, enabled=False):  # its casts look like uses of parameters that no layer makes
                self._sum.probe(batch[0])
        entropy, parameters = self._streams.of("noise of step", self._number), list(trainable(self._model).values())
        for parameter in parameters:
            parameter.grad = None
        if self._run.diagnostics:
            loss = mean_loss(self._model, loss_fn, batch, self._run.physical_batch_size, self._devices)
        try:
            sums, below = self._sum(loss_fn, batch, draw, self._bound)
        except InvalidRequest:
            raise
        except (ArithmeticError, AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
            raise InvalidRequest(
                f"a step was asked for on which model and loss fail with a {type(error).__name__}",
                "loss_fn(model(first), *others) of one row, each with a leading axis of length 1, that gives a tensor; "
                f"{self.steps_left} of {self.steps} charged steps are left: mend it and go on with the next batch",
                "torch.nn.functional.cross_entropy",
            ) from error
        if self._run.diagnostics:
            units = len(draw.counts)
            self._private = Private(units, loss, 1 - below / units if units else None)
        deviation, mean = self._run.gradient_noise * self._bound, 1 / self._run.expected_batch_size
        add_gaussian_(sums, deviation, entropy, factor=mean)
        if self._run.count_noise is not None:
            self._follow(below - len(draw.counts) / 2, self._run.count_noise)
        for parameter, total in zip(parameters, sums, strict=True):
            parameter.grad = total.to(parameter.dtype)
        if public_loss is not None:
            _add_public(public_loss, parameters)
        _forget_others(self._optimizers, parameters)
        for optimizer in self._optimizers:
            optimizer.step()

    def _follow(self, centred: float, deviation: float) -> None:
        """Let the bound follow the noised share of norms below it.

        Args:
            centred: the number of units of this step's draw whose norm is below it, less half of the units.
            deviation: of the noise on it.
        """
        import torch

        entropy = self._streams.of("count of step", self._number)
        (count,) = add_gaussian([torch.tensor([centred], dtype=torch.float64)], deviation, entropy)
        share = float(count) / self._run.expected_batch_size + 0.5
        self._bound = self._run.clipping.next_bound(self._bound, share)

    @property
    def _devices(self) -> list[int]:
        devices = {parameter.device for parameter in self._model.parameters() if parameter.device.type == "cuda"}
        return sorted(device.index or 0 for device in devices)

    @contextmanager
    def _repeatable(self) -> Iterator[None]:
        """With a seed, torch's own generators, which dropout draws from, are set by it and left as they were."""
        import torch

        if not self._streams.repeatable:
            yield
            return
        with torch.random.fork_rng(devices=self._devices):
            torch.manual_seed(int(self._streams.of("torch in step", self._number).words(1)[0]) >> 1)
            yield

    def checkpoint(self, path: str | Path, others: Mapping[str, Stateful] | None = None) -> Path:
        """Write all that ``DPSGD.resume`` needs, whole or not at all, and give the path.

        The file holds the model, the optimizers, the clipping bound, the receipt, how many steps were given out, and
        digests of the configuration; no noise and no coins. All of it is covered by the run's guarantee, as long as no
        state in ``others`` was moved by private figures.

        From the first checkpoint on, steps are counted in a second file: beside the ledger's key, or, without a
        ledger, beside the checkpoint. It is what keeps a resumed run within what was charged: leave it where it is.

        Args:
            path: where; a file that is there is replaced. Without a ledger all checkpoints of a run lie in one folder.
            others: what else has a state, by name, such as a scheduler of the learning rate.

        Raises:
            InvalidRequest: a batch was drawn whose step is yet to come, or the file can't be written.
            LedgerError: the file that counts the steps can't be used.
        """
        if self._current is not None:
            raise InvalidRequest(
                "a checkpoint between a batch and its step was asked for", "after session.step, or after the batches"
            )
        place = Path(path).absolute()
        if not self._streams.repeatable:
            self._left.keep(self._run.counted_in(place), self._run.name)
        self._run.checkpoint(self._left, self._bound).write(place, self._model, self._optimizers, others or {})
        return place

    def release(self) -> Release[Any]:
        """End the run and give the model as it stands. The guarantee is that of all charged steps."""
        if self._release is None:
            self._current = None
            self._conduct.look()
            self._conduct.end()
            self._release = Release(
                value=self._model,
                interval=None,
                guarantee=self._run.guarantee,
                receipt=self._run.receipt,
                guard="DPSGD",
            )
        return self._release


def _forget_others(optimizers: Sequence[torch.optim.Optimizer], parameters: list[torch.nn.Parameter]) -> None:
    """Drop gradients that this step did not make: somebody's earlier one would go into the model without noise."""
    made = set(map(id, parameters))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            for one in group["params"]:
                if id(one) not in made:
                    one.grad = None


def _add_public(public_loss: Callable[[], torch.Tensor], parameters: list[torch.nn.Parameter]) -> None:
    import torch

    with torch.enable_grad():
        found = torch.autograd.grad(public_loss(), parameters, allow_unused=True)
    for parameter, gradient in zip(parameters, found, strict=True):
        if gradient is not None and parameter.grad is not None:
            parameter.grad += gradient
