"""Many texts in few passes: joined, searched by every recogniser, and the findings told by text again."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unseen.deid.detect.finding import Finding
from unseen.deid.detect.overlap import settled
from unseen.deid.detect.recogniser import BREAK, Recogniser

__all__ = ["found_in"]

BATCH = 1 << 20
"""Characters that are searched at once; a longer text is searched alone and whole."""


def found_in(texts: Sequence[str], recognisers: Sequence[Recogniser], least: float = 0.5) -> Iterator[Finding]:
    """The findings of each text without overlaps, in the texts' order; `row` counts the texts from 0.

    Args:
        texts: any strings; empty ones too.
        recognisers: what is looked for.
        least: the least score that is told, from 0 to 1.
    """
    first = 0
    while first < len(texts):
        last, size = first, 0
        while last < len(texts) and (last == first or size + len(texts[last]) < BATCH):
            size += len(texts[last]) + 1
            last += 1
        yield from _batch(texts[first:last], first, recognisers, least)
        first = last


def _batch(texts: Sequence[str], first: int, recognisers: Sequence[Recogniser], least: float) -> Iterator[Finding]:
    # A text's own BREAK becomes a blank: the offsets stay.
    joined = BREAK.join(texts)
    if joined.count(BREAK) >= len(texts):
        joined = BREAK.join(text.replace(BREAK, " ") for text in texts)
    if not joined:
        return
    within = [
        finding
        for recogniser in recognisers
        for finding in recogniser.find(joined)
        if BREAK not in joined[finding.start : finding.end]
    ]
    row, begin, end = 0, 0, len(texts[0])
    for finding in settled(within):
        if finding.score >= least:
            while finding.start > end:
                row += 1
                begin = end + 1
                end = begin + len(texts[row])
            yield Finding(
                finding.entity,
                finding.start - begin,
                finding.end - begin,
                finding.score,
                finding.evidence,
                first + row,
            )
