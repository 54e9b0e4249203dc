"""Everything that one report says: releases, claims, measurements, ledger. Its JSON is the page's twin."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from unseen.report.claims import Report

if TYPE_CHECKING:
    from unseen.core.ledger import Ledger

__all__ = ["Account", "Released", "Summary", "Utility"]


@dataclass(frozen=True)
class Utility:
    """How good a release is beside the unprotected result. The owner's: it was not paid for.

    Args:
        measure: what is compared, such as "AUC on people who were not trained on".
        released: the released result.
        unprotected: the result without protection.
        higher_is_better: how to read the two.
    """

    measure: str
    released: float
    unprotected: float
    higher_is_better: bool = True


@dataclass(frozen=True)
class Released:
    """One release of a recipe.

    Args:
        name: its name in the recipe.
        what: what was released, in plain words.
        release: ``Release.to_dict()``, or for a model its description in the same shape; large tables cut.
        report: what was claimed and measured; its verdict is "not attacked" where no attack was run.
        utility: comparisons for the owner.
        exact: the exact result in the shape of the value, for the owner's plots; None if there is none.
        withheld: whether claim, measurement and verdict were left to the owner's copy.
    """

    name: str
    what: str
    release: Mapping[str, Any]
    report: Report
    utility: tuple[Utility, ...] = ()
    exact: Any = None
    withheld: bool = False

    def shareable(self) -> Released:
        """The same without all that was computed without a price."""
        report = Report("", "", None, None, release=self.report.release)  # even which attack ran may tell a row count
        kept = dict(self.release)
        if kept.get("guarantee", {}).get("kind") != "DP":
            kept = {key: kept[key] for key in ("guard", "guarantee", "receipt") if key in kept}
        return replace(self, release=kept, report=report, utility=(), exact=None, withheld=True)

    def to_dict(self) -> dict[str, Any]:
        """The release as JSON-ready values; claim, measurement and verdict on the first level."""
        verdict = "withheld" if self.withheld else self.report.verdict.value
        utility = [dict(one.__dict__) for one in self.utility]
        return {
            **self.report.to_dict(),
            "verdict": verdict,
            "name": self.name,
            "what": self.what,
            "release": dict(self.release),
            "utility": utility,
        }


@dataclass(frozen=True)
class Account:
    """The ledger as the report shows it.

    Args:
        epsilon: the budget's ε.
        delta: the budget's δ.
        epsilon_left: rounded down.
        delta_left: rounded down.
        total: what ε covers, in words.
        unit: whom it protects.
        neighbours: the neighbouring relation.
        entries: one mapping an entry: sequence, kind, guard, purpose, part, epsilon, delta, priced, when, and what
            was spent ``after`` it: ε under basic composition, a share of the preset curve under Rényi.
        composition: how prices add up, "basic" or "renyi".
    """

    epsilon: float
    delta: float
    epsilon_left: float
    delta_left: float
    total: str
    unit: str
    neighbours: str
    entries: tuple[Mapping[str, Any], ...] = ()
    composition: str = "basic"

    @classmethod
    def of(cls, ledger: Ledger) -> Account:
        """A ledger as it stands now."""
        budget, left = ledger.budget, ledger.left
        shown = ("sequence", "kind", "guard", "purpose", "part", "epsilon", "delta", "priced", "when")
        entries = []
        for entry in ledger.entries():
            sums = tuple(map(Fraction, entry.spent))
            after = sums[0] if ledger.composition == "basic" else ledger.filter.share(sums)
            entries.append({**{name: getattr(entry, name) for name in shown}, "after": float(after)})
        return cls(
            epsilon=budget.epsilon,
            delta=budget.delta,
            epsilon_left=left[0],
            delta_left=left[1],
            total=ledger.total,
            unit=budget.unit or "",
            neighbours=budget.neighbours.value,
            entries=tuple(entries),
            composition=ledger.composition,
        )


@dataclass(frozen=True)
class Summary:
    """Everything that one report says.

    Args:
        title: of the page.
        purpose: why it was made, one or two sentences.
        source: the data in words; never a row count.
        released: all releases, in the recipe's order.
        account: the ledger; None if there is none.
        shareable: whether all that was computed without a price was left out.
        made: UTC, ISO 8601.
        versions: of unseen and what it relied on.
    """

    title: str
    purpose: str
    source: str
    released: tuple[Released, ...]
    account: Account | None
    made: str
    versions: Mapping[str, str] = field(default_factory=dict)
    shareable: bool = False

    def for_sharing(self) -> Summary:
        """The same without all that was computed without a price (law 11).

        An unpriced release, such as a k-anonymous table, is named, but its content is left out.
        """
        return replace(self, shareable=True, released=tuple(one.shareable() for one in self.released))

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-ready values."""
        return {
            "title": self.title,
            "purpose": self.purpose,
            "source": self.source,
            "made": self.made,
            "shareable": self.shareable,
            "releases": [one.to_dict() for one in self.released],
            "ledger": None
            if self.account is None
            else {**self.account.__dict__, "entries": [dict(e) for e in self.account.entries]},
            "versions": dict(self.versions),
        }
