"""Glitch factors of datapaths: one delay-annotated run per PE point and data set, and its row."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from flows.bitwise import LANES_PER_WORD
from flows.errors import FlowError
from flows.glitches import measure_glitches
from flows.tools import tool_versions
from hw.config import PEConfig
from hw.errors import HwError
from hw.pe.registry import PE_TYPES
from hw.pe.row_pass import RowPass

from .datapoints import SHIPPED
from .energy_points import EnergyTask, energy_identity, mapped_pe
from .energy_table import ENERGY_SCHEMA_VERSION, check_point_row, point_columns, point_head
from .errors import CharacterizeError
from .pe_runs import PERun
from .point_table import Row, figure, identity_columns, read_table, text
from .source_digest import glitch_digest
from .stimuli import make_operands

__all__ = [
    "GLITCH_COLUMNS", "check_glitch_row", "glitch_factors", "glitch_key", "load_glitches",
    "measure_glitch",
]  # fmt: skip

_LANES = range(16)
"""Lanes that are simulated with delays, one after the other."""

GLITCH_COLUMNS = (
    *point_head(ENERGY_SCHEMA_VERSION),
    *identity_columns("PE"),
    text("simulation_digest", "digest of the sources of simulation and operands"),
    text("glitch_digest", "digest of the sources of the simulation with delays"),
    text("recipe", "recipe of the datapath's synthesis"),
    figure("glitch_factor", "", "energy of all toggles over that of settled ones", "Icarus"),
    figure("settled_pj", "pJ", "toggles of the datapath's gates, settled, a cycle", "Icarus"),
    figure("all_pj", "pJ", "all toggles of the datapath's gates, a cycle", "Icarus"),
    figure("settled_toggles", "", "toggles of settled values per net and cycle", "Icarus"),
    figure("all_toggles", "", "all toggles per net and cycle", "Icarus"),
    figure("seconds", "s", "time this measurement took, without synthesis", "characterize"),
)


def _identity(task: EnergyTask) -> dict[str, str]:
    tools = json.loads(energy_identity(task)["tools"]) | tool_versions("iverilog")
    return energy_identity(task) | {
        "glitch_digest": glitch_digest(),
        "tools": json.dumps(tools, sort_keys=True),
    }


def glitch_key(task: EnergyTask) -> str:
    """Return the key of a task's row; raises `ToolMissing` without the tools."""
    content = json.dumps(_identity(task), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def measure_glitch(task: EnergyTask) -> Row:
    """Simulate the datapath of one PE point with delays and return its row."""
    row: Row = {
        "key": glitch_key(task),
        "schema_version": ENERGY_SCHEMA_VERSION,
        "status": "ok",
        "library": task.library.name,
        **point_columns(task.config),
        **_identity(task),
    }
    try:
        mapped = mapped_pe(task.config, task.library, task.build)
        start = time.perf_counter()
        operands = make_operands(
            task.config,
            _reference_pass(task.config),
            task.data_set,
            lanes=LANES_PER_WORD,
            dice=np.random.default_rng(1),
        )
        run = PERun(task.config, mapped.netlist, lanes=LANES_PER_WORD)
        products = run.run(operands, apart=True)[-1]
        found = measure_glitches(
            mapped.netlist,
            "datapath",
            products.trace,
            mapped.loads,
            lanes=_LANES,
            work_dir=task.build / "work" / f"glitches-{row['key']}",
        )
    except (CharacterizeError, FlowError, HwError, OSError) as error:
        return row | {"status": "failed", "message": str(error)[:2000] or type(error).__name__}
    return row | {
        "netlist_digest": mapped.digest,
        "glitch_factor": found.factor,
        "settled_pj": found.settled_pj,
        "all_pj": found.all_pj,
        "settled_toggles": found.settled_toggles,
        "all_toggles": found.all_toggles,
        "seconds": time.perf_counter() - start,
    }


def _reference_pass(config: PEConfig) -> RowPass:
    """Return a pass of 16 filters and 12 taps that takes psums in, or less where less fits."""
    kind = PE_TYPES[config.pe_type]
    scale_words = kind.scaling.words if kind.scaling else 0
    taps = min(3, config.ifmap_spad // (1 + scale_words))
    channels = max(1, min(4, config.ifmap_spad // max(1, taps)) - scale_words)
    words = (channels + scale_words) * taps * kind.terms
    return RowPass(
        filters=max(1, min(16, config.psum_spad, config.filter_spad // max(1, words))),
        channels=channels,
        taps=taps,
        positions=1,
        accumulate=True,
        terms=kind.terms,
        scale_words=scale_words,
    )


def check_glitch_row(row: Mapping[str, Any], where: str) -> Row:
    """Return a row with every column in its type; `StoreError` naming row, column and range."""
    return check_point_row(row, GLITCH_COLUMNS, where)


def load_glitches(library: str) -> pd.DataFrame:
    """Return the shipped factors of one library; an empty table where there are none."""
    path = SHIPPED / f"glitches-{library}.csv"
    if not path.is_file():
        return pd.DataFrame(columns=[column.name for column in GLITCH_COLUMNS])
    return read_table(path, GLITCH_COLUMNS, check_glitch_row, "glitches")


def glitch_factors(library: str, store: Path) -> dict[tuple[str, str], float]:
    """Return the factors that are known, by digest of the PE point and data set."""
    tables = [load_glitches(library)]
    if store.is_file():
        tables.append(read_table(store, GLITCH_COLUMNS, check_glitch_row, "glitches"))
    return {
        (row["config_digest"], row["data_set"]): row["glitch_factor"]
        for table in tables
        for row in table[table["status"] == "ok"].to_dict("records")
    }
