"""The sequencer: the loop nest of a layer, a token per pass for each part of the shell.

The nest is that of `hw.array.row_stationary_layer`, outermost loop first: groups, blocks of
filters, spots (groups of images times strips), sum steps (groups of channels times parts of the
filter's rows), groups of filters, images.  A pass's tokens go out together, when all parts have
room for one; so parts may run ahead of each other, each as far as its data allow.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from ..accelerator_config import HardwareConfig
from .registers import LayerLayout

__all__ = ["TOKENS", "Sequencer"]

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
            queue = fifo.SyncFIFO(width=max(1, sum(fields.values())), depth=_AHEAD)
            m.submodules[f"{name}_tokens"] = queues[name] = queue
            out = getattr(self, name)
            m.d.comb += [
                out.valid.eq(queue.r_rdy),
                out.payload.as_value().eq(queue.r_data),
                queue.r_en.eq(out.ready),
            ]
        m.d.comb += push.eq(running & Cat(queue.w_rdy for queue in queues.values()).all())

        lasts = {name: layer[f"last_{name}"] for name in ("group", "block", "spot", "sum")}
        index = {
            name: Signal(16, name=name) for name in (*lasts, "filter_group", "image")
        }  # fmt: skip
        at_end = {name: index[name] == last for name, last in lasts.items()}
        last_filter_group = Signal(16)
        m.d.comb += last_filter_group.eq(layer.last_filter_group)
        with m.If(at_end["block"]):
            m.d.comb += last_filter_group.eq(layer.last_filter_group_at_end)
        at_end["filter_group"] = index["filter_group"] == last_filter_group
        at_end["image"] = index["image"] == layer.last_image

        inner: Value = Const(1)
        with m.If(push):
            for name in reversed(list(index)):
                with m.If(inner):
                    m.d.sync += index[name].eq(index[name] + 1)
                    with m.If(at_end[name]):
                        m.d.sync += index[name].eq(0)
                inner = inner & at_end[name]
            with m.If(inner):
                m.d.sync += running.eq(0)
        with m.If(self.start):
            m.d.sync += running.eq(1)

        first = {name: value == 0 for name, value in index.items()}
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
                "last": at_end["filter_group"]
                & at_end["image"]
                & (~layer.keep_tile | at_end["block"]),
                "again": first["image"],
            },
            "ifmap": {},
            "psum_in": {
                "bias": opens,
                "next_bias": new_filters & ~first["filter_group"],
                "first_bias": new_filters & first["filter_group"],
                "block_bias": new_filters & first["filter_group"] & first["spot"],
            },
            "psum_out": {"final": at_end["sum"], "end": inner},
        }
        needed = {"filter": load, "psum_in": enter}
        for name, queue in queues.items():
            token = Signal(data.StructLayout(TOKENS[name]), name=f"{name}_token")
            m.d.comb += [token[field].eq(value) for field, value in tokens[name].items()]
            m.d.comb += [
                queue.w_data.eq(token.as_value()),
                queue.w_en.eq(push & needed.get(name, 1)),
            ]
        return m
