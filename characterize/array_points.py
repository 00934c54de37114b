"""One row-stationary array, measured: what it needs besides its PEs.

An array in `parts` is joined from modules that are synthesized once each (`array_modules`); its PEs
are those of the PE datapoints, cell for cell, so the overhead is all the rest.  A `flat` array is
synthesized as one module; its overhead is its area less that of as many PEs.  As in `measure`,
what goes wrong with one array becomes a row with the status `failed`.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import json
import shutil
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from flows.clock import clock_pins_pj
from flows.errors import FlowError
from flows.liberty import Liberty, read_liberty
from flows.libraries import CellLibrary
from flows.loads import net_loads
from flows.netlist import Netlist, area_um2, read_netlist
from flows.power import PowerBreakdown, energy_per_cycle
from flows.sta import critical_path
from flows.synthesis import Synthesis, synthesize
from flows.tools import tool_versions
from hw.array.row_stationary import RowStationaryArray
from hw.array.row_stationary_config import RowStationaryConfig
from hw.config import PEConfig
from hw.errors import HwError
from hw.pe.pe import PE, pe_modules

from .array_actions import PARTS, ArrayAction, action_activity, with_array_parts
from .array_modules import flat_modules, leaf_modules
from .array_schema import ARRAY_SCHEMA_VERSION, point_columns
from .errors import CharacterizeError
from .recipes import datapath_recipe
from .schema import ACTIVITY
from .source_digest import code_of, flow_digest, generator_digest

__all__ = ["ArrayTask", "array_digests", "array_key", "measure_array"]

_GENERATOR = ("network", "row_stationary", "row_stationary_config", "row_stationary_link",
              "row_stationary_node")  # fmt: skip
_MEASURING = ("array_actions", "array_modules", "array_points")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayTask:
    """An array, how it is synthesized, the library, and the folder to work in."""

    array: RowStationaryConfig
    library: CellLibrary
    build: Path
    form: str = "parts"
    """`parts` or `flat`."""


def _digest_of(room: str, names: tuple[str, ...], before: str) -> str:
    total = hashlib.sha256(before.encode())
    for name in names:
        path = Path(str(importlib.import_module(f"{room}.{name}").__file__))
        total.update(f"{name}\n{code_of(path.read_text(encoding='utf-8'))}\n".encode())
    return total.hexdigest()[:16]


@functools.cache
def array_digests(pe_type: str) -> tuple[str, str]:
    """Return the digests of the sources that generate an array, and of those that measure it."""
    return (
        _digest_of("hw.array", _GENERATOR, generator_digest(pe_type)),
        _digest_of("characterize", _MEASURING, flow_digest()),
    )


@functools.cache
def _tools() -> str:
    versions = tool_versions("yosys", "sta")
    versions["amaranth"] = version("amaranth")
    return json.dumps(versions, sort_keys=True)


def _identity(task: ArrayTask) -> dict[str, str]:
    generator, flow = array_digests(task.array.pe.pe_type)
    return {
        "library_digest": task.library.digest,
        "method": ACTIVITY,
        "form": task.form,
        "config_digest": task.array.digest(),
        "generator_digest": generator,
        "flow_digest": flow,
        "tools": _tools(),
    }


def array_key(task: ArrayTask) -> str:
    """Return the key of a task's row; raises `ToolMissing` without the tools."""
    text = json.dumps(_identity(task), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def measure_array(task: ArrayTask) -> dict[str, Any]:
    """Measure one array and return its row."""
    key = array_key(task)
    work = task.build / "work" / f"array-{key}"
    row: dict[str, Any] = {
        "key": key,
        "schema_version": ARRAY_SCHEMA_VERSION,
        "status": "ok",
        "library": task.library.name,
        **point_columns(task.array),
        **_identity(task),
    }
    start = time.perf_counter()
    try:
        row |= _figures(task, work)
    except (CharacterizeError, FlowError, HwError, OSError) as error:
        message = str(error) or type(error).__name__
        return row | {"status": "failed", "message": message[:2000], "log": f"work/array-{key}"}
    shutil.rmtree(work, ignore_errors=True)
    return row | {"seconds": time.perf_counter() - start}


@functools.lru_cache(maxsize=1)
def _liberty(path: Path) -> Liberty:
    return read_liberty(path)


@functools.lru_cache(maxsize=4)
def _single_pe(config: PEConfig, library: CellLibrary, build: Path) -> tuple[float, float]:
    """Return area [um2] and critical path [ns] of a PE by itself."""
    pe = PE(config)
    top, modules = pe_modules(pe)
    work = build / "work" / f"{library.digest}-{config.digest()}"
    made, path_ns = _made(modules, top, pe.datapath.module_name, config, library, work)
    netlist = read_netlist(made.netlist_json, top, _liberty(library.local_copy(build / "cache")))
    area = sum(area_um2(netlist).values())
    shutil.rmtree(work, ignore_errors=True)
    return area, path_ns


def _made(
    modules: dict[str, str], top: str, datapath: str, pe: PEConfig, library: CellLibrary, work: Path
) -> tuple[Synthesis, float]:
    """Synthesize modules with the PE's own recipe; return the netlist and its critical path."""
    cache = work.parents[1] / "cache"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    recipes = {datapath: datapath_recipe(pe, library.name)} if datapath in modules else {}
    made = synthesize(modules, top, library, work_dir=work, cache_dir=cache, part_recipes=recipes)
    timing = critical_path(made.netlist_verilog, top, library, work_dir=work, cache_dir=cache)
    return made, timing.critical_path_ns


def _figures(task: ArrayTask, work: Path) -> dict[str, Any]:
    config, pe = task.array, task.array.pe
    kinds = {pe.ifmap_spad_kind, pe.filter_spad_kind, pe.psum_spad_kind}
    if pe.decoders != "pe" or kinds != {"flipflop"}:
        raise CharacterizeError(
            "arrays are measured with decoders in the PEs and scratchpads of flip-flops, not with "
            f"decoders {pe.decoders!r} and {', '.join(sorted(kinds))}"
        )
    array = RowStationaryArray(config)
    split = leaf_modules if task.form == "parts" else flat_modules
    top, modules = split(array)
    pe_area, pe_path = _single_pe(pe, task.library, task.build)
    datapath = array.node.pe.datapath.module_name
    made, path_ns = _made(modules, top, datapath, pe, task.library, work)
    library = _liberty(task.library.local_copy(task.build / "cache"))
    netlist = read_netlist(made.netlist_json, top, library)
    area = sum(area_um2(netlist).values())
    figures = {
        "netlist_digest": made.digest,
        "area_um2": area,
        "pe_area_um2": pe_area,
        "overhead_um2": area - config.rows * config.cols * pe_area,
        "critical_path_ns": path_ns,
        "pe_critical_path_ns": pe_path,
        "cells": made.cells,
        "synthesis_seconds": made.synthesis_seconds,
    }
    return figures | (_by_part(netlist, config, pe_area) if task.form == "parts" else {})


def _by_part(netlist: Netlist, array: RowStationaryConfig, pe_area_um2: float) -> dict[str, Any]:
    """Return what only a netlist tells whose cells say where they belong."""
    netlist = with_array_parts(netlist)
    area = area_um2(netlist)
    pes = array.rows * array.cols
    if abs(area["pe"] - pes * pe_area_um2) > 2e-3 * area["pe"]:  # a buffer more or less
        raise CharacterizeError(
            f"the PEs of the array must be {pes} times the PE of {pe_area_um2:.6g} um2, not "
            f"{area['pe']:.6g} um2 together"
        )
    loads = net_loads(netlist)
    found = {
        action: energy_per_cycle(netlist, action_activity(netlist, array, action), loads=loads)
        for action in ArrayAction
    }
    leakage = found[ArrayAction.IDLE].leakage_uw
    clock = clock_pins_pj(netlist)
    spent = {action: _overhead_pj(energy) for action, energy in found.items()}
    idle = spent[ArrayAction.IDLE]
    energies = {ArrayAction.IDLE: idle + sum(clock[part] for part in PARTS)}
    energies[ArrayAction.PSUM_HOP] = (spent[ArrayAction.PSUM_HOP] - idle) / pes
    for action in (ArrayAction.PSUM_ENTER, ArrayAction.PSUM_LEAVE):
        energies[action] = (spent[action] - idle) / array.cols
    for network, lanes in (("FILTER", array.filter_lanes), ("IFMAP", array.ifmap_lanes)):
        entry, row, take = (ArrayAction[f"{network}_{n}"] for n in ("ENTRY", "ROW", "TAKE"))
        energies[entry] = (spent[entry] - idle) / lanes
        energies[row] = (spent[row] - spent[entry]) / (lanes * array.rows)
        energies[take] = (spent[take] - spent[row]) / pes
    return {
        "overhead_um2": sum(area[part] for part in PARTS),
        **{f"area_{part}_um2": area[part] for part in PARTS},
        "leakage_uw": sum(leakage[part] for part in PARTS),
        **{f"leakage_{part}_uw": leakage[part] for part in PARTS},
        # A difference of two nearly equal sums can end below zero by their rounding.
        **{f"{action.value}_pj": max(energy, 0.0) for action, energy in energies.items()},
    }


def _overhead_pj(energy: PowerBreakdown) -> float:
    """Return the energy of all but the PEs; streams that enter pay for their wires here."""
    wires = sum(pj for name, pj in energy.port_switching_pj.items() if name != "clk")
    inside = sum(energy.internal_pj[part] + energy.switching_pj[part] for part in PARTS)
    return inside + wires
