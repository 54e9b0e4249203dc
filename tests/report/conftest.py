"""A report as the main job makes it, and a first look at a file, for the tests of the pages."""
# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: E501

from __future__ import annotations

import math
from typing import Any

import pytest

from unseen.core.guarantee import DP, Guarantee, KAnonymity
from unseen.core.release import Receipt, Release
from unseen.report.claims import Measured, Report
from unseen.report.summary import Account, Released, Summary, Utility

LEFT = {1: 3.0, 2: 2.8, 3: 2.4, 4: 2.0, 5: 1.5}
SECRET = "only-the-owner-may-read-this"


def _release(place: int, value: Any, interval: Any, guarantee: Guarantee, guard: str) -> dict[str, Any]:
    epsilon = guarantee.epsilon if isinstance(guarantee, DP) else 0.0
    delta = guarantee.delta if isinstance(guarantee, DP) else 0.0
    receipt = Receipt(
        "a1b2c3",
        place,
        "5e884898da28047151d0e56f8dc62927" * 2,
        epsilon,
        delta,
        LEFT[place],
        9e-7 if place == 5 else 1e-6,
        place - 1,
        place,
        "2026-11-22T04:24:00Z",
    )
    return Release(value, interval, guarantee, receipt, guard).to_dict()


def _phi(x: float) -> float:
    return 0.5 * (1 + math.erf(x / math.sqrt(2)))


def _roc(shift: float) -> tuple[tuple[float, float], ...]:
    thresholds = [4 - 8 * i / 400 for i in range(401)]
    return ((0.0, 0.0), *((1 - _phi(t), 1 - _phi(t - shift)) for t in thresholds), (1.0, 1.0))


@pytest.fixture
def summary() -> Summary:
    def dp(epsilon: float, delta: float = 0.0, caveats: tuple[str, ...] = ()) -> DP:
        return DP(epsilon, delta, unit="respondent", caveats=caveats)

    table = Released(
        "table",
        "The survey of 6 366 respondents as a table, generalised until five look alike",
        _release(
            1,
            {
                "age": ["[20, 30)", "[30, 40)", "[20, 30)", SECRET],
                "children": ["0–1", "2–5", "0–1", "0–1"],
                "religious": ["mildly", "strongly", "not", "mildly"],
                "education": ["college", "graduate", "college", "school"],
                "occupation": ["white-collar", "*", "teacher", "*"],
                "affair": ["no", "yes", "no", "no"],
            },
            None,
            KAnonymity(5, ("age", "children", "religious", "education", "occupation"), "respondent"),
            "KAnonymize",
        ),
        Report(
            "Linkage: knows every quasi-identifier of the people it looks for",
            "share of people re-identified",
            0.2,
            Measured(0.0612, 0.0556, 0.0674),
            reach=0.57,
            figures={"before protection": 0.58, "people": 6366, "classes": 412, "share suppressed": 0.031},
            notes=("The adversary guesses once, at random, in the class that fits.",),
            release="table",
            curves={
                "class size": tuple(
                    (s, round(900 / math.sqrt(s))) for s in (5, 6, 7, 9, 12, 15, 20, 31, 44, 70, 120, 260)
                )
            },
        ),
        (Utility("information kept (1 − loss)", 0.61, 1.0),),
    )
    count = Released(
        "how many answered",
        "How many respondents had an affair",
        _release(2, 2061, [2042, 2080], dp(0.2), "Count"),
        Report(
            "Distinguish two neighbouring tables",
            "ε that the answers reveal (lower bound)",
            0.2,
            Measured(0.162, 0.131, 0.194),
            reach=4.1,
            figures={"runs": 20000.0},
            notes=("Two generated tables that differ in one respondent.",),
            release="how many answered",
        ),
        exact=2053,
    )
    rated = {"very poor": 0.69, "poor": 0.61, "fair": 0.47, "good": 0.34, "very good": 0.22}
    mean = Released(
        "affairs by marriage",
        "The share who had an affair, by how they rate their marriage",
        _release(3, rated, {k: [v - 0.02, v + 0.02] for k, v in rated.items()}, dp(0.4), "Mean"),
        Report(
            "Distinguish two neighbouring tables",
            "ε that the answers reveal (lower bound)",
            0.4,
            Measured(0.21, 0.15, 0.28),
            reach=0.35,
            release="affairs by marriage",
        ),
        exact={k: v + 0.007 for k, v in rated.items()},
    )
    ages = {"17–22": 139, "22–27": 1800, "27–32": 1931, "32–37": 1069, "37–42": 634, "42 and over": 793}
    histogram = Released(
        "ages",
        "How old the respondents are",
        _release(4, ages, {k: [v - 15, v + 15] for k, v in ages.items()}, dp(0.4), "Histogram"),
        Report("", "", None, None, release="ages"),
        exact={k: v + 6 for k, v in ages.items()},
    )
    model = Released(
        "model",
        "A classifier that predicts whether somebody had an affair",
        _release(5, None, None, dp(0.5, 1e-7, ("floating-point gaps in the gradients’ noise",)), "Classifier"),
        Report(
            "Membership inference by loss threshold",
            "AUC of telling members from non-members",
            0.6225,
            Measured(0.504, 0.487, 0.521),
            reach=0.91,
            figures={
                "AUC trained alike without DP": 0.53,
                "AUC memorises (known to leak)": 0.93,
                "TPR at 1 % FPR": 0.012,
                "members": 3183,
                "non-members": 3183,
            },
            notes=("Non-members were drawn at random.",),
            release="model",
            curves={
                "this model": _roc(0.01),
                "trained alike without DP": _roc(0.11),
                "memorises (known to leak)": _roc(2.1),
            },
        ),
        (Utility("AUC on people not trained on", 0.742, 0.748),),
    )
    names = (
        (1, "KAnonymize", "table", 0.0, 0.0),
        (2, "Count", "how many answered", 0.2, 0.0),
        (3, "Mean", "affairs by marriage", 0.4, 0.0),
        (4, "Histogram", "ages", 0.4, 0.0),
        (5, "Classifier", "model", 0.5, 1e-7),
    )
    entries = tuple(
        {
            "sequence": s,
            "guard": g,
            "purpose": p,
            "epsilon": e,
            "delta": d,
            "priced": e > 0,
            "when": f"2026-11-22T04:24:0{s}Z",
        }
        for s, g, p, e, d in names
    )
    account = Account(
        3.0,
        1e-6,
        1.5,
        9e-7,
        "ε 1.5 and δ 1e-07 spent; ε covers 4 of 5 releases, not: table",
        "respondent",
        "add-or-remove",
        entries,
    )
    return Summary(
        "Affairs: what a survey can tell without telling on anyone",
        "Whether somebody had an affair is as sensitive as data gets. Can its statistics, a table and a model leave safely?",
        "Redbook’s survey of 1974, as statsmodels ships it",
        (table, count, mean, histogram, model),
        account,
        "2026-11-22T04:24:09Z",
        {"unseen": "0.1.0", "opendp": "0.16.0", "dp-accounting": "0.6.0", "torch": "2.13.0", "Python": "3.11.9"},
    )


