"""Settled values of a mapped netlist, cycle by cycle, for 64 independent streams of data at once.

A net's value is a 64-bit integer, one bit for each stream (lane); a gate is a few bitwise
operations on arrays of such integers.  A cycle is looked at twice, as `flows.activity` does it:
with the clock low, when inputs and logic have settled and the latches of clock gates are open, and
with the clock high, when it has reached the flip-flops that take their data.  From what the nets
do in the cycles that are recorded follows an `Activity`, measured instead of computed.

Flip-flops of the rising edge and latches that are open while the clock is low are understood, which
is all that PEs with scratchpads of flip-flops or outside memories consist of.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flows.activity import Activity
from flows.functions import Function
from flows.liberty_cells import Register
from flows.netlist import ONE, CellGroup, Netlist, clock_nets_of

from .errors import CharacterizeError

__all__ = ["LANES", "SettledNetlist", "lane_words", "words_of_lanes"]

Words = NDArray[np.uint64]
LANES = 64
_ONES = np.uint64(2**64 - 1)
_ROUNDS = 8
"""Rounds in which a chain of open latches must settle."""


def lane_words(words: Sequence[int], bits: int) -> Words:
    """Return the value of every bit in all lanes, from one word per lane; shape (bits,)."""
    columns = [
        sum((word >> bit & 1) << lane for lane, word in enumerate(words)) for bit in range(bits)
    ]
    return np.array(columns, dtype=np.uint64)


def words_of_lanes(values: Words) -> list[int]:
    """Return one word per lane from the value of every bit in all lanes."""
    columns = values.tolist()
    return [
        sum((column >> lane & 1) << bit for bit, column in enumerate(columns))
        for lane in range(LANES)
    ]


class SettledNetlist:
    """A netlist that is clocked by `cycle`; stored bits begin with random values."""

    def __init__(self, netlist: Netlist, *, seed: int = 1, clock: str = "clk") -> None:
        self.netlist = netlist
        self.values: Words = np.zeros(netlist.n_nets, dtype=np.uint64)
        """Value of every net in all lanes, shape (nets,)."""
        self.values[ONE] = _ONES
        self._clock_port = netlist.ports[clock].nets
        self._clock_nets = clock_nets_of(netlist, clock)
        self._registers = [group for group in netlist.groups if group.cell.register is not None]
        self._flipflops = [g for g in self._registers if not _register(g).transparent]
        self._latches = [g for g in self._registers if _register(g).transparent]
        dice = np.random.default_rng(seed)
        for group in self._registers:
            nets = group.nets[_register(group).state]
            self.values[nets] = dice.integers(0, 2**64, nets.size, dtype=np.uint64)
        self._all = _gates(netlist, np.ones(netlist.n_nets, dtype=np.bool_))
        self._clocked = _gates(netlist, _reached(netlist, self._clock_port))
        states = [group.nets[_register(group).state] for group in self._latches]
        behind = _reached(netlist, np.concatenate(states)) if states else self._clock_nets
        self._behind_latches = _gates(netlist, behind)
        self._recorded = 0
        self._before: tuple[Words, Words] | None = None
        self._ones = np.zeros(netlist.n_nets, dtype=np.int64)
        self._toggles = np.zeros(netlist.n_nets, dtype=np.int64)
        self._next_toggles = np.zeros(netlist.n_nets, dtype=np.int64)

    def drive(self, port: str, value: Words | int) -> None:
        """Set an input port, in all lanes alike where the value is an integer."""
        nets = self.netlist.ports[port].nets
        if isinstance(value, int):
            self.values[nets] = [_ONES if value >> bit & 1 else 0 for bit in range(nets.size)]
        else:
            self.values[nets] = value

    def read(self, port: str) -> Words:
        """Return the value of a port, shape (bits,)."""
        return self.values[self.netlist.ports[port].nets]

    def flag(self, port: str) -> bool:
        """Return the value of a port of one bit that must be the same in all lanes."""
        value = self.read(port)[0]
        if value not in (0, _ONES):
            raise CharacterizeError(
                f"{port} must not depend on the data, but differs between lanes"
            )
        return bool(value)

    def settle(self) -> None:
        """Let the logic settle on the inputs, with the clock low and its latches open."""
        self.values[self._clock_port] = 0
        _run(self._all, self.values)
        for _ in range(_ROUNDS):
            if not self._open_latches():
                return
            _run(self._behind_latches, self.values)
        raise CharacterizeError(f"open latches must settle within {_ROUNDS} rounds")

    def cycle(self, *, record: bool = False) -> None:
        """Give one clock pulse to what has settled; count the cycle if it is to be recorded."""
        low = self.values.copy() if record else self.values
        data = [self._of_register(g, _register(g).data) for g in self._flipflops]
        edges = [self._of_register(g, _register(g).clock) for g in self._flipflops]
        self.values[self._clock_port] = _ONES
        _run(self._clocked, self.values)
        if record:
            self._count(low)
        if self._open_latches():
            raise CharacterizeError("latches must be closed while the clock is high")
        taken = []
        for group, word, before in zip(self._flipflops, data, edges, strict=True):
            state = group.nets[_register(group).state]
            edge = ~before & self._of_register(group, _register(group).clock)
            taken.append((state, self.values[state] ^ (edge & (self.values[state] ^ word))))
        for state, word in taken:
            self.values[state] = word

    def activity(self) -> Activity:
        """Return the statistic of every net over the recorded cycles."""
        if self._recorded < 2:
            raise CharacterizeError("a statistic needs at least two recorded cycles")
        steps = LANES * (self._recorded - 1)
        pulses = self._toggles / (LANES * self._recorded)
        clock = self._clock_nets
        p1 = self._ones / (LANES * self._recorded)
        return Activity(
            p1=np.where(clock, p1 / 2, p1),
            toggle=np.where(clock, 2 * pulses, self._toggles / steps),
            clock=clock,
            next_toggle=self._next_toggles / steps,
        )

    def _of_register(self, group: CellGroup, function: Function) -> Words:
        return _value(function, [self.values[group.nets[name]] for name in function.names])

    def _open_latches(self) -> bool:
        """Let open latches follow their data; return whether one changed."""
        changed = False
        for group in self._latches:
            register = _register(group)
            state = group.nets[register.state]
            data, is_open = (self._of_register(group, f) for f in (register.data, register.clock))
            following = self.values[state] ^ (is_open & (self.values[state] ^ data))
            changed |= bool((following != self.values[state]).any())
            self.values[state] = following
        return changed

    def _count(self, low: Words) -> None:
        clock = self._clock_nets
        data = np.zeros_like(low)
        for group in self._registers:
            register = _register(group)
            operands = [low[group.nets[name]] for name in register.data.names]
            data[group.nets[register.state]] = _value(register.data, operands)
        self._ones += np.bitwise_count(np.where(clock, low ^ self.values, low))
        self._toggles += np.where(clock, np.bitwise_count(low ^ self.values), 0)
        if self._before is not None:
            self._toggles += np.where(clock, 0, np.bitwise_count(low ^ self._before[0]))
            self._next_toggles += np.bitwise_count(data ^ self._before[1])
        self._before = low, data
        self._recorded += 1


Gates = list[tuple[Function, list[NDArray[np.int64]], NDArray[np.int64]]]
"""A function, the nets of its operands, and the nets that get its value."""


def _register(group: CellGroup) -> Register:
    assert group.cell.register is not None
    return group.cell.register


def _gates(netlist: Netlist, wanted: NDArray[np.bool_]) -> Gates:
    """Return what drives the wanted nets, in the order of evaluation."""
    gates: Gates = []
    for step in netlist.steps:
        group = netlist.groups[step.group]
        for pin, function in group.cell.functions.items():
            rows = step.rows[wanted[group.nets[pin][step.rows]]]
            if rows.size:
                operands = [group.nets[name][rows] for name in function.names]
                gates.append((function, operands, group.nets[pin][rows]))
    return gates


def _reached(netlist: Netlist, start: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark the nets that follow from some nets without passing a stored bit."""
    marked = np.zeros(netlist.n_nets, dtype=np.bool_)
    marked[start] = True
    for step in netlist.steps:
        group = netlist.groups[step.group]
        for pin, function in group.cell.functions.items():
            for name in function.names:
                reached = marked[group.nets[name][step.rows]]
                marked[group.nets[pin][step.rows[reached]]] = True
    return marked


