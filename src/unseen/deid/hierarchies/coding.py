"""Top and bottom coding: the numbers at either end are told as one, the ones between as they are or in intervals."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.core.errors import InvalidRequest
from unseen.core.generalised import Cover, Interval, itself
from unseen.core.guarantee import number
from unseen.core.schema import Domain, Range
from unseen.deid.hierarchies.ladder import Intervals, Ladder, texts, whole_numbers

__all__ = ["Coded"]


class Coded(Ladder):
    """Numbers from ``low`` to ``high``; those below ``bottom`` have one label and those from ``top`` on another.

    Level 1 tells the values between as they are, each further level in wider intervals.
    """

    in_order = True

    def __init__(
        self, low: float, high: float, bottom: float | None, top: float | None, widths: Sequence[float]
    ) -> None:
        self.low, self.high = number("low", low), number("high", high)
        if bottom is None and top is None:
            raise InvalidRequest("coding without an end was asked for", "bottom, top or both", "top=90")
        start = self.low if bottom is None else number("bottom", bottom)
        stop = self.high if top is None else number("top", top)
        ends = [self.low, *([] if bottom is None else [start]), *([] if top is None else [stop]), self.high]
        if ends != sorted(set(ends)):
            raise InvalidRequest(
                f"low={low!r}, bottom={bottom!r}, top={top!r}, high={high!r} was given",
                "each below the next",
                "low=0, bottom=18, top=90, high=120",
            )
        self.start, self.stop = start, stop
        self.inner = Intervals(start, stop, widths, closed=top is None) if len(widths) else None
        tails: dict[str, Interval] = {}
        if bottom is not None:
            tails[f"<{texts([start])[0]}"] = Interval(self.low, start)
        if top is not None:
            tails[f"{texts([stop])[0]}+"] = Interval(stop, self.high, closed=True)
        self.tails, self.ends = tails, list(tails)

    @property
    def levels(self) -> int:
        """How many levels there are."""
        return 3 + (len(self.inner.widths) if self.inner else 0)

    def lacks(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Which have no place."""
        if values.dtype.kind not in "iuf":
            return np.ones(len(values), dtype=bool)
        found: NDArray[np.bool_] = ~((values >= self.low) & (values <= self.high))
        return found

    def _sides(self, values: NDArray[Any]) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
        """Which values lie below, above and between the tails."""
        below, above = values < self.start, values >= self.stop
        if self.stop == self.high and not self.ends[-1].endswith("+"):
            above = np.zeros(len(values), dtype=bool)
        return below, above, ~(below | above)

    def middle(self, values: NDArray[Any], level: int) -> list[str]:
        """Their labels."""
        below, above, between = self._sides(values)
        found = np.empty(len(values), dtype=object)
        found[below], found[above] = self.ends[0], self.ends[-1]
        inside = values[between]
        found[between] = (
            texts(inside.tolist()) if level == 1 or not self.inner else self.inner.middle(inside, level - 1)
        )
        labels: list[str] = found.tolist()
        return labels

    def loss(self, values: NDArray[Any], level: int) -> NDArray[np.float64]:
        """The share of the domain under each label."""
        span = self.high - self.low
        below, above, between = self._sides(values)
        found = np.zeros(len(values))
        found[below], found[above] = (self.start - self.low) / span, (self.high - self.stop) / span
        if level > 1 and self.inner:
            found[between] = self.inner.loss(values[between], level - 1) * self.inner.span / span
        return found

    def cover(self, label: str, level: int) -> Cover:
        """What the label stands for."""
        if label in self.tails:
            return self.tails[label]
        if level == 1 or not self.inner:
            return itself(int(label) if label.lstrip("-").isdigit() else float(label))
        return self.inner.cover(label, level - 1)

    def misfit(self, domain: Domain) -> str:
        """Why it does not hold a domain; empty if it does."""
        if not isinstance(domain, Range):
            return f"top and bottom coding are for a Range; it is declared as {type(domain).__name__}"
        if domain.low < self.low or domain.high > self.high:
            return f"coding from {domain.low:g} or below to {domain.high:g} or above"
        return ""

    def listed(self) -> NDArray[Any] | None:
        """All whole numbers where both bounds are whole."""
        return whole_numbers(self.low, self.high)
