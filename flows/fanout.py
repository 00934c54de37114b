"""Buffer trees for nets with many loads.

ABC buffers what it maps, and it sees one load where a net ends in many flip-flops or latches: the
word inputs of a scratchpad would hang on one driver, far beyond what its tables cover.
`limit_fanout` gives every such net a tree of buffers.  Nets that reach a clock or latch enable
are left alone, because clocks are ideal here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .liberty_cells import Cell

__all__ = ["MAX_FANOUT", "limit_fanout"]

MAX_FANOUT = 20
"""Loads one driver may have [pins]."""


def limit_fanout(module: dict[str, Any], cells: Mapping[str, Cell], buffer: Cell) -> int:
    """Insert buffers into one mapped module, in Yosys' JSON form, and return how many.

    Parameters
    ----------
    module
        The module; changed in place.  Cells that the library does not have are parts and count as
        one load per pin.
    cells
        The library's cells by name.
    buffer
        The buffer to use.
    """
    sinks, clocks = _loads(module, cells)
    fresh = 1 + max(
        (
            bit
            for net in [*module["netnames"].values(), *module["ports"].values()]
            for bit in net["bits"]
            if isinstance(bit, int)
        ),
        default=1,
    )
    output = next(pin.name for pin in buffer.pins.values() if pin.direction == "output")
    inserted = 0
    for bit, pins in sinks.items():
        if bit in clocks or len(pins) <= MAX_FANOUT:
            continue
        while len(pins) > MAX_FANOUT:
            groups = -(-len(pins) // MAX_FANOUT)
            drivers = []
            for index in range(groups):
                name = f"_fanout_{inserted}_"
                connections = {buffer.inputs[0]: [bit], output: [fresh]}
                module["cells"][name] = {
                    "hide_name": 0,
                    "type": buffer.name,
                    "parameters": {},
                    "attributes": {},
                    "connections": connections,
                }
                module["netnames"][f"{name}net"] = {
                    "hide_name": 0,
                    "bits": [fresh],
                    "attributes": {},
                }
                # Neighbours stay together: cells are listed in the order of the source.
                for connection, place in pins[
                    index * len(pins) // groups : (index + 1) * len(pins) // groups
                ]:
                    connection[place] = fresh
                drivers.append((connections[buffer.inputs[0]], 0))
                fresh += 1
                inserted += 1
            pins = drivers
    return inserted


def _loads(
    module: Mapping[str, Any], cells: Mapping[str, Cell]
) -> tuple[dict[int, list[tuple[list[Any], int]]], set[int]]:
    """Return the input pins on each net, as places that can be rewired, and the clock nets."""
    sinks: dict[int, list[tuple[list[Any], int]]] = {}
    clocks: set[int] = set()
    for instance in module["cells"].values():
        cell = cells.get(instance["type"])
        clock_pins = () if cell is None or cell.register is None else cell.register.clock_pins
        directions = instance.get("port_directions", {})
        for pin, bits in instance["connections"].items():
            if cell is not None:
                direction = cell.pins[pin].direction
            else:
                direction = directions.get(pin, "input")
            for place, bit in enumerate(bits):
                if not isinstance(bit, int) or direction != "input":
                    continue
                sinks.setdefault(bit, []).append((bits, place))
                if pin in clock_pins:
                    clocks.add(bit)
    return sinks, clocks
