"""Synthesis by parts: netlists that compute what the Verilog computes, the cache, wrong input."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

import flows.synthesis
from flows.errors import FlowError, LibraryNotFound, ToolFailed, ToolMissing
from flows.fanout import MAX_FANOUT, limit_fanout
from flows.liberty import read_liberty
from flows.libraries import CellLibrary, find_library
from flows.recipe import ABC_SCRIPTS, ADDERS, DEFAULT_RECIPE, Recipe, standard_buffer
from flows.synthesis import Synthesis, synthesize
from flows.tools import yosys_command

from .cell_models import cell_model

GATE = """
module NAME_clock_gate(input clk, input en, output q, output left);
  reg open = 0;
  always @* if (!clk) open = en;
  assign q = clk & open;
  assign left = 1;
endmodule"""
MODULES = {
    "counter": """
module counter(input clk, input rst, input en, output [6:0] value);
  reg [6:0] count = 0;
  assign value = count;
  always @(posedge clk) if (rst) count <= 0; else if (en) count <= count + 3;
endmodule""",
    "multiply": """
module multiply(input clk, input signed [6:0] a, input signed [5:0] b, output signed [15:0] sum);
  reg signed [12:0] product = 0;
  reg signed [15:0] total = 0;
  assign sum = total;
  always @(posedge clk) begin product <= a * b; total <= total + product; end
endmodule""",
    "words": f"""
