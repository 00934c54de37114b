"""A mapped netlist as arrays: what is connected to what, and in which order signals settle.

`read_netlist` takes the JSON that Yosys writes for a flat netlist of library cells.  Nets are
numbered: net 0 is the constant 0, net 1 the constant 1, and every stored bit of a flip-flop or
latch is a net of its own, because the outputs of such a cell are functions of it like those of
any other cell.  Cells of one type form a `CellGroup` whose pins are arrays of nets,
and `steps` lists the groups level by level, so everything that follows signals through the
logic is a short loop over arrays.

The part of the design an instance belongs to is its name up to the first dot (`filter_spad._12_`
is in `filter_spad`), which is how Yosys names what it flattens; without a dot it is `top`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import FlowError
from .liberty import Liberty
from .liberty_cells import Cell

__all__ = ["CellGroup", "Netlist", "Port", "Step", "area_um2", "clock_nets_of", "read_netlist"]

IntArray = NDArray[np.int64]

ZERO, ONE = 0, 1
"""Nets of the two constants."""
TOP = "top"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CellGroup:
    """All instances of one cell type."""

    cell: Cell
    instance: IntArray
    """Index of each instance in `Netlist.instances`, shape (n,)."""
    nets: Mapping[str, IntArray]
    """Net of each pin, and of the stored bit under its name, arrays of shape (n,)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Port:
    """A port of the top module."""

    direction: str
    nets: IntArray
    """Nets, least significant bit first."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Step:
    """Instances of one group whose inputs are all settled by earlier steps."""

    group: int
    rows: IntArray
    """Rows of the group's arrays."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Netlist:
    """A flat netlist of library cells."""

    name: str
    library: Liberty
    instances: tuple[str, ...]
    parts: tuple[str, ...]
    """Names of the parts."""
    part: IntArray
    """Index of each instance's part, shape (instances,)."""
    groups: tuple[CellGroup, ...]
    n_nets: int
    """Nets, with constants and stored bits."""
    names: Mapping[str, IntArray]
    """Nets of each hierarchical net name, least significant bit first."""
    ports: Mapping[str, Port]
    steps: tuple[Step, ...]
    """Order of evaluation of all output functions."""


def read_netlist(path: str | Path, top: str, library: Liberty) -> Netlist:
    """Read a flat netlist in Yosys JSON.

    Parameters
    ----------
    path : path of the file that `write_json` wrote
    top : name of the module to read
    library : the library its cells are from

    Raises
    ------
    FlowError
        If the file is none, has no such module, or the module has a cell that is not in the
        library, an unknown pin, two drivers on a net or a combinational loop.
    """
    module = _module(Path(path), top)
    try:
        return _netlist(module, top, library)
    except (AttributeError, KeyError, TypeError) as error:
        raise FlowError(_no_netlist(Path(path), error)) from error


def area_um2(netlist: Netlist) -> dict[str, float]:
    """Return the cell area of each part [um2]."""
    area = np.zeros(len(netlist.parts))
    for group in netlist.groups:
        area += group.cell.area_um2 * np.bincount(
            netlist.part[group.instance], minlength=len(netlist.parts)
        )
    return dict(zip(netlist.parts, area.tolist(), strict=True))


def clock_nets_of(netlist: Netlist, clock: str) -> NDArray[np.bool_]:
    """Mark all nets that the clock port reaches without passing a stored bit.

    Returns
    -------
    bool array, shape (nets,)

    Raises
    ------
    FlowError
        If `clock` is no input port.
    """
    if clock not in netlist.ports or netlist.ports[clock].direction != "input":
        inputs = [name for name, port in netlist.ports.items() if port.direction == "input"]
        raise FlowError(f"clock must be an input port ({', '.join(inputs)}), not {clock!r}")
    marked = np.zeros(netlist.n_nets, dtype=np.bool_)
    marked[netlist.ports[clock].nets] = True
    for step in netlist.steps:
        group = netlist.groups[step.group]
        for pin, function in group.cell.functions.items():
            for name in function.names:
                reached = marked[group.nets[name][step.rows]]
                marked[group.nets[pin][step.rows[reached]]] = True
    return marked


class _Numbering:
    """Gives every signal bit of the file a net."""

    def __init__(self) -> None:
        self.count = 2
        self._of_bit: dict[Any, int] = {"0": ZERO, "1": ONE, "x": ZERO, "z": ZERO}

    def net(self, bit: Any) -> int:
        if bit not in self._of_bit:
            self._of_bit[bit] = self.new()
        return self._of_bit[bit]

    def nets(self, bits: list[Any]) -> IntArray:
        return np.array([self.net(bit) for bit in bits], dtype=np.int64)

    def new(self) -> int:
        self.count += 1
        return self.count - 1


def _netlist(module: Mapping[str, Any], top: str, library: Liberty) -> Netlist:
    numbers = _Numbering()
    instances: list[str] = []
    by_type: dict[str, list[tuple[int, Mapping[str, list[Any]]]]] = {}
    for raw, data in module.get("cells", {}).items():
        if data["type"] == "$scopeinfo":  # a note about the hierarchy, not a cell
            continue
        by_type.setdefault(data["type"], []).append((len(instances), data["connections"]))
        instances.append(_plain_name(raw))
    groups = []
    for type_name, members in by_type.items():
        cell = _cell(library, type_name, instances[members[0][0]])
        groups.append(_group(cell, members, numbers, instances))
    names = {
        _plain_name(name): numbers.nets(data["bits"])
        for name, data in module.get("netnames", {}).items()
    }
    ports = {
        name: Port(direction=data["direction"], nets=numbers.nets(data["bits"]))
        for name, data in module.get("ports", {}).items()
    }
    part_of = [_part(name) for name in instances]
    parts = tuple(sorted(set(part_of)))
    return Netlist(
        name=top,
        library=library,
        instances=tuple(instances),
        parts=parts,
        part=np.array([parts.index(name) for name in part_of], dtype=np.int64),
        groups=tuple(groups),
        n_nets=numbers.count,
        names=names,
        ports=ports,
        steps=_levels(groups, instances),
    )


