"""One PE point, measured: Verilog, mapped netlist, area, critical path, energies.

`measure` never raises for what can go wrong with one point: the row then has the status `failed`,
the message and the folder of the logs, and the campaign goes on.
"""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from flows.errors import FlowError
from flows.liberty import Liberty, read_liberty
from flows.libraries import CellLibrary
from flows.netlist import area_um2, read_netlist
from flows.sta import critical_path
from flows.synthesis import synthesize
from flows.tools import tool_versions
from hw.config import PEConfig
from hw.errors import HwError
from hw.pe.pe import PE, pe_modules

from .recipes import datapath_recipe
from .schema import PARTS, SCHEMA_VERSION, SIMULATED
from .simulated_energy import simulated_energies
from .source_digest import generator_digest, measurement_digest

__all__ = ["Task", "measure", "task_key"]

OPERANDS = "digits"
"""Data of the simulation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A PE point, the library to measure it on, and the folder to work in."""

    config: PEConfig
    library: CellLibrary
    build: Path


@functools.cache
def _tools() -> str:
    versions = tool_versions("yosys", "sta")
    versions["amaranth"] = version("amaranth")
    return json.dumps(versions, sort_keys=True)


def _identity(task: Task) -> dict[str, str]:
    """Return everything a datapoint depends on."""
    return {
        "library_digest": task.library.digest,
        "method": SIMULATED,
        "operands": OPERANDS,
        "config_digest": task.config.digest(),
        "generator_digest": generator_digest(task.config.pe_type),
        "flow_digest": measurement_digest(),
        "recipe": datapath_recipe(task.config, task.library.name).name,
        "tools": _tools(),
    }


def task_key(task: Task) -> str:
    """Return the key of a task's datapoint; raises `ToolMissing` without the tools."""
    text = json.dumps(_identity(task), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def measure(task: Task) -> dict[str, Any]:
    """Measure one PE point and return its row."""
    config = task.config
    key = task_key(task)
    work = task.build / "work" / key
    row: dict[str, Any] = {
        "key": key,
        "schema_version": SCHEMA_VERSION,
        "status": "ok",
        "library": task.library.name,
        "pe_type": config.pe_type,
        "ifmap_spad": config.ifmap_spad,
        "filter_spad": config.filter_spad,
        "psum_spad": config.psum_spad,
        "ifmap_spad_kind": config.ifmap_spad_kind,
        "filter_spad_kind": config.filter_spad_kind,
        "psum_spad_kind": config.psum_spad_kind,
        "psum_width": config.psum_width,
        "saturating": int(config.saturating),
        "psum_depth": config.psum_depth,
        "pipeline_depth": config.depth,
        "decoders": config.decoders,
        **_identity(task),
    }
    start = time.perf_counter()
    try:
        row |= _figures(task, work)
    except (FlowError, HwError, OSError) as error:
        message = str(error) or type(error).__name__
        return row | {"status": "failed", "message": message[:2000], "log": f"work/{key}"}
    shutil.rmtree(work, ignore_errors=True)
    return row | {"seconds": time.perf_counter() - start}


@functools.lru_cache(maxsize=1)
def _liberty(path: Path) -> Liberty:
    return read_liberty(path)


def _figures(task: Task, work: Path) -> dict[str, Any]:
    cache = task.build / "cache"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    pe = PE(task.config)
    top, modules = pe_modules(pe)
    recipe = datapath_recipe(task.config, task.library.name)
    made = synthesize(
        modules,
        top,
        task.library,
        work_dir=work,
        cache_dir=cache,
        part_recipes={pe.datapath.module_name: recipe},
    )
    if made.cells_without_area:
        raise FlowError(
            f"library {task.library.name} gives no area for {', '.join(made.cells_without_area)}, "
            f"which this PE needs; its area would be too small"
        )
    timing = critical_path(
        made.netlist_verilog,
        top,
        task.library,
        work_dir=work,
        cache_dir=cache,
        from_inputs=["*_memory*__read_data*"],
    )
    netlist = read_netlist(made.netlist_json, top, _liberty(task.library.local_copy(cache)))
    area = _by_part(area_um2(netlist))
    energies = simulated_energies(netlist, task.config, data_set=OPERANDS)
    return {
        "netlist_digest": made.digest,
        "area_um2": sum(area.values()),
        **{f"area_{part}_um2": area[part] for part in PARTS},
        "critical_path_ns": timing.critical_path_ns,
        "macro_path_ns": timing.from_inputs_ns,
        **energies.columns(),
        "check_error": energies.check_error,
        "cells": made.cells,
        "synthesis_seconds": made.synthesis_seconds,
    }


def _by_part(figures: dict[str, float]) -> dict[str, float]:
    """Return figures for the parts of a PE.

    What joins the parts counts as control, the sums of blocks (Microscaling) as psum scratchpad.
    """
    unknown = set(figures) - {*PARTS, "top", "block_spad"}
    if unknown:
        raise FlowError(f"the netlist has parts no PE has: {', '.join(sorted(unknown))}")
    parts = {part: figures.get(part, 0.0) for part in PARTS}
    parts["control"] += figures.get("top", 0.0)
    parts["psum_spad"] += figures.get("block_spad", 0.0)
    return parts
