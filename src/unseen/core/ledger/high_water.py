"""The highest head that this place has seen of a ledger, kept outside of it: an older copy is not taken for it."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
from pathlib import Path

from unseen.core.ledger.keys import OwnerKey, make_file
from unseen.core.release import Receipt

__all__ = ["HighWater"]

SLOTS, SIZE = 8, 4096


class HighWater:
    """A file of eight slots beside the owner's key; the highest head among those that verify counts.

    Args:
        path: the file.
        key: the owner's key, under which each slot stands by itself.

    The first slot holds the head that the file was made with, synced, and is never written again. Each later head is
    written after its commit, without waiting for the disk, into the slot of its number. Whatever a crash, a power
    cut or two writers at once do to one slot, the others stand: the mark may lag behind the ledger, and tells of no
    entry before it is committed.
    """

    def __init__(self, path: Path, key: OwnerKey) -> None:
        self.path, self._key = path, key

    def begin(self, head: Receipt) -> None:
        """Make the file with this head, in the place of whatever was seen before."""
        make_file(self.path, self._slot(head), over=True)

    def raise_to(self, head: Receipt) -> None:
        """Note a head, unless its slot holds a higher one."""
        try:
            with open(self.path, "r+b", buffering=0) as file:
                place = (1 + head.sequence % (SLOTS - 1)) * SIZE
                file.seek(place)
                if self._sequence(file.read(SIZE)) < head.sequence:
                    file.seek(place)
                    file.write(self._slot(head))
        except OSError:
            return  # the entry is committed; without this mark the next reader finds a ledger that is ahead of it

    def highest(self) -> Receipt | None:
        """The highest head; None if there is none that verifies."""
        try:
            content = self.path.read_bytes()
        except OSError:
            return None
        slots = [content[start : start + SIZE] for start in range(0, SLOTS * SIZE, SIZE)]
        highest = max(slots, key=self._sequence)
        if self._sequence(highest) < 0:
            return None
        return Receipt.of(json.loads(highest.rstrip().split(b" ", 2)[2]))

    def _slot(self, head: Receipt) -> bytes:
        text = f"{head.sequence} {json.dumps(head.to_dict())}"
        return f"{self._key.mac('head', text)} {text}\n".encode().ljust(SIZE)

    def _sequence(self, slot: bytes) -> int:
        """The number of the head in a slot; -1 if it does not verify."""
        mac, _, text = slot.decode("ascii", errors="replace").rstrip().partition(" ")
        return int(text.partition(" ")[0]) if text and self._key.holds("head", text, mac) else -1
