"""Guarantees as values: what is promised, to whom, under which relation, and what is not."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, fields
from enum import Enum, StrEnum
from fractions import Fraction
from typing import Any

from unseen.core.errors import InvalidRequest
from unseen.core.privacy_models import PrivacyModel

__all__ = [
    "DP",
    "Encrypted",
    "Guarantee",
    "KAnonymity",
    "Neighbours",
    "Norm",
    "Nothing",
    "Robust",
    "SecureSum",
    "number",
    "price",
    "rounded_down",
    "rounded_up",
    "whole",
]

CURATOR = "the owner runs the guard and keeps data, ledger and key"
TIMING = "how long a call takes"


class Neighbours(StrEnum):
    """When two tables count as neighbours: they differ in all rows of one unit."""

    ADD_REMOVE = "add-or-remove"
    REPLACE_ONE = "replace-one"
    ZERO_OUT = "zero-out"


class Norm(StrEnum):
    """The norm in which a perturbation is measured."""

    L1 = "l1"
    L2 = "l2"
    LINF = "linf"


def number(
    name: str, value: object, low: float = -math.inf, high: float = math.inf, *, open_low: bool = False
) -> float:
    """Check a numeric argument and give it back as a float.

    Args:
        name: the argument's name, for the message.
        value: what the caller passed.
        low: the least allowed value.
        high: the greatest allowed value.
        open_low: whether ``low`` itself is excluded.

    Raises:
        InvalidRequest: not a number, NaN, infinite, or out of range.
    """
    limits = f"{name} is a finite number"
    if low > -math.inf:
        limits += f" {'above' if open_low else 'of at least'} {low:g}"
    if high < math.inf:
        limits += f", at most {high:g}"
    if isinstance(value, bool) or (not isinstance(value, (int, float)) and not hasattr(value, "__float__")):
        raise InvalidRequest(f"{name}={_shown(value)} was asked for", limits)
    try:
        result = float(value)
    except (OverflowError, TypeError, ValueError):  # beyond the doubles, an array, a signalling NaN
        result = math.nan
    if not math.isfinite(result) or result < low or result > high or (open_low and result <= low):
        raise InvalidRequest(f"{name}={_shown(value)} was asked for", limits)
    return result


def whole(name: str, value: object, low: int = 0) -> int:
    """Check an integer argument and give it back as an int.

    Raises:
        InvalidRequest: not a whole number, or below ``low``.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= low:
        return value  # exactly; a float would lose what lies beyond 2^53
    result = number(name, value, low)
    if result != int(result):
        raise InvalidRequest(f"{name}={_shown(value)} was asked for", f"{name} is a whole number of at least {low}")
    return int(result)


def _shown(value: object) -> str:
    """A value for a message: a scalar as it prints, of anything larger its type, since it may hold data."""
    return repr(value) if value is None or isinstance(value, (str, int, float)) else f"<{type(value).__name__}>"


def price(value: float) -> Fraction:
    """The exact price that a written number stands for: 0.1 is one tenth, not its nearest double.

    >>> price(0.1) * 30 == 3
    True
    """
    return Fraction(repr(float(value)))


def rounded_down(exact: Fraction) -> float:
    """The double nearest to an exact price among those that print as at most it."""
    value = _nearest(exact)
    return value if price(value) <= exact else math.nextafter(value, -math.inf)


def rounded_up(exact: Fraction) -> float:
    """The double nearest to an exact price among those that print as at least it; infinite beyond the doubles."""
    value = _nearest(exact)
    return value if price(value) >= exact else math.nextafter(value, math.inf)


def _nearest(exact: Fraction) -> float:
    try:
        return float(exact)
    except OverflowError:
        return math.copysign(sys.float_info.max, exact)


