"""DP-SGD as a guard: its price is certified and charged as a whole before the first draw."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from unseen.core import accounting
from unseen.core.dataset import Dataset
from unseen.core.errors import InvalidRequest, extra
from unseen.core.guarantee import DP, Guarantee, Neighbours, number, price, whole
from unseen.core.guard import SEEDED, charge, default_delta, dp
from unseen.core.noise.entropy import Entropy
from unseen.core.noise.gradient import FLOAT_CAVEAT
from unseen.core.noise.scalar import laplace
from unseen.train.clipping import Clipping, Flat
from unseen.train.examples import Examples, Source
from unseen.train.gradients import check_model
from unseen.train.sampling import PoissonSampler
from unseen.train.session import Session

if TYPE_CHECKING:
    import torch

__all__ = ["DPSGD", "Session"]

COUNT_SHARE = Fraction(1, 20)
LEAST_EPSILON = 1e-9


@dataclass(frozen=True)
class _Schedule:
    """What is run: each unit's chance in each step, the number of steps, and the noise."""

    probability: float
    steps: int
    noise_multiplier: float


class DPSGD:
    """Differentially private stochastic gradient descent on units.

    Each step draws units by independent coins, clips each unit's gradient (the mean over its rows) to
    ``max_grad_norm``, adds Gaussian noise to the sum and divides by the expected batch size.

    Args:
        epsilon: ε, the price of the whole run; or
        noise_multiplier: the noise's standard deviation in units of ``max_grad_norm``; needs ``dataset_size``.
        delta: δ in (0, 1); a tenth of the budget's if not given.
        max_grad_norm: C > 0, the bound of one unit's gradient.
        expected_batch_size: expected number of units in a step, at least 1.
        epochs: expected number of times each unit is seen; or
        steps: number of steps.
        clipping: the rule by which gradients are bounded.
        dataset_size: number of units, as the owner declares it openly. Without it 5 % of ε buys a noisy count.
        physical_batch_size: rows whose gradients are held at once; has no effect on the result's distribution.
        seed: see ``Guard``.

    **Guarantee**: (ε, δ)-DP for the declared unit under add-or-remove, for all intermediate models together; the
    noise is floating-point, and the guarantee says so. A wrong ``dataset_size`` costs accuracy, never privacy.

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
        if noise_multiplier is not None and dataset_size is None:
            raise InvalidRequest(
                "noise_multiplier without dataset_size was asked for",
                "the number of units as the owner declares it; only a given ε can buy a noisy count",
                "dataset_size=10_000",
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
        rule = clipping() if isinstance(clipping, type) and issubclass(clipping, Clipping) else clipping
        if not isinstance(rule, Clipping):
            raise InvalidRequest(f"clipping={clipping!r} was asked for", "a clipping rule", "un.train.Flat()")
        self.clipping = rule
        self.max_grad_norm = number("max_grad_norm", max_grad_norm, 1e-30, 1e30)
        self.dataset_size = None if dataset_size is None else whole("dataset_size", dataset_size, 1)
        self.physical_batch_size = whole("physical_batch_size", physical_batch_size, 1)
        self.seed = None if seed is None else whole("seed", seed)

    def cost(self, data: Source) -> Guarantee:
        """What a run would promise, and so what the ledger would charge. Charges nothing.

        Args:
            data: a ``Dataset``, or tensors of the caller's own.
        """
        return self._plan(data)[0]

    def price(self, data: Source) -> tuple[accounting.Event, Guarantee]:
        """What a run would do and promise: what a ledger's composition prices. Charges nothing."""
        guarantee, event, _ = self._plan(data)
        return event, guarantee

    def open(
        self,
        model: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        data: Source,
        *,
        target: str | None = None,
        features: Sequence[str] | None = None,
        purpose: str = "",
    ) -> Session:
        """Charge the ledger for the whole run, then begin it.

        Args:
            model: initialised independently of the data. It is trained in place and not wrapped.
            optimizer: of the model's parameters.
            data: a ``Dataset``; or tensors of the caller's own, one row for each unit, for which no ledger is
                charged. The first tensor is the model's input.
            target: of a ``Dataset``, the column to predict: Categorical as class codes, Range as numbers.
            features: of a ``Dataset``, the columns that the model sees; all but the target if not given.
            purpose: why, for the ledger.

        A failure after the charge counts as a use.

        Raises:
            InvalidRequest: the request does not fit the schema; nothing was charged.
            BudgetExceeded: the ledger cannot pay; nothing was charged.
            MissingExtra: torch is not installed.
        """
        extra("torch", "train")
        check_model(model, optimizer)
        examples = Examples(data, target, features)
        guarantee, event, schedule = self._plan(data)
        receipt = None
        if isinstance(data, Dataset):
            receipt = charge(data, type(self).__name__, event, guarantee, purpose)
        tensors, units = examples.read()
        if schedule is None:
            schedule = self._counted(len(set(units.tolist())), _delta(data, self.delta))
        entropy = Entropy(self.seed)
        return Session(
            model,
            optimizer,
            tensors,
            PoissonSampler(units, schedule.probability, entropy),
            schedule.steps,
            self.clipping,
            self.max_grad_norm,
            schedule.noise_multiplier,
            self.expected_batch_size,
            self.physical_batch_size,
            entropy,
            guarantee,
            receipt,
        )

    def _plan(self, data: Source) -> tuple[Guarantee, accounting.Event, _Schedule | None]:
        """Guarantee, event, and the schedule where it is known before a count of units."""
        delta = _delta(data, self.delta)
        schedule = None
        if self.dataset_size is not None:
            schedule = self._schedule(self.dataset_size, self.epsilon, delta)
            epsilon = self.epsilon if self.epsilon is not None else _certified(schedule, delta)
            event = accounting.dpsgd(schedule.probability, schedule.noise_multiplier, schedule.steps)
        else:
            # The sampling probability is known only after the noisy count, so no dpsgd event can be written
            # before it; at whatever probability follows, the noise is calibrated to the rest of ε.
            epsilon = _asked(self.epsilon)
            accounting.calibrate_dpsgd(1.0, self.steps or math.ceil(self.epochs or 1), _split(epsilon)[1], delta)
            event = accounting.priced(epsilon, delta)
        guarantee: Guarantee = _promise(data, epsilon, delta)
        if self.seed is not None:
            guarantee = SEEDED
        return guarantee, event, schedule

    def _counted(self, units: int, delta: float) -> _Schedule:
        """The schedule after 5 % of ε bought the number of units. Add or remove one unit: it moves by 1."""
        count, rest = _split(_asked(self.epsilon))
        return self._schedule(laplace([units], 1, count, self.seed)[0], rest, delta)

    def _schedule(self, size: int, epsilon: float | None, delta: float) -> _Schedule:
        size = max(size, self.expected_batch_size)
        probability = self.expected_batch_size / size
        steps = (
            self.steps
            if self.steps is not None
            else math.ceil(Fraction(self.epochs or 1) * Fraction(size, self.expected_batch_size))
        )
        if epsilon is None:
            return _Schedule(probability, steps, _asked(self.noise_multiplier))
        noise = accounting.calibrate_dpsgd(probability, steps, epsilon, delta)
        if accounting.epsilon_of_dpsgd(probability, noise, steps, delta) > epsilon:
            raise InvalidRequest("a noise multiplier above its price was found", "a certified one")
        return _Schedule(probability, steps, noise)


