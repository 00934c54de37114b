"""Energy of a simulated netlist: every transition at its Liberty table, state by state.

The terms are those of `power` (internal energy of outputs and inputs, switching, leakage); what is
a probability there is a count here, over all lanes of a `Trace` and cycle by cycle.

* An output that rises or falls pays the table of the input that caused it: one that toggled, to
  which the output is sensitive before or after the transition, in the table's state.  Of several
  causes at one edge each counts by how many lanes it is one in.
* An input's own table counts its rises and falls in the table's state.  A clock pin's state is the
  one that the edge meets; the other pins of a stored bit change behind the edge, in the state it
  leaves; a gate's inputs meet each of the states before and after with one half.
* Leakage is the mean over the settled moments, half of the time each phase of the clock.

All data arrives while the clock is high: settled values have no other times.
"""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .bitwise import Program, Steps, Words, run_some_steps
from .compiled import compiled
from .functions import Function
from .gate_simulation import Trace
from .liberty_cells import Cell, PowerTable
from .liberty_tables import interpolate
from .loads import Loads, net_loads
from .netlist import CellGroup, Netlist

__all__ = ["EnergyMeter", "StateEnergy"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_LEAKING_CYCLES = 4
"""Leakage is looked at in so many cycles of a trace."""
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


class _PricedCell:
    """The tables of one cell type with their energies at every instance.

    Each instance has rows for the values of its pins and its stored bit, and behind them for
    whether the states of the tables are met; a program computes the latter from the former.
    """

    def __init__(self, group: CellGroup, loads: Loads, voltage_v: float) -> None:
        self.group = group
        self.cell = cell = group.cell
        self.functions = cell.functions
        self.pins = [*cell.inputs, *cell.functions]
        if cell.register is not None:
            self.pins.append(cell.register.state)
        outputs: dict[tuple[str, str], list[_Table]] = {}
        self.inputs: list[_Table] = []
        for power in cell.powers:
            if power.pin in cell.inputs:
                self.inputs.append(self._input_table(power, loads))
            elif power.pin in cell.functions and power.related_pin in cell.inputs:
                tables = outputs.setdefault((power.pin, power.supply), [])
                tables.append(self._output_table(power, loads))
        self.outputs = [(pin, tables) for (pin, _), tables in outputs.items()]
        self.causes = [table for _, tables in self.outputs for table in tables]
        self.charge_pj = [
            0.5 * voltage_v**2 * loads.load_pf[group.nets[pin]] for pin in self.functions
        ]
        states = [_over_inputs(item.when, self.functions) for item in cell.leakages]
        tables = [*self.causes, *self.inputs]
        self.program, self.states = self._program([table.state for table in tables])
        self.leak_program, self.leak_states = self._program(states)

    def _program(self, states: Sequence[Function]) -> tuple[Program, list[int]]:
        """Return a program that computes states, and the row of each of them."""
        row_of = {state: len(self.pins) + n for n, state in enumerate(dict.fromkeys(states))}
        program = Program(len(self.pins) + len(row_of))
        for state, row in row_of.items():
            program.add(state, [self.pins.index(name) for name in state.names], row)
        return program, [row_of[state] for state in states]

    def energies(self) -> FloatArray:
        """Return what belongs to each instance, shape (instances, n) [pJ].

        First the rise and the fall of each table, then the charge of each output.
        """
        each = [pj for t in (*self.causes, *self.inputs) for pj in (t.rise_pj, t.fall_pj)]
        count = len(self.group.instance)
        return np.array([*each, *self.charge_pj], dtype=np.float64).reshape(-1, count).T

    def shares(self, pin: str) -> tuple[float, float]:
        """Return by how much the states before and after an edge of an input count."""
        register = self.cell.register
        if register is None:
            return 0.5, 0.5
        return (1.0, 0.0) if pin in register.clock_pins else (0.0, 1.0)

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


class _Types(NamedTuple):
    """Cell types for compiled code: the tables of all of them, one behind the other.

    `x_of` says where those of type `t` are in `x`: from `x_of[t]` to `x_of[t + 1]`.
    """

    pins: IntArray
    """Pins and stored bits, shape (types,)."""
    steps: Steps
    steps_of: IntArray
    leak_steps: Steps
    leak_steps_of: IntArray
    outputs: IntArray
    """Row, first table and table behind the last one (in `causes`), shape (n, 3)."""
    outputs_of: IntArray
    causes: IntArray
    """Row of the causing pin, row of the state, place among the type's tables, shape (n, 3)."""
    inputs: IntArray
    """Likewise, of the inputs' own tables."""
    inputs_of: IntArray
    shares: FloatArray
    """How much the state before and that after the edge count, shape (inputs, 2)."""
    driven: IntArray
    """Rows of outputs."""
    driven_of: IntArray
    tables: IntArray
    """Tables of causes and of inputs, shape (types,)."""
    leaks: IntArray
    """Rows of the leakages' states."""
    leaks_of: IntArray
    leaks_uw: FloatArray
    default_uw: FloatArray


class _Instances(NamedTuple):
    """Instances for compiled code, all cell types one behind the other."""

    type_of: IntArray
    part: IntArray
    nets: IntArray
    """Nets of their pins and stored bits."""
    nets_of: IntArray
    pj: FloatArray
    """`_PricedCell.energies`."""
    pj_of: IntArray
    readers: IntArray
    """Instances at each net."""
    readers_of: IntArray


def _places(parts: Sequence[Sized]) -> IntArray:
    """Return where each of some parts begins if they are put one behind the other, and the end."""
    return np.cumsum([0, *map(len, parts)], dtype=np.int64)


def _types(cells: Sequence[_PricedCell]) -> _Types:
    steps = [cell.program.steps() for cell in cells]
    leak_steps = [cell.leak_program.steps() for cell in cells]
    outputs: list[tuple[int, int, int]] = []
    causes: list[tuple[int, int, int]] = []
    inputs: list[tuple[int, int, int]] = []
    for cell in cells:
        tables = [*cell.causes, *cell.inputs]
        rows = [(cell.pins.index(t.pin), s) for t, s in zip(tables, cell.states, strict=True)]
        placed = [(*row, place) for place, row in enumerate(rows)]
        first = len(causes)
        for pin, own in cell.outputs:
            outputs.append((cell.pins.index(pin), first, first + len(own)))
            first += len(own)
        causes += placed[: len(cell.causes)]
        inputs += placed[len(cell.causes) :]
    leaks = [
        (uw.leakage_uw, row)
        for c in cells
        for uw, row in zip(c.cell.leakages, c.leak_states, strict=True)
    ]
    return _Types(
        pins=np.array([len(cell.pins) for cell in cells], dtype=np.int64),
        steps=np.concatenate(steps),
        steps_of=_places(steps),
        leak_steps=np.concatenate(leak_steps),
        leak_steps_of=_places(leak_steps),
        outputs=np.array(outputs, dtype=np.int64).reshape(-1, 3),
        outputs_of=_places([cell.outputs for cell in cells]),
        causes=np.array(causes, dtype=np.int64).reshape(-1, 3),
        inputs=np.array(inputs, dtype=np.int64).reshape(-1, 3),
        inputs_of=_places([cell.inputs for cell in cells]),
        shares=np.array([c.shares(t.pin) for c in cells for t in c.inputs]).reshape(-1, 2),
        driven=np.array([c.pins.index(p) for c in cells for p in c.functions], dtype=np.int64),
        driven_of=_places([cell.functions for cell in cells]),
        tables=np.array([len(c.causes) + len(c.inputs) for c in cells], dtype=np.int64),
        leaks=np.array([row for _, row in leaks], dtype=np.int64),
        leaks_of=_places([cell.leak_states for cell in cells]),
        leaks_uw=np.array([uw for uw, _ in leaks], dtype=np.float64),
        default_uw=np.array([_default_leakage(cell.cell) for cell in cells]),
    )


def _instances(cells: Sequence[_PricedCell], netlist: Netlist) -> _Instances:
    counts = [len(cell.group.instance) for cell in cells]
    nets = [np.stack([c.group.nets[pin] for pin in c.pins], axis=1) for c in cells]
    energies = [cell.energies() for cell in cells]
    widths = np.repeat([len(cell.pins) for cell in cells], counts)
    flat = np.concatenate([own.ravel() for own in nets])
    owner = np.repeat(np.arange(len(widths)), widths)
    pairs = np.unique(np.stack([flat, owner]), axis=1)
    return _Instances(
        type_of=np.repeat(np.arange(len(cells)), counts),
        part=np.concatenate([netlist.part[c.group.instance] for c in cells]).astype(np.int64),
        nets=flat,
        nets_of=np.concatenate([[0], np.cumsum(widths)]),
        pj=np.concatenate([own.ravel() for own in energies]),
        pj_of=np.concatenate([[0], np.cumsum(np.repeat([e.shape[1] for e in energies], counts))]),
        readers=pairs[1],
        readers_of=np.searchsorted(pairs[0], np.arange(netlist.n_nets + 1)),
    )


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
        cells = [_PricedCell(group, loads, netlist.library.voltage_v) for group in netlist.groups]
        self._types = _types(cells)
        self._instances = _instances(cells, netlist)
        self._rows = max(max(cell.program.rows, cell.leak_program.rows) for cell in cells)

    def measure(self, trace: Trace) -> StateEnergy:
        """Return the energy of a trace."""
        parts = self.netlist.parts
        internal, switching = np.zeros((2, len(parts), trace.cycles))
        leakage = np.zeros(len(parts))
        some = np.unique(np.linspace(0, trace.cycles - 1, _LEAKING_CYCLES).astype(np.int64))
        leaks = np.zeros(2 * trace.cycles, dtype=np.bool_)
        leaks[2 * some] = leaks[2 * some + 1] = True
        _price(
            trace.before.copy(), trace.ends, trace.nets, trace.words, leaks,
            self._types, self._instances, self._rows, internal, switching, leakage,
        )  # fmt: skip
        return StateEnergy(
            parts=parts,
            internal_pj=internal / trace.lanes,
            switching_pj=switching / trace.lanes,
            leakage_uw=leakage / (trace.lanes * leaks.sum()),
        )


_ODD, _PAIRS = np.uint64(0x5555_5555_5555_5555), np.uint64(0x3333_3333_3333_3333)
_NIBBLES, _BYTES = np.uint64(0x0F0F_0F0F_0F0F_0F0F), np.uint64(0x0101_0101_0101_0101)
_1, _2, _4, _56 = np.uint64(1), np.uint64(2), np.uint64(4), np.uint64(56)


@compiled
def _ones(word: np.uint64) -> int:
    """Return in how many lanes a bit is set."""
    word = word - ((word >> _1) & _ODD)
    word = (word & _PAIRS) + ((word >> _2) & _PAIRS)
    word = (word + (word >> _4)) & _NIBBLES
    return int((word * _BYTES) >> _56)


@compiled
def _price(
    now: Words,
    ends: IntArray,
    nets: IntArray,
    words: Words,
    leaks: NDArray[np.bool_],
    types: _Types,
    instances: _Instances,
    rows: int,
    internal: FloatArray,
    switching: FloatArray,
    leakage: FloatArray,
) -> None:
    """Go through a trace from the values `now`; add its energies, all lanes, by part and cycle."""
    pins, steps, steps_of = types.pins, types.steps, types.steps_of
    outputs, outputs_of, causes = types.outputs, types.outputs_of, types.causes
    inputs, inputs_of, shares = types.inputs, types.inputs_of, types.shares
    driven, driven_of, tables = types.driven, types.driven_of, types.tables
    type_of, parts, pj, pj_of = instances.type_of, instances.part, instances.pj, instances.pj_of
    pin_nets, pin_nets_of = instances.nets, instances.nets_of
    readers, readers_of = instances.readers, instances.readers_of
    size = now.shape[1]
    old = now.copy()
    before = np.zeros((rows, size), dtype=np.uint64)
    after = np.zeros((rows, size), dtype=np.uint64)
    seen = np.full(type_of.shape[0], -1, dtype=np.int64)
    for edge in range(ends.shape[0] - 1):
        for change in range(ends[edge], ends[edge + 1]):
            for w in range(size):
                now[nets[change], w] = words[change, w]
        for change in range(ends[edge], ends[edge + 1]):
            net = nets[change]
            for reader in range(readers_of[net], readers_of[net + 1]):
                instance = readers[reader]
                if seen[instance] == edge:
                    continue
                seen[instance] = edge
                kind, base = type_of[instance], pj_of[instance]
                first_net = pin_nets_of[instance]
                for pin in range(pins[kind]):
                    at = pin_nets[first_net + pin]
                    for w in range(size):
                        before[pin, w] = old[at, w]
                        after[pin, w] = now[at, w]
                run_some_steps(steps, steps_of[kind], steps_of[kind + 1], before)
                run_some_steps(steps, steps_of[kind], steps_of[kind + 1], after)
                within, charged = 0.0, 0.0
                for place in range(outputs_of[kind], outputs_of[kind + 1]):
                    pin, first, last = outputs[place, 0], outputs[place, 1], outputs[place, 2]
                    rises, falls = 0, 0
                    for w in range(size):
                        rises += _ones(~before[pin, w] & after[pin, w])
                        falls += _ones(before[pin, w] & ~after[pin, w])
                    if rises + falls == 0:
                        continue
                    # An output seen to toggle only as several inputs do: any of its tables.
                    weighed, every, total = 0.0, 0.0, 0
                    for index in range(first, last):
                        cause, state, table = causes[index, 0], causes[index, 1], causes[index, 2]
                        count = 0
                        for w in range(size):
                            moved = before[pin, w] ^ after[pin, w]
                            moved &= before[cause, w] ^ after[cause, w]
                            count += _ones(moved & (before[state, w] | after[state, w]))
                        each = rises * pj[base + 2 * table] + falls * pj[base + 2 * table + 1]
                        weighed += count * each
                        every += each
                        total += count
                    within += weighed / total if total else every / (last - first)
                for index in range(inputs_of[kind], inputs_of[kind + 1]):
                    pin, state, table = inputs[index, 0], inputs[index, 1], inputs[index, 2]
                    for w in range(size):
                        rise = ~before[pin, w] & after[pin, w]
                        fall = before[pin, w] & ~after[pin, w]
                        if rise | fall:
                            met, left = before[state, w], after[state, w]
                            up = shares[index, 0] * _ones(rise & met)
                            up += shares[index, 1] * _ones(rise & left)
                            down = shares[index, 0] * _ones(fall & met)
                            down += shares[index, 1] * _ones(fall & left)
                            within += up * pj[base + 2 * table] + down * pj[base + 2 * table + 1]
                first_place = driven_of[kind]
                for place in range(first_place, driven_of[kind + 1]):
                    pin, toggles = driven[place], 0
                    for w in range(size):
                        toggles += _ones(before[pin, w] ^ after[pin, w])
                    charged += toggles * pj[base + 2 * tables[kind] + place - first_place]
                internal[parts[instance], edge // 2] += within
                switching[parts[instance], edge // 2] += charged
        for change in range(ends[edge], ends[edge + 1]):
            for w in range(size):
                old[nets[change], w] = words[change, w]
        if leaks[edge]:
            _leak(now, after, types, instances, leakage)


@compiled
def _leak(
    now: Words, rows: Words, types: _Types, instances: _Instances, leakage: FloatArray
) -> None:
    """Add the leakage of all instances at one moment, all lanes, by part."""
    lanes = 64.0 * now.shape[1]
    for instance in range(instances.type_of.shape[0]):
        kind = instances.type_of[instance]
        first = instances.nets_of[instance]
        for pin in range(types.pins[kind]):
            for w in range(now.shape[1]):
                rows[pin, w] = now[instances.nets[first + pin], w]
        first, end = types.leak_steps_of[kind], types.leak_steps_of[kind + 1]
        run_some_steps(types.leak_steps, first, end, rows)
        uncovered, total = lanes, 0.0
        for index in range(types.leaks_of[kind], types.leaks_of[kind + 1]):
            count = 0
            for w in range(now.shape[1]):
                count += _ones(rows[types.leaks[index], w])
            uncovered -= count
            total += count * types.leaks_uw[index]
        total += max(uncovered, 0.0) * types.default_uw[kind]
        leakage[instances.part[instance]] += total


def _default_leakage(cell: Cell) -> float:
    if cell.default_leakage_uw is not None:
        return cell.default_leakage_uw
    values: Sequence[float] = [leakage.leakage_uw for leakage in cell.leakages]
    return sum(values) / len(values) if values else 0.0
