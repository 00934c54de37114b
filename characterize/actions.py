"""Actions of a PE and the signal statistics each is priced with (`method: activity`).

An action is described at the ports of the parts, whose names every PE shares: which enables are
high, which addresses count, which data change.  From there the statistics follow through the
netlist (`flows.activity`), so the gates, the clock gates and the words of a scratchpad are priced
by what reaches them.  The stated activity:

- data (weights, psums, words written) are uniformly random and independent from cycle to cycle:
  every bit toggles with probability 1/2; an activation stays for `FILTERS_PER_TAP` products;
- addresses count upwards: bit i toggles every 2**i accesses;
- of PE types with shared scales, one slot in `SLOTS_PER_SCALE` ends a block;
- the registers inside the control part toggle with probability `CONTROL_ACTIVITY` in every cycle
  that does something;
- in an idle cycle nothing but the clock changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from flows.activity import Activity, Statistic, propagate
from flows.errors import FlowError
from flows.netlist import Netlist

__all__ = ["CONTROL_ACTIVITY", "FILTERS_PER_TAP", "Action", "action_activity"]

FILTERS_PER_TAP = 16
"""Products an activation is used for before the next one is read (p of the Eyeriss mappings)."""
SLOTS_PER_SCALE = 8
"""Slots of a block with shared scales, its last word of scale included: q = 7 or 6 channels."""
CONTROL_ACTIVITY = 0.1
SETTLED = 0.01
"""Largest change of a register's statistic that is left when its iteration ends."""

_ON, _OFF, _STILL = Statistic(1.0, 0.0), Statistic(0.0, 0.0), Statistic(0.5, 0.0)
_RANDOM = Statistic(0.5, 0.5)
_SPADS = ("filter", "ifmap", "psum")
_ENABLES = [
    *(f"{spad}_{port}_en" for spad in _SPADS for port in ("write", "read")),
    *("begin_en", "begin_zero", "product_en", "first", "sum_en"),
]
_ADDRESSES = [f"{spad}_{port}_addr" for spad in _SPADS for port in ("write", "read")]
_DATA = [
    *(f"{spad}_spad.read_data" for spad in _SPADS),
    *("filter_spad.write_data", "ifmap_spad.write_data", "datapath.psum_in", "datapath.psum"),
]

_BLOCK_ENABLES = ("opens", "scale", "block_en", "convert_en", "block_read_en", "block_write_en")

Pins = dict[str, Statistic | Sequence[Statistic]]


class Action(Enum):
    """What a PE can do in a cycle."""

    IDLE = "idle"
    PRODUCT = "product"
    FILTER_LOAD = "filter_load"
    IFMAP_LOAD = "ifmap_load"
    PSUM_PASS = "psum_pass"


def action_activity(netlist: Netlist, action: Action) -> Activity:
    """Return the statistic of every net of a PE's netlist while it does one thing per cycle."""
    pins: Pins = {f"control.{name}": _OFF for name in _ENABLES}
    pins |= {f"control.{name}": _STILL for name in _ADDRESSES}
    pins |= dict.fromkeys(_DATA, _STILL)
    if _has_blocks(netlist):
        pins |= {f"control.{name}": _OFF for name in _BLOCK_ENABLES}
        pins |= {f"control.block_{port}_addr": _STILL for port in ("write", "read")}
        pins |= {"block_spad.read_data": _STILL, "datapath.block": _STILL}
    pins["control.step"] = _ON
    pins["rst"] = _OFF
    pins |= _CHANGES[action](netlist)
    busy = Statistic(0.5, 0.0 if action is Action.IDLE else CONTROL_ACTIVITY)
    activity = propagate(
        netlist, pins, inputs=_STILL, registers=_STILL, register_pins={"control": busy}
    )
    if activity.residual > SETTLED:
        raise FlowError(
            f"the activity of {action.value} must settle within {SETTLED:g}, but still changes by "
            f"{activity.residual:.2g} after {activity.iterations} iterations"
        )
    return activity


