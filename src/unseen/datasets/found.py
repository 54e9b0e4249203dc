"""Tables that come with a dependency or lie under UNSEEN_DATA."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from unseen.core.errors import DataFault, InvalidRequest, extra, shown

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["adult", "adult_hierarchy", "affairs", "stored"]

VARIABLE = "UNSEEN_DATA"


def affairs() -> pd.DataFrame:
    """The survey on extramarital affairs of 6,366 married women that statsmodels ships, 9 numeric columns.

    Raises:
        MissingExtra: statsmodels is not installed.

    Source: Fair 1978; Redbook survey of 1974.
    """
    fair = extra("statsmodels.datasets.fair", "examples")
    return fair.load_pandas().data


def adult() -> pd.DataFrame:
    """The 1994 US census extract as ARX ships it: 30,162 rows, 9 columns, from ``UNSEEN_DATA/adult/adult.csv``.

    Raises:
        DataFault: the file is not there.

    Source: Becker and Kohavi 1996, UCI repository.
    """
    return extra("pandas", "examples").read_csv(stored("adult/adult.csv"), sep=";")


def adult_hierarchy(column: str) -> list[list[str]]:
    """ARX's generalisation hierarchy of one column of ``adult``: one row a leaf, most general last.

    Raises:
        InvalidRequest: the column has none.
        DataFault: the files are not there.
    """
    folder = stored("adult/adult.csv").parent
    path = folder / f"adult_hierarchy_{column}.csv"
    if not path.is_file():
        known = sorted(p.stem.removeprefix("adult_hierarchy_") for p in folder.glob("adult_hierarchy_*.csv"))
        raise InvalidRequest(f"a hierarchy of {column!r} was asked for", f"there is one of {shown(known, 12)}")
    return [line.split(";") for line in path.read_text(encoding="utf-8").splitlines() if line]


def stored(name: str) -> Path:
    """A file under the folder that the environment variable UNSEEN_DATA names.

    Raises:
        DataFault: naming the file and the variable.
    """
    root = os.environ.get(VARIABLE)
    path = Path(root or ".") / name
    if not root or not path.is_file():
        found = f"{VARIABLE} is {root!r}" if root else f"{VARIABLE} is not set"
        raise DataFault(f"{name} was asked for", f"it lies in the folder that {VARIABLE} names; {found}")
    return path
