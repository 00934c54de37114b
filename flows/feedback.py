"""Registers that hear themselves: enable multiplexers, counters, accumulators.

A flip-flop whose data depends on its own output within a few gates breaks the assumption of
independent inputs in the worst place: a word that is held through a multiplexer would seem to
toggle, and a counter's lowest bit would keep whatever rate the iteration starts from.  So these few
gates are taken as one function F of the stored bit q and the other nets x that enter them.
With q independent of x, and x known at two successive cycles,

    next bit  q1 = F(q, x0),   bit after it  q2 = F(q1, x1),

and the toggle rate is the probability that q2 differs from q1.  For a multiplexer with enable e,
this is e (e t + (1 - e) 2 p (1 - p)), the formula of a gated clock; for a counter bit it is the
rate of its carry.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .functions import Function
from .joint import pair_vectors, pair_weights
from .netlist import CellGroup, Netlist

__all__ = ["Loop", "find_loops"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

DEPTH = 3
"""Gates between a flip-flop's output and its data at most."""
MAX_NETS = 6
"""Other nets that enter these gates at most."""

_ATTEMPTS = [(depth, beside) for depth in range(DEPTH, 0, -1) for beside in (1, 0)]
"""Gates on the loop and gates beside it (an enable and its inverse, seen as one net), tried in
this order until few enough nets enter."""

