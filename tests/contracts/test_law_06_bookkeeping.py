"""Law 6: figures at an adaptive stop other than the filter's are called bookkeeping, not a guarantee."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

import unseen as un
from unseen.cli import main
from unseen.core import accounting

from .adaptive import promise

LABEL = "bookkeeping, not a guarantee"


def shows(text: str, figures: Iterable[float]) -> bool:
    """Whether one of the figures stands there, to three digits or more."""
    numbers = re.findall(r"\d+(?:\.\d+)?(?:e-?\d+)?", text)
    return any(f"{figure:.{digits}g}" in numbers for figure in figures for digits in (3, 4, 5, 6))


def unlabelled(text: str, figures: Iterable[float]) -> list[str]:
    """Lines that show a figure and do not say what it is."""
    told = list(figures)
    return [line for line in text.splitlines() if shows(line, told) and LABEL not in line.lower()]


def unlabelled_in_json(value: Any, figures: Iterable[float], where: str = "") -> list[str]:
    """Places of a figure under no name that says what it is."""
    if isinstance(value, (dict, list)):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        return [place for name, one in inner for place in unlabelled_in_json(one, figures, f"{where}/{name}")]
    return [where] if isinstance(value, float) and value in figures and LABEL not in where else []


def unlabelled_in_a_page(text: str, figures: Iterable[float]) -> list[str]:
    """Sections of a page that show a figure, where no word of theirs says what it is."""
    plain = [re.sub(r"<style.*?</style>|<[^>]*>", " ", part, flags=re.S) for part in text.split("<section")]
    told = list(figures)
    return [part.strip()[:80] for part in plain if shows(part, told) and LABEL not in part.lower()]


def command(ledger: un.Ledger, screen: pytest.CaptureFixture[str], *more: str) -> str:
    """What the command line tells of a ledger."""
    screen.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["ledger", "show", str(ledger.path), *more])
    assert not ended.value.code
    return screen.readouterr().out


@pytest.mark.parametrize("composition", [un.Basic(), un.Renyi()], ids=repr)
def test_a_figure_that_is_not_the_filter_s_is_called_bookkeeping(
    composition: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    ledger = un.Ledger.create(tmp_path / "a.ledger", promise(1, 1e-6), lambda key: "f", composition=composition)
    price = accounting.epsilon_of_dpsgd(1, 40, 1, 1e-7)
    for _ in range(5):
        ledger.charge("Gaussian", accounting.dpsgd(1, 40, 1), promise(price, 1e-7))
    figures = [ledger.bookkeeping()]
    if isinstance(composition, un.Renyi):
        # What is spent is read off the orders' sums at the stop; only the preset curve is proven.
        figures.append(ledger.spent[0])
    assert not shows(f"{5 * price:.3g} {5 * price:.6g} {price:.3g} {price:.6g}", figures)  # nor by luck the sum
    page = tmp_path / "ledger.html"
    told = command(ledger, capsys, "--plot", str(page))
    found = {
        "repr": unlabelled(repr(ledger), figures),
        "notebook": unlabelled(ledger._repr_html_(), figures),
        "command line": unlabelled(told, figures),
        "JSON": unlabelled_in_json(json.loads(command(ledger, capsys, "--json")), figures),
        "page": unlabelled_in_a_page(page.read_text("utf-8"), figures),
    }
    assert {place: lines for place, lines in found.items() if lines} == {}
    assert shows(told, figures), "nothing was shown, so that nothing was checked"


def test_a_figure_without_its_label_is_seen() -> None:
    figures = [0.83462191]
    assert unlabelled(f"ε 0.834622 of 1 spent\n{LABEL}", figures) == ["ε 0.834622 of 1 spent"]
    assert unlabelled_in_a_page(f"<section><b>0.835</b></section><section>{LABEL}</section>", figures)
    assert unlabelled_in_json({"spent": {"epsilon": figures[0]}, LABEL: figures[0]}, figures) == ["/spent/epsilon"]
    assert not unlabelled(f"ε 0.835 ({LABEL}), ε 1 of 3 spent", figures)
    for text in (un.Ledger.bookkeeping.__doc__ or "", un.Ledger.spent.__doc__ or ""):
        assert LABEL in text
