"""One PE point's energies, simulated: synthesis from the cache, simulation, and its row."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from flows.clock import clock_pins_pj
from flows.errors import FlowError
from flows.liberty import Liberty, read_liberty
from flows.libraries import CellLibrary
from flows.loads import Loads, net_loads
from flows.netlist import Netlist, read_netlist
from flows.power import energy_per_cycle
from flows.synthesis import synthesize
from flows.tools import tool_versions
from hw.config import PEConfig
from hw.errors import HwError
from hw.pe.pe import PE, pe_modules

from .actions import Action, action_activity
from .energy_table import ENERGY_SCHEMA_VERSION, ROW_ENERGIES, point_columns
from .errors import CharacterizeError
from .point_table import Row
from .recipes import datapath_recipe
from .schema import PARTS, SIMULATED
from .simulated_energy import TERMS, simulated_energies
from .source_digest import flow_digest, generator_digest, simulation_digest

__all__ = ["EnergyTask", "MappedPE", "energy_identity", "energy_key", "mapped_pe", "measure_energy"]

_ROW = (*ROW_ENERGIES, *(f"product_{part}_pj" for part in PARTS))
"""Columns of a datapoint row; those of its taps and of psums that leave are among the terms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyTask:
    """A PE point, the library to map it to, operands, and the folder to work in."""

    config: PEConfig
    library: CellLibrary
    data_set: str
    build: Path


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MappedPE:
    """A PE mapped to a library."""

    netlist: Netlist
    loads: Loads
    digest: str
    """Of the netlist."""
    cells: int


@functools.cache
def _tools() -> str:
    versions = tool_versions("yosys")
    versions["amaranth"] = version("amaranth")
    return json.dumps(versions, sort_keys=True)


def energy_identity(task: EnergyTask) -> dict[str, str]:
    """Return everything a row depends on."""
    return {
        "library_digest": task.library.digest,
        "method": SIMULATED,
        "form": "parts",
        "data_set": task.data_set,
        "config_digest": task.config.digest(),
        "generator_digest": generator_digest(task.config.pe_type),
        "flow_digest": flow_digest(),
        "simulation_digest": simulation_digest(),
        "recipe": datapath_recipe(task.config, task.library.name).name,
        "tools": _tools(),
    }


def energy_key(task: EnergyTask) -> str:
    """Return the key of a task's row; raises `ToolMissing` without the tools."""
    text = json.dumps(energy_identity(task), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def measure_energy(task: EnergyTask) -> Row:
    """Measure one PE point with one data set and return its row."""
    row: Row = {
        "key": energy_key(task),
        "schema_version": ENERGY_SCHEMA_VERSION,
        "status": "ok",
        "library": task.library.name,
        **point_columns(task.config),
        **energy_identity(task),
    }
    try:
        mapped = mapped_pe(task.config, task.library, task.build)
        start = time.perf_counter()
        found = simulated_energies(
            mapped.netlist, task.config, data_set=task.data_set, loads=mapped.loads
        )
    except (CharacterizeError, FlowError, HwError, OSError) as error:
        message = str(error) or type(error).__name__
        return row | {"status": "failed", "message": message[:2000]}
    columns = found.columns()
    return row | {
        **{name: columns[name] for name in _ROW},
        "leakage_uw": columns["leakage_uw"],
        **{f"term_{name}_pj": found.term_pj(name) for name in TERMS},
        **{f"stated_{name}": energy for name, energy in _stated(mapped).items()},
        "check_error": found.check_error,
        "mean_error": found.mean_error,
        "row_error": found.row_error,
        "lane_cycles": found.lane_cycles,
        "netlist_digest": mapped.digest,
        "cells": mapped.cells,
        "seconds": time.perf_counter() - start,
    }


@functools.lru_cache(maxsize=1)
def _liberty(path: Path) -> Liberty:
    return read_liberty(path)


@functools.lru_cache(maxsize=1)
def mapped_pe(config: PEConfig, library: CellLibrary, build: Path) -> MappedPE:
    """Return a PE's netlist; its parts come from the synthesis cache where they are known."""
    cache = build / "cache"
    work = build / "work" / f"energy-{library.digest}-{config.digest()}"
    shutil.rmtree(work, ignore_errors=True)
    pe = PE(config)
    top, modules = pe_modules(pe)
    recipes = {pe.datapath.module_name: datapath_recipe(config, library.name)}
    made = synthesize(modules, top, library, work_dir=work, cache_dir=cache, part_recipes=recipes)
    netlist = read_netlist(made.netlist_json, top, _liberty(library.local_copy(cache)))
    shutil.rmtree(work, ignore_errors=True)
    return MappedPE(netlist=netlist, loads=net_loads(netlist), digest=made.digest, cells=made.cells)


@functools.lru_cache(maxsize=1)
def _stated(mapped: MappedPE) -> dict[str, float]:
    """Return the energies of a datapoint row by stated activity, as `measure` computes them."""
    netlist, loads = mapped.netlist, mapped.loads
    clock_pj = sum(clock_pins_pj(netlist).values())
    spent = {
        action: energy_per_cycle(netlist, action_activity(netlist, action), loads=loads).dynamic_pj
        for action in Action
    }
    idle = spent[Action.IDLE]
    return {
        "product_pj": clock_pj + spent[Action.PRODUCT],
        "idle_pj": clock_pj + idle,
        "filter_load_pj": spent[Action.FILTER_LOAD] - idle,
        "ifmap_load_pj": spent[Action.IFMAP_LOAD] - idle,
        "psum_pass_pj": spent[Action.PSUM_PASS] - idle,
    }
