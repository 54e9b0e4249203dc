"""Homogeneity: what a class tells, against plain counting; and the ceiling that diversity puts on it."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import unseen as un
from unseen.attack import Homogeneity
from unseen.attack.homogeneity import greatest_share
from unseen.core.errors import InvalidRequest
from unseen.core.generalised import Interval, Members
from unseen.core.guarantee import KAnonymity
from unseen.core.privacy_models import Diversity, PrivacyModel
from unseen.core.release import Release
from unseen.report.claims import Report, Verdict

COVERS: Any = {
    "age": {"young": Interval(0, 40), "old": Interval(40, 99, closed=True)},
    "zip": {"town": Members(frozenset({"1", "2"})), "1": Members(frozenset({"1"}))},
}


def release(rows: list[tuple[str, str, str]], k: int = 2) -> Release[Any]:
    frame = pd.DataFrame(rows, columns=["age", "zip", "ill"])
    return Release(frame, None, KAnonymity(k, ("age", "zip")), None, covers=COVERS)


def value(report: Report) -> float:
    assert report.measured is not None
    return report.measured.value


def matching(rows: list[tuple[str, str, str]], age: int, code: str) -> list[str]:
    """The sensitive values of the rows that a person can be, in the plainest words."""
    found = []
    for label, town, ill in rows:
        fits = {"young": age < 40, "old": age >= 40, "*": True}[label]
        if fits and (code in "12" if town == "town" else town in (code, "*")):
            found.append(ill)
    return found


def told(ills: list[str], own: str, ruled_out: int) -> tuple[float, float]:
    """Whether one value is certain, and the chance that the best guess is right, after ruling out others."""
    counts = Counter(ills)
    mine, others = counts.pop(own, 0), sorted(counts.values(), reverse=True)[ruled_out:]
    if mine == 0:
        return 0.0, 0.0
    most = max(others, default=0)
    return float(not others), 1.0 if mine > most else 1 / (1 + others.count(mine)) if mine == most else 0.0


ROWS = st.lists(
    st.tuples(st.sampled_from(["young", "old", "*"]), st.sampled_from(["town", "1", "*"]), st.sampled_from("xyz")),
    min_size=1,
    max_size=12,
)
KNOWN = st.lists(st.tuples(st.integers(0, 99), st.sampled_from("123")), min_size=1, max_size=6)


@given(ROWS, KNOWN, st.lists(st.sampled_from("xyzw"), min_size=6, max_size=6), st.integers(0, 2))
def test_it_learns_what_counting_says(
    rows: list[tuple[str, str, str]], known: list[tuple[int, str]], own: list[str], ruled_out: int
) -> None:
    people, truth = pd.DataFrame(known, columns=["age", "zip"]), own[: len(known)]
    report = Homogeneity(people, "ill", truth=truth, ruled_out=ruled_out).audit(release(rows))
    expected = [told(matching(rows, *one), ill, ruled_out) for one, ill in zip(known, truth, strict=True)]
    assert report.figures["certain"] == pytest.approx(np.mean([certain for certain, _ in expected]))
    assert report.figures["guessed right"] == pytest.approx(np.mean([right for _, right in expected]))
    # Without the owner's truth, each matching row is as likely to be the person's.
    report = Homogeneity(people, "ill", ruled_out=ruled_out).audit(release(rows))
    shares = []
    for one in known:
        ills = matching(rows, *one)
        shares.append(np.mean([told(ills, ill, ruled_out) for ill in ills], axis=0) if ills else (0.0, 0.0))
    assert report.figures["certain"] == pytest.approx(np.mean(shares, axis=0)[0])
    assert report.figures["guessed right"] == pytest.approx(np.mean(shares, axis=0)[1])


@given(st.lists(st.integers(1, 30), min_size=2, max_size=7))
def test_no_value_has_a_greater_share_than_its_entropy_allows(counts: list[int]) -> None:
    share = np.array(counts) / sum(counts)
    diversity = math.exp(-(share * np.log(share)).sum())
    assume(diversity > 1.0001)
    assert share.max() <= greatest_share(diversity, len(counts)) + 1e-9


@given(st.integers(2, 9), st.floats(0.01, 0.99))
def test_the_greatest_share_is_reached(values: int, part: float) -> None:
    most = 1 / values + (1 - 1 / values) * part
    share = np.array([most, *[(1 - most) / (values - 1)] * (values - 1)])
    diversity = math.exp(-(share * np.log(share)).sum())
    assume(diversity > 1.0001)
    assert greatest_share(diversity, values) == pytest.approx(most, abs=1e-6)


def people_of(rows: list[tuple[str, str, str]]) -> tuple[pd.DataFrame, list[str]]:
    ages = {"young": 20, "old": 60}
    return pd.DataFrame([(ages[age], "1") for age, _, _ in rows], columns=["age", "zip"]), [ill for *_, ill in rows]


DIVERSE = [("young", "town", ill) for ill in "xyz" * 20] + [("old", "town", ill) for ill in "yzx" * 20]
ALIKE = [("young", "town", "x")] * 60 + [("old", "town", "y")] * 60


def test_k_rows_of_one_value_hide_nothing_and_k_anonymity_claims_nothing_about_it() -> None:
    people, truth = people_of(ALIKE)
    report = Homogeneity(people, "ill", truth=truth).audit(release(ALIKE, k=60))
    assert value(report) == 1 and report.verdict is Verdict.NO_CLAIM
    assert report.figures["least distinct values of a class"] == 1
    diverse, truth = people_of(DIVERSE)
    assert value(Homogeneity(diverse, "ill", truth=truth).audit(release(DIVERSE))) == 0


@pytest.mark.parametrize("with_truth", [True, False])
@pytest.mark.parametrize(
    ("claim", "claimed"), [({"distinct_l": 3}, 0.0), ({"entropy_l": 2.9}, greatest_share(2.9, 3))], ids=str
)
def test_a_claim_of_diversity_is_broken_by_classes_of_one_value_and_holds_where_it_is_true(
    claim: dict[str, Any], claimed: float, with_truth: bool
) -> None:
    for rows, verdict in ((DIVERSE, Verdict.HOLDS), (ALIKE, Verdict.BROKEN)):
        people, truth = people_of(rows)
        attack = Homogeneity(people, "ill", truth=truth if with_truth else None, **claim)
        report = attack.audit(release([*rows, ("*", "3", "z")]))  # a class of its own, which nobody here is in
        assert report.verdict is verdict and report.claimed == claimed


def test_ruling_out_takes_one_value_less_than_l() -> None:
    people, truth = people_of(DIVERSE)
    reports = [
        Homogeneity(people, "ill", truth=truth, ruled_out=known, distinct_l=3).audit(release(DIVERSE))
        for known in (0, 1, 2)
    ]
    assert [value(report) for report in reports] == [0, 0, 1]
    assert [report.verdict for report in reports] == [Verdict.HOLDS, Verdict.HOLDS, Verdict.NO_CLAIM]


def test_one_class_that_lacks_its_diversity_breaks_the_claim_however_good_the_others_are() -> None:
    people, truth = people_of(DIVERSE)
    people.loc[0, "zip"] = "3"
    report = Homogeneity(people, "ill", truth=truth, entropy_l=2.5).audit(release([*DIVERSE, ("*", "3", "x")]))
    assert report.verdict is Verdict.BROKEN and "less diversity" in " ".join(report.notes)


def test_a_file_is_read_and_a_table_that_nobody_matches_confirms_nothing(tmp_path: Path) -> None:
    people, truth = people_of(ALIKE)
    people.to_csv(tmp_path / "people.csv", index=False)
    attack = Homogeneity(str(tmp_path / "people.csv"), "ill", truth=truth, columns=["age", "zip"])
    assert value(attack.audit(release(ALIKE))) == 1
    strangers = Homogeneity(people.assign(zip="7"), "ill", truth=truth, distinct_l=2)
    assert strangers.audit(release(ALIKE)).verdict is Verdict.INCONCLUSIVE


def promising(rows: list[tuple[str, str, str]], *models: PrivacyModel, rows_per_unit: int = 1) -> Release[Any]:
    frame = pd.DataFrame(rows, columns=["age", "zip", "ill"])
    return Release(frame, None, KAnonymity(2, ("age", "zip"), None, models, rows_per_unit), None, covers=COVERS)


DISTINCT, EVEN = Diversity("three values", "", "ill", 3), Diversity("as uncertain as 2.9", "", "ill", 3, 2.9)


@pytest.mark.parametrize("l", [3, un.deid.EntropyDiversity(2.9)], ids=str)
def test_what_is_claimed_is_what_the_release_itself_promises(l: Any) -> None:  # noqa: E741
    frame = pd.DataFrame({"age": np.arange(300) % 100, "ill": list("xyz") * 100})
    hierarchies = {"age": un.deid.Hierarchy.intervals(0, 100, widths=[10, 50])}
    made = un.deid.KAnonymize(3, ["age"], hierarchies=hierarchies, l=l, sensitive="ill").release(frame)
    report = Homogeneity(frame[["age"]], "ill").audit(made)
    assert report.claimed == (0 if l == 3 else greatest_share(2.9, 3)) and report.verdict is Verdict.HOLDS
    assert Homogeneity(frame[["age"]], "ill", ruled_out=1).audit(made).claimed == 0
    assert Homogeneity(frame[["age"]], "ill", ruled_out=2).audit(made).claimed is None


@pytest.mark.parametrize("claim", [{"distinct_l": 3}, {"entropy_l": 2.9}, {}], ids=str)
@pytest.mark.parametrize("model", [DISTINCT, EVEN], ids=["distinct", "entropy"])
def test_who_knows_less_than_the_claim_is_about_cannot_confirm_it(claim: dict[str, Any], model: Diversity) -> None:
    people, truth = people_of(DIVERSE)
    for known, verdict in ((["age"], Verdict.INCONCLUSIVE), (["age", "zip"], Verdict.HOLDS)):
        report = Homogeneity(people[known], "ill", truth=truth, **claim).audit(promising(DIVERSE, model))
        assert report.verdict is verdict and ("cannot confirm" in " ".join(report.notes)) == (known == ["age"])
    alike, truth = people_of(ALIKE)  # but they may refute it
    claim = dict.fromkeys(claim, 2)
    assert Homogeneity(alike[["age"]], "ill", truth, **claim).audit(promising(ALIKE, model)).verdict is Verdict.BROKEN


@pytest.mark.parametrize("claim", [{"distinct_l": 3}, {"entropy_l": 2.9}, {}], ids=str)
def test_nothing_is_claimed_against_who_knows_more_than_the_quasi_identifiers(claim: dict[str, Any]) -> None:
    people, truth = people_of(DIVERSE)
    table = promising(DIVERSE, DISTINCT, EVEN)
    wide = replace(table, value=table.value.assign(job=range(len(DIVERSE))))
    attack = Homogeneity(people.assign(job=range(len(DIVERSE))), "ill", truth, ["age", "zip", "job"], **claim)
    report = attack.audit(wide)
    assert report.figures["certain"] == 1 and report.claimed is None and report.verdict is Verdict.NO_CLAIM
    assert "promises nothing against who also knows 'job'" in " ".join(report.notes)
    assert "less diversity" not in " ".join(report.notes)


def entropy_l(ills: list[str]) -> float:
    """The entropy diversity of a class."""
    share = np.array(list(Counter(ills).values())) / len(ills)
    return math.exp(-(share * np.log(share)).sum())


DIVERSE_CLASSES = st.dictionaries(
    st.tuples(st.sampled_from(["young", "old", "*"]), st.sampled_from(["town", "1", "*"])),
    st.lists(st.sampled_from("xyz"), min_size=2, max_size=9).filter(lambda ills: len(set(ills)) > 1),
    min_size=1,
)


@given(DIVERSE_CLASSES, st.integers(0, 11), st.booleans(), st.booleans())
def test_no_choice_of_people_breaks_a_claim_of_entropy_that_is_true(
    classes: dict[tuple[str, str], list[str]], chosen: int, with_truth: bool, both: bool
) -> None:
    """Everybody with one value, 1,000 times over: their own values are all guessed right where it is the likeliest."""
    found = min(map(entropy_l, classes.values()))
    rows = [(*one, ill) for one, ills in classes.items() for ill in ills]
    age, _, ill = rows[chosen % len(rows)]
    people = pd.DataFrame({"age": [{"young": 20, "old": 60, "*": 20}[age]] * 1000, "zip": ["1"] * 1000})
    known = people if both else people[["age"]]
    for l in (None, min(found, len({row[-1] for row in rows}))):  # noqa: E741
        table = promising(rows) if l else promising(rows, Diversity("even", "", "ill", math.ceil(found - 1e-9), found))
        report = Homogeneity(known, "ill", truth=[ill] * 1000 if with_truth else None, entropy_l=l).audit(table)
        assert report.claimed is not None and report.verdict is not Verdict.BROKEN
    assert "without regard to the value" in " ".join(report.notes)


def test_people_with_flu_alone_do_not_break_what_holds_of_their_class() -> None:
    rows = [("young", "town", ill) for ill in "xxyz" * 30]
    people, _ = people_of([row for row in rows if row[-1] == "x"])
    table = promising(rows, Diversity("even", "", "ill", 3, 2.8))
    report = Homogeneity(people, "ill", truth=["x"] * len(people)).audit(table)
    assert report.figures["guessed right"] == 1 and value(report) == 0.5 and report.verdict is Verdict.HOLDS


def test_a_unit_of_several_rows_weighs_as_its_promise_says() -> None:
    """Three units, one value each, of which one has six rows: even by units, and most rows are of one value."""
    rows = [("young", "town", ill) for ill in "xxxxxxyz" * 50]
    people, truth = people_of(rows)
    for rows_per_unit, verdict in ((6, Verdict.HOLDS), (1, Verdict.BROKEN)):
        report = Homogeneity(people, "ill", truth).audit(promising(rows, EVEN, rows_per_unit=rows_per_unit))
        assert value(report) == 0.75 and report.verdict is verdict
        assert ("less diversity" in " ".join(report.notes)) == (rows_per_unit == 1)


PEOPLE = pd.DataFrame({"age": [20], "zip": ["1"]})


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Homogeneity("nowhere.csv", "ill"), "no such file"),
        (lambda: Homogeneity(PEOPLE, ""), "the name of a released column"),
        (lambda: Homogeneity(PEOPLE, "ill", columns="age"), "distinct column names"),
        (lambda: Homogeneity(PEOPLE, "ill", columns=["ill"]), "other than 'ill'"),
        (lambda: Homogeneity(PEOPLE, "ill", ruled_out=-1), "ruled_out"),
        (lambda: Homogeneity(PEOPLE, "ill", distinct_l=1), "distinct_l"),
        (lambda: Homogeneity(PEOPLE, "ill", entropy_l=1), "entropy_l"),
        (lambda: Homogeneity(PEOPLE, "ill", entropy_l=2, distinct_l=2), "entropy_l alone"),
        (lambda: Homogeneity(PEOPLE, "ill", entropy_l=2, ruled_out=1), "entropy_l alone"),
        (lambda: Homogeneity(PEOPLE, "pay").audit(release(ALIKE)), "the release lacks 'pay'"),
        (lambda: Homogeneity(PEOPLE, "ill", columns=["sex"]).audit(release(ALIKE)), "auxiliary lacks 'sex'"),
        (lambda: Homogeneity(PEOPLE.head(0), "ill").audit(release(ALIKE)), "no people"),
        (lambda: Homogeneity(PEOPLE, "ill", truth=["x", "y"]).audit(release(ALIKE)), "2 entries"),
        (lambda: Homogeneity(PEOPLE, "ill", distinct_l=4).audit(release(ALIKE)), "2 sensitive values"),
        (lambda: Homogeneity(PEOPLE, "n").audit(pd.DataFrame({"age": range(501), "n": range(501)})), "at most 500"),
    ],
)
def test_bad_requests_say_what_is_allowed(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        make()
