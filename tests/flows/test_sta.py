"""Critical paths: hand-written and synthesized designs, latches, wrong input, missing figures."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from flows.errors import FlowError, LibraryNotFound, ToolFailed, ToolMissing
from flows.liberty import read_liberty
from flows.libraries import CellLibrary, find_library
from flows.sta import Timing, critical_path
from flows.synthesis import Synthesis, synthesize
from flows.tools import sta_command, yosys_command

COUNTER = """
module counter(input clk, input en, input [7:0] step_a, input [7:0] other, output [15:0] value);
  reg [15:0] count;
  reg [7:0] held;
  assign value = count;
  always @(posedge clk) begin held <= other; if (en) count <= count + step_a * held; end
endmodule
"""
BORROW = """
module borrow(input clk, input [7:0] a, input [7:0] b, output reg [7:0] q);
  reg [7:0] x, y, low;
  always @(posedge clk) begin x <= a; y <= b; q <= low; end
  always @* if (!clk) low = x + y;
endmodule
"""
WHOLE = """
module whole(input clk, input [7:0] a, input [7:0] b, output reg [7:0] q);
  reg [7:0] x, y;
  always @(posedge clk) begin x <= a; y <= b; q <= x + y; end
endmodule
"""
HALF = """
module half(input clk, input [7:0] a, input [7:0] b, output reg [7:0] q);
  reg [7:0] x, y;
  always @(negedge clk) begin x <= a; y <= b; end
  always @(posedge clk) q <= x + y;
endmodule
"""
GATED = """
module NAME_clock_gate(input clk, input en, output q, output left);
`ifdef SYNTHESIS
  assign q = clk; assign left = en;
`else
  reg open; always @* if (!clk) open = en;
  assign q = clk & open; assign left = 1;
