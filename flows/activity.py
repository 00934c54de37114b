"""Signal statistics: how often each net is 1 and how often it toggles, computed, not simulated.

A signal is described by its values in two consecutive cycles, after everything has settled: the
joint distribution of (previous, this) over 00, 01, 10, 11.  In a steady state two numbers say it
all, the probability `p1` of a 1 and the toggle rate `toggle` per cycle (`Statistic`).  A cell's
output follows from the joint distributions of its inputs and its truth table, under one
assumption: the inputs are independent of each other.  Within a tree of gates this is
exact; where a signal splits and meets itself again it is not (`docs/energy.md` has the sizes).
Glitches are left out, because only settled values are looked at.

Clocks use the same calculation with another pair of moments: the value while the clock port is
low and while it is high.  The clock port is 01, a data signal 00 or 11, and a gate, a buffer or an
integrated clock gate on the way is a truth table as everywhere else.  A clock net pulses in the
cycles in which the two values differ.

A flip-flop that is clocked in a fraction `a` of the cycles takes over data with the statistic (p,
t): its `p1` is p and its toggle rate a (a t + (1 - a) 2 p (1 - p)), as successive values it takes
are neighbours in time with probability a and strangers otherwise.  A flip-flop that hears itself
within a few gates is treated as a whole (`feedback`), wider loops by iteration.  The method is the
transition-probability propagation of the power-estimation literature (Najm 1994).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .errors import FlowError
from .feedback import Loop, find_loops
from .functions import Function
from .joint import Statistic, evaluate
from .netlist import ONE, ZERO, CellGroup, Netlist, clock_nets_of

__all__ = ["Activity", "Statistic", "propagate", "uniform_activity"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
T = TypeVar("T")

RANDOM = Statistic(0.5, 0.5)
"""A bit of a random word, drawn anew in every cycle."""
START = Statistic(0.5, 0.25)
"""From where the stored bits start the iteration."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Activity:
    """The statistic of every net of a netlist."""

    p1: FloatArray
    """Probability of 1, shape (nets,); of a clock net the fraction of time it is high."""
    toggle: FloatArray
    """Toggles per cycle, shape (nets,); 2 for a clock that pulses in every cycle."""
    clock: BoolArray
    """Whether a net belongs to the clock, shape (nets,)."""
    next_toggle: FloatArray
    """Toggles per cycle of the data of each stored bit, shape (nets,); 0 elsewhere."""
    iterations: int = 1
    residual: float = 0.0
    """Largest change of a register's statistic in the last iteration."""


def propagate(
    netlist: Netlist,
    pinned: Mapping[str, Statistic | Sequence[Statistic]] | None = None,
    *,
    inputs: Statistic = RANDOM,
    registers: Statistic = START,
    register_pins: Mapping[str, Statistic] | None = None,
    clock: str = "clk",
    iterations: int = 100,
    tolerance: float = 1e-3,
) -> Activity:
    """Compute the statistic of every net.

    Parameters
    ----------
    netlist : the netlist
    pinned : statistics of nets by hierarchical name, for all bits or bit by bit (least
        significant first); they replace what would be computed there
    inputs : statistic of the input ports that are not pinned
    registers : statistic from which the stored bits start the iteration
    register_pins : statistic of all stored bits of a part, by the part's name; kept throughout
    clock : name of the clock port, which pulses once per cycle
    iterations : passes at most
    tolerance : the iteration ends when no stored bit changes by more

    Raises
    ------
    FlowError
        If a name is unknown, a pinned net belongs to the clock, or a cell has too many inputs.
    """
    clock_nets = clock_nets_of(netlist, clock)
    cycle = np.zeros((netlist.n_nets, 4))
    cycle[:, 0] = 1.0  # what nothing drives is 0
    cycle[ONE] = (0.0, 0.0, 0.0, 1.0)
    for port in netlist.ports.values():
        if port.direction == "input":
            cycle[port.nets[port.nets > ONE]] = inputs.joint
    states = _states(netlist)
    cycle[states] = registers.joint
    fixed = _pin(netlist, pinned or {}, register_pins or {}, clock_nets, cycle)
    cycle[clock_nets] = (1.0, 0.0, 0.0, 0.0)
    data_gates, clock_gates = _compile(netlist, clock_nets, fixed)
    loops = find_loops(netlist, clock_nets)

    next_toggle = np.zeros(netlist.n_nets)
    phase = cycle
    count, residual = 0, np.inf
    while residual > tolerance and count < max(1, iterations):
        count += 1
        for gates in data_gates:
            gates.settle(cycle)
        phase = _phases(cycle, netlist.ports[clock].nets)
        for gates in clock_gates:
            gates.settle(phase)
        before = cycle[states]
        differs = np.full(netlist.n_nets, np.nan)
        for loop in loops:
            _close_loop(loop, netlist.groups[loop.group], cycle, fixed, differs)
        for group in netlist.groups:
            _update_registers(group, cycle, phase, fixed, differs, next_toggle)
        residual = float(np.abs(cycle[states] - before).max(initial=0.0))

    p1 = cycle[:, 2] + cycle[:, 3]
    toggle = cycle[:, 1] + cycle[:, 2]
    high_time = phase[:, 3] + (phase[:, 1] + phase[:, 2]) / 2
    pulses = phase[:, 1] + phase[:, 2]
    return Activity(
        p1=np.where(clock_nets, high_time, p1).clip(0.0, 1.0),
        toggle=np.where(clock_nets, 2 * pulses, toggle).clip(0.0, 2.0),
        clock=clock_nets,
        next_toggle=next_toggle,
        iterations=count,
        residual=residual,
    )


