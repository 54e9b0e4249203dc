"""Records, in order, what a child process does to the files of a folder: a small ptrace in pure Python, Linux only."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import ctypes
import os
import platform
import signal
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["Tracer", "Unmodelled", "why_no_ptrace"]

# From ptrace(2) and the kernel's headers.
TRACEME, CONT, SYSCALL, SETOPTIONS, SYSCALL_INFO = 0, 7, 24, 0x4200, 0x420E
SYSGOOD, FORK, VFORK, CLONE, EXITKILL = 1, 2, 4, 8, 1 << 20
ENTRY, EXIT = 1, 2
WALL = 0x40000000
AT_FDCWD = -100
CALLS = {
    "x86_64": {
        "write": 1, "open": 2, "mmap": 9, "pwrite64": 18, "writev": 20, "sendfile": 40, "sendto": 44, "recvfrom": 45,
        "sendmsg": 46, "fsync": 74, "fdatasync": 75, "truncate": 76, "ftruncate": 77, "rename": 82, "mkdir": 83,
        "rmdir": 84, "creat": 85, "link": 86, "unlink": 87, "symlink": 88, "read": 0, "sync": 162, "openat": 257,
        "mkdirat": 258, "unlinkat": 263, "renameat": 264, "linkat": 265, "symlinkat": 266, "splice": 275,
        "sync_file_range": 277, "fallocate": 285, "pwritev": 296, "syncfs": 306, "renameat2": 316, "getrandom": 318,
        "copy_file_range": 326, "pwritev2": 328, "io_uring_setup": 425, "openat2": 437,
    },
    "aarch64": {
        "mkdirat": 34, "unlinkat": 35, "symlinkat": 36, "linkat": 37, "renameat": 38, "truncate": 45, "ftruncate": 46,
        "fallocate": 47, "openat": 56, "read": 63, "write": 64, "writev": 66, "pwrite64": 68, "pwritev": 70,
        "sendfile": 71, "splice": 76, "sync": 81, "fsync": 82, "fdatasync": 83, "sync_file_range": 84, "sendto": 206,
        "recvfrom": 207, "sendmsg": 211, "mmap": 222, "syncfs": 267, "renameat2": 276, "getrandom": 278,
        "copy_file_range": 285, "pwritev2": 287, "io_uring_setup": 425, "openat2": 437,
    },
}  # fmt: skip
# What could change a file in ways that are not followed here. If it touches the folder, the trace is worth nothing.
BLIND = {"writev", "sendfile", "truncate", "rmdir", "creat", "symlink", "symlinkat", "splice", "sync_file_range",
         "fallocate", "pwritev", "pwritev2", "copy_file_range", "io_uring_setup", "openat2"}  # fmt: skip


class Unmodelled(RuntimeError):
    """The child did something to the folder that the record cannot tell."""


class SyscallInfo(ctypes.Structure):
    """struct ptrace_syscall_info, which is the same on every processor."""

    _fields_ = (
        ("op", ctypes.c_uint8),
        ("pad", ctypes.c_uint8 * 3),
        ("arch", ctypes.c_uint32),
        ("instruction_pointer", ctypes.c_uint64),
        ("stack_pointer", ctypes.c_uint64),
        ("rest", ctypes.c_int64 * 8),
    )


def _ptrace(request: int, pid: int = 0, address: int = 0, data: Any = 0) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    call = libc.ptrace
    call.restype = ctypes.c_long
    call.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
    found = call(request, pid, address, data)
    if found == -1 and ctypes.get_errno():
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(found)


def why_no_ptrace() -> str:
    """Why nothing can be traced here; empty if it can."""
    if not sys.platform.startswith("linux") or platform.machine() not in CALLS:
        return f"wants ptrace of Linux on {' or '.join(CALLS)}: this is {sys.platform} on {platform.machine()}"
    pid = os.fork()
    if pid == 0:
        try:
            _ptrace(TRACEME)
            os.kill(os.getpid(), signal.SIGSTOP)
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status):
        return "wants ptrace: this system forbids it"
    try:
        info = SyscallInfo()
        _ptrace(SYSCALL_INFO, pid, ctypes.sizeof(info), ctypes.addressof(info))
        reason = ""
    except OSError as error:
        reason = f"wants Linux 5.3, which tells system calls ({error.strerror})"
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return reason


class Tracer:
    """What one child does, in the order in which its calls came back.

    Args:
        folder: whose files are followed, those in folders below it too. It must be empty.
        log: a file elsewhere; what the child writes into it are marks in the record.

    ``found`` is a list of dicts. ``do`` says what: ``write`` (file, at, data as hexadecimal), ``size`` (file, size),
    ``create`` and ``link`` (name, file), ``mkdir`` (name), ``unlink`` (name), ``rename`` (name, to),
    ``sync`` (file) or ``sync`` (folder); ``mark`` (text); ``random`` (bytes asked of the kernel);
    ``send`` and ``receive`` (data). Files are numbers, as a name may come to mean another file.
    """

    def __init__(self, folder: Path, log: Path) -> None:
        self.folder, self.log = str(folder.resolve()), str(log.resolve())
        self.names = {number: name for name, number in CALLS[platform.machine()].items()}
        self.found: list[dict[str, Any]] = []
        self._files: dict[tuple[int, int], int] = {}
        self._count = 0
        self._pending: dict[int, Callable[[int], None] | None] = {}

    def run(self, work: Callable[[], None]) -> int:
        """Fork, do the work in the child under trace, and give its exit code."""
        main = os.fork()
        if main == 0:
            _ptrace(TRACEME)
            os.kill(os.getpid(), signal.SIGSTOP)
            work()
            os._exit(0)
        os.waitpid(main, 0)
        _ptrace(SETOPTIONS, main, 0, SYSGOOD | FORK | VFORK | CLONE | EXITKILL)
        _ptrace(SYSCALL, main)
        known, code = {main}, 0
        while known:
            thread, status = os.waitpid(-1, WALL)
            if os.WIFEXITED(status) or os.WIFSIGNALED(status):
                known.discard(thread)
                if thread == main:
                    code = os.waitstatus_to_exitcode(status)
                continue
            passed = 0
            if os.WSTOPSIG(status) == signal.SIGTRAP | 0x80:
                self._stopped(thread)
            elif status >> 16 or thread not in known:
                known.add(thread)  # a thread begins, or its parent tells of it
            else:
                passed = os.WSTOPSIG(status)
            try:
                _ptrace(SYSCALL, thread, 0, passed)
            except ProcessLookupError:
                known.discard(thread)
        return code

    def _stopped(self, thread: int) -> None:
        info = SyscallInfo()
        _ptrace(SYSCALL_INFO, thread, ctypes.sizeof(info), ctypes.addressof(info))
        if info.op == ENTRY:
            name = self.names.get(info.rest[0])
            self._pending[thread] = None if name is None else self._entered(thread, name, list(info.rest[1:7]))
        elif info.op == EXIT:
            after = self._pending.pop(thread, None)
            if after is not None and info.rest[0] >= 0:
                after(info.rest[0])

    # --- What a call means ------------------------------------------------------------------------

    def _entered(self, thread: int, name: str, told: list[int]) -> Callable[[int], None] | None:
        """Look at a call before it happens; what is given back is called with its result if it succeeds."""
        if name in BLIND:
            return self._blind(thread, name, told)
        if name in ("open", "openat"):
            place, flags = (told[0], told[1]) if name == "open" else (told[1], told[2])
            return self._opening(thread, self._path(thread, AT_FDCWD if name == "open" else told[0], place), flags)
        if name in ("write", "pwrite64"):
            return self._writing(thread, told, told[3] if name == "pwrite64" else None)
        if name in ("fsync", "fdatasync"):
            return self._syncing(thread, told[0])
        if name in ("sync", "syncfs"):
            return lambda _: self._tell("sync everything")
        if name == "ftruncate":
            file = self._file(thread, told[0])
            return None if file is None else lambda _: self._tell("size", file=file, size=told[1])
        if name in ("unlink", "unlinkat"):
            path = self._path(thread, *((AT_FDCWD, told[0]) if name == "unlink" else told[:2]))
            return self._on_name(path, lambda _: self._tell("unlink", name=self._short(path)))
        if name in ("mkdir", "mkdirat"):
            path = self._path(thread, *((AT_FDCWD, told[0]) if name == "mkdir" else told[:2]))
            return self._on_name(path, lambda _: self._tell("mkdir", name=self._short(path)))
        if name in ("rename", "renameat", "renameat2", "link", "linkat"):
            pair = (AT_FDCWD, told[0], AT_FDCWD, told[1]) if name in ("rename", "link") else tuple(told[:4])
            return self._two_names(thread, name.startswith("rename"), *pair)
        if name == "mmap":
            shared, writable = told[3] & 0xF in (1, 3), told[2] & 2
            if shared and writable and self._file(thread, told[4]) is not None:
                self._tell("unmodelled", call="a shared writable mapping")
            return None
        if name == "getrandom":
            return lambda result: self._tell("random", bytes=result)
        if name == "read":
            urandom = self._link(thread, told[0]) in ("/dev/urandom", "/dev/random")
            return (lambda result: self._tell("random", bytes=result)) if urandom else None
        if name in ("sendto", "sendmsg", "recvfrom"):
            if name == "sendmsg":
                return None
            act = "send" if name == "sendto" else "receive"
            return lambda result: self._tell(act, data=self._memory(thread, told[1], result).hex())
        return None

    def _blind(self, thread: int, name: str, told: list[int]) -> Callable[[int], None] | None:
        near = any(self._file(thread, number) is not None for number in told[:3] if 0 <= number < 1 << 16)
        if name in ("truncate", "creat", "symlink", "rmdir", "openat2", "symlinkat"):
            texts = [self._text(thread, number) for number in told[:3] if number > 1 << 16]
            near = any(text.startswith(self.folder) for text in texts)
        return (lambda _: self._tell("unmodelled", call=name)) if near or name == "io_uring_setup" else None

    def _opening(self, thread: int, path: str, flags: int) -> Callable[[int], None] | None:
        if not self._inside(path) or os.path.isdir(path):
            return None
        there, cut = os.path.lexists(path), flags & os.O_TRUNC

        def opened(result: int) -> None:
            if not there:
                found = os.stat(f"/proc/{thread}/fd/{result}")
                self._count += 1
                self._files[found.st_dev, found.st_ino] = self._count
                mode = stat.S_IMODE(found.st_mode)
                self._tell("create", name=self._short(path), file=self._count, mode=mode)
            elif cut:
                self._tell("size", file=self._file(thread, result), size=0)

        return opened

    def _writing(self, thread: int, told: list[int], at: int | None) -> Callable[[int], None] | None:
        if self._link(thread, told[0]) == self.log:
            text = self._memory(thread, told[1], told[2]).decode()
            return lambda _: self._tell("mark", text=text)
        file = self._file(thread, told[0])
        if file is None:
            return None
        if at is None:
            with open(f"/proc/{thread}/fdinfo/{told[0]}") as lines:
                facts = dict(line.split(":", 1) for line in lines if ":" in line)
            appends = int(facts["flags"], 8) & os.O_APPEND
            at = os.stat(f"/proc/{thread}/fd/{told[0]}").st_size if appends else int(facts["pos"])
        data, start = self._memory(thread, told[1], told[2]), at
        return lambda result: self._tell("write", file=file, at=start, data=data[:result].hex())

    def _syncing(self, thread: int, handle: int) -> Callable[[int], None] | None:
        path, file = self._link(thread, handle), self._file(thread, handle)
        if file is not None:
            return lambda _: self._tell("sync", file=file)
        if path == self.folder or self._inside(path):
            return lambda _: self._tell("sync", folder=self._short(path))
        return None

    def _two_names(
        self, thread: int, moves: bool, old_at: int, old: int, new_at: int, new: int
    ) -> Callable[[int], None] | None:
        source, target = self._path(thread, old_at, old), self._path(thread, new_at, new)
        if self._inside(source) != self._inside(target):
            return lambda _: self._tell("unmodelled", call="a name that crosses the folder's edge")
        if not self._inside(source):
            return None
        if moves:
            return lambda _: self._tell("rename", name=self._short(source), to=self._short(target))
        found = os.stat(source)
        file = self._files[found.st_dev, found.st_ino]
        return lambda _: self._tell("link", name=self._short(target), file=file)

    # --- Looking into the child -------------------------------------------------------------------

    def _tell(self, do: str, **facts: Any) -> None:
        self.found.append({"do": do, **facts})

    def _on_name(self, path: str, act: Callable[[int], None]) -> Callable[[int], None] | None:
        return act if self._inside(path) else None

    def _inside(self, path: str) -> bool:
        return path.startswith(self.folder + "/")

    def _short(self, path: str) -> str:
        return path[len(self.folder) + 1 :]

    def _link(self, thread: int, handle: int) -> str:
        try:
            return os.readlink(f"/proc/{thread}/fd/{handle & 0xFFFFFFFF}")
        except OSError:
            return ""

    def _file(self, thread: int, handle: int) -> int | None:
        try:
            found = os.stat(f"/proc/{thread}/fd/{handle & 0xFFFFFFFF}")
        except OSError:
            return None
        return self._files.get((found.st_dev, found.st_ino))

    def _path(self, thread: int, place: int, address: int) -> str:
        text = self._text(thread, address)
        number = ctypes.c_int32(place & 0xFFFFFFFF).value
        base = os.readlink(f"/proc/{thread}/cwd") if number == AT_FDCWD else self._link(thread, number)
        return os.path.normpath(os.path.join(base, text))

    def _text(self, thread: int, address: int) -> str:
        found = b""
        while b"\0" not in found:  # page by page: the next one may not be mapped
            length = 4096 - (address + len(found)) % 4096
            found += self._memory(thread, address + len(found), length)
        return os.fsdecode(found.split(b"\0", 1)[0])

    def _memory(self, thread: int, address: int, length: int) -> bytes:
        memory = os.open(f"/proc/{thread}/mem", os.O_RDONLY)
        try:
            return os.pread(memory, length, ctypes.c_uint64(address).value)
        finally:
            os.close(memory)


if __name__ == "__main__":
    print(why_no_ptrace())
