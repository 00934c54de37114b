"""The filter queue: rows of filters between the off-chip stream and the array, in order.

Even and odd rows are in two single-ported banks, so that a row can be written while another is
read; the reader goes first, and a writer that meets it waits one cycle and is then out of step with
it.
"""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..accelerator_config import HardwareConfig
from ..pe.spad import MemoryPort
from .counter import level
from .memory import Landing, delayed

__all__ = ["FilterQueue"]


class FilterQueue(wiring.Component):
    """A queue of rows in two banks."""

    def __init__(self, config: HardwareConfig) -> None:
        self.config = config
        rows = stream.Signature(config.row_bits)
        super().__init__(
            {
                "source": In(rows),
                "sink": Out(rows),
                "bank": Out(MemoryPort(config.queue_rows // 2, config.row_bits)).array(2),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.landing = landing = Landing(self.config, self.config.filter_beats_per_row)
        connect(m, landing.rows, flipped(self.sink))
        depth = self.config.queue_rows
        write, read = Signal(range(depth)), Signal(range(depth))
        reads, writes = Signal(), Signal()
        some, room = level(m, "stored", depth, up=writes, down=reads)
        m.d.comb += [
            reads.eq(some & landing.free),
            self.source.ready.eq(room & ~(reads & (read[0] == write[0]))),
            writes.eq(self.source.valid & self.source.ready),
            landing.asked.eq(reads),
        ]
        m.d.sync += [
            read.eq(read + reads),  # the depth is a power of two
            write.eq(write + writes),
        ]
        for number in range(2):
            bank = self.bank[number]
            mine_read, mine_write = reads & (read[0] == number), writes & (write[0] == number)
            m.d.comb += [
                bank.en.eq(mine_read | mine_write),
                bank.write.eq(mine_write),
                bank.addr.eq(Mux(mine_write, write[1:], read[1:])),
                bank.write_data.eq(self.source.payload),
            ]
        odd = Signal()
        with m.If(reads):
            m.d.sync += odd.eq(read[0])
        data = Mux(odd, self.bank[1].read_data, self.bank[0].read_data)
        m.d.comb += landing.data.eq(delayed(m, data, self.config.memory_latency - 1, "data"))
        return m