def _run(gates: Gates, values: Words) -> None:
    for function, operands, targets in gates:
        values[targets] = _value(function, [values[nets] for nets in operands])


def _value(function: Function, operands: Sequence[Words]) -> Words:
    """Return a function of arrays, by Shannon expansion on the last input first."""
    size = operands[0].size if operands else 1

    def constant(value: np.uint64) -> Words:
        return np.full(size, value, dtype=np.uint64)

    def expand(bits: int, inputs: int) -> Words:
        if inputs == 0:
            return constant(_ONES if bits else np.uint64(0))
        half = 1 << (inputs - 1)
        ones = (1 << half) - 1
        low, high, operand = bits & ones, bits >> half, operands[inputs - 1]
        if low == high:
            return expand(low, inputs - 1)
        if high == low ^ ones:
            return operand if low == 0 else operand ^ expand(low, inputs - 1)
        if low == 0:
            return operand & expand(high, inputs - 1)
        if high == 0:
            return ~operand & expand(low, inputs - 1)
        if low == ones:
            return ~operand | expand(high, inputs - 1)
        if high == ones:
            return operand | expand(low, inputs - 1)
        other = expand(low, inputs - 1)
        return other ^ (operand & (other ^ expand(high, inputs - 1)))

    return expand(function.bits, len(function.names))
