"""How units come into a run's steps, and what that costs: Poisson samples, or shuffled batches if asked for by name."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from unseen.core import accounting
from unseen.core.errors import InvalidRequest
from unseen.core.guarantee import Neighbours, price
from unseen.core.noise.scalar import laplace
from unseen.train.accountant import Accountant
from unseen.train.sampling import PoissonSampler, Sampler, ShuffledSampler, Streams

__all__ = ["Ask", "Poisson", "Sampling", "Schedule", "Shuffled"]

COUNT_SHARE = Fraction(1, 20)
LEAST_EPSILON = 1e-9


@dataclass(frozen=True)
class Ask:
    """What a run is asked to be. See ``DPSGD``, whose checked arguments these are."""

    epsilon: float | None
    noise_multiplier: float | None
    epochs: float | None
    steps: int | None
    expected_batch_size: int
    dataset_size: int | None
    accountant: Accountant


@dataclass(frozen=True)
class Schedule:
    """What is run.

    Args:
        steps: how many.
        noise_multiplier: the noise's standard deviation in units of the bound C.
        probability: of each unit in each step of Poisson samples; 1 where units are dealt out.
    """

    steps: int
    noise_multiplier: float
    probability: float


class Sampling(ABC):
    """How units come into steps."""

    @abstractmethod
    def check(self, ask: Ask) -> None:
        """Refuse what this sampling does not do.

        Raises:
            InvalidRequest: naming it.
        """

    @abstractmethod
    def relation(self, declared: Neighbours | None) -> Neighbours:
        """The relation under which its price holds.

        Args:
            declared: the dataset's; None of tensors of the caller's own.

        Raises:
            InvalidRequest: it is not priced under the declared one.
        """

    @abstractmethod
    def price(self, ask: Ask, delta: float) -> tuple[float, accounting.Event]:
        """ε, and what happens, before anything is known of the data."""

    @abstractmethod
    def size(self, ask: Ask, units: int, seed: int | None) -> int:
        """The number of units, as far as the price pays for it. Drawn after the charge.

        Args:
            ask: what is asked for.
            units: how many there are.
            seed: of the noise, for tests.
        """

    @abstractmethod
    def schedule(self, ask: Ask, delta: float, size: int) -> Schedule:
        """What is run for that price on so many units."""

    @abstractmethod
    def sampler(self, ask: Ask, schedule: Schedule, units: NDArray[np.int64], streams: Streams) -> Sampler:
        """What draws the steps' units."""


@dataclass(frozen=True)
class Poisson(Sampling):
    """Each unit enters each step by an independent coin.

    **Guarantee**: priced under add-or-remove, amplified by the sampling. A dataset that is declared under another
    relation is refused: to replace one unit is to remove one and add one, and costs more.

    Source: Abadi et al. 2016; Mironov, Talwar and Zhang 2019; Ponomareva et al. 2023 (relations).
    """

    def check(self, ask: Ask) -> None:
        """A given noise multiplier needs a declared number of units."""
        if ask.noise_multiplier is not None and ask.dataset_size is None:
            raise InvalidRequest(
                "noise_multiplier without dataset_size was asked for",
                "the number of units as the owner declares it; only a given ε can buy a noisy count",
                "dataset_size=10_000",
            )

    def relation(self, declared: Neighbours | None) -> Neighbours:
        """Add-or-remove."""
        if declared not in (None, Neighbours.ADD_REMOVE):
            raise InvalidRequest(
                f"Poisson samples of data that are declared under {declared} were asked for",
                "add-or-remove, the relation under which they are priced",
                f"sampling=un.train.Shuffled(un.Neighbours.{declared.name})" if declared else "",
            )
        return Neighbours.ADD_REMOVE

    def price(self, ask: Ask, delta: float) -> tuple[float, accounting.Event]:
        """Of the schedule where the number of units is declared; else ε as it is asked for."""
        if ask.dataset_size is not None:
            schedule = self.schedule(ask, delta, ask.dataset_size)
            epsilon = ask.epsilon
            if epsilon is None:
                epsilon = _certified(ask, schedule.probability, schedule.noise_multiplier, schedule.steps, delta)
            return epsilon, accounting.dpsgd(schedule.probability, schedule.noise_multiplier, schedule.steps)
        # The sampling probability is known only after the noisy count, so no dpsgd event can be written
        # before it; at whatever probability follows, the noise is calibrated to the rest of ε.
        epsilon = _asked(ask.epsilon)
        ask.accountant.noise_multiplier(1.0, ask.steps or math.ceil(ask.epochs or 1), _split(epsilon)[1], delta)
        return epsilon, accounting.priced(epsilon, delta)

    def size(self, ask: Ask, units: int, seed: int | None) -> int:
        """As declared; or 5 % of ε buys a noisy count, which one unit more or less moves by 1."""
        if ask.dataset_size is not None:
            return ask.dataset_size
        return laplace([units], 1, _split(_asked(ask.epsilon))[0], seed)[0]

    def schedule(self, ask: Ask, delta: float, size: int) -> Schedule:
        """The expected batch size is the probability times the number of units."""
        most = max(size, ask.expected_batch_size)
        probability = ask.expected_batch_size / most
        steps = (
            ask.steps
            if ask.steps is not None
            else math.ceil(Fraction(ask.epochs or 1) * Fraction(most, ask.expected_batch_size))
        )
        if ask.epsilon is None:
            return Schedule(steps, _asked(ask.noise_multiplier), probability)
        epsilon = ask.epsilon if ask.dataset_size is not None else _split(ask.epsilon)[1]
        return Schedule(steps, ask.accountant.noise_multiplier(probability, steps, epsilon, delta), probability)

    def sampler(self, ask: Ask, schedule: Schedule, units: NDArray[np.int64], streams: Streams) -> Sampler:
        """Coins."""
        return PoissonSampler(units, schedule.probability, streams)


