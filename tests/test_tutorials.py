"""Tutorials and example scripts run from first to last line, in an empty folder, warnings being errors."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("[0-9]*.py"))
QUICK = {"mnist": ["--quick"]}  # a full run takes minutes
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("script", TUTORIALS + EXAMPLES, ids=lambda path: path.stem)
def test_the_script_runs(script: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "MPLBACKEND": "Agg", "UNSEEN_EXAMPLES": str(ROOT / "examples")}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script), *QUICK.get(script.stem, [])],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


def test_there_are_tutorials() -> None:
    assert [path.name for path in TUTORIALS][:1] == ["01_one_recipe_over_everything.py"]
