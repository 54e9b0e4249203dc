"""Runs a job of child.py under trace."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .disk import marks
from .invariants import Place

HERE = Path(__file__).parent

__all__ = ["needs_ptrace", "record"]


@pytest.fixture(scope="module")
def needs_ptrace() -> None:
    """Skips where nothing can be traced."""
    asked = subprocess.run([sys.executable, str(HERE / "tracer.py")], check=True, capture_output=True, text=True)
    if reason := asked.stdout.strip():
        pytest.skip(reason)


def record(folder: Path, job: str, place: Place, **told: Any) -> list[dict[str, Any]]:
    """What a traced child did to ``folder`` and what it logged, in one order."""
    folder.mkdir()
    log, found = folder.with_suffix(".log"), folder.with_suffix(".found")
    order = {"job": job, "folder": str(folder), "log": str(log), "found": str(found), "places": [vars(place)], **told}
    child = [sys.executable, str(HERE / "child.py"), json.dumps(order)]
    subprocess.run(child, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    done: list[dict[str, Any]] = json.loads(found.read_text())
    errors = [line for line in marks(done, len(done)) if "error" in line]
    assert not errors, errors
    blind = [one["call"] for one in done if one["do"] == "unmodelled"]
    assert not blind, f"the record cannot tell what was done by {blind}"
    return done
