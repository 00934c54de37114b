# amaranth: UnusedElaboratable=no
"""Scratchpads: one write port, one read port whose data is registered.

All kinds have the same ports and, but for the read latency, the same behaviour:

- `flipflop`: words of flip-flops, a read multiplexer, an output register (latency 1);
- `latch`: words of latches, each opened by a gated clock in the cycle after the write, while the
  written data is held in a register (latency 1);
- `macro`: the memory stands outside (a synthesizable PE has ports to it); the part holds the
  output register and, for psums, spreads even and odd words over two single-ported banks
  (latency 2).

The clock of words passes three gates: one for the scratchpad, one for each group of words, one for
each word.  Each level tests what the levels above leave open, so the enables of two gates in a row
are independent, as `flows.activity` takes them.
"""

from __future__ import annotations

from amaranth.hdl import (
    Array,
    ClockDomain,
    ClockSignal,
    Const,
    Instance,
    Module,
    Mux,
    Signal,
    Value,
)
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from .part import Part

__all__ = ["WRITE_GROUP", "MacroSpad", "MemoryPort", "WordSpad", "make_spad", "read_latency"]

_LOW_BITS = 3
WRITE_GROUP = 1 << _LOW_BITS
"""Words that share a clock and a write bus.  Those of other groups stand still, which saves most of
the energy of a write and of doing nothing for one clock gate and one AND per bit and group
(decisions 0003 and 0006)."""


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
        clock, writes = self._gated_clock(m, "spad", ClockSignal(), self.write_en)
        store = self._latches if self.kind == "latch" else self._flipflops
        words = Array(store(m, clock, writes))
        out = Signal(self.bits, reset_less=True)
        with m.If(self.read_en):
            m.d.sync += out.eq(words[self.read_addr])
        m.d.comb += self.read_data.eq(out)
        return m

    def extra_verilog(self) -> str:
        """Return the modules of the clock gates and latches, which Amaranth cannot express."""
        gate = _clock_gate(self._gate)
        if self.kind == "latch":
            return gate + _latch(f"{self.module_name}_word", self.bits)
        # Words of flip-flops do without the gate: each can have an enable of its own.
        return f"`ifdef SYNTHESIS\n{_no_clock_gate(self._gate)}`else\n{gate}`endif\n"

    @property
    def _gate(self) -> str:
        return f"{self.module_name}_clock_gate"

    def _flipflops(self, m: Module, clock: Value, writes: Value) -> list[Signal]:
        """Return words that are clocked with the clock of their group."""
        words = [Signal(self.bits, name=f"word{i}", reset_less=True) for i in range(self.words)]
        buses = self._write_buses(m, self.write_data, self.write_en, self.write_addr)
        for group, (group_clock, here) in enumerate(self._group_clocks(m, clock, writes)):
            domain = _domain(m, f"group{group}", group_clock)
            for i, word in enumerate(words[group * WRITE_GROUP :][:WRITE_GROUP]):
                with m.If(here & (self.write_addr[:_LOW_BITS] == i)):
                    m.d[domain] += word.eq(buses[group])
        return words

    def _latches(self, m: Module, clock: Value, writes: Value) -> list[Signal]:
        """Return words that are open while a gated clock of their own is high."""
        data = Signal(self.bits, reset_less=True)
        addr = Signal.like(self.write_addr, reset_less=True)
        m.d[_domain(m, "write", clock)] += [data.eq(self.write_data), addr.eq(self.write_addr)]
        buses = self._write_buses(m, data, Const(1), addr)
        clocks = self._group_clocks(m, clock, writes)
        words = [Signal(self.bits, name=f"word{i}") for i in range(self.words)]
        for i, word in enumerate(words):
            group_clock, here = clocks[i // WRITE_GROUP]
            select = here & (self.write_addr[:_LOW_BITS] == i % WRITE_GROUP)
            opens, _ = self._gated_clock(m, f"gate{i}", group_clock, select)
            m.submodules[f"store{i}"] = Instance(
                f"{self.module_name}_word", i_en=opens, i_d=buses[i // WRITE_GROUP], o_q=word
            )
        return words

    def _write_buses(self, m: Module, data: Value, en: Value, addr: Value) -> list[Signal]:
        """Return the written data for each group of words, zero for groups not written."""
        buses = [Signal(self.bits, name=f"bus{group}") for group in range(self._groups)]
        for group, bus in enumerate(buses):
            m.d.comb += bus.eq(Mux(en & (addr[_LOW_BITS:] == group), data, 0))
        return buses

    @property
    def _groups(self) -> int:
        return -(-self.words // WRITE_GROUP)

    def _group_clocks(self, m: Module, clock: Value, writes: Value) -> list[tuple[Value, Value]]:
        """Return for each group a clock and what must hold when it pulses in a write there."""
        if self._groups == 1:
            return [(clock, writes)]
        return [
            self._gated_clock(
                m, f"group{group}", clock, writes & (self.write_addr[_LOW_BITS:] == group)
            )
            for group in range(self._groups)
        ]

    def _gated_clock(
        self, m: Module, name: str, clock: Value, enable: Value
    ) -> tuple[Signal, Signal]:
        """Return a clock that pulses where `enable` holds, and what is left of `enable` to test."""
        gated, left = Signal(name=f"{name}_clock"), Signal(name=f"{name}_left")
        m.submodules[name] = Instance(self._gate, i_clk=clock, i_en=enable, o_q=gated, o_left=left)
        return gated, left


def _domain(m: Module, name: str, clock: Value) -> str:
    """Add a clock domain without reset and return its name."""
    domain = ClockDomain(name, reset_less=True, local=True)
    m.domains += domain
    m.d.comb += domain.clk.eq(clock)
    return name


_GATE_PORTS = "(clk, en, q, left);\n  input clk;\n  input en;\n  output q;\n  output left;\n"


def _clock_gate(name: str) -> str:
    """Return a Verilog module whose clock `q` pulses in the cycles in which `en` is true.

    Synthesis puts the library's integrated clock gate in the place of a module with such a name
    (`flows.clock_gates`).  A pulse is all that `en` asks for, so nothing of it is `left`.
    """
    return (
        f"module {name}{_GATE_PORTS}  reg open;\n"
        "  always @* if (!clk) open = en;\n"
        "  assign q = clk & open;\n  assign left = 1'b1;\nendmodule\n"
    )


def _no_clock_gate(name: str) -> str:
    """Return a Verilog module whose clock always runs: all of the enable is `left` to apply."""
    return f"module {name}{_GATE_PORTS}  assign q = clk;\n  assign left = en;\nendmodule\n"


def _latch(name: str, bits: int) -> str:
    """Return a Verilog module of a level-sensitive latch that follows `d` while `en` holds."""
    return (
        f"module {name}(en, d, q);\n  input en;\n  input [{bits - 1}:0] d;\n"
        f"  output [{bits - 1}:0] q;\n  reg [{bits - 1}:0] q;\n"
        "  always @* if (en) q = d;\nendmodule\n"
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
