"""The report's page says all that the summary holds, escapes it, asks the network for nothing, and never crashes."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from unseen.core.guarantee import DP
from unseen.report.check_page import render_check
from unseen.report.claims import Measured, Report
from unseen.report.page import render
from unseen.report.summary import Account, Released, Summary, Utility
from unseen.report.writing import number

NASTY = "<script>alert(1)</script>&\"'$\\frac{x}\x00 名前 \U0001f512"
SECRET = "only-the-owner-may-read-this"


class Links(HTMLParser):
    """Everything that a browser would fetch, every id, and every tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "srcset", "action", "poster", "data"):
                self.fetched.append(value or "")
            if name == "id":
                self.ids.append(value or "")


def only(value: Any, **more: Any) -> Summary:
    guarantee = DP(1.0, unit="person").to_dict()
    release = {"guard": "Histogram", "value": value, "interval": None, "guarantee": guarantee, "receipt": None}
    report = more.pop("report", Report("", "", None, None))
    return Summary("t", "p", "s", (Released("one", "something", release, report, **more),), None, "now")


def test_says_what_was_released_promised_measured_and_left(summary: Summary) -> None:
    text = render(summary)
    assert "4 attacked: 3 within their claims, 1 inconclusive" in text
    assert "ε 1.5 of 3 spent" in text
    for one in summary.released:
        assert one.what in text
        assert one.report.verdict.value in text
    assert "6.12\u00a0%" in text and "at most 20\u00a0%" in text and "0.504" in text
    assert "Whoever sees this learns at most a factor e^0.5" in text
    assert "against 0.748 without protection" in text
    assert "ε covers 4 of 5 releases" in text


def test_fetches_nothing_and_repeats_no_id(summary: Summary, check: dict[str, Any]) -> None:
    for text in (render(summary), render(replace(summary, shareable=True)), render_check(check)):
        links = Links(text)
        assert all(link.startswith(("#", "data:")) for link in links.fetched), links.fetched
        assert not re.search(r"url\((?!#)|@import", text)
        assert "script" not in links.tags
        assert len(set(links.ids)) == len(links.ids)
        assert all(link[1:] in links.ids for link in links.fetched if link.startswith("#"))
        assert set(re.findall(r"url\(#([^)]+)\)", text)) <= set(links.ids)
        assert "#0a0b" not in text, "a stand-in colour was left in a plot"


def test_shows_at_least_four_plots(summary: Summary) -> None:
    assert render(summary).count("<figure") >= 8


def test_shareable_page_shows_nothing_that_was_not_paid_for(summary: Summary) -> None:
    whole = render(replace(summary, shareable=True))
    text = re.sub(r"<style>.*?</style>|<[^>]+>", " ", whole, flags=re.DOTALL)  # coordinates are no figures
    assert SECRET not in whole
    for unpaid in (
        SECRET,
        "6.12",
        "0.58",
        "58\u00a0%",
        "0.748",
        "2053",
        "2\N{NARROW NO-BREAK SPACE}053",
        "0.504",
        "0.93",
        "6366",
        "exact result",
        "Everything the owner",
    ):
        assert unpaid not in text, unpaid
    assert "left out" in text and "what leaked" not in text
    assert "2\N{NARROW NO-BREAK SPACE}061" in text, "what was paid for is shown"
    assert "Its content is left out of this copy" in text
    assert SECRET in render(summary)


