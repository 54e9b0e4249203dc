"""The columns that an anonymised table keeps as they are: whether they say who a person is."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from unseen.core.errors import InvalidRequest, shown

if TYPE_CHECKING:
    import narwhals as nw

    from unseen.deid import ColumnSummary

__all__ = ["decided"]

CELLS = 2_000
"""Different cells of a column that are looked at, drawn by chance where there are more."""


def decided(frame: nw.DataFrame[Any], kept: Sequence[str], by_hand: Sequence[str]) -> list[str]:
    """Refuse columns that seem to identify or to be texts, unless the owner said that they stay.

    Args:
        frame: the table.
        kept: columns that stay as they are.
        by_hand: those of which the owner said so.

    Returns:
        those of the others that somebody may know of a person, and that nothing protects.

    Raises:
        InvalidRequest: naming the columns.
    """
    from unseen.deid import Suggestion

    columns = [_looked_at(frame[name]) for name in kept if name not in by_hand]
    telling = [one.name for one in columns if one.suggestion in (Suggestion.DIRECT, Suggestion.TEXT)]
    if telling:
        raise InvalidRequest(
            f"{shown(telling)} would stay, and seem to say who a person is, or are texts in which that may stand",
            "a decision on each: --drop leaves it out, --keep keeps it",
            f"--drop {_option(telling)}",
        )
    return [one.name for one in columns if one.suggestion is Suggestion.QUASI]


def _looked_at(series: nw.Series[Any]) -> ColumnSummary:
    """What a column seems to be, by its different cells; one of them twice where the column repeats any."""
    import narwhals as nw

    from unseen.core.noise.entropy import Entropy
    from unseen.deid import scan

    filled = series.drop_nulls()
    cells = filled if series.dtype.is_nested() else filled.unique()
    repeats = len(cells) < len(filled)
    if len(cells) > CELLS:
        cells = cells[Entropy().permutation(len(cells))[:CELLS]]
    table = cells.to_frame()
    return scan(nw.concat([table, table.head(1)]) if repeats else table).columns[0]


def _option(names: Sequence[str]) -> str:
    """Names as an option takes them."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(names)
    return text.getvalue()
