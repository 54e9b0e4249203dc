"""Generated patients, and a register in which some of them stand."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from typing import TYPE_CHECKING

from unseen.core.errors import extra
from unseen.core.guarantee import number, whole

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["patients", "voters"]


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
