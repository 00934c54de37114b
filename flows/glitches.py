"""Glitches: how much more the gates of one part toggle than their settled values do.

The combinational cells of the part are simulated with delays by Icarus Verilog: every output has
the mean delay of its arcs, rising and falling apart, at the real slews and loads, and swallows
shorter pulses (inertial delay).  What enters the part (from registers, from other parts, from
ports) changes once a cycle, when static timing says it arrives.  The values at the end of every
cycle must be those of the trace, else the factor would be one of another circuit.

The factor is energy of all toggles over energy of settled toggles; a toggle of a net counts half
C V**2 and the mean internal energy of the output that drives it.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .errors import FlowError, ToolFailed
from .functions import Function
from .gate_simulation import Trace
from .liberty_cells import Cell
from .liberty_tables import Table, interpolate
from .loads import Loads
from .netlist import ONE, ZERO, CellGroup, Netlist
from .tools import iverilog_command, run_tool

__all__ = ["Glitches", "measure_glitches"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_TIMEOUT_S = 1800.0
_SHORTEST_NS = 0.001
"""The simulator's step; no delay is less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Glitches:
    """Toggles of the gates of one part."""

    settled_pj: float
    """Energy of the toggles of settled values [pJ per cycle]."""
    all_pj: float
    """Energy of all toggles [pJ per cycle]."""
    settled_toggles: float
    """Toggles of settled values per net and cycle."""
    all_toggles: float
    """All toggles per net and cycle."""

    @property
    def factor(self) -> float:
        """All energy over settled energy."""
        return self.all_pj / self.settled_pj


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Gate:
    """One output of one cell."""

    net: int
    function: Function
    sources: tuple[int, ...]


def measure_glitches(
    netlist: Netlist,
    part: str,
    trace: Trace,
    loads: Loads,
    *,
    lanes: Sequence[int],
    work_dir: Path,
) -> Glitches:
    """Simulate the gates of a part with delays, driven as in a trace.

    Parameters
    ----------
    netlist, loads
        The netlist and what `net_loads` returned for it.
    part
        Name of the part.
    trace
        What enters the part, and what it settles to.
    lanes
        Lanes of the trace, simulated one after the other.
    work_dir
        Folder to work in; it is deleted at the end.

    Raises
    ------
    FlowError
        There is no such part, it has no gates or nothing moves, or a gate settles to another value
        than in the trace.
    ToolMissing, ToolFailed
        Icarus Verilog is not installed, or fails.
    """
    gates = _gates(netlist, part)
    driven = {gate.net for gate in gates}
    entering = sorted({s for gate in gates for s in gate.sources} - driven - {ZERO, ONE})
    rise, fall = _delays(netlist, loads)
    arrival = _arrivals(netlist, np.maximum(rise, fall))
    period_ns = 1.0 + 2.0 * float(arrival[[*entering, *driven]].max())
    nets = np.array([gate.net for gate in gates])
    values = _settled(trace, nets, lanes)
    stimulus = _settled(trace, np.array(entering), lanes)
    text = _bench(gates, entering, (rise, fall), arrival, period_ns, values.shape[:2])
    toggles, ends = _simulate(text, stimulus, len(gates), work_dir)
    wrong = np.flatnonzero((ends != values.reshape(-1, nets.size)).any(axis=0))
    if wrong.size:
        raise FlowError(
            f"{wrong.size} of {nets.size} gates of {part} settle to other values with delays than "
            f"without"
        )
    settled = (values[:, 1:] != values[:, :-1]).sum(axis=(0, 1))
    if not settled.any():
        raise FlowError(f"nothing moves in {part}: there is no factor")
    energy = _toggle_pj(netlist, loads)[nets]
    transitions = values.shape[0] * (values.shape[1] - 1)
    return Glitches(
        settled_pj=float(settled @ energy) / transitions,
        all_pj=float(toggles @ energy) / transitions,
        settled_toggles=float(settled.mean()) / transitions,
        all_toggles=float(toggles.mean()) / transitions,
    )


