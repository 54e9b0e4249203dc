"""The ways to take one training step that `bench_train.py` compares: torch's own, Opacus's, torch.func's and ours."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import inspect
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

import unseen as un

__all__ = ["USUAL", "WAYS", "NotSupported", "Way", "hush"]

NOISE = 1.0
BOUND = 1.0
RATE = 0.01
CHARGED = 1000  # steps of one session of ours; a new one begins outside the clock


def hush() -> None:
    """What the peers warn of is what is measured, or what was asked for."""
    for text in ("Secure RNG turned off", "Full backward hook is firing", "There is a performance drop"):
        warnings.filterwarnings("ignore", message=text)


class NotSupported(Exception):
    """This way cannot train this model."""


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=RATE)


class Way(ABC):
    """Trains one model on one batch.

    Args:
        model: as the case builds it for this way.
        batch: the rows and their labels, on the model's device.
    """

    title: str
    compiled = False

    @abstractmethod
    def __init__(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> None: ...

    def ready(self) -> None:  # noqa: B027 - most ways need nothing
        """What comes before a step and is not timed: a draw of rows."""

    @abstractmethod
    def step(self) -> None:
        """Forward, backward, clip, noise, SGD."""


class Plain(Way):
    title = "non-private torch"

    def __init__(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
        self.model, (self.rows, self.labels), self.optimizer = model, batch, sgd(model)

    def step(self) -> None:
        self.optimizer.zero_grad()
        cross_entropy(self.model(self.rows), self.labels).backward()
        self.optimizer.step()


class PlainCompiled(Plain):
    title = "non-private torch, compiled"
    compiled = True

    def __init__(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
        super().__init__(model, batch)
        self.model = torch.compile(model)  # type: ignore[assignment]


class Hooks(Way):
    """Every row's gradient is held. secure_mode is off: its generator has no package for this torch."""

    title = "Opacus hooks"
    mode = "hooks"

    def __init__(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
        import opacus
        from opacus.validators import ModuleValidator

        self.rows, self.labels = batch
        # Opacus's own advice: MultiheadAttention becomes its DPMultiheadAttention. With batch_first (1.6.0) that
        # computes another function, heads and positions mixed up, at the same cost.
        model = ModuleValidator.fix(model).to(self.rows.device).train()
        made = opacus.PrivacyEngine(secure_mode=False).make_private(
            module=model,
            optimizer=sgd(model),
            criterion=nn.CrossEntropyLoss(),
            data_loader=DataLoader(TensorDataset(*batch), batch_size=len(self.rows)),
            noise_multiplier=NOISE,
            max_grad_norm=BOUND,
            poisson_sampling=False,
            grad_sample_mode=self.mode,
        )
        self.model, self.optimizer = made[0], made[1]
        self.loss = made[2] if self.mode == "ghost" else cross_entropy

    def step(self) -> None:
        self.optimizer.zero_grad()
        self.loss(self.model(self.rows), self.labels).backward()
        self.optimizer.step()


class Ghost(Hooks):
    """Norms first, then a second backward of the weighted loss."""

    title = "Opacus ghost"
    mode = "ghost"


class Functorch(Way):
    """Every row's gradient by vmap of grad: what the tutorials of torch.func teach."""

    title = "torch.func vmap(grad)"

    def __init__(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
        self.model, self.batch, self.optimizer = model, batch, sgd(model)

        def loss(values: dict[str, Tensor], row: Tensor, label: Tensor) -> Tensor:
            found = torch.func.functional_call(model, values, (row.unsqueeze(0),))
            return cross_entropy(found, label.unsqueeze(0))

        self.each: Callable[..., dict[str, Tensor]] = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))

    def step(self) -> None:
        parameters = dict(self.model.named_parameters())
        found = self.each({name: value.detach() for name, value in parameters.items()}, *self.batch)
        norms = torch.stack([gradient.flatten(1).norm(dim=1) for gradient in found.values()]).norm(dim=0)
        factors = (BOUND / norms.clamp(min=1e-6)).clamp(max=1.0)
        for name, parameter in parameters.items():
            total = torch.einsum("i,i...->...", factors, found[name])
            noise = torch.normal(0.0, NOISE * BOUND, total.shape, device=total.device)
            parameter.grad = (total + noise) / len(factors)
        self.optimizer.step()


class Ours(Way):
    """A session of DPSGD whose every draw is the whole batch."""

    title = "unseen"

    def __init__(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> None:
        self.model, self.batch, self.optimizer = model, batch, sgd(model)
        self.guard = self.configured(len(batch[0]))
        self.begin()

    def configured(self, rows: int, **more: Any) -> un.train.DPSGD:
        return un.train.DPSGD(
            noise_multiplier=NOISE,
            delta=1e-5,
            max_grad_norm=BOUND,
            expected_batch_size=rows,
            dataset_size=rows,
            steps=CHARGED,
            **more,
        )

    def begin(self) -> None:
        self.session = self.guard.open(self.model, self.optimizer, self.batch)
        self.batches: Iterator[tuple[Tensor, ...]] = self.session.batches()

    def ready(self) -> None:
        if self.session.steps_left == 0:
            self.begin()
        self.drawn: tuple[Tensor, ...] = ()  # two draws are never held at once
        self.drawn = next(self.batches)

    def step(self) -> None:
        self.session.step(cross_entropy, *self.drawn)


class OursCompiled(Ours):
    title = "unseen, compiled"
    compiled = True

    def configured(self, rows: int, **more: Any) -> un.train.DPSGD:
        if "compile" not in inspect.signature(un.train.DPSGD).parameters:
            raise NotSupported("DPSGD has no compile= yet")
        return super().configured(rows, compile=True, **more)


WAYS: dict[str, type[Way]] = {
    "plain": Plain,
    "hooks": Hooks,
    "ghost": Ghost,
    "ghost-embedding": Ghost,
    "functorch": Functorch,
    "ours": Ours,
    "plain-compiled": PlainCompiled,
    "ours-compiled": OursCompiled,
}
USUAL = ("plain", "hooks", "ghost", "functorch", "ours")
