"""The store: one SQLite file that holds every datapoint measured on this machine.

Rows are written in transactions, one as each measurement ends, so a crash at any moment loses
nothing that was finished, and any number of processes may read and write.  A row lies beside the
digest of its values: one that no longer matches is never used, but measured again.  A failed
measurement is a row too, and is tried again on request.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from .errors import StoreError
from .schema import COLUMNS, SCHEMA_VERSION, Column, check_row, columns_after

__all__ = ["DEFAULT_STORE", "Store", "damage_of"]

DEFAULT_STORE = Path("build/store/datapoints.sqlite")
_TYPES = {str: "TEXT", int: "INTEGER", float: "REAL"}
_DIGEST = "row_digest"
_CLAIMS = """CREATE TABLE IF NOT EXISTS claims (
    key TEXT PRIMARY KEY, owner TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL,
    started REAL NOT NULL, beat REAL NOT NULL) STRICT"""
_CAUSES = {
    sqlite3.SQLITE_FULL: "; free some space and run again",
    sqlite3.SQLITE_READONLY: "; the file and its folder must be writable",
    sqlite3.SQLITE_CANTOPEN: "; the file and its folder must be writable",
    sqlite3.SQLITE_BUSY: "; another process has kept it locked for a minute",
    sqlite3.SQLITE_CORRUPT: "; the file is damaged: put it aside and --merge an earlier copy",
}


def _declaration(column: Column) -> str:
    return f"{column.name} {_TYPES[column.kind]}" + (" PRIMARY KEY" * (column.name == "key"))


def _row_digest(row: Mapping[str, Any]) -> str:
    """Return the digest of a row's values; columns that came after its version do not count."""
    values = [row[c.name] for c in COLUMNS if c.since <= row["schema_version"]]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


