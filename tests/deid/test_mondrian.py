"""Mondrian's promises: k units in every class, models hold, no way back, true labels, the same for any order."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import math
import pickle
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

import unseen as un
from unseen.core.errors import DataFault, InvalidRequest
from unseen.deid import Hierarchy, is_k_anonymous
from unseen.deid.models import EntropyDiversity, KMap, TCloseness
from unseen.deid.mondrian.cuts import classes
from unseen.deid.mondrian.guard import Mondrian
from unseen.deid.mondrian.numbers import Numbers, simplest
from unseen.deid.search.problem import Sensitive

ROWS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 4), st.sampled_from([0, 1, 10, 11, 55])), min_size=4, max_size=60
)
FIXED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
QUASI = ["age", "job", "zip"]
COLUMNS = {
    "age": un.Range(0, 40),
    "job": un.Categorical("nurse", "surgeon", "baker", "cook", "clerk"),
    "zip": un.Digits(2),
}
TEXTS = ("job", "zip")


def texts_of(hierarchies: dict[str, Hierarchy]) -> dict[str, Hierarchy]:
    """What a bare table needs: numbers need none."""
    return {name: hierarchies[name] for name in TEXTS}


def known(table: pd.DataFrame) -> set[tuple[Any, ...]]:
    return set(map(tuple, table[QUASI].to_numpy().tolist()))


@FIXED
@given(rows=ROWS, k=st.integers(2, 4), protected=st.booleans())
def test_every_class_has_k_rows_and_each_cell_covers_what_it_came_from(
    rows: Any, k: int, protected: bool, people: Any, hierarchies: Any
) -> None:
    table = people(rows)
    data: Any = table
    if protected:
        columns = {**COLUMNS, "note": un.Categorical(*table["note"])}
        data = un.protect(table, unit=un.EachRow(), columns=columns, quasi_identifiers=QUASI)
    release = Mondrian(k, QUASI, hierarchies=None if protected else texts_of(hierarchies)).release(data)
    value, origin = release.value, release.proof.origin
    assert sorted(origin.tolist()) == list(range(len(table)))
    assert value["note"].tolist() == table["note"].iloc[origin].tolist()
    counted = Counter(map(tuple, value[QUASI].to_numpy().tolist()))
    assert min(counted.values()) >= k
    assert 0 <= release.proof.score <= 1 and release.proof.smallest >= k
    for name in QUASI:
        source = table[name].to_numpy()[origin]
        assert set(value[name].tolist()) <= set(release.covers[name])
        for label, original in zip(value[name].tolist(), source, strict=True):
            assert release.covers[name][label].mask(np.array([original])).all()


@FIXED
@given(rows=ROWS, data=st.data())
def test_equal_rows_stay_together_and_the_order_of_rows_changes_nothing(
    rows: Any, data: st.DataObject, people: Any, hierarchies: Any
) -> None:
    table = people(rows)
    guard = Mondrian(2, QUASI, hierarchies=texts_of(hierarchies))
    one = guard.release(table)
    other = guard.release(table.iloc[data.draw(st.permutations(range(len(rows))))])
    content = [sorted(map(tuple, release.value.to_numpy().tolist())) for release in (one, other)]
    assert content[0] == content[1] and one.covers == other.covers and one.proof.score == other.proof.score
    told = defaultdict(set)
    for original, label in zip(
        table[QUASI].iloc[one.proof.origin].to_numpy().tolist(), one.value[QUASI].to_numpy().tolist(), strict=True
    ):
        told[tuple(original)].add(tuple(label))
    assert all(len(labels) == 1 for labels in told.values())


# --- An oracle: the same rule, row by row ------------------------------------------------------------


def scaled(table: list[tuple[float, ...]]) -> list[tuple[float, ...]]:
    """Each column from 0 to 1."""
    columns = []
    for column in zip(*table, strict=True):
        low, span = min(column), max(column) - min(column)
        columns.append([(value - low) / span if span else 0.0 for value in column])
    return list(zip(*columns, strict=True))


def parted(table: list[tuple[float, ...]], rows: list[int], fine: Callable[[list[int]], bool]) -> list[frozenset[int]]:
    """Strict Mondrian in plain Python: the widest column first, at the more even side of its median, then the other."""
    columns = range(len(table[0]))
    widths = [max(table[row][c] for row in rows) - min(table[row][c] for row in rows) for c in columns]
    for c in sorted(columns, key=lambda c: (-widths[c], c)):
        if widths[c] == 0:
            continue
        values = sorted(table[row][c] for row in rows)
        median = values[(len(values) - 1) // 2]
        halves = [
            ([row for row in rows if side(table[row][c])], [row for row in rows if not side(table[row][c])])
            for side in (lambda v, m=median: v <= m, lambda v, m=median: v < m)
        ]
        halves.sort(key=lambda half: -min(len(half[0]), len(half[1])))
        for left, right in halves:
            if left and right and fine(left) and fine(right):
                return parted(table, left, fine) + parted(table, right, fine)
    return [frozenset(rows)]


def cut_by_us(table: list[tuple[float, ...]], units: list[int], k: int, **others: Any) -> list[frozenset[int]]:
    columns = np.array(table, dtype=np.float64).T
    axes = [Numbers(column, np.arange(len(table)), None) for column in columns]
    found = classes(axes, np.array(units), k, **others)
    assert found is not None
    assert np.bincount(found.of).tolist() == found.sizes.tolist()
    return [frozenset(np.flatnonzero(found.of == at).tolist()) for at in range(len(found.sizes))]


@settings(deadline=None)
@given(
    seed=st.integers(0, 10**6),
    rows=st.sampled_from([1, 2, 7, 32, 33, 70, 200]),
    span=st.sampled_from([1, 2, 5, 60, 100, 256, 300, 512, 5000, 10**6]),
)
def test_a_median_and_its_neighbours_are_those_of_the_sorted_rows(seed: int, rows: int, span: int) -> None:
    from unseen.deid.mondrian.kernel import median

    rng = np.random.default_rng(seed)  # rows and span lead through all three ways to find it
    column = rng.integers(0, span, rows + 2).astype(np.int32)
    inside = sorted(column[1:-1].tolist())
    found = median(
        column,
        1,
        rows + 1,
        inside[0],
        inside[-1],
        np.empty(max(256, 2 * rows), np.int32),
        np.empty(rows + 32, np.int32),
    )
    middle = inside[(rows - 1) // 2]
    below, above = [v for v in inside if v < middle], [v for v in inside if v > middle]
    expected = (middle, len(below), inside.count(middle), max(below, default=-1), min(above, default=-1))
    assert tuple(map(int, found)) == expected


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    rows=st.sampled_from([6, 20, 70, 300, 1500]),
    most=st.sampled_from([1, 3, 40, 5000, 10**7]),
    k=st.integers(2, 5),
    shared=st.booleans(),
)
def test_the_classes_are_those_of_the_rule_written_out(seed: int, rows: int, most: int, k: int, shared: bool) -> None:
    rng = np.random.default_rng(seed)
    table = [tuple(map(float, row)) for row in rng.integers(0, most + 1, (rows, 5)).tolist()]
    units = rng.integers(0, max(k, rows // 2), rows).tolist() if shared else list(range(rows))
    units[:k] = range(k)

    def enough(part: list[int]) -> bool:
        return len({units[row] for row in part}) >= k

    expected = parted(scaled(table), list(range(rows)), enough)
    assert sorted(map(sorted, cut_by_us(table, units, k))) == sorted(map(sorted, expected))


def test_threads_share_the_work_and_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from unseen.deid.mondrian import cuts as mondrian_cuts

    columns = np.random.default_rng(1).integers(0, 1000, (3, 70_000))
    axes = [Numbers(column, np.arange(len(column)), None) for column in columns]
    found = []
    for processors in (1, 3):
        monkeypatch.setattr(mondrian_cuts, "_processors", lambda count=processors: count)
        found.append(classes(axes, np.arange(70_000), 5))
    one, other = found
    assert one is not None and other is not None and one.sizes.min() >= 5 and len(one.sizes) > 5000
    pairs = np.unique(np.stack([one.of, other.of]), axis=1)
    assert pairs.shape[1] == len(one.sizes) == len(other.sizes)


# --- Models ------------------------------------------------------------------------------------------


@FIXED
@given(
    rows=ROWS,
    ill=st.lists(st.sampled_from("abcd"), min_size=60, max_size=60),
    l=st.integers(2, 3),
    t=st.sampled_from([None, 0.2, 0.5]),
)
def test_every_class_is_diverse_and_close(
    rows: Any,
    ill: list[str],
    l: int,  # noqa: E741
    t: float | None,
    people: Any,
    hierarchies: Any,
) -> None:
    table = people(rows).assign(ill=ill[: len(rows)])
    guard = Mondrian(2, QUASI, l=l, t=t, sensitive="ill", hierarchies=texts_of(hierarchies))
    if table["ill"].nunique() < l:
        with pytest.raises(DataFault, match="as one class"):
            guard.release(table)
        return
    value = guard.release(table).value
    everything = Counter(value["ill"])
    for _, part in value.groupby(QUASI):
        counted = Counter(part["ill"])
        assert len(part) >= 2 and len(counted) >= l
        if t is not None:
            moved = sum(abs(counted[v] / len(part) - everything[v] / len(value)) for v in everything) / 2
            assert moved <= t + 1e-6


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**6), rows=st.sampled_from([20, 90]), shared=st.booleans())
def test_with_models_the_classes_are_those_of_the_rule_too(seed: int, rows: int, shared: bool) -> None:
    rng = np.random.default_rng(seed)
    table = [tuple(map(float, row)) for row in rng.integers(0, 50, (rows, 2)).tolist()]
    units = rng.integers(0, rows // 2, rows).tolist() if shared else list(range(rows))
    ill, job = rng.integers(0, 4, rows), rng.integers(0, 3, rows)
    ill[:4], job[:3] = range(4), range(3)

    def counts(part: Iterable[int], values: Any) -> Counter[int]:
        return Counter(value for _, value in {(units[row], int(values[row])) for row in part})

    def fine(part: list[int]) -> bool:
        found = counts(part, ill)
        total = sum(found.values())
        entropy = -sum(c / total * math.log(c / total) for c in found.values())
        jobs, all_jobs = counts(part, job), counts(range(rows), job)
        shares = [jobs[v] / sum(jobs.values()) - all_jobs[v] / sum(all_jobs.values()) for v in all_jobs]
        distinct = len({units[row] for row in part})
        return distinct >= 2 and entropy >= math.log(2) - 1e-9 and sum(map(abs, shares)) / 2 <= 0.4 + 1e-9

    if not fine(list(range(rows))):
        return
    demands = [Sensitive(ill, (EntropyDiversity(2),)), Sensitive(job, (TCloseness(0.4),))]
    expected = parted(scaled(table), list(range(rows)), fine)
    assert sorted(map(sorted, cut_by_us(table, units, 2, demands=demands))) == sorted(map(sorted, expected))


# --- Units, law 7, what leaves -----------------------------------------------------------------------


@FIXED
@given(rows=ROWS, owners=st.lists(st.integers(0, 8), min_size=60, max_size=60), k=st.integers(2, 3))
def test_k_counts_units_and_not_rows(rows: Any, owners: list[int], k: int, people: Any) -> None:
    table = people(rows).assign(person=[f"p{owner}" for owner in owners[: len(rows)]])
    most = int(table["person"].value_counts().max())
    data = un.protect(
        table.assign(witness=table["person"]),
        unit="person",
        columns={**COLUMNS, "witness": un.Categorical(*[f"p{at}" for at in range(9)])},
        quasi_identifiers=QUASI,
        max_rows_per_unit=most,
    )
    if table["person"].nunique() < k:
        with pytest.raises(DataFault):
            Mondrian(k).release(data)
        return
    release = Mondrian(k).release(data)
    assert "person" not in release.value.columns and "note" not in release.value.columns
    assert release.value.groupby(QUASI)["witness"].nunique().min() >= k
    promised = un.KAnonymity(k, tuple(QUASI), "person", rows_per_unit=most)
    assert release.guarantee == promised
    for _, members in release.value.groupby(QUASI):
        assert members["witness"].value_counts(normalize=True).max() <= promised.share + 1e-12


@FIXED
@given(rows=ROWS, k=st.integers(2, 3))
def test_no_table_links_back(rows: Any, k: int, people: Any, hierarchies: Any) -> None:
    table = people(rows)
    release = Mondrian(k, QUASI, hierarchies=texts_of(hierarchies)).release(table)
    truth = np.empty(len(rows), dtype=np.int64)
    truth[release.proof.origin] = np.arange(len(rows))
    report = un.attack.Linkage(table[QUASI], truth=truth).audit(release)
    assert report.claimed == 1 / k
    assert report.figures["expected share"] <= 1 / k + 1e-12
    assert report.figures["matched to no row"] == 0  # a label that no longer covered its own row would hide it


@pytest.mark.statistical
def test_the_place_of_a_row_tells_nothing(proof_runs: Callable[[int, int], int]) -> None:
    """False alarm 1e-6; power: rows in the order of their classes are seen, checked."""
    frame = pd.DataFrame({"age": [30.0 + i for i in range(12)], "mark": np.arange(12)})
    guard = Mondrian(3, ["age"])

    def uniform(release: Callable[[], Any], runs: int) -> bool:
        counts = np.zeros(12)
        for _ in range(runs):
            value = release()
            assert list(value.index) == list(range(12))
            counts[int(np.flatnonzero(value["mark"].to_numpy() == 0)[0])] += 1
        return bool(np.sum((counts - runs / 12) ** 2) / (runs / 12) < chi2.isf(1e-6, 11))

    assert uniform(lambda: guard.release(frame).value, proof_runs(72, 3000))
    assert not uniform(lambda: guard.release(frame).value.sort_values("age", ignore_index=True), 20)


def test_the_proof_does_not_leave(people: Any, hierarchies: Any, tmp_path: Any) -> None:
    table = people([(at % 4, 0, 10) for at in range(40)])
    release = Mondrian(2, QUASI, hierarchies=texts_of(hierarchies)).release(table)
    assert release.proof.classes == 4 and "No median" in release.proof.why
    assert pickle.loads(pickle.dumps(release)).proof is None
    text = json.dumps(release.to_dict()) + release.save(tmp_path / "r.json").read_text()
    assert "origin" not in text and "proof" not in text and "classes" not in text


def test_a_ledger_records_it_uncharged(people: Any, tmp_path: Any) -> None:
    data = un.protect(
        people([(at % 4, 0, 10) for at in range(40)]),
        unit=un.EachRow(),
        columns=COLUMNS,
        quasi_identifiers=QUASI,
        budget=un.DP(1),
        ledger=tmp_path / "people.ledger",
    )
    release = Mondrian(2).release(data)
    assert release.receipt is not None and release.receipt.epsilon == 0 and release.receipt.epsilon_left == 1


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, pa.Table])
def test_the_release_is_of_the_kind_that_went_in(kind: Any, people: Any, hierarchies: Any) -> None:
    table = people([(at, at % 5, 10) for at in range(40)])
    table = table.assign(note=table["note"].astype("category"))
    source = {pd.DataFrame: lambda t: t, pl.DataFrame: pl.from_pandas, pa.Table: pa.Table.from_pandas}[kind](table)
    value = Mondrian(5, QUASI, hierarchies=texts_of(hierarchies)).release(source).value
    assert isinstance(value, kind)
    frame = value if kind is pd.DataFrame else value.to_pandas()
    assert list(frame.columns) == [*QUASI, "note"] and is_k_anonymous(frame, 5, QUASI)
    assert not any(isinstance(dtype, pd.CategoricalDtype) for dtype in frame.dtypes)


# --- Labels ------------------------------------------------------------------------------------------


@given(
    values=st.lists(st.floats(-1e9, 1e9, allow_nan=False), min_size=6, max_size=40, unique=True),
    k=st.integers(2, 3),
)
@settings(deadline=None, max_examples=25)
def test_a_bare_table_s_extremes_are_never_told(values: list[float], k: int) -> None:
    release = Mondrian(k, ["x"]).release(pd.DataFrame({"x": values}))
    told = {end for cover in release.covers["x"].values() for end in cover.to_dict().get("interval", [])}
    assert min(values) not in told
    assert max(values) not in {end for end in told if end is not None}


@settings(deadline=None, max_examples=25)
@given(values=st.lists(st.integers(0, 110), min_size=4, max_size=60), k=st.integers(2, 3))
def test_regions_of_a_declared_range_leave_no_gap(values: list[int], k: int) -> None:
    data = un.protect(
        pd.DataFrame({"x": values}), unit=un.EachRow(), columns={"x": un.Range(0, 110)}, quasi_identifiers=["x"]
    )
    release = Mondrian(k).release(data)
    covers = release.covers["x"].values()
    if any(
        cover.to_dict().get("interval", [0, 1])[0] == cover.to_dict().get("interval", [0, 1])[1] for cover in covers
    ):
        return  # a value that a class shares is told as it is
    ends = [end for cover in covers for end in cover.to_dict().get("interval", [])]
    at = np.array([*np.arange(0, 110.5, 0.5), *np.nextafter(ends, 55)])
    assert (sum(cover.mask(at).astype(int) for cover in covers) == 1).all()


@given(
    below=st.floats(-1e12, 1e12, allow_nan=False),
    gap=st.one_of(st.floats(1e-6, 1e9), st.integers(1, 10**6).map(float)),
)
def test_an_edge_is_the_number_with_the_fewest_digits(below: float, gap: float) -> None:
    above = below + gap
    if not below < above:
        return
    found = float(simplest(np.array([below]), np.array([above]))[0])
    assert below < found <= above
    low, high, edge = (Fraction(repr(number)) for number in (below, above, found))
    power = next((p for p in range(15, -9, -1) if edge % Fraction(10) ** p == 0), -9)
    for coarser in range(power + 1, 16):  # no multiple of a greater power of ten lies between
        scale = Fraction(10) ** coarser
        assert high // scale * scale <= low


def test_labels_read_well() -> None:
    table = pd.DataFrame({
        "age": [21, 22, 23, 24, 61, 62, 63, 64],
        "zip": ["10115", "10117", "10119", "10178", "20095", "20097", "20099", "20144"],
        "job": ["nurse", "cook", "surgeon", "baker"] * 2,
    })  # fmt: skip
    jobs = Hierarchy.taxonomy({"nurse": ("health",), "surgeon": ("health",), "baker": ("food",), "cook": ("food",)})
    data = un.protect(
        table,
        unit=un.EachRow(),
        columns={
            "age": un.Range(0, 110),
            "zip": un.Digits(5),
            "job": un.Categorical("nurse", "surgeon", "cook", "baker"),
        },
    )

    def told(guard: Mondrian, source: Any = data) -> dict[Any, Any]:
        release = guard.release(source)
        return {label: cover.to_dict() for label, cover in release.covers[guard.quasi_identifiers[0]].items()}

    assert told(Mondrian(4, ["age"])) == {
        "[0, 60)": {"interval": [0.0, 60.0], "closed": False},
        "[60, 110]": {"interval": [60.0, 110.0], "closed": True},
    }
    assert set(told(Mondrian(4, ["age"]), table)) == {"<60", ">=60"}
    assert told(Mondrian(4, ["zip"])) == {
        "[00000, 19999]": {"interval": [0.0, 19999.0], "closed": True},
        "[20000, 99999]": {"interval": [20000.0, 99999.0], "closed": True},
    }
    assert told(Mondrian(4, ["job"], hierarchies={"job": jobs})) == {
        "health": {"members": ["nurse", "surgeon"]},
        "food": {"members": ["baker", "cook"]},
    }
    assert told(Mondrian(4, ["job"])) == {
        "{nurse, surgeon}": {"members": ["nurse", "surgeon"]},
        "{cook, baker}": {"members": ["baker", "cook"]},
    }
    assert told(Mondrian(8, ["age"])) == {"*": {"anything": True}}
    two = Mondrian(2, ["job"], hierarchies={"job": jobs}).release(table)
    assert sorted(two.value["job"]) == sorted(table["job"])  # each value is shared by two: nothing is vaguer


def test_labels_differ_where_what_they_cover_differs() -> None:
    twice = Hierarchy.taxonomy({"a": ("b",), "x": ("b",), "b": ("c",), "y": ("c",)})  # "b" is a leaf and a group
    table = pd.DataFrame({"v": ["a"] * 2 + ["x"] * 2 + ["b"] * 4 + ["y"] * 4, "w": [0, 1] * 6})
    release = Mondrian(4, ["v"], hierarchies={"v": twice}).release(table)
    assert len(release.covers["v"]) == 3 and release.value.groupby("v").size().tolist() == [4, 4, 4]


# --- Odd tables and bad requests ---------------------------------------------------------------------


def test_odd_tables_give_right_answers(people: Any, hierarchies: Any) -> None:
    guard = Mondrian(2, QUASI, hierarchies=texts_of(hierarchies))
    assert list(guard.release(people([])).value.columns) == [*QUASI, "note"]
    empty = un.protect(people([]), unit=un.EachRow(), columns=COLUMNS, quasi_identifiers=QUASI)
    assert len(Mondrian(2).release(empty).value) == 0
    with pytest.raises(DataFault, match="k=2 was asked for of 1 rows"):
        guard.release(people([(1, 1, 1)]))
    odd = pd.DataFrame({"x": [math.inf, -math.inf, 0.0, 1e300, -1e300, 5e-324]})
    release = Mondrian(2, ["x"]).release(odd)
    assert is_k_anonymous(release.value, 2, ["x"])
    for label, row in zip(release.value["x"], release.proof.origin, strict=True):
        assert release.covers["x"][label].mask(odd["x"].to_numpy()[[row]]).all()
    near = pd.DataFrame({"x": [2**53, 2**53 + 1, 2**53 + 2, 2**53 + 3, 10**18, 10**18 + 1]})
    assert is_k_anonymous(Mondrian(3, ["x"]).release(near).value, 3, ["x"])
    wide = pd.DataFrame(np.random.default_rng(1).integers(0, 9, (50, 500))).rename(columns=str)
    assert is_k_anonymous(Mondrian(5, list(wide.columns)).release(wide).value, 5, list(wide.columns))
    with pytest.raises(DataFault, match="'x' has missing values"):
        Mondrian(2, ["x"]).release(pd.DataFrame({"x": [1.0, None, 2.0]}))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 1}, "at least 2"),
        ({"k": math.nan}, "k is a finite number"),
        ({"quasi_identifiers": []}, "columns that an adversary may know"),
        ({"quasi_identifiers": ["income"]}, "'income'"),
        ({"quasi_identifiers": None}, "without quasi-identifiers"),
        ({"quasi_identifiers": ["age"]}, "hierarchies for 'job', 'zip' were given"),
        ({"hierarchies": None}, "'job' of a bare table"),
        ({"hierarchies": {"job": Hierarchy.flat(["cook"]), "zip": Hierarchy.prefixes(2)}}, "'job' has 1 values"),
        ({"l": 1}, "l is a finite number of at least 2"),
        ({"l": 2}, "a model of a sensitive column"),
        ({"t": 2, "sensitive": "note"}, "t is a finite number"),
        ({"l": 2, "sensitive": "age"}, "quasi-identifying and sensitive"),
        ({"l": 2, "sensitive": "income"}, "'income'"),
        ({"models": [KMap(3)]}, "KAnonymize holds those of a population"),
        ({"seed": -1}, "seed"),
    ],
)
def test_a_bad_request_gets_one_clear_line(
    arguments: dict[str, Any], message: str, people: Any, hierarchies: Any
) -> None:
    wanted = {"k": 2, "quasi_identifiers": QUASI, "hierarchies": texts_of(hierarchies), **arguments}
    with pytest.raises(InvalidRequest, match=message) as caught:
        Mondrian(**wanted).release(people([(1, 1, 1)] * 4))
    assert "\n" not in str(caught.value)


def test_a_seeded_release_promises_nothing_and_repeats(people: Any, hierarchies: Any) -> None:
    table = people([(at % 4, 0, 10) for at in range(40)])
    one, other = (Mondrian(2, QUASI, hierarchies=texts_of(hierarchies), seed=3).release(table) for _ in range(2))
    assert isinstance(one.guarantee, un.Nothing) and one.value.equals(other.value)
