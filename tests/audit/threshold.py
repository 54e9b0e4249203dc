"""A small honest mechanism for private keys: counts of units by key, of which only those above a threshold leave.

It stands here for a guard that the package does not have yet: when SQL with private keys exists, the tests move to it.
"""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import hashlib
import math
from fractions import Fraction

import numpy as np
import pandas as pd

import unseen as un
from unseen.core.dataset import Dataset
from unseen.core.guarantee import DP, price
from unseen.core.noise import scalar
from unseen.core.snapshot import UNIT_NAME, quoted

from .harness import Array, Law, Pair, Stream, Table
from .reference import between, discrete_laplace

__all__ = ["PrivateKeys", "key_tables", "threshold"]


def threshold(epsilon: float, delta: float, keys: int) -> int:
    """The least τ at which the keys that one unit alone brings leave with probability at most δ.

    With a = exp(-ε / keys), one of them leaves with p = P(1 + Z ≥ τ) = a^(τ-1) / (1 + a); any of them with
    1 - (1 - p)^keys.
    """
    a = math.exp(-epsilon / keys)
    least = 2
    while 1 - (1 - a ** (least - 1) / (1 + a)) ** keys > delta or a ** (least - 1) / (1 + a) > 1 - a:
        least += 1
    return least


class PrivateKeys:
    """Counts of units by a key that is not declared; each unit is in at most ``keys`` of them.

    A key that nobody has is never seen. A key's count gets discrete Laplace noise of scale keys / ε and leaves if it
    is then at least τ.

    **Guarantee**: (ε, δ)-DP for the unit. Let one unit be added. On the keys that were there, the counts move by at
    most ``keys`` in L1. A key that is new shows itself with probability at most δ in all; unless it does, the output is
    a function of the others, and that it does not show itself costs at most a factor 1 / (1 - p) for each new key,
    which is not above exp(ε / keys) as long as p ≤ 1 - exp(-ε / keys). ``threshold`` sees to both.

    Source: Korolova, Kenthapadi, Mishra and Ntoulas 2009; Wilson et al. 2020, section 3.2.
    """

    def __init__(self, epsilon: float, delta: float, keys: int = 1) -> None:
        self.epsilon, self.delta, self.keys = epsilon, delta, keys

    @property
    def least(self) -> int:
        """τ."""
        return threshold(self.epsilon, self.delta, self.keys)

    def counts(self, data: Dataset) -> dict[str, int]:
        """Units by key, each unit in at most ``keys``, chosen by a hash of both. Private."""
        names = f"{quoted(UNIT_NAME)}, key"
        pairs = data.connection.execute(f"SELECT DISTINCT {names} FROM {data.table(bounded=False)}").fetchall()
        mine: dict[str, list[str]] = {}
        for unit, key in pairs:
            mine.setdefault(unit, []).append(key)
        found: dict[str, int] = {}
        for unit, keys in mine.items():
            for key in sorted(keys, key=lambda each: hashlib.sha256(f"{unit} {each}".encode()).digest())[: self.keys]:
                found[key] = found.get(key, 0) + 1
        return found

    # What the harness asks for.

    def guarantee(self, data: Dataset) -> DP:
        return DP(self.epsilon, self.delta, data.schema.unit_name, data.neighbours)

    def outputs(self, data: Dataset, runs: int) -> Array:
        """The counts that leave, in the order of all keys that may be; NaN for a key that does not leave."""
        counts, names = self.counts(data), data.schema.columns["key"].values  # type: ignore[attr-defined]
        found = np.full((runs, len(names)), np.nan)
        there = [index for index, name in enumerate(names) if counts.get(name, 0)]
        exact = np.tile([counts[names[index]] for index in there], runs)
        noised = np.array(scalar.laplace(exact.tolist(), self.keys, self.epsilon)).reshape(runs, len(there))
        found[:, there] = np.where(noised >= self.least, noised, np.nan)
        return found

    def law(self, table: Table) -> Law | None:
        units = table.frame.groupby("id")["key"].nunique()
        if units.max() > self.keys:
            return None
        schema, promised = table.data.schema, self.guarantee(table.data)
        counts = table.frame.drop_duplicates().groupby("key").size()
        exact = np.array([counts.get(name, 0) for name in schema.columns["key"].values])  # type: ignore[attr-defined]
        scale = self.keys / promised.epsilon
        hidden = discrete_laplace(threshold(promised.epsilon, promised.delta, self.keys) - 1 - exact, scale)

        def uniforms(outputs: Array, stream: Stream) -> Array:
            gone = np.isnan(outputs)
            noise = np.where(gone, 0, outputs) - exact
            low = np.where(gone, 0.0, np.maximum(hidden, discrete_laplace(noise - 1, scale)))
            places = between(low, np.where(gone, hidden, discrete_laplace(noise, scale)), stream)
            nobody = exact == 0
            wrong = nobody & ~gone.all(axis=0)  # a key that nobody has
            places[:, wrong] = 0.0
            return places[:, ~nobody | wrong]

        return Law(uniforms)

    def reach(self, tables: Pair) -> Fraction:
        one, other = (self.counts(table.data) for table in tables)
        moved = sum(abs(one[key] - other.get(key, 0)) for key in one)
        return Fraction(moved) / (Fraction(scalar.laplace_scale(self.keys, self.epsilon)) * price(self.epsilon))


def key_tables(epsilon: float, keys: int, *, fresh: bool) -> Pair:
    """Two tables; the second has one unit more, which has more keys than it may.

    Args:
        epsilon: of the mechanism.
        keys: that a unit may have.
        fresh: whether nobody else has its keys; else everybody does.
    """
    many = math.ceil(60 * keys / epsilon)
    sizes = {"few": 5, "one": 1} | {f"many {i}": many for i in range(1 if fresh else keys + 1)}
    new = [f"new {i}" for i in range(keys + 1)]
    base = [(f"{name} {i}", name) for name, count in sizes.items() for i in range(count)]
    heavy = [("heavy", name) for name in (new if fresh else list(sizes)[2:])]
    # The harness declares the keys to have columns for them; the mechanism sees only those that are there.
    schema = un.Schema("id", {"key": un.Categorical(*sizes, *new)})
    made = [pd.DataFrame(rows, columns=["id", "key"]) for rows in (base, [*base, *heavy])]
    one, other = (Table(frame, Dataset(frame, schema)) for frame in made)
    return one, other