@pytest.fixture
def check() -> dict[str, Any]:
    kinds = (
        ("age", "number", 74, 0, "quasi-identifier", "Range(…, …)"),
        ("workclass", "category", 8, 1836, "quasi-identifier", "Categorical(…)"),
        ("fnlwgt", "number", 28523, 0, "identifier", "left out"),
        ("education", "category", 16, 0, "quasi-identifier", "Categorical(…)"),
        ("marital-status", "category", 7, 0, "quasi-identifier", "Categorical(…)"),
        ("occupation", "category", 14, 1843, "quasi-identifier", "Categorical(…)"),
        ("race", "category", 5, 0, "sensitive", "Categorical(…)"),
        ("hours-per-week", "number", 96, 0, "plain", "Range(…, …)"),
        ("native-country", "category", 41, 583, "quasi-identifier", "Categorical(…)"),
        ("salary-class", "category", 2, 0, "sensitive", "Categorical(…)"),
    )
    columns = [
        {"name": n, "kind": k, "distinct": d, "missing": m, "role": r, "declare": t, "identifies": []}
        for n, k, d, m, r, t in kinds
    ]
    columns[2]["identifies"] = ["88 % of its values belong to one row alone: it works like an identifier."]
    columns[0]["identifies"] = ["People know it of one another, and registers hold it."]
    everything = [n for n, *_ in kinds if n != "fnlwgt"]
    uniqueness = [
        {"columns": everything[:size], "unique": u, "units": 30162}
        for size, u in ((9, 0.689), (7, 0.412), (5, 0.204), (4, 0.121), (3, 0.061), (2, 0.008))
    ]
    schema = (
        'unit = "…"\n\n[schema]\nage = { range = [ , ] }          # youngest and oldest that you accept\n'
        + "".join(f"{n} = {{ categorical = [ ] }}\n" for n in everything[1:])
    )
    return {
        "file": "adult.csv",
        "rows": 30162,
        "columns": columns,
        "uniqueness": uniqueness,
        "schema": schema,
        "notes": ["No column names the unit of privacy: unit = EachRow() says that every row is another person."],
    }
