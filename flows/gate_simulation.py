"""Settled-value simulation of a mapped netlist: 64 independent lanes in every machine word.

Two values, no delays.  A clock cycle has two settled moments: after the rising edge, in which
flip-flops take what had settled before it and the input ports get their new values, and after the
falling edge.  Integrated clock gates and latches are stored bits that follow their data while their
clock function is true, so they take part in settling; flip-flops take data where their clock
function becomes true, whatever gates their clock has passed.  Stored bits begin with random values.

The cells' functions are evaluated many instances at a time, in an order that brings equal functions
together (`_schedule`), each as a few bitwise operations on packed words (`bitwise`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .bitwise import LANES_PER_WORD, ONES, Words, compile_words, evaluate_words
from .errors import FlowError
from .functions import Function
from .liberty_cells import Register
from .netlist import ONE, ZERO, CellGroup, Netlist, clock_nets_of

__all__ = ["GateSimulation", "Trace"]

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

BLOCK = 64
"""Cycles over which a trace tells what has changed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """The settled values of all nets over some cycles."""

    before: Words
    """Values at the end of the cycle before the first, shape (nets, words)."""
    high: Words
    """Values after the rising edge of each cycle, shape (cycles, nets, words)."""
    low_nets: IntArray
    """Nets that the falling edge may change; all others keep their values to the cycle's end."""
    low: Words
    """Their values after the falling edge, shape (cycles, low nets, words)."""
    changed: BoolArray
    """Which nets change within each `BLOCK` of cycles, shape (blocks, nets)."""

    @property
    def cycles(self) -> int:
        """Clock cycles of the trace."""
        return int(self.high.shape[0])

    @property
    def lanes(self) -> int:
        """Independent simulations."""
        return int(self.high.shape[2]) * LANES_PER_WORD

    def blocks(self) -> Iterator[Trace]:
        """Return the trace in traces of `BLOCK` cycles, of which the last may be shorter."""
        before = self.before
        for index in range(len(self.changed)):
            cycles = slice(index * BLOCK, (index + 1) * BLOCK)
            high, low = self.high[cycles], self.low[cycles]
            changed = self.changed[index : index + 1]
            yield Trace(before=before, high=high, low_nets=self.low_nets, low=low, changed=changed)
            before = high[-1].copy()
            before[self.low_nets] = low[-1]

    def moments(self, nets: IntArray) -> Words:
        """Return the values of nets at all settled moments.

        Returns
        -------
        uint64 array, shape (1 + 2 cycles, n, words): before the first cycle, then after each edge
        """
        place = np.full(self.before.shape[0], -1, dtype=np.int64)
        place[self.low_nets] = np.arange(self.low_nets.size)
        values = np.empty((1 + 2 * self.cycles, nets.size, self.before.shape[1]), dtype=np.uint64)
        values[0] = self.before[nets]
        values[1::2] = values[2::2] = self.high[:, nets]
        falls = place[nets]
        values[2::2, falls >= 0] = self.low[:, falls[falls >= 0]]
        return values

    def cycle_ends(self, nets: IntArray) -> Words:
        """Return the values of nets that the falling edge leaves alone, at the end of cycles.

        Returns
        -------
        uint64 array, shape (1 + cycles, n, words): before the first cycle, then of each
        """
        return np.concatenate([self.before[np.newaxis, nets], self.high[:, nets]])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Batch:
    """One function of many instances, evaluated together."""

    function: Function
    sources: tuple[IntArray, ...]
    targets: IntArray
    evaluate: Callable[[Sequence[Words]], Words]

    def settle(self, values: Words) -> None:
        values[self.targets] = self.evaluate([values.take(s, axis=0) for s in self.sources])