class Store:
    """Datapoints by key."""

    def __init__(self, path: Path = DEFAULT_STORE) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make the folder {path.parent}: {error.strerror}") from None
        with self.connect() as connection:
            self._update(connection)

    def _update(self, connection: sqlite3.Connection) -> None:
        """Make the tables, or add the columns an older one lacks; its rows stay what they are."""
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version < SCHEMA_VERSION:
            connection.execute("BEGIN IMMEDIATE")  # another process may be about to do the same
            version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{self.path} has schema version {version}; this program knows versions up to "
                f"{SCHEMA_VERSION}: use a newer program or another store"
            )
        if version == 0:
            columns = ", ".join([*map(_declaration, COLUMNS), f"{_DIGEST} TEXT"])
            connection.execute(f"CREATE TABLE IF NOT EXISTS datapoints ({columns}) STRICT")
        elif version < SCHEMA_VERSION:
            for column in columns_after(version):
                connection.execute(f"ALTER TABLE datapoints ADD COLUMN {_declaration(column)}")
                connection.execute(f"UPDATE datapoints SET {column.name} = ?", [column.before])
        if version < SCHEMA_VERSION:
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        self._add_digests(connection)

    def _add_digests(self, connection: sqlite3.Connection) -> None:
        """Give digests to the rows of a store that was made without; one that is read-only may."""
        if _claims_exist(connection):
            return
        try:
            if not connection.in_transaction:
                connection.execute("BEGIN IMMEDIATE")
            if _claims_exist(connection):
                return
            connection.execute(_CLAIMS)
            names = {row["name"] for row in connection.execute("PRAGMA table_info(datapoints)")}
            if _DIGEST not in names:
                connection.execute(f"ALTER TABLE datapoints ADD COLUMN {_DIGEST} TEXT")
                rows = connection.execute("SELECT * FROM datapoints").fetchall()
                digests = [(_row_digest(dict(row)), row["key"]) for row in rows]
                update = f"UPDATE datapoints SET {_DIGEST} = ? WHERE key = ?"
                connection.executemany(update, digests)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_READONLY:
                raise

    @contextmanager
    def connect(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction; what goes wrong in it is a `StoreError`."""
        try:
            with closing(sqlite3.connect(self.path, timeout=60)) as connection, connection:
                connection.row_factory = sqlite3.Row
                yield connection
        except sqlite3.Error as error:
            cause = _CAUSES.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "")
            raise StoreError(
                f"the store {self.path} cannot be used: {error}{cause}; nothing in it was changed"
            ) from None

    def put(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Store a row, replacing one with the same key; return it as it is stored."""
        return self.put_all([row])[0]

    def put_all(self, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Store rows, all or none, and end the claims on them; return them as they are stored."""
        checked = [check_row(row, f"datapoint {row.get('key')}") for row in rows]
        names = [column.name for column in COLUMNS]
        marks = ", ".join("?" for _ in [*names, _DIGEST])
        with self.connect() as connection:
            connection.executemany(
                f"INSERT OR REPLACE INTO datapoints ({', '.join(names)}, {_DIGEST}) "
                f"VALUES ({marks})",
                [[*(row[name] for name in names), _row_digest(row)] for row in checked],
            )
            keys = [[row["key"]] for row in checked]
            connection.executemany("DELETE FROM claims WHERE key = ?", keys)
        return checked

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the row with a key; None where there is none, or a damaged one."""
        with self.connect() as connection:
            row = connection.execute("SELECT * FROM datapoints WHERE key = ?", [key]).fetchone()
        return _plain(row) if row is not None and not damage_of(dict(row)) else None

    def damaged(self) -> dict[str, str]:
        """Return what is wrong with each damaged row, by key; `StoreError` for a damaged file."""
        with self.connect() as connection:
            if found := [
                r[0] for r in connection.execute("PRAGMA integrity_check") if r[0] != "ok"
            ]:
                raise sqlite3.DatabaseError(found[0])
            rows = connection.execute("SELECT * FROM datapoints").fetchall()
        return {row["key"]: wrong for row in rows if (wrong := damage_of(dict(row)))}

    def remove(self, keys: Iterable[str]) -> None:
        """Take rows out."""
        with self.connect() as connection:
            connection.executemany("DELETE FROM datapoints WHERE key = ?", [[k] for k in keys])

    def table(self, *, damaged: Iterable[str] = ()) -> pd.DataFrame:
        """Return all rows, ordered by what they are about; of equal PE points the newest last.

        Rows with the keys in `damaged` are left out.

        Raises
        ------
        StoreError
            A row is damaged: a table without it would look complete.
        """
        order = "library, pe_type, filter_spad_kind, psum_width, filter_spad, ifmap_spad, psum_spad"
        with self.connect() as connection:
            rows = connection.execute(
                f"SELECT * FROM datapoints ORDER BY {order}, rowid"
            ).fetchall()
        left_out = set(damaged)
        rows = [row for row in rows if row["key"] not in left_out]
        wrong = [damage for row in rows if (damage := damage_of(dict(row)))]
        if wrong:
            raise StoreError(
                f"{self.path} holds damaged rows ({len(wrong)}), the first: {wrong[0]}; "
                f"`python -m characterize --verify --store {self.path}` takes them out"
            )
        return pd.DataFrame([_plain(row) for row in rows], columns=[c.name for c in COLUMNS])


def _claims_exist(connection: sqlite3.Connection) -> bool:
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'claims'")
    return found.fetchone() is not None


def _plain(row: sqlite3.Row) -> dict[str, Any]:
    return {column.name: row[column.name] for column in COLUMNS}


def damage_of(row: Mapping[str, Any]) -> str:
    """Return what is wrong with a row as it lies in a store's file, empty where nothing."""
    where = f"datapoint {row.get('key')}"
    try:
        checked = check_row({n: v for n, v in row.items() if n != _DIGEST}, where)
    except StoreError as error:
        return str(error)
    # Stores of an earlier program have no digests.
    if row.get(_DIGEST) in (None, _row_digest(checked)):
        return ""
    return f"{where}: its values do not match their digest"
