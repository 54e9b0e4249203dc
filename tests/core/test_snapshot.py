"""A file is read as it was written: no value of one row changes how another row is read."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import unseen as un
from unseen.core.errors import DataFault
from unseen.core.snapshot import source_relation


def read(path: Path, text: str | bytes) -> tuple[list[str], list[tuple[Any, ...]]]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    connection = duckdb.connect()
    try:
        relation = source_relation(connection, path)
        return relation.columns, relation.fetchall()
    except duckdb.Error as error:  # what `snapshot` turns into a DataFault, since files are read late
        raise DataFault("a file", type(error).__name__) from None


WORDS = st.text(st.sampled_from("ab12,;|\t\"'\\\n# é.-:"), min_size=1, max_size=5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 3).flatmap(lambda n: st.lists(st.lists(WORDS, min_size=n, max_size=n), max_size=8)))
@example([["x;y"], ["z;w"]])
@example([["#1", "2"], ["5", "6"]])
def test_what_a_csv_writer_wrote_is_what_is_read(tmp_path: Path, rows: list[list[str]]) -> None:
    names = [f"c{i}" for i in range(len(rows[0]) if rows else 1)]
    text = io.StringIO(newline="")
    csv.writer(text).writerows([names, *rows])
    assert read(tmp_path / "t.csv", text.getvalue()) == (names, [tuple(row) for row in rows])


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        (b"\xef\xbb\xbfa,b\n1,2\n", [("1", "2")]),
        ('a,b\n"x\ny",2\nz,3\n', [("x\ny", "2"), ("z", "3")]),
        ("a,b\r\n1,2\r\n", [("1", "2")]),
        ("a,b\n1,\n", [("1", None)]),
        ("a,b\n'x','y'\n", [("'x'", "'y'")]),
        ("a,b\n#1,2\n#3,4\n5,6\n", [("#1", "2"), ("#3", "4"), ("5", "6")]),
        ("a,b\n", []),
    ],
    ids=[
        "mark of byte order",
        "newline in quotes",
        "two-byte newlines",
        "empty cell",
        "single quotes",
        "hashes",
        "header only",
    ],
)
def test_a_csv_is_read_by_the_letter(tmp_path: Path, text: Any, rows: Any) -> None:
    assert read(tmp_path / "t.csv", text) == (["a", "b"], rows)


@pytest.mark.parametrize(
    "text",
    ["", "a,b\n1,2,3\n4,5,6\n7,8,9\n", "a,b\n1\n2\n3\n", "a,a\n1,2\n", "a,b\nJosé,1\n".encode("latin1")],
    ids=["empty", "rows too long", "rows too short", "a name twice", "not UTF-8"],
)
def test_a_csv_that_is_not_a_table_is_a_fault_and_no_guess(tmp_path: Path, text: Any) -> None:
    with pytest.raises(DataFault):
        read(tmp_path / "t.csv", text)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('a,b\n1,2\nc, "6 inch\nd,4\n', 3),
        ('a,b\nc, "6\nb,1\nd, 7"\ne,2\n', 2),
        ('a,b\nc,"b" "c"\nd,4\n', 2),
        ('a,b\n1,2\n"3,4\n5,6\n', 3),
        ('a,b\n"x\ny",2\n3,"', 4),
        ('a,b\n5" pipe,2\n"3,4\n', 3),
        ('a,b\n"""3,4\n', 2),
    ],
)
def test_no_row_is_lost_after_a_quotation_mark_that_is_never_closed(tmp_path: Path, text: str, line: int) -> None:
    with pytest.raises(DataFault, match=f"line {line} "):
        read(tmp_path / "t.csv", text)


def test_a_column_without_a_name_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataFault, match=r"column 1 .* no name"):
        read(tmp_path / "t.csv", ",a\n0,1\n")


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_what_divides_the_header_divides_the_rows_whatever_they_hold(tmp_path: Path, mark: str) -> None:
    others = ",;\t|".replace(mark, "")
    text = f"a{mark}b\n{others * 3}{mark}{others * 2}\n"
    assert read(tmp_path / "t.csv", text) == (["a", "b"], [(others * 3, others * 2)])


def test_a_name_with_wildcards_is_that_file_and_no_other(tmp_path: Path) -> None:
    (tmp_path / "data1.csv").write_text("x\n999\n")
    assert read(tmp_path / "data[1].csv", "x\n1\n") == (["x"], [("1",)])
    pd.DataFrame({"x": [999]}).to_parquet(tmp_path / "data1.parquet")
    pd.DataFrame({"x": [1]}).to_parquet(tmp_path / "data[1].parquet")
    assert source_relation(duckdb.connect(), tmp_path / "data[1].parquet").fetchall() == [(1,)]


def test_a_folders_name_is_no_data(tmp_path: Path) -> None:
    folder = tmp_path / "year=2020"
    folder.mkdir()
    assert read(folder / "t.csv", "year,b\n1999,2\n") == (["year", "b"], [("1999", "2")])
    pd.DataFrame({"b": [2]}).to_parquet(folder / "t.parquet")
    assert source_relation(duckdb.connect(), folder / "t.parquet").columns == ["b"]


def test_the_same_table_has_the_same_fingerprint_from_every_door(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": [3, 1, 2], "x": [1.5, 2.0, 0.1], "g": ["a", "b", "a"]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    columns = {"x": un.Range(0, 3), "g": un.Categorical("a", "b")}
    doors: list[Any] = [frame, tmp_path / "t.csv", str(tmp_path / "t.parquet"), duckdb.sql("SELECT * FROM frame")]
    prints = {un.protect(door, unit="id", columns=columns).fingerprint(b"k") for door in doors}
    assert len(prints) == 1