Node = Any
"""A gate as (group, output pin, inputs); an input is a gate, the bit, its inverse or a net."""
BIT, INVERSE = "q", "!q"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loop:
    """Flip-flops with one and the same function of their own bit and other nets."""

    function: Function
    """Next value over `q`, `x0`, `x1`, ..."""
    group: int
    """Group of the flip-flops."""
    rows: IntArray
    """Rows of that group, shape (n,)."""
    nets: IntArray
    """Nets x0, x1, ..., shape (k, n)."""

    def settle(
        self, p1: FloatArray, joint: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the bit's probability of 1, its toggle rate and how often data differs from it.

        Parameters
        ----------
        p1 : probability of 1 of the bits so far, shape (n,), kept where the bit is only held
        joint : joint distributions of all nets over (previous, this) cycle, shape (nets, 4)
        """
        weights = pair_weights([joint[net] for net in self.nets], len(p1))
        rise, fall, again = _changes(self.function, len(self.nets))
        rise_chance, fall_chance = weights @ rise, weights @ fall
        moving = rise_chance + fall_chance
        p1 = np.where(moving > 1e-12, rise_chance / np.where(moving > 1e-12, moving, 1.0), p1)
        toggle = (1 - p1) * (weights @ again[0]) + p1 * (weights @ again[1])
        differs = (1 - p1) * rise_chance + p1 * fall_chance
        limit = 2 * np.minimum(p1, 1 - p1)
        return p1, np.minimum(toggle, limit), differs


def find_loops(netlist: Netlist, clock_nets: NDArray[np.bool_]) -> list[Loop]:
    """Return all flip-flops whose data depends on their own output within `DEPTH` gates."""
    gates = _gates(netlist, clock_nets)
    found: dict[tuple[int, Node, int], tuple[list[int], list[list[int]]]] = {}
    for number, group in enumerate(netlist.groups):
        register = group.cell.register
        if register is None or register.transparent or len(register.data.names) != 1:
            continue
        if register.data.bits != 0b10:
            continue
        data = group.nets[register.data.names[0]].tolist()
        for row, net in enumerate(data):
            own = _own_outputs(group, register.state, row)
            for depth, beside in _ATTEMPTS:
                nets: list[int] = []
                node = _expand(net, depth, beside, gates, own, nets)
                if node is None:  # shallower there is nothing either
                    break
                if len(nets) <= MAX_NETS:
                    rows, entering = found.setdefault((number, node, len(nets)), ([], []))
                    rows.append(row)
                    entering.append(nets)
                    break
    functions = tuple(tuple(sorted(g.cell.functions.items())) for g in netlist.groups)
    return [
        Loop(
            function=_compose(node, functions).over((BIT, *(f"x{i}" for i in range(count)))),
            group=number,
            rows=np.array(rows, dtype=np.int64),
            nets=np.array(entering, dtype=np.int64).T.reshape(count, len(rows)),
        )
        for (number, node, count), (rows, entering) in found.items()
    ]


Gates = Mapping[int, tuple[int, str, tuple[int, ...]]]
"""Driver of a net: group, output pin, and the nets of the function's inputs."""


def _gates(netlist: Netlist, clock_nets: NDArray[np.bool_]) -> Gates:
    gates: dict[int, tuple[int, str, tuple[int, ...]]] = {}
    for number, group in enumerate(netlist.groups):
        if group.cell.register is None:
            for pin, function in group.cell.functions.items():
                inputs = [group.nets[name].tolist() for name in function.names]
                for row, net in enumerate(group.nets[pin].tolist()):
                    if not clock_nets[net]:
                        gates[net] = (number, pin, tuple(nets[row] for nets in inputs))
    return gates


def _own_outputs(group: CellGroup, state: str, row: int) -> dict[int, str]:
    marks = {Function((state,), 0b10): BIT, Function((state,), 0b01): INVERSE}
    return {
        int(group.nets[pin][row]): marks[function]
        for pin, function in group.cell.functions.items()
        if function in marks
    }


def _expand(
    net: int, depth: int, beside: int, gates: Gates, own: dict[int, str], nets: list[int]
) -> Node:
    """Return the gates between own output and `net`, None if there are none; collects `nets`."""
    if net in own:
        return own[net]
    if depth == 0 or net not in gates:
        return None
    number, pin, inputs = gates[net]
    children = [_expand(each, depth - 1, beside, gates, own, nets) for each in inputs]
    if all(child is None for child in children):
        return None
    for index, each in enumerate(inputs):
        if children[index] is None:
            children[index] = _enter(each, beside, gates, own, nets)
    return (number, pin, tuple(children))


def _enter(net: int, beside: int, gates: Gates, own: dict[int, str], nets: list[int]) -> Node:
    """Return a net beside the loop, as `beside` gates and the nets that enter them."""
    if net in own:
        return own[net]
    if beside and net in gates:
        number, pin, inputs = gates[net]
        children = [_enter(each, beside - 1, gates, own, nets) for each in inputs]
        return (number, pin, tuple(children))
    if net not in nets:
        nets.append(net)
    return nets.index(net)


def _compose(node: Node, functions: tuple[tuple[tuple[str, Function], ...], ...]) -> Function:
    """Return the function of a node over `q` and `x0`, `x1`, ..."""
    if isinstance(node, int):
        return Function((f"x{node}",), 0b10)
    if isinstance(node, str):
        return Function((BIT,), 0b10 if node == BIT else 0b01)
    number, pin, children = node
    function: Function = dict(functions[number])[pin]
    inputs = [_compose(child, functions) for child in children]
    return function.substitute(dict(zip(function.names, inputs, strict=True)))


@functools.cache
def _changes(function: Function, count: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return, for every pair of values of x, whether a bit changes.

    Returns
    -------
    rise : for the earlier x, whether a 0 becomes 1, shape (4**count,)
    fall : for the earlier x, whether a 1 becomes 0
    again : whether the bit changes at the later x, having been 0 or 1 before the earlier,
        shape (2, 4**count)
    """
    table = function.table.astype(np.int64).reshape(-1, 2)  # row: x, column: q
    before, after = pair_vectors(count)
    again = np.stack([table[after, table[before, q]] != table[before, q] for q in (0, 1)])
    rise, fall = table[before, 0] == 1, table[before, 1] == 0
    return rise.astype(np.float64), fall.astype(np.float64), again.astype(np.float64)
