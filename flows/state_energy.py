"""Energy of a simulated netlist: every transition at its Liberty table, state by state.

The terms are those of `power` (internal energy of outputs and inputs, switching, leakage); what is
a probability there is a count here, over all lanes of a `Trace` and cycle by cycle.

* An output that rises or falls pays the table of the input that caused it: one that toggled, to
  which the output is sensitive before or after the transition, in the table's state.  Of several
  causes in one cycle each counts by how often it is one.
* An input's own table counts its rises and falls in the table's state.  A clock pin's state is the
  one that the edge meets; the other pins of a stored bit change behind the edge, in the state it
  leaves; a gate's inputs meet each of the states before and after with one half.
* Leakage is the mean over the settled moments, half of the time each phase of the clock.

All data arrives while the clock is high: settled values have no other times.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .bitwise import Words, evaluate_words
from .functions import Function
from .gate_simulation import Trace
from .liberty_cells import Cell, PowerTable
from .liberty_tables import interpolate
from .loads import Loads, net_loads
from .netlist import CellGroup, Netlist

__all__ = ["EnergyMeter", "StateEnergy"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_CHUNK = 1 << 19
"""Words of one signal that are looked at at a time."""
_CAUSES_SEEN = 32
"""Transitions of a block of cycles in which causes are looked for."""
_LEAKING_BLOCKS, _LEAKING_CYCLES = 4, 2
"""Leakage is looked at in every so manyth block, in so many of its cycles."""
_ALWAYS = Function((), 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StateEnergy:
    """Energy of a trace by part and cycle, the mean of all lanes."""

    parts: tuple[str, ...]
    internal_pj: FloatArray
    """Energy inside cells [pJ], shape (parts, cycles)."""
    switching_pj: FloatArray
    """Energy in the nets that the cells drive [pJ], shape (parts, cycles)."""
    leakage_uw: FloatArray
    """Leakage power, the mean over the trace [uW], shape (parts,)."""

    @property
    def dynamic_pj(self) -> FloatArray:
        """Internal and switching energy of each part [pJ], shape (parts, cycles)."""
        total: FloatArray = self.internal_pj + self.switching_pj
        return total


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Table:
    """A power table at the slews and loads of the instances of a cell."""

    pin: str
    state: Function
    """Where it applies; of an output, where that also depends on the input."""
    rise_pj: FloatArray
    fall_pj: FloatArray


class _StoredCell:
    """The tables of one cell type with their energies at every instance."""

    def __init__(self, group: CellGroup, loads: Loads, voltage_v: float) -> None:
        self.group = group
        self.cell = cell = group.cell
        self.functions = cell.functions
        self.pins = [*cell.inputs, *cell.functions]
        if cell.register is not None:
            self.pins.append(cell.register.state)
        outputs: dict[tuple[str, str], list[_Table]] = {}
        inputs: list[_Table] = []
        for power in cell.powers:
            if power.pin in cell.inputs:
                inputs.append(self._input_table(power, loads))
            elif power.pin in cell.functions and power.related_pin in cell.inputs:
                tables = outputs.setdefault((power.pin, power.supply), [])
                tables.append(self._output_table(power, loads))
        self.outputs = [(pin, tables) for (pin, _), tables in outputs.items()]
        self.inputs = inputs
        self.charge_pj = {
            pin: 0.5 * loads.load_pf[group.nets[pin]] * voltage_v**2 for pin in self.functions
        }
        states = [_over_inputs(item.when, self.functions) for item in cell.leakages]
        self.leakages = list(zip(states, [x.leakage_uw for x in cell.leakages], strict=True))

    def _input_table(self, power: PowerTable, loads: Loads) -> _Table:
        net = self.group.nets[power.pin]
        nothing = np.zeros(net.size)
        return _Table(
            pin=power.pin,
            state=_over_inputs(power.when, self.functions),
            rise_pj=interpolate([power.rise], loads.rise_ns[net][np.newaxis], nothing)[0],
            fall_pj=interpolate([power.fall], loads.fall_ns[net][np.newaxis], nothing)[0],
        )

    def _output_table(self, power: PowerTable, loads: Loads) -> _Table:
        pin = power.related_pin
        assert pin is not None
        function, state = self.functions[power.pin], _over_inputs(power.when, self.functions)
        up, down = (slew[self.group.nets[pin]] for slew in (loads.rise_ns, loads.fall_ns))
        low, high = function.given(pin, False), function.given(pin, True)
        follows, inverts = (state & ~low & high).bits != 0, (state & low & ~high).bits != 0
        if follows == inverts:
            up = down = (up + down) / 2
        elif inverts:
            up, down = down, up
        load = loads.load_pf[self.group.nets[power.pin]]
        return _Table(
            pin=pin,
            state=state & (low ^ high) if pin in function.names else state,
            rise_pj=interpolate([power.rise], up[np.newaxis], load)[0],
            fall_pj=interpolate([power.fall], down[np.newaxis], load)[0],
        )


def _over_inputs(when: Function | None, functions: dict[str, Function]) -> Function:
    """Return a condition over inputs and stored bit."""
    return _ALWAYS if when is None else when.substitute(functions)


class EnergyMeter:
    """What transitions cost in one netlist; made once, for any number of traces.

    Parameters
    ----------
    netlist : the netlist
    loads : what `net_loads` returned for it; computed, with the default wires, where not given
    """

    def __init__(self, netlist: Netlist, loads: Loads | None = None) -> None:
        self.netlist = netlist
        loads = net_loads(netlist) if loads is None else loads
        voltage = netlist.library.voltage_v
        self._cells = [_StoredCell(group, loads, voltage) for group in netlist.groups]

    def measure(self, trace: Trace) -> StateEnergy:
        """Return the energy of a trace."""
        parts = self.netlist.parts
        internal, switching = np.zeros((2, len(parts), trace.cycles))
        leakage = np.zeros(len(parts))
        first, seen = 0, 0
        for number, block in enumerate(trace.blocks()):
            cycles = slice(first, first + block.cycles)
            first += block.cycles
            leaks = number % _LEAKING_BLOCKS == 0
            seen += leaks
            for cell in self._cells:
                for part, rows, edges in self._portions(cell, block):
                    if not (leaks or edges):
                        continue
                    window = _Window(cell, rows, block, edges)
                    if leaks:
                        leakage[part] += window.leakage_uw()
                    if edges:
                        within = window.output_pj() + window.input_pj()
                        internal[part, cycles] += window.by_cycle(within)
                        switching[part, cycles] += window.by_cycle(window.switching_pj())
        return StateEnergy(
            parts=parts,
            internal_pj=internal / trace.lanes,
            switching_pj=switching / trace.lanes,
            leakage_uw=leakage / max(1, seen),
        )

    def _portions(self, cell: _StoredCell, trace: Trace) -> Iterator[tuple[int, IntArray, int]]:
        """Split instances by part, by the edges that move them (0, 1 or 2 a cycle), and by size."""
        falls = np.zeros(self.netlist.n_nets, dtype=np.bool_)
        changed = trace.changed[0]
        falls[trace.low_nets] = changed[trace.low_nets]
        nets = [cell.group.nets[pin] for pin in cell.pins]
        moved = np.any([changed[net] for net in nets], axis=0)
        edges = moved * (1 + np.any([falls[net] for net in nets], axis=0))
        part_of = self.netlist.part[cell.group.instance]
        words = trace.before.shape[1]
        for part, number in itertools.product(np.unique(part_of).tolist(), (0, 1, 2)):
            rows = np.flatnonzero((part_of == part) & (edges == number))
            size = max(1, _CHUNK // ((1 + number * trace.cycles) * words))
            for start in range(0, rows.size, size):
                yield part, rows[start : start + size], number


class _Window:
    """Some instances of a cell over a trace: the values of their pins at settled moments."""

    def __init__(self, cell: _StoredCell, rows: IntArray, trace: Trace, edges: int) -> None:
        self.cell, self.rows, self.edges = cell, rows, edges
        self.lanes = trace.lanes
        values = (lambda nets: trace.before[np.newaxis, nets], trace.cycle_ends, trace.moments)
        self.values = {name: values[edges](nets[rows]) for name, nets in cell.group.nets.items()}
        self.shape = next(iter(self.values.values())).shape

    def state(self, function: Function, moments: slice | IntArray = slice(None)) -> Words:
        """Return a function of pins and stored bit at some moments."""
        found = evaluate_words(function, [self.values[name][moments] for name in function.names])
        if function.names:
            return found
        count = len(np.arange(self.shape[0])[moments])
        return np.broadcast_to(found, (count, *self.shape[1:]))

    def by_cycle(self, energy_pj: FloatArray) -> FloatArray:
        """Return the sums over the edges of each cycle."""
        total: FloatArray = energy_pj.reshape(-1, self.edges).sum(axis=1)
        return total

    def _moves(self, pin: str) -> tuple[Words, Words]:
        """Return the rises and the falls of a pin, of one moment less."""
        values = self.values[pin]
        changed = values[1:] ^ values[:-1]
        rises = changed & values[1:]
        return rises, changed ^ rises

    def output_pj(self) -> FloatArray:
        """Return the internal energy of outputs at each edge, all lanes [pJ]."""
        energy = np.zeros(self.shape[0] - 1)
        for pin, tables in self.cell.outputs:
            weights = self._causes(pin, tables)
            for moved, name in zip(self._moves(pin), ("rise_pj", "fall_pj"), strict=True):
                each = np.stack([getattr(table, name)[self.rows] for table in tables])
                energy += _weighed(moved, (weights * each).sum(axis=0))
        return energy

    def _causes(self, pin: str, tables: list[_Table]) -> FloatArray:
        """Return the share of each table in the transitions of an output, shape (t, n)."""
        if len(tables) == 1:
            return np.ones((1, self.rows.size))
        stride = 1 + (self.shape[0] - 1) // _CAUSES_SEEN
        ends = np.arange(1, self.shape[0], stride)
        moved = self.values[pin][ends] ^ self.values[pin][ends - 1]
        weights = np.zeros((len(tables), self.rows.size))
        for index, table in enumerate(tables):
            state = self.state(table.state, ends) | self.state(table.state, ends - 1)
            values = self.values[table.pin]
            caused = moved & state & (values[ends] ^ values[ends - 1])
            weights[index] = _lanes_set(caused).sum(axis=0, dtype=np.float64)
        # An output that is only seen to toggle as several inputs do: any of its tables.
        weights[:, weights.sum(axis=0) == 0] = 1.0
        shares: FloatArray = weights / weights.sum(axis=0)
        return shares

    def input_pj(self) -> FloatArray:
        """Return the energy of the inputs' own tables at each edge, all lanes [pJ]."""
        energy = np.zeros(self.shape[0] - 1)
        register = self.cell.cell.register
        moves = {pin: self._moves(pin) for pin in {table.pin for table in self.cell.inputs}}
        for table in self.cell.inputs:
            rises, falls = moves[table.pin]
            if not (rises.any() or falls.any()):
                continue
            state = self.state(table.state)
            if register is None:
                met = [(state[:-1], 0.5), (state[1:], 0.5)]
            elif table.pin in register.clock_pins:
                met = [(state[:-1], 1.0)]
            else:
                met = [(state[1:], 1.0)]
            for where, share in met:
                energy += share * _weighed(rises & where, table.rise_pj[self.rows])
                energy += share * _weighed(falls & where, table.fall_pj[self.rows])
        return energy

    def switching_pj(self) -> FloatArray:
        """Return the energy of the driven nets at each edge, all lanes [pJ]."""
        energy = np.zeros(self.shape[0] - 1)
        for pin, charge_pj in self.cell.charge_pj.items():
            values = self.values[pin]
            energy += _weighed(values[1:] ^ values[:-1], charge_pj[self.rows])
        return energy

    def leakage_uw(self) -> float:
        """Return the leakage power, the mean of some moments and all lanes [uW]."""
        moments = np.zeros(1, dtype=np.int64)
        if self.edges:
            cycles = (self.shape[0] - 1) // self.edges
            some = np.unique(np.linspace(0, cycles - 1, _LEAKING_CYCLES).astype(np.int64))
            moments = (1 + self.edges * some[:, np.newaxis] + np.arange(self.edges)).ravel()
        seen = moments.size * self.lanes
        uncovered, total = float(self.rows.size * seen), 0.0
        for state, leakage_uw in self.cell.leakages:
            count = float(np.bitwise_count(self.state(state, moments)).sum(dtype=np.int64))
            uncovered -= count
            total += count * leakage_uw
        total += max(uncovered, 0.0) * _default_leakage(self.cell.cell)
        return total / seen


def _lanes_set(words: Words) -> NDArray[Any]:
    """Return in how many lanes a bit is set, shape (moments, n), of (moments, n, words)."""
    counts = np.bitwise_count(words)
    one_word = counts.shape[-1] == 1
    found: NDArray[Any] = counts[..., 0] if one_word else counts.sum(axis=-1, dtype=np.uint16)
    return found


def _weighed(words: Words, energy_pj: FloatArray) -> FloatArray:
    """Return the energy of transitions at each moment, all instances and lanes [pJ]."""
    total: FloatArray = _lanes_set(words).astype(np.float64) @ energy_pj
    return total


def _default_leakage(cell: Cell) -> float:
    if cell.default_leakage_uw is not None:
        return cell.default_leakage_uw
    values: Sequence[float] = [leakage.leakage_uw for leakage in cell.leakages]
    return sum(values) / len(values) if values else 0.0
