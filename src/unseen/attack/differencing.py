"""Differencing: one person's value from two answers about sets of people that differ by this person alone."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unseen.attack.base import Attack, bounds_of, claimed_dp, seed_of
from unseen.attack.curve import rate_ceiling
from unseen.attack.interval import CONFIDENCE, clopper_pearson
from unseen.core.errors import InvalidRequest
from unseen.core.guarantee import number, whole
from unseen.core.noise.entropy import Entropy
from unseen.report.claims import Measured, Report

__all__ = ["Differencing"]

Array = NDArray[np.float64]
Ask = Callable[[NDArray[np.int64], int], Any]


@final
class Differencing(Attack):
    """An adversary who asks for the sum over everybody, and for the sum over everybody but one person.

    The difference is the guess. It is exactly that person's value where answers are exact, however large the sets are;
    a count is a sum of ones and zeros, and a mean times the number of people is a sum.

    Args:
        ask: from the positions of the people in a set, shape (m,), and a number of times to that many independent
            answers, shape (times,): the sums over the set's values. It may call anything that answers, a guard too.
            Exact answers are ``np.full(times, values[people].sum())``.
        bounds: the least and greatest value that the adversary thinks possible, into which guesses are cut.
        tolerance: how far off a guess may be and still counts, above 0; for whole numbers 0.5.
        targets: how many people are attacked, drawn from all, at least 2.
        times: how often each of them is.
        seed: None draws the people from the system's entropy; a number repeats them.

    Raises:
        InvalidRequest: no function, bounds reversed, a number out of range.

    Source: Denning and Schlörer 1980 (trackers: what may not be asked is the difference of what may be asked);
    Dwork and Roth 2014, section 1.1 (differencing).
    """

    def __init__(
        self,
        ask: Ask,
        bounds: tuple[float, float] | None = None,
        tolerance: float = 0.5,
        targets: int = 50,
        times: int = 200,
        seed: int | None = None,
    ) -> None:
        if not callable(ask):
            raise InvalidRequest(
                f"ask of type {type(ask).__name__} was given",
                "a function from people's positions and a number of times to that many sums",
            )
        self.ask = ask
        self.bounds = bounds_of(bounds)
        self.tolerance = number("tolerance", tolerance, 0, open_low=True)
        self.targets, self.times = whole("targets", targets, 2), whole("times", times, 1)
        self.seed = seed_of(seed)

    def audit(self, values: ArrayLike, claim: Any = None) -> Report:
        """Guess people's values.

        Args:
            values: everybody's true values, shape (people,), which only the owner knows: they judge the guesses.
            claim: the release or guarantee that one answer is said to have; None claims nothing.

        Returns:
            A report on the share of guesses that are right. Under (ε, δ)-DP each person's share is at most
            min(e^ε·q + δ, 1 - e^-ε·(1 - δ - q)) where q is the share that is right when they are in neither set
            (Dwork et al. 2006; Kairouz et al. 2015): the adversary makes the same guesses about answers that never saw
            them. Both ceilings are concave, so they hold for the averages. q is measured along, and the claim is the
            ceiling at the upper end of its interval. Both intervals are Clopper and Pearson's, with half of the error
            each; where a person's answers never change, their guesses count once.

        Raises:
            InvalidRequest: too few people, values that are no numbers, answers of another shape or that are none.
        """
        promised = claimed_dp(claim)
        truth = _values(values)
        drawn = Entropy(self.seed).permutation(len(truth))[: self.targets].astype(np.int64)
        everybody = np.arange(len(truth), dtype=np.int64)
        tried = 0
        right, lucky = 0, 0
        errors = []
        for person in drawn.tolist():
            others = np.delete(everybody, person)
            full, rest, absent = (self._answers(people) for people in (everybody, others, others))
            guess, blind = np.clip(full - rest, *self.bounds), np.clip(absent - rest, *self.bounds)
            if (guess == guess[0]).all() and (blind == blind[0]).all():
                guess, blind = guess[:1], blind[:1]
            errors.append(float(np.abs(guess - truth[person]).mean()))
            tried += len(guess)
            right += int(self._right(guess, truth[person]).sum())
            lucky += int(self._right(blind, truth[person]).sum())
        each = CONFIDENCE if promised is None else (1 + CONFIDENCE) / 2
        low, high = clopper_pearson(right, tried, each)
        by_chance = clopper_pearson(lucky, tried, each)[1]
        return Report(
            attack="differencing",
            scale="share of guesses that recover a person's value",
            claimed=None if promised is None else rate_ceiling(promised, by_chance),
            measured=Measured(right / tried, low, high),
            reach=clopper_pearson(tried, tried, each)[0],
            confidence=CONFIDENCE,
            figures={
                "people": float(len(truth)),
                "people attacked": float(len(drawn)),
                "guesses": float(tried),
                "right about who is in neither set": lucky / tried,
                "mean absolute error of a guess": float(np.mean(errors)),
            },
            notes=(
                f"A guess is right within {self.tolerance:g}. Each takes two answers, of which one has the person in; "
                "the claim is about that one.",
                "The claim's ceiling comes from guesses about answers in which the person has no part.",
            ),
        )

    def _answers(self, people: NDArray[np.int64]) -> Array:
        found = self.ask(people.copy(), self.times)
        try:
            answers = np.asarray(found, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InvalidRequest("ask gave answers that are no numbers", "a sum for each time") from error
        if answers.shape != (self.times,) or not np.isfinite(answers).all():
            raise InvalidRequest(
                f"ask gave the shape {answers.shape} for {self.times} times", f"({self.times},), finite numbers"
            )
        return answers

    def _right(self, guesses: Array, value: float) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = np.abs(guesses - value) <= self.tolerance
        return found


def _values(values: ArrayLike) -> Array:
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidRequest("values that are no numbers were given", "one number for each person") from error
    if found.ndim != 1 or len(found) < 2 or not np.isfinite(found).all():
        raise InvalidRequest(
            f"values of the shape {found.shape} were given", "one finite number for each of two or more people"
        )
    return found
