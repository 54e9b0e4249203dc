"""What a released frame holds beside what it shows: nothing of rows that were left out, nothing of the old order."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import datetime as dt
import pickle
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unseen.core.errors import DataFault
from unseen.deid import Generalize, Hierarchy, KAnonymize, Mondrian
from unseen.deid.released import released

HIERARCHIES = {"q": Hierarchy.intervals(0, 9, [3])}
GUARDS: list[Callable[[], Any]] = [
    lambda: KAnonymize(5, ["q"], 0.5, HIERARCHIES),
    lambda: Generalize({"q": 1}, 5, 0.5, HIERARCHIES),
]
ROWS = 40
MARK = "the suppressed person's own secret"
TEXTS = [f"somebody else's text, number {i:02}" for i in range(ROWS - 1)]


def _bytes(value: Any) -> bytes:
    return pickle.dumps(value)


def _ipc(value: Any) -> bytes:
    sink = pa.BufferOutputStream()
    table = nw.from_native(value, eager_only=True).to_arrow()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _enum(values: list[str]) -> pl.Series:
    return pl.Series(values, dtype=pl.Enum(values))


def _arrow(column: Any) -> pa.Table:
    notes = {b"of whom": MARK.encode()}
    schema = pa.schema([pa.field("q", pa.int64()), pa.field("s", column.type, metadata=notes)], notes)
    return pa.table([pa.array([1] * (ROWS - 1) + [9]), column], schema=schema)


def _pandas(column: Any) -> pd.DataFrame:
    frame = pd.DataFrame({"q": [1] * (ROWS - 1) + [9], "s": column})
    frame.attrs["of whom"] = frame.columns.name = MARK
    return frame


def _polars(column: Any) -> pl.DataFrame:
    return pl.DataFrame({"q": [1] * (ROWS - 1) + [9], "s": column})


ALL = [*TEXTS, MARK]
ENCODED = pa.array(ALL).dictionary_encode()
FRAMES: dict[str, Callable[[], Any]] = {
    "pandas objects": lambda: _pandas(pd.Series(ALL, dtype=object)),
    "pandas texts": lambda: _pandas(pd.Series(ALL, dtype="string")),
    "pandas categories": lambda: _pandas(pd.Categorical(ALL)),
    "pandas arrow": lambda: _pandas(pd.Series(ALL, dtype=pd.ArrowDtype(pa.string()))),
    "pandas arrow lists of categories": lambda: _pandas(
        pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([pa.ListArray.from_arrays(range(ROWS + 1), ENCODED)])))
    ),
    "polars": lambda: _polars(ALL),
    "polars binary": lambda: _polars([one.encode() for one in ALL]),
    "polars lists": lambda: _polars([[one] for one in ALL]),
    "polars structures": lambda: _polars([{"a": one} for one in ALL]),
    "polars categories": lambda: _polars(pl.Series(ALL, dtype=pl.Categorical)),
    "polars enum": lambda: _polars(_enum(ALL)),
    "polars lists of enum": lambda: _polars(_enum(ALL).reshape((ROWS, 1)).arr.to_list()),
    "polars lazy": lambda: _polars(ALL).lazy(),
    "arrow": lambda: _arrow(pa.array(ALL)),
    "arrow views": lambda: _arrow(pa.array(ALL, pa.string_view())),
    "arrow categories": lambda: _arrow(ENCODED),
    "arrow lists of categories": lambda: _arrow(pa.ListArray.from_arrays(range(ROWS + 1), ENCODED)),
    "arrow structures": lambda: _arrow(pa.StructArray.from_arrays([ENCODED], ["a"])),
    "arrow chunks": lambda: pa.concat_tables([_arrow(pa.array(ALL)).slice(0, 7), _arrow(pa.array(ALL)).slice(7)]),
}


@pytest.mark.parametrize("guard", GUARDS)
@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_nothing_of_a_suppressed_row_and_nothing_of_the_old_order_leaves(frame: Any, guard: Any) -> None:
    release = guard().release(frame())
    found = nw.from_native(release.value, eager_only=True)
    assert len(found) == ROWS - 1
    shown = [str(one) for one in found["s"].to_list()]
    order = [TEXTS.index(next(text for text in TEXTS if text in one)) for one in shown]
    for content in (_bytes(release), _bytes(release.value), _ipc(release.value)):
        assert MARK.encode() not in content
        places = [content.find(TEXTS[at].encode()) for at in order]
        if -1 not in places:  # a pickle of Python's objects may hold a text by its address elsewhere
            assert places == sorted(places)


class _Marked(pa.ExtensionType):  # type: ignore[misc]
    """A type of somebody's own over a dictionary."""

    def __init__(self, storage: Any) -> None:
        super().__init__(storage, "tests.marked")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: Any, serialized: bytes) -> Any:
        return cls(storage)


