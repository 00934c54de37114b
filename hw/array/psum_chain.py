"""The control of the chains that bring psums into an output-stationary array and out of it.

A swap exchanges the psums of all cells with those of the chains, one row per cycle.  When it has
gone through all rows, the chains shift once for each row: the psums of the pass before leave, row 0
first, while those that the waiting pass begins with come in, or zeros.  Reset clears the chains by
shifting too.
"""

from __future__ import annotations

from amaranth.hdl import EnableInserter, Module, Signal
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..pe.part import Part
from .systolic import SystolicConfig

__all__ = ["PsumChain", "swap_cycles"]


def swap_cycles(config: SystolicConfig) -> int:
    """Return the cycles from issuing a swap until it has gone through column 0."""
    return config.pe.depth + config.rows


class PsumChain(Part):
    """Counts shifts; rows are counted less one."""

    def __init__(self, config: SystolicConfig) -> None:
        self.array = config
        row = ceil_log2(config.rows)
        self.module_name = f"psum_chain_{config.rows}_d{config.pe.depth}"
        super().__init__(
            {
                "step": In(1),
                "swap": In(1),  # a swap is issued ...
                "brings": In(1),  # ... that brings psums into the chains ...
                "swap_rows": In(row),  # ... of so many rows
                "keep": In(1),  # the chains hold what a pass begins with that has not begun
                "wanted": In(1),  # the waiting pass begins with psums ...
                "wanted_rows": In(row),  # ... of so many rows
                "started": In(1),  # the waiting pass waits no longer
                "psum_valid": In(1),
                "take": Out(1),  # a psum vector comes in with this shift
                "shift": Out(1),
                "leave": Out(1),  # one leaves
                "active": Out(1),
                "ready": Out(1),  # after this cycle the chains hold what the waiting pass needs
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rows = self.array.rows
        active, place = Signal(init=1), Signal(ceil_log2(rows))
        settle = Signal(range(swap_cycles(self.array)))
        brings, out_rows = Signal(), Signal.like(self.swap_rows)
        loads, loaded = Signal(), Signal()
        turn, finish, start = Signal(), Signal(), Signal()
        m.d.comb += [
            turn.eq(active & (settle == 0)),
            self.take.eq(turn & loads & (place <= self.wanted_rows)),
            self.shift.eq(turn & (self.psum_valid | ~self.take)),
            self.leave.eq(self.shift & brings & (place <= out_rows)),
            finish.eq(self.shift & (place == rows - 1)),
            start.eq(self.wanted & ~loaded & ~active & ~self.keep),
            self.active.eq(active),
            self.ready.eq(
                (~active | finish) & ~self.swap & (loaded | (finish & loads) | ~self.wanted)
            ),
        ]
        with m.If(self.swap):
            m.d.sync += [active.eq(1), settle.eq(swap_cycles(self.array) - 1), place.eq(0)]
            m.d.sync += [brings.eq(self.brings), out_rows.eq(self.swap_rows), loads.eq(0)]
        with m.Elif(start):
            m.d.sync += [active.eq(1), place.eq(0), brings.eq(0), loads.eq(1)]
        with m.Elif(settle != 0):
            m.d.sync += [settle.eq(settle - 1), loads.eq(self.wanted)]
        with m.Elif(self.shift):
            m.d.sync += place.eq(place + 1)
            with m.If(finish):
                m.d.sync += [active.eq(0), loads.eq(0), loaded.eq(loads)]
        with m.If(self.started):
            m.d.sync += loaded.eq(0)
        return EnableInserter(self.step)(m)
