"""The README's Python runs as it stands, one block after the other, on generated patients and voters."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def test_the_readme_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import unseen as un

    monkeypatch.chdir(tmp_path)
    un.datasets.patients(rows=4_000, seed=7).to_parquet("patients.parquet")
    un.datasets.voters(rows=4_000, seed=7).to_csv("voters.csv", index=False)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    scope: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), scope)
    printed = capsys.readouterr().out
    assert len(blocks) >= 5
    assert "± " in printed and "ε 0.5 charged" in printed
    assert "measured" in printed
    data = scope["data"]
    assert isinstance(data, un.Dataset) and data.ledger is not None
    assert data.ledger.verify() == len(data.ledger.entries()) == 9
    assert data.ledger.spent[0] == 2.4  # a retry and the cheaper of two parts cost nothing
