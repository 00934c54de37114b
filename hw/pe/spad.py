"""Scratchpads: one write port, one read port whose data is registered.

All kinds have the same ports and, but for the read latency, the same behaviour:

- `flipflop`: words of flip-flops, a read multiplexer, an output register (latency 1);
- `latch`: words of latches, each opened by a gated clock in the cycle after the write, while the
  written data is held in a register (latency 1);
- `macro`: the memory stands outside (a synthesizable PE has ports to it); the part holds the
  output register and, for psums, spreads even and odd words over two single-ported banks
  (latency 2).
"""

from __future__ import annotations

from amaranth.hdl import Array, ClockSignal, Const, Instance, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .part import Part

__all__ = ["WRITE_GROUP", "MacroSpad", "MemoryPort", "WordSpad", "make_spad", "read_latency"]

WRITE_GROUP = 8
"""Words that share a write bus.  The buses of other groups stay still, which saves most of the
energy of a write (all words would see their data pins toggle) for one AND per bit and group."""


def read_latency(kind: str) -> int:
    """Return the cycles from a read address to the registered data."""
    return 2 if kind == "macro" else 1


def _spad_ports(words: int, bits: int) -> dict[str, wiring.Member]:
    return {
        "write_en": In(1),
        "write_addr": In(ceil_log2(words)),
        "write_data": In(bits),
        "read_en": In(1),
        "read_addr": In(ceil_log2(words)),
        "read_data": Out(bits),
    }


class WordSpad(Part):
    """A scratchpad made of flip-flops or latches."""

    def __init__(self, kind: str, words: int, bits: int) -> None:
        self.kind, self.words, self.bits = kind, words, bits
        self.module_name = f"spad_{kind}_{words}x{bits}"
        super().__init__(_spad_ports(words, bits))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        store = self._latches if self.kind == "latch" else self._flipflops
        words = Array(store(m))
        out = Signal(self.bits, reset_less=True)
        with m.If(self.read_en):
            m.d.sync += out.eq(words[self.read_addr])
        m.d.comb += self.read_data.eq(out)
        return m

    def extra_verilog(self) -> str:
        """Return the modules of the latches, which Amaranth cannot express."""
        if self.kind != "latch":
            return ""
        return _latch(f"{self.module_name}_gate", "!en", 1) + _latch(
            f"{self.module_name}_word", "en", self.bits
        )

    def _flipflops(self, m: Module) -> list[Signal]:
        words = [Signal(self.bits, name=f"word{i}", reset_less=True) for i in range(self.words)]
        buses = self._write_buses(m, self.write_data, self.write_en, self.write_addr)
        for i, word in enumerate(words):
            with m.If(self.write_en & (self.write_addr == i)):
                m.d.sync += word.eq(buses[i // WRITE_GROUP])
        return words

    def _write_buses(self, m: Module, data: Value, en: Value, addr: Value) -> list[Signal]:
        """Return the written data for each group of words, zero for groups not written."""
        buses = []
        for first in range(0, self.words, WRITE_GROUP):
            bus = Signal(self.bits, name=f"bus{first}")
            here = en & (addr // WRITE_GROUP == first // WRITE_GROUP)
            m.d.comb += bus.eq(Mux(here, data, 0))
            buses.append(bus)
        return buses

    def _latches(self, m: Module) -> list[Signal]:
        data = Signal(self.bits, reset_less=True)
        addr = Signal.like(self.write_addr, reset_less=True)
        with m.If(self.write_en):
            m.d.sync += [data.eq(self.write_data), addr.eq(self.write_addr)]
        buses = self._write_buses(m, data, Const(1), addr)
        words = []
        for i in range(self.words):
            word = Signal(self.bits, name=f"word{i}")
            opens, gate = Signal(name=f"opens{i}"), Signal(name=f"gate{i}")
            select = Signal(name=f"select{i}")
            m.d.comb += select.eq(self.write_en & (self.write_addr == i))
            # A clock gate of a latch that is open while the clock is low, and an AND.
            m.submodules[f"gate{i}"] = Instance(
                f"{self.module_name}_gate", i_en=ClockSignal(), i_d=select, o_q=opens
            )
            m.d.comb += gate.eq(ClockSignal() & opens)
            m.submodules[f"store{i}"] = Instance(
                f"{self.module_name}_word", i_en=gate, i_d=buses[i // WRITE_GROUP], o_q=word
            )
            words.append(word)
        return words


def _latch(name: str, opens: str, bits: int) -> str:
    """Return a Verilog module of a level-sensitive latch that follows `d` while `opens` holds."""
    return (
        f"module {name}(en, d, q);\n  input en;\n  input [{bits - 1}:0] d;\n"
        f"  output [{bits - 1}:0] q;\n  reg [{bits - 1}:0] q;\n"
        f"  always @* if ({opens}) q = d;\nendmodule\n"
    )


class MemoryPort(wiring.Signature):
    """A single-ported synchronous memory seen from the PE.

    An access happens at the clock edge where `en` is high; `read_data` changes only after a read
    (`write` low) and holds until the next one.
    """

    def __init__(self, words: int, bits: int) -> None:
        super().__init__(
            {
                "en": Out(1),
                "write": Out(1),
                "addr": Out(ceil_log2(words)),
                "write_data": Out(bits),
                "read_data": In(bits),
            }
        )


class MacroSpad(Part):
    """The PE's side of a scratchpad whose words are in memories outside.

    `step` lets the read pipeline advance.  With one bank a write and a read must not meet in one
    cycle; with two banks they may if their addresses differ in the lowest bit.
    """

    def __init__(self, words: int, bits: int, banks: int) -> None:
        self.words, self.bits, self.banks = words, bits, banks
        self.module_name = f"spad_macro_{words}x{bits}_{banks}"
        self.bank_words = max(2, -(-words // banks))
        super().__init__(
            _spad_ports(words, bits)
            | {"step": In(1)}
            | {f"memory{i}": Out(MemoryPort(self.bank_words, bits)) for i in range(banks)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        low = self.banks - 1  # address bits that choose the bank: 0 or 1
        reading = Signal()
        with m.If(self.step):
            m.d.sync += reading.eq(self.read_en)
        ports = [getattr(self, f"memory{i}") for i in range(self.banks)]
        for i, port in enumerate(ports):
            write_here = self.write_en & (self.write_addr[:low] == i if low else 1)
            read_here = self.read_en & (self.read_addr[:low] == i if low else 1)
            m.d.comb += [
                port.en.eq(write_here | read_here),
                port.write.eq(write_here),
                port.addr.eq(Mux(write_here, self.write_addr[low:], self.read_addr[low:])),
                port.write_data.eq(self.write_data),
            ]
        chosen = ports[0].read_data
        if low:
            bank = Signal(reset_less=True)
            with m.If(self.step & self.read_en):
                m.d.sync += bank.eq(self.read_addr[0])
            chosen = Mux(bank, ports[1].read_data, ports[0].read_data)
        out = Signal(self.bits, reset_less=True)
        with m.If(self.step & reading):
            m.d.sync += out.eq(chosen)
        m.d.comb += self.read_data.eq(out)
        return m


def make_spad(kind: str, words: int, bits: int, *, banks: int = 1) -> Part:
    """Return the scratchpad part of a kind."""
    return MacroSpad(words, bits, banks) if kind == "macro" else WordSpad(kind, words, bits)