def _gates(netlist: Netlist, part: str) -> list[_Gate]:
    if part not in netlist.parts:
        raise FlowError(f"part must be one of {', '.join(netlist.parts)}, not {part!r}")
    gates = []
    for group in netlist.groups:
        if group.cell.register is not None:
            continue
        inside = np.flatnonzero(netlist.part[group.instance] == netlist.parts.index(part))
        for pin, function in group.cell.functions.items():
            sources = [group.nets[name] for name in function.names]
            for row in inside.tolist():
                net = int(group.nets[pin][row])
                gates.append(
                    _Gate(net=net, function=function, sources=tuple(int(s[row]) for s in sources))
                )
    if not gates:
        raise FlowError(f"part {part!r} has no gates")
    return gates


def _delays(netlist: Netlist, loads: Loads) -> tuple[FloatArray, FloatArray]:
    """Return the mean delay of the driver of each net when it rises and when it falls [ns]."""
    rise, fall = np.full((2, netlist.n_nets), _SHORTEST_NS)
    for group in netlist.groups:
        for pin in group.cell.functions:
            net = group.nets[pin]
            arcs = [a for a in group.cell.arcs if a.pin == pin and a.related_pin in group.nets]
            for delay, tables in (
                (rise, [(a.delay_rise, a.related_pin) for a in arcs]),
                (fall, [(a.delay_fall, a.related_pin) for a in arcs]),
            ):
                found = [(t, name) for t, name in tables if t is not None]
                if found:
                    delay[net] = _mean(found, group, loads, net)
    return rise, fall


def _mean(
    tables: Sequence[tuple[Table, str]], group: CellGroup, loads: Loads, net: IntArray
) -> FloatArray:
    slews = np.stack([(loads.rise_ns + loads.fall_ns)[group.nets[name]] / 2 for _, name in tables])
    found = interpolate([table for table, _ in tables], slews, loads.load_pf[net])
    mean: FloatArray = np.maximum(found.mean(axis=0), _SHORTEST_NS)
    return mean


def _arrivals(netlist: Netlist, delay: FloatArray) -> FloatArray:
    """Return when each net has settled at the latest, from the clock edge or a port's change."""
    arrival = np.zeros(netlist.n_nets)
    for step in netlist.steps:
        group = netlist.groups[step.group]
        for pin, function in group.cell.functions.items():
            sources = [arrival[group.nets[name][step.rows]] for name in function.names]
            net = group.nets[pin][step.rows]
            arrival[net] = delay[net] + (np.max(sources, axis=0) if sources else 0.0)
    return arrival


def _toggle_pj(netlist: Netlist, loads: Loads) -> FloatArray:
    """Return what a toggle of each net costs [pJ]: its charge and its driver's internal energy."""
    energy: FloatArray = 0.5 * loads.load_pf * netlist.library.voltage_v**2
    for group in netlist.groups:
        for pin in group.cell.functions:
            energy[group.nets[pin]] += _internal_pj(group.cell, pin, group, loads)
    return energy


def _internal_pj(cell: Cell, pin: str, group: CellGroup, loads: Loads) -> FloatArray:
    powers = [p for p in cell.powers if p.pin == pin and p.related_pin in cell.inputs]
    net = group.nets[pin]
    by_supply: dict[str, list[FloatArray]] = {}
    for power in powers:
        assert power.related_pin is not None
        tables = [(power.rise, power.related_pin), (power.fall, power.related_pin)]
        slews = np.stack(
            [(loads.rise_ns + loads.fall_ns)[group.nets[name]] / 2 for _, name in tables]
        )
        found = interpolate([table for table, _ in tables], slews, loads.load_pf[net])
        by_supply.setdefault(power.supply, []).append(found.mean(axis=0))
    total = np.zeros(net.size)
    for energies in by_supply.values():
        total += np.mean(energies, axis=0)
    return total


