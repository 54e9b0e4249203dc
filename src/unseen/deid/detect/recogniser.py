"""What finds one kind of personal information: the shape that every recogniser has."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from unseen.deid.detect.finding import Finding

__all__ = ["BREAK", "Recogniser"]

# Stands between the texts of a batch. Neither \s nor \w match it, so a pattern without a negated set cannot cross it.
BREAK = "\0"


class Recogniser(ABC):
    """Finds one kind of personal information, or a few that share their evidence.

    `find` gets many texts at once, joined by `BREAK` (about a megabyte), so that a pattern runs over all of them in
    one pass; a single text is the batch of one. A finding that covers a `BREAK` is dropped, and evidence from
    beyond a `BREAK` must not count. Findings of one recogniser may overlap: the scan settles by score, then length.
    The time is linear in the text, hostile or not; a recogniser keeps no state between calls.
    """

    @abstractmethod
    def find(self, text: str) -> Iterator[Finding]:
        """The findings in the batch, in any order, with offsets into the batch.

        Args:
            text: one text, or many joined by `BREAK`.
        """
