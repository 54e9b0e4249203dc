"""A dataset follows its total rules, keeps at most the declared rows of a unit, and is bound to its ledger."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import hashlib
import inspect
import math
import pickle
import threading
from collections import Counter
from fractions import Fraction
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
from unseen.core.errors import DataFault, InvalidRequest, InvalidSchema, LedgerMismatch
from unseen.core.snapshot import UNIT
from unseen.query.bounding import group_sums

SALT = b"fixed for the tests"
NASTY_NAMES = [
    'a"b',
    "a'b",
    "a;--",
    "é 漢 🙂",
    "rows",
    "kept",
    "source",
    "raw",
    "h",
    "u",
    "chosen",
    "rowid",
    "select",
    "\\",
]


def held(source: Any, **columns: un.core.schema.Domain) -> dict[str, Any]:
    data = un.protect(source, unit=un.EachRow(), columns=columns)
    found = data.arrays(list(columns), bounded=False)
    return {name: found[name].tolist() for name in columns}


def test_numbers_are_clamped_and_what_is_no_number_is_missing() -> None:
    values = [-math.inf, -5.0, 0.0, 3.5, 10.0, 11.0, math.inf, math.nan, None]
    expected = [0, 0, 0, 3.5, 10, 10, 10, 7, 7]
    assert held(pl.DataFrame({"x": values}), x=un.Range(0, 10, missing=7))["x"] == expected
    assert held(pd.DataFrame({"x": values}), x=un.Range(0, 10, missing=7))["x"] == expected


def test_a_missing_number_counts_as_the_lower_bound_unless_declared() -> None:
    assert held(pl.DataFrame({"x": [None, 2.0]}), x=un.Range(1, 3))["x"] == [1, 2]


@given(st.lists(st.one_of(st.none(), st.floats(width=64))), st.floats(-1e9, 1e9), st.floats(1, 1e9))
def test_a_range_column_holds_only_doubles_within_its_bounds(
    values: list[float | None], low: float, width: float
) -> None:
    frame = pa.table({"x": pa.array(values, pa.float64())})
    found = held(frame, x=un.Range(low, low + width))["x"]
    assert len(found) == len(values)
    assert all(low <= value <= low + width for value in found)
    for value, kept in zip(values, found, strict=True):
        if value is not None and not math.isnan(value):
            assert kept == min(max(value, low), low + width)


@pytest.mark.parametrize(
    "array",
    [
        pa.array([True, False, None]),
        pa.array([1, 0, None], pa.int8()),
        pa.array([1, 0, None], pa.uint64()),
        pa.array([1, 0, None], pa.float32()),
        pa.array([1, 0, None], pa.decimal128(38, 10)),
    ],
    ids=lambda a: str(a.type),
)
def test_every_numeric_type_is_read_as_a_number(array: pa.Array) -> None:
    assert held(pa.table({"x": array}), x=un.Range(0, 1))["x"] == [1, 0, 0]


def test_integers_beyond_the_doubles_are_clamped_without_a_fault() -> None:
    relation = duckdb.sql("SELECT 170141183460469231731687303715884105727::HUGEINT AS x UNION ALL SELECT -5")
    assert sorted(held(relation, x=un.Range(0, 1e6))["x"]) == [0, 1e6]


@pytest.mark.parametrize("stored", [pa.string(), pa.timestamp("us"), pa.date32(), pa.list_(pa.int64())], ids=str)
def test_a_range_of_what_is_no_number_is_a_fault_told_to_the_owner(stored: pa.DataType) -> None:
    with pytest.raises(DataFault, match="'x' was declared as Range"):
        held(pa.table({"x": pa.array([], stored)}), x=un.Range(0, 1))


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame({"x": [None, None]}),
        pd.DataFrame({"x": [None, None]}),
        pd.DataFrame({"x": pd.Series([], dtype=object)}),
    ],
    ids=["polars nulls", "pandas nulls", "pandas empty"],
)
def test_a_column_without_any_value_follows_the_rule_for_missing_ones(frame: Any) -> None:
    found = held(frame, x=un.Range(0, 9, missing=4))["x"]
    assert found == [4] * len(frame)


@pytest.mark.parametrize(
    "source",
    [
        pd.DataFrame({"x": ["a", "b", None, "z"]}),
        pd.DataFrame({"x": pd.Categorical(["a", "b", None, "z"])}),
        pl.DataFrame({"x": ["a", "b", None, "z"]}),
        pl.DataFrame({"x": ["a", "b", None, "z"]}, schema={"x": pl.Categorical}),
        pl.LazyFrame({"x": ["a", "b", None, "z"]}),
        pa.table({"x": pa.array(["a", "b", None, "z"]).dictionary_encode()}),
    ],
    ids=["pandas", "pandas categorical", "polars", "polars categorical", "polars lazy", "arrow dictionary"],
)
def test_what_is_not_listed_counts_as_other(source: Any) -> None:
    assert held(source, x=un.Categorical("a", "b", other="b"))["x"] == ["a", "b", "b", "b"]
    assert held(source, x=un.Categorical("b", "a"))["x"] == ["a", "b", "b", "b"]


def test_numbers_are_categories_by_their_text() -> None:
    floats = [1.0, 2.5, math.nan, math.inf, -math.inf, 1e300, -0.0, None]
    domain = un.Categorical("other", 0, 1, 2.5)
    expected = ["1", "2.5", "other", "other", "other", "other", "0", "other"]
    assert held(pl.DataFrame({"x": floats}), x=domain)["x"] == expected
    assert held(pd.DataFrame({"x": [True, False]}), x=un.Categorical(False, True))["x"] == ["true", "false"]


def test_a_decimal_is_the_category_that_its_value_is() -> None:
    frame = pa.table({"x": pa.array([1, 2], pa.decimal128(10, 2))})
    assert held(frame, x=un.Categorical("none", 1, 2))["x"] == ["1", "2"]


@pytest.mark.parametrize(
    "word", ["it's", 'say "hi"', "a;b", "é", "漢", "🙂", "a\\b", "a\0b", "x\ny", "'); DROP TABLE rows; --", ""]
)
def test_any_text_can_be_a_category(word: str) -> None:
    frame = pa.table({"x": [word, "elsewhere"]})
    domain = un.Categorical("none", word)
    assert held(frame, x=domain)["x"] == [word, "none"]
    counted = un.query.Count(epsilon=1e9, by="x").release(un.protect(frame, unit=un.EachRow(), columns={"x": domain}))
    assert counted.value == {"none": 1, word: 1}


def test_digits_are_padded_and_anything_else_is_missing() -> None:
    texts = ["1", "00501", "123456", "-1", "1.5", " 1", "", None, "12a", "١٢"]
    expected = ["00001", "00501"] + ["99999"] * 8
    assert held(pl.DataFrame({"z": texts}), z=un.Digits(5, missing="99999"))["z"] == expected
    numbers = [1, 501, 123456, -1, None]
    expected = ["00001", "00501", "00000", "00000", "00000"]
    assert held(pl.DataFrame({"z": numbers}), z=un.Digits(5))["z"] == expected
    assert held(pd.DataFrame({"z": numbers}), z=un.Digits(5))["z"] == expected


@pytest.mark.parametrize("name", NASTY_NAMES)
def test_any_column_name_is_only_a_name(name: str) -> None:
    frame = pd.DataFrame({"person": [1, 1, 2], name: [1.0, 1.0, 2.0]})
    columns = {name: un.Range(0, 3)}
    data = un.protect(frame, unit="person", columns=columns)
    turned = un.protect(frame.iloc[::-1], unit="person", columns=columns)
    assert len(data.arrays([name], bounded=True)[name]) == 2
    assert data.fingerprint(b"k") == turned.fingerprint(b"k")
    assert sum(len(part.arrays([name], bounded=False)[name]) for part in data.split(0.5)) == 3
    assert pytest.approx(data.mean(name, epsilon=1e6).value, abs=1e-3) == 1.5


@pytest.mark.parametrize("name", ["unit of privacy", "Name of the Unit"])
def test_a_name_that_the_snapshot_needs_is_refused(name: str) -> None:
    with pytest.raises(InvalidSchema):
        un.protect(pd.DataFrame({name: [1.0]}), unit=un.EachRow(), columns={name: un.Range(0, 1)})


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"age": [1.0], "Age": [2.0]}),
        pd.DataFrame([[1.0, 2.0]], columns=["age", "age"]),
        pa.table([pa.array([1.0]), pa.array([2.0])], names=["age", "age"]),
    ],
    ids=["same but for case", "pandas twice", "arrow twice"],
)
def test_names_that_the_engine_cannot_tell_apart_never_give_another_column(frame: Any) -> None:
    try:
        found = held(frame, age=un.Range(0, 9))["age"]
    except DataFault:
        return
    assert found == [1.0] and isinstance(frame, pd.DataFrame) and list(frame) == ["age", "Age"]


def test_columns_that_are_not_declared_are_absent() -> None:
    data = un.protect(pd.DataFrame({"a": [1.0], "secret": ["x"]}), unit=un.EachRow(), columns={"a": un.Range(0, 1)})
    found = data.connection.execute(f"SELECT * FROM {data.table(bounded=False)}")
    assert "secret" not in [column[0] for column in found.description]
    with pytest.raises(InvalidSchema, match="'secret'"):
        data.arrays(["secret"], bounded=False)


def test_a_declared_column_that_is_absent_is_told_to_the_owner() -> None:
    with pytest.raises(DataFault, match="'b' was declared"):
        held(pd.DataFrame({"a": [1.0]}), b=un.Range(0, 1))


@pytest.mark.parametrize(
    "source", [None, 3, {"x": [1]}, pd.Series([1.0]), np.zeros((2, 2)), "nowhere.csv", Path("a.xlsx")]
)
def test_a_source_that_cannot_be_read_is_one_clear_line(source: Any) -> None:
    with pytest.raises(InvalidRequest) as told:
        held(source, x=un.Range(0, 1))
    assert "\n" not in str(told.value)


def test_a_very_wide_table_is_read_fingerprinted_and_bounded(tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(10_000)]
    frame = pa.table({"id": [1, 1], **{name: [0.0, 1.0] for name in names}})
    with pytest.raises(un.UnseenError, match="at most 1,000 columns"):
        un.protect(frame, unit="id", columns={name: un.Range(0, 5) for name in names})
    data = un.protect(
        frame,
        unit="id",
        columns={name: un.Range(0, 5) for name in names[:1000]},
        budget=un.DP(3),
        ledger=tmp_path / "wide.ledger",
    )
    assert data.count(epsilon=3).receipt.epsilon == 3


# --- the fingerprint --------------------------------------------------------------------------------------------

CELLS = st.fixed_dictionaries(
    {
        "id": st.integers(0, 5),
        "x": st.one_of(st.none(), st.integers(0, 10).map(float)),
        "g": st.sampled_from(["a", "b", "c"]),
    }
)
COLUMNS = {"x": un.Range(0, 10, missing=0.5), "g": un.Categorical("a", "b", "c")}


def table(rows: list[dict[str, Any]]) -> pa.Table:
    kinds = pa.schema([("id", pa.int64()), ("x", pa.float64()), ("g", pa.string())])
    return pa.Table.from_pylist(rows, schema=kinds)


def dataset(rows: list[dict[str, Any]], unit: Any = "id", rows_per_unit: int = 1) -> un.Dataset:
    return un.Dataset(table(rows), un.Schema(unit, COLUMNS, max_rows_per_unit=rows_per_unit), salt=SALT)


@given(st.lists(CELLS, max_size=12), st.randoms(use_true_random=False), st.sampled_from(["id", un.EachRow()]))
def test_a_fingerprint_does_not_see_the_order_of_rows(rows: list[Any], random: Any, unit: Any) -> None:
    turned = random.sample(rows, len(rows))
    assert dataset(rows, unit).fingerprint(b"k") == dataset(turned, unit).fingerprint(b"k")


@given(st.lists(CELLS, min_size=1, max_size=8), st.data())
def test_a_fingerprint_sees_any_cell_row_key_and_declaration(rows: list[Any], data: st.DataObject) -> None:
    whole = dataset(rows).fingerprint(b"k")
    index = data.draw(st.integers(0, len(rows) - 1))
    name, value = data.draw(st.sampled_from([("x", 3.25), ("g", "a"), ("g", "b"), ("id", 77)]))
    changed = [dict(row) for row in rows]
    changed[index][name] = value
    if changed[index] != rows[index]:
        assert dataset(changed).fingerprint(b"k") != whole
    assert dataset(rows[:index] + rows[index + 1 :]).fingerprint(b"k") != whole
    assert dataset([*rows, rows[index]]).fingerprint(b"k") != whole
    assert dataset(rows).fingerprint(b"K") != whole
    assert dataset(rows, rows_per_unit=2).fingerprint(b"k") != whole
    assert dataset(rows, un.EachRow()).fingerprint(b"k") != whole


def test_cells_that_read_alike_when_joined_have_different_fingerprints() -> None:
    schema = un.Schema(un.EachRow(), {"a": un.Categorical("x", "xx"), "b": un.Categorical("x", "xx")})
    prints = {
        un.Dataset(pa.table({"a": [a], "b": [b]}), schema).fingerprint(b"k")
        for a, b in [("x", "xx"), ("xx", "x"), ("x", "x"), ("xx", "xx")]
    }
    assert len(prints) == 4


# --- bounding ---------------------------------------------------------------------------------------------------


def kept(data: un.Dataset, names: dict[int, int]) -> dict[int, Counter[Any]]:
    """The kept rows of each unit, by the unit's own name."""
    found = data.arrays(["x", "g"], bounded=True)
    result: dict[int, Counter[Any]] = {name: Counter() for name in names}
    order = sorted(names, key=str)
    for code, x, g in zip(found[UNIT], found["x"], found["g"], strict=True):
        result[order[code - 1]][(float(x), g)] += 1
    return result