def _asked(value: float | None) -> float:
    if value is None:
        raise InvalidRequest("a run without a price was asked for", "epsilon or noise_multiplier")
    return value


def _certified(schedule: _Schedule, delta: float) -> float:
    epsilon = accounting.epsilon_of_dpsgd(schedule.probability, schedule.noise_multiplier, schedule.steps, delta)
    if not math.isfinite(epsilon):
        raise InvalidRequest(
            f"noise_multiplier={schedule.noise_multiplier:g} was asked for",
            f"noise that has a finite price at δ = {delta:g}",
            "a larger noise_multiplier",
        )
    return max(epsilon, LEAST_EPSILON)


def _split(epsilon: float) -> tuple[float, float]:
    """ε of the count and ε of the training; read as decimals, they add up to at most ε."""
    count = float(price(epsilon) * COUNT_SHARE)
    rest = float(price(epsilon) - price(count))
    while price(count) + price(rest) > price(epsilon):
        rest = math.nextafter(rest, 0.0)
    return count, rest


def _promise(data: Source, epsilon: float, delta: float) -> DP:
    if not isinstance(data, Dataset):
        return DP(epsilon, delta, "row", Neighbours.ADD_REMOVE, caveats=(FLOAT_CAVEAT,))
    return dp(data, epsilon, delta, caveats=(FLOAT_CAVEAT,))


def _delta(data: Source, delta: float | None) -> float:
    if isinstance(data, Dataset):
        return default_delta(data, delta, "DPSGD")
    if delta is None:
        raise InvalidRequest("DPSGD without delta was asked for on data without a budget", "a δ above 0", "delta=1e-6")
    return delta
