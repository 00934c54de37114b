"""One shell, measured: area, leakage, longest path, and the energy of what it moves.

A shell in `parts` is joined from its components, which are synthesized once each; a `flat` one is
synthesized as one module and has no energies.  Memories are macros and in no figure.  As in
`measure`, what goes wrong with one shell becomes a row with the status `failed`.
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

import hw.shell
from flows.clock import clock_pins_pj
from flows.errors import FlowError
from flows.liberty import Liberty, read_liberty
from flows.libraries import CellLibrary
from flows.loads import net_loads
from flows.netlist import Netlist, area_um2, read_netlist
from flows.power import PowerBreakdown, energy_per_cycle
from flows.sta import critical_path
from flows.synthesis import synthesize
from flows.tools import tool_versions
from hw.accelerator_config import HardwareConfig
from hw.config import config_digest
from hw.errors import HwError

from .errors import CharacterizeError
from .schema import ACTIVITY
from .shell_actions import COMPONENTS, FIGURES, PARTS, ShellActivity, figure_pj, shell_activity
from .shell_modules import flat_shell, shell_modules
from .shell_schema import SHELL_SCHEMA_VERSION, shell_columns
from .source_digest import code_of, flow_digest, generator_digest

__all__ = ["ShellTask", "measure_shell", "shell_digests", "shell_key"]

_AROUND = ("accelerator_config", "array.row_stationary_config", "pe.binary32")
"""Modules of `hw` besides `hw.shell` and the PE's own that shape a shell."""
_MEASURING = ("shell_actions", "shell_modules", "shell_points")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellTask:
    """A shell, how it is synthesized, the library, and the folder to work in."""

    config: HardwareConfig
    library: CellLibrary
    build: Path
    form: str = "parts"
    """`parts` or `flat`."""


def _digest_of(paths: list[Path], before: str) -> str:
    total = hashlib.sha256(before.encode())
    for path in paths:
        total.update(f"{path.name}\n{code_of(path.read_text(encoding='utf-8'))}\n".encode())
    return total.hexdigest()[:16]


def _file(module: str) -> Path:
    return Path(str(importlib.import_module(module).__file__))


@functools.cache
def shell_digests(pe_type: str) -> tuple[str, str]:
    """Return the digests of the sources that generate a shell, and of those that measure it."""
    shell = sorted(Path(next(iter(hw.shell.__path__))).glob("*.py"))
    around = [_file(f"hw.{name}") for name in _AROUND]
    measuring = [_file(f"characterize.{name}") for name in _MEASURING]
    return (
        _digest_of(shell + around, generator_digest(pe_type)),
        _digest_of(measuring, flow_digest()),
    )


@functools.cache
def _tools() -> str:
    versions = tool_versions("yosys", "sta")
    versions["amaranth"] = version("amaranth")
    return json.dumps(versions, sort_keys=True)


def _identity(task: ShellTask) -> dict[str, str]:
    generator, flow = shell_digests(task.config.design.pe.pe_type)
    return {
        "library_digest": task.library.digest,
        "method": ACTIVITY,
        "form": task.form,
        "config_digest": config_digest(task.config),
        "generator_digest": generator,
        "flow_digest": flow,
        "tools": _tools(),
    }


def shell_key(task: ShellTask) -> str:
    """Return the key of a task's row; raises `ToolMissing` without the tools."""
    text = json.dumps(_identity(task), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def measure_shell(task: ShellTask) -> dict[str, Any]:
    """Measure one shell and return its row."""
    key = shell_key(task)
    work = task.build / "work" / f"shell-{key}"
    row: dict[str, Any] = {
        "key": key,
        "schema_version": SHELL_SCHEMA_VERSION,
        "status": "ok",
        "library": task.library.name,
        **shell_columns(task.config),
        **_identity(task),
    }
    start = time.perf_counter()
    try:
        row |= _figures(task, work)
    except (CharacterizeError, FlowError, HwError, OSError) as error:
        message = str(error) or type(error).__name__
        return row | {"status": "failed", "message": message[:2000], "log": f"work/shell-{key}"}
    shutil.rmtree(work, ignore_errors=True)
    return row | {"seconds": time.perf_counter() - start}


@functools.lru_cache(maxsize=1)
def _liberty(path: Path) -> Liberty:
    return read_liberty(path)


def _figures(task: ShellTask, work: Path) -> dict[str, Any]:
    cache = task.build / "cache"
    in_parts = task.form == "parts"
    top, modules = (shell_modules if in_parts else flat_shell)(task.config)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    made = synthesize(modules, top, task.library, work_dir=work, cache_dir=cache)
    path = critical_path(made.netlist_verilog, top, task.library, work_dir=work, cache_dir=cache)
    netlist = read_netlist(made.netlist_json, top, _liberty(task.library.local_copy(cache)))
    figures = {
        "netlist_digest": made.digest,
        "area_um2": sum(area_um2(netlist).values()),
        "critical_path_ns": path.critical_path_ns,
        "cells": made.cells,
        "synthesis_seconds": made.synthesis_seconds,
    }
    return figures | (_by_part(netlist, task.config) if in_parts else {})


def _by_part(netlist: Netlist, config: HardwareConfig) -> dict[str, Any]:
    """Return what only a netlist tells whose cells say where they belong."""
    if unknown := sorted(set(netlist.parts) - set(COMPONENTS)):
        raise CharacterizeError(
            f"components of a shell must be {', '.join(COMPONENTS)}, not {unknown[0]!r}"
        )
    loads = net_loads(netlist)
    found = {
        what: energy_per_cycle(netlist, shell_activity(netlist, config, what), loads=loads)
        for what in ShellActivity
    }
    spent = {what: _spent_pj(energy) for what, energy in found.items()}
    area, leakage = _parts(area_um2(netlist)), _parts(found[ShellActivity.IDLE].leakage_uw)
    idle = sum(spent[ShellActivity.IDLE][name] for name in netlist.parts)
    return {
        **{f"area_{part}_um2": area[part] for part in PARTS},
        "leakage_uw": sum(leakage.values()),
        **{f"leakage_{part}_uw": leakage[part] for part in PARTS},
        "idle_pj": idle + sum(clock_pins_pj(netlist).values()),
        **{f"{name}_pj": figure_pj(figure, spent, config) for name, figure in FIGURES.items()},
    }


def _parts(by_component: dict[str, float] | Any) -> dict[str, float]:
    sums = dict.fromkeys(PARTS, 0.0)
    for name, value in by_component.items():
        sums[COMPONENTS[name]] += value
    return sums


def _spent_pj(energy: PowerBreakdown) -> dict[str, float]:
    """Return the energy of each component, and of the wires of each input port."""
    inside = {name: pj + energy.switching_pj[name] for name, pj in energy.internal_pj.items()}
    return inside | dict(energy.port_switching_pj)
