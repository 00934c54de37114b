"""The bench that proves the RTL of a PE type, on its netlist: cells as Verilog, random stalls."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from characterize.recipes import datapath_recipe
from flows.errors import LibraryNotFound, ToolMissing
from flows.liberty import read_liberty
from flows.libraries import find_library
from flows.simulation import run_bench
from flows.synthesis import synthesize
from flows.tools import yosys_command
from hw.config import PEConfig
from hw.pe.pe import PE, pe_modules
from hw.pe.registry import PE_TYPES
from tests.flows.cell_models import cell_model

BUILD = Path("build/sim")


def known_inputs(top: str, ports: dict[str, dict[str, Any]]) -> str:
    """Return a module around the netlist whose inputs are 0 while the bench has not driven them.

    Models of cells never forget an undefined value they have stored.
    """
    declared, driven, connected = [], [], []
    for name, port in ports.items():
        bits, direction = len(port["bits"]), port["direction"]
        declared.append(f"{direction} [{bits - 1}:0] {name}")
        inner = name
        if direction == "input":
            inner = f"known_{name}"
            each = ", ".join(f"{name}[{bit}] === 1'b1" for bit in reversed(range(bits)))
            driven.append(f"  wire [{bits - 1}:0] {inner} = {{{each}}};")
        connected.append(f".{name}({inner})")
    return (
        f"module {top}({', '.join(declared)});\n" + "\n".join(driven) + "\n"
        f"  netlist inner({', '.join(connected)});\nendmodule\n"
    )


def prove(pe_type: str, name: str, folder: Path) -> None:
    if shutil.which("iverilog") is None:
        pytest.skip("iverilog is not installed (apt-get install iverilog)")
    try:
        yosys_command()
        library = find_library(name)
    except (LibraryNotFound, ToolMissing) as error:
        pytest.skip(f"needs Yosys and {name}: {str(error).splitlines()[0]}")
    config = PEConfig(pe_type=pe_type, ifmap_spad=6, filter_spad=24, psum_spad=4)
    pe = PE(config)
    top, modules = pe_modules(pe)
    made = synthesize(
        modules,
        top,
        library,
        work_dir=folder / "work",
        cache_dir=folder / "cache",
        part_recipes={pe.datapath.module_name: datapath_recipe(config, name)},
    )
    cells = read_liberty(library.path).cells
    module = json.loads(made.netlist_json.read_text())["modules"][top]
    kinds = sorted({each["type"] for each in module["cells"].values()})
    models = "".join(cell_model(cells[kind]) for kind in kinds)
    netlist = made.netlist_verilog.read_text().replace(f"module {top}(", "module netlist(")
    settings = {
        "PE_CONFIG": json.dumps(dataclasses.asdict(config)),
        "BENCH_SEED": "11",
        "BENCH_PASSES": "6",
    }
    verilog = netlist + models + known_inputs(top, module["ports"])
    assert run_bench(verilog, top, "tests.hw.pe.pe_bench", BUILD, settings=settings) == 2


@pytest.mark.parametrize("pe_type", ["lightpe1"])
def test_the_bench_of_the_rtl_proves_a_netlist(pe_type: str, tmp_path: Path) -> None:
    prove(pe_type, "osu018", tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("pe_type", sorted(PE_TYPES))
def test_the_bench_of_the_rtl_proves_every_netlist(pe_type: str, tmp_path: Path) -> None:
    prove(pe_type, "nangate45", tmp_path)