def uniform_activity(
    netlist: Netlist, toggle: float = 0.3, p1: float = 0.5, *, clock: str = "clk"
) -> Activity:
    """Return the activity in which every net but the clock has one statistic.

    Clock nets pulse in every cycle.  No circuit behaves so; it is the common ground on which
    two power calculations can be compared.
    """
    statistic = Statistic(p1, toggle)
    clock_nets = clock_nets_of(netlist, clock)
    every_p1 = np.where(clock_nets, 0.5, statistic.p1)
    every_toggle = np.where(clock_nets, 2.0, statistic.toggle)
    every_p1[[ZERO, ONE]], every_toggle[[ZERO, ONE]] = (0.0, 1.0), 0.0
    next_toggle = np.zeros(netlist.n_nets)
    next_toggle[_states(netlist)] = statistic.toggle
    return Activity(p1=every_p1, toggle=every_toggle, clock=clock_nets, next_toggle=next_toggle)


def _states(netlist: Netlist) -> NDArray[np.int64]:
    """Return the nets of all stored bits."""
    found = [g.nets[g.cell.register.state] for g in netlist.groups if g.cell.register is not None]
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


class _Gates:
    """Instances of one cell type that are evaluated together; stores the allowed nets only."""

    def __init__(self, group: CellGroup, rows: NDArray[np.int64], allowed: BoolArray) -> None:
        functions = group.cell.functions
        self.inputs = tuple(sorted({n for f in functions.values() for n in f.names}))
        self.sources = [group.nets[name][rows] for name in self.inputs]
        self.targets = [group.nets[pin][rows] for pin in functions]
        self.functions = tuple(functions.values())
        self.writes = [allowed[target] for target in self.targets]

    def settle(self, joint: FloatArray) -> None:
        """Replace the joint distributions of the output nets, in place."""
        values = evaluate(self.functions, self.inputs, [joint[net] for net in self.sources])
        for target, value, writes in zip(self.targets, values, self.writes, strict=True):
            joint[target[writes]] = value[writes]


def _compile(
    netlist: Netlist, clock_nets: BoolArray, fixed: BoolArray
) -> tuple[list[_Gates], list[_Gates]]:
    """Return the evaluation of the data nets and that of the clock nets, each in order."""
    data: list[_Gates] = []
    clock: list[_Gates] = []
    for step in netlist.steps:
        group = netlist.groups[step.group]
        if not group.cell.functions:
            continue
        on_clock = np.array([clock_nets[group.nets[p][step.rows]] for p in group.cell.functions])
        for domain, rows, allowed in (
            (data, step.rows[~on_clock.all(axis=0)], ~clock_nets & ~fixed),
            (clock, step.rows[on_clock.any(axis=0)], clock_nets),
        ):
            if rows.size:
                domain.append(_Gates(group, rows, allowed))
    return data, clock


def _phases(cycle: FloatArray, clock_port: NDArray[np.int64]) -> FloatArray:
    """Return the joint over (clock low, clock high): data stands still, the clock port rises."""
    phase = np.zeros_like(cycle)
    phase[:, 3] = cycle[:, 2] + cycle[:, 3]
    phase[:, 0] = 1.0 - phase[:, 3]
    phase[clock_port] = (0.0, 1.0, 0.0, 0.0)
    return phase


