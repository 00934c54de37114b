"""The link of a PE: adds what comes from the PE below and hands the psum up the column.

A PE begins its psums at zero; its link adds the sum from below (or the psum that enters the column,
or nothing) to each.  The PEs of a chain thus work at the same time, each a few cycles behind the
one below, and not each a whole position behind (docs/decisions/0010).  Two words wait in a queue
whose `ready` comes from a register, so that no path runs up the column.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import stream
from amaranth.lib.wiring import In, Out

from ..config import PEConfig
from ..pe.cut import Cut
from ..pe.golden import to_signed
from ..pe.part import Part
from ..pe.registry import PE_TYPES

__all__ = ["PsumLink", "add_psums"]


def add_psums(config: PEConfig, below: int, own: int) -> int:
    """Return the code of the sum of two psum words: the golden function of the link."""
    kind, width = PE_TYPES[config.pe_type], config.lane_width
    if kind.accumulator is not None:
        return kind.accumulator.add_golden(below, own)
    total, mask, limit = 0, (1 << width) - 1, 1 << (width - 1)
    for lane in range(kind.filter_lanes):
        a, b = (to_signed(word >> width * lane & mask, width) for word in (below, own))
        held = max(-limit, min(limit - 1, a + b)) if config.saturating else a + b
        total |= (held & mask) << width * lane
    return total


class PsumLink(Part):
    """An adder of psums and a queue of two words."""

    def __init__(self, config: PEConfig) -> None:
        self.config = config
        self.accumulator = PE_TYPES[config.pe_type].accumulator
        self.stages = self.accumulator.stages if self.accumulator else 1
        kind = f"sat{config.lane_width}" if config.saturating else f"w{config.psum_width}"
        self.module_name = f"psum_link_{config.pe_type}_{kind}"
        psum = stream.Signature(config.psum_width)
        super().__init__(
            {
                "own": In(psum),
                "below": In(psum),
                "alone": In(1),  # nothing comes from below
                "up": Out(psum),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = self.config.psum_width
        head, spare = (Signal(width, name=name, reset_less=True) for name in ("head", "spare"))
        count = Signal(range(3))
        moves, taken, pushed, popped = Signal(), Signal(), Signal(), Signal()
        below = Signal(width)
        m.d.comb += [
            moves.eq(count != 2),
            taken.eq(moves & self.own.valid & (self.alone | self.below.valid)),
            self.own.ready.eq(moves & (self.alone | self.below.valid)),
            self.below.ready.eq(moves & self.own.valid & ~self.alone),
            below.eq(Mux(self.alone, 0, self.below.payload)),
            self.up.valid.eq(count != 0),
            self.up.payload.eq(head),
            popped.eq(self.up.valid & self.up.ready),
        ]
        busy: Value = count != 0
        stage: Value = taken
        for index in range(1, self.stages):
            moved = Signal(name=f"stage{index}")
            with m.If(moves):
                m.d.sync += moved.eq(stage)
            stage = moved
            busy |= moved
        total = self._sum(m, below, self.own.payload, moves)
        m.d.comb += [self.busy.eq(busy), pushed.eq(stage & moves)]
        m.d.sync += count.eq(count + pushed - popped)
        with m.If(popped & (count == 2)):
            m.d.sync += head.eq(spare)
        with m.Elif(pushed & ((count == 0) | popped)):
            m.d.sync += head.eq(total)
        with m.If(pushed & (count == 1)):
            m.d.sync += spare.eq(total)
        return m

    def _sum(self, m: Module, below: Value, own: Value, moves: Value) -> Value:
        if self.accumulator is not None:
            cuts = [Cut(m, moves) for _ in range(self.stages - 1)]
            return self.accumulator.add(below, own, cuts)
        width = self.config.lane_width
        sums = []
        for start in range(0, self.config.psum_width, width):
            total = Signal(signed(width + 1), name=f"total{start}")
            lanes = [word[start : start + width].as_signed() for word in (below, own)]
            m.d.comb += total.eq(lanes[0] + lanes[1])
            if self.config.saturating:
                highest = Const((1 << (width - 1)) - 1, width)
                over = total[width] != total[width - 1]
                sums.append(Mux(over, Mux(total[width], ~highest, highest), total[:width]))
            else:
                sums.append(total[:width])
        return Cat(sums)
