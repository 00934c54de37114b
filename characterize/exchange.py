"""Datapoints in and out of a store: CSV files, Parquet files, other stores.

Whatever comes in is checked row by row like a new measurement, and comes in whole or not at all.
Of two rows with one key the store's own stays, but a measured one replaces a failed one.  CSV
rounds figures to six digits; Parquet keeps every bit.
"""

from __future__ import annotations

import io
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet

from .datapoints import check_rows, csv_rows, export_csv
from .errors import StoreError
from .schema import COLUMNS, SCHEMA_VERSION, check_row
from .store import Store, damage_of

__all__ = ["FORMATS", "export_table", "import_file", "merge_store", "read_parquet"]

FORMATS = (".csv", ".parquet")
_MOST_ROWS = 1_000_000
"""Rows of a file that is still read; a plan of every PE type has a few thousand."""
_TYPES = {str: pa.string(), int: pa.int64(), float: pa.float64()}


def export_table(table: pd.DataFrame, path: Path) -> None:
    """Write datapoints as CSV or Parquet, by the file's ending."""
    if _format(path) == ".csv":
        export_csv(table, path)
        return
    schema = pa.schema([(column.name, _TYPES[column.kind]) for column in COLUMNS])
    rows = [check_row(row, f"datapoint {row.get('key')}") for row in _records(table)]
    content = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows, schema=schema), content)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(content.getvalue())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def import_file(path: Path, store: Store) -> int:
    """Put the rows of a CSV or Parquet file into a store; return how many were new."""
    if _format(path) == ".csv":
        return _add(csv_rows(path), store)
    return _add(read_parquet(path), store)


def read_parquet(path: Path) -> list[dict[str, Any]]:
    """Return the datapoints of a Parquet file; `StoreError` naming row and column."""
    try:
        with parquet.ParquetFile(path) as file:
            if file.metadata.num_rows > _MOST_ROWS:
                raise StoreError(f"{path} must hold at most {_MOST_ROWS} rows")
            names = [column.name for column in COLUMNS]
            if unknown := set(file.schema_arrow.names) - set(names):
                raise StoreError(f"{path}: unknown column {min(unknown)!r}")
            rows = file.read(use_threads=False).to_pylist()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise StoreError(f"cannot read datapoints from {path}: {error}") from None
    return check_rows(rows, path, first=1)


def merge_store(path: Path, store: Store) -> int:
    """Put the rows of another store into a store; return how many were new.

    The other one is only read, also where it is of an older schema.
    """
    if not path.is_file():
        raise StoreError(f"there is no store {path}")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as other:
            other.row_factory = sqlite3.Row
            version = other.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA_VERSION:
                raise StoreError(
                    f"{path} has schema version {version}; this program knows versions up to "
                    f"{SCHEMA_VERSION}: use a newer program"
                )
            rows = [dict(row) for row in other.execute("SELECT * FROM datapoints ORDER BY rowid")]
    except sqlite3.Error as error:
        raise StoreError(f"the store {path} cannot be read: {error}") from None
    wrong = [damage for row in rows if (damage := damage_of(row))]
    if wrong:
        raise StoreError(
            f"{path} holds damaged rows ({len(wrong)}), the first: {wrong[0]}; "
            f"`python -m characterize --verify --store {path}` takes them out"
        )
    return _add(rows, store)


def _add(rows: Sequence[dict[str, Any]], store: Store) -> int:
    new = []
    for row in rows:
        own = store.get(row["key"])
        if own is None or (own["status"] != "ok" and row["status"] == "ok"):
            new.append({column.name: row.get(column.name) for column in COLUMNS})
    store.put_all(new)
    return len(new)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): v for name, v in row.items()} for row in table.to_dict("records")]


def _format(path: Path) -> str:
    if path.suffix not in FORMATS:
        raise StoreError(
            f"a file of datapoints must end in {' or '.join(FORMATS)}, not {path.name!r}"
        )
    return path.suffix
