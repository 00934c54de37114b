"""The shell: the parts around the array, connected."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out, connect, flipped

from ..accelerator_config import HardwareConfig
from ..formats import Float
from ..pe.control import PassLayout
from ..pe.part import Part
from ..pe.spad import MemoryPort
from .feeder import Feeder
from .filter_queue import FilterQueue
from .float_requantizer import FloatRequantizer
from .memory import GlobalBuffer
from .off_chip import Collect, Split
from .psum_buffer import PsumBuffer
from .registers import RegisterFile, write_layout
from .requantizer import Requantizer
from .sequencer import Sequencer
from .tile_buffer import TileBuffer

__all__ = ["Shell"]


class Shell(Part):
    """Registers, sequencer, buffers and off-chip streams of an accelerator."""

    def __init__(self, config: HardwareConfig) -> None:
        self.config, array = config, config.array
        self.module_name = f"shell_{config.design.pe.pe_type}_{array.rows}x{array.cols}"
        beat = stream.Signature(config.off_chip_bits)
        psums = stream.Signature(config.design.pe.psum_width)
        bank = MemoryPort(config.bank_rows, config.row_bits)
        queue = MemoryPort(config.queue_rows // 2, config.row_bits)
        super().__init__(
            {
                "write": In(stream.Signature(write_layout(config))),
                "busy": Out(1),
                "filter": In(beat),
                "ifmap": In(beat),
                "output": Out(beat),
                # To the array.
                "array_setup": Out(stream.Signature(array.setup_bits)),
                "array_config": Out(stream.Signature(PassLayout(config.design.pe))),
                "array_filter": Out(stream.Signature(array.beat("filter"))),
                "array_ifmap": Out(stream.Signature(array.beat("ifmap"))),
                "array_psum_in": Out(psums).array(array.cols),
                "array_psum_out": In(psums).array(array.cols),
                # To the memories.
                "buffer": Out(bank).array(config.banks),
                "queue": Out(queue).array(2),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        m.submodules.registers = registers = RegisterFile(config)
        m.submodules.sequencer = sequencer = Sequencer(config)
        m.submodules.buffer = buffer = GlobalBuffer(config)
        m.submodules.tiles = tiles = TileBuffer(config)
        m.submodules.psums = psums = PsumBuffer(config)
        m.submodules.queue = queue = FilterQueue(config)
        connect(m, flipped(self.write), registers.write)
        connect(m, registers.setup, flipped(self.array_setup))
        for part in (sequencer, tiles, psums):
            m.d.comb += [part.start.eq(registers.start), part.layer.eq(registers.layer)]
        for number in range(config.banks):
            connect(m, buffer.bank[number], flipped(self.buffer[number]))
        for number in range(2):
            connect(m, queue.bank[number], flipped(self.queue[number]))
        connect(m, tiles.fill, buffer.tile)
        connect(m, tiles.read, buffer.ifmap)
        connect(m, psums.memory, buffer.psum)
        connect(m, sequencer.tile, tiles.passes)
        connect(m, sequencer.psum_in, psums.entering_passes)
        connect(m, sequencer.psum_out, psums.leaving_passes)
        m.d.comb += [psums.chains.eq(registers.chains), psums.bias_there.eq(tiles.bias_there)]
        for x in range(config.array.cols):
            connect(m, psums.to_columns[x], flipped(self.array_psum_in[x]))
            connect(m, flipped(self.array_psum_out[x]), psums.from_columns[x])
        self._feed(m, registers, sequencer, {"filter": queue, "ifmap": tiles})
        self._configure(m, registers, sequencer)
        self._take_beats(m, queue, tiles)
        self._send(m, registers, psums)
        return m

    def _feed(
        self,
        m: Module,
        registers: RegisterFile,
        sequencer: Sequencer,
        buffers: dict[str, FilterQueue | TileBuffer],
    ) -> None:
        layer = registers.layer
        for name, source in buffers.items():
            m.submodules[f"{name}_feeder"] = feeder = Feeder(self.config, name)
            connect(m, source.sink, feeder.rows)
            connect(m, feeder.beats, flipped(getattr(self, f"array_{name}")))
            token = getattr(sequencer, name)
            m.d.comb += [
                feeder.start.eq(registers.start),
                feeder.base.eq(layer[f"{name}_base"]),
                feeder.limit.eq(layer[f"{name}_limit"]),
                feeder.last_inner.eq(layer[f"last_{name}_inner"]),
                feeder.last_outer.eq(layer[f"last_{name}_outer"]),
                feeder.passes.valid.eq(token.valid),
                token.ready.eq(feeder.passes.ready),
            ]

    def _configure(self, m: Module, registers: RegisterFile, sequencer: Sequencer) -> None:
        """Tell the array its passes."""
        out, token = self.array_config, sequencer.array
        m.d.comb += [out.valid.eq(token.valid), token.ready.eq(out.ready)]
        for name, _ in out.payload.shape():
            value: Value = {
                "load_filters": token.payload.load, "accumulate": token.payload.enter,
            }.get(name)  # fmt: skip
            if value is None:
                value = registers.layer[f"pass_{name}"]
            m.d.comb += out.payload[name].eq(value)

    def _take_beats(self, m: Module, queue: FilterQueue, tiles: TileBuffer) -> None:
        """Share the off-chip bandwidth: one beat a cycle, of the tile the array waits for, else of
        filters, else of the next tile."""
        config = self.config
        packers = {}
        for name, sink in (("filter", queue.source), ("ifmap", tiles.source)):
            m.submodules[f"{name}_packer"] = packer = Collect(config.off_chip_bits, config.row_bits)
            connect(m, packer.rows, sink)
            packers[name] = packer
        wants = {
            name: packer.beats.ready & getattr(self, name).valid for name, packer in packers.items()
        }
        goes = {
            "ifmap": wants["ifmap"] & (tiles.urgent | ~wants["filter"]),
            "filter": wants["filter"] & ~(wants["ifmap"] & tiles.urgent),
        }
        for name, packer in packers.items():
            source = getattr(self, name)
            m.d.comb += [
                packer.beats.valid.eq(goes[name]),
                packer.beats.payload.eq(source.payload),
                source.ready.eq(goes[name]),
            ]

    def _send(self, m: Module, registers: RegisterFile, psums: PsumBuffer) -> None:
        """Send finished psums off chip, requantized or as they are, and end the layer."""
        config, layer = self.config, registers.layer
        m.submodules.sender = sender = Split(config.row_bits, config.off_chip_bits)
        connect(m, sender.beats, flipped(self.output))
        finished, busy, ended = psums.finished, Signal(), Signal()
        idle = sender.empty
        m.d.comb += [
            sender.rows.valid.eq(finished.valid),
            sender.rows.payload.eq(finished.payload.psums),
            finished.ready.eq(sender.rows.ready),
        ]
        if config.requantizes:
            floats = isinstance(config.kind.activation, Float)
            requantizer = FloatRequantizer(config) if floats else Requantizer(config)
            m.submodules.requantizer = requantizer
            codes = len(requantizer.codes.payload)
            m.submodules.packer = packer = Collect(codes, codes * config.rows_per_output)
            connect(m, requantizer.codes, packer.beats)
            m.d.comb += [
                requantizer.relu.eq(layer.relu),
                requantizer.psums.payload.eq(finished.payload.psums),
                packer.flush.eq(ended & requantizer.empty),
                packer.rows.ready.eq(sender.rows.ready),
            ]
            if isinstance(requantizer, Requantizer):
                m.d.comb += [
                    requantizer.scale.eq(layer.scale),
                    requantizer.shift.eq(layer.shift),
                ]
            with m.If(layer.requantize):
                m.d.comb += [
                    requantizer.psums.valid.eq(finished.valid),
                    finished.ready.eq(requantizer.psums.ready),
                    sender.rows.valid.eq(packer.rows.valid),
                    sender.rows.payload.eq(packer.rows.payload),
                ]
            idle = idle & requantizer.empty & packer.empty
        m.d.comb += self.busy.eq(busy)
        m.d.comb += registers.busy.eq(busy)
        with m.If(finished.valid & finished.ready & finished.payload.last):
            m.d.sync += ended.eq(1)
        with m.If(ended & idle):
            m.d.sync += [ended.eq(0), busy.eq(0)]
        with m.If(registers.start):
            m.d.sync += busy.eq(1)
