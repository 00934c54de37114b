"""`python -m benchmarks.array_flattening [library [type ...]]`: what one module for all saves.

A flat array is smaller than one joined from parts, mostly inside its PEs.  Prints the area of one
PE with the smallest scratchpads: by parts, its datapath with its own recipe (as in an array in
parts); by parts, the default recipe throughout; as one module; as one module whose `psum_in` and
`accumulate` are tied to 0, as they are in a row-stationary array.  Beside it what a flat array
saves per PE against the array in parts, from the shipped rows.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from tabulate import tabulate

from characterize.array_schema import load_arrays
from characterize.recipes import datapath_recipe
from flows.liberty import read_liberty
from flows.libraries import find_library
from flows.netlist import area_um2, read_netlist
from flows.synthesis import synthesize
from hw.config import PEConfig
from hw.pe.control import PassLayout
from hw.pe.pe import PE, pe_modules

from .flattening import flat_modules

KEYS = ["pe_type", "filter_spad", "rows", "cols", "filter_lanes", "ifmap_lanes", "psum_width"]


def tied(top: str, modules: dict[str, str], config: PEConfig) -> dict[str, str]:
    """Return the PE as one module without psums that come in."""
    flat = flat_modules(top, modules)
    bit = PassLayout(config)["accumulate"].offset
    width = int(PassLayout(config).size)
    payload = f"config__payload[{width - 1}:{bit + 1}], 1'b0, config__payload[{bit - 1}:0]"
    ports = re.search(r"  whole whole\((.*)\);", flat[top])
    assert ports is not None
    inside = ports[1].replace("(psum_in__valid)", "(1'b0)")
    inside = inside.replace("(psum_in__payload)", f"({config.psum_width}'d0)")
    inside = inside.replace("(config__payload)", f"({{{payload}}})")
    # A leaf around the leaf, so that the constants are seen while it is mapped.
    leaf = flat[top].replace(ports[0], f"  inner inner({inside});").replace(top, "whole")
    text = flat["whole"].replace("module whole", "module inner") + leaf
    return {"whole": text, top: flat[top]}


def main() -> None:
    library = find_library(sys.argv[1] if len(sys.argv) > 1 else "osu018")
    table = load_arrays(library.name)
    flat, parts = (table[table["form"] == form] for form in ("flat", "parts"))
    pairs = flat.merge(parts, on=KEYS, suffixes=("_flat", "_parts"))
    saved = pairs["area_um2_parts"] - pairs["area_um2_flat"]
    pairs["saved"] = saved / (pairs["rows"] * pairs["cols"])
    rows = []
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".flattening-") as folder:
        for pe_type in sys.argv[2:] or ("lightpe1", "int8", "int16"):
            config = PEConfig(pe_type=pe_type, ifmap_spad=2, filter_spad=2, psum_spad=2)
            pe = PE(config)
            top, modules = pe_modules(pe)
            own = {pe.datapath.module_name: datapath_recipe(config, library.name)}
            row: list[object] = [pe_type]
            for texts, recipes in (
                (modules, own),
                (modules, {}),
                (flat_modules(top, modules), {}),
                (tied(top, modules, config), {}),
            ):
                made = synthesize(
                    texts, top, library, work_dir=Path(folder), cache_dir=Path(folder) / "cache",
                    part_recipes=recipes,
                )  # fmt: skip
                liberty = read_liberty(library.local_copy(Path(folder) / "cache"))
                row.append(sum(area_um2(read_netlist(made.netlist_json, top, liberty)).values()))
            small = pairs[(pairs["pe_type"] == pe_type) & (pairs["filter_spad"] == 2)]
            text = ", ".join(f"{r.rows}x{r.cols} {r.saved:.0f}" for r in small.itertuples())
            rows.append([*row, text])
    heads = ["PE type", "own recipe", "default", "one module", "psum_in tied",
             "array: saved per PE [µm²]"]  # fmt: skip
    print(tabulate(rows, heads, floatfmt=".0f"))


if __name__ == "__main__":
    main()
