"""The store: one SQLite file that holds every datapoint measured on this machine.

Rows are written in transactions, one as each measurement ends, so a crash at any moment loses
nothing that was finished.  A failed measurement is a row too, and is tried again on request.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from .errors import StoreError
from .schema import COLUMNS, SCHEMA_VERSION, Column, check_row, columns_after

__all__ = ["DEFAULT_STORE", "Store"]

DEFAULT_STORE = Path("build/store/datapoints.sqlite")
_TYPES = {str: "TEXT", int: "INTEGER", float: "REAL"}


def _declaration(column: Column) -> str:
    return f"{column.name} {_TYPES[column.kind]}" + (" PRIMARY KEY" * (column.name == "key"))


class Store:
    """Datapoints by key."""

    def __init__(self, path: Path = DEFAULT_STORE) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make the folder {path.parent}: {error.strerror}") from None
        with self._connect() as connection:
            self._update(connection)

    def _update(self, connection: sqlite3.Connection) -> None:
        """Make the table, or add the columns an older one lacks; its rows stay what they are."""
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version < SCHEMA_VERSION:
            connection.execute("BEGIN IMMEDIATE")  # another process may be about to do the same
            version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{self.path} has schema version {version}; this program knows versions up to "
                f"{SCHEMA_VERSION}: use a newer program or another store"
            )
        if version == SCHEMA_VERSION:
            return
        if version == 0:
            columns = ", ".join(map(_declaration, COLUMNS))
            connection.execute(f"CREATE TABLE IF NOT EXISTS datapoints ({columns}) STRICT")
        else:
            for column in columns_after(version):
                connection.execute(f"ALTER TABLE datapoints ADD COLUMN {_declaration(column)}")
                connection.execute(f"UPDATE datapoints SET {column.name} = ?", [column.before])
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.path, timeout=60)) as connection, connection:
                connection.row_factory = sqlite3.Row
                yield connection
        except sqlite3.Error as error:
            raise StoreError(
                f"the store {self.path} cannot be used: {error}; nothing in it was changed"
            ) from None

    def put(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Store a row, replacing one with the same key; return it as it is stored."""
        checked = check_row(row, f"datapoint {row.get('key')}")
        names = ", ".join(column.name for column in COLUMNS)
        marks = ", ".join("?" for _ in COLUMNS)
        with self._connect() as connection:
            connection.execute(
                f"INSERT OR REPLACE INTO datapoints ({names}) VALUES ({marks})",
                [checked[column.name] for column in COLUMNS],
            )
        return checked

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the row with a key, or None."""
        with self._connect() as connection:
            row = connection.execute("SELECT * FROM datapoints WHERE key = ?", [key]).fetchone()
        return dict(row) if row else None

    def table(self) -> pd.DataFrame:
        """Return all rows, ordered by what they are about; of equal PE points the newest last."""
        order = "library, pe_type, filter_spad_kind, psum_width, filter_spad, ifmap_spad, psum_spad"
        with self._connect() as connection:
            rows = connection.execute(
                f"SELECT * FROM datapoints ORDER BY {order}, rowid"
            ).fetchall()
        return pd.DataFrame([dict(row) for row in rows], columns=[c.name for c in COLUMNS])
