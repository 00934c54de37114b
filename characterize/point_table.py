"""Tables of points that stand beside those of PEs (arrays, shells): checked, read, written.

Each kind of point has its own list of columns; what is the same for all of them stands here.
Tables are written whole after each measurement, so a crash loses nothing that was finished.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from hw.atomic_file import write_atomically

from .datapoints import SHIPPED
from .errors import StoreError
from .schema import Column

__all__ = [
    "Row", "count", "figure", "head_columns", "identity_columns", "load_shipped", "read_table",
    "text", "typed_row", "write_table",
]  # fmt: skip

Row = dict[str, Any]


def text(name: str, meaning: str, *, optional: bool = False) -> Column:
    """Return a column of text that the campaign fills in."""
    return Column(
        name=name, kind=str, unit="", meaning=meaning, tool="characterize", optional=optional
    )


def count(name: str, meaning: str, low: int, high: int) -> Column:
    """Return a column of whole numbers from a configuration."""
    return Column(
        name=name, kind=int, unit="", meaning=meaning, tool="configuration", low=low, high=high
    )


def figure(name: str, unit: str, meaning: str, tool: str) -> Column:
    """Return a column of measured figures, empty where nothing was measured."""
    return Column(
        name=name, kind=float, unit=unit, meaning=meaning, tool=tool, low=0.0, high=1e9,
        optional=True,
    )  # fmt: skip


def head_columns(version: int) -> tuple[Column, ...]:
    """Return the columns with which a row begins; `version` is that of its schema."""
    return (
        text("key", "digest of everything the row depends on; the same key is measured once"),
        count("schema_version", "version of this table", 1, version),
        text("status", "`ok` or `failed`"),
        text("message", "why a measurement failed", optional=True),
        text("log", "folder of a failed measurement, below the build folder", optional=True),
        text("library", "name of the cell library"),
        text("library_digest", "SHA-256 of the Liberty text, 16 digits"),
        text("method", "how energies were found: `activity` (stated)"),
        text("form", "`parts` (synthesized once each and joined) or `flat` (as one module)"),
    )


def identity_columns(thing: str) -> tuple[Column, ...]:
    """Return the columns that follow those which say what a `thing` is."""
    return (
        text("config_digest", f"digest of the {thing}'s configuration"),
        text("generator_digest", f"digest of the generator's sources for this {thing}"),
        text("flow_digest", "digest of the flow's and the measurement's sources"),
        text("tools", "versions of the tools used"),
        text("netlist_digest", "digest of the mapped netlist", optional=True),
    )


def typed_row(row: Mapping[str, Any], columns: Sequence[Column], where: str) -> Row:
    """Return a row with every column in its type; `StoreError` naming row, column and range."""
    known = {column.name for column in columns}
    if unknown := [name for name in row if name not in known]:
        raise StoreError(f"{where}: unknown column {unknown[0]!r}")
    checked: Row = {}
    for column in columns:
        value = row.get(column.name)
        if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
            if not column.optional:
                raise StoreError(f"{where}: column {column.name!r} is empty")
            checked[column.name] = None
            continue
        try:
            typed = column.kind(value)
        except (TypeError, ValueError):
            typed = math.nan
        if column.kind is not str and not column.low <= typed <= column.high:
            raise StoreError(
                f"{where}: {column.name} must be a {column.kind.__name__} from {column.low:g} to "
                f"{column.high:g}, not {value!r}"
            )
        checked[column.name] = typed
    if checked["status"] not in ("ok", "failed"):
        raise StoreError(f"{where}: status must be ok or failed, not {checked['status']!r}")
    return checked


def read_table(
    path: Path, columns: Sequence[Column], check: Callable[[Mapping[str, Any], str], Row], what: str
) -> pd.DataFrame:
    """Return a table; `StoreError` naming row and column where one is wrong.

    Parameters
    ----------
    check
        Returns a typed row, given a row and where it stands.
    what
        What the rows are, for error messages.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise StoreError(f"cannot read {what} from {path}: {error}") from None
    rows = [
        check({str(k): v for k, v in row.items()}, f"{path}, row {number}")
        for number, row in enumerate(table.to_dict("records"), 2)
    ]
    return pd.DataFrame(rows, columns=[column.name for column in columns])


def load_shipped(
    name: str, library: str, read: Callable[[Path], pd.DataFrame], what: str, command: str
) -> pd.DataFrame:
    """Return the shipped rows of one library that were measured.

    Parameters
    ----------
    name
        The file's, before the library's.
    what, command
        What the rows are and what measures them, for the `StoreError` where none are shipped.
    """
    path = SHIPPED / f"{name}-{library}.csv"
    if not path.is_file():
        raise StoreError(
            f"there are no {what} for the library {library!r}; measure some with "
            f"`python -m {command} --library {library}`"
        )
    table = read(path)
    return table[table["status"] == "ok"].reset_index(drop=True)


def write_table(table: pd.DataFrame, path: Path, order: Sequence[str]) -> None:
    """Write a table in one step; figures with at most six digits, rows sorted by `order`."""
    ordered = table.sort_values(list(order))
    write_atomically(path, ordered.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
