"""What all tests share: the data they may want, a browser, a database, how often to repeat, and the table of proofs."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from .postgres import postgres, postgres_server

__all__ = ["postgres", "postgres_server"]

PROOF = os.environ.get("UNSEEN_PROOF", "reduced")
TESTS = Path(__file__).parent

settings.register_profile("reduced", deadline=None, derandomize=True, max_examples=50)
settings.register_profile("full", deadline=None, max_examples=1000, print_blob=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--prove",
        action="store_true",
        help="only tests/contracts, core, audit and faults, and what is marked statistical; one table at the end",
    )


def pytest_configure(config: pytest.Config) -> None:
    if PROOF not in ("reduced", "full"):
        raise pytest.UsageError(f"UNSEEN_PROOF is 'reduced' or 'full', not {PROOF!r}")
    settings.load_profile(PROOF)


def pytest_report_header() -> list[str]:
    network = "loopback only" if os.environ.get("UNSEEN_LOOPBACK_ONLY") == "1" else "NOT confined"
    data = os.environ.get("UNSEEN_DATA") or "none (UNSEEN_DATA is not set)"
    return [f"proof: {PROOF} · network: {network} · data: {data}"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("prove"):
        return
    always = [TESTS / name for name in ("contracts", "core", "audit", "faults")]
    kept, left = [], []
    for item in items:
        proves = item.get_closest_marker("statistical") or any(item.path.is_relative_to(p) for p in always)
        (kept if proves else left).append(item)
    config.hook.pytest_deselected(items=left)
    items[:] = kept


@pytest.fixture(autouse=True)
def _mark_in_table(request: pytest.FixtureRequest) -> None:
    """Statistical tests carry their mark into the report, also out of an xdist worker."""
    if request.node.get_closest_marker("statistical"):
        request.node.user_properties.append(("statistical", True))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if not config.getoption("prove"):
        return
    terminalreporter.section("proofs")
    terminalreporter.write_line(f"{'outcome':8} {'seconds':>8} {'runs':>9}  promise")
    for outcome in ("failed", "passed"):
        for report in terminalreporter.stats.get(outcome, []):
            told = dict(report.user_properties)
            if report.when == "call" and told.pop("statistical", False):
                runs = told.pop("runs", "")
                rest = "".join(f" · {key} {value}" for key, value in told.items())
                terminalreporter.write_line(f"{outcome:8} {report.duration:8.1f} {runs!s:>9}  {report.nodeid}{rest}")


@pytest.fixture
def proof_runs(record_property: Callable[[str, object], None]) -> Callable[[int, int], int]:
    """`proof_runs(reduced, full)`: how often a statistical test repeats. `make prove` runs the full count."""

    def runs(reduced: int, full: int) -> int:
        count = full if PROOF == "full" else reduced
        record_property("runs", count)
        return count

    return runs


@pytest.fixture(scope="session")
def needs_data() -> Callable[[str], Path]:
    """`needs_data("adult/adult.csv")`: the path of a file under UNSEEN_DATA; skips where it is not."""

    def path(name: str) -> Path:
        root = os.environ.get("UNSEEN_DATA")
        if not root:
            pytest.skip(f"wants {name}: set UNSEEN_DATA to the folder of the test data")
        found = Path(root) / name
        if not found.exists():
            pytest.skip(f"wants {name}: it is not under UNSEEN_DATA")
        return found

    return path


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless Chromium, the system's own; a playwright `Browser`. Skips where there is none."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("wants Chromium: none is installed (on Debian: apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="wants playwright: pip install 'unseen[test]'")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=program,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
            env={**os.environ, "HOME": str(tmp_path_factory.mktemp("chromium-home"))},
        )
        yield browser
        browser.close()
