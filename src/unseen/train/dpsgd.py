"""DP-SGD as a guard: its price is certified and charged as a whole before the first draw."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unseen.core import accounting
from unseen.core.dataset import Dataset
from unseen.core.errors import InvalidRequest, extra
from unseen.core.guarantee import DP, Guarantee, Neighbours, Nothing, number, whole
from unseen.core.guard import SEEDED, charge, default_delta
from unseen.core.noise.entropy import Entropy
from unseen.core.noise.gradient import FLOAT_CAVEAT
from unseen.train.accountant import Accountant, PrivacyLoss
from unseen.train.checkpoint import Checkpoint, digest
from unseen.train.clipping import Clipping, Flat
from unseen.train.examples import Examples, Source
from unseen.train.optimizers import check_optimizer
from unseen.train.pricing import Ask, Poisson, Sampling
from unseen.train.run import Run
from unseen.train.sampling import Streams
from unseen.train.session import Session
from unseen.train.steps import Steps

if TYPE_CHECKING:
    import torch

    from unseen.core.release import Receipt
    from unseen.train.checkpoint import Stateful
    from unseen.train.gradients import ClippedSum

__all__ = ["DPSGD", "Session"]

FREE = ("physical_batch_size", "diagnostics", "compile")
"""Arguments that a resumed run may have otherwise."""
FREE_IF_SEEDED = ("diagnostics",)
"""The others change rounding and dropout, so that a seeded run would not repeat."""


class DPSGD:
    """Differentially private stochastic gradient descent on units.

    Each step draws units, clips each unit's gradient (the mean over its rows) to ``max_grad_norm``, adds Gaussian
    noise to the sum and divides by the expected batch size.

    Args:
        epsilon: ε, the price of the whole run; or
        noise_multiplier: the noise's standard deviation in units of ``max_grad_norm``.
        delta: δ in (0, 1); a tenth of the budget's if not given.
        max_grad_norm: C, the bound of one unit's gradient, from 1e-6 to 1e12.
        expected_batch_size: expected number of units in a step, at least 1; the most in a shuffled batch.
        epochs: expected number of times each unit is seen; or
        steps: number of steps.
        clipping: the rule by which gradients are bounded.
        dataset_size: number of units, as the owner declares it openly; for Poisson samples. Without it 5 % of ε buys
            a noisy count; a given ``noise_multiplier`` needs it.
        physical_batch_size: greatest number of rows in one pass; a unit with more is a pass by itself. It has no
            effect on the result's distribution.
        sampling: how units come into steps: ``Poisson()``, or ``Shuffled()`` if asked for.
        accountant: what prices a run: ``PrivacyLoss()``; a run priced by ``CentralLimit()`` promises nothing.
        diagnostics: fill ``Session.private``, for the owner alone, at a further forward pass a step.
        compile: make each pass one compiled graph: worth it in long runs.
        seed: see ``Guard``. Each step's coins, noise and dropout follow from it, so that a resumed run repeats a whole
            one to the bit.

    **Guarantee**: (ε, δ)-DP for the declared unit under the sampling's relation, add-or-remove for Poisson samples,
    for all intermediate models together. A wrong ``dataset_size`` costs accuracy, never privacy.

    The proof is for real numbers, and the guarantee says so (``FLOAT_CAVEAT``). Proven about floats: the noise is
    finite, at most 9.5 standard deviations, and symmetric to the last bit until it is added. Its tails are right up
    to 2^-65 in exact arithmetic; in floats by tests (``normals.transform``). By rounding analysis and tests, not by
    proof, a clipped gradient's norm
    is at most C: norms are taken in float32 or better, as upper bounds where rounding may cancel (Gram matrices), and
    factors aim 256 units in the last place below C. Not proven: that the sum of clipped gradients is the sum of its
    addends. It is one product a layer that is rounded in float32, not on a grid, so neighbours' sums may differ by
    rounding errors of all addends beyond C, and their low bits, noised too, may tell neighbours apart.

    Raises:
        InvalidRequest: an argument is out of range, or not exactly one of a pair is given.

    Source: Abadi et al. 2016, algorithm 1; priced by privacy loss distributions (Koskela et al. 2020).
    """

    def __init__(
        self,
        epsilon: float | None = None,
        *,
        expected_batch_size: int,
        noise_multiplier: float | None = None,
        delta: float | None = None,
        max_grad_norm: float = 1.0,
        epochs: float | None = None,
        steps: int | None = None,
        clipping: Clipping | type[Clipping] = Flat,
        dataset_size: int | None = None,
        physical_batch_size: int = 2048,
        sampling: Sampling | type[Sampling] = Poisson,
        accountant: Accountant | type[Accountant] = PrivacyLoss,
        diagnostics: bool = False,
        compile: bool = False,
        seed: int | None = None,
    ) -> None:
        if (epsilon is None) == (noise_multiplier is None):
            raise InvalidRequest(
                f"epsilon={epsilon!r} with noise_multiplier={noise_multiplier!r} was asked for",
                "exactly one of the two",
                "epsilon=1.0",
            )
        if (epochs is None) == (steps is None):
            raise InvalidRequest(
                f"epochs={epochs!r} with steps={steps!r} was asked for", "exactly one of the two", "epochs=10"
            )
        self.epsilon = None if epsilon is None else number("epsilon", epsilon, 0, open_low=True)
        self.noise_multiplier = (
            None if noise_multiplier is None else number("noise_multiplier", noise_multiplier, 0, open_low=True)
        )
        self.delta = None if delta is None else number("delta", delta, 0, open_low=True)
        if self.delta is not None and self.delta >= 1:
            raise InvalidRequest(f"delta={delta!r} was asked for", "δ in (0, 1)", "delta=1e-6")
        self.epochs = None if epochs is None else number("epochs", epochs, 0, open_low=True)
        self.steps = None if steps is None else whole("steps", steps, 1)
        self.expected_batch_size = whole("expected_batch_size", expected_batch_size, 1)
        self.clipping: Clipping = _made("clipping", clipping, Clipping, "un.train.Flat()")
        self.sampling: Sampling = _made("sampling", sampling, Sampling, "un.train.Poisson()")
        self.accountant: Accountant = _made("accountant", accountant, Accountant, "un.train.PrivacyLoss()")
        self.max_grad_norm = number("max_grad_norm", max_grad_norm, 1e-6, 1e12)
        self.dataset_size = None if dataset_size is None else whole("dataset_size", dataset_size, 1)
        self.physical_batch_size = whole("physical_batch_size", physical_batch_size, 1)
        self.diagnostics, self.compile = bool(diagnostics), bool(compile)
        self.seed = None if seed is None else whole("seed", seed)
        if self.dataset_size is not None and self.expected_batch_size > self.dataset_size:
            raise InvalidRequest(
                f"expected_batch_size={self.expected_batch_size} with dataset_size={self.dataset_size} was asked for",
                "a batch of at most all units",
                f"expected_batch_size={max(1, self.dataset_size // 10)}",
            )
        self.sampling.check(self._ask)

    @property
    def _rows_at_once(self) -> int:
        """Rows of one pass. A compiled one has a fixed number, which few draws exceed and many nearly fill."""
        if not self.compile:
            return self.physical_batch_size
        expected = self.expected_batch_size
        rate = min(1.0, expected / self.dataset_size) if self.dataset_size else 0.0
        return min(self.physical_batch_size, expected + math.ceil(2 * math.sqrt(expected * (1 - rate))))

    @property
    def _ask(self) -> Ask:
        return Ask(
            self.epsilon,
            self.noise_multiplier,
            self.epochs,
            self.steps,
            self.expected_batch_size,
            self.dataset_size,
            self.accountant,
        )

    def cost(self, data: Source) -> Guarantee:
        """What a run would promise, and so what the ledger would charge. Charges nothing.

        Args:
            data: a ``Dataset``, or tensors of the caller's own.
        """
        return self.price(data)[1]

    def price(self, data: Source) -> tuple[accounting.Event, Guarantee]:
        """What a run would do and promise: what a ledger's composition prices. Charges nothing."""
        delta = _delta(data, self.delta)
        relation = self.sampling.relation(data.neighbours if isinstance(data, Dataset) else None)
        if isinstance(data, Dataset) and data.part is not None and relation is not Neighbours.ADD_REMOVE:
            raise InvalidRequest(
                f"a run under {relation} on the part {data.part[1]!r} was asked for",
                "the whole dataset: a unit that is exchanged may move to another part, and changes two",
            )
        epsilon, event = self.sampling.price(self._ask, delta)
        unit = data.schema.unit_name if isinstance(data, Dataset) else "row"
        guarantee = self.accountant.promise(DP(epsilon, delta, unit, relation, caveats=(FLOAT_CAVEAT,)))
        if isinstance(guarantee, Nothing):
            event = accounting.unpriced()
        return event, guarantee if self.seed is None else SEEDED

    def open(
        self,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer],
        data: Source,
        *,
        target: str | None = None,
        features: Sequence[str] | None = None,
        inputs: torch.Tensor | None = None,
        purpose: str = "",
    ) -> Session:
        """Charge the ledger for the whole run, then begin it.

        Args:
            model: initialised independently of the data. It is trained in place and not wrapped.
            optimizer: of the model's parameters; or several, each of some of them, which are all stepped.
            data: a ``Dataset``; or tensors of the caller's own, one row for each unit, for which no ledger is
                charged. The first tensor is the model's input; a ``Dataset``'s has shape (rows, width of the
                features) and the dtype of the model's parameters.
            target: of a ``Dataset``, the column to predict: Categorical as class codes, Range as numbers.
            features: of a ``Dataset``, the columns that the model sees; all but the target if not given.
            inputs: where the loop transforms a ``Dataset``'s rows before they go into the model: made-up ones as the
                model is given them, of which only shape, dtype and device are read.
            purpose: why, for the ledger.

        A failure after the charge counts as a use.

        Raises:
            InvalidRequest: the request does not fit the schema, or the model does not fit the data or mixes rows;
                nothing was charged.
            BudgetExceeded: the ledger cannot pay; nothing was charged.
            MissingExtra: torch is not installed.
        """
        clipped, examples, optimizers = self._checked(model, optimizer, data, target, features, inputs)
        configuration = self._configuration(data, target, features)
        event, guarantee = self.price(data)
        receipt = charge(data, type(self).__name__, event, guarantee, purpose) if isinstance(data, Dataset) else None
        tensors, units = examples.read(_first(model).dtype)
        name = f"{receipt.ledger}-{receipt.sequence}" if receipt is not None else Entropy().key().hex()[:16]
        size = self.sampling.size(self._ask, len(np.unique(units)), self.seed)
        run = self._run(data, guarantee, receipt, name, size, configuration)
        streams = Streams(Entropy(self.seed))
        sampler = self.sampling.sampler(self._ask, run.schedule, units, streams)
        steps = Steps(run.schedule.steps, sampler.together)
        return Session(model, optimizers, tensors, clipped, run, steps, sampler, streams, self.max_grad_norm)

    def resume(
        self,
        path: str | Path,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer],
        data: Source,
        *,
        target: str | None = None,
        features: Sequence[str] | None = None,
        inputs: torch.Tensor | None = None,
        others: Mapping[str, Stateful] | None = None,
    ) -> Session:
        """Go on with a run from a checkpoint, with the charged steps that are left. Charges nothing.

        Args:
            path: what ``Session.checkpoint`` wrote, by a guard of the same configuration.
            model: of the same kind; its state is replaced.
            optimizer: as many of the same kinds; their states are replaced.
            data: the same. Of tensors of the caller's own nothing checks that.
            target: as it was.
            features: as they were.
            inputs: see ``open``.
            others: what else had its state written, by name; replaced.

        **Guarantee**: that of the run. Whoever goes on with it, and however often from whichever of its checkpoints,
        all of them together take at most the charged steps: a step that may have been drawn since the checkpoint is
        not drawn again but lost, and of shuffled batches the rest of its epoch. Coins and noise are fresh. It assumes
        that the file in which the steps are counted is neither copied nor put back to an older state (``Steps``).
        With a seed nothing is promised: the run goes on at the checkpoint's step, and ends as if it was never stopped.

        Raises:
            InvalidRequest: no such checkpoint; or it is of another configuration, model or data.
            LedgerError: the ledger does not hold the run's entry, or its count of steps is missing.
        """
        clipped, examples, optimizers = self._checked(model, optimizer, data, target, features, inputs)
        place = Path(path).absolute()
        found, states = Checkpoint.read(place)
        ledger = data.ledger if isinstance(data, Dataset) else None
        own = self._configuration(data, target, features)
        found.refuse_another(own, ledger is not None)
        if ledger is not None and found.receipt is not None:
            ledger.verify(against=found.receipt)
        tensors, units = examples.read(_first(model).dtype)
        run = self._run(data, self.price(data)[1], found.receipt, found.run, found.size, own)
        streams = Streams(Entropy(self.seed))
        sampler = self.sampling.sampler(self._ask, run.schedule, units, streams)
        if streams.repeatable:
            steps = Steps(run.schedule.steps, sampler.together, found.given)
        else:
            steps = Steps.resumed(run.counted_in(place), run.name, run.schedule.steps, sampler.together)
        found.restore(states, model, optimizers, others or {})
        return Session(model, optimizers, tensors, clipped, run, steps, sampler, streams, found.bound)

    def _checked(
        self,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer | Sequence[torch.optim.Optimizer],
        data: Source,
        target: str | None,
        features: Sequence[str] | None,
        inputs: torch.Tensor | None,
    ) -> tuple[ClippedSum, Examples, tuple[torch.optim.Optimizer, ...]]:
        """What can be known to fit, or not, before anything is charged."""
        extra("torch", "train")
        from unseen.train.gradients import ClippedSum
        from unseen.train.refusals import check_coverage, check_model
        from unseen.train.tape import first_way

        optimizers = tuple(optimizer) if isinstance(optimizer, (tuple, list)) else (optimizer,)
        for one in optimizers or (None,):
            check_model(model, one)
            check_optimizer(one)
        check_coverage(model, optimizers)
        examples = Examples(data, target, features)
        choose = None if self.seed is None else first_way
        clipped = ClippedSum(model, self.clipping, self._rows_at_once, choose=choose, compile=self.compile)
        like = inputs if inputs is not None else examples.like(_first(model))
        if like is not None:
            clipped.probe(like.to(_first(model).device))
        return clipped, examples, optimizers

    def _run(
        self,
        data: Source,
        guarantee: Guarantee,
        receipt: Receipt | None,
        name: str,
        size: int,
        configuration: dict[str, str],
    ) -> Run:
        key = data.ledger.key_path if isinstance(data, Dataset) and data.ledger is not None else None
        return Run(
            schedule=self.sampling.schedule(self._ask, _delta(data, self.delta), size),
            clipping=self.clipping,
            expected_batch_size=self.expected_batch_size,
            physical_batch_size=self.physical_batch_size,
            guarantee=guarantee,
            receipt=receipt,
            diagnostics=self.diagnostics,
            name=name,
            configuration=configuration,
            size=size,
            count=None if key is None else key.with_name(f"{key.name}.run-{name}.steps").absolute(),
        )

    def _configuration(self, data: Source, target: str | None, features: Sequence[str] | None) -> dict[str, str]:
        """What a checkpoint knows guard and data by; whatever has no effect on the result is left out."""
        dataset = data if isinstance(data, Dataset) else None
        free = FREE if self.seed is None else FREE_IF_SEEDED
        return digest(
            {
                **{name: value for name, value in vars(self).items() if name not in free},
                "delta": _delta(data, self.delta),
                "target": target,
                "features": None if features is None else list(features),
                "data": None if dataset is None else [dataset.bound, dataset.part, dataset.selection],
            }
        )


def _made(name: str, given: Any, kind: Any, fits: str) -> Any:
    """A rule that was given by its value, or by its class alone."""
    value = given() if isinstance(given, type) and issubclass(given, kind) else given
    if not isinstance(value, kind):
        raise InvalidRequest(f"{name}={given!r} was asked for", f"a {kind.__name__}", fits)
    return value


def _first(model: torch.nn.Module) -> torch.nn.Parameter:
    """The first parameter that is trained: by its dtype and device the model's are known."""
    from unseen.train.refusals import trainable

    return next(iter(trainable(model).values()))


def _delta(data: Source, delta: float | None) -> float:
    if isinstance(data, Dataset):
        return default_delta(data, delta, "DPSGD")
    if delta is None:
        raise InvalidRequest("DPSGD without delta was asked for on data without a budget", "a δ above 0", "delta=1e-6")
    return delta
