"""The odometer shows the sum that the ledger admits by, release by release; any other figure it calls bookkeeping."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import unseen as un
from unseen.core.ledger import Ledger
from unseen.report import odometer, plots
from unseen.report.page import render, render_ledger
from unseen.report.plots import Mark
from unseen.report.summary import Account, Summary

SCREENSHOTS = os.environ.get("UNSEEN_SCREENSHOTS")
BOOKKEEPING = "bookkeeping, not a guarantee"
NASTY = "</text></svg><script>alert(1)</script> $x_1$ & \"'\x1b[2J"


def protected(folder: Path, **more: Any) -> Any:
    people = pd.DataFrame({"age": [31.0, 47.0, 52.0, 29.0], "ill": ["no", "yes", "no", "yes"]})
    declared: dict[str, Any] = {
        "unit": un.EachRow(),
        "columns": {"age": un.Range(0, 110), "ill": un.Categorical("no", "yes")},
        "quasi_identifiers": ["age"],
        "budget": un.DP(epsilon=3, delta=1e-6),
        "ledger": folder / "a.ledger",
    }
    return un.protect(people, **{**declared, **more})


def ledger_of_all_kinds(folder: Path) -> Ledger:
    """A count, a k-anonymous table, two parts, a change of the data, and an older copy that was reconciled."""
    data = protected(folder)
    data.count(epsilon=0.5)
    un.deid.KAnonymize(k=2, suppress_at_most=0.5).release(data)
    parts = data.parts("ill")
    un.query.Mean("age", epsilon=0.25).release(parts["no"])
    un.query.Mean("age", epsilon=0.5).release(parts["yes"])
    data.ledger.bind(data.ledger.budget, lambda key: "corrected", changed=un.Change.SAME_PEOPLE)
    data.ledger.backup(folder / "backup")
    data.ledger.charge(
        "Later", {"event": "EpsilonDeltaDpEvent", "epsilon": 0.25, "delta": 0.0}, un.DP(0.25, unit="row")
    )
    (folder / "a.ledger").unlink()
    ledger = Ledger.restore(folder / "backup", folder / "a.ledger")
    ledger.reconcile(older_copy=True)
    return ledger


def account(entries: Sequence[tuple[str, float, bool]], **more: Any) -> Account:
    """An account of releases: guard, sum after it, whether it has a price."""
    told = tuple(
        {
            **{"sequence": place, "kind": "release", "guard": guard, "purpose": "", "part": None, "epsilon": 0.0},
            **{"delta": 0.0, "priced": priced, "when": "2026-11-22T04:24:09", "after": after},
        }
        for place, (guard, after, priced) in enumerate(entries, 1)
    )
    return Account(**{**{"epsilon": 3.0, "delta": 1e-6, "epsilon_left": 1.0, "delta_left": 1e-6, "total": "all",
                         "unit": "row", "neighbours": "add-or-remove", "entries": told}, **more})  # fmt: skip


def texts(svg: str) -> list[str]:
    """What a reader reads."""
    return ["".join(text.itertext()).strip() for text in ET.fromstring(svg).iter() if text.tag.endswith("text")]


FEW = [("Count", 0.25, True), ("Mean", 0.75, True), ("KAnonymize", 0.75, False), ("Histogram", 1.5, True)]


def test_an_account_tells_the_exact_sum_after_each_entry(tmp_path: Path) -> None:
    ledger = ledger_of_all_kinds(tmp_path)
    told = Account.of(ledger)
    assert [entry["after"] for entry in told.entries] == [0.5, 0.5, 0.75, 1.0, 1.0, 1.25]
    assert [entry["kind"] for entry in told.entries] == [*["release"] * 4, "binding", "reconciled"]
    assert told.entries[2]["part"] == ("ill", "no")
    assert told.entries[-1]["after"] == ledger.spent[0]


def test_under_renyi_an_account_tells_the_share_of_the_curve(tmp_path: Path) -> None:
    data = protected(tmp_path, composition=un.Renyi())
    shares = []
    for _ in range(3):
        data.count(epsilon=0.25)
        shares.append(float(data.ledger.filter.share(tuple(map(Fraction, data.ledger.head.spent)))))
    told = Account.of(data.ledger)
    assert [entry["after"] for entry in told.entries] == shares and told.composition == "renyi"
    assert 0 < shares[0] < shares[1] < shares[2] < 1
    said = texts(odometer.figure(told))
    assert f"{100 * shares[2]:.3g} % of the curve used" in said and "100 %" in said and BOOKKEEPING not in said


def test_each_release_is_a_row_named_by_its_guard() -> None:
    said = texts(odometer.figure(account(FEW)))
    assert [one for one in said if one in ("Count", "Mean", "KAnonymize", "Histogram")] == [one[0] for one in FEW]
    assert {"ε 1.5 of 3 spent", "budget: ε 3", "the sum that the ledger admits by"} <= set(said)
    assert BOOKKEEPING not in said


def test_what_is_no_release_is_named_and_bears_no_mark(tmp_path: Path) -> None:
    svg = odometer.figure(Account.of(ledger_of_all_kinds(tmp_path)))
    assert {"Mean, ill = no", "Mean, ill = yes", "data changed", "reconciled"} <= set(texts(svg))
    assert circles(svg) == (3, 1)


def circles(svg: str) -> tuple[int, int]:
    """Full and hollow marks."""
    used = [found for found in re.findall(r"<use [^>]*style=\"([^\"]*)\"", svg) if "opacity" not in found]
    hollow = sum("fill: var(--card)" in found for found in used)
    return sum("fill: var(--accent)" in found for found in used), hollow


def test_what_has_no_price_is_hollow_and_said_to_be_outside_the_sum() -> None:
    svg = odometer.figure(account(FEW))
    assert circles(svg) == (3, 1)
    assert "○ without a price: not in the sum" in texts(svg)
    priced = odometer.figure(account([one for one in FEW if one[2]]))
    assert circles(priced) == (3, 0) and "○ without a price: not in the sum" not in texts(priced)


def test_any_other_figure_than_the_ledger_s_own_sum_is_marked() -> None:
    svg = odometer.bookkeeping(account(FEW), [0.2, 0.5, 0.5, 0.9])
    assert BOOKKEEPING in texts(svg) and "the sum that the ledger admits by" not in texts(svg)
    assert "ε 0.9 by the curve so far" in texts(svg)


def test_hundreds_of_releases_share_labels_and_are_still_one_picture() -> None:
    many = [("Count", 0.005 * place, True) for place in range(1, 201)] + [
        ("Mean", 1 + 0.01 * p, True) for p in range(100)
    ]
    svg = odometer.figure(account(many))
    assert {"Count × 200", "Mean × 100"} <= set(texts(svg)) and len(texts(svg)) < 20
    thousands = odometer.figure(account([("Count", 3 * place / 50_000, True) for place in range(1, 50_001)]))
    assert len(thousands) < 100_000


def test_an_account_without_sums_has_no_odometer_and_its_page_stands(summary: Summary) -> None:
    assert summary.account is not None
    assert odometer.figure(summary.account) == ""
    assert odometer.figure(account([])) == ""
    assert "the sum that the ledger admits by" not in render(summary)


@pytest.mark.parametrize("shareable", [False, True])
def test_the_report_shows_it_where_the_budget_stands(summary: Summary, tmp_path: Path, shareable: bool) -> None:
    told = Account.of(ledger_of_all_kinds(tmp_path))
    page = render(replace(summary, account=told, shareable=shareable))
    section = page[page.index('<h2 id="ledger">') : page.index('<h2 id="read">')]
    assert "the sum that the ledger admits by" in section and "ε 1.25 of 3 spent" in section
    assert "data changed" in section and "ill = yes" in section and "on different parts" in section
    assert "ε 1.25 of 3 spent" in page[: page.index('<h2 id="ledger">')]


def test_a_renyi_report_never_calls_the_next_release_s_epsilon_what_is_left(summary: Summary) -> None:
    told = account([("Count", 0.25, True)], composition="renyi", epsilon_left=0.4)
    page = render(replace(summary, account=told)).replace("\u00a0", " ").replace("&nbsp;", " ")
    assert "25 % of the curve for ε 3, δ 10⁻⁶ used" in page and "75 %" in page
    assert "ε 0.4 left" not in page and "The next release may have up to ε 0.4." in page


def test_a_page_of_a_ledger_alone_says_that_it_is_locked_and_what_is_bookkeeping() -> None:
    page = render_ledger(account(FEW), "patients", "entry 5 is missing", "ε 1.2 by this or that", "<svg></svg>")
    assert "Locked" in page and "entry 5 is missing" in page and "Bookkeeping, not a guarantee" in page
    plain = render_ledger(account(FEW), "patients")
    assert "Locked" not in plain and "ookkeeping" not in plain
    for text in (page, plain):
        assert not re.search(r"url\((?!#)|@import|<script|src=", text)


@pytest.mark.parametrize("entries", [FEW, [("Mean", 3.0, True)], [("Table", 0.0, False)]])
def test_a_file_of_its_own_is_well_formed_and_brings_its_colours(entries: list[tuple[str, float, bool]]) -> None:
    svg = odometer.standalone(odometer.figure(account(entries)))
    root = ET.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    used = set(re.findall(r"var\((--\w+)\)", svg))
    assert used and all(f"{name}:" in svg for name in used)
    assert "prefers-color-scheme: dark" in svg and "#0a0b" not in svg


def test_names_are_text_and_nothing_else() -> None:
    told = account([(NASTY, 1.0, True), (NASTY, 1.0, False)])
    for text in (odometer.figure(told), odometer.standalone(odometer.figure(told)), render_ledger(told, NASTY, NASTY)):
        assert "<script" not in text
    svg = odometer.figure(told)
    ET.fromstring(svg)
    assert "\x1b" not in svg


@settings(max_examples=25)
@given(
    sums=st.lists(st.floats() | st.integers(-(10**400), 10**400), max_size=30),
    limit=st.floats(1e-9, 1e9),
    priced=st.sampled_from([True, False, None]),
    percent=st.booleans(),
)
def test_odd_sums_give_a_picture(sums: list[float], limit: float, priced: bool | None, percent: bool) -> None:
    marks = [Mark("x" * (place % 40), value, priced) for place, value in enumerate(sums)]
    ET.fromstring(plots.odometer("t", marks, (limit, "budget"), percent=percent))


CASES: dict[str, Account] = {
    "few": account(FEW),
    "most": account([(f"Guard{place}", 0.1 * place, place % 3 > 0) for place in range(1, 25)]),
    "many": account([(("Count", "Mean", "Sum")[place // 60], 0.01 * place, True) for place in range(1, 170)]),
    "mixed": account([(("Count", "Mean")[place % 2], 0.01 * place, True) for place in range(1, 170)]),
    "long": account([("GaussianProcessClassifierWithEverything" * 2, 2.9, True), ("Count", 3.0, True)]),
    "small": account([("Count", 1.2e-7, True), ("Mean", 2.5e-7, False)], epsilon=3.1e-7),
    "large": account([("Count", 123_456.5, True)], epsilon=1_234_567.0),
    "renyi": account([("Count", 0.31, True), ("Mean", 1.0, False)], composition="renyi"),
}


@pytest.mark.browser
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_no_two_texts_overlap_and_none_leaves_the_page(
    chromium: Any, tmp_path: Path, name: str, width: int, scheme: str
) -> None:
    told = CASES[name]
    file = tmp_path / "page.html"
    beside = odometer.bookkeeping(told, [float(entry["after"]) for entry in told.entries])
    file.write_text(render_ledger(told, name, supposed="ε 1", beside=beside), encoding="utf-8")
    page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    try:
        page.goto(file.as_uri())
        figures = page.locator(".odometer figure")
        assert figures.count() == 2
        if SCREENSHOTS:
            page.screenshot(path=f"{SCREENSHOTS}/odometer-{name}-{width}-{scheme}.png", full_page=True)
        for place in range(2):
            boxes = (
                figures.nth(place)
                .locator("svg text")
                .evaluate_all("texts => texts.map(t => [t.textContent.trim(), t.getBoundingClientRect()])")
            )
            assert len(boxes) > 4
            for index, (said, box) in enumerate(boxes):
                assert box["left"] >= 0 and box["right"] <= width, said
                for other, beside_it in boxes[index + 1 :]:
                    apart = (
                        box["right"] <= beside_it["left"] + 0.5
                        or beside_it["right"] <= box["left"] + 0.5
                        or box["bottom"] <= beside_it["top"] + 2.5  # a line's box is taller than its letters
                        or beside_it["bottom"] <= box["top"] + 2.5
                    )
                    assert apart, (said, other)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    finally:
        page.close()
