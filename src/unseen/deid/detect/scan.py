"""Scan: what personal information texts or a dataframe hold, where, how surely, and how much was probably missed."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, overload

import narwhals as nw

from unseen.core.errors import InvalidRequest
from unseen.deid.detect.batches import found_in
from unseen.deid.detect.calibration import MEASURED_ON, Recall, overall, recall
from unseen.deid.detect.columns import VALUES, ColumnSummary, asked, heading, summary
from unseen.deid.detect.defaults import everything
from unseen.deid.detect.finding import Entity, Finding
from unseen.deid.detect.recogniser import Recogniser

__all__ = ["Scan", "scan"]


@dataclass(frozen=True, repr=False)
class Scan(Sequence[Finding]):
    """The findings in their order, and what they add up to. It holds no text and prints none.

    Args:
        findings: sorted by column as they stand, row, start.
        columns: one summary a column; empty for texts.
        texts: how many texts or cells were read.
        characters: how many characters they have.
        hidden: columns whose names look like values, as in a file without a header; they print by their number.

    **Guarantee**: none. What is not found is not known to be absent: `expected_recall` says what share was found in
    texts where it was known, and other texts differ.
    """

    findings: tuple[Finding, ...]
    columns: tuple[ColumnSummary, ...]
    texts: int
    characters: int
    hidden: frozenset[str] = frozenset()

    @overload
    def __getitem__(self, index: int) -> Finding: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Finding]: ...

    def __getitem__(self, index: int | slice) -> Finding | Sequence[Finding]:
        return self.findings[index]

    def __len__(self) -> int:
        return len(self.findings)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    @property
    def counts(self) -> dict[Entity, int]:
        """Findings by kind, most frequent first."""
        return dict(Counter(finding.entity for finding in self.findings).most_common())

    @property
    def expected_recall(self) -> Recall | None:
        """The share of what such texts hold that was probably found; None where nothing was."""
        return overall(self.counts)

    def told(self, column: str) -> str:
        """A column's name as it may be printed: by its number, from 1, where the name looks like a value."""
        if column not in self.hidden:
            return column
        return f"column {[each.name for each in self.columns].index(column) + 1}"

    def __str__(self) -> str:
        """Counts by kind with the recall that was measured for it, the columns, and the whole."""
        unit = "cells" if self.columns else "texts"
        lines = [f"{len(self)} findings in {self.texts} {unit} ({self.characters} characters)"]
        for entity, count in self.counts.items():
            known = recall(entity)
            lines.append(f"  {entity:<24}{count:>8}   {known or 'recall not measured'}")
        for column in self.columns:
            lines.append(f"  {replace(column, name=self.told(column.name))}")
        whole = self.expected_recall
        if whole is not None:
            lines.append(f"expected recall {whole}; measured on {MEASURED_ON}; your texts may differ")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"Scan({len(self)} findings in {self.texts} texts)"


def scan(
    source: Any,
    *,
    recognisers: Sequence[Recogniser] | None = None,
    least: float = 0.5,
    regions: Sequence[str] = (),
) -> Scan:
    """Personal information in texts or in the cells of a dataframe.

    Args:
        source: one text; texts (None among them is an empty one); a dataframe or series that narwhals knows. A cell
            that is no text is read as it prints; a column's name counts as the label of its cells.
        recognisers: what is looked for; None for `everything(regions)`: all patterns, names and places. A spaCy
            pipeline stands beside them: ``(*everything(regions), Spacy())``.
        least: the least score that is told, from 0 to 1.
        regions: countries whose national phone numbers are expected, as ISO 3166 codes of two letters.

    Returns:
        findings with `entity`, `start`, `end`, `score`, `row` (from 0) and, for a dataframe, `column`.

    Raises:
        InvalidRequest: the source is no text, no texts and no dataframe, or `least` is not from 0 to 1.
    """
    if not 0 <= least <= 1:
        raise InvalidRequest(f"least={least!r} was asked for", "a score from 0 to 1", "least=0.5")
    chosen = everything(regions) if recognisers is None else tuple(recognisers)
    known = nw.from_native(source, pass_through=True, allow_series=True)
    if isinstance(known, nw.LazyFrame):
        known = known.collect()
    if isinstance(known, nw.DataFrame):
        return _frame(known, chosen, least)
    texts = _texts(known.to_list() if isinstance(known, nw.Series) else source)
    found = tuple(found_in(texts, chosen, least))
    return Scan(found, (), len(texts), sum(map(len, texts)))


def _texts(source: Any) -> list[str]:
    if isinstance(source, str):
        return [source]
    if not isinstance(source, Iterable) or isinstance(source, (bytes, dict)):
        raise InvalidRequest(
            f"a scan of {type(source).__name__} was asked for", "a text, texts, or a dataframe", "scan([text])"
        )
    return [asked(value) for value in source]


def _frame(frame: nw.DataFrame[Any], recognisers: Sequence[Recogniser], least: float) -> Scan:
    findings: list[Finding] = []
    summaries = []
    characters = 0
    for name in frame.columns:
        cells = [asked(value) for value in frame.get_column(name).to_list()]
        characters += sum(map(len, cells))
        found = _column(str(name), cells, recognisers, least)
        summaries.append(summary(str(name), cells, found))
        findings.extend(found)
    names = [str(name) for name in frame.columns]
    hidden = frozenset(names[one.row] for one in found_in(names, recognisers, least) if one.entity in VALUES)
    return Scan(tuple(findings), tuple(summaries), frame.shape[0] * frame.shape[1], characters, hidden)


def _column(name: str, cells: list[str], recognisers: Sequence[Recogniser], least: float) -> list[Finding]:
    """Each distinct cell is read once, behind the column's name."""
    rows: dict[str, list[int]] = {}
    for row, cell in enumerate(cells):
        if cell:
            rows.setdefault(cell, []).append(row)
    head = heading(name)
    distinct = list(rows)
    found = [
        Finding(one.entity, one.start - len(head), one.end - len(head), one.score, one.evidence, row, name)
        for one in found_in([head + cell for cell in distinct], recognisers, least)
        if one.start >= len(head)
        for row in rows[distinct[one.row]]
    ]
    return sorted(found, key=lambda one: (one.row, one.start))
