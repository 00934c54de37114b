"""The columns of a shell's datapoint, and the CSV tables that hold such rows.

A row says what stands around one array besides the memories: `hw.shell.shell` of one configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from hw.accelerator_config import HardwareConfig
from hw.config import AcceleratorConfig, PEConfig
from hw.errors import ConfigError
from hw.pe.registry import PE_TYPES

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
from .shell_actions import FIGURES, PARTS

__all__ = [
    "SHELL_COLUMNS", "SHELL_ORDER", "check_shell_row", "load_shells", "read_shells",
    "shell_columns", "shell_config",
]  # fmt: skip

SHELL_SCHEMA_VERSION = 1
_MEANINGS = {
    "filter_row": "a filter row from off-chip beats into the filter queue and out of it",
    "ifmap_row": "an ifmap row from off-chip beats into a tile",
    "ifmap_read_row": "an ifmap row read from a tile",
    "filter_word": "a filter word cut from a row, with its tags",
    "ifmap_word": "an ifmap word cut from a row, with its tags",
    "psum_read_row": "a row of psums chosen from the banks",
    "psum_enter": "a psum of such a row, through the queue of its column",
    "psum_leave": "a psum from a column through its queue into a row",
    "psum_write_row": "a row of psums handed to the banks",
    "requantize": "a psum that leaves the accelerator made an activation, besides that",
    "output_row": "a row sent off chip in beats",
}

SHELL_COLUMNS: tuple[Column, ...] = (
    *head_columns(SHELL_SCHEMA_VERSION),
    text("pe_type", "registered PE type"),
    count("psum_spad", "words of each PE's psum scratchpad", 2, 1024),
    count("psum_width", "width of a psum word [bit]", 4, 256),
    count("saturating", "1 where the psum saturates, 0 where it is exact", 0, 1),
    count("psum_depth", "accumulations an exact psum is declared for", 1, 1 << 20),
    count("rows", "PE rows", 1, 256),
    count("cols", "PE columns", 1, 256),
    count("glb_kib", "global buffer with its filter queue [KiB]", 9, 2048),
    count("glb_bytes_per_cycle", "a row of the global buffer [byte]", 1, 256),
    count("off_chip_bytes", "an off-chip beat [byte]", 1, 256),
    count("filter_lanes", "filter words that enter the array in a cycle", 1, 64),
    count("ifmap_lanes", "ifmap words that enter the array in a cycle", 1, 64),
    count("memory_latency", "cycles from an address to the data of a memory", 1, 16),
    count("psum_queue", "psums that wait at either end of a column", 2, 1024),
    *identity_columns("shell"),
    figure("area_um2", "µm²", "cell area without the memories", "Yosys, Liberty"),
    *(figure(f"area_{part}_um2", "µm²", f"of it in {part}", "Yosys, Liberty") for part in PARTS),
    figure("leakage_uw", "µW", "leakage while idle", "Liberty"),
    *(figure(f"leakage_{part}_uw", "µW", f"of it in {part}", "Liberty") for part in PARTS),
    figure("idle_pj", "pJ", "a clocked cycle in which nothing moves", "Liberty, stated activity"),
    *(
        figure(f"{name}_pj", "pJ", f"{_MEANINGS[name]}, above idle", "Liberty, stated activity")
        for name in FIGURES
    ),
    figure("critical_path_ns", "ns", "shortest clock period", "OpenSTA"),
    figure("cells", "", "cells of the netlist", "Yosys"),
    figure("seconds", "s", "time this measurement took", "characterize"),
    figure("synthesis_seconds", "s", "synthesis of all modules, cached ones included", "Yosys"),
)  # fmt: skip
SHELL_ORDER = (
    "library", "form", "pe_type", "cols", "rows", "glb_bytes_per_cycle", "glb_kib", "psum_spad",
    "key",
)  # fmt: skip
"""Columns by which rows are sorted."""


def shell_columns(config: HardwareConfig) -> dict[str, Any]:
    """Return the columns that say which shell a row is about."""
    pe, design = config.design.pe, config.design
    return {
        "pe_type": pe.pe_type,
        "psum_spad": pe.psum_spad,
        "psum_width": pe.psum_width,
        "saturating": int(pe.saturating),
        "psum_depth": pe.psum_depth,
        "rows": design.rows,
        "cols": design.cols,
        "glb_kib": design.glb_kib,
        "glb_bytes_per_cycle": design.glb_bytes_per_cycle,
        "off_chip_bytes": config.off_chip_bytes,
        "filter_lanes": config.array.filter_lanes,
        "ifmap_lanes": config.array.ifmap_lanes,
        "memory_latency": config.memory_latency,
        "psum_queue": config.queue_psums,
    }


def shell_config(row: Mapping[str, Any]) -> HardwareConfig:
    """Return the configuration of the shell that a row is about."""
    kind = PE_TYPES[row["pe_type"]]
    pe = PEConfig(
        pe_type=row["pe_type"],
        psum_spad=row["psum_spad"],
        psum_bits=row["psum_width"] // kind.filter_lanes if row["saturating"] else None,
        psum_depth=row["psum_depth"],
    )
    names = ("rows", "cols", "glb_kib", "glb_bytes_per_cycle")
    free = ("off_chip_bytes", "filter_lanes", "ifmap_lanes", "memory_latency", "psum_queue")
    return HardwareConfig(
        design=AcceleratorConfig(pe=pe, **{name: row[name] for name in names}),
        **{name: row[name] for name in free},
    )


def check_shell_row(row: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return a row with every column in its type; `StoreError` naming row, column and range."""
    checked = typed_row(row, SHELL_COLUMNS, where)
    try:
        shell_config(checked)
    except (ConfigError, KeyError) as error:
        raise StoreError(f"{where}: there is no such shell: {error}") from None
    return checked


def read_shells(path: Path) -> pd.DataFrame:
    """Return a table of shells; `StoreError` naming row and column where one is wrong."""
    return read_table(path, SHELL_COLUMNS, check_shell_row, "shells")


def load_shells(library: str) -> pd.DataFrame:
    """Return the shipped shells of one library that were measured."""
    return load_shipped(
        "shells", library, read_shells, "measured shells", "characterize.shell_cost"
    )