def _counting(netlist: Netlist, name: str, rate: float = 1.0) -> Pins:
    bits = len(netlist.names[name])
    return {name: [Statistic(0.5, rate / 2**i) for i in range(bits)]}


def _has_blocks(netlist: Netlist) -> bool:
    return "control.block_en" in netlist.names


def _idle(_: Netlist) -> Pins:
    return {}


def _product(netlist: Netlist) -> Pins:
    rate = 1 / FILTERS_PER_TAP
    pins: Pins = {
        "control.filter_read_en": _ON,
        "control.psum_read_en": _ON,
        "control.psum_write_en": _ON,
        "control.product_en": _ON,
        "control.sum_en": _ON,
        "control.ifmap_read_en": Statistic(rate, 2 * rate),
        "filter_spad.read_data": _RANDOM,
        "ifmap_spad.read_data": Statistic(0.5, rate / 2),
        "psum_spad.read_data": _RANDOM,
        "datapath.psum": _RANDOM,
        **_counting(netlist, "control.filter_read_addr"),
        **_counting(netlist, "control.psum_read_addr"),
        **_counting(netlist, "control.psum_write_addr"),
        **_counting(netlist, "control.ifmap_read_addr", rate),
    }
    psum_rate = 1.0
    if _has_blocks(netlist):
        pins |= _blocks(netlist)
        psum_rate = 1 / SLOTS_PER_SCALE
    # Read data of memories outside; each psum bank is read in every other cycle.
    for name, statistic in (
        ("filter_memory0__read_data", _RANDOM),
        ("ifmap_memory0__read_data", Statistic(0.5, rate / 2)),
        ("psum_memory0__read_data", Statistic(0.5, 0.25 * psum_rate)),
        ("psum_memory1__read_data", Statistic(0.5, 0.25 * psum_rate)),
        ("block_memory0__read_data", Statistic(0.5, 0.25)),
        ("block_memory1__read_data", Statistic(0.5, 0.25)),
    ):
        if name in netlist.names:
            pins[name] = statistic
    return pins


def _blocks(netlist: Netlist) -> Pins:
    """Return what differs where products add up to blocks: a psum changes at a block's end only."""
    end = 1 / SLOTS_PER_SCALE
    rare, often = Statistic(end, 2 * end), Statistic(1 - end, 2 * end)
    at_the_end = ("opens", "scale", "convert_en", "sum_en", "psum_read_en", "psum_write_en")
    within = ("block_en", "block_read_en", "block_write_en")
    return {
        **{f"control.{name}": rare for name in at_the_end},
        **{f"control.{name}": often for name in within},
        "psum_spad.read_data": Statistic(0.5, 0.5 * end),
        "datapath.psum": Statistic(0.5, 0.5 * end),
        "block_spad.read_data": _RANDOM,
        "datapath.block": _RANDOM,
        **_counting(netlist, "control.block_read_addr"),
        **_counting(netlist, "control.block_write_addr"),
    }


def _filter_load(netlist: Netlist) -> Pins:
    return {
        "control.filter_write_en": _ON,
        "filter_spad.write_data": _RANDOM,
        **_counting(netlist, "control.filter_write_addr"),
    }


def _ifmap_load(netlist: Netlist) -> Pins:
    return {
        "control.ifmap_write_en": _ON,
        "ifmap_spad.write_data": _RANDOM,
        **_counting(netlist, "control.ifmap_write_addr"),
    }


def _psum_pass(_: Netlist) -> Pins:
    return {"control.begin_en": _ON, "datapath.psum_in": _RANDOM}


_CHANGES = {
    Action.IDLE: _idle,
    Action.PRODUCT: _product,
    Action.FILTER_LOAD: _filter_load,
    Action.IFMAP_LOAD: _ifmap_load,
    Action.PSUM_PASS: _psum_pass,
}
