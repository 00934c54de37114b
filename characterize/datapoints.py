"""Tables of datapoints: the shipped CSV files, and the rows of this machine's store.

`characterize/measured/<library>.csv` was measured by this tree.  What the store holds for the
same library comes on top; of equal PE points the stored one counts.  Where this tree has measured a
PE type, what earlier versions of its sources measured of it is left out.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from hw.atomic_file import write_atomically
from hw.pe.registry import PE_TYPES

from .errors import StoreError
from .schema import COLUMNS, POINT, check_row
from .source_digest import generator_digest, measurement_digest
from .store import DEFAULT_STORE, Store

__all__ = ["SHIPPED", "check_rows", "csv_rows", "export_csv", "load", "read_csv"]

Row = dict[str, Any]
_LONGEST = 4_000
"""Characters of a field; the longest that are written are messages of 2,000."""

SHIPPED = Path(__file__).parent / "measured"


def read_csv(path: Path) -> pd.DataFrame:
    """Return a table of datapoints; `StoreError` naming row and column where one is wrong."""
    return pd.DataFrame(csv_rows(path), columns=[column.name for column in COLUMNS])


def csv_rows(path: Path) -> list[Row]:
    """Return the datapoints of a CSV file; `StoreError` naming row and column."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = [line for line in csv.reader(file, strict=True) if line]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StoreError(f"cannot read datapoints from {path}: {error}") from None
    if not lines:
        raise StoreError(f"cannot read datapoints from {path}: it has no line of column names")
    names, *rows = lines
    for number, row in enumerate(rows, 2):
        if len(row) != len(names) or len(set(names)) != len(names):
            raise StoreError(
                f"{path}, row {number}: it must have {len(set(names))} fields, one for each "
                f"column, not {len(row)}"
            )
    return check_rows([dict(zip(names, row, strict=True)) for row in rows], path, first=2)


def check_rows(rows: Sequence[Mapping[str, Any]], path: Path, *, first: int) -> list[Row]:
    """Return the rows of a file in their types; `StoreError` naming row and column.

    `first` is the number that the file's first row has for a reader of the file.
    """
    checked = []
    for number, row in enumerate(rows, first):
        where = f"{path}, row {number}"
        for name, value in row.items():
            if isinstance(value, str) and len(value) > _LONGEST:
                raise StoreError(f"{where}: {name} must have at most {_LONGEST} characters")
        checked.append(check_row(row, where))
    return checked


def load(library: str, *, store: Path | None = DEFAULT_STORE) -> pd.DataFrame:
    """Return the successful datapoints of one library, shipped ones and this machine's."""
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", library):
        raise StoreError(f"a library's name must be letters, digits, _ - and ., not {library!r}")
    tables = []
    shipped = SHIPPED / f"{library}.csv"
    if shipped.is_file():
        tables.append(read_csv(shipped))
    if store is not None and store.is_file():
        own = Store(store).table()
        tables.append(own[own["library"] == library])
    tables = [table[table["status"] == "ok"] for table in tables if len(table)]
    if not tables or not sum(map(len, tables)):
        raise StoreError(
            f"there are no datapoints for the library {library!r}; measure some with "
            f"`make characterize PE=int16 LIBRARY={library}`"
        )
    # Equal PE points of several generator versions: the last one, which is this machine's.
    same = [*POINT, "library_digest", "method"]
    joined = pd.concat([t.dropna(axis="columns", how="all") for t in tables], ignore_index=True)
    joined = joined.reindex(columns=[column.name for column in COLUMNS])
    joined = joined.drop_duplicates(same, keep="last")
    return joined[_of_one_tree(joined)].reset_index(drop=True)


def _of_one_tree(table: pd.DataFrame) -> pd.Series[bool]:
    """Return which rows do not mix: where this tree measured a PE type, only its rows.

    What earlier sources measured is another PE or another flow, so it must not be fitted or shown
    together with what these measure.
    """
    keep = pd.Series(True, index=table.index)
    for pe_type, rows in table.groupby("pe_type"):
        if pe_type not in PE_TYPES:
            continue
        current = rows["generator_digest"].eq(generator_digest(str(pe_type)))
        current &= rows["flow_digest"].eq(measurement_digest())
        if current.any():
            keep[rows.index] = current
    return keep


def export_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV; figures with at most six digits, rows in a fixed order."""
    order = ["library", "pe_type", "filter_spad_kind", "psum_width", "filter_spad", "ifmap_spad"]
    ordered = table.sort_values([*order, "psum_spad", "key"])
    write_atomically(path, ordered.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
