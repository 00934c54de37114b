"""A short queue whose readiness is registered.

`amaranth.lib.fifo.SyncFIFO` compares its level to know whether it is empty or full, and decodes the
places of its words; here these are registers, so that what depends on the queues of all columns has
that much more of a cycle.
"""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .counter import level

__all__ = ["Queue", "chosen"]


class Queue(wiring.Component):
    """A queue of `depth` words (at least 2) that a word passes in one cycle."""

    def __init__(self, bits: int, depth: int) -> None:
        self.depth = depth
        words = stream.Signature(bits)
        super().__init__({"source": In(words), "sink": Out(words)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        words = [
            Signal(len(self.source.payload), name=f"word{i}", reset_less=True)
            for i in range(self.depth)
        ]
        # Places of the next word in and out, one bit set in each.
        write, read = (Signal(self.depth, name=name, init=1) for name in ("write", "read"))
        enters, leaves = Signal(), Signal()
        there, room = level(m, "words", self.depth, up=enters, down=leaves)
        m.d.comb += [
            self.source.ready.eq(room),
            self.sink.valid.eq(there),
            enters.eq(self.source.valid & room),
            leaves.eq(there & self.sink.ready),
        ]
        for i, word in enumerate(words):
            with m.If(enters & write[i]):
                m.d.sync += word.eq(self.source.payload)
        with m.If(enters):
            m.d.sync += write.eq(write.rotate_left(1))
        with m.If(leaves):
            m.d.sync += read.eq(read.rotate_left(1))
        m.d.comb += self.sink.payload.eq(chosen(words, read))
        return m


def chosen(words: Sequence[Value], one: Value) -> Value:
    """Return the word whose bit is set in `one`, zero if none is."""
    result: Value = Const(0)
    for i, word in enumerate(words):
        result = result | Mux(one[i], word, 0)
    return result
