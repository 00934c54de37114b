from __future__ import annotations

import sqlite3
from pathlib import Path

import pandas as pd
import pytest

from characterize.datapoints import export_csv, load, read_csv
from characterize.errors import StoreError
from characterize.store import Store

from .rows import row


def test_rows_come_back_as_they_went(tmp_path: Path) -> None:
    store = Store(tmp_path / "deep" / "s.sqlite")
    store.put(row("a"))
    store.put(row("b", status="failed", message="why", area_um2=None))
    store.put(row("a", area_um2=7.0))
    again = Store(store.path)
    assert again.get("a") == row("a", area_um2=7.0)
    assert again.get("c") is None
    assert sorted(again.table()["key"]) == ["a", "b"]


def test_a_wrong_row_changes_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    with pytest.raises(StoreError, match="datapoint a: area_um2"):
        store.put(row("a", area_um2=-1.0))
    assert store.table().empty


def test_a_newer_store_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="schema version 99; this program knows versions up to"):
        Store(path)
    assert path.read_bytes() == before


def test_what_is_no_store_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    path.write_text("no database, but long enough to look like a file of something else" * 9)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="cannot be used: file is not a database"):
        Store(path)
    assert path.read_bytes() == before


def test_csv_round_trips_and_names_wrong_cells(tmp_path: Path) -> None:
    path = tmp_path / "toy.csv"
    export_csv(pd.DataFrame([row("b"), row("a", status="failed", message="why")]), path)
    assert [r["key"] for r in read_csv(path).to_dict("records")] == ["a", "b"]
    path.write_text(path.read_text().replace(",int8,", ",int8,many", 1))
    with pytest.raises(StoreError, match=r"toy.csv, row 2: "):
        read_csv(path)


def test_loading_joins_the_store_and_leaves_failures_out(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    store.put(row("a"))
    store.put(row("b", status="failed", message="why"))
    store.put(row("c", library="other"))
    assert list(load("toy", store=store.path)["key"]) == ["a"]
    with pytest.raises(StoreError, match="no datapoints for the library 'nothing'"):
        load("nothing", store=store.path)
    with pytest.raises(StoreError, match="a library's name must be"):
        load("../toy", store=store.path)