def test_a_type_of_somebody_s_own_brings_no_dictionary_along() -> None:
    column = pa.ExtensionArray.from_storage(_Marked(ENCODED.type), ENCODED)
    release = GUARDS[0]().release(_arrow(column))
    assert MARK.encode() not in _bytes(release.value) and sorted(release.value["s"].to_pylist()) == sorted(TEXTS)


EXACT = 1_600_000_000_123_456_789


@pytest.mark.parametrize(
    "values",
    [
        pl.Series([EXACT, None] * 3, dtype=pl.Int64).cast(pl.Datetime("ns")),
        pl.Series([EXACT, None] * 3, dtype=pl.Int64).cast(pl.Duration("ns")),
        pl.Series([[EXACT], []] * 3, dtype=pl.List(pl.Int64)).cast(pl.List(pl.Datetime("ns"))),
        pl.Series([2**63 - 1, None] * 3, dtype=pl.Int64),
    ],
    ids=lambda one: str(one.dtype),
)
def test_nothing_is_rounded(values: pl.Series) -> None:
    frame = pl.DataFrame({"q": [1] * 6, "s": values})
    found = GUARDS[0]().release(frame).value["s"]
    assert found.dtype == values.dtype and sorted(map(str, found.to_list())) == sorted(map(str, values.to_list()))
    assert found.sort().equals(values.sort()) if not values.dtype.is_nested() else True


@pytest.mark.filterwarnings("ignore:.*column names")  # narwhals speaks of them too
def test_what_cannot_be_handed_out_or_named_is_told() -> None:
    union = pa.UnionArray.from_sparse(pa.array([0] * 6, pa.int8()), [pa.array([1] * 6)])
    with pytest.raises(DataFault, match="'s' is of the type"):
        GUARDS[0]().release(pa.table({"q": [1] * 6, "s": union}))
    with pytest.raises(DataFault, match="names are no texts"):
        GUARDS[0]().release(pd.DataFrame({"q": [1] * 6, 7: [1] * 6}))


def test_a_number_below_a_missing_mark_does_not_leave() -> None:
    secret = 0x5EC2E7_5EC2E7
    hidden = pd.arrays.IntegerArray(np.array([secret] * 12), np.array([False] * 6 + [True] * 6))  # type: ignore[attr-defined]
    marked = pa.array([1] * 6 + [None] * 6, pa.int64()).buffers()[0]
    below = pa.Array.from_buffers(pa.int64(), 12, [marked, pa.array([secret] * 12).buffers()[1]])
    for frame in (
        pd.DataFrame({"q": [1] * 12, "s": hidden}).iloc[6:],
        pa.table({"q": [1] * 12, "s": below}).slice(6),
        pl.from_arrow(pa.table({"q": [1] * 12, "s": below}).slice(6)),
    ):
        release = GUARDS[0]().release(frame)
        assert len(release.value) == 6 and secret.to_bytes(8, "little") not in _bytes(release.value)


STAMP = dt.datetime(2020, 1, 1)
ALIKE: dict[str, Any] = {
    "zeros": [0.0] * 7 + [-0.0],
    "numbers": pd.Series([1] * 7 + [1.0], dtype=object),
    "decimals": pd.Series([Decimal("1.0")] * 7 + [Decimal("1.00")], dtype=object),
    "a date among stamps": pd.Series([STAMP] * 7 + [STAMP.date()], dtype=object),
    "zones": pd.Series(
        [dt.datetime(2020, 1, 1, 12, tzinfo=dt.UTC)] * 7
        + [dt.datetime(2020, 1, 1, 17, tzinfo=dt.timezone(dt.timedelta(hours=5)))],
        dtype=object,
    ),
}


