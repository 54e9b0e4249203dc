"""What the tests of deid share: small random tables and their hierarchies."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from unseen.deid import Hierarchy

JOBS = {"nurse": ("health",), "surgeon": ("health",), "baker": ("food",), "cook": ("food",), "clerk": ("office",)}


@pytest.fixture
def hierarchies() -> dict[str, Hierarchy]:
    """One of each kind, for the columns of ``people``."""
    return {
        "age": Hierarchy.intervals(0, 40, widths=[5, 10, 20]),
        "job": Hierarchy.taxonomy(JOBS),
        "zip": Hierarchy.prefixes(2),
    }


@pytest.fixture
def people() -> Callable[[list[tuple[int, int, int]]], pd.DataFrame]:
    """A table of people from three small numbers each."""

    def table(rows: list[tuple[int, int, int]]) -> pd.DataFrame:
        found = pd.DataFrame(
            {
                "age": pd.Series([row[0] for row in rows], dtype="int64"),
                "job": pd.Series([list(JOBS)[row[1]] for row in rows], dtype="str"),
                "zip": pd.Series([f"{row[2]:02d}" for row in rows], dtype="str"),
                "note": pd.Series([f"n{at}" for at in range(len(rows))], dtype="str"),
            }
        )
        return found.set_axis([f"id{at}" for at in range(len(rows))])

    return table
