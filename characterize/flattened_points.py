"""One PE point, measured twice: whole and flattened, and joined from parts as its datapoint is.

What every gain rests on are PEs joined from parts that are synthesized by themselves.  A chip would
have the flattened PE, whose borders synthesis may optimise across; the difference is what the
parts cost.  Both forms have the recipe of the PE type: the datapath among the parts, and the
whole flat PE.  Both must compute the psums of one simulated pass, and the energy of a product is
that of this pass.  What goes wrong with one point becomes a row with the status `failed`.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import json
import re
import shutil
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import qmc

import flows
from flows.clock import clock_pins_pj
from flows.errors import FlowError
from flows.liberty import Liberty, read_liberty
from flows.loads import net_loads
from flows.netlist import area_um2, read_netlist
from flows.power import energy_per_cycle
from flows.sta import critical_path
from flows.synthesis import synthesize
from flows.tools import tool_versions
from hw.config import PEConfig
from hw.errors import HwError
from hw.pe.pe import PE, pe_modules

from .actions import Action, action_activity
from .errors import CharacterizeError
from .flattened_pass import run_netlist
from .flattened_schema import FLATTENED_SCHEMA_VERSION
from .measure import Task
from .recipes import datapath_recipe
from .source_digest import code_of, generator_digest

__all__ = [
    "POINTS", "flat_modules", "flattened_digest", "flattened_key", "flattened_plan",
    "measure_flattened",
]  # fmt: skip

POINTS = 12
"""PE points of each PE type."""
SIZES = {
    "ifmap_spad": (4, 8, 12),
    "filter_spad": (16, 32, 48, 64),
    "psum_spad": (4, 8, 12, 16),
}
"""Small scratchpads [words]: their borders weigh more than those of large ones."""
_CORNERS = ((4, 16, 4), (12, 64, 16))
_MEASURING = ("actions", "flattened_pass", "flattened_points", "flattened_signals")
_SPARED = ("errors", "tools")
"""Modules that decide no figure: texts, and how tools are found, whose versions are in the row."""


def flattened_plan(pe_type: str) -> list[PEConfig]:
    """Return the PE points of a PE type: the corners, then a Sobol sequence."""
    chosen = list(_CORNERS)
    sequence = qmc.Sobol(len(SIZES), scramble=True, seed=np.random.default_rng(1))
    while len(chosen) < POINTS:
        for unit in sequence.random(8):
            ifmap, filters, psum = (
                words[int(u * len(words))] for u, words in zip(unit, SIZES.values(), strict=True)
            )
            if (ifmap, filters, psum) not in chosen:
                chosen.append((ifmap, filters, psum))
    return [
        PEConfig(pe_type=pe_type, ifmap_spad=ifmap, filter_spad=filters, psum_spad=psum)
        for ifmap, filters, psum in chosen[:POINTS]
    ]


def flat_modules(top: str, modules: dict[str, str]) -> dict[str, str]:
    """Return one leaf that contains the whole PE, and a top that only passes its ports on."""
    text = re.sub(rf"\bmodule {top}\b", "module whole", "\n".join(modules.values()))
    header = re.search(r"module whole\((.*?)\);", text, re.DOTALL)
    if header is None:
        raise CharacterizeError(f"{top} must be a module as Amaranth writes it")
    names = [name.strip() for name in header[1].split(",")]
    found = re.findall(r"^  (input|output) (\[\d+:0\] )?(\w+) ?;$", text[header.end() :], re.M)
    ports = {name: (direction, bits) for direction, bits, name in reversed(found)}
    declared = "".join(f"  {ports[name][0]} {ports[name][1]}{name};\n" for name in names)
    links = ", ".join(f".{name}({name})" for name in names)
    wrapper = f"module {top}({', '.join(names)});\n{declared}  whole whole({links});\nendmodule\n"
    return {"whole": text, top: wrapper}


@functools.cache
def flattened_digest() -> str:
    """Return the digest of the sources that make figures of a PE: these, and what they import."""
    total = hashlib.sha256()
    for path in sorted(_sources(), key=lambda path: path.name):
        total.update(f"{path.name}\n{code_of(path.read_text(encoding='utf-8'))}\n".encode())
    return total.hexdigest()[:16]


def _sources() -> set[Path]:
    """Return the measuring modules of this room and the modules of `flows` that they need."""
    folder = Path(next(iter(flows.__path__)))
    found = {Path(__file__).with_name(f"{name}.py") for name in _MEASURING}
    todo = list(found)
    while todo:
        file = todo.pop()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom) or node.module is None:
                continue
            beside = node.level == 1 and file.parent == folder
            path = folder / f"{node.module.removeprefix('flows.')}.py"
            if not beside and not node.module.startswith("flows."):
                continue
            if path not in found and path.stem not in _SPARED:
                found.add(path)
                todo.append(path)
    return found


@functools.cache
def _tools() -> str:
    versions = tool_versions("yosys", "sta")
    versions["amaranth"] = version("amaranth")
    return json.dumps(versions, sort_keys=True)


def _identity(task: Task) -> dict[str, str]:
    return {
        "library_digest": task.library.digest,
        "recipe": datapath_recipe(task.config, task.library.name).name,
        "config_digest": task.config.digest(),
        "generator_digest": generator_digest(task.config.pe_type),
        "flow_digest": flattened_digest(),
        "tools": _tools(),
    }


def flattened_key(task: Task) -> str:
    """Return the key of a task's row; raises `ToolMissing` without the tools."""
    text = json.dumps(_identity(task), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def measure_flattened(task: Task) -> dict[str, Any]:
    """Measure one PE point in both forms and return its row."""
    key, config = flattened_key(task), task.config
    work = task.build / "work" / f"flattened-{key}"
    row: dict[str, Any] = {
        "key": key,
        "schema_version": FLATTENED_SCHEMA_VERSION,
        "status": "ok",
        "library": task.library.name,
        "pe_type": config.pe_type,
        **{name: getattr(config, name) for name in SIZES},
        **_identity(task),
    }
    start = time.perf_counter()
    shutil.rmtree(work, ignore_errors=True)
    try:
        flat, parts = _measured(task, work / "flat"), _measured(task, work / "parts")
    except (CharacterizeError, FlowError, HwError, OSError) as error:
        message = str(error) or type(error).__name__
        return row | {"status": "failed", "message": message[:2000], "log": f"work/{work.name}"}
    shutil.rmtree(work, ignore_errors=True)
    row |= {"netlist_digest": flat.netlist_digest, "stated_product_pj": parts.stated_product_pj}
    for form, figures in (("flat", flat), ("parts", parts)):
        for name in ("area_um2", "critical_path_ns", "product_pj", "cells", "synthesis_seconds"):
            row[f"{form}_{name}"] = getattr(figures, name)
    return row | {"seconds": time.perf_counter() - start}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figures:
    netlist_digest: str
    area_um2: float
    critical_path_ns: float
    product_pj: float
    stated_product_pj: float | None
    """None of a flat netlist, which has no ports of parts at which an activity could be stated."""
    cells: int
    synthesis_seconds: float


@functools.lru_cache(maxsize=1)
def _liberty(path: Path) -> Liberty:
    return read_liberty(path)


def _measured(task: Task, work: Path) -> _Figures:
    """Measure the PE in the form that the folder is called after."""
    cache, config, library = task.build / "cache", task.config, task.library
    pe = PE(config)
    top, modules = pe_modules(pe)
    recipe, module = datapath_recipe(config, library.name), pe.datapath.module_name
    if work.name == "flat":
        modules, module = flat_modules(top, modules), "whole"
    made = synthesize(
        modules, top, library, work_dir=work, cache_dir=cache, part_recipes={module: recipe}
    )
    timing = critical_path(made.netlist_verilog, top, library, work_dir=work, cache_dir=cache)
    netlist = read_netlist(made.netlist_json, top, _liberty(library.local_copy(cache)))
    loads, clock_pj = net_loads(netlist), sum(clock_pins_pj(netlist).values())
    ran = run_netlist(netlist, config)
    cycle_pj = energy_per_cycle(netlist, ran.activity, loads=loads).dynamic_pj + clock_pj
    stated = None
    if work.name == "parts":
        activity = action_activity(netlist, Action.PRODUCT)
        stated = energy_per_cycle(netlist, activity, loads=loads).dynamic_pj + clock_pj
    return _Figures(
        netlist_digest=made.digest,
        area_um2=sum(area_um2(netlist).values()),
        critical_path_ns=timing.critical_path_ns,
        product_pj=cycle_pj * ran.cycles / ran.products,
        stated_product_pj=stated,
        cells=made.cells,
        synthesis_seconds=made.synthesis_seconds,
    )
