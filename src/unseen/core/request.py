"""Requests by key: a retry gives the same release and charges nothing."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from typing import Any

from unseen.core.accounting import Event
from unseen.core.dataset import Dataset
from unseen.core.errors import InvalidRequest
from unseen.core.guarantee import Guarantee
from unseen.core.release import Release

__all__ = ["Request"]


class Request:
    """One request that is answered once; every retry gets that answer again.

    Args:
        data: the dataset; it has a ledger.
        guard: the guard's class name.
        key: the caller's.
        configuration: the guard's.
        event: what will happen.
        guarantee: what will be promised.

    Raises:
        InvalidRequest: the key is no text, or there is no ledger to keep a release in.
    """

    def __init__(
        self,
        data: Dataset,
        guard: str,
        key: str,
        configuration: dict[str, Any],
        event: Event,
        guarantee: Guarantee,
    ) -> None:
        if not isinstance(key, str) or not key:
            raise InvalidRequest(f"request={key!r} was given", "a text")
        if data.ledger is None:
            raise InvalidRequest(
                "a request key without a ledger was given", "a dataset with a ledger, which keeps releases"
            )
        self._ledger, self._guard, self._guarantee = data.ledger, guard, guarantee
        self.digests = data.ledger.requested(
            key,
            {
                "guard": guard,
                "configuration": configuration,
                "event": event,
                "guarantee": guarantee.to_dict(),
                "part": data.part,
                "selection": data.selection,
                "data": data.bound,
            },
        )

    def recall(self) -> Release[Any] | None:
        """The release that the request was answered with, if it was."""
        found = self._ledger.recall(self.digests)
        if found is None:
            return None
        receipt, told = found
        return Release(_tupled(told["value"]), _tupled(told["interval"]), self._guarantee, receipt, self._guard)

    def keep(self, release: Release[Any]) -> None:
        """Keep a release, before it leaves."""
        if release.receipt is not None:
            self._ledger.keep(release.receipt, {"value": release.value, "interval": release.interval})


def _tupled(value: Any) -> Any:
    """JSON knows no tuples; where releases are kept, every sequence is one."""
    if isinstance(value, dict):
        return {name: _tupled(part) for name, part in value.items()}
    return tuple(map(_tupled, value)) if isinstance(value, list) else value
