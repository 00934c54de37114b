"""The columns of an array's datapoint, and the CSV tables that hold such rows.

A row says what one row-stationary array of one PE point needs besides its PEs.  Tables are written
whole after each measurement, so a crash loses nothing that was finished.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from hw.array.row_stationary_config import RowStationaryConfig
from hw.atomic_file import write_atomically
from hw.config import PEConfig
from hw.errors import ConfigError
from hw.pe.registry import PE_TYPES

from .array_actions import PARTS, ArrayAction
from .datapoints import SHIPPED
from .errors import StoreError
from .schema import Column

__all__ = [
    "ARRAY_COLUMNS", "ENERGIES", "check_array_row", "load_arrays", "point_columns", "read_arrays",
    "row_config", "write_arrays",
]  # fmt: skip

ARRAY_SCHEMA_VERSION = 1
ENERGIES = tuple(f"{action.value}_pj" for action in ArrayAction)
"""Columns of energies, one for each action."""
_MEANINGS = {
    "idle": "a clocked cycle in which nothing happens, PEs not counted",
    "psum_hop": "a psum added in a link and handed up, above idle",
    "psum_enter": "a psum offered to a column, above idle",
    "psum_leave": "a psum taken out of a column, above idle",
    "filter_entry": "a filter word waiting at the entry, wires to all rows, above idle",
    "filter_row": "a filter word let into one row, wires to all its PEs, above that",
    "filter_take": "a filter word taken by one PE, above that",
    "ifmap_entry": "an ifmap word waiting at the entry, wires to all rows, above idle",
    "ifmap_row": "an ifmap word let into one row, wires to all its PEs, above that",
    "ifmap_take": "an ifmap word taken by one PE, above that",
}


def _text(name: str, meaning: str, *, optional: bool = False) -> Column:
    return Column(
        name=name, kind=str, unit="", meaning=meaning, tool="characterize", optional=optional
    )


def _count(name: str, meaning: str, low: int, high: int) -> Column:
    return Column(
        name=name, kind=int, unit="", meaning=meaning, tool="configuration", low=low, high=high
    )


def _figure(name: str, unit: str, meaning: str, tool: str) -> Column:
    return Column(
        name=name, kind=float, unit=unit, meaning=meaning, tool=tool, low=0.0, high=1e9,
        optional=True,
    )  # fmt: skip


ARRAY_COLUMNS: tuple[Column, ...] = (
    _text("key", "digest of everything the row depends on; the same key is measured once"),
    _count("schema_version", "version of this table", 1, ARRAY_SCHEMA_VERSION),
    _text("status", "`ok` or `failed`"),
    _text("message", "why a measurement failed", optional=True),
    _text("log", "folder of a failed measurement, below the build folder", optional=True),
    _text("library", "name of the cell library"),
    _text("library_digest", "SHA-256 of the Liberty text, 16 digits"),
    _text("method", "how energies were found: `activity` (stated)"),
    _text("form", "`parts` (synthesized once each and joined) or `flat` (as one module)"),
    _text("pe_type", "registered PE type"),
    _count("ifmap_spad", "words of each PE's ifmap scratchpad", 2, 1024),
    _count("filter_spad", "words of the filter scratchpad", 2, 4096),
    _count("psum_spad", "words of the psum scratchpad", 2, 1024),
    _count("psum_width", "width of a stored psum word [bit]", 4, 256),
    _count("saturating", "1 where the psum saturates, 0 where it is exact", 0, 1),
    _count("psum_depth", "accumulations an exact psum is declared for", 1, 1 << 20),
    _count("pipeline_depth", "register stages of product and sum", 1, 3),
    _count("rows", "PE rows", 1, 256),
    _count("cols", "PE columns", 1, 256),
    _count("filter_lanes", "filter words that enter in a cycle", 1, 64),
    _count("ifmap_lanes", "ifmap words that enter in a cycle", 1, 64),
    _text("config_digest", "digest of the array's configuration"),
    _text("generator_digest", "digest of the generator's sources for this array"),
    _text("flow_digest", "digest of the flow's and the measurement's sources"),
    _text("tools", "versions of the tools used"),
    _text("netlist_digest", "digest of the mapped netlist", optional=True),
    _figure("area_um2", "µm²", "cell area of the array with its PEs", "Yosys, Liberty"),
    _figure("pe_area_um2", "µm²", "cell area of one PE, synthesized by parts", "Yosys, Liberty"),
    _figure("overhead_um2", "µm²", "the array less its PEs", "Yosys, Liberty"),
    *(_figure(f"area_{part}_um2", "µm²", f"of it in {part}", "Yosys, Liberty") for part in PARTS),
    _figure("leakage_uw", "µW", "leakage of the overhead while idle", "Liberty"),
    *(_figure(f"leakage_{part}_uw", "µW", f"of it in {part}", "Liberty") for part in PARTS),
    *(
        _figure(f"{action.value}_pj", "pJ", _MEANINGS[action.value], "Liberty, stated activity")
        for action in ArrayAction
    ),
    _figure("critical_path_ns", "ns", "shortest clock period of the array", "OpenSTA"),
    _figure("pe_critical_path_ns", "ns", "shortest clock period of a PE by itself", "OpenSTA"),
    _figure("cells", "", "cells of the netlist", "Yosys"),
    _figure("seconds", "s", "time this measurement took", "characterize"),
    _figure("synthesis_seconds", "s", "synthesis of all modules, cached ones included", "Yosys"),
)  # fmt: skip


def point_columns(array: RowStationaryConfig) -> dict[str, Any]:
    """Return the columns that say which array a row is about."""
    pe = array.pe
    return {
        "pe_type": pe.pe_type,
        "ifmap_spad": pe.ifmap_spad,
        "filter_spad": pe.filter_spad,
        "psum_spad": pe.psum_spad,
        "psum_width": pe.psum_width,
        "saturating": int(pe.saturating),
        "psum_depth": pe.psum_depth,
        "pipeline_depth": pe.depth,
        "rows": array.rows,
        "cols": array.cols,
        "filter_lanes": array.filter_lanes,
        "ifmap_lanes": array.ifmap_lanes,
    }


def row_config(row: Mapping[str, Any]) -> RowStationaryConfig:
    """Return the array that a row is about."""
    kind = PE_TYPES[row["pe_type"]]
    own_depth = row["pipeline_depth"] == kind.pipeline_depth
    return RowStationaryConfig(
        pe=PEConfig(
            pe_type=row["pe_type"],
            ifmap_spad=row["ifmap_spad"],
            filter_spad=row["filter_spad"],
            psum_spad=row["psum_spad"],
            psum_bits=row["psum_width"] // kind.filter_lanes if row["saturating"] else None,
            psum_depth=row["psum_depth"],
            pipeline_depth=None if own_depth else row["pipeline_depth"],
        ),
        rows=row["rows"],
        cols=row["cols"],
        filter_lanes=row["filter_lanes"],
        ifmap_lanes=row["ifmap_lanes"],
    )


def check_array_row(row: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return a row with every column in its type; `StoreError` naming row, column and range."""
    known = {column.name for column in ARRAY_COLUMNS}
    if unknown := [name for name in row if name not in known]:
        raise StoreError(f"{where}: unknown column {unknown[0]!r}")
    checked: dict[str, Any] = {}
    for column in ARRAY_COLUMNS:
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
    try:
        row_config(checked)
    except (ConfigError, KeyError) as error:
        raise StoreError(f"{where}: there is no such array: {error}") from None
    return checked


