"""Law 5: a guarantee names its unit, its relation, whom one trusts and what it does not cover."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import unseen as un
from unseen.core.guard import Guard
from unseen.query import Count

from .subjects import FRAME, STATISTICS, named, protect


@pytest.mark.parametrize("guard", STATISTICS, ids=named)
def test_a_guarantee_names_unit_relation_and_limits(tmp_path: Path, guard: Guard[Any]) -> None:
    promised = guard.release(protect(tmp_path)).guarantee
    assert isinstance(promised, un.DP)
    assert (promised.unit, promised.neighbours) == ("id", un.Neighbours.ADD_REMOVE)
    for part in ("trusted:", "not promised:", "how long a call takes"):
        assert part in str(promised)


class Unitless(Count):
    """Broken: promises without saying to whom."""

    def guarantee(self, data: Any) -> un.DP:
        return un.DP(self.epsilon)


def test_a_release_without_a_unit_is_refused(tmp_path: Path) -> None:
    data = protect(tmp_path)
    with pytest.raises(un.UnseenError, match="unit"):
        Unitless(0.25).release(data)
    with pytest.raises(un.UnseenError, match="unit"):
        Unitless(0.25).release(FRAME)
    assert data.ledger.verify() == 0


def says_what_it_does_not_cover(data: Any) -> bool:
    """Whether the total counts the releases that ε covers, of all, and names each other one."""
    entries = data.ledger.entries()
    bare = [entry for entry in entries if not entry.priced]
    total = str(data.ledger.total)
    return total.startswith(f"ε covers {len(entries) - len(bare)} of {len(entries)} releases") and all(
        f"{entry.guard} (entry {entry.sequence})" in total for entry in bare
    )


def test_once_something_unpriced_was_released_the_total_and_each_receipt_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = protect(tmp_path, quasi_identifiers=["age"])
    assert "covers" not in str(data.count(epsilon=0.25).receipt) and says_what_it_does_not_cover(data)
    un.deid.KAnonymize(k=3).release(data)
    assert "ε covers 2 of 3 releases" in str(data.count(epsilon=0.25).receipt) and says_what_it_does_not_cover(data)
    monkeypatch.setattr(un.Ledger, "total", "ε covers 3 of 3 releases")
    assert not says_what_it_does_not_cover(data)
