"""The pages in Chromium, wide and narrow, light and dark: nothing overflows, nothing is fetched, nothing complains."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from unseen.report.check_page import render_check
from unseen.report.page import render
from unseen.report.summary import Released, Summary

pytestmark = pytest.mark.browser
SCREENSHOTS = os.environ.get("UNSEEN_SCREENSHOTS")  # a folder, for people who want to look


def odd(summary: Summary) -> Summary:
    long = "Donaudampfschifffahrtsgesellschaftskapitän" * 4
    one = summary.released[1]
    release = {**one.release, "value": {f"{long}{i}": 10**i for i in range(40)}, "interval": None}
    return replace(
        summary, title=long, source=long, released=(Released(long, long, release, one.report), *summary.released)
    )


@pytest.mark.parametrize("which", ["report", "shareable", "check", "odd"])
@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_asks_for_nothing_and_shows_its_plots(
    chromium: Any, tmp_path: Path, summary: Summary, check: dict[str, Any], which: str, width: int, scheme: str
) -> None:
    text = {
        "report": lambda: render(summary),
        "shareable": lambda: render(replace(summary, shareable=True)),
        "check": lambda: render_check(check),
        "odd": lambda: render(odd(summary)),
    }[which]()
    file = tmp_path / "page.html"
    file.write_text(text, encoding="utf-8")
    page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(file.as_uri())
    if SCREENSHOTS:
        page.screenshot(path=f"{SCREENSHOTS}/{which}-{width}-{scheme}.png", full_page=True)
    try:
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), page.evaluate(
            "[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)"
            ".slice(0, 5).map(e => e.tagName + '.' + e.className)"
        )
        assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]
        assert said == []
        figures = page.locator("figure > svg")
        assert figures.count() >= (2 if which == "check" else 4)
        for place in range(figures.count()):
            box = figures.nth(place).bounding_box()
            assert box["width"] > 100 and box["height"] > 20
    finally:
        page.close()
