"""unseen deid: what is written where: no key is overwritten, pages are the owner's, and places are checked first."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import csv
import os
import signal
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import unseen as un
from unseen.cli.deid.files import interruptible
from unseen.core.engine import connect

from .conftest import Ended

Unseen = Callable[..., Ended]

POSIX = pytest.mark.skipif(os.name != "posix", reason="wants modes of files and links")
POLICY = """
[policy]
project = "study"
[policy.columns]
id = "encrypt"
note = "text"
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with people.csv and policy.toml."""
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "people.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "note"), ("1", "Anna Miller came."), ("2", "=cmd()")])
    (tmp_path / "policy.toml").write_text(POLICY)
    return tmp_path


def pseudonymize(unseen: Unseen, *more: str, key: str = "k.key", to: str = "p.csv") -> Ended:
    command = ("deid", "pseudonymize", "people.csv", "--policy", "policy.toml")
    return unseen(*command, "--key", key, "--make-key", "--to", to, *more)


def refused(ended: Ended, expected: str) -> None:
    assert ended.code == 2 and expected in ended.err and len(ended.err.strip().splitlines()) == 1, ended


@pytest.mark.parametrize(("key", "to"), [("z.csv", "z.csv"), ("z.csv", "./sub/../z.csv"), ("link.csv", "z.csv")])
@pytest.mark.parametrize("force", [(), ("--force",)])
@POSIX
def test_a_new_key_is_not_overwritten_by_the_table(
    unseen: Unseen, here: Path, key: str, to: str, force: tuple[str, ...]
) -> None:
    (here / "sub").mkdir()
    (here / "link.csv").symlink_to(here / "z.csv")
    refused(pseudonymize(unseen, *force, key=key, to=to), "another file than those that are read or made")
    assert not (here / "z.csv").exists() and not list(here.glob("*.html"))


@pytest.mark.parametrize("key", ["people.pseudonymize.html", "pages/people.pseudonymize.html"])
def test_a_new_key_is_not_overwritten_by_the_page(unseen: Unseen, here: Path, key: str) -> None:
    (here / "pages").mkdir()
    out = ("--out", "pages") if "/" in key else ()
    refused(pseudonymize(unseen, *out, key=key), "a page at")
    assert not (here / key).exists() and not (here / "p.csv").exists()


@pytest.mark.parametrize("out", ["people.csv", "people.csv/pages", "folder"])
@pytest.mark.parametrize(
    "command",
    [
        ("scan", "people.csv"),
        ("risk", "people.csv"),
        ("anonymize", "people.csv", "--to", "p.csv", "--quasi-identifiers", "id", "--k", "2"),
        ("pseudonymize", "people.csv", "--policy", "policy.toml", "--key", "k.key", "--make-key", "--to", "p.csv"),
        ("reidentify", "people.csv", "--policy", "policy.toml", "--key", "k.key", "--to", "p.csv"),
    ],
)
def test_where_no_page_can_be_written_nothing_is_made(
    unseen: Unseen, here: Path, command: tuple[str, ...], out: str
) -> None:
    (here / "folder" / f"people.{command[0]}.html").mkdir(parents=True)
    before = sorted(here.rglob("*"))
    refused(unseen("deid", *command, "--out", out), "a page at")
    assert sorted(here.rglob("*")) == before


@POSIX
def test_the_check_value_is_told_where_the_page_fails_after_all(unseen: Unseen, here: Path) -> None:
    """The disk takes the key and the table, and no file as large as a page."""
    import resource

    assert pseudonymize(unseen, key="warm.key", to="warm.csv").code == 0
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        ended = pseudonymize(unseen, "--out", "pages")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    refused(ended, f"under the check value {un.deid.Key.open(here / 'k.key').check('study')}")
    assert (here / "p.csv").exists() and not list((here / "pages").iterdir())


@POSIX
def test_a_page_is_its_owners_alone_also_in_the_place_of_an_open_one(unseen: Unseen, here: Path) -> None:
    for command in ("scan", "risk", "pseudonymize"):
        (here / f"people.{command}.html").write_text("an old one")
        (here / f"people.{command}.html").chmod(0o644)
    assert unseen("deid", "scan", "people.csv").code == unseen("deid", "risk", "people.csv").code == 0
    assert pseudonymize(unseen).code == 0
    pages = list(here.glob("*.html"))
    assert len(pages) == 3 and {stat.S_IMODE(page.stat().st_mode) for page in pages} == {0o600}
    assert not any("an old one" in page.read_text() for page in pages)


def test_what_a_spreadsheet_may_run_stays_as_it_is_and_the_help_says_so(unseen: Unseen, here: Path) -> None:
    assert pseudonymize(unseen).code == 0
    assert ",=cmd()" in (here / "p.csv").read_text()
    for command in ("pseudonymize", "anonymize", "reidentify"):
        assert "a spreadsheet may run it" in " ".join(unseen("deid", command, "--help").out.replace("│", " ").split())


def test_an_interrupt_during_a_query_is_an_interrupt() -> None:
    """An interrupt between two queries is one anyhow."""
    connection = connect()
    alarm = threading.Timer(0.2, lambda: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT))
    with pytest.raises(KeyboardInterrupt), interruptible():
        alarm.start()
        while True:
            connection.execute("CREATE OR REPLACE TABLE x AS SELECT hash(range) AS h FROM range(2000000) ORDER BY h")
    with pytest.raises(RuntimeError, match="something else"), interruptible():
        raise RuntimeError("something else")


HEADLESS = (
    "anna.miller@example.org,17,12 Elm Street\nrob.stone@example.org,18,4 Oak Road\nkim.lee@example.org,19,9 Ash Way\n"
)


@pytest.mark.parametrize("form", [(), ("--json",)])
@pytest.mark.parametrize("more", [(), ("--columns", "anna.miller@example.org,17", "--population", "all.csv")])
def test_risk_shows_no_row_that_stands_in_the_place_of_the_header(
    unseen: Unseen, here: Path, form: tuple[str, ...], more: tuple[str, ...]
) -> None:
    (here / "bare.csv").write_text(HEADLESS)
    (here / "all.csv").write_text(HEADLESS * 2)
    ended = unseen("deid", "risk", "bare.csv", *more, *form)
    assert ended.code == 0, ended
    told = ended.out + (here / "bare.risk.html").read_text()
    assert "column 1" in told and "lack a header" in told and "anna.miller" not in told and "Elm" not in told
    missing = unseen("deid", "risk", "bare.csv", "--columns", "age")
    refused(missing, "'column 1'")
    assert "anna.miller" not in missing.err


def test_texts_are_searched_as_for_safe_harbor_with_their_columns_name(unseen: Unseen, here: Path) -> None:
    import pyarrow as pa

    from unseen.deid.pseudonym import FreeText, Policy

    table = pa.table({"contact": ["Okafor", "nobody"], "note": ["12345678", "nothing"]})
    with (here / "people.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("contact", "note"), ("Okafor", "12345678"), ("nobody", "nothing")])
    (here / "policy.toml").write_text(
        '[policy]\nproject = "study"\n[policy.columns]\ncontact = "text"\nnote = "text"\n'
    )
    assert pseudonymize(unseen).code == 0
    policy, key = Policy("study", {"contact": FreeText(), "note": FreeText()}), un.deid.Key.open(here / "k.key")
    made = policy.apply(table, key, findings=list(un.deid.scan(table, least=0.4)))
    with (here / "p.csv").open(newline="") as file:
        rows = sorted(map(tuple, list(csv.reader(file))[1:]))
    assert rows == sorted(zip(*made.to_pydict().values(), strict=True))
    assert ("nobody", "nothing") in rows and not {"Okafor", "12345678"} & {cell for row in rows for cell in row}
    assert not un.deid.scan(["Okafor"], least=0.4) and not un.deid.scan(table.select(["note"])), "neither goes without"
