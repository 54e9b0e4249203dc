"""Nothing phones home: the tests see only loopback, and the package asks for no other address."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tests" / "loopback_only.py"
NOWHERE = ("192.0.2.1", 443)  # an address kept for documentation (RFC 5737)
CONFINED = os.environ.get("UNSEEN_LOOPBACK_ONLY") == "1"

confined = pytest.mark.skipif(
    not CONFINED, reason="wants the network namespace: make test, or python tests/loopback_only.py pytest"
)

# Put before a program: every connection and every name that is not this machine's ends it, loudly.
WATCH = """
import ipaddress, os, sys

def here(host):
    if host in (None, "", b"", "localhost", b"localhost"):
        return True
    try:
        return ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host).is_loopback
    except ValueError:
        return False

def watch(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        asks = isinstance(address, tuple) and isinstance(address[0], str) and not here(address[0])
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        address = arguments[0]
        asks = not here(address)
    else:
        return
    if asks:
        # Not an exception: somebody might catch it.
        os.write(2, f"PHONES HOME: {event} {address!r}\\n".encode())
        os._exit(86)

sys.addaudithook(watch)
"""

EVERY_MODULE = """
import importlib, pkgutil
import unseen
for found in pkgutil.walk_packages(unseen.__path__, "unseen."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
"""

ONE_RELEASE = """
import csv, tempfile, pathlib
import unseen as un
folder = pathlib.Path(tempfile.mkdtemp())
with (folder / "patients.csv").open("w", newline="") as file:
    csv.writer(file).writerows([["age"], *([age] for age in range(20, 80))])
data = un.protect(folder / "patients.csv", unit=un.EachRow(), columns={"age": un.Range(0, 110)},
                  budget=un.DP(epsilon=3, delta=1e-6), ledger=folder / "patients.ledger")
release = data.mean("age", epsilon=0.5)
print(release, release.guarantee, release.receipt)
"""


def watched(code: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run([sys.executable, "-c", WATCH + code], env=environment, capture_output=True, text=True)


@confined
def test_only_loopback_exists() -> None:
    assert [name for _, name in socket.if_nameindex()] == ["lo"]


@confined
def test_no_address_but_this_machines_is_reachable() -> None:
    with socket.socket() as caller:
        caller.settimeout(20)
        with pytest.raises(OSError) as failed:  # refused by the system, not waited for in vain
            caller.connect(NOWHERE)
    assert failed.value.errno == errno.ENETUNREACH


@confined
def test_loopback_itself_works() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    with server, socket.create_connection(server.getsockname(), timeout=20) as caller:
        assert caller.getpeername() == server.getsockname()


def test_the_script_confines_or_says_that_it_does_not() -> None:
    code = """
import os, socket
print(os.environ.get("UNSEEN_LOOPBACK_ONLY"), [name for _, name in socket.if_nameindex()])
"""
    environment = {key: value for key, value in os.environ.items() if key != "UNSEEN_LOOPBACK_ONLY"}
    ended = subprocess.run(
        [sys.executable, str(SCRIPT), sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    if ended.stdout.startswith("None"):
        assert "the network stays reachable" in ended.stderr
    else:
        assert ended.stdout.strip() == "1 ['lo']"


@pytest.mark.parametrize(
    "call",
    [
        f"import socket; socket.socket().connect({NOWHERE!r})",
        "import socket; socket.getaddrinfo('example.org', 443)",
        f"import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'', {NOWHERE!r})",
        "import urllib.request; urllib.request.urlopen('http://example.org')",
    ],
)
def test_a_program_that_phones_home_is_caught(call: str) -> None:
    ended = watched(f"try:\n    {call}\nexcept Exception:\n    pass")
    assert ended.returncode == 86
    assert "PHONES HOME" in ended.stderr


@pytest.mark.parametrize("code", [EVERY_MODULE, ONE_RELEASE], ids=["every module", "one release"])
def test_unseen_phones_nobody(code: str) -> None:
    ended = watched(code)
    assert ended.returncode == 0, ended.stderr
