"""Electrical state of a netlist: what every net charges and how fast it moves.

The load of a net is the capacitance of the input pins on it and, if wanted, the wire that the
library's default wire-load model expects for that many pins.  Slews start at the inputs and at
the clock, which is ideal (zero slew everywhere on it), and pass through the transition tables
level by level; where several inputs could cause a transition, the slowest counts, as in static
timing analysis.  Both are independent of activity, so they are computed once per netlist.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .liberty_cells import Cell
from .liberty_tables import Table, interpolate
from .netlist import CellGroup, Netlist, clock_nets_of

__all__ = ["Loads", "net_loads"]

FloatArray = NDArray[np.float64]

_DRIVING = frozenset(
    {"combinational", "combinational_rise", "combinational_fall", "rising_edge", "falling_edge"}
)
"""Timing types of what data or clock cause; clear, preset and disabling are not among them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loads:
    """Load and slews of every net, arrays of shape (nets,)."""

    load_pf: FloatArray
    """Capacitance the driver charges [pF]."""
    rise_ns: FloatArray
    """Slew of the rising transition [ns], as the library measures slews."""
    fall_ns: FloatArray
    """Slew of the falling transition [ns]."""


def net_loads(
    netlist: Netlist, *, wire_load: bool = True, input_slew_ns: float = 0.0, clock: str = "clk"
) -> Loads:
    """Compute load and slews of every net.

    Parameters
    ----------
    netlist : the netlist
    wire_load : add the wires of the library's default wire-load model, if it has one
    input_slew_ns : slew at the input ports [ns]
    clock : name of the clock port
    """
    load = _capacitances(netlist, wire_load)
    ideal = clock_nets_of(netlist, clock)
    rise, fall = np.zeros(netlist.n_nets), np.zeros(netlist.n_nets)
    for port in netlist.ports.values():
        if port.direction == "input":
            rise[port.nets] = fall[port.nets] = input_slew_ns
    rise[ideal] = fall[ideal] = 0.0
    arcs = [_transitions(group.cell) for group in netlist.groups]
    registers = [g.cell.register for g in netlist.groups]
    # A latch passes its data's slew on, but stands first in the order: one more pass settles it.
    for _ in range(2 if any(r is not None and r.transparent for r in registers) else 1):
        for step in netlist.steps:
            group = netlist.groups[step.group]
            for pin, (to_rise, to_fall) in arcs[step.group].items():
                rows = step.rows[~ideal[group.nets[pin][step.rows]]]
                net = group.nets[pin][rows]
                if net.size:
                    rise[net], fall[net] = (
                        _slowest(to_rise, group, rows, load[net], rise, fall),
                        _slowest(to_fall, group, rows, load[net], fall, rise),
                    )
    return Loads(load_pf=load, rise_ns=rise, fall_ns=fall)


def _capacitances(netlist: Netlist, wire_load: bool) -> FloatArray:
    load = np.zeros(netlist.n_nets)
    fanout = np.zeros(netlist.n_nets, dtype=np.int64)
    for group in netlist.groups:
        for pin in group.cell.inputs:
            np.add.at(load, group.nets[pin], group.cell.pins[pin].capacitance_pf)
            np.add.at(fanout, group.nets[pin], 1)
    for port in netlist.ports.values():
        if port.direction == "output":
            np.add.at(fanout, port.nets, 1)
    model = netlist.library.wire_load
    return load + model.at(fanout) if wire_load and model is not None else load


Transition = tuple[Table, str, str]
"""Transition table, input pin and sense of one arc."""


def _transitions(cell: Cell) -> dict[str, tuple[list[Transition], list[Transition]]]:
    """Return for each output pin the arcs that make it rise and those that make it fall."""
    found: dict[str, tuple[list[Transition], list[Transition]]] = {}
    for pin in cell.functions:
        found[pin] = ([], [])
    for arc in cell.arcs:
        if arc.pin in found and arc.kind in _DRIVING and arc.related_pin in cell.inputs:
            to_rise, to_fall = found[arc.pin]
            if arc.transition_rise is not None:
                to_rise.append((arc.transition_rise, arc.related_pin, arc.sense))
            if arc.transition_fall is not None:
                to_fall.append((arc.transition_fall, arc.related_pin, arc.sense))
    return found


def _slowest(
    arcs: list[Transition],
    group: CellGroup,
    rows: NDArray[np.int64],
    load: FloatArray,
    same: FloatArray,
    opposite: FloatArray,
) -> FloatArray:
    """Return the largest output slew; `same` are the input slews of the output's direction."""
    if not arcs:
        return np.zeros(rows.size)
    slews = np.empty((len(arcs), rows.size))
    for index, (_, pin, sense) in enumerate(arcs):
        net = group.nets[pin][rows]
        if sense == "positive_unate":
            slews[index] = same[net]
        elif sense == "negative_unate":
            slews[index] = opposite[net]
        else:
            slews[index] = np.maximum(same[net], opposite[net])
    found = interpolate([table for table, _, _ in arcs], slews, load)
    slowest: FloatArray = np.maximum(found.max(axis=0), 0.0)
    return slowest
