"""A node of the row-stationary array: one PE, its two network inputs, its link, its set-up.

A network shows every node of a row all lanes of a beat; the node listens to one lane and takes a
word whose column tag is its own into an input register, so that a PE that is busy for a cycle holds
up nobody.  A beat is taken by all its targets in the same cycle: `blocked` says that this one
cannot yet.
"""

from __future__ import annotations

from amaranth.hdl import Array, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..memory_macro import macro_model, place_macro
from ..pe.control import PassLayout
from ..pe.part import Part, instantiate, to_verilog
from ..pe.pe import PE, pe_modules
from ..pe.spad import MacroSpad
from .row_stationary_config import RowStationaryConfig
from .row_stationary_link import PsumLink

__all__ = ["Node", "memory_models", "node_modules"]


class _NamedPE(PE, Part):
    """A PE that is instantiated by the name of its module."""

    def __init__(self, config: RowStationaryConfig) -> None:
        self.module_name = f"pe_{config.pe.pe_type}"
        super().__init__(config.pe)


class Node(Part):
    """One PE with everything that connects it."""

    def __init__(self, config: RowStationaryConfig) -> None:
        self.config = config
        self.module_name = f"node_{config.pe.pe_type}"
        self.pe = _NamedPE(config)
        self.link = PsumLink(config.pe)
        width, chains = config.pe.psum_width, config.row_tag_bits
        ports: dict[str, wiring.Member] = {}
        for network in ("filter", "ifmap"):
            ports |= {
                f"{network}_words": In(config.words(network)),  # at the entry, after the row
                f"{network}_kept": In(config.kept(network)),  # at the row
                f"{network}_moves": In(1),
                f"{network}_take": In(1),
                f"{network}_blocked": Out(1),
            }
        super().__init__(
            ports
            | {
                "setup_en": In(1),
                "setup_in": In(config.setup_bits),
                "setup_out": Out(config.setup_bits),
                "start": In(1),
                "row_pass": In(PassLayout(config.pe)),
                "accumulate": In(1),  # psums enter the columns
                "below": In(stream.Signature(width)),
                "above": Out(stream.Signature(width)),
                "entering": In(stream.Signature(width)),  # psums that enter the column ...
                "entering_turn": In(chains),  # ... for this chain
                "leaving": Out(stream.Signature(width)),
                "leaving_turn": In(chains),
                # The turn is this node's, and its chain is the last of the column.
                "entering_last": Out(1),
                "leaving_last": Out(1),
                "loading": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        pe, link = self.pe, self.link
        m.submodules.pe = instantiate(pe)
        m.submodules.link = instantiate(link)
        setup = Signal(self.config.pe_setup)
        with m.If(self.setup_en):
            m.d.sync += setup.as_value().eq(self.setup_in)
        m.d.comb += self.setup_out.eq(setup.as_value())
        m.d.comb += [
            pe.config.valid.eq(self.start & setup.active),
            pe.config.payload.eq(self.row_pass),
        ]
        waits = self._input(m, "filter", setup) | self._input(m, "ifmap", setup)
        m.d.comb += [
            self.loading.eq(pe.filter.ready),
            self.busy.eq(pe.busy | link.busy | waits),
        ]
        self._psums(m, setup)
        self._memories(m)
        return m

    def _input(self, m: Module, network: str, setup: Signal) -> Value:
        """Connect one network; return whether a word waits for the PE."""
        port = getattr(self.pe, network)
        lane = setup[f"{network}_lane"]
        word = Array(getattr(self, f"{network}_words"))[lane]
        kept = Array(getattr(self, f"{network}_kept"))[lane]
        hit = Signal(name=f"{network}_hit")  # the beat at the row has a word for this node
        waits = Signal(name=f"{network}_waits")
        held = Signal(len(kept), name=f"{network}_word", reset_less=True)
        free = ~waits | port.ready
        take = getattr(self, f"{network}_take")
        m.d.comb += [
            getattr(self, f"{network}_blocked").eq(hit & ~free),
            port.valid.eq(waits),
            port.payload.eq(held),
        ]
        with m.If(getattr(self, f"{network}_moves")):
            m.d.sync += hit.eq(setup.active & word.there & (word.col == setup[f"{network}_col"]))
        with m.Elif(take):
            m.d.sync += hit.eq(0)
        with m.If(hit & take):
            m.d.sync += [held.eq(kept), waits.eq(1)]
        with m.Elif(port.ready):
            m.d.sync += waits.eq(0)
        return waits

    def _psums(self, m: Module, setup: Signal) -> None:
        """Connect PE and link to the neighbours, or to the column's ends at the chain's."""
        pe, link = self.pe, self.link
        enters = setup.bottom & (setup.chain == self.entering_turn)
        leaves = setup.top & (setup.chain == self.leaving_turn)
        m.d.comb += [
            self.entering_last.eq(enters & setup.last),
            self.leaving_last.eq(leaves & setup.last),
            link.own.valid.eq(pe.psum_out.valid),
            link.own.payload.eq(pe.psum_out.payload),
            pe.psum_out.ready.eq(link.own.ready),
            link.alone.eq(setup.bottom & ~self.accumulate),
            link.below.valid.eq(Mux(setup.bottom, self.entering.valid & enters, self.below.valid)),
            link.below.payload.eq(Mux(setup.bottom, self.entering.payload, self.below.payload)),
            self.below.ready.eq(link.below.ready & ~setup.bottom),
            self.entering.ready.eq(link.below.ready & enters),
            self.above.valid.eq(link.up.valid & ~setup.top),
            self.above.payload.eq(link.up.payload),
            self.leaving.valid.eq(link.up.valid & leaves),
            self.leaving.payload.eq(Mux(leaves, link.up.payload, 0)),
            link.up.ready.eq(Mux(setup.top, self.leaving.ready & leaves, self.above.ready)),
        ]

    def _memories(self, m: Module) -> None:
        for name, (words, bits) in self.memories.items():
            place_macro(m, name, getattr(self.pe, name), words=words, bits=bits)

    @property
    def memories(self) -> dict[str, tuple[int, int]]:
        """Words and bits of each memory of the PE's `macro` scratchpads."""
        return {
            f"{name}_memory{bank}": (spad.bank_words, spad.bits)
            for name, spad in self.pe.spads.items()
            if isinstance(spad, MacroSpad)
            for bank in range(spad.banks)
        }


def memory_models(node: Node) -> str:
    """Return the memories of `macro` scratchpads as Verilog to simulate; synthesis has macros."""
    return "".join(macro_model(*size) for size in sorted(set(node.memories.values())))


def node_modules(node: Node) -> dict[str, str]:
    """Return the Verilog of a node and of everything in it but memories, by module name."""
    _, modules = pe_modules(node.pe)
    for part in (node.link, node):
        modules[part.module_name] = to_verilog(part, part.module_name)
    return modules
