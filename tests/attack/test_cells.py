"""Cells say the same whatever wrote them: numbers exactly, stamps by their local time."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from unseen.attack.cells import key, number, text


@given(st.integers(-(2**70), 2**70), st.integers(-(2**70), 2**70))
def test_whole_numbers_are_told_apart_beyond_the_doubles(one: int, other: int) -> None:
    assert key(one) == key(str(one)) == key(f" {one}.0") and (key(one) == key(other)) == (one == other)


@given(st.datetimes(), st.integers(-23, 23))
def test_a_stamp_is_its_local_time(stamp: datetime, hours: int) -> None:
    zoned = stamp.replace(tzinfo=timezone(timedelta(hours=hours)))
    assert key(zoned) == key(stamp) and text(zoned) == text(stamp)


def test_a_day_is_its_midnight_and_no_stamp_is_missing() -> None:
    assert text(datetime(2024, 2, 29, tzinfo=UTC)) == text(date(2024, 2, 29)) == "2024-02-29"
    assert text(pd.NaT) is None and key(pd.NaT) == key(None) == key(np.float64("nan"))
    assert np.isnan([number("x"), number(None), number(10**400)]).all() and number("027") == 27
