"""`python -m benchmarks.array_synthesis [library [type]]`: how synthesis grows with the array.

Synthesizes arrays with the smallest scratchpads, in parts and as one module, each with an empty
cache, and prints the seconds of CPU that the tools took; then the exponent of their growth.
"""

from __future__ import annotations

import resource
import sys
import tempfile
from pathlib import Path

import numpy as np
from tabulate import tabulate

from characterize.array_modules import flat_modules, leaf_modules
from flows.libraries import find_library
from flows.synthesis import synthesize
from hw.array.row_stationary import RowStationaryArray
from hw.array.row_stationary_config import RowStationaryConfig
from hw.config import PEConfig

SIZES = {"parts": (1, 2, 4, 8), "flat": (1, 2, 4)}


def cpu_s() -> float:
    """Return the seconds of CPU that all ended children have taken."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def main() -> None:
    library = find_library(sys.argv[1] if len(sys.argv) > 1 else "osu018")
    pe_type = sys.argv[2] if len(sys.argv) > 2 else "lightpe1"
    pe = PEConfig(pe_type=pe_type, ifmap_spad=2, filter_spad=2, psum_spad=2)
    rows, growth = [], []
    for form, sizes in SIZES.items():
        seconds = []
        for size in sizes:
            array = RowStationaryArray(RowStationaryConfig(pe=pe, rows=size, cols=size))
            top, modules = (leaf_modules if form == "parts" else flat_modules)(array)
            with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".arrays-") as folder:
                work = Path(folder)
                start = cpu_s()
                made = synthesize(modules, top, library, work_dir=work, cache_dir=work / "cache")
            seconds.append(cpu_s() - start)
            rows.append([pe_type, form, f"{size}x{size}", made.cells, seconds[-1]])
            rows[-1].append(seconds[-1] / seconds[0])
        pes = np.square(sizes[1:])
        slope = np.polyfit(np.log(pes), np.log(seconds[1:]), 1)[0]
        growth.append(f"{form}: CPU seconds ~ PEs^{slope:.2f} from {pes[0]} to {pes[-1]} PEs")
    heads = ["PE type", "form", "array", "cells", "CPU s", "to 1x1"]
    print(tabulate(rows, heads, floatfmt=("", "", "", ".0f", ".1f", ".1f")))
    print("\n".join(growth))


if __name__ == "__main__":
    main()
