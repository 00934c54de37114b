"""Cuts rows of the global buffer into beats of a network, and gives each word its tags.

The words of a beat go to consecutive targets.  A target is a pair (column tag, row tag) = divmod of
its number by a base; lanes hold the tags of their target and step on by `lanes` targets at a time,
without a divider: the step itself is where a count of as many targets arrives.

The filter network sends all words of `lanes` targets before the next targets; the ifmap network one
word of all targets before the next word.
"""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..accelerator_config import HardwareConfig
from .counter import counter
from .queue import chosen
from .registers import LayerLayout

__all__ = ["Feeder"]


class Feeder(wiring.Component):
    """Feeds the `filter` or the `ifmap` network."""

    def __init__(self, config: HardwareConfig, network: str) -> None:
        array, layer = config.array, LayerLayout(config)
        self.filters = network == "filter"
        self.layout = array.beat(network)
        self.lanes = array.filter_lanes if self.filters else array.ifmap_lanes
        self.beats_per_row = (
            config.filter_beats_per_row if self.filters else config.ifmap_beats_per_row
        )
        self.row_tag, self.col_tag = array.row_tag_bits + 1, array.col_tag_bits + 1
        super().__init__(
            {
                "start": In(1),  # of a layer: the tags are counted anew
                "base": In(self.row_tag),
                "limit": In(self.col_tag),  # column tags there are
                "last_inner": In(layer[f"last_{network}_inner"].width),
                "last_outer": In(layer[f"last_{network}_outer"].width),
                "passes": In(stream.Signature(0)),
                "rows": In(stream.Signature(config.row_bits)),
                "beats": Out(stream.Signature(self.layout)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        advance, rewind, ready = Signal(), Signal(), Signal()
        tags = self._tags(m, advance, rewind, ready)
        sent, ends, row_ends = Signal(), Signal(), Signal()
        inner = counter(m, "inner", self.last_inner, start=self.start, step=sent)
        outer = counter(m, "outer", self.last_outer, start=self.start, step=sent & inner.ends)
        part = Signal(self.beats_per_row, init=1)  # one bit is set: that of the next beat
        m.d.comb += [
            self.beats.valid.eq(ready & self.passes.valid & self.rows.valid),
            sent.eq(self.beats.valid & self.beats.ready),
            ends.eq(inner.ends & outer.ends),
            row_ends.eq(ends | part[-1]),
            self.passes.ready.eq(sent & ends),
            self.rows.ready.eq(sent & row_ends),
            advance.eq(sent & (inner.ends if self.filters else 1)),
            rewind.eq(ends if self.filters else inner.ends),
            self.beats.payload.last.eq(ends),
        ]
        with m.If(sent):
            m.d.sync += part.eq(Mux(row_ends, 1, part << 1))
        bits = len(self.beats.payload.words[0].word)
        size = bits * self.lanes
        parts = [
            self.rows.payload[start * size : (start + 1) * size]
            for start in range(self.beats_per_row)
        ]
        words = chosen(parts, part)
        for lane, (out, (col, row)) in enumerate(zip(self.beats.payload.words, tags, strict=True)):
            m.d.comb += [
                out.there.eq(col < self.limit),
                out.row.eq(row),
                out.col.eq(col),
                out.word.eq(words[lane * bits : (lane + 1) * bits]),
            ]
        return m

    def _tags(
        self, m: Module, advance: Value, rewind: Value, ready: Signal
    ) -> list[tuple[Signal, Signal]]:
        """Return the column and row tag of each lane's target; `ready` once they are counted."""
        firsts = [self._pair(f"first{lane}") for lane in range(self.lanes)]
        tags = [self._pair(f"tag{lane}") for lane in range(self.lanes)]
        step_col, step_row = self._pair("step")
        left = Signal(range(self.lanes + 1))
        counting = Signal()
        m.d.comb += [counting.eq(left != 0), ready.eq(~counting)]
        with m.If(self.start):
            m.d.sync += [left.eq(self.lanes), step_col.eq(0), step_row.eq(0)]
        with m.Elif(counting):
            m.d.sync += left.eq(left - 1)
            for first, tag, follower in zip(
                firsts, tags, [*firsts[1:], (step_col, step_row)], strict=True
            ):
                for own, shown, other in zip(first, tag, follower, strict=True):
                    m.d.sync += [own.eq(other), shown.eq(other)]
            m.d.sync += step_row.eq(step_row + 1)
            with m.If(step_row + 1 == self.base):
                m.d.sync += [step_row.eq(0), step_col.eq(step_col + 1)]
        with m.Elif(advance):
            for (first_col, first_row), (col, row) in zip(firsts, tags, strict=True):
                over = row + step_row >= self.base
                with m.If(rewind):
                    m.d.sync += [col.eq(first_col), row.eq(first_row)]
                with m.Elif(over):
                    m.d.sync += [col.eq(col + step_col + 1), row.eq(row + step_row - self.base)]
                with m.Else():
                    m.d.sync += [col.eq(col + step_col), row.eq(row + step_row)]
        return tags

    def _pair(self, name: str) -> tuple[Signal, Signal]:
        # A column tag past the limit must not wrap around to a smaller one.
        bits = max(self.col_tag, self.lanes.bit_length()) + 1
        return Signal(bits, name=f"{name}_col"), Signal(self.row_tag, name=f"{name}_row")
