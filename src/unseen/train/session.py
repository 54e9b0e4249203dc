"""One charged run of DP-SGD: the charged steps and not one more, then the release."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from unseen.core.accounting import gradient_noise_multiplier
from unseen.core.errors import InvalidRequest
from unseen.core.guarantee import Guarantee
from unseen.core.noise.entropy import Entropy
from unseen.core.noise.gradient import add_gaussian, add_gaussian_
from unseen.core.release import Receipt, Release
from unseen.train.clipping import Clipping
from unseen.train.gradients import ClippedSum, trainable
from unseen.train.sampling import Draw, PoissonSampler

if TYPE_CHECKING:
    from types import TracebackType

    import torch

__all__ = ["Session"]


class Session:
    """A run that was charged; ``DPSGD.open`` makes it.

    ::

        with guard.open(model, optimizer, data) as session:
            for batch in session.batches():
                session.step(torch.nn.functional.cross_entropy, *batch)
        release = session.release()

    The batches are the owner's private rows; their sizes, and losses on them, are as private as they are.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        tensors: tuple[torch.Tensor, ...],
        sampler: PoissonSampler,
        steps: int,
        clipping: Clipping,
        max_grad_norm: float,
        noise_multiplier: float,
        expected_batch_size: int,
        physical_batch_size: int,
        entropy: Entropy,
        guarantee: Guarantee,
        receipt: Receipt | None,
    ) -> None:
        self._model, self._optimizer, self._tensors = model, optimizer, tensors
        self._sampler, self._entropy, self._clipping = sampler, entropy, clipping
        self._sum, self._bound = ClippedSum(model, clipping, physical_batch_size), max_grad_norm
        self._noise_multiplier, self._steps = noise_multiplier, steps
        self._count_noise = clipping.count_noise(expected_batch_size)
        self._gradient_noise = noise_multiplier
        if self._count_noise is not None:
            self._gradient_noise = gradient_noise_multiplier(noise_multiplier, self._count_noise)
        self._expected = expected_batch_size
        self._guarantee, self._receipt = guarantee, receipt
        self._drawn = 0
        self._current: Draw | None = None
        self._release: Release[Any] | None = None

    def __repr__(self) -> str:
        return f"<Session: {self.steps_left} of {self._steps} steps left>"

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._current = None

    @property
    def steps(self) -> int:
        """How many steps were charged."""
        return self._steps

    @property
    def steps_left(self) -> int:
        """How many of them are left. A batch that was drawn is a step, whether it was used or not."""
        return self._steps - self._drawn

    @property
    def noise_multiplier(self) -> float:
        """The noise's standard deviation in units of ``max_grad_norm``."""
        return self._noise_multiplier

    def batches(self) -> Iterator[tuple[torch.Tensor, ...]]:
        """The charged steps' samples, each a tuple of tensors with equally many rows, perhaps none."""
        import torch

        device = next(iter(trainable(self._model).values())).device
        while self.steps_left > 0 and self._release is None:
            self._drawn += 1
            draw = self._current = self._sampler.draw()
            rows = torch.from_numpy(draw.rows)
            yield tuple(tensor[rows.to(tensor.device)].to(device) for tensor in self._tensors)

    def step(self, loss_fn: Callable[..., torch.Tensor], *batch: torch.Tensor) -> None:
        """One noisy step on the batch that was drawn last.

        Args:
            loss_fn: called as ``loss_fn(model(first), *others)`` on one row at a time, with a leading axis of
                length 1; gives that row's loss. ``torch.nn.functional.cross_entropy`` is one.
            *batch: that batch's tensors, in its order; each row may have been transformed by itself.

        Raises:
            InvalidRequest: no batch was drawn for it, it was used already, or it has other rows.
        """
        draw, self._current = self._current, None
        if self._release is not None or draw is None:
            raise InvalidRequest(
                "a step without a batch of its own was asked for",
                f"one step for each batch of session.batches(), {self._steps} in all, before the release",
            )
        if not batch or any(len(tensor) != len(draw.rows) for tensor in batch):
            raise InvalidRequest(
                "a step on other rows than those that were drawn was asked for",
                "the batch that session.batches() gave last",
            )
        sums, below = self._sum(loss_fn, batch, draw, self._bound)
        add_gaussian_(sums, self._gradient_noise * self._bound, self._entropy)
        parameters = trainable(self._model)
        self._follow(below - len(draw.counts) / 2)
        for parameter, total in zip(parameters.values(), sums, strict=True):
            parameter.grad = total.div_(self._expected).to(parameter.dtype)
        self._optimizer.step()
        for parameter in parameters.values():
            parameter.grad = None

    def _follow(self, centred: float) -> None:
        """Let the bound follow the noised share of norms below it.

        Args:
            centred: the number of units of this step's draw whose norm is below it, less half of the units.
        """
        import torch

        if self._count_noise is not None:
            (count,) = add_gaussian([torch.tensor([centred], dtype=torch.float64)], self._count_noise, self._entropy)
            self._bound = self._clipping.next_bound(self._bound, float(count) / self._expected + 0.5)

    def release(self) -> Release[Any]:
        """End the run and give the model as it stands. The guarantee is that of all charged steps."""
        if self._release is None:
            self._current = None
            self._release = Release(
                value=self._model,
                interval=None,
                guarantee=self._guarantee,
                receipt=self._receipt,
                guard="DPSGD",
            )
        return self._release
