"""A model's inputs and targets from declared columns: decided by the schema alone, never by the data."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.core.errors import InvalidRequest, InvalidSchema, shown
from unseen.core.schema import Categorical, Digits, Domain, Range, Schema

__all__ = ["Features", "codes", "targets"]


@dataclass(frozen=True)
class Features:
    """How declared columns become a matrix.

    Range is scaled from its bounds to [-1, 1]; Categorical becomes one column for each declared category;
    Digits one for each first digit.

    Args:
        columns: the columns in order, with their domains.
    """

    columns: tuple[tuple[str, Domain], ...]

    @classmethod
    def of(cls, schema: Schema, target: str | None = None, features: Sequence[str] | None = None) -> Features:
        """The features of a schema: all declared columns but the target, or those that are named.

        Raises:
            InvalidSchema: an undeclared column.
            InvalidRequest: the target among the features, or no feature at all.
        """
        names = (
            schema.known(features, "features")
            if features is not None
            else tuple(name for name in schema.columns if name != target)
        )
        if target in names:
            raise InvalidRequest(f"the target {target!r} was asked for as a feature", "columns other than it")
        if not names:
            raise InvalidRequest(
                "a model without features was asked for",
                f"at least one declared column other than the target; declared are {shown(schema.columns)}",
            )
        return cls(tuple((name, schema.columns[name]) for name in names))

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names."""
        return tuple(name for name, _ in self.columns)

    @property
    def width(self) -> int:
        """How many columns the matrix has."""
        return sum(_width(domain) for _, domain in self.columns)

    def encode(self, arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """The matrix of shape (rows, width).

        Args:
            arrays: each column's values, shape (rows,), all in their domains, as ``Dataset.arrays`` gives them.
        """
        return np.concatenate([_block(domain, arrays[name]) for name, domain in self.columns], axis=1)


def codes(values: NDArray[Any], listed: Sequence[str]) -> NDArray[np.int64]:
    """Each text's position among the listed ones, shape (rows,)."""
    place = {text: index for index, text in enumerate(listed)}
    return np.fromiter((place[text] for text in values), dtype=np.int64, count=len(values))


def targets(schema: Schema, target: str, values: NDArray[Any]) -> NDArray[Any]:
    """A target column as int64 codes of its declared categories, or as float32 numbers."""
    domain = schema.columns[target]
    if isinstance(domain, Categorical):
        return codes(values, domain.values)
    if isinstance(domain, Range):
        return values.astype(np.float32)
    raise InvalidSchema(
        f"the target {target!r} was asked for", "a column declared as Categorical or Range; it is Digits"
    )


def _width(domain: Domain) -> int:
    match domain:
        case Range():
            return 1
        case Categorical():
            return len(domain.values)
        case Digits():
            return 10
    raise InvalidSchema(f"a feature declared as {domain!r} was asked for", "Range, Categorical or Digits")


def _block(domain: Domain, values: NDArray[Any]) -> NDArray[np.float32]:
    if isinstance(domain, Range):
        scaled = (values.astype(np.float64) - domain.low) / (domain.high - domain.low)
        return (2.0 * np.clip(scaled, 0.0, 1.0) - 1.0).astype(np.float32)[:, None]
    if isinstance(domain, Categorical):
        place = codes(values, domain.values)
    else:
        place = np.fromiter((int(text[0]) for text in values), dtype=np.int64, count=len(values))
    block = np.zeros((len(values), _width(domain)), dtype=np.float32)
    block[np.arange(len(values)), place] = 1.0
    return block
