"""What the shell around an array costs: area, cells and longest path, synthesized as one module.

    python -m benchmarks.shell_cost nangate45 [int8 ...]

What the exploration counts are fits of measured shells (`characterize.shell_cost`); this is the
quick look at some of them.  Memories are macros and not in the figures.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tabulate import tabulate

from flows.errors import FlowError
from flows.liberty import read_liberty
from flows.libraries import CellLibrary, find_library
from flows.netlist import area_um2, read_netlist
from flows.sta import critical_path
from flows.synthesis import synthesize
from hw.accelerator_config import HardwareConfig
from hw.command import run_command
from hw.config import AcceleratorConfig, PEConfig
from hw.errors import HwError
from hw.pe.part import to_verilog
from hw.shell.shell import Shell

SHAPES = ((2, 2, 8, 24), (4, 4, 16, 56))
"""Rows, columns, bytes of the port, KiB of the global buffer."""
CACHE = Path("build/characterize/cache")


def measure(
    pe_type: str, shape: tuple[int, int, int, int], library: CellLibrary
) -> tuple[float, float, int]:
    """Return area [um2], longest path [ns] and cells of one shell."""
    rows, cols, port, kib = shape
    design = AcceleratorConfig(
        pe=PEConfig(pe_type=pe_type), rows=rows, cols=cols, glb_kib=kib, glb_bytes_per_cycle=port
    )
    shell = Shell(HardwareConfig(design=design))
    name = shell.module_name
    with tempfile.TemporaryDirectory(prefix=".shell-", dir=".") as folder:
        work = Path(folder)
        made = synthesize(
            {name: to_verilog(shell, name)}, name, library, work_dir=work, cache_dir=CACHE
        )
        path = critical_path(made.netlist_verilog, name, library, work_dir=work, cache_dir=CACHE)
        liberty = read_liberty(library.local_copy(CACHE))
        area = sum(area_um2(read_netlist(made.netlist_json, name, liberty)).values())
    return area, path.critical_path_ns, made.cells


def main(argv: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.shell_cost", description="Area and longest path of shells."
    )
    parser.add_argument("library")
    parser.add_argument("pe_types", nargs="*", default=["int8"])
    arguments = parser.parse_args(argv)

    def command() -> None:
        library = find_library(arguments.library)
        rows = []
        for pe_type in arguments.pe_types:
            for shape in SHAPES:
                area, path_ns, cells = measure(pe_type, shape, library)
                rows.append([pe_type, f"{shape[0]}x{shape[1]}", *shape[2:], area, path_ns, cells])
        heads = ["PE type", "array", "port B", "GLB KiB", "area um2", "path ns", "cells"]
        print(tabulate(rows, heads, floatfmt=(*[""] * 4, ",.0f", ".2f", "")))

    return run_command(command, failures=(FlowError, HwError))


if __name__ == "__main__":
    sys.exit(main())
