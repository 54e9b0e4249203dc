"""What a disk may hold after a power cut: a folder rebuilt from the record of what was done to it."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Cut", "cuts", "distinct", "held", "marks", "rebuild", "story"]

CONTENT, NAMES = ("write", "size"), ("create", "link", "unlink", "rename")


@dataclass(frozen=True)
class Cut:
    """A moment and what the disk had done by then.

    Args:
        at: operations that had come back.
        lost: those among them that the disk had not done yet.
        torn: the last write reached the disk with its first half only.
        zeroed: lost writes have left zeros where they should be, as a file system does that grew a file first.
    """

    at: int
    lost: frozenset[int] = frozenset()
    torn: bool = False
    zeroed: bool = False

    def __str__(self) -> str:
        told = f"after operation {self.at}"
        told += f", {sorted(self.lost)} {'zeroed' if self.zeroed else 'lost'}" if self.lost else ""
        return told + (", the last one torn" if self.torn else "")


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def unsynced(record: Sequence[dict[str, Any]], at: int) -> list[int]:
    """Which of the first operations a power cut may undo: those that no sync of their file or folder followed."""
    found: list[int] = []
    files: set[int] = set()
    folders: set[str] = set()
    for index in range(at - 1, -1, -1):
        told = record[index]
        if told["do"] == "sync everything":
            break
        if told["do"] == "sync":
            files.add(told["file"]) if "file" in told else folders.add(told["folder"])
        elif (told["do"] in CONTENT and told["file"] not in files) or (
            told["do"] in NAMES and _folder(told["name"]) not in folders
        ):
            found.append(index)
    return found[::-1]


def cuts(record: Sequence[dict[str, Any]]) -> Iterator[Cut]:
    """Every prefix, also with its last write torn; then all, and each single one, of what was not synced undone."""
    for at in range(len(record) + 1):
        if at and record[at - 1]["do"] not in (*CONTENT, *NAMES, "sync"):
            continue
        yield Cut(at)
        if at and record[at - 1]["do"] == "write":
            yield Cut(at, torn=True)
        loose = unsynced(record, at)
        if loose:
            yield Cut(at, frozenset(loose))
        if len(loose) > 1:
            yield from (Cut(at, frozenset([one])) for one in loose)
            yield from (Cut(at, frozenset(loose) - {one}) for one in loose)
        writes = [index for index in loose if record[index]["do"] == "write"]
        if writes:
            yield Cut(at, frozenset(writes), zeroed=True)
        if len(writes) > 1:
            yield from (Cut(at, frozenset([one]), zeroed=True) for one in writes)


def marks(record: Sequence[dict[str, Any]], at: int) -> list[Any]:
    """The lines that the child had logged by then."""
    return [json.loads(told["text"]) for told in record[:at] if told["do"] == "mark"]


def held(record: Sequence[dict[str, Any]], cut: Cut) -> tuple[list[str], dict[str, tuple[int, bytes]]]:
    """The folder as it may be found after a power cut: its folders, and its files with their modes."""
    names: dict[str, int] = {}
    folders: list[str] = []
    files: dict[int, bytearray] = {}
    modes: dict[int, int] = {}
    for index, told in enumerate(record[: cut.at]):
        do, lost = told["do"], index in cut.lost
        if do == "create":
            files[told["file"]], modes[told["file"]] = bytearray(), told["mode"]
        if do == "write":
            data = bytes.fromhex(told["data"])
            if cut.torn and index == cut.at - 1:
                data = data[: len(data) // 2]
            if lost and cut.zeroed:
                data = bytes(len(data))
            if not lost or cut.zeroed:
                content = files[told["file"]]
                content.extend(bytes(max(0, told["at"] + len(data) - len(content))))
                content[told["at"] : told["at"] + len(data)] = data
        if lost:
            continue
        if do == "size":
            content = files[told["file"]]
            del content[told["size"] :]
            content.extend(bytes(told["size"] - len(content)))
        elif do in ("create", "link"):
            names[told["name"]] = told["file"]
        elif do == "unlink":
            names.pop(told["name"], None)
        elif do == "rename" and told["name"] in names:
            names[told["to"]] = names.pop(told["name"])
        elif do == "mkdir":
            folders.append(told["name"])
    return folders, {name: (modes[file], bytes(files[file])) for name, file in names.items()}


def rebuild(record: Sequence[dict[str, Any]], cut: Cut, target: Path) -> None:
    """Write the folder as it may be found after a power cut; ``target`` must not exist."""
    folders, files = held(record, cut)
    target.mkdir()
    for folder in folders:
        (target / folder).mkdir()
    for name, (mode, content) in files.items():
        handle = os.open(target / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as out:
            out.write(content)


def distinct(record: Sequence[dict[str, Any]]) -> list[Cut]:
    """The cuts that leave different disks, or the same disk when more had been logged."""
    found: dict[tuple[int, int], Cut] = {}
    for cut in cuts(record):
        folders, files = held(record, cut)
        found[hash((*folders, *sorted(files.items()))), len(marks(record, cut.at))] = cut
    return list(found.values())


def story(record: Sequence[dict[str, Any]], at: int, length: int = 25) -> str:
    """The last operations before a moment, one a line, for whoever reads a failure."""
    lines = []
    for index, told in enumerate(record[:at]):
        facts = {name: f"{len(value) // 2} bytes" if name == "data" else value for name, value in told.items()}
        lines.append(f"{index:5} {told['text'].strip()[:80] if told['do'] == 'mark' else facts}")
    return "\n".join(lines[-length:])
