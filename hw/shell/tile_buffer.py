"""Ifmap tiles in the global buffer: one is filled from off chip while another one is read.

The bias rows of a layer come first, on the same stream.  A tile is read once for each pass it
serves; its place is free again when the last row of its last pass has been read.
"""

from __future__ import annotations

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..accelerator_config import HardwareConfig
from ..pe.spad import MemoryPort
from .counter import counter
from .memory import Landing
from .registers import LayerLayout
from .sequencer import TOKENS

__all__ = ["TileBuffer"]


class TileBuffer(wiring.Component):
    """Fills and reads tiles."""

    def __init__(self, config: HardwareConfig) -> None:
        self.config = config
        memory = MemoryPort(config.banks * config.bank_rows, config.row_bits)
        rows = stream.Signature(config.row_bits)
        super().__init__(
            {
                "start": In(1),
                "layer": In(LayerLayout(config)),
                "passes": In(stream.Signature(data.StructLayout(TOKENS["tile"]))),
                "source": In(rows),
                "sink": Out(rows),
                "fill": Out(memory),
                "read": Out(memory),
                "bias_there": Out(1),
                "urgent": Out(1),  # nothing is left to feed the array until a tile is filled
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        full = Array([Signal(name="full0"), Signal(name="full1")])
        filling, reading = Signal(), Signal()  # which of two tiles
        self._fill(m, full, filling)
        self._read(m, full, reading)
        return m

    def _fill(self, m: Module, full: Array, filling: Signal) -> None:
        layer, address = self.layer, Signal.like(self.fill.addr, name="fill_address")
        enters = Signal(name="fills_tile")
        row = counter(m, "fill_row", layer.last_tile_row, start=self.start, step=enters)
        tile = counter(m, "fill_tile", layer.last_tile, start=self.start, step=enters & row.ends)
        with m.FSM() as fsm:
            with m.State("IDLE"), m.If(self.start):
                m.d.sync += [address.eq(Mux(layer.bias, layer.first_bias, 0)), filling.eq(0)]
                m.next = "TILE"
                with m.If(layer.bias):
                    m.next = "BIAS"
            with m.State("BIAS"):
                m.d.comb += self.source.ready.eq(1)
                with m.If(self.source.valid):
                    m.d.sync += address.eq(address + 1)
                    with m.If(address == layer.last_bias):
                        m.d.sync += address.eq(0)
                        m.next = "TILE"
            with m.State("TILE"):
                m.d.comb += self.source.ready.eq(~full[filling])
                m.d.comb += enters.eq(self.source.valid & self.source.ready)
                with m.If(enters):
                    m.d.sync += address.eq(address + 1)
                    with m.If(row.ends):
                        other = layer.double & ~filling
                        m.d.sync += [
                            full[filling].eq(1),
                            filling.eq(other),
                            address.eq(Mux(other, layer.second_tile, 0)),
                        ]
                        with m.If(tile.ends):
                            m.next = "IDLE"
            m.d.comb += self.bias_there.eq(~fsm.ongoing("BIAS"))
        m.d.comb += [
            self.fill.en.eq(self.source.valid & self.source.ready),
            self.fill.write.eq(1),
            self.fill.addr.eq(address),
            self.fill.write_data.eq(self.source.payload),
        ]

    def _read(self, m: Module, full: Array, reading: Signal) -> None:
        m.submodules.landing = landing = Landing(self.config, self.config.ifmap_beats_per_row)
        connect(m, landing.rows, flipped(self.sink))
        layer, token = self.layer, self.passes
        following, address = (
            Signal.like(self.read.addr, name=name) for name in ("following", "address")
        )
        reads = Signal(name="reads_tile")
        row = counter(m, "read_row", layer.last_image_row, start=self.start, step=reads)
        begin = Mux(reading, layer.second_tile, 0)
        m.d.comb += [
            address.eq(Mux(token.payload.again & row.first, begin, following)),
            reads.eq(token.valid & full[reading] & landing.free),
            token.ready.eq(reads & row.ends),
            self.urgent.eq(~full[reading] & landing.idle),
            landing.asked.eq(reads),
            landing.data.eq(self.read.read_data),
            self.read.en.eq(reads),
            self.read.addr.eq(address),
        ]
        with m.If(reads):
            m.d.sync += following.eq(address + 1)
            with m.If(row.ends & token.payload.last):
                m.d.sync += [full[reading].eq(0), reading.eq(layer.double & ~reading)]
        with m.If(self.start):
            m.d.sync += reading.eq(0)
