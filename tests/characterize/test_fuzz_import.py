"""Thousands of mutated CSV and Parquet files: nothing wrong comes into a store."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from characterize.errors import StoreError
from characterize.exchange import export_table, import_file
from characterize.schema import check_row
from characterize.store import Store
from tests.mutations import survives

from .rows import row

WORDS = [
    b"key", b"status", b"failed", b"ok", b"area_um2", b"schema_version", b"PAR1", b"ARROW:schema",
    b",", b"\n", b'"', b'""', b";", b"\t", b"INT64", b"\x15\x00", b"\x00\x00\x00\x00",
]  # fmt: skip
SEEDS: dict[str, tuple[int, ...]] = {"csv": (245, 457), "parquet": ()}
"""Seeds that found a defect once: always read."""


def original(ending: str) -> bytes:
    rows = [
        row("a"),
        row("b", area_um2=1 / 3, pe_type="int4"),
        row("c", status="failed", message='µ "quoted"\nline', cells=None),
        row("d", schema_version=1, recipe=None),
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"rows.{ending}")
        export_table(pd.DataFrame(rows), path)
        return path.read_bytes()


def reader(ending: str, folder: Path) -> Callable[[bytes], None]:
    """Return what imports a file into an empty store and checks what came in."""
    path, store = folder / f"mutated.{ending}", Store(folder / "s.sqlite")

    def keys() -> list[str]:
        with store.connect() as connection:
            return [row[0] for row in connection.execute("SELECT key FROM datapoints")]

    def read(data: bytes) -> None:
        path.write_bytes(data)
        try:
            import_file(path, store)
        except StoreError:
            assert not keys(), "nothing comes in where something is wrong"
            raise
        for key in keys():
            own = store.get(key)
            assert own is not None and check_row(own, "stored") == own
        store.remove(keys())

    return read


def _fuzz(ending: str, folder: Path, seeds: range) -> int:
    every = [*SEEDS[ending], *seeds]
    return survives(reader(ending, folder), original(ending), every, WORDS, StoreError)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_500_mutated_files(ending: str, tmp_path: Path) -> None:
    assert 100 < _fuzz(ending, tmp_path, range(500)) < 500


@pytest.mark.long
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_10000_mutated_files(ending: str, tmp_path: Path) -> None:
    assert 2_000 < _fuzz(ending, tmp_path, range(500, 10_500)) < 10_000