def _pin(
    netlist: Netlist,
    pinned: Mapping[str, Statistic | Sequence[Statistic]],
    register_pins: Mapping[str, Statistic],
    clock_nets: BoolArray,
    cycle: FloatArray,
) -> BoolArray:
    """Write the given statistics into `cycle`; return which nets must keep theirs."""
    fixed = np.zeros(netlist.n_nets, dtype=np.bool_)
    for name, given in pinned.items():
        nets = _lookup("pinned net", name, netlist.names)
        each = [given] * len(nets) if isinstance(given, Statistic) else list(given)
        if len(each) != len(nets):
            raise FlowError(f"pinned net {name!r} has {len(nets)} bits, not {len(each)}")
        if clock_nets[nets].any():
            raise FlowError(f"pinned net {name!r} belongs to the clock; pin its enable instead")
        for net, statistic in zip(nets.tolist(), each, strict=True):
            if net not in (ZERO, ONE):
                cycle[net] = statistic.joint
                fixed[net] = True
    parts = {name: index for index, name in enumerate(netlist.parts)}
    for name, statistic in register_pins.items():
        part = _lookup("part", name, parts)
        for group in netlist.groups:
            if group.cell.register is not None:
                states = group.nets[group.cell.register.state]
                inside = states[netlist.part[group.instance] == part]
                cycle[inside] = statistic.joint
                fixed[inside] = True
    return fixed


def _lookup(what: str, name: str, known: Mapping[str, T]) -> T:
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, n=3)
    hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
    raise FlowError(f"{what} must be a name of the netlist, not {name!r}{hint}")


def _update_registers(
    group: CellGroup,
    cycle: FloatArray,
    phase: FloatArray,
    fixed: BoolArray,
    differs: FloatArray,
    next_toggle: FloatArray,
) -> None:
    """Take the data of all stored bits of a group over, in place.

    `differs` has, for bits that feed back to themselves, how often data and bit differ; NaN
    elsewhere.
    """
    register = group.cell.register
    if register is None:
        return
    state = group.nets[register.state]
    data = _function_joint(register.data, group, cycle)
    moving = _function_joint(register.clock, group, phase)
    if register.transparent:
        taken = 1.0 - moving[:, 0]  # open in the low phase, the high phase or both
    else:  # pulses of the clock; a clock that is data has an edge at every other toggle
        slow = _function_joint(register.clock, group, cycle)
        taken = moving[:, 1] + moving[:, 2] + (slow[:, 1] + slow[:, 2]) / 2
    taken = taken.clip(0.0, 1.0)
    p1, toggle = data[:, 2] + data[:, 3], data[:, 1] + data[:, 2]
    looped = ~np.isnan(differs[state])
    apart = np.where(looped, differs[state], 2 * p1 * (1 - p1))
    next_toggle[state] = np.where(looped, apart, toggle)
    toggle = taken * (taken * toggle + (1 - taken) * apart)
    toggle = np.minimum(toggle, 2 * np.minimum(p1, 1 - p1))
    joint = np.stack([1 - p1 - toggle / 2, toggle / 2, toggle / 2, p1 - toggle / 2], axis=1)
    free = ~fixed[state]
    cycle[state[free]] = joint[free]


def _close_loop(
    loop: Loop, group: CellGroup, cycle: FloatArray, fixed: BoolArray, differs: FloatArray
) -> None:
    """Replace the statistic of data that depends on the bit it will become, in place."""
    register = group.cell.register
    assert register is not None
    data, state = (group.nets[n][loop.rows] for n in (register.data.names[0], register.state))
    p1, toggle, apart = loop.settle(cycle[state, 2] + cycle[state, 3], cycle)
    joint = np.stack([1 - p1 - toggle / 2, toggle / 2, toggle / 2, p1 - toggle / 2], axis=1)
    free = ~fixed[data]
    cycle[data[free]] = joint[free]
    differs[state[free]] = apart[free]


def _function_joint(function: Function, group: CellGroup, joint: FloatArray) -> FloatArray:
    """Return the joint distribution of a function of a group's pins, shape (n, 4)."""
    sources = [joint[group.nets[name]] for name in function.names]
    value = evaluate((function,), function.names, sources)[0]
    return np.broadcast_to(value, (group.instance.size, 4))
