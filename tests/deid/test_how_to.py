"""What the how-to on de-identification shows runs as it stands, and does what the page says of it."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re
import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest

import unseen as un

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "deidentify.md"


def test_the_policy_file_of_the_page_is_the_policy_of_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    files = [tomllib.loads(one) for one in re.findall(r"```toml\n(.*?)```", text, re.DOTALL)]
    written = un.deid.Policy.of(next(file["policy"] for file in files if "policy" in file))
    scope: dict[str, Any] = {"key": None, "un": un}
    snippet = re.search(r"(from unseen\.deid\.pseudonym import .*?)key = .*?(policy = .*?\n\)\n)", text, re.DOTALL)
    assert snippet is not None
    exec(snippet[1] + snippet[2], scope)
    assert written == scope["policy"]


def test_every_snippet_of_the_page_runs_and_keeps_its_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {}
    snippets = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    for snippet in snippets:
        exec(compile(snippet, str(PAGE), "exec"), scope)
    assert len(snippets) >= 9
    people, released, table = scope["people"], scope["release"].value, scope["table"]
    assert {finding.column for finding in scope["found"] if finding.entity == "PERSON"} >= {"name", "note"}
    assert stat.S_IMODE((tmp_path / "study.key").stat().st_mode) == 0o600
    texts = released["note"].tolist()
    assert all("@example.com" not in text and text.endswith("[EMAIL_ADDRESS]") for text in texts)
    assert not set(released["ssn"]) & set(people["ssn"])
    alike = [note.startswith(name) for name, note in zip(released["name"], texts, strict=True)]
    assert sum(alike) / len(alike) > 0.9  # some names are in no list: the page says that nothing is promised
    assert sorted(scope["names"].value["health"]) == sorted(people["health"])
    back = un.deid.reidentify(scope["names"], scope["sealed"], scope["key"])
    assert sorted(back["ssn"]) == sorted(people["ssn"])
    assert un.deid.is_k_anonymous(table.value, k=5, quasi_identifiers=["birth_date", "zip"])
    assert table.value.groupby(["birth_date", "zip"])["health"].nunique().min() >= 3
    assert "each class has at least 3 values of health" in str(table.guarantee)
    printed = capsys.readouterr().out
    assert "expected recall" in printed and "(R) any other unique" in printed
    assert all("holds" in line and "claimed nothing" not in line for line in printed.splitlines()[-2:])