@pytest.mark.parametrize("values", ALIKE.values(), ids=ALIKE)
def test_what_counts_as_one_value_is_told_as_one(values: Any) -> None:
    table = pd.DataFrame({"x": values})
    leaves = {str(one) for one in pd.Series(values).tolist()} | {"0.0", "1.0", "1", "1.00", "2020-01-01"}
    leaves |= {"2020-01-01 00:00:00", "2020-01-01 12:00:00+00:00", "2020-01-01 17:00:00+05:00"}
    numeric = values is ALIKE["zeros"] or values is ALIKE["numbers"] or values is ALIKE["decimals"]
    hierarchy = Hierarchy.intervals(0, 9, [3]) if numeric else Hierarchy.flat(sorted(leaves))
    for guard in (
        KAnonymize(5, ["x"], 0, {"x": hierarchy}),
        Generalize({"x": 0}, 5, 0.5, {"x": hierarchy}),
        Mondrian(5, ["x"], {"x": hierarchy}),
    ):
        try:
            release = guard.release(table)
        except DataFault:
            continue  # different values that do not fit, or classes that are too small: nothing is told
        told = release.value["x"].tolist()
        forms = [(type(one), str(one), np.signbit(one) if isinstance(one, float) else None) for one in told]
        assert all(forms.count(form) >= 5 for form in forms), forms


def test_whole_numbers_beyond_the_doubles_are_counted_apart() -> None:
    ids = 2**60 + np.arange(20)
    frame = pd.DataFrame({"id": ids})
    hierarchy = {"id": Hierarchy.intervals(0, 2**62, [2**61])}
    population = pd.DataFrame({"id": np.repeat(ids, 5).astype(np.uint64)})
    for guard in (
        KAnonymize(5, ["id"], 0, hierarchy),
        KAnonymize(5, ["id"], 0, hierarchy, models=[_kmap(5)], population=population),
        Mondrian(5, ["id"]),
    ):
        assert guard.release(frame).value["id"].value_counts().min() >= 5


def _kmap(k: int) -> Any:
    from unseen.deid import KMap

    return KMap(k)


def test_a_type_tells_of_released_rows_alone() -> None:
    import unseen as un

    types = []
    for last in (9.5, 9.0):
        table = pd.DataFrame({"q": [1.0] * 9 + [9.0], "x": [2.0] * 9 + [last]})
        data = un.protect(table, unit=un.EachRow(), columns={"q": un.Range(0, 9), "x": un.Range(0, 10)})
        types.append(KAnonymize(5, ["q"], 0.2, HIERARCHIES).release(data).value.dtypes.to_dict())
    assert types[0] == types[1]


@given(st.lists(st.one_of(st.none(), st.text(max_size=20)), min_size=1, max_size=8), st.data())
def test_rows_come_as_they_are_chosen(texts: list[str | None], data: Any) -> None:
    rows = np.array(data.draw(st.lists(st.integers(0, len(texts) - 1), max_size=9)), dtype=np.int64)
    numbers = [float(at) for at in range(len(texts))]
    for make in (pd.DataFrame, pl.DataFrame, pa.table):
        frame = nw.from_native(make({"a": texts, "n": numbers}), eager_only=True)  # type: ignore[operator]
        found = nw.from_native(released(frame, rows, {}), eager_only=True)
        shown = [None if one is None or one != one else one for one in found["a"].to_list()]
        assert shown == [texts[row] for row in rows] and found["n"].to_list() == [numbers[row] for row in rows]


def test_a_proof_is_not_pickled_and_a_release_goes_without_it() -> None:
    from unseen.core.errors import InvalidRequest

    release = GUARDS[0]().release(pd.DataFrame({"q": [1] * 9}))
    assert pickle.loads(pickle.dumps(release)).proof is None
    with pytest.raises(InvalidRequest, match="owner"):
        pickle.dumps(release.proof)
