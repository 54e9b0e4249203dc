"""Tables to try things on: from a dependency, generated, or found under UNSEEN_DATA."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from unseen.core.errors import InvalidRequest, shown
from unseen.datasets.census import census, census_truth, census_voters
from unseen.datasets.found import adult, adult_hierarchy, affairs, stored
from unseen.datasets.patients import patients, voters

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "PREFIX",
    "adult",
    "adult_hierarchy",
    "affairs",
    "census",
    "census_truth",
    "census_voters",
    "load",
    "patients",
    "stored",
    "voters",
]

PREFIX = "dataset:"

_NAMED: dict[str, Callable[[], Any]] = {
    "affairs": affairs,
    "adult": adult,
    "patients": patients,
    "voters": voters,
    "census": census,
    "census_voters": census_voters,
}


def load(source: str) -> pd.DataFrame:
    """The table that a source such as ``dataset:affairs`` names.

    Raises:
        InvalidRequest: there is none of that name.

    >>> len(load("dataset:patients"))
    1000
    """
    name = source.removeprefix(PREFIX)
    if name not in _NAMED:
        near = difflib.get_close_matches(name, _NAMED, 1)
        raise InvalidRequest(
            f"{source!r} was asked for", f"datasets are {shown(_NAMED)}", PREFIX + near[0] if near else ""
        )
    return _NAMED[name]()