`endif
endmodule
module NAME(input clk, input [7:0] a, input [7:0] b, output reg [7:0] q);
  reg [7:0] x, y;
  wire sum = ^(x + y), bit_ = x[0], clock, left;
  NAME_clock_gate gate(.clk(clk), .en(GROUP), .q(clock), .left(left));
  always @(posedge clk) begin x <= a; y <= b; end
  always @(posedge clock) if (left & WORD) q <= x;
endmodule
"""
DEEP_GROUP, DEEP_WORD = (
    GATED.replace("NAME", name).replace("GROUP", group).replace("WORD", word)
    for name, group, word in (("deep_group", "sum", "bit_"), ("deep_word", "bit_", "sum"))
)
DESIGNS = {"counter": COUNTER, "borrow": BORROW, "whole": WHOLE, "half": HALF}
DESIGNS |= {"deep_group": DEEP_GROUP, "deep_word": DEEP_WORD}


@pytest.fixture(scope="module", params=["osu018", "nangate45"])
def library(request: pytest.FixtureRequest) -> CellLibrary:
    try:
        yosys_command()
        sta_command()
        return find_library(request.param)
    except (LibraryNotFound, ToolMissing) as error:
        reason = str(error).splitlines()[0]
        pytest.skip(f"needs Yosys, OpenSTA and {request.param}: {reason}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("timing")


def mapped(name: str, library: CellLibrary, folder: Path) -> Synthesis:
    modules = {name: DESIGNS[name]}
    work_dir = folder / library.name
    return synthesize(modules, name, library, work_dir=work_dir, cache_dir=folder / "cache")


def timing(name: str, library: CellLibrary, folder: Path, *from_inputs: str) -> Timing:
    return critical_path(
        mapped(name, library, folder).netlist_verilog,
        name,
        library,
        work_dir=folder / "sta",
        cache_dir=folder / "cache",
        from_inputs=from_inputs,
    )


def worst_negative_slack(name: str, library: CellLibrary, folder: Path, period_ns: float) -> float:
    """Ask OpenSTA itself, once, at one period."""
    netlist = mapped(name, library, folder).netlist_verilog
    script = f"""
      read_liberty {library.local_copy(folder / "cache")}
      read_verilog {netlist}
      link_design {name}
      create_clock -name clk -period {period_ns} [get_ports clk]
      set_input_delay 0 -clock clk [get_ports {{{" ".join(inputs_of(name))}}}]
      set_output_delay 0 -clock clk [all_outputs]
      report_wns -digits 6
    """
    (folder / "check.tcl").write_text(script)
    command = [*sta_command(), "-no_init", "-no_splash", "-exit", "check.tcl"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    label, slack = done.stdout.split()[-2:]
    assert label == "wns", done.stdout
    return float(slack)


def inputs_of(name: str) -> list[str]:
    return ["en", "step_a", "other"] if name == "counter" else ["a", "b"]


@pytest.mark.parametrize("name", sorted(DESIGNS))
def test_period_is_the_shortest_without_violation(
    name: str, library: CellLibrary, folder: Path
) -> None:
    period_ns = timing(name, library, folder).critical_path_ns
    assert worst_negative_slack(name, library, folder, period_ns * 1.0001) == 0
    assert worst_negative_slack(name, library, folder, period_ns * 0.999) < 0


@pytest.mark.parametrize("name", ["deep_group", "deep_word"])
def test_enables_of_both_levels_of_clock_gates_are_timed(
    name: str, library: CellLibrary, folder: Path
) -> None:
    gated, whole = (timing(each, library, folder).critical_path_ns for each in (name, "whole"))
    # The same adder with the parity of the sum behind it; clocks arrive without delay.
    assert whole < gated < 2 * whole


def test_half_a_period_and_borrowed_time(library: CellLibrary, folder: Path) -> None:
    whole, half, borrow = (
        timing(name, library, folder).critical_path_ns for name in ("whole", "half", "borrow")
    )
    # The adder gets half of the period, then all of it but a latch that borrows.
    assert 1.6 * whole < half < 2.4 * whole
    assert whole < borrow < half


def test_paths_from_inputs(library: CellLibrary, folder: Path) -> None:
    every = timing("counter", library, folder, "step_*", "other", "en")
    step = timing("counter", library, folder, "step_a")
    other = timing("counter", library, folder, "other*")
    assert step.from_inputs_ns == every.from_inputs_ns
    assert other.from_inputs_ns is not None and step.from_inputs_ns is not None
    assert 0 <= other.from_inputs_ns < step.from_inputs_ns <= step.critical_path_ns
    assert timing("counter", library, folder, "absent*").from_inputs_ns is None
    assert timing("counter", library, folder, "clk").from_inputs_ns is None
    assert timing("counter", library, folder).from_inputs_ns is None


def test_one_gate_by_hand(library: CellLibrary, tmp_path: Path) -> None:
    liberty = read_liberty(library.path)
    cell = next(
        c
        for c in liberty.cells.values()
        if len(c.inputs) == 1 and [f.bits for f in c.functions.values()] == [0b01]
    )
    (output,) = cell.functions
    netlist = tmp_path / "one.v"
    pins = f".{cell.inputs[0]}(a), .{output}(y)"
    netlist.write_text(
        "module one(clk, a, y);\n input clk;\n input a;\n output y;\n"
        f" {cell.name} u ({pins});\nendmodule\n"
    )
    found = critical_path(
        netlist, "one", library, work_dir=tmp_path, cache_dir=tmp_path, from_inputs=["a"]
    )
    assert found.from_inputs_ns == pytest.approx(found.critical_path_ns, abs=1e-5)
    # A sharp edge in; on the output only the wire to one port.
    wire = liberty.wire_load
    load_pf = 0.0 if wire is None else float(wire.at(np.array([1]))[0])
    delays_ns = [
        float(table.at(0.0, load_pf).item())
        for arc in cell.arcs
        for table in (arc.delay_rise, arc.delay_fall)
        if table is not None
    ]
    assert found.critical_path_ns == pytest.approx(max(delays_ns), abs=5e-5)


@pytest.mark.parametrize(
    "name", ["", "a; exec ls", "a\nexit", 'a"', "a}", "[exec id]", "$x", "a b"]
)
@pytest.mark.parametrize("field", ["top", "clock_port", "from_inputs"])
def test_names_cannot_change_the_script(name: str, field: str, tmp_path: Path) -> None:
    library = CellLibrary(name="any", path=tmp_path / "any.lib", digest="0" * 16)
    names = {"top": "t", "clock_port": "clk", "from_inputs": [], field: name}
    if field == "from_inputs":
        names[field] = ["ok*", name]
    with pytest.raises(FlowError, match=f"{field} must be a plain Verilog name") as error:
        critical_path(
            tmp_path / "n.v", library=library, work_dir=tmp_path, cache_dir=tmp_path, **names
        )
    assert repr(name) in str(error.value)


@pytest.mark.parametrize(
    ("text", "top", "clock", "reason"),
    [
        ("module counter(", "counter", "clk", "syntax error"),
        ("module other(clk); input clk; endmodule", "counter", "clk", "counter"),
        ("module counter(clk); input clk; endmodule", "counter", "clk", "no path"),
        ("module counter(ck); input ck; endmodule", "counter", "clk", "no clock port clk"),
    ],
)
def test_bad_netlists(
    text: str, top: str, clock: str, reason: str, library: CellLibrary, tmp_path: Path
) -> None:
    netlist = tmp_path / "netlist.v"
    netlist.write_text(text + "\n")
    with pytest.raises(ToolFailed, match=f"(?is)critical path of {top}.*{reason}") as error:
        critical_path(
            netlist, top, library, clock_port=clock, work_dir=tmp_path / "w", cache_dir=tmp_path
        )
    assert error.value.log is not None and error.value.log.exists()


@pytest.mark.parametrize(
    "answer", ["", "FIGURE critical_path_ns nan", "FIGURE critical_path_ns 1.5"]
)
def test_missing_figures(answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    liberty = tmp_path / "tiny.lib"
    liberty.write_text("library (tiny) {}\n")
    monkeypatch.setattr("flows.sta.sta_command", lambda: ("/bin/echo", answer))
    with pytest.raises(ToolFailed, match="sta gave no figure while finding the critical path of t"):
        critical_path(
            liberty, "t", find_library(liberty), work_dir=tmp_path / "w", cache_dir=tmp_path
        )


def test_work_folder_is_left_clean(library: CellLibrary, folder: Path, tmp_path: Path) -> None:
    netlist = mapped("counter", library, folder).netlist_verilog
    strange = tmp_path / "a 'b\" $(id); [exec c]"
    found = critical_path(
        netlist, "counter", library, work_dir=strange, cache_dir=strange / "cache"
    )
    assert found == timing("counter", library, folder)
    assert [p.name for p in strange.iterdir()] == ["cache"]
