"""Memories of the shell: banks behind one address, and a reader that hides their latency.

A memory is a single-ported macro (`hw.pe.spad.MemoryPort`): synthesis sees its ports, simulation an
array of words.  Macros slower than a clock cycle are pipelined: data comes `memory_latency` cycles
after the address.
"""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..accelerator_config import HardwareConfig
from ..pe.spad import MemoryPort

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
            for name in ("write", "addr", "write_data"):
                chosen: Value = (
                    getattr(clients[0], name)[:low] if name == "addr" else getattr(clients[0], name)
                )
                for client, hit in zip(clients[1:], hits[1:], strict=True):
                    value = getattr(client, name)
                    chosen = Mux(hit, value[:low] if name == "addr" else value, chosen)
                m.d.comb += getattr(bank, name).eq(chosen)
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
    """Where rows land that were asked for: as many are under way as there is room for."""

    def __init__(self, config: HardwareConfig) -> None:
        self.latency, self.bits = config.memory_latency, config.row_bits
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
        depth = self.latency + 2
        m.submodules.queue = queue = fifo.SyncFIFO(width=self.bits, depth=depth)
        room = Signal(range(depth + 1), init=depth)
        leaves = Signal()
        m.d.comb += [
            self.free.eq(room != 0),
            self.idle.eq(room == depth),
            leaves.eq(self.rows.valid & self.rows.ready),
            queue.w_en.eq(delayed(m, self.asked, self.latency, "asked")),
            queue.w_data.eq(self.data),
            self.rows.valid.eq(queue.r_rdy),
            self.rows.payload.eq(queue.r_data),
            queue.r_en.eq(self.rows.ready),
        ]
        m.d.sync += room.eq(room - self.asked + leaves)
        return m
