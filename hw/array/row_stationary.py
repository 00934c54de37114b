"""The row-stationary array: filter rows along rows, ifmap rows along diagonals, psums up columns.

After Chen et al. (ISCA 2016; JSSC 52(1), 2017).  Chains of PEs stand above each other in a column:
a chain is R filter rows of r channel groups, its PEs compute at the same time, and their psums are
added on the way up (`row_stationary_link`).  Which PE belongs to which chain, and which words it
takes from the two multicast networks, is shifted in through `setup` once for a mapping; `config`
starts a pass.  The chains of a column take turns, a position's p psums each, on the column's
`psum_in` and `psum_out`.  `row_stationary_pass.ArrayPass` fixes the order of all words.

A pass is busy from the cycle after its configuration: LOAD until every PE has its filters, then RUN
with the ifmap network open, until the last psum has left.
"""

from __future__ import annotations

from itertools import pairwise

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..pe.control import PassLayout
from ..pe.edge import edge_decoders
from ..pe.part import part_verilog, to_verilog
from .network import Entry, place, row_words
from .row_stationary_config import RowStationaryConfig
from .row_stationary_node import Node, node_modules

__all__ = ["RowStationaryArray", "array_modules"]


class RowStationaryArray(wiring.Component):
    """Rows x cols PEs with their networks."""

    def __init__(self, config: RowStationaryConfig) -> None:
        self.point = config
        self.node = Node(config)
        at_edge = config.pe.decoders == "edge"
        self.decoders = edge_decoders(config.kind) if at_edge else {}
        psum = stream.Signature(config.pe.psum_width)
        super().__init__(
            {
                "setup": In(stream.Signature(config.setup_bits)),
                # The bit `accumulate` says whether psums enter the columns.
                "config": In(stream.Signature(PassLayout(config.pe))),
                "filter": In(stream.Signature(config.beat("filter"))),
                "ifmap": In(stream.Signature(config.beat("ifmap"))),
                "psum_in": In(psum).array(config.cols),
                "psum_out": Out(psum).array(config.cols),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self.nodes = [
            [place(m, self.node, f"node_{y}_{x}") for x in range(self.point.cols)]
            for y in range(self.point.rows)
        ]
        nodes = [node for row in self.nodes for node in row]
        entries = {
            name: Entry(self.point.beat(name), self.point.words(name), self.decoders.get(side))
            for name, side in (("filter", "weight"), ("ifmap", "activation"))
        }
        for name, entry in entries.items():
            m.submodules[f"{name}_entry"] = entry
            connect(m, entry.source, flipped(getattr(self, name)))
            blocked = Cat(getattr(node, f"{name}_blocked") for node in nodes)
            m.d.comb += entry.blocked.eq(blocked.any())

        setting = Signal(PassLayout(self.point.pe))
        start, loaded = Signal(), Signal()
        busy = Cat(node.busy for node in nodes).any()
        loading = Cat(node.loading for node in nodes).any()
        with m.FSM() as fsm:
            with m.State("IDLE"), m.If(start):
                m.d.sync += setting.eq(self.config.payload)
                m.next = "RUN"
                with m.If(self.config.payload.load_filters):
                    m.next = "LOAD"
            with m.State("LOAD"), m.If(loaded):
                m.next = "RUN"
            with m.State("RUN"), m.If(~busy & entries["ifmap"].closed):
                m.next = "IDLE"
        idle = fsm.ongoing("IDLE")
        m.d.comb += [
            self.busy.eq(~idle),
            self.config.ready.eq(idle),
            self.setup.ready.eq(idle),
            start.eq(idle & self.config.valid),
            loaded.eq(fsm.ongoing("LOAD") & ~loading & entries["filter"].closed),
            entries["filter"].open.eq(start & self.config.payload.load_filters),
            entries["ifmap"].open.eq(loaded | (start & ~self.config.payload.load_filters)),
        ]
        for node in nodes:
            m.d.comb += [
                node.start.eq(start),
                node.row_pass.eq(self.config.payload),
                node.row_pass.accumulate.eq(0),  # PEs begin at zero, links add
                node.accumulate.eq(setting.accumulate),
            ]
        self._rows(m, entries)
        for x in range(self.point.cols):
            self._column(m, x, setting, start)
        return m

    def _rows(self, m: Module, entries: dict[str, Entry]) -> None:
        """Shift the set-up through all rows, and give each row the words of its tags."""
        shifts = self.setup.valid & self.setup.ready
        chain: Value = self.setup.payload
        for y, row in enumerate(self.nodes):
            tags = Signal(self.point.row_setup, name=f"row{y}_setup")
            rest = Signal(self.point.setup_bits - tags.shape().size, name=f"row{y}_rest")
            with m.If(shifts):
                m.d.sync += Cat(tags, rest).eq(chain)
            chain = Cat(tags, rest)
            for name, entry in entries.items():
                words, kept = row_words(m, entry, tags[name], f"row{y}_{name}")
                for node in row:
                    m.d.comb += [
                        getattr(node, f"{name}_words").eq(words),
                        getattr(node, f"{name}_kept").eq(kept),
                        getattr(node, f"{name}_moves").eq(entry.moves),
                        getattr(node, f"{name}_take").eq(entry.take),
                    ]
            for node in row:
                m.d.comb += [node.setup_en.eq(shifts), node.setup_in.eq(chain)]
                chain = node.setup_out

    def _column(self, m: Module, x: int, setting: data.View, start: Value) -> None:
        """Link the nodes of a column, and let its chains take turns at both ends."""
        nodes = [row[x] for row in self.nodes]
        for node, above in pairwise(nodes):
            connect(m, node.above, above.below)
        entering, leaving = [node.entering for node in nodes], [node.leaving for node in nodes]
        ports = {"entering": self.psum_in[x], "leaving": self.psum_out[x]}
        payload: Value = Const(0)
        for enters, leaves in zip(entering, leaving, strict=True):
            m.d.comb += [
                enters.valid.eq(ports["entering"].valid),
                enters.payload.eq(ports["entering"].payload),
                leaves.ready.eq(ports["leaving"].ready),
            ]
            payload = payload | leaves.payload  # only the node whose turn it is offers one
        m.d.comb += [
            ports["entering"].ready.eq(Cat(enters.ready for enters in entering).any()),
            ports["leaving"].valid.eq(Cat(leaves.valid for leaves in leaving).any()),
            ports["leaving"].payload.eq(payload),
        ]
        for end, port in ports.items():
            turn = Signal(self.point.row_tag_bits, name=f"{end}{x}_turn")
            word = Signal.like(setting.filters, name=f"{end}{x}_word")
            last = Cat(getattr(node, f"{end}_last") for node in nodes).any()
            m.d.comb += [getattr(node, f"{end}_turn").eq(turn) for node in nodes]
            with m.If(start):
                m.d.sync += [turn.eq(0), word.eq(0)]
            with m.Elif(port.valid & port.ready):
                m.d.sync += word.eq(word + 1)
                with m.If(word == setting.filters):
                    m.d.sync += [word.eq(0), turn.eq(Mux(last, 0, turn + 1))]


def array_modules(array: RowStationaryArray) -> tuple[str, dict[str, str]]:
    """Return the name of the top module and the Verilog of all modules but memories, top last."""
    modules = node_modules(array.node)
    for part in array.decoders.values():
        modules[part.module_name] = part_verilog(part)
    top = array.point.name
    modules[top] = to_verilog(array, top)
    return top, modules
