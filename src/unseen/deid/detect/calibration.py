"""How much of each kind was found where the truth was known: counts, and the recall that they allow to expect."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from unseen.deid.detect.finding import Entity
from unseen.deid.detect.measured import CORPUS, GENERATED, SEEN, Count

__all__ = ["MEASURED_ON", "Recall", "overall", "recall"]

MEASURED_ON = (
    "746 generated texts with known answers (half of presidio-research's second set); "
    '"at best" where some words and weights were chosen with all its texts in sight, and on identifiers made by their '
    'standards, each beside its label; "whole" where nothing of it stays in clear'
)


@dataclass(frozen=True)
class Recall:
    """The share that is found with its 95 % interval, and the share that is found whole.

    Args:
        value: the share that a finding touches, from 0 to 1.
        low, high: the interval's ends.
        made_up: measured on identifiers beside their labels that were made for it, not on a corpus: an upper bound.
        whole: the share of which no letter and no digit stays outside all findings, from 0 to `value`.
        seen: measured on texts that were in sight while some words and weights were chosen: an upper bound.
    """

    value: float
    low: float
    high: float
    made_up: bool = False
    whole: float = 0.0
    seen: bool = False

    @property
    def at_best(self) -> bool:
        """Whether it is an upper bound."""
        return self.made_up or self.seen

    def __str__(self) -> str:
        best = " at best" if self.at_best else ""
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]{best}, whole {self.whole:.3f}"


def recall(entity: Entity) -> Recall | None:
    """The recall that was measured for a kind, with its interval; None if it was not measured.

    The corpus goes before texts that were made for the purpose: these show that a form is known, not how often it
    stands in real texts.

    Source: the equal-tailed interval of Beta(found + 1/2, missed + 1/2), Jeffreys' prior.
    """
    counts = CORPUS.get(entity) or GENERATED.get(entity)
    return _beta(counts, made_up=entity not in CORPUS, seen=entity in CORPUS and entity in SEEN) if counts else None


def overall(counts: Mapping[Entity, int]) -> Recall | None:
    """The recall to expect over kinds that were found so often: found / sum of (found / recall).

    The ends take each kind at its own end, so the interval is wider than 95 %. What is found whole is weighed by the
    same estimate of what is there, found / recall. Kinds without a measured recall are left out.

    Args:
        counts: findings by kind.
    """
    known = [(count, each) for entity, count in counts.items() if (each := recall(entity)) is not None and count]
    if not known:
        return None
    total = sum(count for count, _ in known)
    there = sum(count / each.value for count, each in known)
    return Recall(
        total / there,
        total / sum(count / max(each.low, 1e-9) for count, each in known),
        total / sum(count / each.high for count, each in known),
        made_up=any(each.made_up for _, each in known),
        whole=sum(count / each.value * each.whole for count, each in known) / there,
        seen=any(each.seen for _, each in known),
    )


def _beta(count: Count, made_up: bool, seen: bool) -> Recall:
    from scipy.special import betaincinv

    found, missed, whole = count
    first, second = found + 0.5, missed + 0.5
    low = float(betaincinv(first, second, 0.025)) if found else 0.0
    high = float(betaincinv(first, second, 0.975)) if missed else 1.0
    value = found / (found + missed) if missed else (found + 0.5) / (found + 1)
    return Recall(value, low, high, made_up, value * whole / found if found else 0.0, seen)
