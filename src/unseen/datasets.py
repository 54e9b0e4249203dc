"""Tables to try things on: from a dependency, generated, or found under UNSEEN_DATA."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unseen.core.errors import DataFault, InvalidRequest, extra, shown
from unseen.core.guarantee import number, whole

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PREFIX", "adult", "adult_hierarchy", "affairs", "load", "patients", "stored", "voters"]

PREFIX = "dataset:"
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


def patients(rows: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Generated patients: ``patient_id``, ``name``, ``age`` (0 to 99), ``ill`` (no, yes), ``zip`` (5 digits).

    Args:
        rows: how many, each another person.
        seed: the same number gives the same people, here and in ``voters``.
    """
    people = _people(rows, seed)
    return people[["patient_id", "name", "age", "ill", "zip"]]


def voters(rows: int = 1000, seed: int = 0, share: float = 0.8) -> pd.DataFrame:
    """A public register of some of the people of ``patients(rows, seed)``: ``name``, ``age``, ``zip``.

    Args:
        rows: as given to ``patients``.
        seed: as given to ``patients``.
        share: of the people who are registered, in [0, 1]; in another order than the patients.
    """
    import numpy as np

    people = _people(rows, seed)
    count = round(number("share", share, 0, 1) * len(people))
    chosen = np.random.default_rng([seed, 1]).permutation(len(people))[:count]
    return people.iloc[chosen][["name", "age", "zip"]].reset_index(drop=True)


def _people(rows: int, seed: int) -> pd.DataFrame:
    import numpy as np

    pandas = extra("pandas", "examples")
    count, draw = whole("rows", rows), np.random.default_rng(whole("seed", seed))
    age = np.clip(draw.normal(47, 19, count).round(), 0, 99).astype(int)
    ill = draw.random(count) < 1 / (1 + np.exp(-(age - 60) / 12))
    district = draw.integers(0, 40, count)
    names = [f"{a} {b}" for a, b in zip(draw.choice(GIVEN, count), draw.choice(FAMILY, count), strict=True)]
    return pandas.DataFrame(
        {
            "patient_id": [f"P{code:06d}" for code in draw.permutation(count)],
            "name": names,
            "age": age,
            "ill": np.where(ill, "yes", "no"),
            "zip": [f"{10000 + 37 * code:05d}" for code in district],
        }
    )


GIVEN = ["Ada", "Bo", "Chen", "Dina", "Emil", "Fatma", "Goran", "Hana", "Ivo", "Jun", "Kofi", "Lena", "Mika", "Noor"]
FAMILY = ["Abe", "Berg", "Cruz", "Diaz", "Eng", "Fischer", "Gupta", "Haas", "Ito", "Jones", "Kaya", "Lund", "Moyo"]


_NAMED: dict[str, Callable[[], Any]] = {
    "affairs": affairs,
    "adult": adult,
    "patients": patients,
    "voters": voters,
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
