"""Datapoints in and out of a store: files, other stores, and what is wrong with them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from characterize.__main__ import main
from characterize.datapoint_plots import plot_datapoints
from characterize.errors import CharacterizeError, StoreError
from characterize.exchange import export_table, import_file, merge_store
from characterize.store import Store

from .rows import row
from .test_store import version_1

EXACT = 1.0 / 3.0


def _many() -> list[dict[str, object]]:
    failed = dict.fromkeys(("area_um2", "product_pj"), None)
    return [
        row("a", area_um2=EXACT),
        row("b", status="failed", message='why, and "how"\nµm', **failed),
        row("c", area_um2=1e-300, cells=123.0),
    ]


@pytest.mark.parametrize(("name", "exact"), [("t.csv", False), ("t.parquet", True)])
def test_what_was_exported_is_imported(name: str, exact: bool, tmp_path: Path) -> None:
    store, path = Store(tmp_path / "s.sqlite"), tmp_path / "deep" / name
    export_table(pd.DataFrame(_many()), path)
    assert [p.name for p in path.parent.iterdir()] == [name]
    assert import_file(path, store) == 3
    for wanted in _many():
        if not exact:
            wanted = {n: float(f"{v:.6g}") if type(v) is float else v for n, v in wanted.items()}
        assert store.get(str(wanted["key"])) == wanted
    export_table(store.table(), path)
    assert import_file(path, store) == 0


def test_a_measured_row_replaces_a_failed_one_and_nothing_else(tmp_path: Path) -> None:
    store, other = Store(tmp_path / "s.sqlite"), Store(tmp_path / "other.sqlite")
    store.put_all([row("a", status="failed"), row("b", area_um2=1.0)])
    other.put_all([row("a"), row("b", area_um2=2.0), row("c", status="failed")])
    assert merge_store(other.path, store) == 2
    kept = {key: store.get(key) for key in "abc"}
    assert kept == {"a": row("a"), "b": row("b", area_um2=1.0), "c": row("c", status="failed")}


def test_an_older_store_is_merged_and_left_as_it_is(tmp_path: Path) -> None:
    store, other = Store(tmp_path / "s.sqlite"), version_1(tmp_path / "old.sqlite", "a", "b")
    before = other.read_bytes()
    assert merge_store(other, store) == 2
    assert other.read_bytes() == before
    merged = store.get("a")
    assert merged is not None and (merged["schema_version"], merged["decoders"]) == (1, "pe")
    assert store.damaged() == {}


def test_nothing_comes_in_where_one_row_is_wrong(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    csv = tmp_path / "t.csv"
    export_table(pd.DataFrame(_many()), csv)
    csv.write_text(csv.read_text().replace("123", "-1"))
    with pytest.raises(StoreError, match=r"t\.csv, row \d: cells must be a float from 0 to"):
        import_file(csv, store)
    other = Store(tmp_path / "other.sqlite")
    other.put_all([row("a"), row("b")])
    with other.connect() as connection:
        connection.execute("UPDATE datapoints SET area_um2 = 3.0 WHERE key = 'b'")
    with pytest.raises(StoreError, match=r"holds damaged rows \(1\), the first: datapoint b: its"):
        merge_store(other.path, store)
    with closing(sqlite3.connect(other.path)) as connection, connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="schema version 99; this program knows versions up to"):
        merge_store(other.path, store)
    assert store.table().empty


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--import", "none.csv"], "cannot read datapoints from none.csv"),
        (["--import", "none.parquet"], "cannot read datapoints from none.parquet"),
        (["--import", "rows.json"], "a file of datapoints must end in .csv or .parquet"),
        (["--merge", "none.sqlite"], "there is no store none.sqlite"),
        (["--merge", "text.sqlite"], "the store text.sqlite cannot be read: file is not a data"),
        (["--import", "text.parquet"], "cannot read datapoints from text.parquet: "),
        (["--plot", "text.parquet", "--library", "osu018"], "--plot must name a folder, not the"),
    ],
)
def test_mistakes_get_one_clear_message(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("text.sqlite", "text.parquet"):
        Path(name).write_text("no table at all, but long enough to look like something" * 9)
    assert main([*arguments, "--store", "s.sqlite"]) == 1
    err = capsys.readouterr().err
    assert message in err and "Traceback" not in err


def test_commands_bring_rows_from_store_to_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two, file = tmp_path / "1.sqlite", tmp_path / "2.sqlite", tmp_path / "toy.parquet"
    Store(one).put_all([row("a"), row("b", ifmap_spad=9)])
    export = ["--library", "toy", "--export", str(file)]
    assert main([*export, "--store", str(one)]) == 0
    assert main(["--import", str(file), "--store", str(two)]) == 0
    assert "2 new datapoints from" in capsys.readouterr().err
    Store(one).put(row("c"))
    assert main(["--merge", str(one), "--store", str(two)]) == 0
    assert "1 new datapoints from" in capsys.readouterr().err
    assert len(Store(two).table()) == 3
    with Store(two).connect() as connection:
        connection.execute("UPDATE datapoints SET psum_spad = 7 WHERE key = 'a'")
    assert main([*export, "--store", str(two)]) == 1
    assert "--verify" in capsys.readouterr().err
    assert main(["--status", "--store", str(two)]) == 0
    assert "damaged: datapoint a: its values do not match" in capsys.readouterr().out
    assert main(["--verify", "--store", str(two)]) == 0
    assert "taken out: datapoint a: its values do not match" in capsys.readouterr().err
    assert set(Store(two).table()["key"]) == {"b", "c"}


def test_pictures_hold_every_pe_type(tmp_path: Path) -> None:
    rows = [
        row(f"{name}{kind}{size}", pe_type=name, filter_spad_kind=kind, filter_spad=size)
        for name in ("int8", "int4")
        for kind in ("flipflop", "macro")
        for size in (64, 128)
    ]
    written = plot_datapoints(pd.DataFrame(rows), tmp_path / "pictures")
    assert [path.name for path in written] == ["toy-int4.png", "toy-int8.png"]
    for path in written:
        assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 10_000
    with pytest.raises(CharacterizeError, match="must name a folder"):
        plot_datapoints(pd.DataFrame(rows), written[0])
