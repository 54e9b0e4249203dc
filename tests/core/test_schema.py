"""A declaration is complete, consistent and out of reach of later changes, or it is refused with a fix."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

import unseen as un
from unseen.core.errors import InvalidRequest, InvalidSchema

COLUMNS = {"age": un.Range(0, 110), "ill": un.Categorical("no", "yes"), "zip": un.Digits(5)}


def test_every_column_has_the_role_that_was_declared() -> None:
    schema = un.Schema("id", COLUMNS, ("age", "zip"), ("ill",))
    assert schema.quasi_identifiers == ("age", "zip")
    assert schema.sensitive == ("ill",)


def test_a_schema_is_json_ready() -> None:
    told = json.loads(json.dumps(un.Schema("id", COLUMNS, ("age",), ("ill",), 3).to_dict(), allow_nan=False))
    assert told["unit"] == "id" and told["max_rows_per_unit"] == 3
    assert set(told["columns"]) == set(COLUMNS)


@pytest.mark.parametrize(
    "declare",
    [
        lambda: un.Schema("", COLUMNS),
        lambda: un.Schema(None, COLUMNS),  # type: ignore[arg-type]
        lambda: un.Schema("id", ["age"]),  # type: ignore[arg-type]
        lambda: un.Schema("id", {"age": (0, 110)}),  # type: ignore[dict-item]
        lambda: un.Schema("id", {"age": un.Range}),  # type: ignore[dict-item]
        lambda: un.Schema("id", {"": un.Range(0, 1)}),
        lambda: un.Schema("id", {3: un.Range(0, 1)}),  # type: ignore[dict-item]
        lambda: un.Schema("age", COLUMNS),
        lambda: un.Schema("id", COLUMNS, ("height",)),
        lambda: un.Schema("id", COLUMNS, ("age", "age")),
        lambda: un.Schema("id", COLUMNS, "age"),  # type: ignore[arg-type]
        lambda: un.Schema("id", COLUMNS, None),  # type: ignore[arg-type]
        lambda: un.Schema("id", COLUMNS, ([1],)),  # type: ignore[arg-type]
        lambda: un.Schema("id", COLUMNS, ("age",), ("age",)),
        lambda: un.Schema("id", COLUMNS, max_rows_per_unit=0),
        lambda: un.Schema("id", COLUMNS, max_rows_per_unit=1.5),  # type: ignore[arg-type]
        lambda: un.Schema("id", COLUMNS, max_rows_per_unit=10**400),
        lambda: un.Schema(un.EachRow(), COLUMNS, max_rows_per_unit=2),
        lambda: un.Range(1, 1),
        lambda: un.Range(2, 1),
        lambda: un.Range(0, math.nan),
        lambda: un.Range(-math.inf, 0),
        lambda: un.Range("0", 1),  # type: ignore[arg-type]
        lambda: un.Range(False, True),
        lambda: un.Range(0, 10**400),
        lambda: un.Range(-1e308, 1e308),
        lambda: un.Range(1e18, 1e18 + 256),
        lambda: un.Range(0, 1, missing=2),
        lambda: un.Range(0, 1, missing=math.nan),
        lambda: un.Categorical(),
        lambda: un.Categorical("a", "a"),
        lambda: un.Categorical(1, 1.0),
        lambda: un.Categorical("a", None),
        lambda: un.Categorical("a", math.nan),
        lambda: un.Categorical("a", other="b"),
        lambda: un.Digits(0),
        lambda: un.Digits(19),
        lambda: un.Digits(1.5),  # type: ignore[arg-type]
        lambda: un.Digits(5, missing="123"),
        lambda: un.Digits(3, missing="12a"),
        lambda: un.Digits(3, missing="١٢٣"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_one_clear_line(declare: Any) -> None:
    with pytest.raises(InvalidRequest) as told:
        declare()
    assert "\n" not in str(told.value) and told.value.asked and told.value.allowed


def test_an_undeclared_column_is_named_beside_what_is_declared() -> None:
    with pytest.raises(InvalidSchema, match=r"'height'.*'age'"):
        un.Schema("id", COLUMNS).known(["height"])


def test_categories_are_compared_as_text_and_numbers_lose_a_trailing_zero() -> None:
    assert un.Categorical(1, 2.0, 0.5, True, "x").values == ("1", "2", "0.5", "true", "x")


def test_a_numpy_truth_value_is_the_category_that_a_python_one_is() -> None:
    assert un.Categorical(np.bool_(False), np.bool_(True)) == un.Categorical(False, True)


def test_a_declaration_that_the_caller_changes_later_changes_nothing() -> None:
    columns: dict[str, Any] = {"x": un.Range(0, 100)}
    data = un.protect(pd.DataFrame({"x": [100.0] * 10}), unit=un.EachRow(), columns=columns)
    before = un.query.Sum("x", epsilon=1).query(data)
    columns["x"] = un.Range(0, 1)  # the values stay clamped to 100, so that a bound of 1 would be a lie
    columns["y"] = un.Range(0, 1)
    assert un.query.Sum("x", epsilon=1).query(data) == before
    assert list(data.schema.columns) == ["x"]