class _FlipFlops:
    """The flip-flops of one cell type."""

    def __init__(self, group: CellGroup, register: Register) -> None:
        self.state = group.nets[register.state]
        self.data = _Batch(
            function=register.data,
            sources=tuple(group.nets[name] for name in register.data.names),
            targets=self.state,
            evaluate=compile_words(register.data),
        )
        self.clock = register.clock
        self.clock_nets = [group.nets[name] for name in register.clock.names]

    def clock_value(self, values: Words) -> Words:
        return evaluate_words(self.clock, [values[net] for net in self.clock_nets])

    def next_value(self, values: Words) -> Words:
        data = self.data
        found = data.evaluate([values.take(source, axis=0) for source in data.sources])
        return np.broadcast_to(found, (self.state.size, values.shape[1]))


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
        words = lanes // LANES_PER_WORD
        self.values = np.zeros((netlist.n_nets, words), dtype=np.uint64)
        """Value of every net now, shape (nets, words)."""
        nodes = _nodes(netlist)
        moving = _reached(nodes, clock_nets)
        self.low_nets = np.flatnonzero(moving)
        """Nets that a falling edge of the clock may change."""
        self._all = _schedule(nodes)
        self._after_fall = _schedule([node for node in nodes if moving[node.target]])
        on_clock = [node for node in nodes if clock_nets[node.target] and not node.latch]
        self._clock_tree = _schedule(on_clock)
        self._flip_flops = [
            _FlipFlops(group, register)
            for group in netlist.groups
            if (register := group.cell.register) is not None and not register.transparent
        ]
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
        values = self.values
        before = [cells.clock_value(values) for cells in self._flip_flops]
        data = [cells.next_value(values) for cells in self._flip_flops]
        values[self._clock] = level
        self._settle(self._clock_tree)
        taken = False
        for cells, clock, following in zip(self._flip_flops, before, data, strict=True):
            rises = cells.clock_value(values) & ~clock
            if rises.any():
                taken = True
                state = values[cells.state]
                values[cells.state] = state ^ ((state ^ following) & rises)
        return taken

    def _settle(self, batches: Sequence[_Batch]) -> None:
        for batch in batches:
            batch.settle(self.values)


class TraceRecorder:
    """Keeps the settled values of a number of cycles."""

    def __init__(self, simulation: GateSimulation, cycles: int) -> None:
        self._simulation = simulation
        nets, words = simulation.values.shape
        low_nets = simulation.low_nets
        self._before = self._last = simulation.values.copy()
        self._high = np.empty((cycles, nets, words), dtype=np.uint64)
        self._low = np.empty((cycles, low_nets.size, words), dtype=np.uint64)
        self._changed = np.zeros((-(-cycles // BLOCK), nets), dtype=np.bool_)
        self._count = 0

    def cycle(self, inputs: Mapping[str, Words]) -> None:
        """Run and record one cycle."""
        simulation = self._simulation
        before, changed = self._last, self._changed[self._count // BLOCK]
        simulation.rise(inputs)
        high = self._high[self._count]
        high[:] = simulation.values
        changed |= (high != before).any(axis=1)
        simulation.fall()
        low_nets = simulation.low_nets
        self._low[self._count] = simulation.values[low_nets]
        changed[low_nets] |= (self._low[self._count] != high[low_nets]).any(axis=1)
        self._last = simulation.values.copy()
        self._count += 1

    @property
    def full(self) -> bool:
        """Whether all cycles have been recorded."""
        return self._count == self._high.shape[0]

    def trace(self) -> Trace:
        """Return what has been recorded."""
        return Trace(
            before=self._before,
            high=self._high[: self._count],
            low_nets=self._simulation.low_nets,
            low=self._low[: self._count],
            changed=self._changed[: -(-self._count // BLOCK)],
        )


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


def _schedule(nodes: Sequence[_Node]) -> list[_Batch]:
    """Order the nodes in batches of equal functions, each after all that its inputs need.

    Of the functions that could be evaluated next, the one with most nodes ready goes first: that
    makes far fewer batches than going level by level.
    """
    made = {node.target for node in nodes}
    waits: dict[int, int] = {}
    readers: dict[int, list[int]] = {}
    for index, node in enumerate(nodes):
        needed = {s for s in node.sources if s in made and s != node.target}
        waits[index] = len(needed)
        for source in needed:
            readers.setdefault(source, []).append(index)
    ready: dict[tuple[int, int], list[int]] = {}

    def add(index: int) -> None:
        function = nodes[index].function
        ready.setdefault((len(function.names), function.bits), []).append(index)

    for index, count in waits.items():
        if count == 0:
            add(index)
    batches: list[_Batch] = []
    done = 0
    while ready:
        chosen = ready.pop(max(ready, key=lambda key: len(ready[key])))
        done += len(chosen)
        together = [nodes[index] for index in chosen]
        batches.append(
            _Batch(
                function=together[0].function,
                sources=tuple(
                    np.array(column, dtype=np.int64)
                    for column in zip(*(node.sources for node in together), strict=True)
                ),
                targets=np.array([node.target for node in together], dtype=np.int64),
                evaluate=compile_words(together[0].function),
            )
        )
        for node in together:
            for reader in readers.get(node.target, ()):
                waits[reader] -= 1
                if waits[reader] == 0:
                    add(reader)
    if done < len(nodes):
        raise FlowError(f"{len(nodes) - done} latches and gates wait for each other in a loop")
    return batches
