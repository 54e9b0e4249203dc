"""Claimed against measured: what an attack found, on the scale of the claim."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from html import escape
from pathlib import Path
from typing import Any

__all__ = ["Measured", "Report", "Verdict"]


class Verdict(StrEnum):
    """How a claim came out of an attack."""

    HOLDS = "holds"
    BROKEN = "broken"
    INCONCLUSIVE = "inconclusive"
    NO_CLAIM = "no claim"
    NOT_ATTACKED = "not attacked"


@dataclass(frozen=True)
class Measured:
    """What an attacker got: an estimate and its confidence interval, on the report's scale."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


@dataclass(frozen=True)
class Report:
    """One release's claim beside what an attack measured.

    Args:
        attack: the attack's name, empty if there was none.
        scale: what the numbers mean, in words, such as "share of people re-identified".
        claimed: the greatest value that the claim allows; None if nothing is claimed.
        measured: what the attack got; None if it was not run.
        reach: the lower end that this attack would have shown had everything leaked. An attack whose
            reach is not above the claim cannot refute it, and is inconclusive.
        confidence: of the interval.
        figures: further numbers by name: baselines, rates, sizes. The owner's.
        notes: what a reader must know, one sentence each.
        release: the release's name in a recipe.
        curves: named series of (x, y) points for plots. The owner's.
    """

    attack: str
    scale: str
    claimed: float | None
    measured: Measured | None
    reach: float = float("inf")
    confidence: float = 0.95
    figures: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    release: str = ""
    curves: Mapping[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """Broken if the interval lies above the claim; inconclusive if the attack could not have shown that."""
        if self.measured is None:
            return Verdict.NOT_ATTACKED
        if self.claimed is None:
            return Verdict.NO_CLAIM
        if self.measured.low > self.claimed:
            return Verdict.BROKEN
        return Verdict.HOLDS if self.reach > self.claimed else Verdict.INCONCLUSIVE

    def __str__(self) -> str:
        claimed = "nothing" if self.claimed is None else f"at most {self.claimed:.3g}"
        name = f"{self.release}: " if self.release else ""
        measured = self.measured or "not attacked"
        return f"{name}{self.scale} · claimed {claimed} · measured {measured} · {self.verdict.value}"

    def _repr_html_(self) -> str:
        colour = {Verdict.HOLDS: "#1a7f4b", Verdict.BROKEN: "#b3261e"}.get(self.verdict, "#8a6d00")
        notes = "".join(f"<br>{escape(note)}" for note in self.notes)
        return (
            f"<div style='font-family:system-ui;line-height:1.4'><b>{escape(str(self).rsplit(' · ', 1)[0])}</b> · "
            f"<b style='color:{colour}'>{self.verdict.value}</b><br><small>{escape(self.attack)}{notes}</small></div>"
        )

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-ready values."""
        return {
            "name": self.release,
            "attack": self.attack,
            "scale": self.scale,
            "claimed": self.claimed,
            "measured": None if self.measured is None else dict(self.measured.__dict__),
            "confidence": self.confidence,
            "verdict": self.verdict.value,
            "figures": dict(self.figures),
            "notes": list(self.notes),
        }

    def save(self, path: str | Path) -> Path:
        """Write the report, as JSON or, for ``.html``, as one self-contained page, and give its path."""
        target = Path(path)
        if target.suffix.lower() in (".html", ".htm"):
            text = f"<!doctype html><meta charset=utf-8><title>{escape(self.attack)}</title>{self._repr_html_()}"
        else:
            text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False)
        target.write_text(text, encoding="utf-8")
        return target
