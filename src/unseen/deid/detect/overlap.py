"""One finding a place: where findings overlap, the surer one stays, and of equally sure ones the longer."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from unseen.deid.detect.finding import Finding

__all__ = ["settled"]


def settled(findings: Iterable[Finding]) -> list[Finding]:
    """Findings without overlap, in the order of the text.

    Where findings overlap, the best by (score, length) stays; what touches only what was thrown out stays too.

    Args:
        findings: of one batch, in any order.
    """
    ordered = sorted(findings, key=lambda finding: (finding.start, finding.end))
    kept: list[Finding] = []
    cluster: list[Finding] = []
    reach = -1
    for finding in ordered:
        if finding.start >= reach and cluster:
            kept.extend(_best(cluster))
            cluster = []
        cluster.append(finding)
        reach = max(reach, finding.end) if len(cluster) > 1 else finding.end
    kept.extend(_best(cluster))
    return kept


def _best(cluster: list[Finding]) -> list[Finding]:
    """What stays of findings that hang together, in the order of the text."""
    if len(cluster) <= 1:
        return cluster
    kept: list[Finding] = []
    starts: list[int] = []
    for finding in sorted(cluster, key=lambda one: (-one.score, one.start - one.end, one.start, one.entity)):
        place = bisect_left(starts, finding.start)
        if (place and kept[place - 1].end > finding.start) or (place < len(kept) and starts[place] < finding.end):
            continue
        starts.insert(place, finding.start)
        kept.insert(place, finding)
    return kept
