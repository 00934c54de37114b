"""Library cells as Verilog simulation models, from the functions that the Liberty reader found."""

from __future__ import annotations

from flows.functions import Function
from flows.liberty_cells import Cell

__all__ = ["cell_model"]


def _escaped(name: str) -> str:
    """Return any name as a Verilog one; a clock gate's stored bit has a name with a space."""
    return f"\\{name.replace(' ', '_')} "


def _table(function: Function) -> str:
    index = ", ".join(_escaped(name) for name in reversed(function.names))
    return (
        f"{1 << len(function.names)}'h{function.bits:x} >> {{{index}}}"
        if index
        else str(function.bits)
    )


def cell_model(cell: Cell) -> str:
    """Return a cell of the library as Verilog, from its functions."""
    outputs = cell.functions
    lines = [f"module \\{cell.name} ({', '.join([*cell.inputs, *outputs])});"]
    lines += [f"  input {name};" for name in cell.inputs] + [
        f"  output {name};" for name in outputs
    ]
    if (register := cell.register) is not None:
        assert register.clear is None and register.preset is None
        lines.append(f"  reg {_escaped(register.state)}= 0;")
        lines.append(f"  wire clock_ = {_table(register.clock)};")
        lines.append(f"  wire data_ = {_table(register.data)};")
        if register.transparent:
            lines.append(f"  always @* if (clock_) {_escaped(register.state)}= data_;")
        else:
            # Gated clocks rise from an undefined value before anything is driven: no edge.
            stored = f"{_escaped(register.state)}<= data_;"
            lines.append(f"  always @(posedge clock_) if (data_ !== 1'bx) {stored}")
    lines += [f"  assign {name} = {_table(function)};" for name, function in outputs.items()]
    return "\n".join([*lines, "endmodule\n"])
