"""Which axis a quasi-identifier has: what is declared of it, what its hierarchy is, what its values are."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.core.errors import InvalidRequest
from unseen.core.schema import Categorical, Digits, Domain, Range
from unseen.deid.hierarchies.hierarchy import Hierarchy
from unseen.deid.mondrian.axis import Axis, Ints
from unseen.deid.mondrian.grouped import grouped
from unseen.deid.mondrian.listed import listed
from unseen.deid.mondrian.numbers import DigitCodes, Numbers

__all__ = ["axis"]


def axis(
    name: str,
    values: NDArray[Any],
    at: Ints,
    k: int,
    domain: Domain | None = None,
    hierarchy: Hierarchy | None = None,
) -> Axis:
    """A quasi-identifier's axis.

    Args:
        name: for messages.
        values: shape (distinct,), its distinct values, numbers or texts.
        at: shape (rows,), each row's place in ``values``.
        k: how many rows have a value that may be told by itself where nobody listed the values.
        domain: as declared, if it is.
        hierarchy: whose groups stay together and name the parts. Of one of intervals or prefixes cuts of numbers and
            declared digits need nothing, of one that codes top or bottom the tails alone.

    Raises:
        DataFault: a value has no place in the hierarchy; only the owner sees this.
        InvalidRequest: it takes a hierarchy to tell the values less precisely.
    """
    if hierarchy is not None:
        hierarchy.check(name, values)
    if hierarchy is None or hierarchy.ladder.in_order:
        if isinstance(domain, Digits):
            return DigitCodes(values, at, domain)
        if values.dtype.kind in "iuf":
            tails = None if hierarchy is None else hierarchy.ladder.tails
            return Numbers(values, at, domain if isinstance(domain, Range) else None, tails)
    if isinstance(domain, Categorical):
        declared = np.array(domain.values, dtype=object)
        return listed(declared, np.arange(len(declared)), values, at, hierarchy)
    if hierarchy is None:
        raise InvalidRequest(
            f"the values of {name!r} are no numbers, and no hierarchy was given for it",
            "one that holds every value, since nothing is inferred from the data",
            f"hierarchies={{{name!r}: un.deid.Hierarchy.flat([...])}}",
        )
    leaves = hierarchy.ladder.listed() if hierarchy.ladder.enumerated else None
    return grouped(values, at, hierarchy, k) if leaves is None else listed(leaves, None, values, at, hierarchy)
