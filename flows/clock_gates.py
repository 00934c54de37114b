"""Clock gates that a design asks for, as cells of the library.

A module whose name ends in `_clock_gate` is such a request.  Its ports are `clk`, `en`, `q` (the
gated clock) and `left` (what is still to be tested when `q` pulses: 1).  Where the library has an
integrated clock gate and the recipe wants it, all instances become that cell; otherwise the module
is what its own Verilog says.  Yosys' `clockgate` goes on below such a gate: registers get gates for
their own enables there.
"""

from __future__ import annotations

from .liberty import Liberty
from .liberty_cells import Cell

__all__ = ["GATE_MODULE", "GATE_SUFFIX", "gate_verilog", "standard_clock_gate"]

GATE_SUFFIX = "_clock_gate"
GATE_MODULE = "library_clock_gate"


def standard_clock_gate(library: Liberty) -> Cell | None:
    """Return the smallest gate for rising edges with a latch for the enable, if any."""
    gates = [cell for cell in library.cells.values() if _is_gate(cell)]
    return min(gates, key=lambda cell: (cell.area_um2, cell.name), default=None)


def gate_verilog(cell: Cell) -> str:
    """Return the module that takes the place of the requested ones, and the ports of its cell."""
    gate = cell.clock_gate
    assert gate is not None
    tied = "" if gate.test is None else f", .{gate.test}(1'b0)"
    inputs = "".join(f"  input {name};\n" for name in cell.inputs)
    return (
        f"(* blackbox *)\nmodule {cell.name}({', '.join([*cell.inputs, gate.out])});\n"
        f"{inputs}  output {gate.out};\nendmodule\n"
        f"module {GATE_MODULE}(clk, en, q, left);\n"
        "  input clk;\n  input en;\n  output q;\n  output left;\n"
        f"  {cell.name} gate(.{gate.clock}(clk), .{gate.enable}(en), .{gate.out}(q){tied});\n"
        "  assign left = 1'b1;\nendmodule\n"
    )


def _is_gate(cell: Cell) -> bool:
    gate = cell.clock_gate
    return (
        gate is not None
        and gate.kind.startswith("latch_posedge")
        and not (cell.dont_use or cell.unusable)
    )