def _settled(trace: Trace, nets: IntArray, lanes: Sequence[int]) -> NDArray[np.uint8]:
    """Return the values of nets at the end of cycles, shape (lanes, 1 + cycles, nets)."""
    words = trace.cycle_ends(nets)
    one_lane = [words[..., lane // 64] >> np.uint64(lane % 64) & np.uint64(1) for lane in lanes]
    return np.stack(one_lane).astype(np.uint8)


def _bench(
    gates: Sequence[_Gate],
    entering: Sequence[int],
    delays: tuple[FloatArray, FloatArray],
    arrival: FloatArray,
    period_ns: float,
    shape: tuple[int, ...],
) -> str:
    """Return the gates with their delays, what drives them, and what counts their toggles."""
    lanes, moments = shape
    rise, fall = delays
    lines = [
        "`timescale 1ns/1ps",
        "module bench;",
        f"reg [{len(entering) - 1}:0] stimulus [0:{lanes * moments - 1}];",
        f"reg [{len(entering) - 1}:0] now;",
        f"integer toggles [0:{len(gates) - 1}];",
        "integer i;",
        "reg counting = 0;",
    ]
    for index, net in enumerate(entering):
        arrives = max(arrival[net], _SHORTEST_NS)
        lines.append(f"wire n{net}; assign #({arrives:.3f}) n{net} = now[{index}];")
    for gate in gates:
        names = [f"n{s}" if s not in (ZERO, ONE) else f"1'b{s}" for s in gate.sources]
        delay = f"#({rise[gate.net]:.3f}, {fall[gate.net]:.3f})"
        text = _expression(gate.function, dict(zip(gate.function.names, names, strict=True)))
        lines.append(f"wire n{gate.net}; assign {delay} n{gate.net} = {text};")
    for index, gate in enumerate(gates):
        lines.append(
            f"always @(n{gate.net}) if (counting) toggles[{index}] = toggles[{index}] + 1;"
        )
    ends = ", ".join(f"n{gate.net}" for gate in reversed(gates))
    lines += [
        "initial begin",
        '  $readmemb("stimulus", stimulus);',
        f"  for (i = 0; i < {len(gates)}; i = i + 1) toggles[i] = 0;",
        f"  for (i = 0; i < {lanes * moments}; i = i + 1) begin",
        f"    counting = i % {moments} != 0;",  # from lane to lane nothing counts
        "    now = stimulus[i];",
        f'    #({period_ns:.3f}) $display("end %b", {{{ends}}});',
        "  end",
        f'  for (i = 0; i < {len(gates)}; i = i + 1) $display("toggles %0d", toggles[i]);',
        "  $finish;",
        "end",
        "endmodule",
    ]
    return "\n".join(lines) + "\n"


def _expression(function: Function, names: dict[str, str]) -> str:
    """Return a function as Verilog, expanded input by input."""
    full = (1 << (1 << len(function.names))) - 1
    if function.bits in (0, full):
        return f"1'b{int(function.bits != 0)}"
    name = function.names[-1]
    low, high = function.given(name, False), function.given(name, True)
    if low.bits == high.bits:
        return _expression(low, names)
    first, second = _expression(high, names), _expression(low, names)
    if (first, second) == ("1'b1", "1'b0"):
        return names[name]
    if (first, second) == ("1'b0", "1'b1"):
        return f"~{names[name]}"
    return f"({names[name]} ? {first} : {second})"


def _simulate(
    text: str, stimulus: NDArray[np.uint8], gates: int, work_dir: Path
) -> tuple[IntArray, NDArray[np.uint8]]:
    """Return the toggles of each gate and the values at the end of each cycle."""
    command = iverilog_command()
    shutil.rmtree(work_dir, ignore_errors=True)
    work_dir.mkdir(parents=True)
    (work_dir / "bench.v").write_text(text)
    rows = stimulus.reshape(-1, stimulus.shape[-1])[:, ::-1]
    (work_dir / "stimulus").write_text("\n".join("".join(map(str, row)) for row in rows.tolist()))
    log = work_dir / "vvp.log"
    for tool, arguments, own_log in (
        ("iverilog", [*command, "-g2005", "-o", "bench.vvp", "bench.v"], work_dir / "build.log"),
        ("vvp", [str(Path(command[0]).with_name("vvp")), "-n", "bench.vvp"], log),
    ):
        run_tool(
            arguments,
            tool=tool,
            doing="simulating gates with delays",
            cwd=work_dir,
            log=own_log,
            timeout_s=_TIMEOUT_S,
        )
    toggles, ends = [], []
    for line in log.read_text().splitlines():
        kind, _, value = line.partition(" ")
        if kind == "toggles":
            toggles.append(int(value))
        elif kind == "end":
            ends.append([int(bit == "1") for bit in reversed(value)])
    if len(toggles) != gates or len(ends) != len(rows):
        raise ToolFailed("vvp left out toggles or values", tool="vvp", log=log)
    shutil.rmtree(work_dir, ignore_errors=True)
    return np.array(toggles, dtype=np.int64), np.array(ends, dtype=np.uint8)
