"""Tables as an attacker holds them: a file or a dataframe, read without guessing types from text."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from unseen.core.engine import connect
from unseen.core.errors import InvalidRequest, shown

if TYPE_CHECKING:
    import narwhals as nw

__all__ = ["check_source", "read"]

TEXTS = (".csv", ".tsv", ".txt")
FORMATS = (*TEXTS, ".parquet", ".pq")


def check_source(source: Any, name: str) -> None:
    """Refuse what cannot be a table before anything is read.

    Raises:
        InvalidRequest: a path that is no file or of an unknown format, or no dataframe.
    """
    if isinstance(source, (str, Path)):
        path = Path(source)
        if path.suffix.lower() not in FORMATS:
            raise InvalidRequest(f"{name}={str(source)!r} was given", f"a file ends in one of {shown(FORMATS, 9)}")
        if not path.is_file():
            raise InvalidRequest(f"{name}={str(source)!r} was given", "there is no such file")
        return
    import narwhals as nw

    try:
        nw.from_native(source)
    except Exception as error:
        raise InvalidRequest(
            f"{name} of type {type(source).__name__} was given",
            "a table is the path of a csv or parquet file, or a dataframe that narwhals knows, with one name a column",
        ) from error


def read(source: Any, name: str) -> nw.DataFrame[Any]:
    """Read a table. A csv's values stay text, so that leading zeros stay.

    Args:
        source: path of a csv or parquet file, or a dataframe that narwhals knows, lazy or not.
        name: the argument's name, for messages.

    Raises:
        InvalidRequest: it is no table.
    """
    import narwhals as nw

    check_source(source, name)
    if not isinstance(source, (str, Path)):
        frame = nw.from_native(source)
        return frame.collect("pyarrow") if isinstance(frame, nw.LazyFrame) else frame
    import duckdb

    path = Path(source)
    connection = connect()
    try:
        if path.suffix.lower() in TEXTS:
            relation = connection.read_csv(str(path), header=True, all_varchar=True)
        else:
            relation = connection.read_parquet(str(path))
        return nw.from_native(relation).collect("pyarrow")
    except duckdb.Error as error:
        raise InvalidRequest(
            f"{name}={str(source)!r} was given", f"it cannot be read as {path.suffix.lower()[1:]}"
        ) from error
    finally:
        connection.close()
