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

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..accelerator_config import HardwareConfig
from ..pe.spad import MemoryPort
from .counter import counter, level
from .memory import Landing
from .queue import Queue
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
        reads = Signal(name="reads_psums")
        rows = self.config.banks * self.config.bank_rows
        stored = level(m, "stored", rows, up=self.writes, down=reads, start=self.start)
        bias_read = self._ask(m, landing, address["bias"], stored.some)
        self._distribute(m, landing)
        self._collect(m)
        m.d.comb += reads.eq(self.reads & ~bias_read)
        self._go_round(m, address["read"], reads)
        self._go_round(m, address["write"], self.writes)
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

    def _go_round(self, m: Module, address: Signal, moves: Value) -> None:
        """Let an address go round in the ring of psums."""
        first, last = self.layer.first_psum, self.layer.last_psum
        at_last = Signal(name=f"{address.name}_at_last")
        with m.If(self.start | (moves & at_last)):
            m.d.sync += [address.eq(first), at_last.eq(first == last)]
        with m.Elif(moves):
            m.d.sync += [address.eq(address + 1), at_last.eq(address + 1 == last)]

    def _ask(self, m: Module, landing: Landing, address: Signal, some: Value) -> Value:
        """Ask for the rows that enter; return whether the row asked for is one of bias."""
        layer, token = self.layer, self.entering_passes
        block = Signal.like(layer.first_bias, name="block_bias")  # first row of the block's bias
        group, following = Signal.like(block, name="group_bias"), Signal.like(block)
        bias = token.payload.bias
        row, of_position = (
            counter(m, f"asked_{name}", last, start=self.start, step=self.reads)
            for name, last in (
                ("row", layer.last_pass_row),
                ("of_position", layer.position_rows - 1),
            )
        )
        # A pass with bias takes one more cycle, in which it finds the rows.
        ready, finds = Signal(name="bias_found"), Signal(name="finds_bias")
        m.d.comb += [
            finds.eq(token.valid & bias & ~ready),
            self.reads.eq(
                token.valid & landing.free & ~self.writes & Mux(bias, ready & self.bias_there, some)
            ),
            token.ready.eq(self.reads & row.ends),
        ]
        # The first block begins where `start` has put the group, less one group.
        m.d.sync += following.eq(group + layer.position_rows)
        found = Mux(
            token.payload.first_bias & ~token.payload.block_bias,
            block,
            Mux(token.payload.next_bias | token.payload.block_bias, following, group),
        )
        with m.If(finds):
            m.d.sync += [ready.eq(1), group.eq(found), address.eq(found)]
            with m.If(token.payload.block_bias):
                m.d.sync += block.eq(following)
        with m.If(self.reads):
            m.d.sync += address.eq(address + 1)
            with m.If(of_position.ends):
                m.d.sync += address.eq(group)
            with m.If(row.ends):
                m.d.sync += ready.eq(0)
        with m.If(self.start):
            m.d.sync += group.eq(layer.first_bias - layer.position_rows)
        return bias

    def _distribute(self, m: Module, landing: Landing) -> None:
        """Send the rows that have come to the queues of their columns."""
        takes = Signal(name="distributes")
        targets = self._targets(m, takes, "entering")[0]
        queues = []
        for x in range(self.cols):
            m.submodules[f"entering{x}"] = queue = Queue(self.psum_bits, self.config.queue_psums)
            connect(m, queue.sink, flipped(self.to_columns[x]))
            lane = x % self.lanes
            m.d.comb += [
                queue.source.payload.eq(landing.rows.payload.word_select(lane, self.psum_bits)),
                queue.source.valid.eq(takes & targets[x]),
            ]
            queues.append(queue)
        blocked = Cat(
            target & ~queue.source.ready for target, queue in zip(targets, queues, strict=True)
        )
        m.d.comb += [
            takes.eq(landing.rows.valid & ~blocked.any()),
            landing.rows.ready.eq(takes),
        ]

    def _collect(self, m: Module) -> None:
        """Make rows of what leaves the columns: into the memory, or out of the accelerator."""
        takes, token = Signal(name="collects"), self.leaving_passes
        targets, ends = self._targets(m, takes, "leaving")
        words, missing = [], []
        row_of: Value = Const(0)  # words of other groups are zero
        for x in range(self.cols):
            m.submodules[f"leaving{x}"] = queue = Queue(self.psum_bits, self.config.leaving_psums)
            connect(m, flipped(self.from_columns[x]), queue.source)
            m.d.comb += queue.sink.ready.eq(takes & targets[x])
            words.append(Mux(targets[x], queue.sink.payload, 0))
            missing.append(targets[x] & ~queue.sink.valid)
        row = Signal(self.lanes * self.psum_bits)
        for start in range(0, self.cols, self.lanes):
            row_of = row_of | Cat(words[start : start + self.lanes])
        there = Signal(name="row_there")
        final = token.payload.final
        m.d.comb += [
            row.eq(row_of),
            there.eq(token.valid & ~Cat(missing).any()),
            self.finished.valid.eq(there & final),
            self.finished.payload.psums.eq(row),
            self.finished.payload.last.eq(ends & token.payload.end),
            self.writes.eq(there & ~final),
            takes.eq(self.writes | (self.finished.valid & self.finished.ready)),
            token.ready.eq(takes & ends),
            self.memory.write_data.eq(row),
        ]

    def _targets(self, m: Module, moves: Value, name: str) -> tuple[list[Value], Value]:
        """Count rows of a pass; return which columns the row concerns, and whether it is the pass's
        last one."""
        ends: Value = Const(1)
        steps, loops = {}, {}
        for loop in ("columns", "filter", "chain", "position"):
            steps[loop] = moves & ends
            last = self.layer[f"last_{loop}"]
            loops[loop] = counter(m, f"{name}_{loop}", last, start=self.start, step=steps[loop])
            ends = ends & loops[loop].ends
        group = Signal(self.groups, init=1, name=f"{name}_group")  # one bit is set
        with m.If(self.start | (steps["columns"] & loops["columns"].ends)):
            m.d.sync += group.eq(1)
        with m.Elif(steps["columns"]):
            m.d.sync += group.eq(group << 1)
        chain = Signal(self.config.array.rows.bit_length(), name=f"{name}_chain")
        following = Signal.like(chain, name=f"{name}_next_chain")
        reaches = Signal(self.cols, name=f"{name}_reaches")  # columns that have such a chain
        m.d.comb += following.eq(chain + 1)
        with m.If(self.start | loops["chain"].ends):
            m.d.comb += following.eq(0)
        with m.If(self.start | steps["chain"]):
            m.d.sync += [
                chain.eq(following),
                reaches.eq(Cat(following < chains for chains in self.chains)),
            ]
        return [group[x // self.lanes] & reaches[x] for x in range(self.cols)], ends
