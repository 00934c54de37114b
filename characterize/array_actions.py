"""What the networks and links of an array do in a cycle, and the signal statistics of each.

As `actions` does for a PE, each action is described at named signals and followed through the
netlist from there (`flows.activity`); what happens inside the PEs is held still, because the
PEs' own datapoints have it.  The stated activity:

- words and psums are uniformly random and independent from cycle to cycle, in every lane;
- successive words have the same tags;
- setting-up, configuration and the state machine of the array stand still.

A multicast is three actions, so that each of its costs is a difference of two: words that
no row wants (what the entry spends), words that all rows let in and no PE takes (each row's
registers and wires and the lane selectors of its PEs), words that all PEs take.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from flows.activity import Activity, Statistic, propagate
from flows.errors import FlowError
from flows.netlist import Netlist
from hw.array.row_stationary_config import RowStationaryConfig

__all__ = ["PARTS", "ArrayAction", "action_activity", "with_array_parts"]

PARTS = ("nodes", "links", "rows", "columns", "entries", "control")
"""Parts of an array besides its PEs: registers and selectors beside each PE, psum adders with their
queues, tag compare and registers of each row, turns and outputs of each column, the registers in
which beats enter, and all else."""
SETTLED = 0.01
"""Largest change of a register's statistic that is left when its iteration ends."""

_ON, _OFF, _STILL = Statistic(1.0, 0.0), Statistic(0.0, 0.0), Statistic(0.5, 0.0)
_RANDOM = Statistic(0.5, 0.5)

Pins = dict[str, Statistic | Sequence[Statistic]]
BoolArray = NDArray[np.bool_]


class ArrayAction(Enum):
    """What an array can do in a cycle, besides what its PEs do."""

    IDLE = "idle"
    PSUM_HOP = "psum_hop"
    PSUM_ENTER = "psum_enter"
    PSUM_LEAVE = "psum_leave"
    FILTER_ENTRY = "filter_entry"
    FILTER_ROW = "filter_row"
    FILTER_TAKE = "filter_take"
    IFMAP_ENTRY = "ifmap_entry"
    IFMAP_ROW = "ifmap_row"
    IFMAP_TAKE = "ifmap_take"


def _nodes(array: RowStationaryConfig) -> list[str]:
    return [f"node_{y}_{x}" for y in range(array.rows) for x in range(array.cols)]


def action_activity(netlist: Netlist, array: RowStationaryConfig, action: ArrayAction) -> Activity:
    """Return the statistic of every net while the array does one thing per cycle.

    Parameters
    ----------
    netlist
        The array's netlist as `with_array_parts` returns it.

    Raises
    ------
    FlowError
        The statistics do not settle.
    """
    pins = _still(array)
    network, _, reach = action.value.partition("_")
    if network == "psum":
        pins |= _psums(array, reach)
    elif reach:
        pins |= _words(array, network, reach)
    activity = propagate(
        netlist, pins, inputs=_STILL, registers=_STILL, register_pins={"pe": _STILL}
    )
    if activity.residual > SETTLED:
        raise FlowError(
            f"the activity of {action.value} must settle within {SETTLED:g}, but still changes by "
            f"{activity.residual:.2g} after {activity.iterations} iterations"
        )
    return activity


def _still(array: RowStationaryConfig) -> Pins:
    """Return the pins of an array that waits: set up, PEs active in the middle of chains."""
    pins: Pins = {"rst": _OFF, "setup__valid": _OFF, "config__valid": _OFF, "fsm_state": _STILL}
    for network in ("filter", "ifmap"):
        pins |= {f"{network}__valid": _OFF, f"{network}_entry.open": _OFF}
    for x in range(array.cols):
        pins |= {f"psum_in__{x}__valid": _OFF, f"psum_out__{x}__ready": _ON}
    for node in _nodes(array):
        pins[f"{node}.glue.setup_out"] = _setup(array, active=True)
        for port in ("filter__ready", "ifmap__ready", "psum_out__valid", "busy"):
            pins[f"{node}.pe.glue.{port}"] = _OFF
        pins[f"{node}.pe.glue.psum_out__payload"] = _STILL
        pins[f"{node}.link.count"] = _OFF
    for y in range(array.rows):
        pins[f"node_{y}_0.glue.setup_in"] = _OFF  # the row's tags are 0
    return pins


def _setup(array: RowStationaryConfig, *, active: bool) -> list[Statistic]:
    """Return the set-up of a PE in the middle of a chain that takes the words of tag and lane 0."""
    bits = [_OFF] * array.setup_bits
    bits[array.pe_setup["active"].offset] = _ON if active else _OFF
    return bits


