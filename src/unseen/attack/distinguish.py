"""Distinguishing: a lower bound on ε from the outputs on two neighbouring tables."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from unseen.attack.base import Attack, claimed_dp, seed_of
from unseen.attack.event import Event, Features, choose
from unseen.attack.interval import CONFIDENCE, clopper_pearson
from unseen.core.errors import InvalidRequest
from unseen.core.guarantee import number, whole
from unseen.report.claims import Measured, Report

__all__ = ["Distinguish"]

Array = NDArray[np.float64]

RUNS = 200
_CHUNK = 1 << 21  # numbers that are held at once while the chosen event is counted


@final
class Distinguish(Attack):
    """An adversary who knows everybody but one, and tells from outputs whether that one was there.

    The two tables are generated, never the owner's own, and lie one unit apart under the relation of the claim.
    A quarter of the runs shapes features of the outputs, a quarter chooses one event (a threshold on
    one feature, either side, either table first), and the other half, which took no part in that, is
    counted on this one event alone.

    Args:
        run: draws that many independent outputs on the one table: numbers of shape (n,) or (n, d).
            None and NaN are a symbol of their own.
        neighbour_run: the same on the neighbouring table.
        runs: outputs to draw on each table, at least 200.
        confidence: of both ends together; the lower end alone is wrong with at most half of the rest.
        seed: taken as by every attack; all that is random here comes from the two functions.

    Raises:
        InvalidRequest: no functions, too few runs, a confidence outside (0, 1).

    Source: Jagielski, Ullman and Oprea 2020; Nasr et al. 2021; Bichsel, Steffen, Bogunovic and Vechev 2021.
    """

    def __init__(
        self,
        run: Callable[[int], Any],
        neighbour_run: Callable[[int], Any],
        runs: int = 20_000,
        confidence: float = CONFIDENCE,
        seed: int | None = None,
    ) -> None:
        for name, function in (("run", run), ("neighbour_run", neighbour_run)):
            if not callable(function):
                raise InvalidRequest(
                    f"{name} of type {type(function).__name__} was given",
                    "a function from a number n to n independent outputs",
                )
        self.run, self.neighbour_run = run, neighbour_run
        self.runs = whole("runs", runs, RUNS)
        self.confidence = number("confidence", confidence, 0, 1, open_low=True)
        if self.confidence == 1:
            raise InvalidRequest(f"confidence={confidence!r} was asked for", "a number above 0 and below 1")
        self.seed = seed_of(seed)

    def audit(self, claim: Any = None) -> Report:
        """Bound ε from below.

        Args:
            claim: the release or guarantee whose ε and δ the outputs are said to have; None claims nothing.

        Returns:
            A report on log((p - δ) / q), where p and q are the chosen event's probabilities on the two tables:
            what the counts say; what Clopper and Pearson's bounds on p and q, each with a quarter of the error,
            leave of it (floor 0); and what they at most allow for this event, cut where this many runs can resolve no
            more. The upper end is no bound on ε: another event may show more.

        Raises:
            InvalidRequest: outputs that are no numbers or of changing shape, runs that repeat themselves.
        """
        promised = claimed_dp(claim)
        delta = promised.delta if promised else 0.0
        quarter, half = self.runs // 4, self.runs - 2 * (self.runs // 4)
        shaping = self._both(quarter)
        choosing = self._both(quarter)
        for first, second in zip(shaping, choosing, strict=True):
            if np.array_equal(first, second, equal_nan=True) and len(np.unique(first)) > 16:
                raise InvalidRequest(
                    "run gave the same outputs twice", "each call draws anew, from a stream that goes on"
                )
        features = Features(*shaping)
        event = choose(features(choosing[0]), features(choosing[1]), delta)
        counts = self._count(features, event, half, shaping[0].shape[1])
        likely, unlikely = counts[::-1] if event.swapped else counts
        measured, reach = self._bounds(likely, unlikely, half, delta)
        notes = [
            f"{self.runs:,} runs on each of two generated tables, one unit apart; the interval comes from the half "
            "that did not choose the event.",
            "A lower bound on ε: an event that was not tried may show more.",
        ]
        return Report(
            attack="distinguishing",
            scale="ε (lower bound from outputs of two neighbouring tables)",
            claimed=promised.epsilon if promised else None,
            measured=measured,
            reach=reach,
            confidence=self.confidence,
            figures={
                "runs on each table": float(self.runs),
                "share of runs in the event": likely / half,
                "share on the neighbour": unlikely / half,
                "delta": delta,
            },
            notes=tuple(notes),
        )

    def _bounds(self, likely: int, unlikely: int, runs: int, delta: float) -> tuple[Measured, float]:
        each = 1 - (1 - self.confidence) / 2
        most = math.log(2 * (runs + 1))
        low_p, high_p = clopper_pearson(likely, runs, each)
        low_q, high_q = clopper_pearson(unlikely, runs, each)
        low = _log_ratio(low_p - delta, high_q)
        high = min(most, _log_ratio(high_p - delta, low_q))
        plain = _log_ratio((likely + 0.5) / (runs + 1) - delta, (unlikely + 0.5) / (runs + 1))
        certain = clopper_pearson(runs, runs, each)[0]
        reach = _log_ratio(certain - delta, clopper_pearson(0, runs, each)[1])
        return Measured(min(max(plain, low), high), low, high), reach

    def _count(self, features: Features, event: Event, runs: int, width: int) -> tuple[int, int]:
        counts = [0, 0]
        chunk = max(1, _CHUNK // (8 * width))
        for start in range(0, runs, chunk):
            for side, outputs in enumerate(self._both(min(chunk, runs - start), width)):
                counts[side] += event.count(features(outputs))
        return counts[0], counts[1]

    def _both(self, count: int, width: int | None = None) -> tuple[Array, Array]:
        first = _outputs(self.run(count), count, "run")
        second = _outputs(self.neighbour_run(count), count, "neighbour_run")
        if first.shape != second.shape or (width is not None and first.shape[1] != width):
            raise InvalidRequest(
                f"run gave outputs of {first.shape[1]} numbers and neighbour_run of {second.shape[1]}",
                "as many numbers in each output" + ("" if width is None else f", {width} as before"),
            )
        return first, second


def _log_ratio(p: float, q: float) -> float:
    """log(p / q), at least 0."""
    if p <= q:
        return 0.0
    return math.log(p / q) if q > 0 else math.inf


def _outputs(drawn: Any, count: int, name: str) -> Array:
    try:
        found = np.asarray(drawn)
        if found.dtype.kind == "O":
            found = np.where(found == None, np.nan, found)  # noqa: E711 - each element's
        if found.dtype.kind not in "biufO":
            raise ValueError(found.dtype.name)
        numbers = found.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"{name} gave outputs that are no numbers", "numbers, None or NaN") from error
    if numbers.ndim not in (1, 2) or len(numbers) != count or not numbers.size:
        raise InvalidRequest(
            f"{name}({count}) gave the shape {numbers.shape}", f"({count},) or ({count}, numbers in an output)"
        )
    return numbers.reshape(count, -1)
