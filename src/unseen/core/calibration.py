"""Guards whose ε is found for a share of the budget, as the ledger's own composition prices them."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from unseen.core.accounting import Event
from unseen.core.dataset import Dataset
from unseen.core.errors import InvalidRequest
from unseen.core.guarantee import DP, Guarantee, number, price, rounded_down

__all__ = ["Priced", "calibrate_for"]


class Priced(Protocol):
    """Whatever can tell what it will do and promise before it does it: guards and estimators."""

    def price(self, data: Any) -> tuple[Event, Guarantee]:
        """Event and guarantee of a release on these data."""


P = TypeVar("P", bound=Priced)


def calibrate_for(make: Callable[[float], P], data: Dataset, share: float) -> P:
    """The guard with the greatest ε, within 1 %, that takes at most a share of the budget, as this ledger charges it.

    Args:
        make: gives the guard at an ε: ``lambda epsilon: un.query.Mean("age", epsilon=epsilon)``.
        data: the dataset, with a ledger.
        share: the part of the whole budget, in (0, 1]. Under ``Basic`` of ε and of δ, under ``Renyi`` of the preset
            curve and of the δ of proofs.

    Raises:
        InvalidRequest: there is no ledger, or no ε gets the guard below the share.

    >>> import pandas as pd, tempfile, unseen as un
    >>> data = un.protect(pd.DataFrame({"age": [31.0, 47.0]}), unit=un.EachRow(), columns={"age": un.Range(0, 110)},
    ...                   budget=un.DP(epsilon=3), ledger=tempfile.mkdtemp() + "/a.ledger")
    >>> un.calibrate_for(lambda epsilon: un.query.Mean("age", epsilon=epsilon), data, share=0.1).epsilon
    0.3
    """
    part = number("share", share, 0, 1, open_low=True)
    if data.ledger is None:
        raise InvalidRequest("a share of a budget was asked for on data without a ledger", "a dataset with a ledger")
    ledger = data.ledger

    def fits(epsilon: float) -> bool:
        event, guarantee = make(epsilon).price(data)
        if not isinstance(guarantee, DP):
            raise InvalidRequest(f"a share of the budget for {guarantee} was asked for", "a guard with a price in ε")
        return ledger.filter.share(ledger.filter.cost(event, guarantee)) <= price(part)

    high = rounded_down(price(ledger.budget.epsilon) * price(part))
    if fits(high) and not fits(1.01 * high):
        return make(high)
    low, start = 0.0, high
    while fits(high):
        low, high = high, 2 * high
        if high > 1e6 * start:
            raise InvalidRequest(
                "a share of the budget for a guard whose price does not depend on ε was asked for",
                "a function that gives the guard at the ε that it is given",
            )
    while high - low > 1e-3 * high and high > 1e-2 * start:  # below that it is not ε that is too much
        middle = float(f"{(low + high) / 2:.6g}")
        low, high = (middle, high) if fits(middle) else (low, middle)
    if low == 0:
        raise InvalidRequest(
            f"a share of {part:g} of the budget was asked for",
            "a share that δ fits into too: a guard without delta takes a tenth of the budget's",
            "a larger share, or delta= in the guard",
        )
    return make(low)
