"""Memories of the shell: banks behind one address, and a reader that hides their latency.

A memory is a single-ported macro (`hw.pe.spad.MemoryPort`): synthesis sees its ports, simulation an
array of words.  Macros slower than a clock cycle are pipelined: data comes `memory_latency` cycles
after the address.
"""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import ceil_log2

from ..accelerator_config import HardwareConfig
from ..pe.spad import MemoryPort
from .counter import level
from .queue import Queue

__all__ = ["GlobalBuffer", "Landing", "delayed"]


def delayed(m: Module, value: Value, cycles: int, name: str) -> Value:
    """Return a value as it was some cycles before."""
    for cycle in range(cycles):
        held = Signal.like(value, name=f"{name}{cycle}")
        m.d.sync += held.eq(value)
        value = held
    return value


class GlobalBuffer(wiring.Component):
    """Banks behind one address, with a port each for tiles, for ifmap and for psums.

    Two ports must not ask for the same bank in one cycle; the places of tiles and psums see to
    that.
    """

    PORTS = ("tile", "ifmap", "psum")

    def __init__(self, config: HardwareConfig) -> None:
        self.config = config
        client = MemoryPort(config.banks * config.bank_rows, config.row_bits)
        bank = MemoryPort(config.bank_rows, config.row_bits)
        super().__init__(
            {name: In(client) for name in self.PORTS} | {"bank": Out(bank).array(config.banks)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        low = ceil_log2(self.config.bank_rows)
        clients = [getattr(self, name) for name in self.PORTS]
        for number in range(self.config.banks):
            bank = self.bank[number]
            hits = [client.en & (client.addr[low:] == number) for client in clients]
            m.d.comb += bank.en.eq(Cat(hits).any())
            m.d.comb += bank.write.eq((hits[0] & self.tile.write) | (hits[2] & self.psum.write))
            addresses = [client.addr[:low] for client in clients]
            m.d.comb += [
                bank.addr.eq(Mux(hits[2], addresses[2], Mux(hits[1], addresses[1], addresses[0]))),
                bank.write_data.eq(Mux(hits[2], self.psum.write_data, self.tile.write_data)),
            ]
        words = Array(self.bank[number].read_data for number in range(self.config.banks))
        for name, client in zip(self.PORTS[1:], clients[1:], strict=True):
            asked = Signal(len(client.addr) - low, name=f"{name}_bank")
            with m.If(client.en):
                m.d.sync += asked.eq(client.addr[low:])
            m.d.comb += client.read_data.eq(
                delayed(m, words[asked], self.config.memory_latency - 1, f"{name}_data")
            )
        return m


class Landing(wiring.Component):
    """Where rows land that were asked for: as many are under way as there is room for.

    That is enough for a row each cycle, or a row less where each but a pass's last one stays for
    several (`row_cycles`).
    """

    def __init__(self, config: HardwareConfig, row_cycles: int = 1) -> None:
        self.latency, self.bits = config.memory_latency, config.row_bits
        self.depth = self.latency + (2 if row_cycles == 1 else 1)
        super().__init__(
            {
                "free": Out(1),  # one more may be asked for
                "idle": Out(1),  # none is under way or waits
                "asked": In(1),
                "data": In(self.bits),
                "rows": Out(stream.Signature(self.bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.queue = queue = Queue(self.bits, self.depth)
        leaves = Signal()
        some, room = level(m, "under_way", self.depth, up=self.asked, down=leaves)
        m.d.comb += [
            self.free.eq(room),
            self.idle.eq(~some),
            leaves.eq(self.rows.valid & self.rows.ready),
            queue.source.valid.eq(delayed(m, self.asked, self.latency, "asked")),
            queue.source.payload.eq(self.data),
        ]
        connect(m, queue.sink, flipped(self.rows))
        return m
