"""The sequencer: the loop nest of a layer, a token per pass for each part of the shell.

The nest is that of `hw.array.row_stationary_layer`, outermost loop first: groups, blocks of
filters, spots (groups of images times strips), sum steps (groups of channels times parts of the
filter's rows), groups of filters, images.  A pass's tokens go out together, when all parts have
room for one; so parts may run ahead of each other, each as far as its data allow.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..accelerator_config import HardwareConfig
from .counter import Counter, counter
from .queue import Queue
from .registers import LayerLayout

__all__ = ["TOKENS", "Sequencer"]

LOOPS = ("group", "block", "spot", "sum", "filter_group", "image")
"""The nest, outermost loop first."""
_AHEAD = 2
"""Tokens that wait for each part."""

TOKENS: dict[str, dict[str, int]] = {
    "array": {"load": 1, "enter": 1},
    "filter": {},
    "tile": {"last": 1, "again": 1},
    "ifmap": {},
    "psum_in": {"bias": 1, "next_bias": 1, "first_bias": 1, "block_bias": 1},
    "psum_out": {"final": 1, "end": 1},
}
"""The parts and what a token says to each.

`load`: filters are loaded; `enter`: psums enter the columns; `last`: the pass is the last one of
its tile; `again`: it reads the tile from its first row on; `bias`: they are the bias, of which
`next_bias` is the next group of filters', `first_bias` the block's first and `block_bias` the first
of a new block; `final`: psums leave the accelerator; `end`: the layer's last pass."""


class Sequencer(wiring.Component):
    """Counts through the nest once for each `start`."""

    def __init__(self, config: HardwareConfig) -> None:
        super().__init__(
            {"start": In(1), "layer": In(LayerLayout(config))}
            | {
                name: Out(stream.Signature(data.StructLayout(fields)))
                for name, fields in TOKENS.items()
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layer, running, push = self.layer, Signal(), Signal()
        queues = {}
        for name, fields in TOKENS.items():
            layout = data.StructLayout(fields)
            m.submodules[f"{name}_tokens"] = queues[name] = queue = Queue(layout.size, _AHEAD)
            out = getattr(self, name)
            m.d.comb += [
                out.valid.eq(queue.sink.valid),
                out.payload.as_value().eq(queue.sink.payload),
                queue.sink.ready.eq(out.ready),
            ]
        m.d.comb += push.eq(running & Cat(queue.source.ready for queue in queues.values()).all())

        # A loop steps with the last pass of all loops in it.
        steps: dict[str, Value] = {}
        inner: Value = push
        loops: dict[str, Counter] = {}
        ends = {name: Signal(name=f"{name}_at_end") for name in LOOPS}
        for name in reversed(LOOPS):
            steps[name] = inner
            inner = inner & ends[name]
        at_end = layer.last_filter_group_at_end
        for name in LOOPS:
            last = layer[f"last_{name}"]
            if name == "filter_group":
                block = loops["block"]
                in_last = Mux(steps["block"], block.ends_next, block.ends)
                in_last = Mux(self.start, layer.last_block == 0, in_last)
                last = Mux(in_last, at_end, last)
            loops[name] = counter(m, name, last, start=self.start, step=steps[name])
            m.d.comb += ends[name].eq(loops[name].ends)
        with m.If(inner):
            m.d.sync += running.eq(0)
        with m.If(self.start):
            m.d.sync += running.eq(1)

        first = {name: loop.first for name, loop in loops.items()}
        load = first["image"] & (
            ~layer.resident
            | (first["block"] & first["spot"] & first["sum"] & first["filter_group"])
        )
        enter, opens = ~first["sum"] | layer.bias, first["sum"]
        new_filters = opens & first["image"]
        tokens = {
            "array": {"load": load, "enter": enter},
            "filter": {},
            "tile": {
                "last": ends["filter_group"] & ends["image"] & (~layer.keep_tile | ends["block"]),
                "again": first["image"],
            },
            "ifmap": {},
            "psum_in": {
                "bias": opens,
                "next_bias": new_filters & ~first["filter_group"],
                "first_bias": new_filters & first["filter_group"],
                "block_bias": new_filters & first["filter_group"] & first["spot"],
            },
            "psum_out": {"final": ends["sum"], "end": Cat(ends.values()).all()},
        }
        needed = {"filter": load, "psum_in": enter}
        for name, queue in queues.items():
            token = Signal(data.StructLayout(TOKENS[name]), name=f"{name}_token")
            m.d.comb += [token[field].eq(value) for field, value in tokens[name].items()]
            m.d.comb += [
                queue.source.payload.eq(token.as_value()),
                queue.source.valid.eq(push & needed.get(name, 1)),
            ]
        return m
