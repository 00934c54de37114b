"""The columns of a simulated energy's row, and the CSV tables that hold such rows.

A row says what the actions of one PE point cost on one library with operands of one data set
(`simulated_energy`), and what stated activity makes of the same netlist (`actions`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from hw.config import PEConfig
from hw.errors import ConfigError
from hw.pe.registry import PE_TYPES

from .errors import StoreError
from .point_table import (
    Row,
    count,
    figure,
    head_columns,
    identity_columns,
    load_shipped,
    read_table,
    text,
    typed_row,
)
from .schema import PARTS, Column
from .simulated_energy import TERMS
from .stimuli import DATA_SETS

__all__ = [
    "ENERGY_COLUMNS", "ENERGY_ORDER", "ENERGY_SCHEMA_VERSION", "ROW_ENERGIES", "check_energy_row",
    "check_point_row", "load_energies", "point_columns", "point_head", "read_energies",
    "row_config",
]  # fmt: skip

ENERGY_SCHEMA_VERSION = 1
ROW_ENERGIES = ("product_pj", "filter_load_pj", "ifmap_load_pj", "psum_pass_pj", "idle_pj")
"""The energies a datapoint of a PE has, simulated here; `stated_…` are those of `activity`."""
_MOST_WORDS = {"ifmap_spad": 1024, "filter_spad": 4096, "psum_spad": 1024}
_SPADS = tuple(_MOST_WORDS)


def _difference(name: str, unit: str, meaning: str) -> Column:
    """Return a column of figures that may be below zero."""
    return Column(
        name=name, kind=float, unit=unit, meaning=meaning, tool="Liberty, simulation", low=-1e6,
        high=1e6, optional=True,
    )  # fmt: skip


def point_head(version: int) -> tuple[Column, ...]:
    """Return the columns with which a row about a PE point and a data set begins."""
    return (
        *head_columns(version),
        text("data_set", f"operands: {' or '.join(DATA_SETS)}"),
        text("pe_type", "name of the PE type"),
        *(count(spad, f"words of {spad}", 2, _MOST_WORDS[spad]) for spad in _SPADS),
        *(text(f"{spad}_kind", f"storage of {spad}") for spad in _SPADS),
        count("psum_width", "width of a stored psum word [bit]", 4, 256),
        count("saturating", "1 where the psum saturates, 0 where it is exact", 0, 1),
        count("psum_depth", "accumulations an exact psum is declared for", 1, 1 << 20),
        count("pipeline_depth", "register stages of product and sum", 1, 3),
        text("decoders", "`pe` or `edge`"),
    )


ENERGY_COLUMNS = (
    *point_head(ENERGY_SCHEMA_VERSION),
    *identity_columns("PE"),
    text("simulation_digest", "digest of the sources of simulation and operands"),
    text("recipe", "recipe of the datapath's synthesis"),
    *(_difference(name, "pJ", f"{name} of a datapoint row, simulated") for name in ROW_ENERGIES),
    *(_difference(f"product_{part}_pj", "pJ", f"of a product in {part}") for part in PARTS),
    figure("leakage_uw", "µW", "leakage while the PE works", "Liberty, simulation"),
    *(_difference(f"term_{name}_pj", "pJ", f"energy of an action: {name}") for name in TERMS),
    figure("check_error", "", "largest relative error in passes not calibrated with", "simulation"),
    figure("mean_error", "", "root mean square of these errors", "simulation"),
    figure(
        "row_error", "", "largest of them with the energies of a datapoint row only", "simulation"
    ),
    *(_difference(f"stated_{name}", "pJ", f"{name} by stated activity") for name in ROW_ENERGIES),
    figure("lane_cycles", "", "cycles simulated, all lanes", "simulation"),
    figure("cells", "", "cells of the netlist", "Yosys"),
    figure("seconds", "s", "time this measurement took, without synthesis", "characterize"),
)
ENERGY_ORDER = ("library", "pe_type", "data_set", *_SPADS, "key")
"""Columns by which rows are sorted."""


def point_columns(config: PEConfig) -> Row:
    """Return the columns that say which PE point a row is about."""
    return {
        "pe_type": config.pe_type,
        **{spad: getattr(config, spad) for spad in _SPADS},
        **{f"{spad}_kind": getattr(config, f"{spad}_kind") for spad in _SPADS},
        "psum_width": config.psum_width,
        "saturating": int(config.saturating),
        "psum_depth": config.psum_depth,
        "pipeline_depth": config.depth,
        "decoders": config.decoders,
    }


def row_config(row: Mapping[str, Any]) -> PEConfig:
    """Return the PE point that a row is about."""
    kind = PE_TYPES[row["pe_type"]]
    own_depth = row["pipeline_depth"] == kind.pipeline_depth
    return PEConfig(
        pe_type=row["pe_type"],
        **{spad: row[spad] for spad in _SPADS},
        **{f"{spad}_kind": row[f"{spad}_kind"] for spad in _SPADS},
        psum_bits=row["psum_width"] // kind.filter_lanes if row["saturating"] else None,
        psum_depth=row["psum_depth"],
        pipeline_depth=None if own_depth else row["pipeline_depth"],
        decoders=row["decoders"],
    )


def check_energy_row(row: Mapping[str, Any], where: str) -> Row:
    """Return a row with every column in its type; `StoreError` naming row, column and range."""
    return check_point_row(row, ENERGY_COLUMNS, where)


def check_point_row(row: Mapping[str, Any], columns: Sequence[Column], where: str) -> Row:
    """Return a row about a PE point in its types; `StoreError` naming row, column and range."""
    checked = typed_row(row, columns, where)
    if checked["data_set"] not in DATA_SETS:
        raise StoreError(f"{where}: data_set must be {' or '.join(DATA_SETS)}")
    try:
        row_config(checked)
    except (ConfigError, KeyError) as error:
        raise StoreError(f"{where}: there is no such PE: {error}") from None
    return checked


def read_energies(path: Path) -> pd.DataFrame:
    """Return a table of energies; `StoreError` naming row and column where one is wrong."""
    return read_table(path, ENERGY_COLUMNS, check_energy_row, "energies")


def load_energies(library: str) -> pd.DataFrame:
    """Return the shipped energies of one library."""
    return load_shipped(
        "energy", library, read_energies, "simulated energies", "characterize.energy"
    )