@dataclass(frozen=True)
class Shuffled(Sampling):
    """Each epoch deals all units out into batches of at most the expected size, in an order that is secret.

    Args:
        neighbours: replace-one or zero-out; a dataset has to be declared under the same.

    **Guarantee**: each unit is in one batch of an epoch, so an epoch is one Gaussian sum, without amplification:
    batches are parallel, the epochs add up. Under replace-one, where a unit is exchanged for another, it moves a
    sum by up to 2C (and an adaptive bound's count by 1 for ½), so that the event's noise multiplier is half of the
    configured one. Under zero-out, where a unit's place stays and is empty, it moves it by C. Both relations hold the
    number of units fixed, so it is not secret and need not be declared. It does not hold under add-or-remove: one unit
    more moves the others into other batches. The price of Poisson samples must not be put on shuffled batches: it can
    be far too low.

    Source: Chua et al. 2024, "How private are DP-SGD implementations?"; Ponomareva et al. 2023
    (relations); McSherry 2009, theorem 4 (parallel batches).
    """

    neighbours: Neighbours = Neighbours.REPLACE_ONE

    def __post_init__(self) -> None:
        if self.neighbours not in (Neighbours.REPLACE_ONE, Neighbours.ZERO_OUT):
            raise InvalidRequest(
                f"shuffled batches under {self.neighbours} were asked for",
                "replace-one or zero-out: one unit more or less moves the others into other batches",
                "sampling=un.train.Poisson()",
            )

    @property
    def reach(self) -> int:
        """How many times the bound one unit moves a sum by."""
        return 2 if self.neighbours is Neighbours.REPLACE_ONE else 1

    def check(self, ask: Ask) -> None:
        """The price is for whole epochs, and nobody needs to declare what is no secret."""
        if ask.epochs is None or ask.epochs != int(ask.epochs):
            raise InvalidRequest(
                f"steps={ask.steps!r}, epochs={ask.epochs!r} of shuffled batches was asked for",
                "a whole number of epochs, in each of which each unit is in one batch",
                "epochs=10",
            )
        if ask.dataset_size is not None:
            raise InvalidRequest(
                "dataset_size with shuffled batches was asked for",
                f"none: under {self.neighbours} the number of units is the data's own, and no secret",
                "dataset_size=None",
            )

    def relation(self, declared: Neighbours | None) -> Neighbours:
        """As configured."""
        if declared not in (None, self.neighbours):
            raise InvalidRequest(
                f"shuffled batches under {self.neighbours} of data that are declared under {declared} were asked for",
                f"data whose ledger counts {self.neighbours}; Poisson samples are for add-or-remove",
                "sampling=un.train.Poisson()"
                if declared is Neighbours.ADD_REMOVE
                else f"sampling=un.train.Shuffled(un.Neighbours.{declared.name})"
                if declared
                else "",
            )
        return self.neighbours

    def price(self, ask: Ask, delta: float) -> tuple[float, accounting.Event]:
        """One unamplified Gaussian an epoch."""
        epochs, moved = int(ask.epochs or 1), self._noise_multiplier(ask, delta) / self.reach
        epsilon = _certified(ask, 1.0, moved, epochs, delta) if ask.epsilon is None else ask.epsilon
        return epsilon, accounting.dpsgd(1.0, moved, epochs)

    def size(self, ask: Ask, units: int, seed: int | None) -> int:
        """As it is."""
        return units

    def schedule(self, ask: Ask, delta: float, size: int) -> Schedule:
        """Whole epochs; an epoch of no units is one empty step."""
        batches = max(1, -(-size // ask.expected_batch_size))
        return Schedule(int(ask.epochs or 1) * batches, self._noise_multiplier(ask, delta), 1.0)

    def sampler(self, ask: Ask, schedule: Schedule, units: NDArray[np.int64], streams: Streams) -> Sampler:
        """A shuffle an epoch."""
        sampler = ShuffledSampler(units, ask.expected_batch_size, streams)
        if sampler.together * int(ask.epochs or 1) != schedule.steps:
            raise InvalidRequest(
                "a run of shuffled batches was resumed on more or fewer units",
                f"the data as they were at open: as many units, in {schedule.steps} batches over all epochs",
            )
        return sampler

    def _noise_multiplier(self, ask: Ask, delta: float) -> float:
        if ask.epsilon is None:
            return _asked(ask.noise_multiplier)
        return self.reach * ask.accountant.noise_multiplier(1.0, int(ask.epochs or 1), ask.epsilon, delta)


def _asked(value: float | None) -> float:
    if value is None:
        raise InvalidRequest("a run without a price was asked for", "epsilon or noise_multiplier", "epsilon=1.0")
    return value


def _certified(ask: Ask, probability: float, noise_multiplier: float, times: int, delta: float) -> float:
    epsilon = ask.accountant.epsilon(probability, noise_multiplier, times, delta)
    if not math.isfinite(epsilon):
        raise InvalidRequest(
            f"noise_multiplier={ask.noise_multiplier:g} was asked for",
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
