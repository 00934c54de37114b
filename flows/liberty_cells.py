"""Cells of a Liberty file: what a cell computes, stores, delays and dissipates.

Everything a calculation needs is in one form here.  A flip-flop, a latch and an integrated
clock gate are all a `Register`: one stored bit with a clock and a data function.  The outputs of a
cell are functions of its input pins and of that bit (the inverse output of a flip-flop is
`!state`), so one evaluation of functions serves every kind of cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .functions import Function
from .liberty_tables import Table

__all__ = ["Cell", "ClockGate", "Leakage", "Pin", "PowerTable", "Register", "TimingArc", "Units"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """How many of our units one unit of the file is."""

    time_ns: float
    load_pf: float
    voltage_v: float
    leakage_uw: float

    @property
    def energy_pj(self) -> float:
        """Unit of the power tables: capacitance times voltage squared."""
        return self.load_pf * self.voltage_v**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One signal pin of a cell."""

    name: str
    direction: str
    """`input`, `output`, `inout` or `internal`."""
    capacitance_pf: float
    """The pin's `capacitance`, which is what tools charge; else the mean of rise and fall."""
    function: Function | None = None
    """Value of an output over input pins and the stored bit."""
    three_state: Function | None = None
    """Where true, an output does not drive."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TimingArc:
    """Delay and output transition from one input pin to one output pin."""

    pin: str
    related_pin: str
    kind: str
    """Liberty `timing_type`, `combinational` where the file has none."""
    sense: str
    """`positive_unate`, `negative_unate` or `non_unate`."""
    when: Function | None
    delay_rise: Table | None
    delay_fall: Table | None
    transition_rise: Table | None
    transition_fall: Table | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PowerTable:
    """Energy [pJ] inside the cell for one transition of `pin`."""

    pin: str
    related_pin: str | None
    """Input whose transition causes it; None for an input pin's own table."""
    when: Function | None
    supply: str
    """Supply pin that pays (`related_pg_pin`), empty where the file does not tell."""
    rise: Table
    fall: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Leakage:
    """Leakage power in the states of `when`."""

    when: Function
    leakage_uw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """The stored bit of a cell."""

    state: str
    """Name under which functions of the cell refer to the bit."""
    transparent: bool
    """A latch, which follows `data` while `clock` is true; else a flip-flop, which takes `data`
    when `clock` becomes true."""
    clock: Function
    data: Function
    clear: Function | None = None
    preset: Function | None = None

    @property
    def clock_pins(self) -> tuple[str, ...]:
        """Pins of the clock or enable function."""
        return self.clock.names

    @property
    def async_pins(self) -> tuple[str, ...]:
        """Pins that only clear or preset."""
        names = [n for f in (self.clear, self.preset) if f is not None for n in f.names]
        return tuple(n for n in names if n not in self.data.names + self.clock.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockGate:
    """The roles of the pins of an integrated clock gate."""

    kind: str
    """`clock_gating_integrated_cell` of the file: as `latch_posedge_precontrol`."""
    clock: str
    enable: str
    test: str | None
    out: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cell:
    """One cell of a library."""

    name: str
    area_um2: float
    default_leakage_uw: float | None
    """Leakage where no `when` applies, None where the file has none."""
    leakages: tuple[Leakage, ...]
    pins: Mapping[str, Pin]
    register: Register | None
    clock_gate: ClockGate | None
    """What makes the cell an integrated clock gate, None for all others."""
    arcs: tuple[TimingArc, ...]
    powers: tuple[PowerTable, ...]
    dont_use: bool
    unusable: str
    """Why a netlist must not use the cell, empty for nearly all cells."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Input pins, in the order of the file."""
        return tuple(p.name for p in self.pins.values() if p.direction == "input")

    @property
    def functions(self) -> dict[str, Function]:
        """Function of each output pin that has one."""
        return {p.name: p.function for p in self.pins.values() if p.function is not None}
