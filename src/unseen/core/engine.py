"""The table engine, in memory, which fetches nothing by itself."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

__all__ = ["connect"]


def connect() -> duckdb.DuckDBPyConnection:
    """A new DuckDB in memory that neither installs nor loads extensions that a query would want."""
    import duckdb

    return duckdb.connect(
        ":memory:", config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    )
