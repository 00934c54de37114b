"""The columns of an array's datapoint, and the CSV tables that hold such rows.

A row says what one row-stationary array of one PE point needs besides its PEs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from hw.array.row_stationary_config import RowStationaryConfig
from hw.config import PEConfig
from hw.errors import ConfigError
from hw.pe.registry import PE_TYPES

from .array_actions import PARTS, ArrayAction
from .errors import StoreError
from .point_table import (
    count,
    figure,
    head_columns,
    identity_columns,
    load_shipped,
    read_table,
    text,
    typed_row,
)
from .schema import Column

__all__ = [
    "ARRAY_COLUMNS", "ARRAY_ORDER", "ENERGIES", "check_array_row", "load_arrays", "point_columns",
    "read_arrays", "row_config",
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


ARRAY_COLUMNS: tuple[Column, ...] = (
    *head_columns(ARRAY_SCHEMA_VERSION),
    text("pe_type", "registered PE type"),
    count("ifmap_spad", "words of each PE's ifmap scratchpad", 2, 1024),
    count("filter_spad", "words of the filter scratchpad", 2, 4096),
    count("psum_spad", "words of the psum scratchpad", 2, 1024),
    count("psum_width", "width of a stored psum word [bit]", 4, 256),
    count("saturating", "1 where the psum saturates, 0 where it is exact", 0, 1),
    count("psum_depth", "accumulations an exact psum is declared for", 1, 1 << 20),
    count("pipeline_depth", "register stages of product and sum", 1, 3),
    count("rows", "PE rows", 1, 256),
    count("cols", "PE columns", 1, 256),
    count("filter_lanes", "filter words that enter in a cycle", 1, 64),
    count("ifmap_lanes", "ifmap words that enter in a cycle", 1, 64),
    *identity_columns("array"),
    figure("area_um2", "µm²", "cell area of the array with its PEs", "Yosys, Liberty"),
    figure("pe_area_um2", "µm²", "cell area of one PE, synthesized by parts", "Yosys, Liberty"),
    figure("overhead_um2", "µm²", "the array less its PEs", "Yosys, Liberty"),
    *(figure(f"area_{part}_um2", "µm²", f"of it in {part}", "Yosys, Liberty") for part in PARTS),
    figure("leakage_uw", "µW", "leakage of the overhead while idle", "Liberty"),
    *(figure(f"leakage_{part}_uw", "µW", f"of it in {part}", "Liberty") for part in PARTS),
    *(
        figure(f"{action.value}_pj", "pJ", _MEANINGS[action.value], "Liberty, stated activity")
        for action in ArrayAction
    ),
    figure("critical_path_ns", "ns", "shortest clock period of the array", "OpenSTA"),
    figure("pe_critical_path_ns", "ns", "shortest clock period of a PE by itself", "OpenSTA"),
    figure("cells", "", "cells of the netlist", "Yosys"),
    figure("seconds", "s", "time this measurement took", "characterize"),
    figure("synthesis_seconds", "s", "synthesis of all modules, cached ones included", "Yosys"),
)  # fmt: skip
ARRAY_ORDER = (
    "library", "form", "pe_type", "filter_spad", "rows", "cols", "filter_lanes", "ifmap_lanes",
    "key",
)  # fmt: skip
"""Columns by which rows are sorted."""


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
    checked = typed_row(row, ARRAY_COLUMNS, where)
    try:
        row_config(checked)
    except (ConfigError, KeyError) as error:
        raise StoreError(f"{where}: there is no such array: {error}") from None
    return checked


def read_arrays(path: Path) -> pd.DataFrame:
    """Return a table of arrays; `StoreError` naming row and column where one is wrong."""
    return read_table(path, ARRAY_COLUMNS, check_array_row, "arrays")


def load_arrays(library: str) -> pd.DataFrame:
    """Return the shipped arrays of one library that were measured."""
    return load_shipped(
        "arrays", library, read_arrays, "measured arrays", "characterize.array_overhead"
    )