`ifdef SYNTHESIS
module words_clock_gate(input clk, input en, output q, output left);
  assign q = clk;
  assign left = en;
endmodule
`else
{GATE.replace("NAME", "words")}
`endif
module words(input clk, input we, input [1:0] wa, input [1:0] ra, input [6:0] d, output [6:0] q);
  reg [6:0] w0 = 0, w1 = 0, w2 = 0, w3 = 0;
  wire group, left;
  words_clock_gate gate(.clk(clk), .en(we && wa[1]), .q(group), .left(left));
  assign q = ra[1] ? (ra[0] ? w3 : w2) : (ra[0] ? w1 : w0);
  always @(posedge clk) if (we) case (wa)
    0: w0 <= d; 1: w1 <= d;
  endcase
  always @(posedge group) if (left) case (wa[0])
    0: w2 <= d; 1: w3 <= d;
  endcase
endmodule""",
    "latches": f"""
{GATE.replace("NAME", "latches")}
module latch_word(input en, input [6:0] d, output reg [6:0] q);
  initial q = 0;
  always @* if (en) q = d;
endmodule
module latches(input clk, input we, input [1:0] wa, input [1:0] ra, input [6:0] d, output [6:0] q);
  reg [6:0] data = 0;
  wire [3:0] on;
  wire [6:0] w [0:3];
  always @(posedge clk) data <= d;
  genvar i;
  generate for (i = 0; i < 4; i = i + 1) begin : word
    latches_clock_gate gate(.clk(clk), .en(we && wa == i), .q(on[i]));
    latch_word store(.en(on[i]), .d(data), .q(w[i]));
  end endgenerate
  assign q = w[ra];
endmodule""",
    "system": """
module system(input clk, input rst, input en, input we, input [3:0] at, input signed [6:0] d,
              output signed [15:0] sum, output [6:0] x, output [6:0] y, output [3:0] taps,
              output high);
  wire [6:0] count;
  counter counter0(.clk(clk), .rst(rst), .en(en), .value(count));
  words flops(.clk(clk), .we(we), .wa(at[1:0]), .ra(at[3:2]), .d(d), .q(x));
  latches store(.clk(clk), .we(we), .wa(at[3:2]), .ra(at[1:0]), .d(d ^ count), .q(y));
  multiply mac(.clk(clk), .a(x), .b(y[5:0]), .sum(sum));
  assign taps = {at[0], x[2:1], at[3]};
  assign high = 1'b1;
endmodule""",
}

BENCH = """
module bench;
  reg clk = 0, rst = 1, en = 0, we = 0;
  reg [3:0] at = 0;
  reg [6:0] d = 0;
  wire [34:0] r, g;
  reference rtl(clk, rst, en, we, at, d, r[34:19], r[18:12], r[11:5], r[4:1], r[0]);
  system netlist(clk, rst, en, we, at, d, g[34:19], g[18:12], g[11:5], g[4:1], g[0]);
  integer i, wrong = 0, moves = 0, seed = 7;
  reg [34:0] last;
  initial begin
    for (i = 0; i < 2000; i = i + 1) begin
      {rst, en, we, at, d} = $random(seed);
      rst = rst & at[0] & at[1];
      #4 if (r !== g) wrong = wrong + 1;
      clk = 1;
      #5 if (r !== g) wrong = wrong + 1;
      if (r !== last) moves = moves + 1;
      last = r;
      clk = 0;
      #1;
    end
    $display("RESULT wrong %0d moves %0d", wrong, moves);
  end
endmodule
"""


@pytest.fixture(scope="module", params=["osu018", "nangate45"])
def library(request: pytest.FixtureRequest) -> CellLibrary:
    try:
        yosys_command()
        return find_library(request.param)
    except (LibraryNotFound, ToolMissing) as error:
        pytest.skip(f"needs Yosys and {request.param}: {str(error).splitlines()[0]}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("synthesis")


@pytest.fixture(scope="module")
def result(library: CellLibrary, folder: Path) -> Synthesis:
    return build(library, folder)


def build(library: CellLibrary, folder: Path, recipe: Recipe = DEFAULT_RECIPE) -> Synthesis:
    work_dir = folder / f"{library.name}-{recipe.digest()}"
    return synthesize(
        MODULES, "system", library, recipe=recipe, work_dir=work_dir, cache_dir=folder / "cache"
    )


def cells_of(result: Synthesis) -> dict[str, dict[str, object]]:
    module = json.loads(result.netlist_json.read_text())["modules"]["system"]
    return dict(module["cells"])


def simulate(result: Synthesis, library: CellLibrary, folder: Path) -> tuple[int, int]:
    """Run the netlist beside its source; return mismatches and changes of the outputs."""
    if shutil.which("iverilog") is None:
        pytest.skip("needs iverilog")
    cells = read_liberty(library.path).cells
    kinds = sorted({str(cell["type"]) for cell in cells_of(result).values()})
    folder.mkdir()
    (folder / "cells.v").write_text("".join(cell_model(cells[kind]) for kind in kinds))
    rtl = "\n".join(MODULES.values()).replace("module system(", "module reference(")
    (folder / "rtl.v").write_text(rtl + BENCH)
    command = ["iverilog", "-g2012", "-o", "bench", "cells.v", "rtl.v", str(result.netlist_verilog)]
    built = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    done = subprocess.run(["vvp", "bench"], cwd=folder, check=True, capture_output=True, text=True)
    words = done.stdout.split()
    assert words[:2] == ["RESULT", "wrong"], done.stdout
    return int(words[2]), int(words[4])


def test_netlist_computes_what_the_source_does(
    result: Synthesis, library: CellLibrary, tmp_path: Path
) -> None:
    wrong, moves = simulate(result, library, tmp_path / "run")
    assert wrong == 0
    assert moves > 1000


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(script="compact", adder="brent-kung", clock_gating=False),
        Recipe(script="fast", adder="kogge-stone", booth=False),
        Recipe(script="yosys", adder="han-carlson", clock_target_ps=2000, min_gated_bits=64),
    ],
)
def test_other_recipes_compute_the_same(
    recipe: Recipe, library: CellLibrary, folder: Path, tmp_path: Path
) -> None:
    wrong, moves = simulate(build(library, folder, recipe), library, tmp_path / "run")
    assert (wrong, moves > 1000) == (0, True)


def test_netlist_form(result: Synthesis) -> None:
    text = result.netlist_verilog.read_text()
    assert "signed" not in text and "assign {" not in text and text.count("endmodule") == 1
    cells = cells_of(result)
    assert result.cells == len(cells) == text.count("(\n")
    parts = Counter(name.split(".")[0] for name in cells)
    assert set(parts) >= {"counter0", "flops", "store", "mac"}
    module = json.loads(result.netlist_json.read_text())["modules"]["system"]
    assert len(module["netnames"]["mac.sum"]["bits"]) == 16
    assert len(module["netnames"]["store.d"]["bits"]) == 7
    assert all(cell["port_directions"] for cell in module["cells"].values())


def test_registers_are_the_expected_kinds(result: Synthesis, library: CellLibrary) -> None:
    liberty = read_liberty(library.path)
    kinds = Counter(
        "gate" if cell.clock_gate else "latch" if cell.register.transparent else "flop"
        for instance in cells_of(result).values()
        if (cell := liberty.cells[str(instance["type"])]).register is not None
    )
    gates = any(c.clock_gate for c in liberty.cells.values())
    assert kinds["latch"] == 4 * 7 + (0 if gates else 4)
    assert kinds["flop"] == 7 + 13 + 16 + 4 * 7 + 7
    assert kinds["gate"] == (1 + 4 + 4 if gates else 0)  # group, words, words of latches
    used = {str(instance["type"]) for instance in cells_of(result).values()}
    assert set(result.cells_without_area) == {k for k in used if liberty.cells[k].area_um2 == 0}


def test_second_run_synthesizes_nothing(
    result: Synthesis, library: CellLibrary, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    real = flows.synthesis.run_tool

    def counting(*args: object, **options: object) -> None:
        started.append(str(options["doing"]))
        real(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(flows.synthesis, "run_tool", counting)
    again = build(library, folder)
    assert started == ["linking system"]
    assert again.digest == result.digest
    assert again.synthesis_seconds > again.seconds
    build(library, folder, replace(DEFAULT_RECIPE, min_gated_bits=5))
    assert len(started) == 2 + len(MODULES)


def test_digest_does_not_depend_on_folder(
    result: Synthesis, library: CellLibrary, tmp_path: Path
) -> None:
    strange = tmp_path / "a 'b\" $(id); [exec c]"
    other = synthesize(
        MODULES, "system", library, work_dir=strange / "work", cache_dir=strange / "cache"
    )
    assert other.digest == result.digest
    assert other.netlist_verilog.read_text() == result.netlist_verilog.read_text()


def test_torn_cache_entry_is_not_used(library: CellLibrary, tmp_path: Path) -> None:
    modules = {"counter": MODULES["counter"]}
    first = synthesize(modules, "counter", library, work_dir=tmp_path / "w", cache_dir=tmp_path)
    (entry,) = (tmp_path / "parts").iterdir()
    entry.write_text("")
    again = synthesize(modules, "counter", library, work_dir=tmp_path / "w", cache_dir=tmp_path)
    assert again.digest == first.digest
    assert sorted(p.name for p in (tmp_path / "w").iterdir()) == ["counter.json", "counter.v"]


@pytest.mark.parametrize(
    "name", ["", "a; exec ls", "a\nshell id", 'a"', "a b", "\\a ", "$a", "a[0]", "../a", "1a"]
)
def test_wrong_module_name(name: str, library: CellLibrary, tmp_path: Path) -> None:
    for modules, top in (({name: "", "t": ""}, "t"), ({name: ""}, name)):
        with pytest.raises(FlowError, match="must be a plain Verilog name") as error:
            synthesize(modules, top, library, work_dir=tmp_path / "w", cache_dir=tmp_path)
        assert repr(name) in str(error.value)
    assert not (tmp_path / "w").exists()


def test_missing_top(library: CellLibrary, tmp_path: Path) -> None:
    with pytest.raises(FlowError, match="top must be one of the modules counter, not 'nix'"):
        synthesize(
            {"counter": MODULES["counter"]}, "nix", library, work_dir=tmp_path, cache_dir=tmp_path
        )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("module counter(input a; endmodule", "syntax error"),
        ("module other(input a, output b); assign b = a; endmodule", "counter"),
        ("module counter(input a, output b); nowhere x(a, b); endmodule", "nowhere"),
        (
            "module counter(input a, b, output y); \\$_TBUF_ x(.A(a), .E(b), .Y(y)); endmodule",
            r"\$_TBUF_",
        ),
    ],
)
def test_bad_verilog(text: str, reason: str, library: CellLibrary, tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match=reason) as error:
        synthesize({"counter": text}, "counter", library, work_dir=tmp_path, cache_dir=tmp_path)
    assert "counter" in error.value.doing and error.value.log is not None
    assert error.value.log.exists()
    assert not (tmp_path / "parts").exists()


def test_tool_that_leaves_half_a_file(
    library: CellLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    halves = "open('mapped.json', 'w').write('{\"modules\": {')"
    monkeypatch.setattr(flows.synthesis, "yosys_command", lambda: (sys.executable, "-c", halves))
    with pytest.raises(ToolFailed, match=r"yosys left no complete mapped\.json"):
        synthesize(MODULES, "system", library, work_dir=tmp_path, cache_dir=tmp_path)
    assert not (tmp_path / "parts").exists()


def test_fanout_is_limited(library: CellLibrary, folder: Path) -> None:
    ports = "input clk, input d, input [7:0] en, output [199:0] q"
    text = f"""module wide({ports});
      reg [199:0] r = 0; assign q = r; integer i;
      always @(posedge clk) for (i = 0; i < 200; i = i + 1) if (en[i / 25]) r[i] <= d;
    endmodule"""
    wide = synthesize({"wide": text}, "wide", library, work_dir=folder, cache_dir=folder)
    module = json.loads(wide.netlist_json.read_text())["modules"]["wide"]
    liberty = read_liberty(library.path)
    loads: Counter[int] = Counter()
    for instance in module["cells"].values():
        cell = liberty.cells[instance["type"]]
        clocks = cell.register.clock_pins if cell.register is not None else ()
        for pin in set(cell.inputs) - set(clocks):
            loads[instance["connections"][pin][0]] += 1
    assert max(loads.values()) <= MAX_FANOUT
    assert limit_fanout(module, liberty.cells, standard_buffer(liberty)) == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("script", "; id"),
        ("adder", "../x"),
        ("booth", 1),
        ("min_gated_bits", 0),
        ("clock_target_ps", 0.5),
    ],
)
def test_wrong_recipe(field: str, value: object) -> None:
    with pytest.raises(FlowError, match=f"^{field} must be "):
        Recipe(**{field: value})  # type: ignore[arg-type]


def test_recipes_have_digests_of_their_own() -> None:
    recipes = [Recipe(script=s, adder=a) for s in ABC_SCRIPTS for a in ADDERS]
    assert len({recipe.digest() for recipe in recipes}) == len(recipes)
    assert os.linesep not in "".join(ABC_SCRIPTS.values())