@dataclass(frozen=True)
class Guarantee(ABC):
    """What a release promises. Prints as one plain sentence that also says what it does not promise."""

    @abstractmethod
    def sentence(self) -> str:
        """The promise, and its limits, in one plain sentence."""

    def __str__(self) -> str:
        return self.sentence()

    def to_dict(self) -> dict[str, Any]:
        """The guarantee as JSON-ready values, with its kind and sentence."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        plain = {name: _plain(value) for name, value in values.items()}
        return {"kind": type(self).__name__, **plain, "sentence": self.sentence()}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value.value if isinstance(value, Enum) else asdict(value) if isinstance(value, PrivacyModel) else value


@dataclass(frozen=True)
class DP(Guarantee):
    """(ε, δ)-differential privacy (Dwork et al. 2006), or a budget of it.

    Args:
        epsilon: ε > 0, finite.
        delta: δ in [0, 1).
        unit: whom it protects, in words, such as ``"patient_id"``. A budget leaves it to ``protect``.
        neighbours: the relation between tables under which it holds.
        trust: whom one has to trust for it.
        caveats: what it does not cover beyond what every DP guarantee does not.

    **Guarantee**: for neighbouring tables D, D' and every set S of outputs,
    P[M(D) ∈ S] ≤ e^ε · P[M(D') ∈ S] + δ.

    >>> print(DP(1, unit="patient_id"))  # doctest: +ELLIPSIS
    Whoever sees this learns at most a factor e^1 about whether any one patient_id is in the data...
    """

    epsilon: float
    delta: float = 0.0
    unit: str | None = None
    neighbours: Neighbours = Neighbours.ADD_REMOVE
    trust: str = CURATOR
    caveats: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", number("epsilon", self.epsilon, 0, open_low=True))
        object.__setattr__(self, "delta", number("delta", self.delta, 0))
        if self.delta >= 1:
            raise InvalidRequest(
                f"delta={self.delta!r} was asked for",
                "delta is in [0, 1), far below one over the number of units",
                "delta=1e-6",
            )
        if not isinstance(self.neighbours, Neighbours):
            raise InvalidRequest(
                f"neighbours={self.neighbours!r} was asked for",
                "a member of un.Neighbours",
                "un.Neighbours.ADD_REMOVE",
            )

    def sentence(self) -> str:
        """The promise, and its limits, in one plain sentence."""
        slack = f", save with probability {self.delta:g}" if self.delta else ""
        beyond = "; ".join((*self.caveats, TIMING))
        return (
            f"Whoever sees this learns at most a factor e^{self.epsilon:g} about whether any one "
            f"{self.unit or 'unit'} is in the data ({self.neighbours.value}{slack}), whatever else they know; "
            f"trusted: {self.trust}; not promised: secrecy of what holds for groups or the population; "
            f"not covered: {beyond}."
        )


@dataclass(frozen=True)
class KAnonymity(Guarantee):
    """k-anonymity (Samarati and Sweeney 1998): each released row shares its quasi-identifiers with k units.

    Args:
        k: the least number of units in a class.
        quasi_identifiers: the columns that the promise is about.
        unit: whom it counts.
        models: what else holds of each class, such as l-diversity of a sensitive column.
        rows_per_unit: how many rows a unit has at most.

    **Guarantee**: an adversary who knows somebody's true quasi-identifiers and nothing else guesses a row of theirs
    with probability at most ``share``; of each class the models hold.
    """

    k: int
    quasi_identifiers: tuple[str, ...]
    unit: str | None = None
    models: tuple[PrivacyModel, ...] = ()
    rows_per_unit: int = 1

    @property
    def share(self) -> float:
        """The greatest share of a class's rows that are one unit's: m/(m + k - 1) where a unit has up to m rows.

        The others have k - 1 rows at least, and the share grows with the unit's own.
        """
        return self.rows_per_unit / (self.rows_per_unit + self.k - 1)

    def sentence(self) -> str:
        """The promise, and its limits, in one plain sentence."""
        also = "".join(f"; {model.sentence}" for model in self.models)
        if self.models:
            limits = ", ".join(("anything about further columns", *dict.fromkeys(one.limits for one in self.models)))
        else:
            limits = "anything about other columns, about values that a whole class shares"
        most, rows = self.rows_per_unit, self.rows_per_unit + self.k - 1
        guesses = (
            f"the right row at most once in {self.k}"
            if most == 1
            else f"one of its up to {most} rows at most {most} times in {rows}"
        )
        return (
            f"Whoever knows only {', '.join(self.quasi_identifiers)} of a {self.unit or 'row'} finds at least "
            f"{self.k} in its class, so guesses {guesses}{also}; not promised: {limits}, "
            "about a second release of the same people, or against more knowledge than these columns."
        )


@dataclass(frozen=True)
class Robust(Guarantee):
    """A prediction does not change within a ball (certified robustness)."""

    norm: Norm
    radius: float
    confidence: float

    def sentence(self) -> str:
        """The promise, and its limits, in one plain sentence."""
        return (
            f"No change of the input of {self.norm.value} norm up to {self.radius:g} alters the prediction, "
            f"with confidence {self.confidence:g}; not promised: anything about larger changes, other norms, privacy."
        )


@dataclass(frozen=True)
class Encrypted(Guarantee):
    """Values were processed under encryption."""

    scheme: str
    security_bits: int
    opens: str

    def sentence(self) -> str:
        """The promise, and its limits, in one plain sentence."""
        return (
            f"Only {self.opens} can open these values ({self.scheme}, {self.security_bits} bits); "
            "not promised: anything about what the opened result tells of its inputs."
        )


@dataclass(frozen=True)
class SecureSum(Guarantee):
    """Only the sum over sufficiently many parties was opened."""

    threshold: int

    def sentence(self) -> str:
        """The promise, and its limits, in one plain sentence."""
        return (
            f"Only a sum over at least {self.threshold} parties was opened; "
            "not promised: anything about what that sum tells of one party."
        )


@dataclass(frozen=True)
class Nothing(Guarantee):
    """No promise, and why."""

    reason: str

    def sentence(self) -> str:
        """The reason, in one plain sentence."""
        return f"Nothing is promised: {self.reason}."