def read_arrays(path: Path) -> pd.DataFrame:
    """Return a table of arrays; `StoreError` naming row and column where one is wrong."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise StoreError(f"cannot read arrays from {path}: {error}") from None
    rows = [
        check_array_row({str(k): v for k, v in row.items()}, f"{path}, row {number}")
        for number, row in enumerate(table.to_dict("records"), 2)
    ]
    return pd.DataFrame(rows, columns=[column.name for column in ARRAY_COLUMNS])


def write_arrays(table: pd.DataFrame, path: Path) -> None:
    """Write a table in one step; figures with at most six digits, rows in a fixed order."""
    names = ["library", "form", "pe_type", "filter_spad", "rows", "cols", "filter_lanes"]
    ordered = table.sort_values([*names, "ifmap_lanes", "key"])
    write_atomically(path, ordered.to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def load_arrays(library: str) -> pd.DataFrame:
    """Return the shipped arrays of one library that were measured."""
    path = SHIPPED / f"arrays-{library}.csv"
    if not path.is_file():
        raise StoreError(
            f"there are no measured arrays for the library {library!r}; measure some with "
            f"`python -m characterize.array_overhead --library {library}`"
        )
    table = read_arrays(path)
    return table[table["status"] == "ok"].reset_index(drop=True)