def test_escapes_every_name(summary: Summary) -> None:
    report = Report(
        NASTY,
        NASTY,
        1.0,
        Measured(0.5, 0.4, 0.6),
        figures={NASTY: 1.0},
        notes=(NASTY,),
        release=NASTY,
        curves={NASTY: ((0.0, 0.0), (0.5, 0.5), (1.0, 1.0)), NASTY + "2": ((5.0, 9.0),)},
    )
    release = {
        "guard": NASTY,
        "value": {NASTY: 3, NASTY * 2: 4},
        "interval": None,
        "receipt": None,
        "guarantee": {"kind": NASTY, "sentence": NASTY},
    }
    one = Released(NASTY, NASTY, release, report, (Utility(NASTY, 1, 2),), exact={NASTY: 2})
    account = Account(
        1, 0, 0.5, 0, NASTY, NASTY, NASTY, ({"guard": NASTY, "purpose": NASTY, "epsilon": 0.5, "sequence": 1},)
    )
    text = render(Summary(NASTY, NASTY, NASTY, (one,), account, NASTY, {NASTY: NASTY}))
    assert "<script" not in text
    asked = {
        "file": NASTY,
        "rows": 2,
        "columns": [{"name": NASTY, "distinct": 2, "missing": 1, "identifies": [NASTY]}],
        "uniqueness": [{"columns": [NASTY], "unique": 0.5}],
        "schema": NASTY,
        "notes": [NASTY],
    }
    assert "<script" not in render_check(asked)


def test_no_releases_and_no_ledger_is_a_page() -> None:
    text = render(Summary("", "", "", (), None, ""))
    assert "0 releases" in text and "No ledger was kept" in text
    assert "None" not in text


def test_first_look_without_findings_is_a_page() -> None:
    assert "No columns" in render_check({})


def test_thousands_of_bins_and_entries_are_cut_and_said(summary: Summary) -> None:
    text = render(only({i: i % 7 for i in range(5000)}))
    assert "The first 60 of 5\N{NARROW NO-BREAK SPACE}000 are drawn" in text
    assert "the first 60" in text
    assert summary.account is not None
    entries = tuple(
        {"sequence": i, "guard": "Count", "purpose": "x", "epsilon": 1e-4, "delta": 0, "priced": True, "when": ""}
        for i in range(3000)
    )
    text = render(replace(summary, account=replace(summary.account, entries=entries)))
    assert "The first 200 of 3\N{NARROW NO-BREAK SPACE}000 entries" in text
    assert len(text) < 2_000_000


def test_broken_claim_is_said_in_words() -> None:
    text = render(only(None, report=Report("a", "share of people re-identified", 0.2, Measured(0.5, 0.4, 0.6))))
    assert "1 attacked: 1 claim broken" in text
    assert "The claim is broken" in text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (float("inf"), "∞"),
        (float("nan"), "not a number"),
        (-0.5, "−0.5"),
        (12345, "12\u202f345"),
        (True, "True"),
        (10**400, "1"),
        (2.0, "2"),
        (1e-9, "10⁻⁹"),
        (-2.5e-7, "−2.5 × 10⁻⁷"),
    ],
)
def test_numbers_read_well(value: object, shown: str) -> None:
    assert number(value).startswith(shown)


ODD = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=40, phases=[Phase.explicit, Phase.generate])
@given(
    value=ODD
    | st.lists(ODD, max_size=3)
    | st.dictionaries(st.text(max_size=5), ODD | st.lists(ODD, max_size=2), max_size=4),
    interval=ODD
    | st.lists(ODD, max_size=3)
    | st.dictionaries(st.text(max_size=5), st.lists(ODD, max_size=2), max_size=3),
    numbers=st.lists(st.floats() | st.integers(-(10**400), 10**400), min_size=5, max_size=5),
    scale=st.sampled_from(["AUC", "share of people", "ε", ""]),
)
def test_odd_values_give_a_page(value: Any, interval: Any, numbers: list[Any], scale: str) -> None:
    claimed, middle, low, high, figure = numbers
    report = Report(
        "a",
        scale,
        claimed,
        Measured(middle, low, high),
        reach=figure,
        figures={"before": figure, "AUC other": figure},
        curves={"c": ((low, high), (middle, figure))},
    )
    page = only(value, report=report, exact=value, utility=(Utility("u", low, high),))
    one = page.released[0]
    page = replace(page, released=(replace(one, release={**one.release, "interval": interval}),))
    assert render(replace(page, account=Account(claimed, low, middle, high, "", "", ""))).endswith("</html>")
