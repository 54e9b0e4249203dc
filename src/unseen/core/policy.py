"""What may be released without asking the owner, and up to what."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from unseen.core.errors import InvalidRequest, PolicyRefused, shown
from unseen.core.guarantee import DP, Guarantee, number

__all__ = ["Policy"]


@dataclass(frozen=True)
class Policy:
    """What may be released without asking.

    Args:
        guards: class names of guards that may run.
        epsilon_at_most: greatest ε of one release.
        delta_at_most: greatest δ of one release.
        unpriced: whether releases without a price in ε, such as k-anonymity, may pass.
    """

    guards: tuple[str, ...]
    epsilon_at_most: float
    delta_at_most: float = 0.0
    unpriced: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.unpriced, bool):
            raise InvalidRequest(f"unpriced={self.unpriced!r} was declared", "true or false")
        if isinstance(self.guards, str) or not isinstance(self.guards, Iterable):
            raise InvalidRequest(
                f"guards={self.guards!r} was declared", "a list of guards' names", f"[{self.guards!r}]"
            )
        object.__setattr__(self, "guards", tuple(self.guards))
        object.__setattr__(self, "epsilon_at_most", number("epsilon_at_most", self.epsilon_at_most, 0))
        object.__setattr__(self, "delta_at_most", number("delta_at_most", self.delta_at_most, 0, 1))

    def check(self, guard: str, guarantee: Guarantee) -> None:
        """Raise unless a release may go out unasked.

        Raises:
            PolicyRefused: naming what the policy allows.
        """
        if guard not in self.guards:
            raise PolicyRefused(f"{guard} was asked for", f"the policy allows {shown(self.guards) or 'no guard'}")
        if not isinstance(guarantee, DP):
            if not self.unpriced:
                raise PolicyRefused(
                    f"{guard} without a price in ε was asked for",
                    "the policy allows priced releases only",
                    "unpriced = true",
                )
            return
        if guarantee.epsilon > self.epsilon_at_most or guarantee.delta > self.delta_at_most:
            raise PolicyRefused(
                f"{guard} at ε {guarantee.epsilon:g}, δ {guarantee.delta:g} was asked for",
                f"the policy allows ε {self.epsilon_at_most:g}, δ {self.delta_at_most:g} a release",
            )
