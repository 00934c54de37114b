"""Synthesis recipes compared: area and shortest clock period of four small designs.

`python -m benchmarks.recipes --library osu018` prints the table of `docs/flows.md`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from flows.errors import FlowError
from flows.liberty import read_liberty
from flows.libraries import CellLibrary, find_library
from flows.recipe import DEFAULT_RECIPE, Recipe
from flows.sta import critical_path
from flows.synthesis import synthesize

DESIGNS = {
    "mac": """
module bench(input clk, input [15:0] a, input [15:0] b, output [39:0] y);
  reg signed [15:0] ra, rb; reg signed [39:0] sum;
  assign y = sum;
  always @(posedge clk) begin ra <= a; rb <= b; sum <= sum + ra * rb; end
endmodule""",
    "mac, 2 stages": """
module bench(input clk, input [15:0] a, input [15:0] b, output [39:0] y);
  reg signed [15:0] ra, rb; reg signed [31:0] p; reg signed [39:0] sum;
  assign y = sum;
  always @(posedge clk) begin ra <= a; rb <= b; p <= ra * rb; sum <= sum + p; end
endmodule""",
    "two shifts": """
module bench(input clk, input [7:0] a, input [7:0] w, input [29:0] c, output reg [29:0] y);
  reg [7:0] ra, rw; reg [29:0] rc;
  wire [14:0] s1 = {7'b0, ra} << rw[2:0], s2 = {7'b0, ra} << rw[5:3];
  wire [15:0] s = s1 + s2;
  always @(posedge clk) begin ra <= a; rw <= w; rc <= c; y <= rw[6] ? rc - s : rc + s; end
endmodule""",
    "112 words": """
module bench(input clk, input we, input [6:0] wa, input [6:0] ra, input [7:0] d,
             output reg [7:0] q);
  reg [7:0] m [0:111];
  always @(posedge clk) begin if (we && wa < 112) m[wa] <= d; q <= m[ra]; end
endmodule""",
}

_NONE = Recipe(script="yosys", adder="brent-kung", booth=False)
RECIPES = {
    "Yosys' own, no Booth": _NONE,
    "Yosys' own": replace(_NONE, booth=True),
    "balanced, brent-kung": Recipe(adder="brent-kung"),
    "balanced (default)": DEFAULT_RECIPE,
    "balanced, han-carlson": Recipe(adder="han-carlson"),
    "balanced, kogge-stone": Recipe(adder="kogge-stone"),
    "compact": Recipe(script="compact"),
    "fast": Recipe(script="fast"),
}


def measure(text: str, recipe: Recipe, library: CellLibrary, folder: Path) -> tuple[float, float]:
    """Return area [um2] and shortest period [ns] of one design."""
    work_dir, cache_dir = folder / "work", folder / "cache"
    result = synthesize(
        {"bench": text}, "bench", library, recipe=recipe, work_dir=work_dir, cache_dir=cache_dir
    )
    timing = critical_path(
        result.netlist_verilog, "bench", library, work_dir=work_dir, cache_dir=cache_dir
    )
    instances = json.loads(result.netlist_json.read_text())["modules"]["bench"]["cells"].values()
    cells = read_liberty(library.path).cells
    return sum(cells[c["type"]].area_um2 for c in instances), timing.critical_path_ns


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recipes", description=__doc__)
    parser.add_argument("--library", default="osu018", help="name or path of a cell library")
    arguments = parser.parse_args()
    try:
        library = find_library(arguments.library)
        print(f"| {library.name}: um2 @ ns | {' | '.join(DESIGNS)} |")
        print("|---|" + "---|" * len(DESIGNS))
        with tempfile.TemporaryDirectory() as folder:
            for name, recipe in RECIPES.items():
                row = [measure(text, recipe, library, Path(folder)) for text in DESIGNS.values()]
                print(f"| {name} |", " | ".join(f"{a:,.0f} @ {d:.2f}" for a, d in row), "|")
                sys.stdout.flush()
    except FlowError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