def _psums(array: RowStationaryConfig, what: str) -> Pins:
    pins: Pins = {}
    if what == "hop":
        for node in _nodes(array):
            pins |= {
                f"{node}.pe.glue.psum_out__valid": _ON,
                f"{node}.pe.glue.psum_out__payload": _RANDOM,
                f"{node}.link.alone": _OFF,
                f"{node}.link.below__valid": _ON,
                f"{node}.link.below__payload": _RANDOM,
                f"{node}.link.up__ready": _ON,
                f"{node}.link.up__payload": _RANDOM,
                f"{node}.link.count": [_ON, _OFF],  # one word waits: a full stream's steady state
            }
    for x in range(array.cols):
        if what == "enter":
            pins |= {f"psum_in__{x}__valid": _ON, f"psum_in__{x}__payload": _RANDOM}
            pins[f"psum_in__{x}__ready"] = _ON
        elif what == "leave":
            top = f"node_{array.rows - 1}_{x}.glue"
            pins |= {f"{top}.leaving__valid": _ON, f"{top}.leaving__payload": _RANDOM}
    return pins


def _words(array: RowStationaryConfig, network: str, reach: str) -> Pins:
    """Return what differs where a beat enters a network in every cycle."""
    words = array.words(network)
    bits = [_OFF] * int(words.size)  # tags are 0
    for lane in range(words.length):
        start = lane * int(words.elem_shape.size)
        field = words.elem_shape["word"]
        first = start + field.offset
        bits[first : first + field.width] = [_RANDOM] * field.width
        bits[start] = _OFF if reach == "entry" else _ON  # there
    pins: Pins = {
        f"{network}__valid": _ON,
        f"{network}__payload": [*bits, _OFF],
        f"{network}_entry.source__ready": _ON,
        f"{network}_entry.moves": _ON,
        f"{network}_entry.take": _ON,
        f"{network}_entry.closed": _OFF,
        f"{network}_entry.words": bits,
    }
    for node in _nodes(array):
        pins[f"{node}.pe.glue.{network}__ready"] = _ON
        pins[f"{node}.glue.setup_out"] = _setup(array, active=reach == "take")
    return pins


def with_array_parts(netlist: Netlist) -> Netlist:
    """Return the netlist of an array with its cells told apart: `PARTS` and `pe`."""
    parts = (*PARTS, "pe")
    own = np.array(["." not in name for name in netlist.instances])
    part = np.array([parts.index(_part_of(name)) for name in netlist.instances], dtype=np.int64)
    free = own.copy()
    for name, ends in (("control", _ENDS), ("rows", _ROW_ENDS), ("columns", _COLUMN_ENDS)):
        nets = [
            net
            for found, bits in netlist.names.items()
            if found.startswith(ends[0]) and found.endswith(ends[1])
            for net in bits.tolist()
        ]
        reached = _cone(netlist, nets, free)
        part[reached] = parts.index(name)
        free &= ~reached
    return dataclasses.replace(netlist, parts=parts, part=part)


_ENDS = (("busy", "config__ready"), ("busy", "config__ready"))
_ROW_ENDS = (
    ("node_",),
    tuple(f".glue.{net}" for net in
          ("filter_words", "filter_kept", "ifmap_words", "ifmap_kept", "setup_in")),
)  # fmt: skip
_COLUMN_ENDS = (
    ("node_", "psum_in", "psum_out"),
    (".glue.entering_turn", ".glue.leaving_turn", "__ready", "__valid", "__payload"),
)


def _part_of(instance: str) -> str:
    """Return the part a name stands for; cells of the array's own logic count as control first."""
    first, *rest = instance.split(".")
    if not rest:
        return "control"
    if first.startswith("node_"):
        return {"glue": "nodes", "link": "links", "pe": "pe"}[rest[0]]
    return "entries"


def _cone(netlist: Netlist, nets: Sequence[int], free: BoolArray) -> BoolArray:
    """Mark the free cells whose outputs reach one of the nets, through registers too."""
    driver: dict[int, int] = {}
    reads: dict[int, list[int]] = {}
    for group in netlist.groups:
        chosen = np.flatnonzero(free[group.instance])
        for row in chosen.tolist():
            index = int(group.instance[row])
            reads[index] = [int(group.nets[pin][row]) for pin in group.cell.inputs]
            for pin in group.cell.functions:
                driver[int(group.nets[pin][row])] = index
    reached = np.zeros(len(netlist.instances), dtype=np.bool_)
    todo = list(nets)
    while todo:
        found = driver.get(todo.pop())
        if found is not None and not reached[found]:
            reached[found] = True
            todo += reads[found]
    return reached
