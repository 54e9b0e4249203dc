"""A scan column by column, or paragraph by paragraph: counts alone are kept, so that no value can be shown."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unseen.cli.deid.headings import labels, lacking
from unseen.core.errors import DataFault

if TYPE_CHECKING:
    import narwhals as nw

    from unseen.deid import Entity, Scan
    from unseen.deid.detect.columns import ColumnSummary
    from unseen.deid.detect.safe_harbor import RuleEvidence

__all__ = ["LEAST", "STRICT", "Search", "Tally", "paragraphs", "tally_table", "tally_texts"]

LEAST, STRICT = 0.5, 0.4
"""The least score that counts, and the one for Safe Harbor and pseudonyms, where a miss costs more."""
PIECE = 1 << 20
"""Characters of text that are looked at between two steps of the bar."""
PARTED = re.compile(r"\n[ \t]*\n\s*")

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Search:
    """What counts as found.

    Args:
        least: the least score, in [0, 1].
        regions: countries by whose rules phone numbers without a code are read, such as ``"DE"``.
        strict: whether Safe Harbor's rules are checked too, at a score of their own.
    """

    least: float = LEAST
    regions: tuple[str, ...] = ()
    strict: bool = False


@dataclass
class Tally:
    """What was found, counted.

    Args:
        search: what counts.
        texts: cells or texts that were read.
        characters: how many they have.
        rows: of the table; None of texts.
        counts: findings by kind.
        holding: texts with a finding.
        columns: each column's summary and its findings by kind.
        rules: Safe Harbor's eighteen, by letter; empty where they were not asked for.
        notes: what else is to be known.
    """

    search: Search = field(default_factory=Search)
    texts: int = 0
    characters: int = 0
    rows: int | None = None
    holding: int = 0
    counts: Counter[Entity] = field(default_factory=Counter)
    columns: list[tuple[ColumnSummary, Counter[Entity]]] = field(default_factory=list)
    rules: dict[str, RuleEvidence] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def look(self, source: Any) -> Scan:
        """Scan a part, and add Safe Harbor's evidence in it if that is asked for."""
        from unseen.deid import SafeHarbor, Scan, everything, scan

        least, regions = self.search.least, self.search.regions
        if not self.search.strict:
            found = scan(source, least=least, regions=regions)
        else:
            report = SafeHarbor(everything(regions), min(least, STRICT)).check(source)
            for rule in report.rules:
                self.rules[rule.letter] = _both(self.rules.get(rule.letter), rule)
            held = tuple(one for one in report.scan if one.score >= least)
            found = Scan(held, report.scan.columns, report.scan.texts, report.scan.characters)
        self.texts += found.texts
        self.characters += found.characters
        self.counts.update(found.counts)
        self.holding += len({one.row for one in found})
        return found


def tally_table(frame: nw.DataFrame[Any], search: Search, progress: Progress) -> Tally:
    """Scan a table, one column at a time.

    Args:
        frame: the table.
        search: what counts as found.
        progress: told before each column.
    """
    from unseen.deid.detect.columns import asked, summary

    made, names, strict = Tally(search, rows=len(frame)), list(frame.columns), search.strict
    called = labels(names, LEAST)
    made.notes += lacking(called)
    for at, name in enumerate(names):
        label = called[name]
        progress(f"reading {label}", at, len(names))
        found = made.look(frame.select(name))
        # Safe Harbor's summary counts weaker findings too.
        told = summary(name, [asked(value) for value in frame[name].to_list()], found) if strict else found.columns[0]
        made.columns.append((replace(told, name=label), Counter(found.counts)))
        if name != label and strict:
            for letter, rule in made.rules.items():
                columns = tuple(label if one == name else one for one in rule.columns)
                made.rules[letter] = replace(rule, columns=columns)
    progress("done", len(names), len(names))
    return made


def paragraphs(path: Path) -> Iterator[list[str]]:
    """The paragraphs of a text file, some of them at a time; a long one is parted at the ends of lines.

    Raises:
        DataFault: there is no such file, or it is not UTF-8.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataFault(f"{path.name!r} could not be read ({type(error).__name__})", "a text file in UTF-8") from None
    some, size = [], 0
    for part in _parts(text):
        some.append(part)
        size += len(part)
        if size >= PIECE:
            yield some
            some, size = [], 0
    if some:
        yield some


def _parts(text: str) -> Iterator[str]:
    for paragraph in PARTED.split(text):
        if len(paragraph) < PIECE:
            if paragraph.strip():
                yield paragraph
            continue
        lines: list[str] = []
        size = 0
        for line in paragraph.splitlines(keepends=True):
            lines.append(line)
            size += len(line)
            if size >= PIECE // 8:
                yield "".join(lines)
                lines, size = [], 0
        if lines:
            yield "".join(lines)


def tally_texts(path: Path, search: Search, progress: Progress) -> Tally:
    """Scan a text file, one paragraph a text.

    Args:
        path: the file.
        search: what counts as found.
        progress: told before each part.
    """
    made = Tally(search)
    pieces = list(paragraphs(path)) or [[]]
    for done, some in enumerate(pieces):
        progress("reading", done, len(pieces))
        made.look(some)
    return made


def _both(one: RuleEvidence | None, other: RuleEvidence) -> RuleEvidence:
    """The evidence of two parts together."""
    from unseen.deid.detect.safe_harbor import Verdict

    if one is None:
        return other
    stronger = one if one.verdict is Verdict.FOUND else other
    return replace(
        other,
        verdict=stronger.verdict,
        count=one.count + other.count,
        columns=(*one.columns, *(name for name in other.columns if name not in one.columns)),
    )
