"""Settled-value simulation of a mapped netlist: 64 independent lanes in every machine word.

Two values, no delays.  A clock cycle has two settled moments: after the rising edge, in which
flip-flops take what had settled before it and the input ports get their new values, and after the
falling edge.  Integrated clock gates and latches are stored bits that follow their data while their
clock function is true, so they take part in settling; flip-flops take data where their clock
function becomes true, whatever gates their clock has passed.  Stored bits begin with random values.

The cells' functions are one program of bitwise operations (`bitwise`), in an order in which
each comes after all that its inputs need.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .bitwise import LANES_PER_WORD, ONES, Program, Steps, Words, evaluate_words, run_steps
from .compiled import compiled
from .errors import FlowError
from .functions import Function
from .liberty_cells import Register
from .netlist import ONE, ZERO, CellGroup, Netlist, clock_nets_of

__all__ = ["GateSimulation", "Trace"]

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """The settled values of all nets over some cycles: the first ones, and what each edge changes.

    Edges are rising and falling ones in turn.
    """

    before: Words
    """Values before the first edge, shape (nets, words)."""
    ends: IntArray
    """Where the changes at each edge end, in order: edge `e` has those from `ends[e]` to
    `ends[e + 1]`; shape (1 + 2 cycles,)."""
    nets: IntArray
    """Net of each change, in some lane, shape (changes,)."""
    words: Words
    """Its value behind the change, shape (changes, words)."""

    @property
    def cycles(self) -> int:
        """Clock cycles of the trace."""
        return len(self.ends) // 2

    @property
    def lanes(self) -> int:
        """Independent simulations."""
        return int(self.before.shape[1]) * LANES_PER_WORD

    def moments(self, nets: IntArray) -> Words:
        """Return the values of nets at all settled moments.

        Returns
        -------
        uint64 array, shape (1 + 2 cycles, n, words): before the first cycle, then after each edge
        """
        place = np.full(len(self.before), -1, dtype=np.int64)
        asked, inverse = np.unique(nets, return_inverse=True)
        place[asked] = np.arange(asked.size)
        values = np.empty((len(self.ends), asked.size, self.before.shape[1]), dtype=np.uint64)
        values[0] = self.before[asked]
        for edge, (start, end) in enumerate(itertools.pairwise(self.ends.tolist()), 1):
            values[edge] = values[edge - 1]
            row = place[self.nets[start:end]]
            values[edge, row[row >= 0]] = self.words[start:end][row >= 0]
        return values[:, inverse]

    def cycle_ends(self, nets: IntArray) -> Words:
        """Return the values of nets at the end of cycles.

        Returns
        -------
        uint64 array, shape (1 + cycles, n, words): before the first cycle, then of each
        """
        return self.moments(nets)[::2]


class _FlipFlops:
    """The flip-flops of a netlist: rows of their stored bits, of their clocks and of their data."""

    def __init__(self, netlist: Netlist, rows: int) -> None:
        found: list[tuple[int, int, int]] = []
        parts = [
            (group, register)
            for group in netlist.groups
            if (register := group.cell.register) is not None and not register.transparent
        ]
        count = sum(len(group.instance) for group, _ in parts)
        clocks, data = Program(rows + 2 * count), Program(rows + 2 * count)
        for group, register in parts:
            for index in range(len(group.instance)):
                row = rows + 2 * len(found)
                for program, function, to in (
                    (clocks, register.clock, row),
                    (data, register.data, row + 1),
                ):
                    nets = [int(group.nets[name][index]) for name in function.names]
                    program.add(function, nets, to)
                found.append((int(group.nets[register.state][index]), row, row + 1))
        self.rows = max(clocks.rows, data.rows)
        """Rows of values that are needed."""
        self.clocks, self.data = clocks.steps(), data.steps()
        self.state, self.clock_row, self.data_row = np.array(found, dtype=np.int64).reshape(-1, 3).T


class GateSimulation:
    """A netlist in simulation.

    Parameters
    ----------
    netlist : the netlist
    lanes : independent simulations, a multiple of 64
    clock : name of the clock port
    seed : of the values with which stored bits begin

    Raises
    ------
    FlowError
        `lanes` is no multiple of 64, latches wait for each other, or the netlist has a stored bit
        with a clear or preset that is not tied.
    """

    def __init__(
        self, netlist: Netlist, *, lanes: int = LANES_PER_WORD, clock: str = "clk", seed: int = 1
    ) -> None:
        if lanes < 1 or lanes % LANES_PER_WORD:
            raise FlowError(f"lanes must be a multiple of {LANES_PER_WORD}, not {lanes!r}")
        self.netlist = netlist
        clock_nets = clock_nets_of(netlist, clock)
        self._clock = netlist.ports[clock].nets
        nodes = _in_order(_nodes(netlist))
        moving = _reached(nodes, clock_nets)
        self._flip_flops = _FlipFlops(netlist, netlist.n_nets)
        after_fall = [node for node in nodes if moving[node.target]]
        clock_tree = [node for node in nodes if clock_nets[node.target] and not node.latch]
        programs = [_program(some, netlist.n_nets) for some in (nodes, after_fall, clock_tree)]
        self._all, self._after_fall, self._clock_tree = (program.steps() for program in programs)
        rows = max(self._flip_flops.rows, *(program.rows for program in programs))
        words = lanes // LANES_PER_WORD
        self._rows = np.zeros((rows, words), dtype=np.uint64)
        self._clocks_before = np.zeros((len(self._flip_flops.state), words), dtype=np.uint64)
        self.values = self._rows[: netlist.n_nets]
        """Value of every net now, shape (nets, words)."""
        dice = np.random.default_rng(seed)
        for group in netlist.groups:
            if group.cell.register is not None:
                state = group.nets[group.cell.register.state]
                self.values[state] = dice.integers(0, ONES, (state.size, words), np.uint64, True)
        self.values[ONE] = ONES
        self._settle(self._all)

    def cycle(self, inputs: Mapping[str, Words]) -> None:
        """Run one cycle: a rising edge, after which the inputs change, and a falling edge.

        Parameters
        ----------
        inputs : values of input ports, shape (bits, words) each; ports not named keep theirs
        """
        self.rise(inputs)
        self.fall()

    def rise(self, inputs: Mapping[str, Words]) -> None:
        """Raise the clock, change inputs, and settle."""
        self._edge(ONES)
        for name, words in inputs.items():
            self.values[self.netlist.ports[name].nets] = words
        self.values[ZERO], self.values[ONE] = 0, ONES
        self._settle(self._all)

    def fall(self) -> None:
        """Lower the clock and settle."""
        taken = self._edge(np.uint64(0))
        self._settle(self._all if taken else self._after_fall)

    def port(self, name: str) -> Words:
        """Return the value of a port, shape (bits, words)."""
        return self.values[self.netlist.ports[name].nets]

    def record(self, cycles: int) -> TraceRecorder:
        """Return a recorder of the next `cycles` cycles."""
        return TraceRecorder(self, cycles)

    def _edge(self, level: np.uint64) -> bool:
        """Change the clock and let flip-flops take their data; return whether any did."""
        cells, values = self._flip_flops, self._rows
        run_steps(cells.data, values)
        run_steps(cells.clocks, values)
        _remember(cells.clock_row, values, self._clocks_before)
        values[self._clock] = level
        run_steps(self._clock_tree, values)
        run_steps(cells.clocks, values)
        return _take(cells.state, cells.clock_row, cells.data_row, self._clocks_before, values)

    def _settle(self, steps: Steps) -> None:
        run_steps(steps, self._rows)


@compiled
def _remember(rows: IntArray, values: Words, kept: Words) -> None:
    """Copy rows of values."""
    for index in range(rows.shape[0]):
        for w in range(values.shape[1]):
            kept[index, w] = values[rows[index], w]


@compiled
def _take(
    state: IntArray, clock_row: IntArray, data_row: IntArray, before: Words, values: Words
) -> bool:
    """Let stored bits whose clocks have risen take their data; return whether any did."""
    taken = False
    for index in range(state.shape[0]):
        for w in range(values.shape[1]):
            rises = values[clock_row[index], w] & ~before[index, w]
            if rises:
                taken = True
                held = values[state[index], w]
                values[state[index], w] = held ^ ((held ^ values[data_row[index], w]) & rises)
    return taken


class TraceRecorder:
    """Keeps what changes in a number of cycles."""

    def __init__(self, simulation: GateSimulation, cycles: int) -> None:
        self._simulation = simulation
        self._cycles = cycles
        self._before = simulation.values.copy()
        self._now = self._before.copy()
        self._ends = [0]
        self._nets = np.empty(0, dtype=np.int64)
        self._words = np.empty((0, self._now.shape[1]), dtype=np.uint64)

    def cycle(self, inputs: Mapping[str, Words]) -> None:
        """Run and record one cycle."""
        self._simulation.rise(inputs)
        self._keep()
        self._simulation.fall()
        self._keep()

    def _keep(self) -> None:
        count = self._ends[-1]
        if count + len(self._now) > len(self._nets):
            room = 2 * (count + len(self._now))
            self._nets = np.resize(self._nets, room)
            self._words = np.resize(self._words, (room, self._now.shape[1]))
        end = _keep(self._simulation.values, self._now, self._nets, self._words, count)
        self._ends.append(end)

    @property
    def full(self) -> bool:
        """Whether all cycles have been recorded."""
        return len(self._ends) > 2 * self._cycles

    def trace(self) -> Trace:
        """Return what has been recorded."""
        count = self._ends[-1]
        return Trace(
            before=self._before,
            ends=np.array(self._ends, dtype=np.int64),
            nets=self._nets[:count],
            words=self._words[:count],
        )


@compiled
def _keep(values: Words, last: Words, nets: IntArray, words: Words, count: int) -> int:
    """Store the nets that differ from their last values from place `count` on; return the end."""
    for net in range(values.shape[0]):
        differs = False
        for w in range(values.shape[1]):
            differs |= last[net, w] != values[net, w]
        if differs:
            nets[count] = net
            for w in range(values.shape[1]):
                words[count, w] = last[net, w] = values[net, w]
            count += 1
    return count


@dataclass(frozen=True, slots=True)
class _Node:
    """One net that is a function of others."""

    function: Function
    sources: tuple[int, ...]
    target: int
    latch: bool


def _nodes(netlist: Netlist) -> list[_Node]:
    nodes: list[_Node] = []
    for group in netlist.groups:
        functions = [(group.nets[p], f, False) for p, f in group.cell.functions.items()]
        register = group.cell.register
        if register is not None:
            _check_untied(group, register, netlist)
            if register.transparent:
                held = ~register.clock & Function((register.state,), 0b10)
                follows = register.clock & register.data | held
                functions.append((group.nets[register.state], follows, True))
        for targets, function, latch in functions:
            sources = [group.nets[name].tolist() for name in function.names]
            for row, target in enumerate(targets.tolist()):
                nodes.append(_Node(function, tuple(s[row] for s in sources), target, latch))
    return nodes


def _check_untied(group: CellGroup, register: Register, netlist: Netlist) -> None:
    for function in (register.clear, register.preset):
        if function is None:
            continue
        pins = [group.nets[name] for name in function.names]
        tied = np.all([np.isin(net, (ZERO, ONE)) for net in pins], axis=0)
        active = evaluate_words(function, [np.where(net == ONE, ONES, 0) for net in pins])
        if not tied.all() or np.any(active & np.uint64(1)):
            bad = int(group.instance[np.flatnonzero(~tied | (active != 0))[0]])
            raise FlowError(
                f"clear and preset must be tied to their inactive value to be simulated; those of "
                f"{netlist.instances[bad]} ({group.cell.name}) are not"
            )


def _reached(nodes: Sequence[_Node], clock_nets: BoolArray) -> BoolArray:
    """Mark the nets that the clock reaches through gates and latches."""
    readers: dict[int, list[_Node]] = {}
    for node in nodes:
        for source in node.sources:
            readers.setdefault(source, []).append(node)
    reached = clock_nets.copy()
    todo = np.flatnonzero(clock_nets).tolist()
    while todo:
        for node in readers.get(todo.pop(), ()):
            if not reached[node.target]:
                reached[node.target] = True
                todo.append(node.target)
    return reached


def _in_order(nodes: Sequence[_Node]) -> list[_Node]:
    """Order the nodes so that each comes after all that its inputs need."""
    made = {node.target: node for node in nodes}
    waits: dict[int, int] = {}
    readers: dict[int, list[_Node]] = {}
    for node in nodes:
        needed = {s for s in node.sources if s in made and s != node.target}
        waits[node.target] = len(needed)
        for source in needed:
            readers.setdefault(source, []).append(node)
    ordered = [node for node in nodes if waits[node.target] == 0]
    for node in ordered:
        for reader in readers.get(node.target, ()):
            waits[reader.target] -= 1
            if waits[reader.target] == 0:
                ordered.append(reader)
    if len(ordered) < len(nodes):
        raise FlowError(
            f"{len(nodes) - len(ordered)} latches and gates wait for each other in a loop"
        )
    return ordered


def _program(nodes: Sequence[_Node], rows: int) -> Program:
    program = Program(rows)
    for node in nodes:
        program.add(node.function, node.sources, node.target)
    return program
