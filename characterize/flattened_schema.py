"""The columns of a whole, flattened PE, and the CSV tables that hold such rows.

A row holds the figures of one PE point twice: `flat_…` of the PE synthesized as one module, and
`parts_…` of its datapoint, which is joined from parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from hw.config import PEConfig
from hw.errors import ConfigError

from .errors import StoreError
from .point_table import (
    Row,
    count,
    figure,
    load_shipped,
    read_table,
    text,
    typed_row,
)
from .schema import Column

__all__ = [
    "COMPARED", "FLATTENED_COLUMNS", "FLATTENED_ORDER", "FLATTENED_SCHEMA_VERSION",
    "check_flattened_row", "load_flattened", "point_of_row", "read_flattened",
]  # fmt: skip

FLATTENED_SCHEMA_VERSION = 1
COMPARED = {
    "area_um2": ("µm²", "cell area", "Yosys, Liberty"),
    "critical_path_ns": ("ns", "shortest clock period", "OpenSTA"),
    "product_pj": ("pJ", "a product of a simulated pass", "Liberty tables, settled values"),
}
"""Figures that are there of both forms."""

FLATTENED_COLUMNS: tuple[Column, ...] = (
    text("key", "digest of everything the row depends on; the same key is measured once"),
    count("schema_version", "version of this table", 1, FLATTENED_SCHEMA_VERSION),
    text("status", "`ok` or `failed`"),
    text("message", "why a measurement failed", optional=True),
    text("log", "folder of a failed measurement, below the build folder", optional=True),
    text("library", "name of the cell library"),
    text("library_digest", "SHA-256 of the Liberty text, 16 digits"),
    text("pe_type", "registered PE type"),
    count("ifmap_spad", "words of the ifmap scratchpad, of flip-flops", 2, 1024),
    count("filter_spad", "words of the filter scratchpad, of flip-flops", 2, 4096),
    count("psum_spad", "words of the psum scratchpad, of flip-flops", 2, 1024),
    text("recipe", "recipe of the flat PE, and of the datapath among the parts"),
    text("config_digest", "digest of the PE point"),
    text("generator_digest", "digest of the generator's sources for this PE type"),
    text("flow_digest", "digest of the flow's and the measurement's sources"),
    text("tools", "versions of the tools used"),
    text("netlist_digest", "digest of the flat netlist", optional=True),
    *(
        figure(f"{form}_{name}", unit, f"{meaning}, {which}", tool)
        for form, which in (("flat", "of the flat PE"), ("parts", "of the PE joined from parts"))
        for name, (unit, meaning, tool) in COMPARED.items()
    ),
    figure("stated_product_pj", "pJ", "the same of the parts at stated activity", "Liberty"),
    figure("flat_cells", "", "cells of the flat netlist", "Yosys"),
    figure("parts_cells", "", "cells of the netlist joined from parts", "Yosys"),
    figure("flat_synthesis_seconds", "s", "synthesis of the flat PE", "Yosys"),
    figure("parts_synthesis_seconds", "s", "of the parts, cached ones included", "Yosys"),
    figure("seconds", "s", "time this measurement took", "characterize"),
)
FLATTENED_ORDER = ("library", "pe_type", "filter_spad", "ifmap_spad", "psum_spad", "key")
"""Columns by which tables are sorted."""
_MAY_BE_EMPTY = ("message", "log")


def point_of_row(row: Mapping[str, Any]) -> PEConfig:
    """Return the PE point that a row is about."""
    return PEConfig(
        pe_type=row["pe_type"],
        ifmap_spad=row["ifmap_spad"],
        filter_spad=row["filter_spad"],
        psum_spad=row["psum_spad"],
    )


def check_flattened_row(row: Mapping[str, Any], where: str) -> Row:
    """Return a row with every column in its type; `StoreError` naming row, column and range."""
    checked = typed_row(row, FLATTENED_COLUMNS, where)
    empty = [n for n, value in checked.items() if value is None and n not in _MAY_BE_EMPTY]
    if empty and checked["status"] == "ok":
        raise StoreError(f"{where}: column {empty[0]!r} is empty")
    try:
        digest = point_of_row(checked).digest()
    except ConfigError as error:
        raise StoreError(f"{where}: there is no such PE: {error}") from None
    if digest != checked["config_digest"]:
        raise StoreError(f"{where}: config_digest must be {digest}, that of its PE point")
    return checked


def read_flattened(path: Path) -> pd.DataFrame:
    """Return a table of flattened PEs; `StoreError` naming row and column where one is wrong."""
    return read_table(path, FLATTENED_COLUMNS, check_flattened_row, "flattened PEs")


def load_flattened(library: str) -> pd.DataFrame:
    """Return the shipped flattened PEs of one library that were measured."""
    return load_shipped(
        "flattened", library, read_flattened, "flattened PEs", "characterize.flattened"
    )