@given(st.lists(CELLS, min_size=1, max_size=20), st.integers(1, 3), st.randoms(use_true_random=False))
def test_bounding_keeps_few_rows_of_each_unit_and_no_unit_sees_another(rows: list[Any], most: int, random: Any) -> None:
    sizes = Counter(row["id"] for row in rows)
    before = kept(dataset(rows, rows_per_unit=most), sizes)
    for unit, size in sizes.items():
        assert before[unit].total() == min(size, most)
        own = Counter((0.5 if row["x"] is None else row["x"], row["g"]) for row in rows if row["id"] == unit)
        assert before[unit] <= own
    gone = random.choice(sorted(sizes))
    rest = random.sample(others := [row for row in rows if row["id"] != gone], len(others))
    after = kept(dataset(rest, rows_per_unit=most), {u: n for u, n in sizes.items() if u != gone})
    assert after == {unit: found for unit, found in before.items() if unit != gone}


def test_which_rows_are_kept_depends_on_the_owners_key() -> None:
    rows = [{"id": 1, "x": float(x), "g": "a"} for x in range(11)]
    schema = un.Schema("id", COLUMNS)
    chosen = {
        float(un.Dataset(table(rows), schema, salt=bytes([i])).arrays(["x"], bounded=True)["x"][0]) for i in range(40)
    }
    assert len(chosen) > 3


