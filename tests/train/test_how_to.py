"""What the how-to shows of loops of one's own runs as it stands."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import unseen as un

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "train_with_dp.md"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch", "ignore::FutureWarning:torch")
@pytest.mark.skipif(shutil.which("g++") is None, reason="wants a C++ compiler")
def test_every_snippet_of_an_own_loop_runs(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(generator.random((200, 2)), columns=["x", "y"])
    frame["ill"] = np.where(frame["x"] > frame["y"], "yes", "no")
    data = un.protect(
        frame,
        unit=un.EachRow(),
        columns={"x": un.Range(0, 1), "y": un.Range(0, 1), "ill": un.Categorical("no", "yes")},
        budget=un.DP(epsilon=10, delta=1e-4),
        ledger=tmp_path / "people.ledger",
    )
    (section,) = re.findall(r"^## Your own loop$(.*?)^## ", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    snippets = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    scope: dict[str, Any] = {"un": un, "torch": torch, "data": data}
    for snippet in snippets:
        exec(compile(snippet, str(PAGE), "exec"), scope)
        if "with " in snippet:
            assert scope["session"].steps_left == 0
    assert len(data.ledger.entries()) == sum("with guard" in one or "with compiled" in one for one in snippets) == 5
