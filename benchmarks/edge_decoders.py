"""Decoders in the PE or at the edge of the array: what both cost, per PE and per edge decoder.

`python -m benchmarks.edge_decoders --library nangate45` prints the table of `docs/pe-types.md`.  An
array of rows x cols PEs needs one weight decoder per row and one activation decoder per diagonal,
which is small against rows x cols decoders; but it stores decoded operands in every PE.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tabulate import tabulate

from characterize.recipe_search import measure_part, part_texts
from characterize.recipes import datapath_recipe
from flows.errors import FlowError
from flows.libraries import CellLibrary, find_library
from flows.recipe import DEFAULT_RECIPE
from hw.config import PEConfig
from hw.pe.edge import edge_decoders
from hw.pe.part import part_verilog
from hw.pe.registry import PE_TYPES

SPADS = ("ifmap_spad", "filter_spad")


def rows_of(pe_type: str, library: CellLibrary, folder: Path) -> list[list[object]]:
    """Return a row for decoders in the PE and one for decoders at the edge."""
    rows: list[list[object]] = []
    decoders = [
        measure_part(
            part.module_name, part_verilog(part), library, DEFAULT_RECIPE, folder, energy=False
        ).area_um2
        for part in edge_decoders(PE_TYPES[pe_type]).values()
    ]
    for place in ("pe", "edge"):
        config = PEConfig(pe_type=pe_type, decoders=place)
        parts = part_texts(config)
        recipe = datapath_recipe(config, library.name)
        datapath = measure_part(*parts["datapath"], library, recipe, folder)
        stored = [
            measure_part(*parts[name], library, DEFAULT_RECIPE, folder, energy=False).area_um2
            for name in SPADS
        ]
        rows.append(
            [
                pe_type if place == "pe" else "",
                place,
                f"{config.weight_bits} / {config.activation_bits}",
                datapath.area_um2,
                sum(stored),
                datapath.area_um2 + sum(stored),
                datapath.critical_path_ns,
                " + ".join(f"{area:.0f}" for area in decoders) if place == "edge" else "",
            ]
        )
    return rows


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.edge_decoders", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--library", default="osu018", help="name or path of a cell library")
    arguments = parser.parse_args()
    heads = [
        "PE type", "decoders", "word bits", "datapath um2", "ifmap + filter spad um2",
        "both um2", "datapath ns", "each edge decoder um2",
    ]  # fmt: skip
    try:
        library = find_library(arguments.library)
        with tempfile.TemporaryDirectory() as folder:
            rows = [
                row
                for name, kind in PE_TYPES.items()
                if kind.weight_decoder or kind.activation_decoder
                for row in rows_of(name, library, Path(folder))
            ]
    except FlowError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{library.name}, 12/224/24 words, flip-flops")
    print(
        tabulate(
            rows, heads, tablefmt="github", floatfmt=("", "", "", ",.0f", ",.0f", ",.0f", ".3f")
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
