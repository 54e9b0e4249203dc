"""KAnonymize's promises: k units in every class, no way back, true covers, clear errors."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import unseen as un
import unseen.deid.models
import unseen.deid.search.downstream
from unseen.core.errors import DataFault, InvalidRequest
from unseen.deid import Hierarchy, KAnonymize, is_k_anonymous

ROWS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 4), st.sampled_from([0, 1, 10, 11, 55])), min_size=4, max_size=40
)
FIXED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
QUASI = ["age", "job", "zip"]
COLUMNS = {
    "age": un.Range(0, 40),
    "job": un.Categorical("nurse", "surgeon", "baker", "cook", "clerk"),
    "zip": un.Digits(2),
}


@FIXED
@given(rows=ROWS, k=st.integers(2, 4), share=st.sampled_from([0.0, 0.1, 1.0]))
def test_every_class_has_k_rows_and_each_cell_covers_what_it_came_from(
    rows: Any, k: int, share: float, people: Any, hierarchies: Any
) -> None:
    table = people(rows)
    release = KAnonymize(k, QUASI, share, hierarchies).release(table)
    value, origin = release.value, release.proof.origin
    assert is_k_anonymous(value, k, QUASI)
    assert len(value) + release.proof.suppressed == len(table)
    assert release.proof.suppressed <= share * len(table)
    assert value["note"].tolist() == table["note"].iloc[origin].tolist()
    assert 0 <= release.proof.score <= 1
    for name in QUASI:
        source = table[name].to_numpy()[origin]
        assert set(release.covers[name]) == set(value[name].tolist())
        for label, original in zip(value[name].tolist(), source, strict=True):
            assert release.covers[name][label].mask(np.array([original])).all()


@FIXED
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 40), st.integers(0, 4), st.sampled_from([0, 1, 10])), min_size=6, max_size=40
    ),
    owners=st.lists(st.integers(0, 8), min_size=40, max_size=40),
    k=st.integers(2, 3),
)
def test_k_counts_units_and_not_rows(rows: Any, owners: list[int], k: int, people: Any) -> None:
    table = people(rows).assign(person=[f"p{owner}" for owner in owners[: len(rows)]])
    most = int(table["person"].value_counts().max())
    # The unit's value goes along in a declared column, so that the classes can be counted from outside.
    data = un.protect(
        table.assign(witness=table["person"]),
        unit="person",
        columns={**COLUMNS, "witness": un.Categorical(*[f"p{at}" for at in range(9)])},
        quasi_identifiers=QUASI,
        max_rows_per_unit=most,
    )
    if table["person"].nunique() < k:
        with pytest.raises(DataFault):
            KAnonymize(k, suppress_at_most=0.1).release(data)
        return
    release = KAnonymize(k, suppress_at_most=0.1).release(data)
    assert "person" not in release.value.columns and "note" not in release.value.columns
    assert release.value.groupby(QUASI)["witness"].nunique().min() >= k
    promised = un.KAnonymity(k, tuple(QUASI), "person", rows_per_unit=most)
    assert release.guarantee == promised
    for _, members in release.value.groupby(QUASI):
        assert members["witness"].value_counts(normalize=True).max() <= promised.share + 1e-12


@FIXED
@given(rows=ROWS, data=st.data())
def test_the_order_of_the_rows_changes_neither_levels_nor_content(
    rows: Any, data: st.DataObject, people: Any, hierarchies: Any
) -> None:
    table = people(rows)
    order = data.draw(st.permutations(range(len(rows))))
    guard = KAnonymize(2, QUASI, 0.2, hierarchies)
    one, other = guard.release(table), guard.release(table.iloc[order])
    assert one.proof.levels == other.proof.levels
    assert one.proof.score == other.proof.score
    assert sorted(map(tuple, one.value.to_numpy().tolist())) == sorted(map(tuple, other.value.to_numpy().tolist()))


def test_rows_come_in_random_order_without_index(people: Any, hierarchies: Any) -> None:
    table = people([(at % 41, at % 5, 10) for at in range(400)])
    table.attrs["source"] = "secret"
    guard = KAnonymize(2, QUASI, 0.5, hierarchies)
    one, other = guard.release(table), guard.release(table)
    assert list(one.value.index) == list(range(len(one.value)))
    assert list(one.value.columns) == list(table.columns) and not one.value.attrs
    assert one.value["note"].tolist() != other.value["note"].tolist()
    displaced = np.abs(np.corrcoef(one.proof.origin, np.arange(len(one.value)))[0, 1])
    assert displaced < 0.3  # false alarm below 1e-8 for 400 rows


def test_neither_an_index_nor_a_list_of_categories_goes_along(people: Any, hierarchies: Any, tmp_path: Path) -> None:
    table = people([(1, 0, 10)] * 5 + [(30, 3, 55)])
    table.to_parquet(tmp_path / "t.parquet")
    guard = KAnonymize(5, QUASI, 0.5, hierarchies)
    assert guard.release(tmp_path / "t.parquet").value.column_names == [*QUASI, "note"]
    for source in (table, pl.from_pandas(table), pa.Table.from_pandas(table)):
        kind = type(source)
        if kind is pd.DataFrame:
            source = source.astype({"note": "category", "job": "category"})
        elif kind is pl.DataFrame:
            source = source.with_columns(pl.col("note", "job").cast(pl.Categorical))
        else:
            source = source.set_column(3, "note", source["note"].dictionary_encode())
        value = guard.release(source).value
        assert isinstance(value, kind) and len(value) == 5
        frame = value.to_pandas() if kind is not pd.DataFrame else value
        assert not any(isinstance(dtype, pd.CategoricalDtype) for dtype in frame.dtypes)
        assert set(frame["note"]) == {"n0", "n1", "n2", "n3", "n4"}


def test_the_proof_does_not_leave(people: Any, hierarchies: Any, tmp_path: Path) -> None:
    release = KAnonymize(2, QUASI, 0.5, hierarchies).release(people([(at % 4, 0, 10) for at in range(40)]))
    assert "weighed" in release.proof.why and release.proof.checked + release.proof.pruned == 5 * 3 * 3
    assert pickle.loads(pickle.dumps(release)).proof is None
    text = json.dumps(release.to_dict()) + release.save(tmp_path / "r.json").read_text()
    assert "origin" not in text and "proof" not in text and "suppressed" not in text


def _same(table: pa.Table) -> dict[str, Callable[[Path], Any]]:
    def csv(folder: Path) -> Path:
        table.to_pandas().to_csv(folder / "t.csv", index=False)
        return folder / "t.csv"

    def parquet(folder: Path) -> Path:
        table.to_pandas().to_parquet(folder / "t.parquet")
        return folder / "t.parquet"

    return {
        "pandas": lambda folder: table.to_pandas(),
        "polars": lambda folder: pl.from_arrow(table),
        "lazy": lambda folder: pl.from_arrow(table).lazy(),
        "pyarrow": lambda folder: table,
        "csv": csv,
        "parquet": parquet,
        "duckdb": lambda folder: duckdb.connect().from_arrow(table),
    }


@pytest.mark.parametrize("kind", ["pandas", "polars", "lazy", "pyarrow", "csv", "parquet", "duckdb"])
@pytest.mark.parametrize("protected", [True, False])
def test_the_release_is_of_the_kind_that_went_in(kind: str, protected: bool, people: Any, tmp_path: Path) -> None:
    table = pa.Table.from_pandas(people([(at % 2, 0, 10) for at in range(20)]), preserve_index=False)
    source = _same(table)[kind](tmp_path)
    expected = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "lazy": pl.DataFrame}.get(kind, pa.Table)
    flat = {
        "age": Hierarchy.flat([0, 1]),
        "job": Hierarchy.flat(["nurse"]),
        "zip": Hierarchy.flat(["10"]),
    }
    if protected:
        data = un.protect(source, unit=un.EachRow(), columns=COLUMNS, quasi_identifiers=QUASI)
        release = KAnonymize(5).release(data)
    else:
        release = KAnonymize(5, QUASI, hierarchies=flat).release(source)
    assert isinstance(release.value, expected)
    assert release.proof.levels == {"age": 0, "job": 0, "zip": 0}
    found = release.value["age"].to_pylist() if isinstance(release.value, pa.Table) else list(release.value["age"])
    assert sorted(map(int, found)) == [0] * 10 + [1] * 10
    if protected:
        assert all(isinstance(value, (int, np.integer)) for value in found)


def test_a_ledger_records_it_uncharged(people: Any, tmp_path: Path) -> None:
    data = un.protect(
        people([(at % 4, 0, 10) for at in range(40)]),
        unit=un.EachRow(),
        columns=COLUMNS,
        quasi_identifiers=QUASI,
        budget=un.DP(1),
        ledger=tmp_path / "people.ledger",
    )
    release = KAnonymize(2).release(data)
    assert release.receipt is not None and release.receipt.epsilon == 0 and release.receipt.epsilon_left == 1


def test_an_empty_table_gives_an_empty_release(people: Any, hierarchies: Any) -> None:
    release = KAnonymize(2, QUASI, 0, hierarchies).release(people([]))
    assert len(release.value) == 0 and list(release.value.columns) == [*QUASI, "note"]
    data = un.protect(people([]), unit=un.EachRow(), columns=COLUMNS, quasi_identifiers=QUASI)
    assert len(KAnonymize(2).release(data).value) == 0


def test_fewer_than_k_units_is_a_clear_error(people: Any, hierarchies: Any) -> None:
    with pytest.raises(DataFault, match="k=5 was asked for of 3 rows"):
        KAnonymize(5, QUASI, 0.02, hierarchies).release(people([(1, 1, 1)] * 3))


def test_a_seeded_release_promises_nothing_and_repeats(people: Any, hierarchies: Any) -> None:
    table = people([(at % 4, 0, 10) for at in range(40)])
    one, other = (KAnonymize(2, QUASI, 0, hierarchies, seed=3).release(table) for _ in range(2))
    assert isinstance(one.guarantee, un.Nothing) and one.value.equals(other.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k is a finite number of at least 2"),
        ({"k": 1}, "at least 2"),
        ({"k": math.nan}, "k is a finite number"),
        ({"k": 2.5}, "whole number"),
        ({"k": True}, "k=True"),
        ({"k": "5"}, "k='5'"),
        ({"quasi_identifiers": []}, "columns that an adversary may know"),
        ({"quasi_identifiers": "age"}, "a list of columns"),
        ({"quasi_identifiers": ["age", "age"]}, "each once"),
        ({"quasi_identifiers": ["income"]}, "'income'"),
        ({"quasi_identifiers": None}, "without quasi-identifiers"),
        ({"quasi_identifiers": ["age"]}, "hierarchies for 'job', 'zip' were given"),
        ({"suppress_at_most": -0.1}, "suppress_at_most"),
        ({"suppress_at_most": 1.1}, "suppress_at_most"),
        ({"suppress_at_most": math.nan}, "suppress_at_most"),
        ({"hierarchies": {"age": [5, 10]}}, "un.deid.Hierarchy"),
        ({"hierarchies": [5]}, "a mapping from column"),
        ({"hierarchies": None}, "Hierarchy.intervals"),
        ({"seed": -1}, "seed"),
    ],
)
def test_a_bad_request_gets_one_clear_line(
    arguments: dict[str, Any], message: str, people: Any, hierarchies: Any
) -> None:
    wanted = {"k": 2, "quasi_identifiers": QUASI, "hierarchies": hierarchies, **arguments}
    with pytest.raises(InvalidRequest, match=message) as caught:
        KAnonymize(**wanted).release(people([(1, 1, 1)] * 4))
    assert "\n" not in str(caught.value)


def test_a_hierarchy_that_lacks_a_value_is_named(people: Any, hierarchies: Any) -> None:
    table = people([(1, 1, 1)] * 4)
    narrow = {**hierarchies, "job": Hierarchy.flat(["nurse"])}
    with pytest.raises(DataFault, match=r"'job'.*'surgeon'"):
        KAnonymize(2, QUASI, 0, narrow).release(table)
    data = un.protect(table, unit=un.EachRow(), columns=COLUMNS, quasi_identifiers=QUASI)
    with pytest.raises(InvalidRequest, match=r"does not fit.*'baker'"):
        KAnonymize(2, hierarchies={"job": Hierarchy.flat(["nurse", "surgeon"])}).cost(data)
    with pytest.raises(InvalidRequest, match="intervals from 0"):
        KAnonymize(2, hierarchies={"age": Hierarchy.intervals(10, 40, [10])}).cost(data)


def test_a_missing_quasi_identifier_is_an_error_of_a_bare_table(hierarchies: Any) -> None:
    table = pd.DataFrame({"age": [1, None, 3], "job": ["nurse"] * 3, "zip": ["10"] * 3})
    with pytest.raises(DataFault, match="'age' has missing values"):
        KAnonymize(2, QUASI, 0, hierarchies).release(table)


def test_an_unknown_kind_of_table_is_an_error() -> None:
    for source in (7, None, [1, 2], "nowhere.csv"):
        with pytest.raises(InvalidRequest):
            KAnonymize(2, ["age"]).release(source)


def test_equal_missing_values_share_a_class() -> None:
    assert is_k_anonymous(pd.DataFrame({"a": [None, None, "x", "x"]}), 2, ["a"])
    assert not is_k_anonymous(pd.DataFrame({"a": [None, None, "x"]}), 2, ["a"])


# --- Models beside k, quality measures -----------------------------------------------------------------

ILLS = ["flu", "cold", "cancer", "none"]


def _ill(table: pd.DataFrame, ills: list[int]) -> pd.DataFrame:
    return table.assign(ill=[ILLS[at] for at in ills[: len(table)]])


@FIXED
@given(rows=ROWS, ills=st.lists(st.integers(0, 3), min_size=40, max_size=40), share=st.sampled_from([0.0, 0.3, 1.0]))
def test_each_model_holds_of_each_released_class(
    rows: Any, ills: list[int], share: float, people: Any, hierarchies: Any
) -> None:
    table = _ill(people(rows), ills)
    table.attrs.clear()
    guard = KAnonymize(2, QUASI, share, hierarchies, l=2, t=0.5, sensitive="ill")
    try:
        release = guard.release(table)
    except DataFault:
        whole_table = table["ill"].nunique()
        assert share < 1 and whole_table < 2
        return
    whole_shares = table["ill"].value_counts(normalize=True)
    for _, members in release.value.groupby(QUASI):
        shares = members["ill"].value_counts(normalize=True).reindex(whole_shares.index, fill_value=0)
        assert len(members) >= 2 and members["ill"].nunique() >= 2
        assert (shares - whole_shares).clip(lower=0).sum() <= 0.5 + 1e-9
    assert isinstance(release.guarantee, un.KAnonymity)
    assert [one.sentence for one in release.guarantee.models] == [
        "each class has at least 2 values of ill",
        "ill is in each class within 0.5 (equal distance) of its distribution in the table",
    ]
    assert "values that a whole class shares" not in str(release.guarantee)
    assert "how frequent one of the values is" in str(release.guarantee)


def test_a_model_of_the_population_counts_its_people(people: Any, hierarchies: Any) -> None:
    table = people([(at % 2, 0, 10) for at in range(20)] + [(2, 0, 10)] * 2)
    crowd = pd.concat([table, people([(at % 2, 0, 10) for at in range(40)])])
    told = {**hierarchies, "age": Hierarchy.flat([0, 1, 2])}
    ask: dict[str, Any] = {"models": [un.deid.models.KMap(8)], "population": crowd}
    some = KAnonymize(2, QUASI, 1, told, **ask).release(table)
    # Two people of the population are of age 2: told as it is that would be too few.
    assert some.proof.levels["age"] == 0 and some.proof.suppressed == 2
    none = KAnonymize(2, QUASI, 0, told, **ask).release(table)
    assert none.proof.levels["age"] == 1 and none.proof.suppressed == 0
    assert "8 people of the population" in str(none.guarantee)
    ask["population"] = crowd.iloc[3:8]
    with pytest.raises(DataFault, match="everyone in the table"):
        KAnonymize(2, QUASI, 0, told, **ask).release(table)


@pytest.mark.parametrize("quality", ["loss", "precision", "entropy", "discernibility", "average class size"])
def test_a_quality_measure_is_named_in_the_proof(quality: str, people: Any, hierarchies: Any) -> None:
    table = people([(at % 7, at % 5, at % 2) for at in range(60)])
    release = KAnonymize(3, QUASI, 0.1, hierarchies, quality=quality).release(table)
    assert is_k_anonymous(release.value, 3, QUASI) and release.proof.quality == quality
    assert f"({quality})" in release.proof.why and 0 <= release.proof.score <= 1


def test_a_downstream_model_is_served_best(people: Any, hierarchies: Any) -> None:
    """The job alone says who is ill; a measure that knows this keeps the job."""
    pytest.importorskip("sklearn")
    draw = np.random.default_rng(0)
    rows = [(int(draw.integers(0, 41)), int(draw.integers(0, 5)), int(draw.choice([0, 1, 10]))) for _ in range(150)]
    table = people(rows)
    table = table.assign(ill=np.where(table["job"].isin(["nurse", "surgeon"]), "yes", "no"))
    quality = un.deid.search.downstream.Downstream("ill")
    release = KAnonymize(5, QUASI, 0, hierarchies, quality=quality).release(table)
    assert release.proof.levels["job"] < 2 and release.proof.score < 0.05
    again = KAnonymize(5, QUASI, 0, hierarchies, quality=quality).release(table.sample(frac=1, random_state=1))
    assert again.proof.levels == release.proof.levels and again.proof.score == release.proof.score


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"l": 2}, "a sensitive column was asked for"),
        ({"l": 2, "sensitive": "income"}, "'income'"),
        ({"t": 0.1, "sensitive": "job"}, "quasi-identifying and sensitive"),
        ({"l": 1, "sensitive": "note"}, "at least 2"),
        ({"t": 2, "sensitive": "note"}, "at most 1"),
        ({"models": ["l"]}, "EntropyDiversity"),
        ({"models": "l"}, "a list of models"),
        ({"models": [un.deid.models.KMap(3)]}, "without a population"),
        ({"population": pd.DataFrame({"age": [1]})}, "a population without a model"),
        ({"models": [un.deid.models.KMap(3)], "population": pd.DataFrame({"age": [1]})}, "without 'job', 'zip'"),
        ({"quality": "utility"}, "'loss'"),
        ({"quality": un.deid.search.downstream.Downstream("job")}, "beside the quasi-identifiers"),
        ({"quality": un.deid.search.downstream.Downstream("note", most=3)}, "at most 3"),
    ],
)
def test_a_model_that_does_not_fit_gets_one_clear_line(
    arguments: dict[str, Any], message: str, people: Any, hierarchies: Any
) -> None:
    with pytest.raises(InvalidRequest, match=message) as caught:
        KAnonymize(**{"k": 2, "quasi_identifiers": QUASI, "hierarchies": hierarchies, **arguments}).release(
            people([(1, 1, 1)] * 4)
        )
    assert "\n" not in str(caught.value)


def test_texts_that_end_in_a_nul_are_values_of_their_own() -> None:
    frame = pa.table({"job": ["a", "a", "a\0", "a\0", "a\0"]})
    guard = KAnonymize(3, ["job"], suppress_at_most=0.4, hierarchies={"job": Hierarchy.flat(["a", "a\0"])})
    made = guard.release(frame)
    assert made.value["job"].to_pylist() == ["a\0"] * 3


def test_dates_of_a_frame_are_told_as_dates() -> None:
    days = pd.to_datetime(["2020-01-01", "2020-01-02", "2020-02-01", "2020-02-02"])
    guard = KAnonymize(2, ["day"], 0, hierarchies={"day": Hierarchy.dates("2020-01-01", "2020-12-31")})
    assert sorted(set(guard.release(pd.DataFrame({"day": days})).value["day"])) == ["2020-01", "2020-02"]


def test_a_unit_with_more_rows_than_were_declared_is_refused() -> None:
    """96 of 100 rows of a class would be one person's, and a guess would be right 96 times in 100."""
    rows = pd.DataFrame({"person": ["a"] * 96 + list("bcde"), "age": [40] * 100})
    data = un.protect(rows, unit="person", columns={"age": un.Range(0, 99)}, quasi_identifiers=["age"])
    for guard in (KAnonymize(5), un.deid.Mondrian(5), un.deid.Generalize({"age": 0}, 5)):
        with pytest.raises(DataFault, match="96 rows, and 1 were declared"):
            guard.release(data)
    assert un.deid.Generalize({"age": 0}).release(data).guarantee == un.Nothing(
        "levels were chosen by hand, and no k was checked"
    )


def test_an_empty_table_keeps_no_promise_about_a_population() -> None:
    nobody, crowd = pd.DataFrame({"age": np.zeros(0, np.int64)}), pd.DataFrame({"age": [1, 2, 3]})
    presence = [un.deid.DeltaPresence(0.5, 0.1)]
    guard = KAnonymize(2, ["age"], 0, {"age": Hierarchy.intervals(0, 9, [3])}, models=presence, population=crowd)
    with pytest.raises(DataFault, match="empty table"):
        guard.release(nobody)
