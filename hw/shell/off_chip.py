"""Beats of the off-chip streams to rows of the global buffer, and back.

A row is a whole number of beats, the first one in its lowest bits.
"""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Collect", "Split"]


class Collect(wiring.Component):
    """Collects the beats of a row; takes the next row's first beat when this row leaves.

    `flush` lets a row leave that is not complete; beats it does not have are zero.
    """

    def __init__(self, beat_bits: int, row_bits: int) -> None:
        self.parts = row_bits // beat_bits
        super().__init__(
            {
                "beats": In(stream.Signature(beat_bits)),
                "rows": Out(stream.Signature(row_bits)),
                "flush": In(1),
                "empty": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        row = Signal(self.rows.payload.shape(), reset_less=True)
        count = Signal(range(self.parts + 1))
        leaves, enters = Signal(), Signal()
        m.d.comb += [
            self.rows.valid.eq((count == self.parts) | (self.flush & ~self.empty)),
            self.rows.payload.eq(row),
            leaves.eq(self.rows.valid & self.rows.ready),
            self.beats.ready.eq((count != self.parts) | self.rows.ready),
            enters.eq(self.beats.valid & self.beats.ready),
            self.empty.eq(count == 0),
        ]
        first = leaves | self.empty
        with m.If(enters):
            for part, word in enumerate(_parts(row, self.parts)):
                with m.If(first | (count == part)):
                    m.d.sync += word.eq(
                        Mux(first, 0, self.beats.payload) if part else self.beats.payload
                    )
            m.d.sync += count.eq(count + 1)
        with m.If(leaves):
            m.d.sync += count.eq(enters)
        return m


class Split(wiring.Component):
    """Sends a row beat by beat; takes the next row with the last beat of this one."""

    def __init__(self, row_bits: int, beat_bits: int) -> None:
        self.parts = row_bits // beat_bits
        super().__init__(
            {
                "rows": In(stream.Signature(row_bits)),
                "beats": Out(stream.Signature(beat_bits)),
                "empty": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        row = Signal(self.rows.payload.shape(), reset_less=True)
        left = Signal(range(self.parts + 1))
        size = len(self.beats.payload)
        m.d.comb += [
            self.beats.valid.eq(left != 0),
            self.beats.payload.eq(row[:size]),
            self.rows.ready.eq((left == 0) | ((left == 1) & self.beats.ready)),
            self.empty.eq(left == 0),
        ]
        with m.If(self.beats.valid & self.beats.ready):
            m.d.sync += [left.eq(left - 1), row.eq(row >> size)]
        with m.If(self.rows.valid & self.rows.ready):
            m.d.sync += [left.eq(self.parts), row.eq(self.rows.payload)]
        return m


def _parts(row: Signal, parts: int) -> list[Signal]:
    size = len(row) // parts
    return [row[part * size : (part + 1) * size] for part in range(parts)]
