"""What stays with the owner: figures and proofs, which no release, log or wire may hold."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from typing import Any

from unseen.core.errors import InvalidRequest
from unseen.core.guarantee import Nothing

__all__ = ["OWNERS", "Owners"]

OWNERS = Nothing("figures of the owner's own table, without a price in differential privacy and not for release")


class Owners:
    """A result for the owner alone: it shows itself in this process, and is neither pickled nor sent."""

    def __reduce__(self) -> Any:
        raise InvalidRequest(
            f"copying or pickling {type(self).__name__} was asked for", "figures and proofs stay in the owner's process"
        )
