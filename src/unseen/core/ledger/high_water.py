"""The highest head that this place has seen of a ledger, kept outside of it: an older copy is not taken for it."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from unseen.core.ledger.keys import OwnerKey
from unseen.core.release import Receipt

__all__ = ["HighWater"]

SLOTS, SIZE = 8, 4096


class HighWater:
    """A file of eight slots beside the owner's key; the highest head among those that verify counts.

    Args:
        path: the file.
        key: the owner's key, under which each slot stands by itself.

    A head is written after its commit and without waiting for the disk, each into the slot of its number.
    Whatever a crash, a power cut or two writers at once do to a slot, the seven others stand: the mark may lag behind
    the ledger, and is never ahead of it.
    """

    def __init__(self, path: Path, key: OwnerKey) -> None:
        self.path, self._key = path, key

    def make(self, head: Receipt) -> None:
        """Make the file, unless it is there, with a ledger's first head; synced."""
        with suppress(FileExistsError):
            handle = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(self._slot(head))
                file.flush()
                os.fsync(file.fileno())

    def replace(self, head: Receipt) -> None:
        """Forget all that was seen and begin with this head."""
        draft = self.path.with_name(f"{self.path.name}.draft")
        draft.unlink(missing_ok=True)
        HighWater(draft, self._key).make(head)
        os.replace(draft, self.path)

    def raise_to(self, head: Receipt) -> None:
        """Note a head, unless its slot holds a higher one."""
        try:
            with open(self.path, "r+b", buffering=0) as file:
                place = head.sequence % SLOTS * SIZE
                file.seek(place)
                held = self._read(file.read(SIZE))
                if held is None or held.sequence < head.sequence:
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
        slots = (self._read(content[start : start + SIZE]) for start in range(0, SLOTS * SIZE, SIZE))
        return max((head for head in slots if head), key=lambda head: head.sequence, default=None)

    def _slot(self, head: Receipt) -> bytes:
        text = json.dumps(head.to_dict())
        return f"{self._key.mac(text)} {text}\n".encode().ljust(SIZE)

    def _read(self, slot: bytes) -> Receipt | None:
        mac, _, text = slot.decode("ascii", errors="replace").rstrip().partition(" ")
        return Receipt.of(json.loads(text)) if text and self._key.holds(text, mac) else None
