"""Liberty files: a cell library in our units, ready for netlists and energies.

`read_liberty` reads the subset of the Liberty format that describes standard cells by tables
(the non-linear delay model): functions, storage, capacitances, delays and transitions, internal
energies and leakage by state, default wire load.  Units are normalised at once: um2, ns, pF, V,
pJ, uW.  No cell of any library is known by name.  What a measurement needs and the file lacks
is a `LibertyError` that names file and line; nothing else is ever raised for a file's content.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .liberty_cells import Cell, Units
from .liberty_reader import read_cell
from .liberty_syntax import Group, Source, parse_groups, read_text
from .liberty_tables import TableReader

__all__ = ["Liberty", "WireLoad", "read_liberty"]

_PREFIX = {"": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WireLoad:
    """A wire-load model: estimated wire capacitance of a net by its number of loads."""

    name: str
    fanout: NDArray[np.float64]
    """Numbers of loads with a stated length, rising."""
    length: NDArray[np.float64]
    """Wire length at each, in the library's unit of length."""
    slope: float
    """Length that each further load adds."""
    capacitance_pf: float
    """Capacitance per unit of length [pF]."""

    def at(self, fanout: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the wire capacitance [pF] of nets with that many loads; nothing without loads."""
        length = np.interp(fanout, self.fanout, self.length)
        length += np.maximum(fanout - self.fanout[-1], 0.0) * self.slope
        result: NDArray[np.float64] = np.where(fanout > 0, length, 0.0) * self.capacitance_pf
        return result


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Liberty:
    """A cell library."""

    name: str
    path: str
    voltage_v: float
    """Supply of the default operating conditions."""
    cells: Mapping[str, Cell]
    wire_loads: Mapping[str, WireLoad]
    default_wire_load: str | None
    """Name of the wire-load model to use, None where the library has no default."""

    @property
    def wire_load(self) -> WireLoad | None:
        """The default wire-load model, None where the library has none."""
        return None if self.default_wire_load is None else self.wire_loads[self.default_wire_load]


def read_liberty(path: str | Path) -> Liberty:
    """Read a Liberty file, packed by gzip or not.

    Raises
    ------
    LibertyError
        If the file cannot be read, is not Liberty, is truncated or wrong, or has no units, no
        timing tables, no power tables or no flip-flops.
    """
    source = Source(str(path), read_text(Path(path)))
    library = parse_groups(source)
    if library.name != "library" or not library.arguments:
        library.fail(f"not Liberty: it must begin with 'library (NAME) {{', not {library.label}")
    units = _units(library)
    reader = TableReader(library, time_ns=units.time_ns, load_pf=units.load_pf)
    cells: dict[str, Cell] = {}
    for group in library.named("cell"):
        if not group.arguments:
            group.fail("a cell must have a name: 'cell (NAME) {'")
        if group.arguments[0] in cells:
            group.fail(f"{group.label} must be defined once, and is defined again")
        cells[group.arguments[0]] = read_cell(group, reader, units)
    _check_content(library, cells)
    wire_loads = {
        group.arguments[0]: _wire_load(group, units)
        for group in library.named("wire_load")
        if group.arguments
    }
    default = library.get("default_wire_load")
    if default is not None and default not in wire_loads:
        library.fail(f"default_wire_load must name a wire_load of the library, not {default!r}")
    return Liberty(
        name=library.arguments[0],
        path=str(path),
        voltage_v=_voltage(library) * units.voltage_v,
        cells=cells,
        wire_loads=wire_loads,
        default_wire_load=default,
    )


def _units(library: Group) -> Units:
    capacitance = library.lists("capacitive_load_unit")
    if not capacitance or len(capacitance[0]) != 2:
        library.fail("the library must state capacitive_load_unit (NUMBER, ff | pf)")
    number, name = capacitance[0]
    farad = library.to_number(number, "capacitive_load_unit") * _unit(library, name, "f")
    units = Units(
        time_ns=_quantity(library, "time_unit", "s") * 1e9,
        load_pf=farad * 1e12,
        voltage_v=_quantity(library, "voltage_unit", "v"),
        leakage_uw=_quantity(library, "leakage_power_unit", "w") * 1e6,
    )
    if not units.load_pf > 0:
        library.fail(f"capacitive_load_unit must be above 0, not {number}")
    return units


def _quantity(library: Group, attribute: str, unit: str) -> float:
    """Return a unit such as "1ns" in its base unit."""
    text = library.get(attribute)
    if text is None:
        library.fail(f"the library must state {attribute}")
    match = re.fullmatch(r"(\d+\.?\d*)\s*([a-zA-Z]+)", text)
    if match is None or not 0 < float(match[1]) < 1e6:
        library.fail(f"{attribute} must be a number and a unit, not {text[:40]!r}")
    return float(match[1]) * _unit(library, match[2], unit)


def _unit(library: Group, name: str, unit: str) -> float:
    lower = name.lower()
    if not lower.endswith(unit) or lower[:-1] not in _PREFIX:
        library.fail(f"a unit must be a prefix from m to f and {unit!r}, not {name!r}")
    return _PREFIX[lower[:-1]]


def _voltage(library: Group) -> float:
    """Return the supply in the file's unit: default operating conditions, else nominal."""
    name = library.get("default_operating_conditions")
    for group in library.named("operating_conditions"):
        if name is None or name in group.arguments:
            voltage = group.number("voltage")
            if voltage is not None:
                break
    else:
        voltage = library.number("nom_voltage")
    if voltage is None or not voltage > 0:
        library.fail("the library must state nom_voltage or operating_conditions above 0 V")
    return voltage


def _wire_load(group: Group, units: Units) -> WireLoad:
    points: dict[float, float] = {}
    for arguments in group.lists("fanout_length"):
        if len(arguments) < 2:
            group.fail(f"fanout_length of {group.label} must have a fanout and a length")
        fanout, length = (group.to_number(a, "fanout_length") for a in arguments[:2])
        points[fanout] = length
    fanouts = sorted(points) or [1.0]
    return WireLoad(
        name=group.arguments[0],
        fanout=np.array(fanouts),
        length=np.array([points.get(fanout, 0.0) for fanout in fanouts]),
        slope=group.number("slope") or 0.0,
        capacitance_pf=(group.number("capacitance") or 0.0) * units.load_pf,
    )


def _check_content(library: Group, cells: Mapping[str, Cell]) -> None:
    """Fail if the library cannot serve: every gap here would show up later as a zero."""
    lacks = {
        "cells": not cells,
        "timing tables (rise_transition, fall_transition)": not any(
            arc.transition_rise or arc.transition_fall for c in cells.values() for arc in c.arcs
        ),
        "power tables (internal_power)": not any(c.powers for c in cells.values()),
        "flip-flops (a cell with an ff group)": not any(
            c.register is not None and not c.register.transparent for c in cells.values()
        ),
    }
    for what, lacking in lacks.items():
        if lacking:
            library.fail(f"the library has no {what}; energies need a library with them")