def _module(path: Path, top: str) -> dict[str, Any]:
    try:
        modules = json.loads(path.read_text(encoding="utf-8"))["modules"]
        if top in modules:
            module: dict[str, Any] = modules[top]
            return module
    except OSError as error:
        raise FlowError(f"{path}: cannot be read: {error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise FlowError(
            f"{path}: must be a netlist written by Yosys as JSON ({error!r})"
        ) from error
    raise FlowError(f"{path}: has no module {top!r}; it has {', '.join(modules) or 'none'}")


def _no_netlist(path: Path, error: Exception) -> str:
    return f"{path}: must be a netlist written by Yosys as JSON ({error!r})"


def _plain_name(raw: str) -> str:
    """Return a name as the design has it, without the marks that Yosys adds when it flattens."""
    return raw.removeprefix("$flatten").removeprefix("\\")


def _part(instance: str) -> str:
    # The private names of the top module begin with '$' and may contain dots of file names.
    head, dot, _ = instance.partition(".")
    return head if dot and not instance.startswith("$") else TOP


def _cell(library: Liberty, name: str, instance: str) -> Cell:
    if name not in library.cells:
        raise FlowError(
            f"every cell must be one of library {library.name}, not {name!r} (instance {instance})"
            "; map the design to the library before"
        )
    cell = library.cells[name]
    if cell.unusable:
        raise FlowError(f"cell {name!r} (instance {instance}) cannot be used: {cell.unusable}")
    return cell


def _group(
    cell: Cell,
    members: list[tuple[int, Mapping[str, list[Any]]]],
    numbers: _Numbering,
    instances: list[str],
) -> CellGroup:
    pins = [pin for pin in cell.pins.values() if pin.direction in ("input", "output")]
    nets: dict[str, list[int]] = {pin.name: [] for pin in pins}
    known = set(cell.pins)
    for index, connections in members:
        for name, bits in connections.items():
            if bits and name not in known:
                raise FlowError(
                    f"instance {instances[index]}: cell {cell.name} has no pin {name!r}"
                )
        for pin in pins:
            bits = connections.get(pin.name) or [None]
            if len(bits) != 1:
                raise FlowError(f"instance {instances[index]}: pin {pin.name} must be one bit")
            if bits[0] is not None:
                net = numbers.net(bits[0])
            else:  # an open output burns power all the same; an open input is taken as 0
                net = numbers.new() if pin.direction == "output" else ZERO
            nets[pin.name].append(net)
    if cell.register is not None:
        nets[cell.register.state] = [numbers.new() for _ in members]
    return CellGroup(
        cell=cell,
        instance=np.array([index for index, _ in members], dtype=np.int64),
        nets={name: np.array(values, dtype=np.int64) for name, values in nets.items()},
    )


def _levels(groups: list[CellGroup], instances: list[str]) -> tuple[Step, ...]:
    """Sort the instances so that each comes after all that its output functions depend on."""
    driver: dict[int, int] = {}
    inputs: dict[int, list[int]] = {}
    place: dict[int, tuple[int, int]] = {}
    for number, group in enumerate(groups):
        functions = group.cell.functions
        used = sorted({name for function in functions.values() for name in function.names})
        used_nets = [group.nets[name].tolist() for name in used]
        for row, index in enumerate(group.instance.tolist()):
            place[index] = (number, row)
            inputs[index] = [nets[row] for nets in used_nets]
        for pin in functions:
            for index, net in zip(group.instance.tolist(), group.nets[pin].tolist(), strict=True):
                if net in (ZERO, ONE) or net in driver:
                    raise FlowError(
                        f"instance {instances[index]}: its output {pin} must drive a net alone; "
                        + (
                            f"{instances[driver[net]]} drives it too"
                            if net in driver
                            else "it is tied to a constant"
                        )
                    )
                driver[net] = index
    waits = {i: {driver[net] for net in nets if net in driver} for i, nets in inputs.items()}
    readers: dict[int, list[int]] = {}
    for index, sources in waits.items():
        for source in sources:
            readers.setdefault(source, []).append(index)
    missing = {index: len(sources) for index, sources in waits.items()}
    ready = [index for index, count in missing.items() if count == 0]
    steps: list[Step] = []
    while ready:
        rows: dict[int, list[int]] = {}
        following: list[int] = []
        for index in ready:
            number, row = place[index]
            rows.setdefault(number, []).append(row)
            for reader in readers.get(index, []):
                missing[reader] -= 1
                if missing[reader] == 0:
                    following.append(reader)
        steps += [Step(group=n, rows=np.array(r, dtype=np.int64)) for n, r in rows.items()]
        ready = following
    stuck = [instances[index] for index, count in missing.items() if count > 0]
    if stuck:
        raise FlowError(
            f"{len(stuck)} cells wait for each other in a combinational loop, among them "
            + ", ".join(stuck[:3])
        )
    return tuple(steps)
