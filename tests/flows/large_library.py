"""A Liberty file of any size, and what it costs to use it.

`python -m tests.flows.large_library LIBRARY FOLDER` reads a library, maps a small module to it,
analyses its timing, and prints cells, area and peaks of memory as JSON.  A large file is a small
one whose cells come again under other names; `padding` is what a timing group holds besides, like
the current sources that make up most of a real file of 100 MiB.
"""

from __future__ import annotations

import json
import re
import resource
import sys
from pathlib import Path

from flows.liberty import read_liberty
from flows.libraries import find_library
from flows.netlist import area_um2, read_netlist
from flows.sta import critical_path
from flows.synthesis import synthesize

_CELL = re.compile(r'\bcell\s*\(\s*"?(\w+)"?\s*\)')
MODULE = """
module small(input clk, input [3:0] a, input [3:0] b, output reg [7:0] y);
  always @(posedge clk) y <= a * b;
endmodule
"""


def current_sources(vectors: int, points: int) -> str:
    """Return a group that no delay model of tables needs."""
    numbers = ", ".join(f"0.{number:06d}" for number in range(points))
    vector = f'vector (t) {{ index_1 ("0.1"); index_3 ("{numbers}"); values ("{numbers}"); }}\n'
    return f"output_current_rise () {{\n{vector * vectors}}}\n"


def write_library(source: Path, target: Path, size: int, *, padding: str = "") -> int:
    """Write a library of at least `size` bytes; return how many cells it has."""
    text = source.read_text(encoding="latin-1")
    first, last = next(_CELL.finditer(text)).start(), text.rindex("}")
    cells = re.sub(r"\btiming\s*\(\s*\)\s*\{", lambda m: m[0] + padding, text[first:last])
    copies = 0
    with target.open("w", encoding="latin-1") as file:
        written = file.write(text[:first])
        while written < size:
            end = f"_{copies}" if copies else ""
            written += file.write(_CELL.sub(lambda m, end=end: f"cell ({m[1]}{end})", cells))
            copies += 1
        file.write("}\n")
    return copies * len(_CELL.findall(cells))


def peak_mib(who: int) -> float:
    """Return the largest resident size so far [MiB]."""
    return resource.getrusage(who).ru_maxrss / 1024


def main(path: str, folder: str) -> None:
    """Use a library and print what it took."""
    library = find_library(path)
    liberty = read_liberty(library.path)
    reading = peak_mib(resource.RUSAGE_SELF)
    work, cache = Path(folder) / "work", Path(folder) / "cache"
    made = synthesize({"small": MODULE}, "small", library, work_dir=work, cache_dir=cache)
    timing = critical_path(made.netlist_verilog, "small", library, work_dir=work, cache_dir=cache)
    netlist = read_netlist(made.netlist_json, "small", liberty)
    found = {
        "cells": len(liberty.cells),
        "area_um2": sum(area_um2(netlist).values()),
        "critical_path_ns": timing.critical_path_ns,
        "reading_mib": reading,
        "whole_mib": peak_mib(resource.RUSAGE_SELF),
        "tools_mib": peak_mib(resource.RUSAGE_CHILDREN),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
