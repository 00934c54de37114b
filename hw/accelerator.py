"""The accelerator: a row-stationary array, its shell and its memories.

Three off-chip streams (filters, ifmap, outputs), a stream of register writes, `busy`.
`hw.layer_program` says what goes over them for a layer, `hw.accelerator_counts` how long it takes.
"""

from __future__ import annotations

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .accelerator_config import HardwareConfig
from .array.network import place
from .array.row_stationary import RowStationaryArray, array_modules
from .array.row_stationary_node import memory_models
from .memory_macro import macro_model, place_macro
from .pe.part import Part, to_verilog
from .shell.registers import write_layout
from .shell.shell import Shell

__all__ = ["Accelerator", "accelerator_memories", "accelerator_models", "accelerator_modules"]


class _NamedArray(RowStationaryArray, Part):
    """An array that is instantiated by the name of its module."""

    def __init__(self, config: HardwareConfig) -> None:
        self.module_name = config.array.name
        super().__init__(config.array)


class Accelerator(wiring.Component):
    """The top module."""

    def __init__(self, config: HardwareConfig) -> None:
        self.config = config
        self.shell, self.array = Shell(config), _NamedArray(config)
        beat = stream.Signature(config.off_chip_bits)
        super().__init__(
            {
                "write": In(stream.Signature(write_layout(config))),
                "busy": Out(1),
                "filter": In(beat),
                "ifmap": In(beat),
                "output": Out(beat),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        shell, array = place(m, self.shell, "shell"), place(m, self.array, "array")
        for name in ("write", "filter", "ifmap"):
            connect(m, flipped(getattr(self, name)), getattr(shell, name))
        connect(m, shell.output, flipped(self.output))
        m.d.comb += self.busy.eq(shell.busy)
        for name in ("setup", "config", "filter", "ifmap"):
            connect(m, getattr(shell, f"array_{name}"), getattr(array, name))
        for x in range(config.array.cols):
            connect(m, shell.array_psum_in[x], array.psum_in[x])
            connect(m, array.psum_out[x], shell.array_psum_out[x])
        sizes = accelerator_memories(config)
        for name, ports in (("buffer", shell.buffer), ("queue", shell.queue)):
            words, bits, number = sizes[name]
            for index in range(number):
                place_macro(m, f"{name}{index}", ports[index], words=words, bits=bits)
        return m


def accelerator_memories(config: HardwareConfig) -> dict[str, tuple[int, int, int]]:
    """Return words, bits and number of the shell's memories: global buffer and filter queue."""
    return {
        "buffer": (config.bank_rows, config.row_bits, config.banks),
        "queue": (config.queue_rows // 2, config.row_bits, 2),
    }


def accelerator_modules(accelerator: Accelerator) -> tuple[str, dict[str, str]]:
    """Return the name of the top module and the Verilog of all modules but memories, top last."""
    _, modules = array_modules(accelerator.array)
    shell, top = accelerator.shell, accelerator.config.name
    modules[shell.module_name] = to_verilog(shell, shell.module_name)
    modules[top] = to_verilog(accelerator, top)
    return top, modules


def accelerator_models(accelerator: Accelerator) -> str:
    """Return the memories as Verilog to simulate; synthesis has macros."""
    sizes = {(words, bits) for words, bits, _ in accelerator_memories(accelerator.config).values()}
    in_pes = set(accelerator.array.node.memories.values())
    return memory_models(accelerator.array.node) + "".join(
        macro_model(*size) for size in sorted(sizes - in_pes)
    )
