"""Memory macros: instances that synthesis takes as given, and their models for simulation."""

from __future__ import annotations

from amaranth.hdl import ClockSignal, Instance, Module
from amaranth.lib import wiring
from amaranth.utils import ceil_log2

__all__ = ["macro_model", "macro_name", "place_macro"]


def macro_name(words: int, bits: int) -> str:
    """Return the name of the module of a single-ported memory."""
    return f"memory_{words}x{bits}"


def place_macro(m: Module, name: str, port: wiring.PureInterface, *, words: int, bits: int) -> None:
    """Add a memory and connect it to what is a `hw.pe.spad.MemoryPort` for its user."""
    m.submodules[name] = Instance(
        macro_name(words, bits),
        i_clk=ClockSignal(),
        i_en=port.en,
        i_write=port.write,
        i_addr=port.addr,
        i_write_data=port.write_data,
        o_read_data=port.read_data,
    )


def macro_model(words: int, bits: int) -> str:
    """Return the Verilog that simulates a memory; what was never written is unknown."""
    return (
        f"module {macro_name(words, bits)}(clk, en, write, addr, write_data, read_data);\n"
        f"  input clk, en, write;\n  input [{ceil_log2(words) - 1}:0] addr;\n"
        f"  input [{bits - 1}:0] write_data;\n"
        f"  output reg [{bits - 1}:0] read_data;\n"
        f"  reg [{bits - 1}:0] words [0:{words - 1}];\n"
        "  always @(posedge clk) if (en) begin\n"
        "    if (write) words[addr] <= write_data; else read_data <= words[addr];\n"
        "  end\nendmodule\n"
    )
