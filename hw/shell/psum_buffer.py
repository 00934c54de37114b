"""Psums between the columns of the array and the global buffer.

A row holds one psum of each of `psums_per_row` neighbouring columns.  Rows follow each other
position by position, in it chain by chain of a column, in it filter by filter, in it group by group
of columns.  The psums of a block of filters are a ring of rows: every sum step reads what the step
before has written, in the same order, so a count of the rows in the ring is all that reading has to
wait for.  In the last step psums leave the accelerator instead.  The bias is the rows of one
position for each group of filters, read again for each position.

The memory has one port, and writing goes first.  Queues at both ends of each column take what the
port cannot move at once.
"""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from ..accelerator_config import HardwareConfig
from ..pe.spad import MemoryPort
from .memory import Landing
from .registers import LayerLayout
from .sequencer import TOKENS

__all__ = ["PsumBuffer"]


class PsumBuffer(wiring.Component):
    """Reads, distributes, collects and writes psums."""

    def __init__(self, config: HardwareConfig) -> None:
        self.config, self.cols = config, config.array.cols
        self.psum_bits, self.lanes = config.design.pe.psum_width, config.psums_per_row
        self.groups = -(-self.cols // self.lanes)
        psum = stream.Signature(self.psum_bits)
        chains = data.ArrayLayout(config.array.rows.bit_length(), self.cols)
        super().__init__(
            {
                "start": In(1),
                "layer": In(LayerLayout(config)),
                "chains": In(chains),
                "bias_there": In(1),
                "entering_passes": In(stream.Signature(data.StructLayout(TOKENS["psum_in"]))),
                "leaving_passes": In(stream.Signature(data.StructLayout(TOKENS["psum_out"]))),
                "memory": Out(MemoryPort(config.banks * config.bank_rows, config.row_bits)),
                "to_columns": Out(psum).array(self.cols),
                "from_columns": In(psum).array(self.cols),
                "finished": Out(
                    stream.Signature(
                        data.StructLayout({"psums": self.lanes * self.psum_bits, "last": 1})
                    )
                ),
                "reads": Out(1),
                "writes": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.landing = landing = Landing(self.config)
        address = {
            name: Signal(len(self.memory.addr), name=f"{name}_address")
            for name in ("read", "write", "bias")
        }
        stored = Signal(len(self.memory.addr) + 1)
        bias_read = self._ask(m, landing, address, stored)
        self._distribute(m, landing)
        self._collect(m)
        for moves, at in (
            (self.reads & ~bias_read, address["read"]),
            (self.writes, address["write"]),
        ):
            with m.If(moves):
                m.d.sync += at.eq(at + 1)
                with m.If(at == self.layer.last_psum):
                    m.d.sync += at.eq(self.layer.first_psum)
        m.d.sync += stored.eq(stored + self.writes - (self.reads & ~bias_read))
        with m.If(self.start):
            m.d.sync += [
                stored.eq(0),
                address["read"].eq(self.layer.first_psum),
                address["write"].eq(self.layer.first_psum),
            ]
        m.d.comb += [
            self.memory.en.eq(self.reads | self.writes),
            self.memory.write.eq(self.writes),
            self.memory.addr.eq(
                Mux(self.writes, address["write"], Mux(bias_read, address["bias"], address["read"]))
            ),
            landing.asked.eq(self.reads),
            landing.data.eq(self.memory.read_data),
        ]
        return m

    def _ask(
        self, m: Module, landing: Landing, address: dict[str, Signal], stored: Signal
    ) -> Value:
        """Ask for the rows that enter; return whether the row asked for is one of bias."""
        layer, token = self.layer, self.entering_passes
        row = Signal.like(layer.last_pass_row, name="asked_row")
        of_position = Signal.like(layer.position_rows, name="asked_of_position")
        block = Signal.like(layer.first_bias, name="block_bias")  # first row of the block's bias
        group, at = Signal.like(block, name="group_bias"), address["bias"]
        bias = token.payload.bias
        # A pass with bias takes one more cycle, in which it finds the rows.
        ready = Signal(name="bias_found")
        m.d.comb += [
            self.reads.eq(
                token.valid
                & landing.free
                & ~self.writes
                & Mux(bias, ready & self.bias_there, stored != 0)
            ),
            token.ready.eq(self.reads & (row == layer.last_pass_row)),
        ]
        with m.If(token.valid & bias & ~ready):
            m.d.sync += [ready.eq(1), at.eq(group)]
            with m.If(token.payload.next_bias):
                m.d.sync += [
                    group.eq(group + layer.position_rows),
                    at.eq(group + layer.position_rows),
                ]
            with m.If(token.payload.first_bias):
                m.d.sync += [group.eq(block), at.eq(block)]
            with m.If(token.payload.block_bias):
                # The first block begins where `start` has put the group, less one group.
                following = group + layer.position_rows
                m.d.sync += [block.eq(following), group.eq(following), at.eq(following)]
        with m.If(self.reads):
            m.d.sync += [row.eq(row + 1), of_position.eq(of_position + 1), at.eq(at + 1)]
            with m.If(of_position + 1 == layer.position_rows):
                m.d.sync += [of_position.eq(0), at.eq(group)]
            with m.If(row == layer.last_pass_row):
                m.d.sync += [row.eq(0), ready.eq(0)]
        with m.If(self.start):
            m.d.sync += group.eq(layer.first_bias - layer.position_rows)
        return bias

    def _distribute(self, m: Module, landing: Landing) -> None:
        """Send the rows that have come to the queues of their columns."""
        takes = Signal(name="distributes")
        targets = self._targets(m, takes, "entering")[0]
        queues = []
        for x in range(self.cols):
            m.submodules[f"entering{x}"] = queue = fifo.SyncFIFO(
                width=self.psum_bits, depth=self.config.queue_psums
            )
            lane = x % self.lanes
            out = self.to_columns[x]
            m.d.comb += [
                queue.w_data.eq(landing.rows.payload.word_select(lane, self.psum_bits)),
                queue.w_en.eq(takes & targets[x]),
                out.valid.eq(queue.r_rdy),
                out.payload.eq(queue.r_data),
                queue.r_en.eq(out.ready),
            ]
            queues.append(queue)
        blocked = Cat(target & ~queue.w_rdy for target, queue in zip(targets, queues, strict=True))
        m.d.comb += [
            takes.eq(landing.rows.valid & ~blocked.any()),
            landing.rows.ready.eq(takes),
        ]

    def _collect(self, m: Module) -> None:
        """Make rows of what leaves the columns: into the memory, or out of the accelerator."""
        takes, token = Signal(name="collects"), self.leaving_passes
        targets, group, ends = self._targets(m, takes, "leaving")
        words, missing = [], []
        for x in range(self.cols):
            m.submodules[f"leaving{x}"] = queue = fifo.SyncFIFO(
                width=self.psum_bits, depth=self.config.queue_psums
            )
            source = self.from_columns[x]
            m.d.comb += [
                queue.w_data.eq(source.payload),
                queue.w_en.eq(source.valid),
                source.ready.eq(queue.w_rdy),
                queue.r_en.eq(takes & targets[x]),
            ]
            words.append(Mux(targets[x], queue.r_data, 0))
            missing.append(targets[x] & ~queue.r_rdy)
        rows = [Cat(words[start : start + self.lanes]) for start in range(0, self.cols, self.lanes)]
        row = Signal(self.lanes * self.psum_bits)
        there = Signal(name="row_there")
        final = token.payload.final
        m.d.comb += [
            row.eq(Array(rows)[group]),
            there.eq(token.valid & ~Cat(missing).any()),
            self.finished.valid.eq(there & final),
            self.finished.payload.psums.eq(row),
            self.finished.payload.last.eq(ends & token.payload.end),
            self.writes.eq(there & ~final),
            takes.eq(self.writes | (self.finished.valid & self.finished.ready)),
            token.ready.eq(takes & ends),
            self.memory.write_data.eq(row),
        ]

    def _targets(self, m: Module, moves: Value, name: str) -> tuple[list[Value], Signal, Value]:
        """Count rows of a pass; return which columns the row concerns, its group, and whether it
        is the pass's last one."""
        layer = self.layer
        counts = {
            "columns": Signal(range(max(2, self.groups)), name=f"{name}_columns"),
            "filter": Signal.like(layer.last_filter, name=f"{name}_filter"),
            "chain": Signal(self.config.array.rows.bit_length(), name=f"{name}_chain"),
            "position": Signal.like(layer.last_position, name=f"{name}_position"),
        }
        ends: Value = moves
        last: Value = Signal(name=f"{name}_ends")
        lasts = [count == layer[f"last_{field}"] for field, count in counts.items()]
        m.d.comb += last.eq(Cat(lasts).all())
        for count, at_end in zip(counts.values(), lasts, strict=True):
            with m.If(ends):
                m.d.sync += count.eq(Mux(at_end, 0, count + 1))
            ends = ends & at_end
        targets = [
            (counts["columns"] == x // self.lanes) & (counts["chain"] < self.chains[x])
            for x in range(self.cols)
        ]
        return targets, counts["columns"], last
