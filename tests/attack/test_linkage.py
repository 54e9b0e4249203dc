"""Linkage finds whom it can find: against brute force, a table that leaks, and one that does not."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from unseen.attack import Linkage
from unseen.attack import correspondence as pairs
from unseen.attack import matching as module
from unseen.attack.matching import Column, Matching
from unseen.core.errors import InvalidRequest
from unseen.core.generalised import Anything, Interval, Members, Period, Prefix
from unseen.core.guarantee import KAnonymity
from unseen.core.release import Release
from unseen.deid import Hierarchy
from unseen.report.claims import Verdict

AGE = {"20-29": Interval(20, 30), "30+": Interval(30, 99, closed=True), "any": Anything()}
ZIP = {"02***": Prefix("02"), "021**": Prefix("021"), "coast": Members(frozenset({"02139", "90210", "27"}))}


def release(frame: Any, k: int | None = 5, covers: Any = None, columns: tuple[str, ...] = ("age", "zip")) -> Any:
    guarantee: Any = KAnonymity(k, columns) if k else None
    return Release(frame, None, guarantee, None, covers=covers)


def covered(cover: Any, value: Any) -> bool:
    """What each kind of cover says, without its own code."""
    if isinstance(cover, Interval):
        try:
            number = float(value)
        except ValueError:
            return False
        return cover.low <= number < cover.high or (cover.closed and number == cover.high)
    if isinstance(cover, Prefix):
        code = value if isinstance(value, str) else f"{value or 0:05}"  # a reader of types lost its leading zeros
        return code[: len(cover.start)] == cover.start
    assert isinstance(cover, Members)
    return any(str(value) == one or (isinstance(value, float) and f"{value:.0f}" == one) for one in cover.values)


def can_be(label: Any, value: Any, covers: dict[str, Any]) -> bool:
    """The rule in its plainest words."""
    missing = value is None or value != value
    if label == "*" or isinstance(covers.get(label), Anything):
        return True
    if label is None or missing:
        return label is None and missing
    if label in covers:
        return covered(covers[label], value)
    try:
        return float(label) == float(value)
    except ValueError:
        return str(label) == str(value)


ages = st.sampled_from([20, 27.0, "27", "30", 99, 99.5, None, float("nan"), "x", ""])
zips = st.sampled_from(["02139", "02142", "90210", "0", 27, None])


@given(
    st.lists(st.tuples(ages, zips), min_size=1, max_size=12),
    st.lists(
        st.tuples(
            st.sampled_from([*AGE, "*", 27, "27.0", None, "x"]),
            st.sampled_from([*ZIP, "*", "02139", "90210", None, 27.0]),
        ),
        max_size=12,
    ),
    st.booleans(),
)
def test_matching_rows_are_those_of_brute_force(people: Any, rows: Any, uncached: bool) -> None:
    covers: tuple[dict[str, Any], ...] = (AGE, ZIP)
    columns = [Column([r[i] for r in rows], [p[i] for p in people], covers[i]) for i in (0, 1)]
    with pytest.MonkeyPatch.context() as patch:
        if uncached:
            patch.setattr(module, "_CACHED", 0)
            patch.setattr(module, "_CLASSES", 2)
            patch.setattr(module, "_PEOPLE", 8)
        matching = Matching(columns)
    expected = np.array([[all(map(can_be, row, person, covers)) for row in rows] for person in people]).reshape(
        len(people), len(rows)
    )
    assert matching.sizes.tolist() == expected.sum(axis=1).tolist()
    who, row = (a.ravel() for a in np.indices(expected.shape))
    assert (matching.contains(who, row) == expected.ravel()).all()


def test_a_raw_table_of_unique_people_gives_them_all_away() -> None:
    raw = pd.DataFrame({"age": range(500), "zip": [f"{i % 7:05}" for i in range(500)]})
    shuffled = np.random.default_rng(1).permutation(500)
    found = Linkage(raw, truth=np.argsort(shuffled)).audit(release(raw.iloc[shuffled]))
    assert found.measured is not None and found.measured.value == 1 and found.verdict is Verdict.BROKEN
    assert found.figures["matched to one row only"] == 1
    assert found.curves["class size"] == ((1.0, 500.0),)


def test_a_wrong_correspondence_finds_nobody() -> None:
    raw = pd.DataFrame({"age": range(500)})
    found = Linkage(raw, truth=(np.arange(500) + 1) % 500).audit(raw)
    assert found.measured is not None and found.measured.value == 0 and found.figures["expected share"] == 0


def test_a_suppressed_table_leaves_a_blind_guess() -> None:
    raw = pd.DataFrame({"age": range(400), "zip": range(400)})
    hidden = pd.DataFrame({"age": ["*"] * 400, "zip": ["*"] * 400})
    for truth in (None, np.arange(400)):
        found = Linkage(raw, truth=truth, seed=3).audit(release(hidden))
        assert found.figures["expected share"] == pytest.approx(1 / 400)
        assert found.measured is not None and found.measured.low <= 1 / 400 <= found.measured.high
        assert found.verdict is Verdict.HOLDS


def test_people_who_are_not_released_count_and_are_never_found() -> None:
    raw = pd.DataFrame({"age": [1, 2, 3, 4]})
    found = Linkage(raw, truth=[0, 1, -1, -1]).audit(raw)
    assert found.measured is not None and found.measured.value == 0.5
    assert "2 of 4 people are not in the release" in " ".join(found.notes)


def test_without_the_correspondence_the_rate_is_called_expected() -> None:
    raw = pd.DataFrame({"age": [1, 1, 2, 3]})
    found = Linkage(pd.DataFrame({"age": [1, 2, 9]})).audit(raw)
    assert found.measured is not None and found.measured.value == pytest.approx(0.5)
    assert found.scale.startswith("expected") and found.figures["matched to no row"] == pytest.approx(1 / 3)
    assert "assumes that everybody who matches is in the release" in " ".join(found.notes)


@pytest.mark.statistical
def test_tight_classes_of_k_are_no_false_alarm(proof_runs: Callable[[int, int], int]) -> None:
    """Never a false alarm: the exact expectation lies in the interval. Power: with classes of k - 2 all are caught."""
    for _ in range(proof_runs(20, 500)):
        people = pd.DataFrame({"age": np.arange(2000)})
        for size, verdict in ((5, Verdict.HOLDS), (3, Verdict.BROKEN)):
            ages = np.arange(2000) // size
            covers = {"age": {str(a): Interval(a * size, a * size + size) for a in range(2000)}}
            table = pd.DataFrame({"age": ages.astype(str)})
            found = Linkage(people, truth=np.arange(2000)).audit(release(table, covers=covers, columns=("age",)))
            assert found.verdict is verdict


@pytest.mark.statistical
def test_guesses_hit_as_often_as_classes_say(proof_runs: Callable[[int, int], int]) -> None:
    """False alarm 2e-6; power: a guess that is off by one in 30 (0.2 against 0.207) is seen in the full count."""
    people = proof_runs(20_000, 2_000_000)
    frame = pl.DataFrame({"age": np.arange(people) // 5})
    found = Linkage(frame, truth=np.arange(people)).audit(frame)
    assert found.measured is not None
    hits = round(found.measured.value * people)
    assert binom.ppf(1e-6, people, 0.2) <= hits <= binom.ppf(1 - 1e-6, people, 0.2)


def test_files_keep_leading_zeros_and_numbers_match_texts(tmp_path: Path) -> None:
    voters = tmp_path / "wähler.csv"
    voters.write_text("name,age,zip\nAnn,27,02139\nBob,30,02142\n", encoding="utf-8")
    table = pl.DataFrame({"age": ["20-29", "30+"], "zip": ["02139", "02142"], "ill": ["no", "yes"]})
    found = Linkage(voters, truth=[0, 1]).audit(release(table, covers={"age": AGE, "zip": ZIP}))
    assert found.measured is not None and found.measured.value == 1
    bare = Linkage(str(voters)).audit(pd.DataFrame({"age": [27.0, 30.0], "zip": ["02139", "02142"]}))
    assert bare.measured is not None and bare.measured.value == 1 and bare.verdict is Verdict.NO_CLAIM
    pl.DataFrame({"age": [27, 30]}).write_parquet(tmp_path / "a.parquet")
    again = Linkage(tmp_path / "a.parquet").audit(voters)
    assert again.measured is not None and again.measured.value == 1


def test_a_reader_that_lost_leading_zeros_weakens_nothing() -> None:
    table = pl.DataFrame({"zip": ["02***", "90***"]})
    covers = {"zip": {"02***": Prefix("02"), "90***": Prefix("90")}}
    for voters in (pd.DataFrame({"zip": [2139, 90210]}), pd.DataFrame({"zip": [2139.0, 90210.0]})):
        found = Linkage(voters, truth=[0, 1]).audit(release(table, covers=covers))
        assert found.measured is not None and found.measured.value == 1


def test_an_attack_that_fits_nobody_confirms_nothing() -> None:
    table, strange = pl.DataFrame({"age": [1, 2] * 50}), pl.DataFrame({"age": ["one", "two"] * 50})
    for truth in (None, np.arange(100)):
        found = Linkage(strange, truth=truth).audit(release(table, columns=("age",)))
        assert found.verdict is Verdict.INCONCLUSIVE and "confirms nothing" in " ".join(found.notes)


def test_an_adversary_weaker_or_stronger_than_the_claim_confirms_nothing() -> None:
    hidden = pd.DataFrame({"age": ["*"] * 100, "zip": ["*"] * 100, "ill": range(100)})
    people = pd.DataFrame({"age": range(100), "ill": range(100)})
    assert Linkage(people).audit(release(hidden)).verdict is Verdict.INCONCLUSIVE
    beyond = Linkage(people, columns=["age", "ill"]).audit(release(hidden))
    assert beyond.verdict is Verdict.NO_CLAIM and "promises nothing" in " ".join(beyond.notes)


def test_a_release_of_no_rows_gives_nobody_away() -> None:
    empty = pl.DataFrame({"age": []}, schema={"age": pl.String})
    found = Linkage(pl.DataFrame({"age": [1, 2]}), truth=[-1, -1]).audit(release(empty, columns=("age",)))
    assert found.measured is not None and found.measured.value == 0


@pytest.mark.parametrize("hierarchy", [Hierarchy.flat(range(2**60, 2**60 + 100)), None], ids=["flat", "intervals"])
def test_whole_numbers_that_no_double_tells_apart_are_matched_exactly(hierarchy: Any) -> None:
    numbers = list(range(2**60, 2**60 + 100))
    found = hierarchy or Hierarchy.intervals(0, 2.0**61, widths=[2.0**60])
    table = pd.DataFrame({"age": numbers})
    made = release(table, 5, {"age": found.covers(0, numbers)}, ("age",))
    for truth in (None, np.arange(100)):
        report = Linkage(table, truth=truth).audit(made)
        assert report.measured is not None and report.measured.value == 1 and report.verdict is Verdict.BROKEN
    texts = Linkage(table.astype(str)).audit(made)
    assert texts.measured is not None and texts.measured.value == 1


def test_any_row_of_a_person_who_has_several_is_a_right_guess() -> None:
    """96 rows of one unit in a class of five units: the guess succeeds with .96, as the promise about units says."""
    table = pd.DataFrame({"age": ["20-29"] * 100, "zip": ["02***"] * 100})
    people = pd.DataFrame({"age": [25] * 5, "zip": ["02139"] * 5})
    rows: list[Any] = [list(range(96)), [96], np.array([97]), 98, (99,)]
    covers = {"age": AGE, "zip": ZIP}
    found = Linkage(people, truth=rows).audit(release(table, covers=covers))
    assert found.figures["expected share"] == pytest.approx((0.96 + 4 * 0.01) / 5)
    every = Linkage(people.iloc[[0] * 400], truth=[rows[0]] * 400)
    assert every.audit(release(table, covers=covers)).verdict is Verdict.BROKEN
    honest = Release(table, None, KAnonymity(5, ("age", "zip"), "person", (), 96), None, covers=covers)
    report = every.audit(honest)
    assert report.claimed == 0.96 == report.figures["expected share"] and report.verdict is Verdict.HOLDS
    assert Linkage(people.iloc[[0] * 400]).audit(honest).verdict is Verdict.INCONCLUSIVE  # it counts one row each


persons = st.lists(st.sampled_from("abc"), min_size=1, max_size=6)


@given(persons, st.lists(st.tuples(st.integers(0, 2), st.sampled_from("abc")), min_size=1, max_size=12), st.data())
def test_the_expected_share_counts_each_persons_own_rows(people: list[str], rows: Any, data: Any) -> None:
    own = data.draw(st.lists(st.sets(st.integers(0, len(rows) - 1)), min_size=len(people), max_size=len(people)))
    truth = [[*one, *one] or [-1] for one in map(sorted, own)]  # a row named twice is one row
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "PAIRS", data.draw(st.integers(1, 9)))
        table = pd.DataFrame(rows, columns=["n", "name"])
        found = Linkage(pd.DataFrame({"name": people}), truth=truth).audit(table)
    expected = 0.0
    for person, mine in zip(people, own, strict=True):
        fits = {index for index, (_, name) in enumerate(rows) if name == person}
        expected += len(fits & mine) / len(fits) / len(people) if fits else 0
    assert found.figures["expected share"] == pytest.approx(expected)
    assert f"{sum(not one for one in own)} of {len(people)} people are not" in " ".join(found.notes)


def test_stamps_with_a_time_zone_match_what_is_told_of_their_local_time() -> None:
    stamps = pd.date_range("2024-01-31 20:00", periods=40, freq="6h", tz="America/New_York")
    people = pd.DataFrame({"age": stamps})
    months = {"2024-01": Period("2024-01-01", "2024-01-31"), "2024-02": Period("2024-02-01", "2024-02-29")}
    table = pd.DataFrame({"age": stamps.strftime("%Y-%m")})
    found = Linkage(people, truth=np.arange(40)).audit(release(table, covers={"age": months}, columns=("age",)))
    assert found.figures["matched to no row"] == 0 and found.figures["expected share"] == pytest.approx(2 / 40)
    for told in (stamps.tz_localize(None), stamps.tz_localize(None).astype(str)):
        again = Linkage(people, truth=np.arange(40)).audit(pd.DataFrame({"age": told}))
        assert again.figures["expected share"] == 1


FRAME = pd.DataFrame({"age": [1, 2]})


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Linkage("nowhere.csv"), "no such file"),
        (lambda: Linkage("nowhere.xyz"), "ends in"),
        (lambda: Linkage(3), "int was given"),
        (lambda: Linkage(FRAME, seed=-1), "seed"),
        (lambda: Linkage(FRAME, truth=[0, float("nan")]), "whole numbers"),
        (lambda: Linkage(FRAME, truth=[0.5, 1]), "whole numbers"),
        (lambda: Linkage(FRAME, truth=[[0], [0.5]]), "whole numbers"),
        (lambda: Linkage(FRAME, truth=[[0], ["x"]]), "whole numbers"),
        (lambda: Linkage(FRAME, truth=[[0], [[1], 2]]), "whole numbers"),
        (lambda: Linkage(FRAME, truth="01"), "whole numbers"),
        (lambda: Linkage(FRAME, truth=[[0], [0, 2]]).audit(FRAME), "rows 0 to 2"),
        (lambda: Linkage(FRAME, truth=[[0], [1], []]).audit(FRAME), "3 entries"),
        (lambda: Linkage(FRAME, truth=[0]).audit(FRAME), "1 entries"),
        (lambda: Linkage(FRAME, truth=[0, 2]).audit(FRAME), "rows 0 to 2"),
        (lambda: Linkage(FRAME, columns="age"), "distinct column names"),
        (lambda: Linkage(FRAME, columns=["zip"]).audit(FRAME), "lacks 'zip'"),
        (lambda: Linkage(FRAME).audit(pd.DataFrame({"zip": [1]})), "at least one of"),
        (lambda: Linkage(FRAME.head(0)).audit(FRAME), "no people"),
        (lambda: Linkage(FRAME).audit(release(3.0)), "the release's value of type float"),
    ],
)
def test_bad_requests_say_what_is_allowed(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        make()