def test_two_openings_under_one_ledger_keep_the_same_rows(tmp_path: Path) -> None:
    rows = table([{"id": i // 7, "x": float(i % 11), "g": "a"} for i in range(70)])
    seen = [
        un.protect(rows, unit="id", columns=COLUMNS, budget=un.DP(1), ledger=tmp_path / "one.ledger")
        .arrays(["x"], bounded=True)["x"]
        .tolist()
        for _ in range(2)
    ]
    assert sorted(seen[0]) == sorted(seen[1])


# --- one dataset, many callers ----------------------------------------------------------------------------------


def test_threads_on_one_dataset_never_get_each_others_sums() -> None:
    """Another's exact sums under one's own noise would be a breach, not only a wrong answer."""
    data = un.protect(pd.DataFrame({"x": np.full(1000, 100.0)}), unit=un.EachRow(), columns={"x": un.Range(0, 100)})
    guards = [un.query.Count(epsilon=1), un.query.Sum("x", epsilon=1)]
    right = [group_sums(data, guard.query(data), None, None)[0, 0] for guard in guards]
    wrong: list[Any] = []

    def ask(index: int) -> None:
        for _ in range(150):
            try:
                found = group_sums(data, guards[index].query(data), None, None)[0, 0]
            except Exception as error:
                wrong.append(error)
            else:
                if found != right[index]:
                    wrong.append(found)

    threads = [threading.Thread(target=ask, args=(index % 2,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_threads_that_ask_first_together_all_get_an_answer() -> None:
    data = un.protect(
        pd.DataFrame({"id": np.arange(20_000) // 2, "x": 1.0}), unit="id", columns={"x": un.Range(0, 100)}
    )
    found: list[Any] = []

    def ask() -> None:
        try:
            found.append(data.count(epsilon=1e6).value)
        except Exception as error:
            found.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [10_000] * 4


# --- splitting --------------------------------------------------------------------------------------------------


def test_a_split_divides_units_and_keeps_the_ledger(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": np.arange(300) // 3, "x": np.arange(300) % 11})
    data = un.protect(
        frame,
        unit="id",
        columns={"x": un.Range(0, 10)},
        budget=un.DP(1),
        ledger=tmp_path / "s.ledger",
        max_rows_per_unit=2,
    )
    first, second = data.split(0.5)
    codes = [set(part.arrays([], bounded=False)[UNIT].tolist()) for part in (first, second)]
    assert not codes[0] & codes[1] and len(codes[0] | codes[1]) == 100
    assert all(
        len(part.arrays([], bounded=False)[UNIT]) == 3 * len(c) for part, c in zip((first, second), codes, strict=True)
    )
    assert len(first.arrays([], bounded=True)[UNIT]) == 2 * len(codes[0])
    first.count(epsilon=0.5)
    second.count(epsilon=0.5)
    assert data.ledger is not None and data.ledger.spent == (1, 0)


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan, "half", None])
def test_a_share_outside_zero_to_one_is_refused(share: Any) -> None:
    with pytest.raises(InvalidRequest):
        dataset([]).split(share)


def test_a_split_by_zero_or_one_gives_all_to_one_part() -> None:
    data = dataset([{"id": i, "x": 1.0, "g": "a"} for i in range(50)])
    for share, expected in ((0, (0, 50)), (1, (50, 0))):
        assert tuple(len(part.arrays([], bounded=False)[UNIT]) for part in data.split(share)) == expected


@pytest.mark.statistical
def test_each_unit_falls_by_its_own_fair_coin() -> None:
    """False alarm below 1e-6: 5 standard deviations of a binomial; power: a share off by 3 % is seen."""
    data = dataset([{"id": i, "x": 1.0, "g": "a"} for i in range(20_000)])
    first, _ = data.split(0.3)
    found, deviation = len(first.arrays([], bounded=False)[UNIT]), math.sqrt(20_000 * 0.3 * 0.7)
    assert abs(found - 6000) < 5 * deviation
    assert abs(20_000 * 0.33 - 6000) > 9 * deviation


@pytest.mark.parametrize("unit", ["id", un.EachRow()], ids=["by unit", "each row"])
def test_a_seeded_split_moves_no_other_unit_promises_nothing_or_is_not_there(unit: Any) -> None:
    """Coins by position shift when a unit goes: every other unit may then change sides."""
    if "seed" not in inspect.signature(un.Dataset.split).parameters:
        return
    rows = [{"id": 100 + i, "x": 10.0 * (i % 2), "g": "a"} for i in range(100)]
    guard = un.query.Sum("x", epsilon=1)
    sums = []
    for some in (rows, rows[1:]):
        part, _ = dataset(some, unit).split(0.5, seed=1)
        if isinstance(guard.cost(part), un.Nothing):
            return
        sums.append(int(group_sums(part, guard.query(part), None, None)[0, 0]))
    assert abs(sums[0] - sums[1]) <= guard.mechanism(dataset(rows, unit)).sensitivity


# --- what a dataset is bound to ---------------------------------------------------------------------------------


def test_a_dataset_shows_no_row_and_cannot_be_pickled() -> None:
    data = un.protect(pd.DataFrame({"x": [31.25] * 7919}), unit=un.EachRow(), columns={"x": un.Range(0, 110)})
    assert "31.25" not in repr(data) and "7919" not in repr(data)
    with pytest.raises(InvalidRequest):
        pickle.dumps(data)


def test_a_dataset_cannot_be_made_on_the_ledger_of_another_table(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0]})
    un.protect(frame, unit=un.EachRow(), columns={"x": un.Range(0, 9)}, budget=un.DP(1), ledger=tmp_path / "a.ledger")
    schema = un.Schema(un.EachRow(), {"x": un.Range(0, 9)})
    un.Dataset(frame, schema, un.Ledger(tmp_path / "a.ledger"))
    with pytest.raises(LedgerMismatch):
        un.Dataset(frame + 1, schema, un.Ledger(tmp_path / "a.ledger"))


@pytest.mark.parametrize("relation", [un.Neighbours.REPLACE_ONE, un.Neighbours.ZERO_OUT])
def test_a_relation_that_no_statistic_proves_is_never_promised(relation: un.Neighbours) -> None:
    """Replacing a unit moves a count by group by 2, so noise for a move of 1 would cost twice ε."""
    schema = un.Schema(un.EachRow(), {"g": un.Categorical("a", "b")})
    with pytest.raises(InvalidRequest):
        data = un.Dataset(pd.DataFrame({"g": ["a"]}), schema, neighbours=relation)
        un.query.Count(epsilon=1, by="g").cost(data)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
@given(st.binary(min_size=1, max_size=64))
def test_a_fingerprint_is_keyed(key: bytes) -> None:
    data = dataset([{"id": 1, "x": 1.0, "g": "a"}])
    assert data.fingerprint(key) != data.fingerprint(key + b"x")
    assert data.fingerprint(key) != hashlib.sha256(key).hexdigest()
    assert Fraction(int(data.fingerprint(key), 16)) < 2**256
