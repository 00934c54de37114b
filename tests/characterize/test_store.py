from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from characterize.datapoints import export_csv, load, read_csv
from characterize.errors import StoreError
from characterize.schema import COLUMNS, SCHEMA_VERSION, columns_after
from characterize.source_digest import generator_digest, measurement_digest
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


def version_1(path: Path, *keys: str) -> Path:
    """Write a store as version 1 of the schema made it."""
    columns = [column for column in COLUMNS if column.since == 1]
    types = {str: "TEXT", int: "INTEGER", float: "REAL"}
    text = ", ".join(
        f"{c.name} {types[c.kind]}{' PRIMARY KEY' if c.name == 'key' else ''}" for c in columns
    )
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"CREATE TABLE datapoints ({text}) STRICT")
        for key in keys:
            old = row(key, schema_version=1)
            marks = ", ".join("?" for _ in columns)
            values = [old[column.name] for column in columns]
            connection.execute(f"INSERT INTO datapoints VALUES ({marks})", values)
        connection.execute("PRAGMA user_version = 1")
    return path


def test_an_older_store_is_brought_up_to_date_with_its_rows(tmp_path: Path) -> None:
    store = Store(version_1(tmp_path / "s.sqlite", "a", "b"))
    store.put(row("c"))
    for opened in (store, Store(store.path)):
        old = opened.get("a")
        assert old is not None
        assert (old["schema_version"], old["area_um2"], old["decoders"]) == (1, 1.5, "pe")
        assert old["recipe"] is None and old["leakage_datapath_uw"] is None
        assert opened.get("c") == row("c")
        assert sorted(opened.table()["key"]) == ["a", "b", "c"]
    again = store.put(old)
    assert store.get("a") == again == old


def test_an_older_csv_is_read_and_written(tmp_path: Path) -> None:
    path = tmp_path / "toy.csv"
    later = [column.name for column in columns_after(1)]
    table = pd.DataFrame([row("a", schema_version=1)]).drop(columns=later)
    export_csv(table, path)
    read = read_csv(path)
    assert list(read["decoders"]) == ["pe"] and read["recipe"].isna().all()
    export_csv(read, path)
    assert read_csv(path).to_dict("records") == read.to_dict("records")
    table["schema_version"] = SCHEMA_VERSION
    export_csv(table, path)
    with pytest.raises(StoreError, match=r"toy\.csv, row 2: column 'operands' is empty"):
        read_csv(path)
    table["schema_version"] = 99
    export_csv(table.assign(colour="red"), path)
    with pytest.raises(StoreError, match="row 2: schema version 99; this program knows versions"):
        read_csv(path)


def test_of_equal_points_the_one_measured_last_counts(tmp_path: Path) -> None:
    store = Store(version_1(tmp_path / "s.sqlite", "z"))
    store.put(row("b", area_um2=2.0))
    store.put(row("a", area_um2=3.0))
    store.put(row("c", decoders="edge"))
    loaded = load("toy", store=store.path)
    assert list(loaded["key"]) == ["a", "c"]


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


def test_rows_of_earlier_sources_do_not_mix_with_those_of_this_tree(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    old = {"generator_digest": "old", "flow_digest": "old"}
    new = {"generator_digest": generator_digest("int8"), "flow_digest": measurement_digest()}
    store.put(row("k1", filter_spad=64, **old))
    store.put(row("k2", filter_spad=128, **old))
    assert len(load("toy", store=store.path)) == 2
    store.put(row("k3", filter_spad=64, **new))
    store.put(row("k4", filter_spad=64, pe_type="int4", **old))
    table = load("toy", store=store.path)
    assert set(table["key"]) == {"k3", "k4"}


def test_a_full_disk_is_named_and_the_store_unharmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "s.sqlite")
    store.put(row("a"))
    connect = sqlite3.connect

    def on_a_full_disk(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        connection.execute("PRAGMA max_page_count = 1")  # SQLite takes what it already has
        return connection

    with monkeypatch.context() as full:
        full.setattr(sqlite3, "connect", on_a_full_disk)
        with pytest.raises(StoreError, match="disk is full; free some space and run again; noth"):
            store.put_all([row(f"b{n}", message="long" * 1000, status="failed") for n in range(99)])
    assert list(store.table()["key"]) == ["a"] and store.damaged() == {}
    store.put(row("b"))


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    if not Path("/proc/self").exists():
        pytest.skip("this system has no folder that even root cannot write to")
    with pytest.raises(StoreError, match="unable to open database file; the file and its folder m"):
        Store(Path("/proc/self/s.sqlite"))
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot make the folder"):
        Store(tmp_path / "file" / "s.sqlite")


def test_a_file_with_a_damaged_page_is_named(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    store.put_all([row(f"k{n}") for n in range(50)])
    content = bytearray(store.path.read_bytes())
    content[8192:12288] = bytes(4096)
    store.path.write_bytes(content)
    with pytest.raises(StoreError, match=r"cannot be used: .*; nothing in it was changed"):
        store.damaged()


def test_a_store_without_digests_gets_them(tmp_path: Path) -> None:
    store = Store(version_1(tmp_path / "s.sqlite", "a"))
    with store.connect() as connection:
        connection.execute("UPDATE datapoints SET area_um2 = 2.5 WHERE key = 'a'")
    assert store.get("a") is None
    assert store.damaged() == {"a": "datapoint a: its values do not match their digest"}
    with pytest.raises(StoreError, match=r"holds damaged rows \(1\), the first: datapoint a"):
        store.table()
