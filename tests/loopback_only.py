"""Run a command where no network exists but loopback: python loopback_only.py COMMAND [ARGUMENT ...].

Uses a fresh network namespace (as root, or inside a fresh user namespace). Sets UNSEEN_LOOPBACK_ONLY=1
for the command. Where the system permits none, says so on stderr and runs the command as it is.
"""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
IFF_UP = 0x1


def unshare(flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)  # os.unshare came with Python 3.12
    if libc.unshare(flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def bring_loopback_up() -> None:
    import fcntl

    request = struct.Struct("16sh22x")  # struct ifreq: the name, then the flags
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        reply = fcntl.ioctl(control, SIOCGIFFLAGS, request.pack(b"lo", 0))
        fcntl.ioctl(control, SIOCSIFFLAGS, request.pack(b"lo", request.unpack(reply)[1] | IFF_UP))


def enter_network_namespace() -> None:
    """Leave every interface but loopback behind. The caller stays the same user."""
    try:
        unshare(CLONE_NEWNET)
    except PermissionError:
        user, group = os.getuid(), os.getgid()
        unshare(CLONE_NEWUSER | CLONE_NEWNET)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    bring_loopback_up()


def why_not() -> str:
    """Try it in a child first, since half a way in there is no way back. Empty if it works."""
    if not sys.platform.startswith("linux"):
        return f"{sys.platform} has no network namespaces"
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        reason = b""
        try:
            enter_network_namespace()
        except Exception as error:  # whatever it is, it is the parent's to tell
            reason = (str(error) or type(error).__name__).encode()
        os.write(writer, reason)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        reason = answer.read().decode()
    _, status = os.waitpid(child, 0)
    return reason or ("" if status == 0 else f"the trial ended with status {status}")


def main(command: list[str]) -> None:
    if not command:
        sys.exit(__doc__)
    os.environ.pop("UNSEEN_LOOPBACK_ONLY", None)
    reason = why_not()
    if reason:
        print(f"loopback_only: the network stays reachable ({reason})", file=sys.stderr, flush=True)
    else:
        enter_network_namespace()
        os.environ["UNSEEN_LOOPBACK_ONLY"] = "1"
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
