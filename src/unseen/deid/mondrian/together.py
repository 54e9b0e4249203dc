"""What several released values cover together."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from unseen.core.generalised import Cover, Either, Members, Period

__all__ = ["together"]


def together(covers: Sequence[Cover]) -> Cover:
    """One cover of all that the given ones hold, at least one; neighbouring lists or periods become one."""
    found = [covers[0]]
    for cover in covers[1:]:
        last = found[-1]
        if isinstance(last, Members) and isinstance(cover, Members):
            found[-1] = Members(last.values | cover.values)
        elif isinstance(last, Period) and isinstance(cover, Period) and _follows(cover.first, last.last):
            found[-1] = Period(last.first, cover.last)
        else:
            found.append(cover)
    return found[0] if len(found) == 1 else Either(tuple(found))


def _follows(first: str, last: str) -> bool:
    return date.fromisoformat(first) - date.fromisoformat(last) == timedelta(1)
