"""Derived columns are computed by the grammar alone, and whatever cannot be computed counts as missing."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import unseen as un
from unseen.core.errors import InvalidRequest
from unseen.recipe.derive import derived, translate

SCHEMA = un.Schema(un.EachRow(), {"new": un.Categorical("false", "true")})
TABLE = pa.table({"a": [1.0, float("nan"), None, -2.0], "b": ["x", "1", None, "y"], "c d": [1, 2, 3, 0]})


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a > 0", [True, None, None, False]),
        ("not a > 0", [False, None, None, True]),
        ("a > 0 or column('c d') == 2", [True, True, None, False]),
        ("b == 'x'", [True, False, None, False]),
        ("b > 0", [None, True, None, None]),
        ("-3 < a <= 1", [True, None, None, True]),
        ("a * 2 + 1", [3.0, None, None, -3.0]),
        ("1 / column('c d')", [1.0, 0.5, 1 / 3, None]),
        ("-a", [-1.0, None, None, 2.0]),
    ],
)
def test_expressions_mean_what_they_say(expression: str, expected: list[object]) -> None:
    found = derived(TABLE, {"new": expression}, SCHEMA).column("new").to_pylist()
    finite = [None if value in (float("inf"), float("-inf")) else value for value in found]
    assert finite == expected


@pytest.mark.parametrize(
    "expression",
    [
        *("", "a >", "a = 0", "a; b", "a.b", "a[0]", "f(a)", "column(a)", "column('zz')", "lambda: a", "a if b else c"),
        *("[a]", "{a}", "a ** 2", "a in b", "a is None", "True", "'x'", "f'{a}'", "1e999", "1j", "(" * 500, "a" * 3000),
        *("__import__('os')", "a > 0 --", "a) OR (1=1", "-" * 400 + "a", "not " * 300 + "a > 0", "a + (b > 0)"),
    ],
)
def test_all_else_is_refused_in_one_line(expression: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        translate(expression, {"a": '"a"', "b": '"b"', "c": '"c"'})
    assert "\n" not in str(refused.value)


@given(st.text(max_size=60))
def test_no_text_becomes_sql_without_the_grammar(text: str) -> None:
    try:
        sql = translate(text, {"a": '"a"'})
    except InvalidRequest:
        return
    assert sql.startswith("TRY((") or sql.startswith("TRY(nullif") or sql[4:5].isdigit()


def test_texts_cannot_break_out_of_their_quotes() -> None:
    found = derived(TABLE, {"new": 'b == "x\' OR 1=1 --"'}, SCHEMA).column("new").to_pylist()
    assert found == [False, False, None, False]


def test_a_csv_with_derived_columns_is_read_as_one_without(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("n,c,z\n1.50,1.0,007\nold,2,12\n,yes,ab\n", encoding="utf-8")
    columns = {"n": un.Range(0, 9), "c": un.Categorical("1", "2", "yes"), "z": un.Digits(3)}
    plain = un.protect(path, unit=un.EachRow(), columns=columns)
    more = derived(path, {"new": "n > 1"}, plain.schema)
    with_new = un.protect(more, unit=un.EachRow(), columns={**columns, "new": un.Categorical("false", "true")})
    for name in columns:
        assert (
            plain.arrays([name], bounded=False)[name].tolist() == with_new.arrays([name], bounded=False)[name].tolist()
        )
    assert with_new.arrays(["new"], bounded=False)["new"].tolist() == ["true", "false", "false"]
